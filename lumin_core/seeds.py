"""Seeds: one stream of random numbers per purpose, all grown from one seed.

``SeedSequence`` hashes the seed, the purpose's name and any integer keys (model, epoch, fold)
together, so that streams are independent of each other and of the order in which they are asked
for: drawing once more for the augmentation does not move the shuffling. Nothing here touches
numpy's or Python's global generators.

References:
    numpy.random.SeedSequence,
    https://numpy.org/doc/stable/reference/random/bit_generators/generated/numpy.random.SeedSequence.html
"""

from __future__ import annotations

import secrets
import threading
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import torch

_BITS = 53  # fits a float64, JSON and TOML exactly

_seeding = threading.RLock()


def fresh() -> int:
    """Draw a new seed from the operating system's entropy.

    Returns:
        An integer in ``[0, 2**53)``, which JSON and TOML hold exactly.

    Example:
        >>> from lumin_core import seeds
        >>> 0 <= seeds.fresh() < 2**53
        True
    """
    return secrets.randbits(_BITS)


def check(seed: int | None) -> int:
    """Give the seed itself, or a fresh one for ``None``.

    Raises:
        ConfigError: If the seed is not a non-negative integer.

    Example:
        >>> from lumin_core import seeds
        >>> seeds.check(7)
        7
    """
    if seed is None:
        return fresh()
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or int(seed) < 0:
        raise ConfigError(f"seed must be None or an integer of at least 0, got {seed!r}")
    return seed.__index__()


def seed_of(seed: int, purpose: str, *key: int) -> int:
    """Derive the seed of one purpose.

    Args:
        seed: The seed of the whole.
        purpose: What it is for: ``"initialisation"``, ``"shuffling"``, ...
        *key: Non-negative integers that tell streams of one purpose apart: model, epoch, fold.

    Returns:
        An integer in ``[0, 2**53)``.

    Example:
        >>> from lumin_core import seeds
        >>> seeds.seed_of(1, "shuffling", 0) == seeds.seed_of(1, "shuffling", 1)
        False
    """
    high, low = _sequence(seed, purpose, *key).generate_state(2)
    return (int(high) << 32 | int(low)) % (1 << _BITS)


def stream(seed: int, purpose: str, *key: int) -> np.random.Generator:
    """Make numpy's generator for one purpose; arguments as in `seed_of`.

    Example:
        >>> from lumin_core import seeds
        >>> a, b = (seeds.stream(1, "folds") for _ in range(2))
        >>> a.permutation(4).tolist() == b.permutation(4).tolist()
        True
    """
    import numpy as np

    return np.random.default_rng(_sequence(seed, purpose, *key))


@contextmanager
def torch_forked(device: str | torch.device = "cpu") -> Iterator[None]:
    """Restore torch's global generators, the CPU's and a device's, at the end of the block.

    Dropout and the initialisation of layers draw from these and take no other; whoever seeds
    them works inside. They belong to all threads: see `torch_seeded` for short blocks.

    Args:
        device: The device whose generator is restored too.

    Example:
        >>> import torch
        >>> from lumin_core import seeds
        >>> before = torch.get_rng_state()
        >>> with seeds.torch_forked():
        ...     _ = torch.manual_seed(1)
        >>> torch.equal(before, torch.get_rng_state())
        True
    """
    import torch

    kind = torch.device(device).type
    with torch.random.fork_rng([] if kind == "cpu" else [device], device_type="cuda" if kind == "cpu" else kind):
        yield


@contextmanager
def torch_seeded(seed: int) -> Iterator[None]:
    """Draw from torch's global generators as seeded, inside a short block, and restore them.

    Threads wait for each other, so that each has the numbers of its own seed.

    Args:
        seed: An integer, as from `seed_of`.

    Example:
        >>> import torch
        >>> from lumin_core import seeds
        >>> with seeds.torch_seeded(1):
        ...     a = torch.rand(3)
        >>> with seeds.torch_seeded(1):
        ...     torch.equal(a, torch.rand(3))
        True
    """
    import torch

    with _seeding, torch_forked():
        torch.manual_seed(seed)
        yield


def _sequence(seed: int, purpose: str, *key: int) -> np.random.SeedSequence:
    import numpy as np

    return np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()), *key))
