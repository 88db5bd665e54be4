"""Fold files: HDF5 with LUMIN's layout, so that files cross in both directions.

::

    /meta_data/...               JSON strings, see `lumin_core.data.meta`
    /fold_<i>/inputs (n, n_cont + n_cat) float32
             /targets (n,) or (n, ...)      /weights? (n,) float32
             /matrix_inputs? (n, ...) float32, or COO (see `lumin_core.data.matrix`)
             /<misc> (n, ...)               /<predictions> (n, ...) float32

The events of a file stand in several folds of about the same size: what is loaded at a time, and
what validation sets the aside. What is written is checked, and appears under its name only when
it is complete.
"""

from __future__ import annotations

import contextlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from lumin_core.checks import did_you_mean
from lumin_core.data import matrix
from lumin_core.data.hdf5 import check_compression, extend_in_grp, rewriting, save_to_grp, with_suffix
from lumin_core.data.layout import Layout, matrix_entry, tensor_entry
from lumin_core.data.meta import FORMAT, GROUP, read_meta_data, write_entry
from lumin_core.data.transforms import chain_to_config
from lumin_core.errors import ConfigError, DataError, FoldFileError
from lumin_core.files import Staged, locked, refuse_existing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

EXACT = 2**24  # integers up to here are exact in float32
CHECKED = "checked"  # attribute of a fold that we wrote: its values were looked at


def add_preprocessing(
    foldfile: str | Path, input_pipe: Any = None, output_pipe: Any = None, matrix_pipe: Any = None
) -> None:
    """Store in an existing fold file the transforms that its data went through.

    Args:
        foldfile: The file; it is replaced as a whole, safely.
        input_pipe: Transforms of the continuous features: one, a list, or a scikit-learn pipeline
            of known steps.
        output_pipe: The same, of the targets.
        matrix_pipe: The same, of the flattened matrix.

    Raises:
        ConfigError: If a transform cannot be stored as plain values.
        FoldFileError: If the file cannot be written.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter
        >>> from lumin_core.data.fold_file import add_preprocessing
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="is_signal") as file:
        ...     file.append(0, inputs=np.ones((2, 1)), targets=np.ones(2))
        >>> add_preprocessing(path, input_pipe=[])
    """
    given = {"inputs": input_pipe, "targets": output_pipe, "matrix": matrix_pipe}
    configs = preprocessing_configs({name: pipe for name, pipe in given.items() if pipe is not None})
    with rewriting(foldfile) as file:
        group = file.require_group(GROUP)
        meta = read_meta_data(file)
        write_entry(group, "preprocessing", {**(meta.preprocessing if meta else {}), **configs})


def preprocessing_configs(preprocessing: Mapping[str, Any] | Sequence[Any] | None) -> dict[str, list[dict[str, Any]]]:
    """Turn chains of transforms into what the meta data hold.

    Args:
        preprocessing: Chains by what they are for, ``inputs``, ``targets``, ``matrix``; a chain
            alone is for inputs.

    Raises:
        ConfigError: If a transform cannot be stored, or a key is another.

    Example:
        >>> from lumin_core.data.fold_file import preprocessing_configs
        >>> preprocessing_configs([])
        {'inputs': []}
    """
    if preprocessing is None:
        return {}
    chains = preprocessing if isinstance(preprocessing, dict) else {"inputs": preprocessing}
    for name in chains:
        if name not in ("inputs", "targets", "matrix"):
            raise ConfigError(f"preprocessing is for 'inputs', 'targets' or 'matrix', got {name!r}")
    return {name: chain_to_config(chain) for name, chain in chains.items()}


