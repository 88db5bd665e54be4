r"""Squared error that turns linear above a running percentile, in bins of the target.

In bin :math:`b` of the true value, with a threshold :math:`T_b` on the squared error, the loss
of an event is

.. math:: l = \delta^2 \;\; (\delta^2 \le T_b), \qquad
    l = 2 \sqrt{T_b}\,|\delta| - T_b \;\; (\delta^2 > T_b),
    \qquad \delta = \hat y - y

so that value and slope are continuous. The first batch with events in a bin sets :math:`T_b` to the
weighted percentile :math:`p` of their squared errors. After that each batch in training
mode moves it by

.. math:: T_b \leftarrow T_b \exp\Big(\frac{\mu}{\sqrt{p(1-p)}}
    \frac{\sum_i w_i \, (p - [\delta_i^2 \le T_b])}{\sum_i |w_i|}\Big)

which comes to rest where the share :math:`p` of the weight lies below, however few of a batch's
events are in the bin (H. Robbins and S. Monro, A stochastic approximation method, Ann. Math.
Statist. 22 (1951) 400). LUMIN averages the percentiles of the batches instead. For few events these
are no estimate of it: the percentile 0.9 of five events is their largest, so that single outliers,
which the loss is to tame, raise the threshold.

The thresholds depend on the events of a batch, and an event of weight zero must not move them:
hence these losses are `BatchLoss` es, which see the weights.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import torch

from lumin_core import BatchLoss
from lumin_core.errors import ConfigError, ShapeError
from lumin_plugin_losses.fractional import checked_min_true, true_scale
from lumin_plugin_losses.weighted import require_same_shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

_ROUNDING = 1e-6  # relative: that of summed single-precision weights


class _BinnedHuber(BatchLoss):
    """What both losses share; they differ in what an event's loss is divided by."""

    example_options: ClassVar[Mapping[str, object]] = {"perc": 0.68, "bins": [0.0, 0.3, 0.6, 1.0]}

    is_weighted_sum = True

    edges: Tensor
    thresholds: Tensor

    def __init__(self, perc: float, bins: Sequence[float] | Tensor, mom: float = 0.1) -> None:
        super().__init__()
        if not 0 < perc < 1:
            raise ConfigError(f"perc must lie between 0 and 1, such as 0.68, got {perc}")
        if not 0 < mom <= 1:
            raise ConfigError(f"mom must be above 0 and at most 1, got {mom}")
        self.perc = perc
        self.mom = mom
        edges = torch.as_tensor(bins, dtype=torch.get_default_dtype()).clone()
        if edges.dim() != 1 or len(edges) < 2 or not (edges[1:] > edges[:-1]).all():
            raise ConfigError(f"bins must be at least two increasing edges, got {bins!r}")
        self.register_buffer("edges", edges)
        self.register_buffer("thresholds", torch.zeros(len(edges) - 1))

    def forward(self, y_pred: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
        r"""Compute the loss of a batch, in training mode after moving the thresholds.

        Args:
            y_pred: Predictions, shape ``(B, n_targ)``.
            y: Targets, shape ``(B, n_targ)``.
            w: Event weights, shape ``(B, 1)``, or ``None`` for one each.

        Returns:
            A scalar: :math:`\frac{1}{B} \sum_i w_i l_i` in training mode, and in evaluation mode
            :math:`\sum_i w_i l_i / \sum_i w_i`, as every loss is reported; :math:`l_i` is the mean
            over the targets.

        Raises:
            ShapeError: If the shapes do not match.
        """
        require_same_shape(y_pred, y)
        weights = _expanded(w, y)
        errors = (y_pred - y).abs()
        bins = self._bins(y)
        if self.training:
            self._move(errors.detach().square(), bins, weights)
        values = self._scaled(_clamped(errors, self._thresholds_of(bins)), y)
        weighted = (weights * values).sum()
        return weighted / y.numel() if self.training else weighted / weights.sum()

    @abstractmethod
    def _scaled(self, values: Tensor, y: Tensor) -> Tensor:
        """Divide the losses of the events by what they are relative to."""

    def extra_repr(self) -> str:
        """Show the options."""
        return f"perc={self.perc}, bins={self.edges.tolist()}, mom={self.mom}"

    def _bins(self, y: Tensor) -> Tensor:
        """Find the bin of each target, -1 outside all; the last bin holds its upper edge."""
        edges = self.edges.to(y.dtype)
        inside = (y >= edges[0]) & (y <= edges[-1])
        return torch.where(inside, torch.bucketize(y.contiguous(), edges[1:-1], right=True), -1)

    def _thresholds_of(self, bins: Tensor) -> Tensor:
        """Give each event the threshold of its bin: zero, which means none, outside all bins."""
        return torch.where(bins >= 0, self.thresholds[bins.clamp(min=0)], 0.0)

    @torch.no_grad()
    def _move(self, squares: Tensor, bins: Tensor, weights: Tensor) -> None:
        """Set the thresholds of bins that have none, and move the others.

        In place, all bins at once.
        """
        squares, order = squares.flatten().sort()
        rows = torch.arange(len(self.thresholds), device=bins.device)[:, None]
        weights = weights.flatten()[order] * (bins.flatten()[order] == rows)  # (n_bins, M)
        below = squares <= self.thresholds[:, None]
        pull = (weights * (self.perc - below.to(weights.dtype))).sum(1)
        pull = pull / weights.abs().sum(1).clamp(min=torch.finfo(weights.dtype).tiny)
        moved = self.thresholds * torch.exp(self.mom * (self.perc * (1 - self.perc)) ** -0.5 * pull)
        self.thresholds.copy_(torch.where(self.thresholds > 0, moved, _percentiles(squares, weights, self.perc)))


class WeightedBinnedHuber(_BinnedHuber):
    r"""Squared error, linear above a running percentile per bin of the target.

    A `BatchLoss`, since the percentiles are weighted: an event of weight zero changes nothing, one
    of weight two counts as the event twice, also in the thresholds. These move in training mode
    only. Outside all bins, and in a bin that had no event yet, the loss is the squared error; edges
    may be infinite. Several targets share bins and thresholds.

    Args:
        perc: Share of the weight, between 0 and 1, below which the loss is squared.
        bins: Increasing edges in the true value, shape ``(n_bins + 1,)``; each bin holds its lower
            edge, the last one also its upper.
        mom: How fast the thresholds follow, in ``(0, 1]``. In one batch a threshold falls by at
            most the factor ``exp(-mom * sqrt((1 - perc) / perc))`` and rises by at most
            ``exp(mom * sqrt(perc / (1 - perc)))``.

    Attributes:
        thresholds: On the squared error, in the unit of the targets squared, shape ``(n_bins,)``; 0
            means none yet.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> import torch
        >>> from lumin_plugin_losses import WeightedBinnedHuber
        >>> loss = WeightedBinnedHuber(perc=0.5, bins=[0.0, 100.0])
        >>> y = torch.full((3, 1), 50.0)
        >>> # (1 + 4 + (2 * 2 * 10 - 4)) / 3
        >>> loss(y + torch.tensor([[1.0], [2.0], [10.0]]), y, None)
        tensor(13.6667)
        >>> loss.thresholds
        tensor([4.])
    """

    def _scaled(self, values: Tensor, y: Tensor) -> Tensor:
        return values


class WeightedFractionalBinnedHuber(_BinnedHuber):
    r"""Fractional squared error, linear above a running percentile per bin of the target.

    As `WeightedBinnedHuber`, with the loss of each event divided by :math:`|y|` in the end; the
    thresholds are on the squared error itself. As in `WeightedFractionalMSE`, a target of zero
    raises on the CPU, unless ``min_true`` is set.

    Args:
        perc: As in `WeightedBinnedHuber`.
        bins: As in `WeightedBinnedHuber`.
        mom: As in `WeightedBinnedHuber`.
        min_true: Smaller :math:`|y|` count as this, in the unit of the targets; zero
            is then allowed.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> import torch
        >>> from lumin_plugin_losses import WeightedFractionalBinnedHuber
        >>> loss = WeightedFractionalBinnedHuber(perc=0.5, bins=[0.0, 100.0])
        >>> y = torch.full((3, 1), 50.0)
        >>> loss(y + torch.tensor([[1.0], [2.0], [10.0]]), y, None)
        tensor(0.2733)
    """

    def __init__(
        self, perc: float, bins: Sequence[float] | Tensor, mom: float = 0.1, *, min_true: float | None = None
    ) -> None:
        super().__init__(perc, bins, mom)
        self.min_true = checked_min_true(min_true)

    def _scaled(self, values: Tensor, y: Tensor) -> Tensor:
        return values / true_scale(y, self.min_true)


def _clamped(errors: Tensor, thresholds: Tensor) -> Tensor:
    """Return the square of the absolute errors, linear above the thresholds.

    A threshold of zero means none.
    """
    squares = errors.square()
    linear = (squares > thresholds) & (thresholds > 0)
    return torch.where(linear, 2 * thresholds.sqrt() * errors - thresholds, squares)


def _expanded(w: Tensor | None, y: Tensor) -> Tensor:
    """Give each event and target its weight, in the shape of the targets."""
    if w is None:
        return torch.ones_like(y)
    if w.numel() != len(y):
        raise ShapeError(f"weights must be one an event, ({len(y)}, 1), got {tuple(w.shape)}")
    return w.reshape(-1, *[1] * (y.dim() - 1)).expand_as(y)


def _percentiles(squares: Tensor, weights: Tensor, perc: float) -> Tensor:
    """Return each bin's weighted percentile.

    It is the least value at or below which the share ``perc`` of its weight lies.

    Args:
        squares: In ascending order, shape ``(M,)``.
        weights: Zero for events of other bins, shape ``(n_bins, M)``.
        perc: Between 0 and 1.

    Returns:
        Shape ``(n_bins,)``, zero where the weight is not positive.
    """
    summed = weights.cumsum(1)
    total = summed[:, -1:]
    reached = (summed >= (perc * (1 - _ROUNDING)) * total) & (total > 0)
    return torch.where(total[:, 0] > 0, squares[reached.to(torch.uint8).argmax(1)], 0.0)
