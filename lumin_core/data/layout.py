"""Which columns a fold file has, and the checks that its data pass before they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from lumin_core.checks import as_list, check_names
from lumin_core.data.sparse import is_sparse, to_coo
from lumin_core.data.values import check_codes, check_column_name, check_finite, check_inputs, to_float32
from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def matrix_entry(
    present_feats: Sequence[str],
    vecs: Sequence[str],
    missing: Sequence[bool] | np.ndarray,
    feats_per_vec: Sequence[str],
    row_wise: bool,
    shape: Sequence[int],
) -> dict[str, Any]:
    """Give the ``matrix_feats`` entry of a matrix, with LUMIN's keys.

    Args:
        present_feats: Columns that exist, in the order of the flattened matrix.
        vecs: Objects.
        missing: Which elements of the flattened matrix do not exist.
        feats_per_vec: Features of an object.
        row_wise: Whether an object is a row.
        shape: Of one event's matrix.

    Example:
        >>> from lumin_core.data.layout import matrix_entry
        >>> matrix_entry(["tau_px"], ["tau"], [False], ["px"], True, (1, 1))["shape"]
        [1, 1]
    """
    return {
        "present_feats": list(present_feats),
        "vecs": list(vecs),
        "missing": [int(m) for m in missing],
        "feats_per_vec": list(feats_per_vec),
        "row_wise": bool(row_wise),
        "shape": [int(s) for s in shape],
    }


def tensor_entry(name: str, shape: Sequence[int], *, is_sparse: bool = False) -> dict[str, Any]:
    """Give the ``matrix_feats`` entry of a tensor, with LUMIN's keys.

    Example:
        >>> from lumin_core.data.layout import tensor_entry
        >>> tensor_entry("image", (3, 32, 32))["vecs"]
        ['image']
    """
    return {
        "present_feats": [name],
        "vecs": [name],
        "missing": [],
        "feats_per_vec": [""],
        "row_wise": None,
        "shape": [int(s) for s in shape],
        "is_sparse": bool(is_sparse),
    }


def target_dtype(targ_type: Any) -> np.dtype:
    """Give the dtype of targets.

    Raises:
        ConfigError: If it is none, or none of numbers.

    Example:
        >>> from lumin_core.data.layout import target_dtype
        >>> target_dtype("float32")
        dtype('float32')
    """
    try:
        dtype: np.dtype = np.dtype(targ_type)
    except TypeError as error:
        raise ConfigError(f"targ_type must be a numpy dtype such as 'float32' or 'int', got {targ_type!r}") from error
    if dtype.kind not in "biuf":
        raise ConfigError(f"targ_type must be a dtype of numbers, got {targ_type!r}")
    return dtype


def _element_names(matrix_feats: Mapping[str, Any]) -> list[str]:
    """Names of the elements of a flattened matrix, for messages."""
    missing, present = list(matrix_feats.get("missing", [])), iter(matrix_feats.get("present_feats") or [])
    return ["" if m else next(present) for m in missing]


def _one_or_list(names: str | Sequence[str]) -> str | list[str]:
    return names if isinstance(names, str) else list(names)


@attrs.define
class Layout:
    """The columns of a fold file, and the checks of what goes into them.

    Attributes:
        cont_feats: Continuous features, the first columns of inputs.
        cat_feats: Categorical features, the columns after them.
        targ_feats: Targets; one name alone stands for targets of shape ``(n,)``.
        targ_type: Dtype of the targets.
        wgt_feat: Name of the weight, or ``None``.
        matrix_feats: From `matrix_entry` or `tensor_entry`, or ``None``.
        target_tensor: ``shape`` and ``is_sparse`` of targets that are tensors, or ``None``.
        clip: If given, inputs are limited to ``[-clip, clip]``.
        misc_feats: Further columns; ``None`` until the first fold is checked.

    Raises:
        ConfigError: If names come twice, or ``targ_type`` is no dtype of numbers.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.layout import Layout
        >>> Layout(["pt"], [], "y").check(inputs=[[1]], targets=[0], where="fold 0")
        {'inputs': array([[1.]], dtype=float32), 'targets': array([0.], dtype=float32)}
    """

    cont_feats: list[str] = attrs.field(converter=as_list)
    cat_feats: list[str] = attrs.field(converter=as_list)
    targ_feats: str | list[str] = attrs.field(converter=_one_or_list)
    targ_type: np.dtype = attrs.field(default="float32", converter=target_dtype)
    wgt_feat: str | None = None
    matrix_feats: Mapping[str, Any] | None = None
    target_tensor: Mapping[str, Any] | None = None
    clip: float | None = None
    misc_feats: list[str] | None = None

    def __attrs_post_init__(self) -> None:
        """Check the names."""
        check_names("cont_feats and cat_feats", [*self.cont_feats, *self.cat_feats])
        check_names("targ_feats", as_list(self.targ_feats))

    def check(
        self,
        *,
        inputs: Any,
        targets: Any,
        weights: Any = None,
        matrix_inputs: Any = None,
        misc: Mapping[str, Any] | None = None,
        where: str,
    ) -> dict[str, np.ndarray]:
        """Check data of a fold.

        Args:
            inputs: As for `FoldFileWriter.append`, as are the following.
            targets: Targets.
            weights: Weights.
            matrix_inputs: Matrix.
            misc: Further columns by name.
            where: Which fold of which file, for messages.

        Returns:
            Columns as they are stored.

        Raises:
            ShapeError: As for `FoldFileWriter.append`, as are the following.
            DataError: For values.
            ConfigError: For parts that were not announced.
        """
        columns = {"inputs": self._inputs(inputs, where)}
        n = len(columns["inputs"])
        columns["targets"] = self._targets(targets, n, where)
        return (
            columns
            | self._weights(weights, n, where)
            | self._matrix(matrix_inputs, n, where)
            | self._misc(misc or {}, n)
        )

    def _inputs(self, inputs: Any, where: str) -> np.ndarray:
        values, n_cont, n_cat = to_float32(inputs), len(self.cont_feats), len(self.cat_feats)
        if values.ndim != 2 or values.shape[1] != n_cont + n_cat:
            raise ShapeError(
                f"{where}: inputs must be (n, {n_cont + n_cat}) for {n_cont} continuous and {n_cat} categorical "
                f"features, got shape {values.shape}"
            )
        check_codes(values[:, n_cont:], self.cat_feats, f"{where}, cat_feats")
        check_inputs(values[:, n_cont:], self.cat_feats, f"{where}, cat_feats")
        cont = check_inputs(values[:, :n_cont], self.cont_feats, f"{where}, inputs", self.clip)
        return np.hstack((cont, values[:, n_cont:])) if self.clip is not None else values

    def _targets(self, targets: Any, n: int, where: str) -> np.ndarray:
        where, names = f"{where}, targets", as_list(self.targ_feats)
        if self.target_tensor is not None:
            return self._tensor(targets, n, self.target_tensor, self.targ_type, where)
        values = cast(targets, self.targ_type, names, where)
        width = None if isinstance(self.targ_feats, str) else len(self.targ_feats)
        if values.ndim == 1 and width == 1:
            values = values[:, None]
        if values.ndim == 2 and values.shape[1] == 1 and width is None:
            values = values[:, 0]
        if values.shape != ((n,) if width is None else (n, width)):
            raise ShapeError(f"{where} must be ({n}, {width or 1}) as inputs and targ_feats say, got {values.shape}")
        return values

    def _weights(self, weights: Any, n: int, where: str) -> dict[str, np.ndarray]:
        if (weights is None) != (self.wgt_feat is None):
            raise ConfigError(
                f"{where}: weights must be given if and only if the file has a wgt_feat; it is {self.wgt_feat!r}"
            )
        if weights is None:
            return {}
        values = to_float32(weights)
        if values.shape not in ((n,), (n, 1)):
            raise ShapeError(f"{where}: weights must be ({n},), one an event, got shape {values.shape}")
        check_finite(values, [str(self.wgt_feat)], f"{where}, weights")
        return {"weights": values.reshape(n)}

    def _matrix(self, values: Any, n: int, where: str) -> dict[str, np.ndarray]:
        if (values is None) != (self.matrix_feats is None):
            raise ConfigError(f"{where}: matrix_inputs must be given if and only if the file has matrix_feats")
        if self.matrix_feats is None:
            return {}
        return {
            "matrix_inputs": self._tensor(values, n, self.matrix_feats, np.dtype("float32"), f"{where}, matrix_inputs")
        }

    def _tensor(self, values: Any, n: int, entry: Mapping[str, Any], dtype: np.dtype, where: str) -> np.ndarray:
        """Check a tensor, and give it as it is stored: dense, or COO."""
        if not is_sparse(values):
            values = np.asarray(values)
        if tuple(values.shape) != (n, *entry["shape"]):
            raise ShapeError(f"{where} must be {(n, *entry['shape'])}, got shape {tuple(values.shape)}")
        is_target = self.target_tensor is entry
        if not entry.get("is_sparse", False):
            return self._tensor_values(values, dtype, is_target, where)
        coo = to_coo(values)
        coo[0] = self._tensor_values(coo[0], dtype, is_target, where)
        exact = coo.size == 0 or coo[1:].max() <= 2**24
        return coo.astype(dtype if dtype.kind == "f" and exact else np.promote_types(dtype, np.int64))

    def _tensor_values(self, values: Any, dtype: np.dtype, is_target: bool, where: str) -> np.ndarray:
        if is_sparse(values):
            raise ConfigError(f"{where}: a sparse array needs is_sparse in its entry (tensor_as_sparse=True)")
        if is_target:
            return cast(values, dtype, [], where)
        names = [] if self.matrix_feats is None else _element_names(self.matrix_feats)
        return check_inputs(to_float32(values), names, where, self.clip)

    def _misc(self, misc: Mapping[str, Any], n: int) -> dict[str, np.ndarray]:
        if self.misc_feats is None:
            self.misc_feats = list(misc)
        if list(misc) != self.misc_feats:
            raise ConfigError(f"every fold must have the same misc columns, {self.misc_feats}, got {list(misc)}")
        for name, values in misc.items():
            check_column_name(name)
            if len(values) != n:
                raise ShapeError(f"misc column {name!r} must have one value an event, {n}, got {len(values)}")
        return {name: np.asarray(values) for name, values in misc.items()}

    def axis(self, column: str) -> int:
        """Give the axis along which a column grows: COO has its entries along the second.

        Example:
            >>> from lumin_core.data.layout import Layout
            >>> Layout(["pt"], [], "y").axis("inputs")
            0
        """
        entry = {"targets": self.target_tensor, "matrix_inputs": self.matrix_feats}.get(column)
        return int(entry is not None and bool(entry.get("is_sparse", False)))


def cast(values: Any, dtype: np.dtype, names: Sequence[str], where: str) -> np.ndarray:
    """Convert targets to their dtype, refusing what would change.

    That is NaN, infinities, and fractions as integers.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.layout import cast
        >>> cast([0.0, 1.0], np.dtype("int64"), ["is_signal"], "targets")
        array([0, 1])
        >>> cast([0.5, 1.0], np.dtype("int64"), ["mass"], "targets")
        Traceback (most recent call last):
        ...
        lumin_core.errors.DataError: targets: column 'mass' has 0.5, which int64 cannot hold; ...
    """
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise DataError(f"{where} must be numbers, got dtype {values.dtype}")
    check_finite(values, names, where)
    with np.errstate(over="ignore", invalid="ignore"):
        converted: np.ndarray = values.astype(dtype)
    if dtype.kind == "f":
        check_finite(converted, names, where)
    elif (wrong := converted != values).any():
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        column = names[index[1] if len(index) > 1 else 0] if names else "0"
        raise DataError(
            f"{where}: column {column!r} has {values[index]}, which {dtype} cannot hold; choose another targ_type"
        )
    return converted
