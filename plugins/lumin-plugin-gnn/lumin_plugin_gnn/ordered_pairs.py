r"""All ordered pairs of two present objects, as rows to compute with.

Every object receives from every other.

.. math:: y_i = \sum_{j \neq i} f(r_i, s_j)

over the present objects :math:`j` is ``pairs.total(f(pairs.receivers(r), pairs.senders(s)))``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class OrderedPairs(ABC):
    """Where the pairs of events of objects are.

    Args:
        mask: Shape ``(B, N)``, true = present.
    """

    @abstractmethod
    def __init__(self, mask: Tensor) -> None: ...

    @abstractmethod
    def receivers(self, x: Tensor) -> Tensor:
        """Return, of ``(B, N, F)``, the rows of the object that receives.

        These are rows of pairs, or what broadcasts to them.
        """

    @abstractmethod
    def senders(self, x: Tensor) -> Tensor:
        """Return, of ``(B, N, F)``, the rows of the object that sends.

        These are rows of pairs, or what broadcasts to them.
        """

    @abstractmethod
    def total(self, rows: Tensor) -> Tensor:
        """Sum rows of pairs over the senders, to ``(B, N, F)``; 0 where nothing is received."""


class ListedPairs(OrderedPairs):
    """The pairs as a list, rows ``(n_pairs, F)``.

    Only those that count are there, as the statistics of norms need it.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.ordered_pairs import ListedPairs
        >>> x = torch.tensor([[[1.0], [2.0], [4.0]]])
        >>> pairs = ListedPairs(torch.tensor([[True, False, True]]))
        >>> pairs.senders(x).flatten()
        tensor([4., 1.])
        >>> pairs.total(pairs.senders(x)).flatten()
        tensor([4., 0., 1.])
    """

    def __init__(self, mask: Tensor) -> None:
        n = mask.shape[1]
        places = _both_present(mask).flatten().nonzero().squeeze(1)
        self._receivers = torch.div(places, n, rounding_mode="floor")
        event = torch.div(self._receivers, n, rounding_mode="floor")
        self._senders = n * event + places % n
        self._shape = mask.shape

    def receivers(self, x: Tensor) -> Tensor:
        """Give ``(n_pairs, F)``."""
        return x.flatten(0, 1).index_select(0, self._receivers)

    def senders(self, x: Tensor) -> Tensor:
        """Give ``(n_pairs, F)``."""
        return x.flatten(0, 1).index_select(0, self._senders)

    def total(self, rows: Tensor) -> Tensor:
        """Sum ``(n_pairs, F)`` to ``(B, N, F)``."""
        summed = rows.new_zeros(self._shape.numel(), rows.shape[-1]).index_add(0, self._receivers, rows)
        total: Tensor = summed.unflatten(0, self._shape)
        return total


class GridOfPairs(OrderedPairs):
    """The pairs as a grid, rows ``(B, N, N, F)``, receivers first, of fixed shape.

    Sums leave out absent ones.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.ordered_pairs import GridOfPairs
        >>> x = torch.tensor([[[1.0], [2.0], [4.0]]])
        >>> pairs = GridOfPairs(torch.tensor([[True, False, True]]))
        >>> pairs.total(pairs.senders(x)).flatten()
        tensor([4., 0., 1.])
    """

    def __init__(self, mask: Tensor) -> None:
        self._absent = ~_both_present(mask).unsqueeze(-1)

    def receivers(self, x: Tensor) -> Tensor:
        """Give ``(B, N, 1, F)``."""
        return x.unsqueeze(2)

    def senders(self, x: Tensor) -> Tensor:
        """Give ``(B, 1, N, F)``."""
        return x.unsqueeze(1)

    def total(self, rows: Tensor) -> Tensor:
        """Sum what broadcasts to ``(B, N, N, F)`` to ``(B, N, F)``."""
        return torch.where(self._absent, 0, rows).sum(2)


def _both_present(mask: Tensor) -> Tensor:
    itself = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    return mask.unsqueeze(2) & mask.unsqueeze(1) & ~itself  # (B, N, N)
