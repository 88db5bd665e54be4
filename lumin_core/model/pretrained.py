"""Weights to start from: a saved model of ours, or one that LUMIN saved."""

from __future__ import annotations

import pickle
import struct
import warnings
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch

from lumin_core.errors import SavedModelError
from lumin_core.looks import another
from lumin_core.model.tensor_file import ODD, SUFFIX, existing, load_state, read_tensors

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from lumin_core.model.tensor_file import State


def load_pretrained(module: nn.Module, path: Path) -> None:
    """Load weights from a saved model of ours, or from one that LUMIN saved.

    Torch's restricted loader reads the latter.

    Args:
        module: ``nn.Sequential(head, body, tail)``.
        path: The file.

    Raises:
        SavedModelError: If it can be read as neither, or does not fit.
    """
    path = existing(path)
    state = read_tensors(path, "model")[0] if path.suffix == SUFFIX else _read_lumin(path)
    load_state(module, {key: value for key, value in state.items() if not key.startswith("loss.")}, str(path))


def _read_lumin(path: Path) -> State:
    """Read LUMIN's save, a pickled dict.

    Torch's loader takes tensors of it and, for the input mask, arrays.
    """
    rebuild = (getattr(np, "_core", None) or np.core).multiarray._reconstruct
    spellings = [(rebuild, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")]  # of numpy 1 and 2
    arrays: list[object] = [*spellings, np.ndarray, np.dtype, type(np.dtype(np.int64))]
    # torch before 2.5 has no such list: there, saves without an input mask can be read
    safe_globals = getattr(torch.serialization, "safe_globals", lambda _: nullcontext())
    try:
        with safe_globals(arrays), warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, struct.error, EOFError, OSError, *ODD) as error:
        it_is = f"; it is {it_is}" if (it_is := another(path, "torch")) else ""
        raise SavedModelError(
            f"{path} cannot be read as weights: it is neither a saved model of ours (.safetensors) nor one of LUMIN "
            f"that holds tensors alone{it_is}"
        ) from error
    state = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise SavedModelError(f"{path} holds no weights: expected LUMIN's save, a dict with the key 'model'")
    return state
