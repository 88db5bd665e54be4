"""From a recipe to fold files, in two passes.

Pass 1 reads each input once, selects, computes, and appends what is kept to a spool by part and
fold. Pass 2 reads the spool fold by fold, scales, shuffles and writes. Above what is imported,
memory is a limit for each process that reads, and about one fold for the one that writes.
"""

from __future__ import annotations

import itertools
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from lumin_core import FoldFileWriter
from lumin_core.checks import check_flags, listed, positive
from lumin_core.data import FoldReader
from lumin_core.display import count
from lumin_core.errors import DataError
from lumin_core.locks import locked
from lumin_plugin_io.filling import MEMORY, Job
from lumin_plugin_io.folds import FoldMaker, check_counts
from lumin_plugin_io.normalisation import factor_of
from lumin_plugin_io.outputs import paths_of, refuse_existing_parts, spool_of
from lumin_plugin_io.scaling import check_scaling, load_scaling
from lumin_plugin_io.sources import check_sources, key_of, sources_of
from lumin_plugin_io.spool import Spool
from lumin_plugin_io.workers import WorkerKilled, fill_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lumin_plugin_io.folds import FoldArrays
    from lumin_plugin_io.plan import Plan
    from lumin_plugin_io.sources import Source
    from lumin_plugin_io.spool import Filled

    Progress = Callable[[str, int, int], None]
    """Called with ``"read"`` (inputs) or ``"written"`` (folds), how many are done, of how many."""

_log = logging.getLogger(__name__)


def convert(
    recipe: Plan,
    savename: str | Path,
    *,
    overwrite: bool = False,
    workers: int = 1,
    memory: int | None = None,
    spool: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    step: int | None = None,
) -> dict[str, Path]:
    """Write fold files, one for each part.

    The same recipe and files give the same bytes. The files appear when all of them are complete,
    that of the training last.

    Args:
        recipe: What is wanted.
        savename: Of the file for the training, ``"train.hdf5"``; of the part ``test`` it is
            ``train.test.hdf5``.
        overwrite: Whether existing files may be replaced.
        workers: Processes that read inputs. With several, a script needs
            ``if __name__ == "__main__":``.
        memory: Megabytes that each of them may use, 150 by default.
        spool: Folder for the events between reading and writing; by default beside the output.
        resume: Whether to go on after the last input that an interrupted conversion finished, and
            to leave the spool there if this one fails.
        progress: Called after each input and each fold.
        step: Entries that are read together; by default what the memory allows.

    Returns:
        Paths by part, that of the training first.

    Raises:
        UnknownComponent: If the transform that scales is not installed.
        ConfigError: If something of the recipe is not in the files.
        DataError: If values cannot be stored, or there are too few events.
        FoldFileError: If files exist, or cannot be written.
        WorkerKilled: If a process that read was killed.
    """
    check_flags(overwrite=overwrite, resume=resume)
    workers = positive(workers, "workers")
    memory = MEMORY if memory is None else positive(memory, "memory")
    check_scaling(recipe.scaling)
    paths = paths_of(recipe, savename)
    sources = sources_of(recipe)
    main = next(iter(paths.values()))
    folder = spool_of(main, None if spool is None else Path(spool))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        conversion = _Conversion(recipe, sources, paths, Spool(folder, key_of(recipe, sources)), progress)
        if resume and not overwrite and conversion.is_done():
            conversion.spool.remove()
            return paths
        conversion.begin(overwrite=overwrite, resume=resume)
        try:
            conversion.read(workers, memory, step)
            conversion.write()
        except Exception as error:
            if not resume and not isinstance(error, WorkerKilled):
                conversion.spool.remove()
            raise
        conversion.spool.remove()
    return paths


