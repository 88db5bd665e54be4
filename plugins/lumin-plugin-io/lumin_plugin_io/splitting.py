r"""Which event goes into which part, and into which fold of it: by hashes alone, event by event.

A hash of 64 bits is the finaliser of SplitMix64 (`splitmix64`), chained over columns of whole
numbers: :math:`h_0 = s(\text{salt}), \; h_{i+1} = s(h_i \oplus c_i)`. The top 53 bits are a number
in [0, 1), whose place among the cumulative fractions is the part.

Folds are dealt: within each file, part and stratum every run of ``n_folds`` events goes to the
folds in an order of its own, drawn from the seed, the file, the part, the stratum and the number of
the run. So each fold has the same number of them to one event, and neither the size of the pieces
that are read nor the number of processes changes anything.

References:
    G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014, https://doi.org/10.1145/2660193.2660195
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)  # odd, the golden ratio of 2^64
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_WORD = 2**64
_NARROW = 1 << 12
MOST_STRATA = 10_000
"""Of one part of one file."""


def splitmix64(values: np.ndarray) -> Hashes:
    """Return a hash of each number: what SplitMix64 gives next in that state.

    Args:
        values: Whole numbers of any shape; negative ones count modulo 2^64.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.splitting import splitmix64
        >>> [hex(value) for value in splitmix64(np.array([0])).tolist()]
        ['0xe220a8397b1dcdaf']
    """
    z = np.atleast_1d(values).astype(np.uint64)  # a copy, and an array: only those wrap without a warning
    z += _GAMMA
    z ^= z >> np.uint64(30)
    z *= _FIRST
    z ^= z >> np.uint64(27)
    z *= _SECOND
    z ^= z >> np.uint64(31)
    return z


def hashed(salt: int, *columns: np.ndarray | int) -> Hashes:
    """Return one hash for each row of columns of whole numbers.

    Args:
        salt: Another number gives other hashes.
        *columns: Of one length, or numbers, which count for all rows.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.splitting import hashed
        >>> hashed(1, 7, np.array([1, 2])).tolist()
        [17452601307055861954, 7612514275161692058]
    """
    state = splitmix64(_word(salt))
    for column in columns:
        state = splitmix64(state ^ (_word(column) if isinstance(column, int) else column.astype(np.uint64, copy=False)))
    return state


def hash_text(text: str) -> int:
    """Return a hash of 64 bits of a text, the same on every machine: the first of BLAKE2b.

    Example:
        >>> from lumin_plugin_io.splitting import hash_text
        >>> hash_text("ttbar.root")
        7059999986083849726
    """
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def parts_of(hashes: Hashes, fractions: Sequence[float]) -> NDArray[np.int64]:
    """Return the number of the part of each event.

    Args:
        hashes: Of the events, shape ``(n,)``.
        fractions: Of the parts, positive; they are taken relative to their sum.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.splitting import hashed, parts_of
        >>> parts = parts_of(hashed(1, np.arange(1000)), [0.7, 0.1, 0.2])
        >>> np.bincount(parts).tolist()
        [663, 115, 222]
    """
    if len(fractions) == 1:
        return np.zeros(len(hashes), dtype=np.int64)
    uniform = (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53
    edges = np.cumsum(fractions)
    return np.searchsorted(edges[:-1] / edges[-1], uniform, side="right").astype(np.int64)


class Dealer:
    """Deals the selected events of one file to the folds of their parts, piece by piece.

    Args:
        n_folds: Number of folds of each part.
        seed: Another seed, other folds.
        file: Which file it is, for the order: its name.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.splitting import Dealer
        >>> dealer, one = Dealer(4, seed=1, file="ttbar.root"), np.zeros(6, dtype=int)
        >>> first, second = dealer.deal(one, one), dealer.deal(one, one)
        >>> np.sort(np.concatenate((first, second)).reshape(3, 4)).tolist()
        [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]]
    """

    def __init__(self, n_folds: int, *, seed: int, file: str) -> None:
        self.n_folds = n_folds
        self._seed = seed
        self._file = hash_text(file)
        self._dealt: dict[tuple[int, int], int] = {}

    def deal(self, parts: np.ndarray, strata: np.ndarray, groups: np.ndarray | None = None) -> NDArray[np.int64]:
        """Return the fold of each event of the next piece.

        Args:
            parts: Number of the part of each event, shape ``(n,)``.
            strata: Stratum of each event, whole numbers.
            groups: What keeps events together in a fold, uint64, if anything: then the fold is a
                hash of it, and strata do not count.

        Raises:
            ConfigError: If there are so many strata that they are not what was meant.
        """
        if groups is not None:
            return _scaled(hashed(self._seed, groups), self.n_folds)
        folds = np.empty(len(parts), dtype=np.int64)
        grouped = _grouped(parts, strata)
        self._check(grouped)
        for (part, stratum), events in grouped:
            folds[events] = self._next(part, stratum, len(events))
        return folds

    def _check(self, grouped: Sequence[tuple[tuple[int, int], np.ndarray]]) -> None:
        if len(self._dealt) + sum(key not in self._dealt for key, _ in grouped) > MOST_STRATA:
            raise ConfigError(
                f"strata has more than {MOST_STRATA} classes in one file; name columns with few values, or bins of one"
            )

    def _next(self, part: int, stratum: int, n: int) -> np.ndarray:
        """Return the folds of the next ``n`` events of a part and a stratum."""
        begin = self._dealt.get((part, stratum), 0)
        self._dealt[part, stratum] = begin + n
        first, last = begin // self.n_folds, -(-(begin + n) // self.n_folds)  # runs, the last one not included
        places = np.arange(first * self.n_folds, last * self.n_folds)
        order = hashed(self._seed, self._file, part, stratum, places).reshape(-1, self.n_folds)
        folds: np.ndarray = order.argsort(axis=1).reshape(-1)
        return folds[begin - first * self.n_folds :][:n]


def distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each value which of the distinct ones it is, and these.

    Args:
        values: Numbers or text, shape ``(n,)``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.splitting import distinct
        >>> distinct(np.array([7, 5, 7]))
        (array([1, 0, 1]), array([5, 7]))
    """
    if values.dtype.kind == "i" and len(values) and int(values.max()) - int(least := values.min()) < _NARROW:
        offsets = values - least
        there = np.bincount(offsets) > 0  # instead of sorting, which takes ten times as long
        return (np.cumsum(there) - 1)[offsets], np.flatnonzero(there) + least
    found, which = np.unique(values, return_inverse=True)
    return which, found


def _word(number: int) -> np.ndarray:
    return np.array([number % _WORD], dtype=np.uint64)


def _scaled(hashes: Hashes, n: int) -> NDArray[np.int64]:
    """Return a number below ``n`` for each hash."""
    return ((hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53 * n).astype(np.int64)


def _grouped(parts: np.ndarray, strata: np.ndarray) -> list[tuple[tuple[int, int], np.ndarray]]:
    """Return each part and stratum that there is, with its events in their order."""
    codes, values = distinct(strata)
    n = len(values)
    if not n:
        return []
    group = parts * n + codes
    group = group.astype(np.min_scalar_type(int(group.max())))  # sorted by radix where that is short
    ends = np.cumsum(np.bincount(group))
    found = np.split(np.argsort(group, kind="stable"), ends[:-1])
    return [((number // n, int(values[number % n])), events) for number, events in enumerate(found) if len(events)]
