"""The nearest neighbours of every object, in coordinates that may be learned."""

from __future__ import annotations

import torch
from torch import Tensor

from lumin_plugin_gnn.layers import mean

FEW = 8
"""So many dimensions are few."""


@torch.no_grad()
def squared_distances(coords: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the squared distances between all objects, to find neighbours by.

    In few dimensions they are sums of squared differences; in many these would be slow, and the
    difference of squares and products is taken, seen from the mean of the present objects: it is
    exact to the rounding of those squares. They have no gradient. They are in single precision at
    least, in mixed precision too.

    Args:
        coords: Shape ``(B, N, D)``.
        mask: Shape ``(B, N)``, true = present; by default all are.

    Returns:
        Shape ``(B, N, N)``.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.neighbours import squared_distances
        >>> squared_distances(torch.tensor([[[0.0, 0.0], [3.0, 4.0]]]))
        tensor([[[ 0., 25.],
                 [25.,  0.]]])
    """
    coords = coords.to(torch.promote_types(coords.dtype, torch.float32))
    if coords.shape[-1] <= FEW:
        total = coords.new_zeros(*coords.shape[:2], coords.shape[1])
        for x in coords.movedim(-1, 0).contiguous():
            difference = x.unsqueeze(2) - x.unsqueeze(1)
            total.addcmul_(difference, difference)
        return total
    centre = coords.mean(1) if mask is None else mean(coords, mask)
    coords = coords - centre.unsqueeze(1)
    squares = coords.square().sum(-1)
    with torch.autocast(coords.device.type, enabled=False):  # 16 bits are too coarse for differences of squares
        products = torch.baddbmm(squares.unsqueeze(1), coords, coords.transpose(1, 2), alpha=-2)
    return (products + squares.unsqueeze(2)).clamp_min(0)


@torch.no_grad()
def without_ties(distances: Tensor, x: Tensor) -> Tensor:
    """Tell equal distances apart by the features of the neighbours.

    So no choice depends on the order of objects. Distances that agree in the first twelve bits
    count as equal: on a grid of cells rounding would else decide. Then the neighbour whose features
    have the smaller sum is nearer, each feature times the cosine of its number, so that features
    that add up to the same, such as marks of a kind, tell objects apart.

    Args:
        distances: Shape ``(B, N, N)``, squared or not.
        x: Features of the objects, ``(B, N, F)``.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.neighbours import without_ties
        >>> distances = torch.tensor([[[0.0, 1.0, 1.0], [1.0, 0.0, 2.0], [1.0, 2.0, 0.0]]])
        >>> told_apart = without_ties(distances, torch.tensor([[[0.0], [7.0], [3.0]]]))
        >>> told_apart[0, 0].argsort()
        tensor([0, 2, 1])
    """
    distances = distances.to(torch.float32)
    split = distances * (2**12 + 1)
    rounded = split - (split - distances)
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    sums = (x * torch.arange(x.shape[-1], dtype=x.dtype, device=x.device).cos()).sum(-1)
    rank = sums.argsort(1).argsort(1).unsqueeze(1)  # (B, 1, N)
    return rounded * (1 + rank * 2**-22) + rank * 1e-30  # the latter for distances of 0


@torch.no_grad()
def nearest(distances: Tensor, mask: Tensor, k: int, *, include_self: bool) -> tuple[Tensor, Tensor]:
    """Find the nearest present objects of every object.

    Args:
        distances: Shape ``(B, N, N)``, squared or not.
        mask: Shape ``(B, N)``, true = present.
        k: Number of neighbours.
        include_self: Whether an object is a neighbour of itself, and then counts as the nearest.

    Returns:
        Indices ``(k', B, N)`` of the neighbours, in no order, and whether each is one, of the same
        shape: an object of an event that has fewer than ``k`` others is told so, and given itself
        instead. ``k'`` is ``k``, or how many there can be. Neighbours are the first axis, since
        reductions over it are the fastest by far.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.neighbours import nearest, squared_distances
        >>> distances = squared_distances(torch.tensor([[[0.0], [1.0], [1.5]]]))
        >>> nearest(distances, torch.ones(1, 3).bool(), 1, include_self=False)[0].flatten()
        tensor([1, 2, 1])
    """
    n = mask.shape[1]
    itself = torch.eye(n, dtype=torch.bool, device=mask.device)
    distances = distances.masked_fill(~mask.unsqueeze(1), torch.inf)
    distances = distances.masked_fill_(itself, -torch.inf if include_self else torch.inf)
    found, index = distances.topk(min(k, n if include_self else max(n - 1, 1)), dim=-1, largest=False, sorted=False)
    valid = (found < torch.inf) & mask.unsqueeze(-1)
    index = torch.where(valid, index, torch.arange(n, device=mask.device).unsqueeze(-1))
    return index.movedim(-1, 0).contiguous(), valid.movedim(-1, 0).contiguous()


def gather_neighbours(x: Tensor, index: Tensor) -> Tensor:
    """Return the features of the neighbours.

    ``(B, N, F)`` and indices ``(k, B, N)`` give ``(k, B, N, F)``.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.neighbours import gather_neighbours
        >>> gather_neighbours(torch.tensor([[[5.0], [6.0]]]), torch.tensor([[[1, 0]]])).flatten()
        tensor([6., 5.])
    """
    b, n, f = x.shape
    rows = index + n * torch.arange(b, device=index.device).view(-1, 1)
    return x.reshape(b * n, f).index_select(0, rows.flatten()).view(*index.shape, f)


def edges(index: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """List the edges from neighbours to objects: senders and receivers.

    They are rows of ``(B * N, F)``, ``(n_edges,)`` each.

    Args:
        index: Neighbours of every object, ``(k, B, N)``.
        valid: Whether each is one, of the same shape.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.neighbours import edges
        >>> edges(torch.tensor([[[1, 0, 2]]]), torch.tensor([[[True, True, False]]]))
        (tensor([1, 0]), tensor([0, 1]))
    """
    _, b, n = index.shape
    places = valid.flatten().nonzero().squeeze(1)
    rows = index + n * torch.arange(b, device=index.device).view(-1, 1)
    return rows.flatten().index_select(0, places), places % (b * n)
