"""States of any nesting as JSON values, beside which their tensors and arrays stand.

JSON has text as keys, and no tuples: dicts and tuples are marked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lumin_core.errors import HookError

if TYPE_CHECKING:
    from lumin_core.model.tensor_file import State


def packed(value: Any, tensors: State, what: str) -> Any:
    """Return a state as JSON values, its tensors and arrays put among `tensors`.

    Args:
        value: The state.
        tensors: Where tensors go, by a name that stands in their place.
        what: What it is the state of, for the message.

    Raises:
        HookError: If it holds anything else.

    Example:
        >>> import torch
        >>> from lumin_core.training.packing import packed, unpacked
        >>> tensors = {}
        >>> packed({"rates": (0.1, torch.ones(2))}, tensors, "callbacks")
        {'type': 'dict', 'items': [['rates', {'type': 'tuple', 'items': [0.1, {'type': 'tensor', ...
        >>> unpacked(packed({"rates": (0.1, torch.ones(2))}, tensors, "callbacks"), tensors)
        {'rates': (0.1, tensor([1., 1.]))}
    """
    if isinstance(value, torch.Tensor | np.ndarray):
        sort = "tensor" if isinstance(value, torch.Tensor) else "array"
        name = f"tensor.{len(tensors)}"
        tensors[name] = _as_tensor(value, what)
        return {"type": sort, "name": name}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":  # no dates, no complex numbers
        return float(value) if value.dtype.kind == "f" else value.item()
    if isinstance(value, dict):
        return {"type": "dict", "items": packed([list(item) for item in value.items()], tensors, what)}
    if isinstance(value, tuple):
        return {"type": "tuple", "items": packed(list(value), tensors, what)}
    if isinstance(value, list):
        return [packed(entry, tensors, what) for entry in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise HookError(
        f"a checkpoint holds tensors, arrays and JSON values, got {value!r} under {what!r}; "
        "a callback's state_dict() must give such"
    )


def _as_tensor(value: torch.Tensor | np.ndarray, what: str) -> torch.Tensor:
    try:
        return torch.from_numpy(np.asarray(value, order="C")) if isinstance(value, np.ndarray) else value
    except TypeError as error:
        raise HookError(f"an array in a checkpoint must hold numbers, got {value.dtype} under {what!r}") from error


def unpacked(value: Any, tensors: State) -> Any:
    """Undo `packed`.

    Args:
        value: The JSON values.
        tensors: Those that it put aside.
    """
    if isinstance(value, list):
        return [unpacked(entry, tensors) for entry in value]
    if not isinstance(value, dict):
        return value
    if "type" not in value:  # the frame that `Checkpoints.write` makes
        return {key: unpacked(entry, tensors) for key, entry in value.items()}
    if value["type"] in ("dict", "tuple"):
        items = unpacked(value["items"], tensors)
        return dict(items) if value["type"] == "dict" else tuple(items)
    tensor = tensors[value["name"]]
    return tensor if value["type"] == "tensor" else tensor.numpy()
