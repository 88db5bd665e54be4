"""The checks that the data of a fold pass before they are written."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, cast

import attrs
import numpy as np
import pandas as pd

from lumin_core.checks import check_keys, check_names, did_you_mean, input_hint
from lumin_core.data.categories import check_known_codes
from lumin_core.data.folds import held_by
from lumin_core.data.numbers import REAL, as_numbers
from lumin_core.data.sparse import is_sparse, to_coo
from lumin_core.data.storable import storable
from lumin_core.data.tables import as_frame
from lumin_core.data.units import with_column_units
from lumin_core.data.values import EXACT, check_codes, check_column_name, check_finite, check_inputs, exact, to_float32
from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from numpy.typing import ArrayLike, NDArray

    from lumin_core.data.schema import MatrixSchema, Schema, TensorSchema
    from lumin_core.data.sparse import SparseArray


def target_dtype(targ_type: object) -> np.dtype:
    """Give the dtype of targets.

    Raises:
        ConfigError: If it is none, or none of numbers.

    Example:
        >>> from lumin_core.data.layout import target_dtype
        >>> target_dtype("float32")
        dtype('float32')
    """
    try:
        dtype: np.dtype = np.dtype(cast("str", targ_type))
    except TypeError as error:
        raise ConfigError(f"targ_type must be a numpy dtype such as 'float32' or 'int', got {targ_type!r}") from error
    if dtype.kind not in REAL:
        raise ConfigError(f"targ_type must be a dtype of numbers, got {targ_type!r}")
    return dtype


@attrs.define
class Layout:
    """The columns of a fold file, and the checks of what goes into them.

    Attributes:
        schema: What the file has; its further columns, and the columns that units are of, are known
            when the first fold was checked.
        targ_type: Dtype of the targets.
        clip: If given, inputs are limited to ``[-clip, clip]``.
        roles: Roles of further columns by name.

    Raises:
        ConfigError: If names come twice, or ``targ_type`` is no dtype of numbers.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.layout import Layout
        >>> from lumin_core.data.schema import Schema
        >>> layout = Layout(Schema(cont_feats=["pt"], targ_feats=["y"], scalar_target=True))
        >>> layout.check(inputs=[[1]], targets=[0], where="fold 0")
        {'inputs': array([[1.]], dtype=float32), 'targets': array([0.], dtype=float32)}
    """

    schema: Schema
    targ_type: np.dtype = attrs.field(default="float32", converter=target_dtype)
    clip: float | None = None
    roles: Mapping[str, str] = attrs.field(factory=dict)
    _begun: bool = attrs.field(default=False, init=False)
    _held: dict[str, str] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        """Check the names."""
        check_names("cont_feats and cat_feats", self.schema.input_feats)
        check_names("targ_feats", self.schema.targ_feats)

    def check(
        self,
        *,
        inputs: ArrayLike,
        targets: ArrayLike | SparseArray | None = None,
        weights: ArrayLike | None = None,
        matrix_inputs: ArrayLike | SparseArray | None = None,
        misc: Mapping[str, ArrayLike] | None = None,
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
        schema = self.schema
        for part, given, announced, entry in (
            ("weights", weights, schema.wgt_feat, f"a wgt_feat; it is {schema.wgt_feat!r}"),
            ("matrix_inputs", matrix_inputs, schema.matrix, "matrix_feats"),
        ):
            if (given is None) != (announced is None):
                raise ConfigError(f"{where}: {part} must be given if and only if the file has {entry}")
        columns = {"inputs": self._inputs(inputs, where)}
        n = len(columns["inputs"])
        columns["targets"] = self._targets(targets, n, f"{where}, targets")
        if weights is not None:
            columns["weights"] = self._weights(weights, n, f"{where}, weights")
        if matrix_inputs is not None and schema.matrix is not None:
            columns["matrix_inputs"] = self._matrix(matrix_inputs, n, schema.matrix, f"{where}, matrix_inputs")
        return columns | self._misc(misc or {}, n)

    def _inputs(self, inputs: ArrayLike, where: str) -> np.ndarray:
        schema = self.schema
        n_cont, n_cat = len(schema.cont_feats), len(schema.cat_feats)
        frame = _named(inputs, schema.input_feats, f"{where}, inputs")
        if frame is not None:
            values = flat_inputs(frame, schema, f"{where}, ")
        else:
            given = as_numbers(inputs, f"{where}, inputs")
            if given.ndim != 2 or given.shape[1] != n_cont + n_cat:
                raise ShapeError(
                    f"{where}: inputs must be (n, {n_cont + n_cat}) for {n_cont} continuous and {n_cat} categorical "
                    f"features, got shape {given.shape}"
                )
            check_codes(given[:, n_cont:], schema.cat_feats, f"{where}, cat_feats")  # as float32 rounds what is none
            values = to_float32(given)
        check_known_codes(values[:, n_cont:], schema.cat_feats, schema.cat_maps, f"{where}, cat_feats")
        cont = check_inputs(values[:, :n_cont], schema.cont_feats, f"{where}, inputs", self.clip)
        return np.hstack((cont, values[:, n_cont:])) if self.clip is not None else values

    def _targets(self, targets: ArrayLike | SparseArray | None, n: int, where: str) -> np.ndarray:
        names, tensor = self.schema.targ_feats, self.schema.target_tensor
        if targets is None and not names and tensor is None:
            return np.empty((n, 0), self.targ_type)
        if tensor is not None and targets is not None:
            return _tensor(targets, n, tensor, lambda given: exact(given, self.targ_type, [], where), where)
        frame = _named(targets, names, where)
        given = as_numbers(targets if frame is None else frame[names], where)
        if given.ndim == 0:  # None, too
            raise ShapeError(f"{where} must have one row an event, {n}, got {targets!r:.80}")
        values = exact(given, self.targ_type, names, where)
        shape = (n,) if self.schema.scalar_target else (n, len(names))
        if len(names) == 1 and values.shape in ((n,), (n, 1)):
            values = values.reshape(shape)
        if values.shape != shape:
            raise ShapeError(f"{where} must be ({n}, {len(names)}) as inputs and targ_feats say, got {values.shape}")
        return values

    def _weights(self, weights: ArrayLike, n: int, where: str) -> np.ndarray:
        values = to_float32(weights, where)
        if values.shape not in ((n,), (n, 1)):
            raise ShapeError(f"{where} must be ({n},), one an event, got shape {values.shape}")
        check_finite(values, [str(self.schema.wgt_feat)], where)
        return values.reshape(n)

    def _matrix(self, given: ArrayLike | SparseArray, n: int, matrix: MatrixSchema, where: str) -> np.ndarray:
        def check(values: np.ndarray) -> np.ndarray:
            return check_inputs(to_float32(values, where), matrix.elements, where, self.clip)

        return _tensor(given, n, matrix, check, where)

    def _misc(self, misc: Mapping[str, ArrayLike], n: int) -> dict[str, np.ndarray]:
        if not self._begun:
            check_keys(self.roles, misc, "misc")
            columns = {name: self.roles.get(name, "") for name in misc}
            self.schema = with_column_units(attrs.evolve(self.schema, columns=columns))
            self._begun = True
        if list(misc) != self.schema.misc_feats:
            raise ConfigError(f"every fold must have the same misc columns, {self.schema.misc_feats}, got {list(misc)}")
        for name in misc:
            check_column_name(name)
        stored = {name: storable(values, name) for name, values in misc.items()}
        for name, values in stored.items():
            if values.ndim == 0 or len(values) != n:
                raise ShapeError(f"misc column {name!r} must have one value an event, {n}, got shape {values.shape}")
            held, before = held_by(values), self._held.setdefault(name, held_by(values))
            if held != before:
                raise DataError(f"misc column {name!r} holds {before} in the first fold, got {held}; convert it")
        return stored

    def axis(self, column: str) -> int:
        """Return the axis along which a column grows: COO has its entries along the second.

        Example:
            >>> from lumin_core.data.layout import Layout
            >>> from lumin_core.data.schema import Schema
            >>> Layout(Schema(cont_feats=["pt"])).axis("inputs")
            0
        """
        return int(self.schema.is_sparse(column))


def flat_inputs(frame: pd.DataFrame, schema: Schema, where: str = "") -> NDArray[np.float32]:
    """Take flat inputs from a data frame by name, with no second copy of them.

    Args:
        frame: The data frame, which has them.
        schema: Which columns are asked for.
        where: For messages, what comes before the name of the argument.

    Raises:
        DataError: If columns hold something else than numbers, or than codes.

    Example:
        >>> import pandas as pd
        >>> from lumin_core.data.layout import flat_inputs
        >>> from lumin_core.data.schema import Schema
        >>> flat_inputs(pd.DataFrame({"m": [1.0], "pt": [2]}), Schema(cont_feats=["pt"]))
        array([[2.]], dtype=float32)
    """
    inputs = np.empty((len(frame), len(schema.input_feats)), dtype=np.float32)
    for i, feat in enumerate(schema.input_feats):
        what = where + ("cont_feats" if i < len(schema.cont_feats) else "cat_feats")
        column = as_numbers(frame[feat], f"{what}: column {feat!r}")
        if i >= len(schema.cont_feats):  # before float32 rounds what is no code
            check_codes(column[:, None], [feat], what)
        inputs[:, i] = to_float32(column)
    return inputs


def check_column(name: str, known: Sequence[object], what: str, truth: Container[str] = ()) -> None:
    """Refuse a column that data do not have, or have twice.

    Args:
        name: Of the column.
        known: The names of all columns.
        what: Where it is asked for, for the message.
        truth: Of inputs, the columns that cannot be meant.

    Raises:
        DataError: With did-you-mean.
        ConfigError: If there are no columns at all, or it is not a name.

    Example:
        >>> from lumin_core.data.layout import check_column
        >>> check_column("pt", ["pt", "eta"], "cont_feats")
    """
    if not isinstance(name, Hashable):
        raise ConfigError(f"{what} must be the name of a column, got {name!r}")
    if not known:
        raise ConfigError(f"{what} names {name!r}, but there is no data frame; pass df, or leave {what} out")
    if name not in known:
        is_input = what in ("cont_feats", "cat_feats")
        hint = input_hint(name, known, truth) if is_input else did_you_mean(name, map(str, known))
        raise DataError(f"{what}: the data frame has no column {name!r}{hint}")
    if known.count(name) > 1:
        raise DataError(f"{what}: the data frame has {known.count(name)} columns {name!r}; rename or drop one")


def _named(inputs: object, feats: Sequence[str], what: str) -> pd.DataFrame | None:
    """Return a data frame, a dict or records as a data frame; an array has no names."""
    if isinstance(inputs, np.ndarray):
        names = list(inputs.dtype.names or ())
    else:
        names = list(inputs if isinstance(inputs, Mapping) else getattr(inputs, "columns", ()))
    if not any(isinstance(name, str) for name in names):
        return None
    for feat in feats:
        check_column(feat, names, what)
    if isinstance(inputs, pd.DataFrame) or not feats:
        return as_frame(inputs, what)
    columns = cast("Mapping[str, object]", inputs)  # of which further ones may be of any shape
    return as_frame({feat: columns[feat] for feat in feats}, what)


def _tensor(
    given: ArrayLike | SparseArray,
    n: int,
    tensor: TensorSchema,
    check: Callable[[np.ndarray], np.ndarray],
    where: str,
) -> np.ndarray:
    """Check a tensor, and return it as it is stored: dense, or COO."""
    values = given if is_sparse(given) else as_numbers(given, where)
    if tuple(values.shape) != (n, *tensor.shape):
        raise ShapeError(f"{where} must be {(n, *tensor.shape)}, got shape {tuple(values.shape)}")
    if tensor.is_sparse:
        coo = to_coo(values)
        coo[0] = checked = check(coo[0])
        is_exact = checked.dtype.kind == "f" and (coo.size == 0 or coo[1:].max() <= EXACT)
        return coo.astype(checked.dtype if is_exact else np.promote_types(checked.dtype, np.int64))
    if not isinstance(values, np.ndarray):
        raise ConfigError(f"{where}: a sparse array needs is_sparse in its entry (tensor_as_sparse=True)")
    return check(values)
