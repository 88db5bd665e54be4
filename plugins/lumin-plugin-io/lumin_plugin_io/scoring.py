"""Scores for files of the sort that a recipe was made for: one for each entry, in the files' order.

Entries that the recipe's selection leaves out have NaN. Beside each input comes a file
``<stem>.<name>.root`` (``.parquet`` where the input is not a ROOT file) with the tree
``<tree>_<name>``, which is a friend of the input, entry by entry; or there is one file for all.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from lumin_core.checks import listed
from lumin_core.errors import ConfigError, DataError, LuminError, ShapeError
from lumin_core.files import refuse_existing
from lumin_plugin_io.category_codes import CodeTable
from lumin_plugin_io.event_maker import EventMaker
from lumin_plugin_io.filling import MEMORY, step_of
from lumin_plugin_io.inputs import find_files
from lumin_plugin_io.opening import open_reader, open_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lumin_core.data import Column, Reader
    from lumin_plugin_io.plan import Plan
    from lumin_plugin_io.selected import Selected

    Inputs = np.ndarray | tuple[np.ndarray, np.ndarray]
    Ask = Callable[[Inputs], np.ndarray]
    Scoring = Callable[[str, int, int, int], None]


def score(
    recipe: Plan,
    files: Sequence[str | Path],
    ask: Ask,
    *,
    name: str = "pred",
    output: str | Path | None = None,
    keys: Sequence[str] = (),
    tree: str | None = None,
    rntuple: bool = False,
    overwrite: bool = False,
    progress: Scoring | None = None,
) -> list[Path]:
    """Write scores, see `lumin_core.data.Converter`.

    Raises:
        ConfigError: If a file, a tree or a branch is not there, or the categories have no codes.
        DataError: If something cannot be read, or is not what the recipe takes.
        FileError: If a file that would be written exists, or cannot be written.
    """
    if not name or "/" in name:
        raise ConfigError(f"scores need a name without '/', which becomes that of a column and a tree, got {name!r}")
    paths = find_files([str(file) for file in files], Path(), "the files to score")
    targets = {path: _beside(path, name) for path in paths}
    paths = _without_scores(paths, [*targets.values(), *([] if output is None else [Path(output).expanduser()])], name)
    if not paths:
        raise ConfigError(f"{output} is to be written, and the only file to score; give it another name")
    scorer = _Scorer(recipe, ask, name, tuple(keys), progress)
    jobs = [(Path(output).expanduser(), paths)] if output is not None else [(targets[path], [path]) for path in paths]
    if output is None:
        _check_beside(paths, targets, overwrite=overwrite)
    for target, inputs in jobs:
        _write(scorer, inputs, tree or _tree_of(recipe), target, rntuple=rntuple, overwrite=overwrite)
    return [target for target, _ in jobs]


def _without_scores(paths: Sequence[str], written: Iterable[Path], name: str) -> list[str]:
    """Return the files without those that an earlier call wrote; others are not written over."""
    places = {os.path.realpath(path) for path in written}
    ours = [path for path in paths if "://" not in path and os.path.realpath(path) in places]
    for path in ours if len(paths) > 1 else ():
        if not _has_scores(path, name):
            raise ConfigError(
                f"{path} is to be scored, and would be written over by scores; give these another name, or another file"
            )
    return [path for path in paths if path not in ours]


def _has_scores(path: str, name: str) -> bool:
    try:
        with open_reader(path) as reader:
            return bool(reader.types([name, f"{name}_0"]))
    except LuminError:
        return False


def _write(
    scorer: _Scorer, paths: Sequence[str], tree: str | None, target: Path, *, rntuple: bool, overwrite: bool
) -> None:
    """Write the scores of inputs into one file."""
    with open_reader(paths[0], tree) as reader:
        own = (reader.tree or "").partition(";")[0].rpartition("/")[2]
    name = f"{own}_{scorer.name}" if own else scorer.name
    with open_writer(target, name, rntuple=rntuple, overwrite=overwrite) as writer:
        for path in paths:
            with open_reader(path, tree) as reader:
                for columns in scorer.columns(reader, path):
                    writer.append(columns)


def _tree_of(recipe: Plan) -> str | None:
    """Return the table that the recipe reads, ``None`` for the only one."""
    trees = list(dict.fromkeys(recipe.tree or [tree for sample in recipe.samples for tree in sample.tree]))
    if len(trees) > 1:
        raise ConfigError(f"the recipe reads several trees, {listed(trees)}: say which is scored, tree = {trees[0]!r}")
    return trees[0] if trees else None


def _beside(path: str, name: str) -> Path:
    """Return where the scores of an input go."""
    place = Path(path)
    suffix = ".root" if place.suffix.lower() == ".root" else ".parquet"
    return place.with_name(f"{Path(place.name.removesuffix('.gz')).stem}.{name}{suffix}")


def _check_beside(paths: Sequence[str], targets: Mapping[str, Path], *, overwrite: bool) -> None:
    """Refuse files that cannot be written, before the first is."""
    if urls := [path for path in paths if "://" in path]:
        raise ConfigError(f"scores cannot be written beside {urls[0]}; say where to, output = 'scores.root'")
    times = Counter(targets[path] for path in paths)
    for target, n in times.items():
        if n > 1:
            raise ConfigError(f"the scores of {n} files would be called {target}; say where to for each, with output")
        refuse_existing(target, overwrite=overwrite)


@attrs.frozen
class _Scorer:
    """Reads inputs piece by piece, asks, and gives what is written."""

    recipe: Plan
    ask: Ask
    name: str
    keys: tuple[str, ...]
    progress: Scoring | None

    def __attrs_post_init__(self) -> None:
        """Refuse a recipe whose categories have no codes."""
        for category in self.recipe.categories:
            if not category.map:
                raise ConfigError(
                    f"[categories] {category.name} has no map, so that its codes are known only of the fold file that "
                    "was made: score with a model that was trained on that, or with the recipe that it records"
                )

    def columns(self, reader: Reader, path: str) -> Iterator[dict[str, np.ndarray]]:
        """Yield keys and scores of one input, piece by piece."""
        where = f"{path}, tree {reader.tree}" if reader.tree else path
        maker = EventMaker(self.recipe, with_truth=False, where=where)
        self._check(maker, reader)
        tables = [CodeTable(category, where) for category in self.recipe.categories]
        branches = list(dict.fromkeys([*maker.branches, *self.keys]))
        n, n_scored = reader.count(), 0
        self._tell(path, 0, n, 0)
        if not n:
            next(iter(reader.chunks(branches, 1, 0, 0)), None)  # refuses what is missing
            yield self._of_nothing(reader)
            return
        step = step_of(reader, branches, MEMORY)
        for first, chunk in zip(range(0, n, step), reader.chunks(branches, step), strict=True):
            size = min(step, n - first)
            events = maker(chunk, first, size)
            scores = self._asked(_inputs(events, tables))
            whole = np.full((size, scores.shape[1]), np.nan, dtype=scores.dtype)
            whole[events.entry - first] = scores
            yield {key: _key(chunk[key], key, where) for key in self.keys} | self._named(whole)
            n_scored += len(scores)
            self._tell(path, first + size, n, n_scored)

    def _tell(self, path: str, done: int, total: int, scored: int) -> None:
        if self.progress is not None:
            self.progress(path, done, total, scored)

    def _check(self, maker: EventMaker, reader: Reader) -> None:
        try:
            maker.types(reader)
        except ConfigError as error:
            if not any(sample.friends for sample in self.recipe.samples):
                raise
            hint = "the recipe's samples have friends, which new files do not: write the friends' columns into them"
            raise ConfigError(f"{error}; {hint}") from error

    def _asked(self, inputs: Inputs) -> np.ndarray:
        n = len(inputs[0] if isinstance(inputs, tuple) else inputs)
        scores = np.asarray(self.ask(inputs))
        if scores.ndim != 2 or len(scores) != n or scores.dtype.kind != "f":
            raise ShapeError(f"scores must be numbers of shape ({n}, n_out), got {scores.dtype} {scores.shape}")
        return scores

    def _named(self, scores: np.ndarray) -> dict[str, np.ndarray]:
        n_out = scores.shape[1]
        names = [self.name] if n_out == 1 else [f"{self.name}_{number}" for number in range(n_out)]
        if twice := set(names) & set(self.keys):
            raise ConfigError(f"{twice.pop()!r} is a key and the name of the scores; give these another name")
        return dict(zip(names, scores.T, strict=True))

    def _of_nothing(self, reader: Reader) -> dict[str, np.ndarray]:
        """Return the columns of an input without entries."""
        flat = np.empty((0, len(self.recipe.cont_feats) + len(self.recipe.cat_feats)), dtype=np.float32)
        matrix = self.recipe.matrix_schema()
        inputs = flat if matrix is None else (flat, np.empty((0, *matrix.shape), dtype=np.float32))
        types = reader.types(self.keys)
        keys = {key: np.empty(0, dtype="U1" if types[key] == "text" else types[key]) for key in self.keys}
        return keys | self._named(self._asked(inputs))


def _inputs(events: Selected, tables: Sequence[CodeTable]) -> Inputs:
    """Return what is asked for: continuous features, codes, and the matrix."""
    codes = [table.numbers(values) for table, values in zip(tables, events.categories.values(), strict=True)]
    flat = np.column_stack([events.flat, *codes]).astype(np.float32, copy=False)
    return flat if events.matrix is None else (flat, events.matrix)


def _key(values: Column, key: str, where: str) -> np.ndarray:
    if not isinstance(values, np.ndarray) or values.ndim != 1:
        raise DataError(f"{where}: the key {key!r} has several values per event; give columns that have one")
    return values
