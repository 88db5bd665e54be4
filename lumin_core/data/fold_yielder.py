"""Reading fold files: one fold at a time, and everything that is known about its columns."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lumin_core import seeds
from lumin_core.checks import as_list, did_you_mean
from lumin_core.data import augmentation, matrix, transforms
from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.data.fold_reader import FoldReader
from lumin_core.data.hdf5 import replacing
from lumin_core.data.values import RESERVED, check_column_name, check_finite, check_inputs, nan_to_zero, to_float32
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_core.files import locked, refuse_existing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import h5py
    import pandas as pd

    from lumin_core.data.meta import MetaData
    from lumin_core.data.transforms import Transform

_log = logging.getLogger(__name__)


class FoldYielder:
    """Yield the folds of a fold file.

    The file is opened read-only, by any number of processes. Predictions are added to a copy that
    takes its place; this yielder, and others of any process, read the new file from then on. A
    yielder pickles as path and options.

    Args:
        foldfile: Name of a fold file, of ours or of LUMIN's (``.hdf5`` may be left out), or an
            open `h5py.File`.
        cont_feats: Continuous features; only for files without meta data.
        cat_feats: Categorical features; only for files without meta data.
        ignore_feats: Inputs to leave out.
        input_pipe: Transforms that the continuous features went through: a chain, one transform, or
            an object with ``transform`` and ``inverse_transform``. By default what the file holds.
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

    def __init__(
        self,
        foldfile: str | Path | h5py.File,
        cont_feats: Sequence[str] | None = None,
        cat_feats: Sequence[str] | None = None,
        ignore_feats: str | Sequence[str] | None = None,
        input_pipe: Any = None,
        output_pipe: Any = None,
        yield_matrix: bool = True,
        matrix_pipe: Any = None,
        augmentations: Any = None,
        batch_yielder_type: type[BatchYielder] = BatchYielder,
        seed: int | None = None,
        *,
        clip: float | None = None,
    ) -> None:
        self._reader = FoldReader(foldfile, cont_feats, cat_feats)
        self.foldfile = self._reader.path
        self.fld_szs = self._reader.sizes
        self.n_folds = len(self.fld_szs)
        self.has_matrix = "matrix_inputs" in self._reader.columns
        self.yield_matrix = yield_matrix
        self.batch_yielder_type = batch_yielder_type
        self.clip = clip
        self.seed = seeds.fresh() if seed is None else seed
        self._ignored: list[str] = []
        self._checked: set[int] = set()
        self._gathered: dict[tuple[int, str], np.ndarray] | None = None
        self._pipes: dict[str, Any] = {}
        for name, pipe in (("inputs", input_pipe), ("targets", output_pipe), ("matrix", matrix_pipe)):
            self._add_pipe(name, pipe)
        self.augmentations = augmentation.build_all(augmentations)
        self.add_ignore(ignore_feats or [])

    # What is in the file

    @property
    def meta(self) -> MetaData:
        """The meta data as they are stored."""
        return self._reader.meta

    @property
    def cont_feats(self) -> list[str]:
        """Continuous features, less the ignored ones."""
        return [feat for feat in self.meta.cont_feats if feat not in self._ignored]

    @property
    def cat_feats(self) -> list[str]:
        """Categorical features, less the ignored ones."""
        return [feat for feat in self.meta.cat_feats if feat not in self._ignored]

    @property
    def input_feats(self) -> list[str]:
        """All stored inputs in the order of the columns, ignored ones too."""
        return [*self.meta.cont_feats, *self.meta.cat_feats]

    @property
    def targ_feats(self) -> list[str]:
        """Targets, always a list."""
        return list(self.meta.targ_feats)

    @property
    def wgt_feat(self) -> str | None:
        """Name of the weight, or ``None``."""
        return self.meta.wgt_feat

    @property
    def cat_maps(self) -> dict[str, dict[int, Any]]:
        """What the codes of categorical features mean."""
        return self.meta.cat_maps

    @property
    def matrix_feats(self) -> dict[str, Any] | None:
        """What the matrix holds, or ``None``; see `lumin_core.data.layout.matrix_entry`."""
        return self.meta.matrix_feats

    def __len__(self) -> int:
        """Number of folds."""
        return self.n_folds

    def __getitem__(self, idx: int) -> dict[str, Any]:
        """Give a fold, as `get_fold`."""
        return self.get_fold(idx)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Go through all folds in order."""
        return (self.get_fold(i) for i in range(self.n_folds))

    def __repr__(self) -> str:
        """Name the file and what is in it."""
        return (
            f"{type(self).__name__}({str(self.foldfile)!r}: {self.n_folds} folds, columns {', '.join(self.columns())})"
        )

    def columns(self) -> list[str]:
        """Give the columns of the file: inputs, targets, weights, misc, predictions."""
        return self._reader.columns

    def get_data_count(self, idxs: int | Iterable[int] | None = None) -> int:
        """Count events.

        Args:
            idxs: Fold or folds; by default all.

        Returns:
            Their number of events together.
        """
        if idxs is None:
            idxs = range(self.n_folds)
        return sum(self.fld_szs[self._fold(i)] for i in ([idxs] if isinstance(idxs, int | np.integer) else idxs))

    # Ignored features

    def add_ignore(self, feats: str | Sequence[str]) -> None:
        """Leave out further inputs.

        Args:
            feats: Names of inputs.

        Raises:
            ConfigError: If there is no such input.
        """
        for feat in as_list(feats):
            if feat not in self.input_feats:
                hint = did_you_mean(feat, self.input_feats)
                raise ConfigError(f"{feat!r} cannot be ignored, it is no input of {self.foldfile.name}{hint}")
            if feat not in self._ignored:
                self._ignored.append(feat)

    def get_ignore(self) -> list[str]:
        """Give the ignored inputs."""
        return list(self._ignored)

    def get_use_cont_feats(self) -> list[str]:
        """Give the continuous features that folds hold, less the ignored ones."""
        return self.cont_feats

    def get_use_cat_feats(self) -> list[str]:
        """Give the categorical features that folds hold, less the ignored ones."""
        return self.cat_feats

    def _use_columns(self) -> np.ndarray:
        return np.array([i for i, feat in enumerate(self.input_feats) if feat not in self._ignored], dtype=np.int64)

    # Folds

    def get_fold(self, idx: int) -> dict[str, Any]:
        """Return a fold as it is stored, less the ignored features.

        NaN in flat inputs and in objects that exist is given as 0.

        Args:
            idx: Of the fold.

        Returns:
            ``{"inputs": (n, n_feats) float32, "targets": (n, n_targ), "weights": (n, 1) or None}``;
            with matrix inputs ``inputs`` is ``(flat, matrix)``, the matrix with absent objects as
            NaN, see `object_mask`.

        Raises:
            ConfigError: If there is no such fold.
            DataError: If inputs hold infinities, or targets or weights NaN or infinities, in a
                file of others.
        """
        return self._used(self._stored(idx))

    def get_train_fold(self, idx: int, epoch: int, seed: int | None = None) -> dict[str, Any]:
        """Return a fold for training, augmented.

        Random numbers come from a generator of seed, epoch and fold.

        Args:
            idx: Of the fold.
            epoch: Of the training; every epoch augments differently.
            seed: Of the augmentation; by default the yielder's. A fit gives its own.

        Returns:
            As `get_fold`.
        """
        fold, seed = self._with_nan(self._stored(idx)), self.seed if seed is None else seed
        for place, part in enumerate(self.augmentations):
            rng = seeds.stream(seed, "augmentation", epoch, self._fold(idx), place)
            fold = self._augmented(part.train(fold, rng), part)
        return self._used(fold)

    def get_test_fold(self, idx: int, aug_idx: int) -> dict[str, Any]:
        """Give a variant of a fold for prediction.

        Args:
            idx: Of the fold.
            aug_idx: Which variant, ``0`` to ``aug_mult - 1``.

        Returns:
            As `get_fold`, with the same events in the same order.

        Raises:
            ConfigError: If there is no such variant.
        """
        parts = augmentation.split_variant(self.augmentations, aug_idx)
        fold = self._with_nan(self._stored(idx))
        for part, variant in zip(self.augmentations, parts, strict=True):
            fold = self._augmented(part.test(fold, variant), part)
        return self._used(fold)

    @property
    def aug_mult(self) -> int:
        """Number of variants of an event in prediction; 1 without augmentation."""
        return augmentation.count_variants(self.augmentations)

    def _augmented(self, fold: Any, part: augmentation.Augmentation) -> augmentation.Fold:
        if not isinstance(fold, dict) or not {"inputs", "targets", "weights"} <= fold.keys():
            raise ConfigError(
                f"{type(part).__name__} must return the fold with inputs, targets, weights, got {type(fold)}"
            )
        return fold if isinstance(fold, augmentation.Fold) else self._as_fold(fold)

    def _as_fold(self, data: Mapping[str, Any]) -> augmentation.Fold:
        return augmentation.Fold(
            data,
            input_feats=self.input_feats,
            targ_feats=self.targ_feats,
            matrix_feats=self.matrix_feats,
            n_cont=len(self.meta.cont_feats),
            get_pipes=self.get_pipes,
        )

    def _stored(self, idx: int) -> augmentation.Fold:
        """Read a fold with all its columns, NaN where a value is missing."""
        fold = self._as_fold(self._checked_data(self._fold(idx)))
        if self.has_matrix and self.yield_matrix:
            fold["inputs"] = (fold["inputs"], self._checked_matrix(self._fold(idx)))
        return fold

    def _with_nan(self, fold: augmentation.Fold) -> augmentation.Fold:
        """Make objects that are absent by zero padding NaN, as augmentations take them."""
        if self.augmentations and fold.matrix is not None and (self.matrix_feats or {}).get("zero_padded", False):
            marked = matrix.mark_absent(fold.matrix.copy(), self.matrix_feats or {})
            fold.matrix[np.isnan(marked)] = np.nan
        return fold

    def _fill(self, fold: augmentation.Fold) -> None:
        """Replace what is missing by 0, but for objects that are absent."""
        flat = nan_to_zero(np.ascontiguousarray(fold.flat))
        if fold.matrix is None:
            fold["inputs"] = flat
        else:
            stored = np.ascontiguousarray(fold.matrix)
            fold["inputs"] = (flat, matrix.mark_absent(stored, self.matrix_feats or {}))

    def _used(self, fold: augmentation.Fold) -> dict[str, Any]:
        """Give what is yielded of a fold: filled, and without the ignored features."""
        self._fill(fold)
        data = {name: fold[name] for name in ("inputs", "targets", "weights")}
        if self._ignored:
            inputs, use = data["inputs"], self._use_columns()
            data["inputs"] = (inputs[0][:, use], inputs[1]) if isinstance(inputs, tuple) else inputs[:, use]
        return data

    def get_data(self, n_folds: int | None = None, fold_idx: int | None = None) -> dict[str, Any]:
        """Return flat inputs, targets and weights of one or several folds.

        Ignored features are there too; NaN in inputs is given as 0.

        Args:
            n_folds: The first ``n_folds`` folds; by default all.
            fold_idx: One fold alone.

        Returns:
            ``{"inputs": (n, n_cont + n_cat), "targets": (n, n_targ), "weights": (n, 1) or None}``.

        Raises:
            ConfigError: If both are given, or there are no such folds.
            DataError: As for `get_fold`.
        """
        folds = [self._checked_data(i) for i in self._folds(n_folds, fold_idx)]
        data = {name: _joined([fold[name] for fold in folds]) for name in ("inputs", "targets", "weights")}
        nan_to_zero(data["inputs"])
        return data

    def _checked_data(self, idx: int) -> dict[str, Any]:
        inputs, targets = (
            to_float32(self._reader.read("inputs", idx)),
            _with_axis(self._reader.read("targets", idx)),
        )
        weights = (
            to_float32(_with_axis(self._reader.read("weights", idx))) if "weights" in self._reader.columns else None
        )
        where = f"fold {idx} of {self.foldfile.name}"
        if self.clip is not None:
            inputs = check_inputs(inputs, self.input_feats, f"{where}, inputs", self.clip)
        if idx not in self._checked and not self._reader.is_checked(idx):
            check_inputs(inputs, self.input_feats, f"{where}, inputs")
            check_finite(targets, self.targ_feats, f"{where}, targets")
            if weights is not None:
                check_finite(weights, [self.wgt_feat or "weights"], f"{where}, weights")
        self._checked.add(idx)
        return {"inputs": inputs, "targets": targets, "weights": weights}

    def _checked_matrix(self, idx: int) -> np.ndarray:
        values = to_float32(self._reader.read("matrix_inputs", idx))
        where = f"fold {idx} of {self.foldfile.name}, matrix_inputs"
        if self.clip is not None or not self._reader.is_checked(idx):
            return check_inputs(values, [], where, self.clip)
        return values

    # Columns

    def get_column(
        self, column: str, n_folds: int | None = None, fold_idx: int | None = None, add_newaxis: bool = False
    ) -> np.ndarray | None:
        """Give any column as it is stored, sparse data as dense, text as `str`.

        Args:
            column: Name, one of `columns`.
            n_folds: The first ``n_folds`` folds; by default all.
            fold_idx: One fold alone.
            add_newaxis: Whether shape ``(n,)`` becomes ``(n, 1)``.

        Returns:
            Shape ``(n, ...)``, or ``None`` where the file has no such column.

        Raises:
            ConfigError: If both are given, or there are no such folds.
            DataError: If some of these folds lack the column.
        """
        idxs = self._folds(n_folds, fold_idx)
        if column not in self.columns():
            return None
        lacking = [i for i in idxs if not self._reader.has(column, i)]
        if lacking and fold_idx is not None:
            return None
        if lacking:
            raise DataError(f"column {column!r} is not in folds {lacking}; read the others one by one with fold_idx=")
        data = _joined([self._reader.read(column, i) for i in idxs])
        return _with_axis(data) if add_newaxis else data

    def _fold(self, idx: int) -> int:
        if isinstance(idx, bool) or not isinstance(idx, int | np.integer) or not 0 <= idx < self.n_folds:
            raise ConfigError(
                f"there is no fold {idx!r} in {self.foldfile.name}; its folds are 0 to {self.n_folds - 1}"
            )
        return int(idx)

    def _folds(self, n_folds: int | None, fold_idx: int | None) -> list[int]:
        if fold_idx is not None and n_folds is not None:
            raise ConfigError(f"give n_folds ({n_folds}) or fold_idx ({fold_idx}), not both")
        if fold_idx is not None:
            return [self._fold(fold_idx)]
        if n_folds is not None and n_folds < 1:
            raise ConfigError(f"n_folds must be 1 or more, got {n_folds}")
        return list(range(self.n_folds if n_folds is None else min(n_folds, self.n_folds)))

    def get_df(
        self,
        pred_name: str = "pred",
        targ_name: str = "targets",
        wgt_name: str = "weights",
        n_folds: int | None = None,
        fold_idx: int | None = None,
        inc_inputs: bool = False,
        inc_ignore: bool = False,
        deprocess: bool = False,
        verbose: bool = True,
        suppress_warn: bool = False,
        nan_to_num: bool = False,
        inc_matrix: bool = False,
    ) -> pd.DataFrame:
        """Return a data frame with LUMIN's column names.

        It holds inputs, if wanted, targets, weights and predictions.

        Args:
            pred_name: Column of the predictions.
            targ_name: Column of the targets.
            wgt_name: Column of the weights.
            n_folds: The first ``n_folds`` folds; by default all.
            fold_idx: One fold alone.
            inc_inputs: Whether to include inputs.
            inc_ignore: Whether to include ignored inputs.
            deprocess: Whether to undo the transforms of inputs, matrix, targets and predictions.
            verbose: Whether to log the number of events.
            suppress_warn: Whether not to log that a column is missing.
            nan_to_num: Whether NaN in inputs become 0.
            inc_matrix: Whether to include the flattened matrix among the inputs.

        Returns:
            Columns: inputs by name; ``gen_target``, ``gen_weight``, ``pred``, each with ``_0``,
            ``_1``, ... where there are several values an event.

        Raises:
            ConfigError: If there is nothing to undo, or there are no such folds.
            ShapeError: If a pipeline does not fit the data.
        """
        from lumin_core.data.frames import yielder_to_df

        df = yielder_to_df(
            self,
            {"gen_target": targ_name, "gen_weight": wgt_name, "pred": pred_name},
            n_folds=n_folds,
            fold_idx=fold_idx,
            inc_inputs=inc_inputs,
            inc_ignore=inc_ignore,
            deprocess=deprocess,
            suppress_warn=suppress_warn,
            nan_to_num=nan_to_num,
            inc_matrix=inc_matrix,
        )
        if verbose:
            _log.info("%d events loaded from %s", len(df), self.foldfile.name)
        return df

    # Pipelines

    def _add_pipe(self, name: str, pipe: Any) -> None:
        self._pipes[name] = None if pipe is None else transforms.check_pipe(pipe)

    def add_input_pipe(self, input_pipe: Any) -> None:
        """Set the transforms of the continuous features, in memory; see the class."""
        self._add_pipe("inputs", input_pipe)

    def add_output_pipe(self, output_pipe: Any) -> None:
        """Set the transforms of the targets, in memory; see the class."""
        self._add_pipe("targets", output_pipe)

    def add_matrix_pipe(self, matrix_pipe: Any) -> None:
        """Set the transforms of the flattened matrix, in memory; see the class."""
        self._add_pipe("matrix", matrix_pipe)

    @property
    def preprocessing(self) -> list[Transform]:
        """Transforms that the continuous features went through: as given, else the file's.

        Raises:
            UnknownComponent: If the plugin of a stored one is not installed.
            ConfigError: If one that was given cannot be converted.
        """
        given = self._pipes["inputs"]
        return (
            transforms.chain_from_config(self._stored_configs("inputs"))
            if given is None
            else transforms.as_chain(given)
        )

    @property
    def preprocessing_config(self) -> list[dict[str, Any]]:
        """The same as plain values, which asks for no plugin where they are stored."""
        given = self._pipes["inputs"]
        return self._stored_configs("inputs") if given is None else transforms.chain_to_config(given)

    def _stored_configs(self, name: str) -> list[dict[str, Any]]:
        return list(self.meta.preprocessing.get(name, []))

    def get_pipes(self, name: str) -> list[Any]:
        """Return the steps to run, of ``"inputs"``, ``"targets"`` or ``"matrix"``.

        They are what was given, else what is stored.

        Returns:
            Objects with ``transform`` and ``inverse_transform``, in their order.
        """
        given = self._pipes[name]
        if given is None:
            return list(transforms.chain_from_config(self._stored_configs(name)))
        return list(given) if isinstance(given, list) else [given]

    # Predictions

    @contextlib.contextmanager
    def writing(self) -> Iterator[Self]:
        """Gather the predictions saved inside the block, and write them together at its end.

        No other writer is let in meanwhile. If the block raises, the file stays as it was.

        Raises:
            FoldFileError: If another writer is at work, or the file is read-only.

        Example:
            >>> import numpy as np, tempfile
            >>> from lumin_core import FoldFileWriter, FoldYielder
            >>> path = tempfile.mkdtemp() + "/train.hdf5"
            >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="y") as file:
            ...     for i in range(2):
            ...         file.append(i, inputs=np.ones((3, 1)), targets=np.ones(3))
            >>> with FoldYielder(path) as fy, fy.writing():
            ...     for i in range(2):
            ...         fy.save_fold_pred(np.full(3, i), i)
            >>> FoldYielder(path).get_column("pred").tolist()
            [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
        """
        if self._gathered is not None:  # inside another block, which writes
            yield self
            return
        refuse_existing(self.foldfile, overwrite=True)
        with locked(self.foldfile):
            self._gathered = {}
            try:
                yield self
                self._write_gathered()
            finally:
                self._gathered = None

    def _write_gathered(self) -> None:
        if not self._gathered:
            return
        self._reader.open()  # refuses a file that was replaced by another meanwhile
        with replacing(self.foldfile) as file:
            for (idx, name), values in self._gathered.items():
                _write_prediction(file[f"fold_{idx}"], name, values)
            self.close()  # Windows renames over no open file

    def save_fold_pred(self, pred: Any, fold_idx: int, pred_name: str = "pred") -> None:
        """Save the predictions of a fold as a column of the file, replacing those of the same name.

        Saving one fold copies the whole file: put several into a ``with fy.writing():`` block.

        Args:
            pred: Shape ``(n,)`` or ``(n, ...)``, in the order of the events; stored as float32.
            fold_idx: Of the fold.
            pred_name: Of the column.

        Raises:
            ShapeError: If there is not one row for each event of the fold.
            ConfigError: If the name is that of data, or there is no such fold.
            FoldFileError: If another writer is at work, or the file is read-only.
        """
        idx = self._fold(fold_idx)
        check_column_name(pred_name, (*RESERVED, *self.meta.misc_feats))
        values = to_float32(pred)
        if values.ndim == 0 or len(values) != self.fld_szs[idx]:
            raise ShapeError(f"predictions of fold {idx} must have {self.fld_szs[idx]} rows, got shape {values.shape}")
        with self.writing():
            if self._gathered is not None:
                self._gathered[idx, pred_name] = values.copy()

    # Life

    def close(self) -> None:
        """Close the file; it is opened again where it is needed."""
        self._reader.close()

    def __enter__(self) -> Self:
        """Give the yielder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """Give path and options; the file itself stays here."""
        return {**self.__dict__, "_gathered": None}


def _joined(parts: list[Any]) -> Any:
    if parts[0] is None:
        return None
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _with_axis(values: np.ndarray) -> np.ndarray:
    return values[:, None] if values.ndim == 1 else values


def _write_prediction(group: h5py.Group, name: str, values: np.ndarray) -> None:
    """Write into the place of predictions of the same shape, so that the file does not grow."""
    if name in group and group[name].shape == values.shape and group[name].dtype == values.dtype:
        group[name][...] = values
        return
    if name in group:
        del group[name]
    group.create_dataset(name, data=values)
