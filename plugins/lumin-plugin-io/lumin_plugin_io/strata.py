"""Strata as numbers: the same for the same values, whatever came before them.

Of one name, a whole number is its own code, a sample its place in the recipe; text, and what is
missing, is hashed. The codes of several names are hashed together, see `splitting`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_plugin_io.splitting import hash_text, hashed

if TYPE_CHECKING:
    from collections.abc import Sequence

_MISSING = hash_text("missing")


def codes_of(labels: np.ndarray) -> np.ndarray:
    """Return a number for each label.

    Args:
        labels: Whole numbers or text, shape ``(n,)``, masked where one is missing.

    Returns:
        Shape ``(n,)``, int64.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.strata import codes_of
        >>> codes_of(np.array([-3, 7])).tolist()
        [-3, 7]
    """
    missing, values = np.ma.getmaskarray(labels), np.ma.getdata(labels)
    if values.dtype.kind not in "iu":
        values = _hashes(np.where(missing, "", values).astype(str))
    return np.where(missing, np.uint64(_MISSING), values.astype(np.uint64)).astype(np.int64)


def _hashes(texts: np.ndarray) -> np.ndarray:
    known, which = np.unique(texts, return_inverse=True)
    return np.array([hash_text(f"text {text}") for text in known.tolist()], dtype=np.uint64)[which]


def combined(codes: Sequence[np.ndarray]) -> np.ndarray:
    """Combine the codes of several names.

    Args:
        codes: For each name, shape ``(n,)``, int64.

    Returns:
        Shape ``(n,)``, int64; of one name its codes.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.strata import combined
        >>> len(np.unique(combined([np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])])))
        4
    """
    return codes[0] if len(codes) == 1 else hashed(0, *codes).astype(np.int64)
