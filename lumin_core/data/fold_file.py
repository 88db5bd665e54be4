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
from typing import TYPE_CHECKING

import numpy as np

from lumin_core.arguments import explained
from lumin_core.data import room
from lumin_core.data.check_sums import IDENTITY, META, complete_sums
from lumin_core.data.creation import new_file, new_group
from lumin_core.data.description import describe
from lumin_core.data.file_names import name_to_write
from lumin_core.data.hdf5 import add_fitted, check_compression, fitting, write_column
from lumin_core.data.layout import Layout
from lumin_core.data.meta import write_schema
from lumin_core.data.structure import CHECKED, fold_name, fold_numbers
from lumin_core.data.values import EXACT
from lumin_core.errors import DataError, FoldFileError
from lumin_core.files import Staged, refuse_existing
from lumin_core.locks import locked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    import h5py
    from numpy.typing import ArrayLike

    from lumin_core.data.schema import MatrixSchema
    from lumin_core.data.sparse import SparseArray
    from lumin_core.data.transforms import Steps


class FoldFileWriter:
    """Write a fold file from arrays, whole folds or piece by piece.

    Use it in a ``with`` block: the file appears under its name at the end, and not at all if
    the block raises.

    Args:
        path: Of the file; ``.hdf5`` is added where it is missing.
        cont_feats: Continuous features, the first columns of ``inputs``.
        cat_feats: Categorical features, the columns after them; they hold codes 0, 1, 2, ...
        targ_feats: Targets; one name alone makes targets of shape ``(n,)`` as in LUMIN, and
            ``None`` those of events without labels, of shape ``(n, 0)``.
        targ_type: Dtype of the targets.
        wgt_feat: Name of the weight, where there is one.
        cat_maps: What the codes mean.
        matrix_feats: From `lumin_core.data.matrix_entry` or ``tensor_entry``, or a `MatrixSchema`,
            where there is a matrix; with ``"zero_padded": True`` where absent objects are zeros.
        target_tensor: ``{"shape": ..., "is_sparse": ...}`` where targets are tensors.
        preprocessing: Transforms that the data went through, to be stored: a chain for the inputs,
            or a dict of chains for ``inputs``, ``targets``, ``matrix``.
        compression: As `save_to_grp` takes it.
        clip: If given, inputs are limited to ``[-clip, clip]`` rather than infinities refused.
        seed: Recorded as provenance.
        growing: Whether several `append` go to one fold. Such files are chunked, and read a
            little more slowly.
        overwrite: Whether a file of that name may be replaced.
        roles: Roles of further columns by name: ``"key"``, ``"group"``, ``"variation"``, or any
            other; see `Schema.with_role`.
        recipe: How the file is made of other programs' files, as plain values: what models that
            are trained on it need to score such files, see `Converter`.
        sources: These files in the order of their numbers, each with its ``"name"`` and more.
        units: Units of columns by their names, as they are written at an axis:
            ``{"jet_pt": "GeV"}``. The name of a field of the matrix stands for its columns.

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

    @explained
    def __init__(
        self,
        path: str | Path,
        *,
        cont_feats: Sequence[str],
        targ_feats: str | Sequence[str] | None,
        cat_feats: Sequence[str] = (),
        targ_type: str | type | np.dtype = "float32",
        wgt_feat: str | None = None,
        cat_maps: Mapping[str, Mapping[int, object]] | None = None,
        matrix_feats: MatrixSchema | Mapping[str, object] | None = None,
        target_tensor: Mapping[str, object] | None = None,
        preprocessing: Steps | Mapping[str, Steps] | None = None,
        compression: str | int | None = None,
        clip: float | None = None,
        seed: int | None = None,
        growing: bool = False,
        overwrite: bool = False,
        roles: Mapping[str, str] | None = None,
        recipe: Mapping[str, object] | None = None,
        sources: Sequence[Mapping[str, object]] = (),
        units: Mapping[str, str] | None = None,
    ) -> None:
        self.path = name_to_write(path)
        schema = describe(
            cont_feats,
            cat_feats,
            targ_feats,
            wgt_feat=wgt_feat,
            cat_maps=cat_maps,
            matrix_feats=matrix_feats,
            target_tensor=target_tensor,
            preprocessing=preprocessing,
            seed=seed,
            recipe=recipe,
            sources=sources,
            units=units,
        )
        self.layout = Layout(schema, targ_type, clip, roles or {})
        self._compression = None if compression is None else check_compression(compression)
        self._growing = growing
        self._open(overwrite)

    def _open(self, overwrite: bool) -> None:
        self._staged = Staged(self.path, FoldFileError)
        with contextlib.ExitStack() as undo:
            undo.callback(self._staged.discard_folders)
            undo.enter_context(locked(self.path, FoldFileError))
            refuse_existing(self.path, overwrite=overwrite, error=FoldFileError)
            undo.callback(self._staged.part.unlink, missing_ok=True)
            self._staged.part.unlink(missing_ok=True)
            with room.saying(f"cannot write {self.path}"):
                self.file = new_file(self._staged.part)
            undo.callback(room.give_up, self.file)
            room.set_aside(self.file, 0)
            self._undo = undo.pop_all()

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
        inputs: ArrayLike,
        targets: ArrayLike | SparseArray | None = None,
        weights: ArrayLike | None = None,
        matrix_inputs: ArrayLike | SparseArray | None = None,
        misc: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Add events to a fold.

        Args:
            fold: Its number. Several calls for one fold need ``growing=True``.
            inputs: Shape ``(n, n_cont + n_cat)``; NaN, or a mask, where a value is missing. Of a
                data frame, a dict or records, the columns are taken by name.
            targets: Shape ``(n,)`` or ``(n, n_targ)``; for tensors ``(n, *shape)``,
                dense or sparse; of events without labels none.
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
        name = fold_name(fold)
        where = f"fold {fold} of {self.path.name}"
        columns = self.layout.check(
            inputs=inputs, targets=targets, weights=weights, matrix_inputs=matrix_inputs, misc=misc, where=where
        )
        axes = {column: self.layout.axis(column) for column in columns}
        fitted = self._fitted(name, columns, axes) if name in self.file else None
        with contextlib.ExitStack() as on_failure, room.saying(f"cannot write {self.path}"):
            on_failure.callback(self.abort)  # half a fold is none
            if fitted is None:
                write_fold(self.file, name, columns, self._compression, axes if self._growing else None)
            else:
                for column, values in fitted.items():
                    add_fitted(self.file[name], column, values, axes[column])
            on_failure.pop_all()

    def _fitted(self, name: str, columns: Mapping[str, np.ndarray], axes: Mapping[str, int]) -> dict[str, np.ndarray]:
        """Return columns as they are added to a fold, all of them checked before one is."""
        if not self._growing:
            raise FoldFileError(f"{name} of {self.path.name} is written already; pass growing=True to add in pieces")
        n_before = self.file[name]["inputs"].shape[0]
        for column, axis in axes.items():
            if axis == 1:  # COO, whose row 1 is the event
                if columns[column].dtype == np.float32 and n_before + len(columns["inputs"]) > EXACT:
                    raise DataError(f"{name}: a sparse fold holds at most {EXACT} events; take more folds")
                columns[column][1] += n_before
        return {column: fitting(self.file[name], column, values, axes[column]) for column, values in columns.items()}

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
        with self._undo:  # after the commit nothing but the lock is left to undo
            if not fold_numbers(self.file):
                raise FoldFileError(f"{self.path} has no fold: append at least one")
            with room.saying(f"cannot write {self.path}"):
                complete_sums(self.file)
                write_schema(self.file, self.layout.schema)
                room.close(self.file)
            self._staged.commit()

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
        self._undo.close()


def write_fold(
    file: h5py.Group,
    name: str,
    columns: Mapping[str, np.ndarray],
    compression: str | int | None = None,
    axes: Mapping[str, int] | None = None,
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
    group = new_group(file, name)
    group.attrs[CHECKED] = True
    if META in file:  # described before it is complete
        file[META].attrs.pop(IDENTITY, None)
    for column, values in columns.items():
        write_column(values, group, column, compression, growing=None if axes is None else axes[column])
