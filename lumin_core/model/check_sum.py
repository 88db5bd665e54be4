"""The check sum of a saved file, which needs no torch: who checks files has numpy alone."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SUM = "crc32"


def tensor_sum(header: str, tensors: Iterable[tuple[str, str, Sequence[int], np.ndarray]]) -> str:
    """Return the CRC-32 of our header, and of names, dtypes, shapes and values.

    Args:
        header: JSON, as it stands in the file.
        tensors: Name, dtype as numpy calls it, shape, and the values, of any dtype of that size.

    Returns:
        Eight hexadecimal digits, whatever the order.

    Example:
        >>> import numpy as np
        >>> from lumin_core.model.check_sum import tensor_sum
        >>> tensor_sum("{}", [("w", "float32", [2], np.zeros(2, dtype="float32"))])
        'ffb0e068'
    """
    total = zlib.crc32(header.encode())
    for name, dtype, shape, values in sorted(tensors, key=lambda entry: entry[0]):
        total = zlib.crc32(f"{name} {dtype} {list(shape)}".encode(), total)
        total = zlib.crc32(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data, total)
    return f"{total:08x}"
