"""The check sum of a saved file, which needs no torch: who checks files has numpy alone."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SUM = re.compile(r', "crc32": "([0-9a-f]{8})"\}$')


def with_sum(header: str, total: str) -> str:
    """Add the check sum to our header, as its last entry: the bytes of a file have one order.

    Args:
        header: A JSON object, not empty.
        total: From `tensor_sum`.

    Example:
        >>> from lumin_core.model.check_sum import with_sum
        >>> with_sum('{"format": 1}', "ffb0e068")
        '{"format": 1, "crc32": "ffb0e068"}'
    """
    return f'{header[:-1]}, "crc32": "{total}"}}'


def split_sum(header: str) -> tuple[str, str | None]:
    """Return the header without its check sum, and that: what `with_sum` put together.

    Args:
        header: As it stands in the file. Version 0.1 wrote no check sum.

    Example:
        >>> from lumin_core.model import split_sum
        >>> split_sum('{"format": 1, "crc32": "ffb0e068"}')
        ('{"format": 1}', 'ffb0e068')
    """
    found = _SUM.search(header)
    return (header, None) if found is None else (f"{header[: found.start()]}}}", found[1])


def tensor_sum(header: str, tensors: Iterable[tuple[str, str, Sequence[int], np.ndarray]]) -> str:
    """Return the CRC-32 of our header, and of names, dtypes, shapes and values.

    Args:
        header: JSON, without the sum.
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
