"""Batches of one fold, as tensors.

One permuted copy of the fold is made for every pass, and batches are slices of it, views that cost
nothing: gathering each batch by its indices, or collating events one by one, is what makes other
loaders slow for columnar data.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lumin_core.arguments import explained
from lumin_core.checks import listed, positive
from lumin_core.data.matrix import fill_objects
from lumin_core.data.numbers import as_numbers
from lumin_core.data.tables import as_frame, is_frame
from lumin_core.data.values import check_classes, check_finite, columns_with_nan, without_nan
from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    Batch = tuple[Tensor | tuple[Tensor, Tensor], Tensor | None, Tensor | None]


class BatchYielder:
    """Yield the batches ``(x, y, w)`` of a fold.

    Args:
        inputs: Shape ``(n, F)``, or ``(flat, matrix)`` with ``(n, F)`` and ``(n, ...)``; arrays,
            tensors, data frames, whose columns are taken in their order. What is masked, NA or NaN
            is missing.
        bs: Events in a batch.
        objective: ``"classification"``, ``"multiclass"`` or ``"regression"``; multiclass
            targets become int64.
        targets: Shape ``(n,)`` or ``(n, n_targ)``, or ``None``.
        weights: Shape ``(n,)`` or ``(n, 1)``, or ``None``.
        shuffle: Whether every pass takes the events in another order.
        use_weights: Whether weights are yielded; without, ``w`` is ``None``.
        bulk_move: Whether the whole fold is moved to the device at once, which is faster; else
            batch by batch.
        input_mask: Indices, or Booleans, of the columns of flat inputs that batches hold;
            by default all.
        drop_last: Whether a last batch that is not full is left out.
        device: Where batches are; by default the CPU.
        generator: Source of the order; by default torch's global one.
        missing: What missing values of inputs become: ``"zero"``, or ``"keep"`` for NaN.
        object_axis: Axis of the matrix along which its objects are, 1 or -1, so that a missing
            value of an object that is there is told from an object that is not, which stays NaN.
            By default the matrix is left as it is.

    Attributes:
        inputs: The whole fold, all columns, numpy; as ``matrix_inputs``, ``targets``, ``weights``
            it may be replaced before a pass, in ``on_fold_begin`` say.
        filled: Numbers of the columns of `inputs` in which missing values became 0.

    Raises:
        ShapeError: If the lengths of inputs, targets and weights differ.
        DataError: If there is anything but numbers, targets or weights are missing or infinite, or
            targets are a data frame of several columns;
            if the fold is smaller than a batch and ``drop_last`` holds, or multiclass targets are
            no classes.
        ConfigError: If ``bs`` is not a positive integer, or ``missing`` something else.

    Example:
        >>> import numpy as np
        >>> from lumin_core import BatchYielder
        >>> by = BatchYielder(np.ones((5, 3)), bs=2, objective="classification", targets=np.ones(5))
        >>> len(by), [(tuple(x.shape), tuple(y.shape), w) for x, y, w in by]
        (2, [((2, 3), (2, 1), None), ((2, 3), (2, 1), None)])
    """

    @explained
    def __init__(
        self,
        inputs: Any,
        bs: int,
        objective: str,
        targets: Any = None,
        weights: Any = None,
        shuffle: bool = True,
        use_weights: bool = True,
        bulk_move: bool = True,
        input_mask: Any = None,
        drop_last: bool = True,
        device: str | torch.device | None = None,
        generator: torch.Generator | None = None,
        *,
        missing: str = "zero",
        object_axis: int | None = None,
    ) -> None:
        flat, matrix = inputs if isinstance(inputs, tuple) else (inputs, None)
        self.inputs = _flat(flat)
        self.matrix_inputs = None if matrix is None else as_numbers(matrix, "matrix_inputs")
        self.targets = _finite(targets, "targets")
        self.weights = _finite(weights, "weights")
        self.bs = positive(bs, "bs")
        self.objective = objective
        self.input_mask = input_mask
        self.shuffle = shuffle
        self.use_weights = use_weights
        self.bulk_move = bulk_move
        self.drop_last = drop_last
        self.device = torch.device(device or "cpu")
        self.generator = generator
        self._fill(missing, object_axis)
        self.check()

    def _fill(self, missing: str, object_axis: int | None) -> None:
        """Fill missing values: here, and nowhere else for what a model is trained on."""
        if missing not in ("zero", "keep"):
            raise ConfigError(f"missing must be 'zero' or 'keep', got {missing!r}")
        given = self.inputs
        if missing == "zero":
            self.inputs = without_nan(given)
            if self.matrix_inputs is not None and object_axis is not None:
                self.matrix_inputs = fill_objects(self.matrix_inputs, object_axis)
        self.filled = [] if given is self.inputs else columns_with_nan(given)

    @property
    def n_events(self) -> int:
        """Number of events in the fold."""
        return len(self.inputs)

    def __len__(self) -> int:
        """Number of batches of a pass."""
        return self.n_events // self.bs if self.drop_last else -(-self.n_events // self.bs)

    def __iter__(self) -> Iterator[Batch]:
        """Make a pass."""
        self.check()
        columns = self._columns()
        order = None
        if self.shuffle:
            where = "cpu" if self.generator is None else self.generator.device
            order = torch.randperm(self.n_events, generator=self.generator, device=where)
        return self._bulk(columns, order) if self.bulk_move else self._piecewise(columns, order)

    def _bulk(self, columns: list[Tensor | None], order: Tensor | None) -> Iterator[Batch]:
        """Move and permute all at once, and slice."""
        columns = [None if c is None else c.to(self.device) for c in columns]
        if order is not None:
            order = order.to(self.device)
            for i, column in enumerate(columns):  # one at a time, so that what was replaced is freed
                columns[i] = None if column is None else column.index_select(0, order)
        parts = [itertools.repeat(None) if c is None else torch.split(c, self.bs)[: len(self)] for c in columns]
        own = order is not None or self.device.type != "cpu"
        del columns
        flat, matrix, y, w = (part if own or k > 1 else _clones(part) for k, part in enumerate(parts))
        yield from zip(flat if self.matrix_inputs is None else zip(flat, matrix), y, w)  # noqa: B905  (repeat never ends)

    def _piecewise(self, columns: list[Tensor | None], order: Tensor | None) -> Iterator[Batch]:
        """Gather and move batch by batch."""
        order = torch.arange(self.n_events) if order is None else order.cpu()
        for chosen in torch.split(order, self.bs)[: len(self)]:
            flat, matrix, y, w = (None if c is None else c.index_select(0, chosen).to(self.device) for c in columns)
            yield (flat if matrix is None else (flat, matrix)), y, w  # type: ignore[misc]  # flat is never None

    def _columns(self) -> list[Tensor | None]:
        """Return flat inputs, matrix, targets and weights as tensors on the CPU.

        Nothing is copied where types allow.
        """
        flat = _to_tensor(self.inputs, np.float32)
        if self.input_mask is not None:
            flat = flat.index_select(1, _column_indices(self.input_mask, flat.shape[1]))
        matrix = None if self.matrix_inputs is None else _to_tensor(self.matrix_inputs, np.float32)
        weights = self.weights if self.use_weights else None
        w = None if weights is None else _to_tensor(weights, np.float32).reshape(-1, 1)
        return [flat, matrix, self._target_tensor(), w]

    def _target_tensor(self) -> Tensor | None:
        if self.targets is None:
            return None
        if "multiclass" not in self.objective:
            y = _to_tensor(self.targets, np.float32)
            return y[:, None] if y.dim() == 1 else y
        check_classes(self.targets)
        y = _to_tensor(self.targets, np.int64)
        return y.squeeze(-1) if y.dim() == 2 and y.shape[1] == 1 else y

    def check(self) -> None:
        """Refuse what was put in place of inputs, targets or weights and does not fit.

        Raises:
            ShapeError: If lengths or shapes differ.
            DataError: If there is less than a batch.
        """
        n = self.n_events
        if self.inputs.ndim != 2:
            raise ShapeError(f"inputs must be (n, F), got shape {self.inputs.shape}")
        for name in ("matrix_inputs", "targets", "weights"):
            values = getattr(self, name)
            if values is not None and (values.ndim == 0 or len(values) != n):
                raise ShapeError(
                    f"{name} must have one row for each of the {n} events of inputs, got shape {values.shape}"
                )
        if self.weights is not None and self.weights.size != n:
            raise ShapeError(f"weights must be ({n},) or ({n}, 1), one an event, got shape {self.weights.shape}")
        if self.drop_last and n < self.bs:
            raise DataError(
                f"the fold has {n} events, less than a batch of {self.bs}, and drop_last leaves nothing to train on; "
                "take a smaller bs, fewer folds, or drop_last=False"
            )


def _clones(parts: Any) -> Iterator[Tensor | None]:
    """Return copies of slices that share memory with the caller's arrays.

    A model may not change those in place.
    """
    return (None if part is None else part.clone() for part in parts)


def _flat(values: Any) -> np.ndarray:
    """Return flat inputs; of a frame all columns, in their order."""
    if not is_frame(values):
        return as_numbers(values, "inputs")
    frame = as_frame(values, "inputs")
    if twice := frame.columns[frame.columns.duplicated()].tolist():
        raise DataError(f"inputs have {twice[0]!r} more than once; rename or drop one")
    return as_numbers(frame, "inputs")


def _finite(values: Any, name: str) -> np.ndarray | None:
    """Return targets or weights, of which none is missing."""
    if values is None:
        return None
    columns = list(getattr(values, "columns", ()))
    if len(columns) > 1 and any(isinstance(column, str) for column in columns):
        raise DataError(
            f"{name} are taken in the order of training, not by name, got a data frame with {listed(columns)}; bring "
            "them into that order, and pass .to_numpy()"
        )
    numbers = as_numbers(values, name)
    check_finite(np.atleast_1d(numbers), [], name)
    return numbers


def _to_tensor(values: np.ndarray, dtype: type) -> Tensor:
    """Make a tensor, sharing memory where dtype and layout allow."""
    values = np.ascontiguousarray(as_numbers(values, "inputs, targets and weights"), dtype=dtype)
    return torch.from_numpy(values if values.flags.writeable else values.copy())


def _column_indices(mask: Any, n_columns: int) -> Tensor:
    mask = as_numbers(mask, "input_mask")
    if mask.dtype.kind == "b" and mask.shape == (n_columns,):
        mask = np.flatnonzero(mask)
    if mask.ndim != 1 or mask.dtype.kind not in "iu" or (mask.size and not 0 <= mask.min() <= mask.max() < n_columns):
        raise ConfigError(f"input_mask must be indices below {n_columns}, the number of columns, got {mask!r}")
    return torch.from_numpy(mask.astype(np.int64))
