"""Scores for files of the sort that a recipe was made for: one for each entry, in the files' order.

Entries that the recipe's selection leaves out have NaN. Beside each input comes a file
``<stem>.<name>.root`` (``.parquet`` where the input is not a ROOT file) with the tree
``<tree>_<name>``, which is a friend of the input, entry by entry; or there is one file for all.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from lumin_core.checks import listed
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_core.files import refuse_existing
from lumin_plugin_io.category_codes import CodeTable
from lumin_plugin_io.event_maker import EventMaker
from lumin_plugin_io.filling import MEMORY, step_of
from lumin_plugin_io.inputs import find_files
from lumin_plugin_io.opening import open_reader, open_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lumin_core.data import Column, Reader
    from lumin_plugin_io.plan import Plan
    from lumin_plugin_io.selected import Selected

    Inputs = np.ndarray | tuple[np.ndarray, np.ndarray]
    Ask = Callable[[Inputs], np.ndarray]


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
    table = tree or _tree_of(recipe)
    scorer = _Scorer(recipe, ask, name, tuple(keys))
    if output is not None:
        path = Path(output).expanduser()
        _spare_inputs(paths, path)
        with open_reader(paths[0], table) as reader:
            named = _name_of(reader, name)
        with open_writer(path, named, rntuple=rntuple, overwrite=overwrite) as writer:
            for each in paths:
                with open_reader(each, table) as reader:
                    for columns in scorer.columns(reader, each):
                        writer.append(columns)
        return [path]
    targets = _beside(paths, name)
    for target in targets.values():
        refuse_existing(target, overwrite=overwrite)
    for each, target in targets.items():
        with (
            open_reader(each, table) as reader,
            open_writer(target, _name_of(reader, name), rntuple=rntuple, overwrite=overwrite) as writer,
        ):
            for columns in scorer.columns(reader, each):
                writer.append(columns)
    return list(targets.values())


def _tree_of(recipe: Plan) -> str | None:
    """Return the table that the recipe reads, ``None`` for the only one."""
    trees = list(dict.fromkeys(recipe.tree or [tree for sample in recipe.samples for tree in sample.tree]))
    if len(trees) > 1:
        raise ConfigError(f"the recipe reads several trees, {listed(trees)}: say which is scored, tree = {trees[0]!r}")
    return trees[0] if trees else None


def _name_of(reader: Reader, name: str) -> str:
    """Return the name of the tree of scores."""
    own = (reader.tree or "").partition(";")[0].rpartition("/")[2]
    return f"{own}_{name}" if own else name


def _spare_inputs(paths: Sequence[str], output: Path) -> None:
    """Refuse to write over an input, by whatever name."""
    if output.exists() and any(output.samefile(path) for path in paths if "://" not in path):
        raise ConfigError(f"{output} is a file that is scored, and would be lost; write the scores to another one")


def _beside(paths: Sequence[str], name: str) -> dict[str, Path]:
    """Return where scores go, by input; what an earlier call wrote there is not an input."""
    if urls := [path for path in paths if "://" in path]:
        raise ConfigError(f"scores cannot be written beside {urls[0]}; say where to, output = 'scores.root'")
    targets = {}
    for path in map(Path, paths):
        suffix = ".root" if path.suffix.lower() == ".root" else ".parquet"
        stem = Path(path.name.removesuffix(".gz")).stem
        targets[str(path)] = path.with_name(f"{stem}.{name}{suffix}")
    written = set(map(str, targets.values()))
    targets = {path: target for path, target in targets.items() if path not in written}
    if len(set(targets.values())) < len(targets):
        twice = next(path for path, times in Counter(targets.values()).items() if times > 1)
        raise ConfigError(f"scores of several files would be called {twice}; score them one by one, by other names")
    return targets


@attrs.frozen
class _Scorer:
    """Reads inputs piece by piece, asks, and gives what is written."""

    recipe: Plan
    ask: Ask
    name: str
    keys: tuple[str, ...]

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
        if not (n := reader.count()):
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

    def _check(self, maker: EventMaker, reader: Reader) -> None:
        try:
            maker.check(reader.columns())
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
        types = reader.columns()
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
