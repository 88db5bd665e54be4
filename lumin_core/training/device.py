"""Where a network works, and how exactly it computes there: device and precision."""

from __future__ import annotations

import os

import torch

from lumin_core.errors import ConfigError

DTYPES = {"32": None, "bf16": torch.bfloat16, "16": torch.float16}
"""What the outputs of layers are rounded to, by precision."""


def check_precision(precision: object) -> None:
    """Refuse a precision that there is not.

    Raises:
        ConfigError: With those that there are.

    Example:
        >>> from lumin_core.training.device import check_precision
        >>> check_precision("bf16")
    """
    if precision not in DTYPES:
        raise ConfigError(f"precision must be one of {', '.join(map(repr, DTYPES))}, got {precision!r}")


def pick_device(device: str | torch.device | None = None) -> torch.device:
    """Choose where to work.

    It is as asked, else by ``LUMIN_DEVICE``, else the first of cuda, mps and cpu that is there.

    Raises:
        ConfigError: If torch knows no such device, or it is not there.

    Example:
        >>> from lumin_core.training.device import pick_device
        >>> pick_device("cpu")
        device(type='cpu')
    """
    asked = device or os.environ.get("LUMIN_DEVICE")
    if asked is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(asked)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"the device {asked!r} cannot be used: {str(error).splitlines()[0]}; say cpu, cuda or mps"
        ) from error
    return chosen