def declare_zero_padding(foldfile: str | Path, zero_padded: bool = True) -> None:
    """Declare that absent objects of a file's matrix were padded with zeros.

    Yielders then give NaN for them.

    Args:
        foldfile: The file; it is replaced as a whole, safely.
        zero_padded: Whether they were.

    Raises:
        FoldFileError: If the file cannot be written, or has no matrix.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldYielder, df2foldfile
        >>> from lumin_core.data.fold_file import declare_zero_padding
        >>> x = np.zeros((4, 2, 3)); x[:, 0] = 1
        >>> path = df2foldfile(None, 2, [], [], ["y"], tempfile.mkdtemp() + "/a", "float32",
        ...                    tensor_data=x, tensor_target=np.ones((4, 1)), seed=1)
        >>> declare_zero_padding(path)
        >>> FoldYielder(path)[0]["inputs"][1][0].tolist()
        [[1.0, 1.0, 1.0], [nan, nan, nan]]
    """
    with rewriting(foldfile) as file:
        meta = read_meta_data(file)
        if meta is None or meta.matrix_feats is None:
            raise FoldFileError(f"{foldfile} has no matrix whose padding could be declared")
        write_entry(file[GROUP], "matrix_feats", {**meta.matrix_feats, "zero_padded": bool(zero_padded)})