@attrs.define
class _Conversion:
    """What the steps of a conversion share."""

    recipe: Plan
    sources: list[Source]
    paths: dict[str, Path]
    spool: Spool
    progress: Progress | None

    def is_done(self) -> bool:
        """Tell whether the files are there, made by this recipe of these inputs."""
        return all(path.exists() and self._is_ours(path) for path in self.paths.values())

    def _is_ours(self, path: Path) -> bool:
        with closing(FoldReader(path)) as reader:
            schema = reader.schema
        entries = [{key: source.get(key) for key in ("name", "sample", "tree")} for source in schema.sources]
        return schema.recipe == self._recipe_of(schema.cat_maps) and entries == [s.entry for s in self.sources]

    def begin(self, *, overwrite: bool, resume: bool) -> None:
        """Refuse files that exist, and make the spool."""
        if not (resume and self.spool.is_written()):
            refuse_existing_parts(self.paths, overwrite=overwrite)
        if self.spool.begin(resume=resume) and resume:
            _log.warning(
                "%s was left by a conversion of another recipe, other files or another version: all is read anew",
                self.spool.folder,
            )

    def read(self, workers: int, memory: int, step: int | None) -> None:
        """Fill the spool from the inputs that are not in it."""
        n, jobs = len(self.sources), []
        check_sources(self.recipe, self.sources)
        load_scaling(self.recipe.scaling)  # now, rather than after hours
        factors = {
            sample.name: factor_of(sample, self.recipe.lumi, [s.input.path for s in self.sources if s.sample is sample])
            for sample in self.recipe.samples
        }
        for number, source in enumerate(self.sources):
            if not self.spool.is_whole(number):
                job = Job(
                    recipe=self.recipe,
                    sample=source.sample,
                    factor=factors[source.sample.name],
                    input=source.input,
                    number=number,
                    spool=self.spool,
                    memory=memory,
                    step=step,
                )
                jobs.append(job)
        waiting = {job.number for job in jobs}

        def on_filled(job: Job) -> None:
            waiting.discard(job.number)
            self._tell("read", n - len(waiting), n)

        fill_all(jobs, workers, on_filled)

    def write(self) -> None:
        """Write all folds of all parts from the spool."""
        filled = [self.spool.filled(number) for number in range(len(self.sources))]
        _check_selected(self.recipe, self.sources, filled)
        counts = _counts(self.recipe, filled)
        maker = FoldMaker(self.recipe, self.spool, filled, self.sources)
        total, done = int((counts > 0).sum()), 0
        with ExitStack() as undo:
            writers = [self._writer(path, maker, filled) for path in self.paths.values()]
            for writer in writers:
                undo.callback(writer.abort)
            for part, number, arrays in _folds(maker, counts):
                writers[part].append(number, **attrs.asdict(arrays, recurse=False))
                del arrays  # before the next are made
                done += 1
                self._tell("written", done, total)
            self.spool.say_written()
            for writer in reversed(writers):
                writer.close()

    def _writer(self, path: Path, maker: FoldMaker, filled: list[Filled]) -> FoldFileWriter:
        recipe = self.recipe
        targets = recipe.targ_feats[0] if recipe.scalar_target else recipe.targ_feats or None
        return FoldFileWriter(
            path,
            cont_feats=recipe.cont_feats,
            cat_feats=recipe.cat_feats,
            targ_feats=targets,
            targ_type=recipe.targ_type,
            wgt_feat=recipe.wgt_feat,
            cat_maps=maker.cat_maps,
            matrix_feats=recipe.matrix_schema(),
            preprocessing=maker.scaling.chains,
            compression=recipe.compression,
            seed=recipe.seed,
            overwrite=True,  # what must not be replaced was refused
            roles={name: role for name, role in recipe.roles.items() if role},
            recipe=self._recipe_of(maker.cat_maps),
            sources=[
                {**source.entry, "entries": of_input.n_read, "selected": of_input.n_rows}
                for source, of_input in zip(self.sources, filled, strict=True)
            ],
            units=recipe.column_units,
        )

    def _recipe_of(self, cat_maps: Mapping[str, Mapping[int, object]]) -> dict[str, object]:
        return {"name": "io/recipe", **self.recipe.stored_config(cat_maps)}

    def _tell(self, what: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(what, done, total)


def _folds(maker: FoldMaker, counts: np.ndarray) -> Iterator[tuple[int, int, FoldArrays]]:
    """Yield part, number and columns of all folds; the next one's rows are read while one is used.

    There is no more than two folds in memory: rows and columns of one, or columns of one and rows
    of the next. Folds without events are left out.
    """
    wanted = [
        (part, number, fold)
        for part, of_part in enumerate(counts)
        for number, fold in enumerate(np.flatnonzero(of_part).tolist())
    ]
    with ThreadPoolExecutor(1) as thread:
        reads = (thread.submit(maker.rows, part, fold, int(counts[part, fold])) for part, _, fold in wanted)
        waiting = [next(reads)]
        for part, number, _ in wanted:
            arrays = maker.columns(waiting.pop().result())  # which nobody keeps the rows of
            waiting.extend(itertools.islice(reads, 1))
            yield part, number, arrays
            del arrays


def _check_selected(recipe: Plan, sources: list[Source], filled: list[Filled]) -> None:
    """Refuse inputs of which nothing is left, and tell of samples of which nothing is."""
    if not any(of_input.n_rows for of_input in filled):
        n_read, names = sum(of_input.n_read for of_input in filled), listed([s.input.name for s in sources], 3)
        if not n_read:
            raise DataError(f"the tables of {names} have no entries; give files that have some")
        raise DataError(
            f"none of {count(n_read, 'event')} is selected, of {names}; loosen the selection, see --dry-run"
        )
    for sample in recipe.samples:
        if not any(of.n_rows for of, source in zip(filled, sources, strict=True) if source.sample is sample):
            _log.warning("of [sample.%s] no event was selected; look at the selection", sample.name)


def _counts(recipe: Plan, filled: list[Filled]) -> np.ndarray:
    """Return how many events each part has in each fold, shape ``(n_parts, n_folds)``."""
    n_parts = len(recipe.split.parts)
    found = sum(of_input.counts(n_parts * recipe.n_folds) for of_input in filled)
    counts = np.reshape(found, (n_parts, recipe.n_folds))
    check_counts(recipe, counts)
    return counts
