"""The interfaces of what a `gnn_head` is made of: extractors and collapsers.

::

    matrix (B, N, F), mask (B, N)  ->  extractors  (B, N, F')  ->  collapser  (B, width)

Mask is true where an object is present. An absent object enters nothing that is computed for
others: no message, mean, maximum, attention or statistics of a norm; and its own row is 0 in all
that extractors are given and give. So rows of padding change no result.

The constructor of either names what it wants of what the head offers
(``n_v, n_fpv, feats_per_vec, lookup_init, lookup_act``, a collapser
``n_v, n_fpv, lookup_init, lookup_act``), and its other arguments are the user's options.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Mapping


class Extractor(nn.Module, ABC):
    """Computes new features of every object from those of all.

    One that looks at the matrix alone, and not at the features, says so by
    ``reads_matrix_alone = True``: then a head refuses to put anything in front of it, which would
    be without effect. One that does not treat all objects alike says ``any_order = False``.

    Args:
        n_fpv: Number of features of an object that come in.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import Extractor
        >>> class LessTheMean(Extractor):
        ...     def forward(self, x, mask, matrix):
        ...         mean = x.sum(1, keepdim=True) / mask.sum(1).view(-1, 1, 1)
        ...         return (x - mean).masked_fill(~mask.unsqueeze(-1), 0)
        ...     def get_out_size(self):
        ...         return self.n_fpv
        >>> x = torch.tensor([[[1.0], [3.0], [0.0]]])
        >>> LessTheMean(n_fpv=1)(x, torch.tensor([[True, True, False]]), x).flatten()
        tensor([-1.,  1.,  0.])
    """

    kind: ClassVar[str] = "graph_extractor"
    reads_matrix_alone: ClassVar[bool] = False
    any_order: ClassVar[bool] = True
    example_offered: ClassVar[Mapping[str, object]] = {"n_v": 3, "n_fpv": 4, "feats_per_vec": ["px", "py", "pz", "E"]}

    def __init__(self, n_fpv: int) -> None:
        super().__init__()
        self.n_fpv = n_fpv

    @abstractmethod
    def forward(self, x: Tensor, mask: Tensor, matrix: Tensor) -> Tensor:
        """Compute new features.

        Args:
            x: Features ``(B, N, n_fpv)``, 0 for absent objects.
            mask: Shape ``(B, N)``, true = present.
            matrix: What the head was given, ``(B, N, len(feats_per_vec))``, 0 for absent objects;
                the same as ``x`` for the first extractor of a head that has neither norm nor
                means in front.

        Returns:
            Shape ``(B, N, get_out_size())``, 0 for absent objects.
        """

    @abstractmethod
    def get_out_size(self) -> int:
        """Give the number of features of an object that come out."""


class Collapser(nn.Module, ABC):
    """Computes the features of an event from those of its objects.

    One for which their order matters says ``any_order = False``.

    Args:
        n_v: Number of objects.
        n_fpv: Number of features of an object.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import Collapser
        >>> class Sum(Collapser):
        ...     def forward(self, x, mask):
        ...         return x.sum(1)
        ...     def get_out_size(self):
        ...         return self.n_fpv
        >>> Sum(n_v=2, n_fpv=1)(torch.tensor([[[1.0], [3.0]]]), torch.tensor([[True, True]]))
        tensor([[4.]])
    """

    kind: ClassVar[str] = "graph_collapser"
    any_order: ClassVar[bool] = True
    example_offered: ClassVar[Mapping[str, object]] = {"n_v": 3, "n_fpv": 4}

    def __init__(self, n_v: int, n_fpv: int) -> None:
        super().__init__()
        self.n_v = n_v
        self.n_fpv = n_fpv

    @abstractmethod
    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Turn features ``(B, N, n_fpv)`` and mask ``(B, N)`` into ``(B, get_out_size())``.

        Features of absent objects are 0.
        """

    @abstractmethod
    def get_out_size(self) -> int:
        """Give the number of columns of the output."""