class FoldFileWriter:
    """Write a fold file from arrays, whole folds or piece by piece.

    Use it in a ``with`` block: the file appears under its name at the end, and not at all if
    the block raises.

    Args:
        path: Of the file; ``.hdf5`` is added where it is missing.
        cont_feats: Continuous features, the first columns of ``inputs``.
        cat_feats: Categorical features, the columns after them; they hold codes 0, 1, 2, ...
        targ_feats: Targets; one name alone makes targets of shape ``(n,)`` as in LUMIN.
        targ_type: Dtype of the targets.
        wgt_feat: Name of the weight, where there is one.
        cat_maps: What the codes mean.
        matrix_feats: From `lumin_core.data.layout.matrix_entry` or ``tensor_entry``, where there is
            a matrix; with ``"zero_padded": True`` where absent objects are zeros.
        target_tensor: ``{"shape": ..., "is_sparse": ...}`` where targets are tensors.
        preprocessing: Transforms that the data went through, to be stored: a chain for the inputs,
            or a dict of chains for ``inputs``, ``targets``, ``matrix``.
        compression: As `save_to_grp` takes it.
        clip: If given, inputs are limited to ``[-clip, clip]`` rather than infinities refused.
        seed: Recorded as provenance.
        growing: Whether several `append` go to one fold. Such files are chunked, and read a
            little more slowly.
        overwrite: Whether a file of that name may be replaced.

    Raises:
        ConfigError: If names come twice or contradict each other.
        FoldFileError: If the file exists, is being written, or cannot be.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(path, cont_feats=["pt", "eta"], targ_feats="is_signal") as file:
        ...     for fold in range(2):
        ...         file.append(fold, inputs=np.full((3, 2), fold), targets=np.array([0, 1, 1]))
        >>> FoldYielder(path)[1]["inputs"].tolist()
        [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]
    """

    def __init__(
        self,
        path: str | Path,
        *,
        cont_feats: Sequence[str],
        targ_feats: str | Sequence[str],
        cat_feats: Sequence[str] = (),
        targ_type: str | type | np.dtype = "float32",
        wgt_feat: str | None = None,
        cat_maps: Mapping[str, Mapping[int, Any]] | None = None,
        matrix_feats: Mapping[str, Any] | None = None,
        target_tensor: Mapping[str, Any] | None = None,
        preprocessing: Any = None,
        compression: str | int | None = None,
        clip: float | None = None,
        seed: int | None = None,
        growing: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.path = with_suffix(path)
        self.layout = Layout(
            cont_feats,
            cat_feats,
            targ_feats,
            targ_type,
            wgt_feat,
            matrix_feats=matrix_feats,
            target_tensor=target_tensor,
            clip=clip,
        )
        self._cat_maps = checked_cat_maps(cat_maps, self.layout.cat_feats)
        self._preprocessing = preprocessing_configs(preprocessing)
        self._compression = None if compression is None else check_compression(compression)
        self._seed = seed
        self._growing = growing
        self._open(overwrite)

    def _open(self, overwrite: bool) -> None:
        refuse_existing(self.path, overwrite=overwrite)
        self._staged = Staged(self.path)
        self._lock = contextlib.ExitStack()
        try:
            self._lock.enter_context(locked(self.path))
            refuse_existing(self.path, overwrite=overwrite)
            self._staged.part.unlink(missing_ok=True)
            self.file = h5py.File(self._staged.part, "w")
        except BaseException as error:
            self._lock.close()
            self._staged.discard_folders()
            if isinstance(error, OSError) and not isinstance(error, FoldFileError):
                raise FoldFileError(f"cannot write {self.path}: {error}") from error
            raise

    def __enter__(self) -> Self:
        """Give the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Complete the file, or discard it if the block raised."""
        if kind is None:
            self.close()
        else:
            self.abort()

    def append(
        self,
        fold: int,
        *,
        inputs: Any,
        targets: Any,
        weights: Any = None,
        matrix_inputs: Any = None,
        misc: Mapping[str, Any] | None = None,
    ) -> None:
        """Add events to a fold.

        Args:
            fold: Its number. Several calls for one fold need ``growing=True``.
            inputs: Shape ``(n, n_cont + n_cat)``; NaN where a value is missing.
            targets: Shape ``(n,)`` or ``(n, n_targ)``; for tensors ``(n, *shape)``,
                dense or sparse.
            weights: Shape ``(n,)`` or ``(n, 1)``; needed if and only if ``wgt_feat`` was given.
            matrix_inputs: Shape ``(n, *shape)``, dense or sparse; needed if and only if
                ``matrix_feats`` was given.
            misc: Further columns by name, each of length ``n``.

        Raises:
            ShapeError: If lengths or widths do not match.
            DataError: If inputs hold infinities (without ``clip``), targets or weights NaN or
                infinities, categorical features no codes.
            ConfigError: If a part is given that was not announced, or the other way round.
            FoldFileError: If the fold is there and the file does not grow.

        Example:
            See the class.
        """
        if isinstance(fold, bool) or not isinstance(fold, int | np.integer) or fold < 0:
            raise ConfigError(f"fold must be a number 0, 1, 2, ..., got {fold!r}")
        where = f"fold {fold} of {self.path.name}"
        columns = self.layout.check(
            inputs=inputs, targets=targets, weights=weights, matrix_inputs=matrix_inputs, misc=misc, where=where
        )
        try:
            self._write(f"fold_{fold}", columns)
        except OSError as error:
            if isinstance(error, FoldFileError):
                raise
            raise FoldFileError(f"cannot write {self.path}: {error}") from error

    def _write(self, name: str, columns: Mapping[str, np.ndarray]) -> None:
        if name not in self.file:
            axes = {column: self.layout.axis(column) if self._growing else None for column in columns}
            write_fold(self.file, name, columns, self._compression, axes)
            return
        if not self._growing:
            raise FoldFileError(f"{name} of {self.path.name} is written already; pass growing=True to add in pieces")
        group = self.file[name]
        n_before = group["inputs"].shape[0]
        for column, values in columns.items():
            axis = self.layout.axis(column)
            if axis == 1:  # COO, whose row 1 is the event
                if values.dtype == np.float32 and n_before + len(columns["inputs"]) > EXACT:
                    raise DataError(f"{name}: a sparse fold holds at most {EXACT} events; take more folds")
                values[1] += n_before
            extend_in_grp(group, column, values, axis)

    def close(self) -> None:
        """Complete the file: write the meta data, sync, and rename it to its name.

        Raises:
            FoldFileError: If there is no fold, or their numbers have gaps.

        Example:
            >>> import numpy as np, tempfile
            >>> from lumin_core import FoldFileWriter
            >>> file = FoldFileWriter(
            ...     tempfile.mkdtemp() + "/a", cont_feats=["pt"], targ_feats=["y"]
            ... )
            >>> file.append(0, inputs=np.ones((2, 1)), targets=np.ones((2, 1)))
            >>> file.close()
            >>> file.path.name
            'a.hdf5'
        """
        if not self.file:
            return
        try:
            numbers = fold_numbers(self.file)
            if not numbers:
                raise FoldFileError(f"{self.path} has no fold: append at least one")
            write_meta_data(self.file, self.layout, self._cat_maps, self._preprocessing, self._seed)
            self.file.close()
            self._staged.commit()
        except BaseException:
            self.abort()
            raise
        self._lock.close()

    def abort(self) -> None:
        """Discard the file; what was there before stays.

        Example:
            >>> import tempfile
            >>> from lumin_core import FoldFileWriter
            >>> file = FoldFileWriter(
            ...     tempfile.mkdtemp() + "/a", cont_feats=["pt"], targ_feats=["y"]
            ... )
            >>> file.abort()
            >>> file.path.exists()
            False
        """
        self.file.close()
        self._staged.part.unlink(missing_ok=True)
        self._lock.close()
        self._staged.discard_folders()


def write_fold(
    file: h5py.Group,
    name: str,
    columns: Mapping[str, np.ndarray],
    compression: str | int | None = None,
    axes: Mapping[str, int | None] | None = None,
) -> None:
    """Write a fold whose columns were checked.

    Args:
        file: Where to.
        name: ``fold_<i>``.
        columns: From `Layout.check`.
        compression: As for `save_to_grp`.
        axes: For columns that grow, along which axis.

    Example:
        >>> import h5py, numpy as np
        >>> from lumin_core.data.fold_file import write_fold
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     write_fold(file, "fold_0", {"inputs": np.ones((2, 1))})
        ...     file["fold_0/inputs"].shape
        (2, 1)
    """
    group = file.create_group(name)
    group.attrs[CHECKED] = True
    for column, values in columns.items():
        save_to_grp(values, group, column, compression, growing=(axes or {}).get(column))


def write_meta_data(
    file: h5py.Group,
    layout: Layout,
    cat_maps: Mapping[str, Any] | None,
    preprocessing: Mapping[str, Any],
    seed: int | None,
) -> None:
    """Write all meta data: LUMIN's entries where there is something to say, and ours.

    Example:
        >>> import h5py
        >>> from lumin_core.data.fold_file import write_meta_data
        >>> from lumin_core.data.layout import Layout
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     write_meta_data(file, Layout(["pt"], [], "y"), None, {}, seed=1)
        ...     list(file["meta_data"])
        ['cat_feats', 'cont_feats', 'misc_feats', 'preprocessing', 'provenance', 'targ_feats']
    """
    group = file.create_group(GROUP)
    group.attrs["format"] = FORMAT
    entries = {
        "cont_feats": layout.cont_feats,
        "cat_feats": layout.cat_feats,
        "targ_feats": layout.targ_feats,
        "wgt_feat": layout.wgt_feat,
        "cat_maps": cat_maps,
        "matrix_feats": layout.matrix_feats,
        "target_tensor": layout.target_tensor,
        "misc_feats": layout.misc_feats or [],
        "preprocessing": preprocessing,
        "provenance": {"written_by": f"lumin-core {_version()}", "seed": seed},
    }
    for name, value in entries.items():
        if value is not None:
            write_entry(group, name, value)


def checked_cat_maps(
    cat_maps: Mapping[str, Mapping[int, Any]] | None, cat_feats: Sequence[str]
) -> dict[str, dict[int, Any]] | None:
    """Refuse category maps of features that are not categorical.

    Raises:
        ConfigError: If there is such a one.

    Example:
        >>> from lumin_core.data.fold_file import checked_cat_maps
        >>> checked_cat_maps({"n_jets": {0: "none"}}, ["n_jets"])
        {'n_jets': {0: 'none'}}
    """
    if cat_maps is None:
        return None
    for feat in cat_maps:
        if feat not in cat_feats:
            raise ConfigError(f"cat_maps has {feat!r}, which is not in cat_feats{did_you_mean(feat, cat_feats)}")
    return {feat: {int(code): value for code, value in codes.items()} for feat, codes in cat_maps.items()}


def _version() -> str:
    try:
        return version("lumin-core")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"


def add_meta_data(
    out_file: h5py.File,
    feats: Sequence[str],
    cont_feats: Sequence[str],
    cat_feats: Sequence[str],
    cat_maps: Mapping[str, Mapping[int, Any]] | None,
    targ_feats: str | Sequence[str],
    wgt_feat: str | None = None,
    matrix_vecs: Sequence[str] | None = None,
    matrix_feats_per_vec: Sequence[str] | None = None,
    matrix_row_wise: bool | None = None,
    tensor_name: str | None = None,
    tensor_shp: Sequence[int] | None = None,
    tensor_is_sparse: bool = False,
    target_tensor_shp: Sequence[int] | None = None,
    tensor_target_is_sparse: bool = False,
    *,
    misc_feats: Sequence[str] | None = None,
    preprocessing: Any = None,
    seed: int | None = None,
) -> None:
    """Add meta data to an open file whose folds were written by `fold2foldfile`.

    Args:
        out_file: Open for writing.
        feats: All columns of the data, among which those of the matrix are looked for.
        cont_feats: Continuous features.
        cat_feats: Categorical features.
        cat_maps: What the codes mean.
        targ_feats: Target or targets.
        wgt_feat: Name of the weight.
        matrix_vecs: Objects of the matrix.
        matrix_feats_per_vec: Their features.
        matrix_row_wise: Whether an object is a row.
        tensor_name: Name of the tensor.
        tensor_shp: Shape of one event's tensor.
        tensor_is_sparse: Whether it is stored as COO.
        target_tensor_shp: Shape of one event's targets, where these are tensors.
        tensor_target_is_sparse: Whether they are stored as COO.
        misc_feats: Further columns.
        preprocessing: As for `FoldFileWriter`.
        seed: Recorded as provenance.

    Raises:
        ConfigError: If names come twice or contradict each other.
        DataError: If an object or a feature of the matrix does not exist at all.

    Example:
        >>> import h5py
        >>> from lumin_core import add_meta_data
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     add_meta_data(file, ["pt", "y"], ["pt"], [], None, "y")
        ...     file["meta_data/targ_feats"][()]
        b'"y"'
    """
    entry, target = None, None
    if matrix_vecs is not None:
        names, missing, shape = matrix.matrix_lookup(feats, matrix_vecs, matrix_feats_per_vec or (), matrix_row_wise)
        entry = matrix_entry(names, matrix_vecs, missing, matrix_feats_per_vec or (), bool(matrix_row_wise), shape)
    elif tensor_shp is not None:
        entry = tensor_entry(tensor_name or "tensor", tensor_shp, is_sparse=tensor_is_sparse)
    if target_tensor_shp is not None:
        target = {"shape": [int(n) for n in target_tensor_shp], "is_sparse": bool(tensor_target_is_sparse)}
    layout = Layout(
        cont_feats,
        cat_feats,
        targ_feats,
        wgt_feat=wgt_feat,
        matrix_feats=entry,
        target_tensor=target,
        misc_feats=list(misc_feats or []),
    )
    write_meta_data(
        out_file, layout, checked_cat_maps(cat_maps, layout.cat_feats), preprocessing_configs(preprocessing), seed
    )


def fold_numbers(file: h5py.File) -> list[int]:
    """Give the numbers of a file's folds in ascending order.

    Raises:
        FoldFileError: If they are not 0, 1, 2, ... without gaps.

    Example:
        >>> import h5py
        >>> from lumin_core.data.fold_file import fold_numbers
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     for i in range(12):
        ...         _ = file.create_group(f"fold_{i}")
        ...     fold_numbers(file)[:3]
        [0, 1, 2]
    """
    numbers = sorted(int(name[5:]) for name in file if name.startswith("fold_") and name[5:].isdecimal())
    if numbers != list(range(len(numbers))):
        gaps = sorted(set(range(numbers[-1])) - set(numbers))
        raise FoldFileError(f"{file.filename}: folds must be numbered from 0 without gaps, missing {gaps}")
    return numbers
