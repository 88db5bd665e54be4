"""Reading fold files fold by fold: as stored, augmented for training, varied for prediction."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self

from lumin_core import seeds
from lumin_core.arguments import explained
from lumin_core.checks import as_list
from lumin_core.data import augmentation
from lumin_core.data.augmentation import Fold
from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.data.converter import converted
from lumin_core.data.fold_columns import FoldColumns
from lumin_core.data.fold_reader import FoldReader
from lumin_core.data.folds import with_nan, yielded
from lumin_core.data.predictions import Predicting, Predictions
from lumin_core.data.read_ahead import ReadAhead
from lumin_core.display import component

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import h5py

    from lumin_core.data.folds import FoldData
    from lumin_core.data.transforms import Steps
    from lumin_core.display import Row


class FoldYielder(FoldColumns, Predicting):
    """Yield the folds of a fold file.

    The file is opened read-only, by any number of processes. Predictions are added to a copy that
    takes its place; this yielder, and others of any process, read the new file from then on. A
    yielder pickles as path and options.

    Args:
        foldfile: Name of a fold file, of ours or of LUMIN's (``.hdf5`` may be left out), an open
            `h5py.File`, or a `FoldReader`.
        cont_feats: Continuous features; only for files without meta data.
        cat_feats: Categorical features; only for files without meta data.
        ignore_feats: Inputs to leave out.
        input_pipe: Transforms that the continuous features went through: a chain, one transform,
            its name, a dict with its name and what it learned, or an object with ``transform`` and
            ``inverse_transform``. By default what the file holds.
        output_pipe: The same, for the targets.
        yield_matrix: Whether matrix inputs are yielded where there are any.
        matrix_pipe: The same as ``input_pipe``, for the existing columns of the flattened matrix.
        augmentations: One augmentation or a list: names, dicts, classes, partials, instances.
        batch_yielder_type: Class that makes batches of a fold.
        seed: Of the augmentation where folds are asked for by hand, by default fresh; a fit
            augments by its own seed.
        clip: If given, inputs are limited to ``[-clip, clip]`` rather than infinities refused.

    Attributes:
        foldfile: Path of the file.
        n_folds: Number of folds.
        fld_szs: Number of events by fold.
        has_matrix: Whether the file has matrix inputs.

    Raises:
        FoldFileError: If there is no such file, it is damaged, or no fold file.
        ConfigError: If features are unknown, or contradict the file's.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(path, cont_feats=["pt", "eta"], targ_feats="is_signal") as file:
        ...     file.append(0, inputs=np.array([[30.0, np.nan]]), targets=np.array([1]))
        >>> fy = FoldYielder(path, ignore_feats="pt")
        >>> fold = fy.get_fold(0)
        >>> fold["inputs"], fold["targets"], fold["weights"]
        (array([[0.]], dtype=float32), array([[1.]], dtype=float32), None)
        >>> fy.save_fold_pred(np.array([0.9]), 0)
        >>> fy.get_df(inc_inputs=True).columns.tolist()
        ['eta', 'gen_target', 'pred']
    """

    @explained
    def __init__(
        self,
        foldfile: str | Path | h5py.File | FoldReader,
        cont_feats: Sequence[str] | None = None,
        cat_feats: Sequence[str] | None = None,
        ignore_feats: str | Sequence[str] | None = None,
        input_pipe: Steps | None = None,
        output_pipe: Steps | None = None,
        yield_matrix: bool = True,
        matrix_pipe: Steps | None = None,
        augmentations: object = None,
        batch_yielder_type: type[BatchYielder] = BatchYielder,
        seed: int | None = None,
        *,
        clip: float | None = None,
    ) -> None:
        if not isinstance(foldfile, FoldReader):
            foldfile = FoldReader(foldfile, cont_feats, cat_feats, clip=clip)
        super().__init__(foldfile, ignore_feats, (input_pipe, output_pipe, matrix_pipe), yield_matrix=yield_matrix)
        self.batch_yielder_type = batch_yielder_type
        self.clip = clip
        self.seed = seeds.fresh() if seed is None else seed
        specs = as_list(augmentations)
        self.augmentations = augmentation.build_all(specs)
        self._specs = list(zip(self.augmentations, specs, strict=True))
        self._predictions = Predictions(foldfile)

    @classmethod
    def from_files(cls, recipe: str | Path | Mapping[str, object], *, verify: bool = False, **options: Any) -> Self:
        """Open the fold file of events in files of other programs, which is made at first need.

        That takes a plugin with a `Converter`, such as lumin-plugin-io for ROOT files. The fold
        file is kept, and made anew where the recipe or the files have changed.

        Args:
            recipe: A TOML file, or its content as a dict: the options of the converter ``name``,
                by default ``io/recipe``. Files in it are relative to the folder of the TOML file.
            verify: Whether to tell changed files by their content, rather than by name, size and
                time.
            **options: Further arguments of `FoldYielder`.

        Raises:
            UnknownComponent: If the plugin is not installed, with what to install.
            ConfigError: If the recipe is wrong.

        Example:
            >>> from lumin_core import FoldYielder
            >>> FoldYielder.from_files("no_such.toml")
            Traceback (most recent call last):
            lumin_core.errors.ConfigError: cannot read the recipe .../no_such.toml: No such ...
        """
        return cls(converted(recipe, verify=verify), **options)

    def _rows(self) -> Iterator[Row]:
        yield from super()._rows()
        if self.augmentations:
            yield "augmentations", "; ".join(map(component, self.augmentation_specs))

    def __len__(self) -> int:
        """Number of folds."""
        return self.n_folds

    def __getitem__(self, idx: int) -> FoldData:
        """Return a fold, as `get_fold`."""
        return self.get_fold(idx)

    def __iter__(self) -> Iterator[FoldData]:
        """Go through all folds in order."""
        return (self.get_fold(i) for i in range(self.n_folds))

    def get_fold(self, idx: int) -> FoldData:
        """Return a fold as it is stored, less the ignored features.

        NaN in flat inputs and in objects that exist is given as 0.

        Args:
            idx: Of the fold.

        Returns:
            ``{"inputs": (n, n_feats) float32, "targets": (n, n_targ), "weights": (n, 1) or None}``;
            with a matrix ``inputs`` is a pair, absent objects being NaN, see `object_mask`.

        Raises:
            ConfigError: If there is no such fold.
            DataError: If values are not finite, or codes are none, as others may have written.
        """
        return self._yielded(self._stored(idx))

    def get_train_fold(self, idx: int, epoch: int, seed: int | None = None) -> FoldData:
        """Return a fold for training, augmented.

        Random numbers come from a generator of seed, epoch and fold.

        Args:
            idx: Of the fold.
            epoch: Of the training; every epoch augments differently.
            seed: Of the augmentation; by default the yielder's. A fit gives its own.

        Returns:
            As `get_fold`.
        """
        return self._yielded(self._augmented(self._stored(idx), idx, epoch, seed))

    def _augmented(self, fold: Fold, idx: int, epoch: int | None, seed: int | None) -> Fold:
        """Let the augmentations change a stored fold; without an epoch it stays as it is."""
        if epoch is None:
            return fold
        make_rng = partial(seeds.stream, self.seed if seed is None else seed, "augmentation", epoch, int(idx))
        return augmentation.augment(self._with_nan(fold), self.augmentations, make_rng)

    def reading_ahead(self) -> ReadAhead[Fold]:
        """Return what reads the folds of a training, the next while one is used."""
        return ReadAhead(self._stored)

    def training_folds(
        self,
        order: Sequence[int],
        epoch: int | None = None,
        seed: int | None = None,
        *,
        ahead: ReadAhead[Fold] | None = None,
    ) -> Iterator[tuple[int, FoldData]]:
        """Go through folds of a training; values that are missing stay NaN, for `batches` to fill.

        Args:
            order: Numbers of the folds.
            epoch: Of the training, for the augmentation; ``None``, as for validation, leaves the
                folds as they are stored.
            seed: Of the augmentation; by default the yielder's.
            ahead: From `reading_ahead`, where the next fold may have been begun while one is used.

        Yields:
            Number and data of a fold; see `get_fold`. In the matrix, absent objects are NaN, too.
        """
        take = self._stored if ahead is None else ahead.take
        for idx in order:  # no fold is held here while it is used
            yield idx, self._yielded(self._augmented(take(idx), idx, epoch, seed), keep_nan=True)

    def batches(self, fold: FoldData, bs: int, objective: str, missing: str = "zero", **options: Any) -> BatchYielder:
        """Make the batches of a fold, by the `batch_yielder_type`.

        Args:
            fold: From this yielder.
            bs: Events in a batch.
            objective: See `BatchYielder`.
            missing: What the head asks of missing values: ``"zero"``, or ``"keep"`` for NaN.
            **options: Further arguments of `BatchYielder`.
        """
        data = fold["inputs"], bs, objective, fold["targets"], fold["weights"]
        return self.batch_yielder_type(*data, **options, missing=missing, object_axis=self.object_axis)

    def get_test_fold(self, idx: int, aug_idx: int, *, keep_nan: bool = False) -> FoldData:
        """Return a variant of a fold for prediction.

        Args:
            idx: Of the fold.
            aug_idx: Which variant, ``0`` to ``aug_mult - 1``.
            keep_nan: Whether values that are missing stay NaN, for whoever makes batches to fill.

        Returns:
            As `get_fold`, with the same events in the same order.

        Raises:
            ConfigError: If there is no such variant.
        """
        fold = augmentation.vary(self._with_nan(self._stored(idx)), self.augmentations, aug_idx)
        return self._yielded(fold, keep_nan=keep_nan)

    @property
    def augmentation_specs(self) -> list[object]:
        """The augmentations as they were given: specifications, or else the objects themselves."""
        given = {id(part): spec for part, spec in self._specs}
        return [given.get(id(part), part) for part in self.augmentations]

    @property
    def aug_mult(self) -> int:
        """Number of variants of an event in prediction; 1 without augmentation."""
        return augmentation.count_variants(self.augmentations)

    def _stored(self, idx: int) -> Fold:
        """Read a fold with all its columns, NaN where a value is missing."""
        fold = Fold(
            self._reader.read_fold(idx),
            input_feats=self.input_feats,
            targ_feats=self.targ_feats,
            matrix_feats=self.matrix_feats,
            n_cont=len(self.file_schema.cont_feats),
            get_pipes=self.get_pipes,
        )
        if self.has_matrix and self.yield_matrix:
            fold["inputs"] = (fold["inputs"], self._reader.read_matrix(idx))
        return fold

    def _with_nan(self, fold: Fold) -> Fold:
        """Make of a stored fold what augmentations take."""
        return with_nan(fold, self.file_schema) if self.augmentations else fold

    def _yielded(self, fold: Fold, *, keep_nan: bool = False) -> FoldData:
        return yielded(fold, self.file_schema, self._ignored, keep_nan=keep_nan)

    def close(self) -> None:
        """Close the file; it is opened again where it is needed."""
        self._reader.close()

    def __enter__(self) -> Self:
        """Return the yielder."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()
