r"""Distance correlation of predictions and a nuisance, so that a training makes them independent.

For events :math:`i` with weights :math:`p_i`, :math:`\sum p_i = 1`, and distances
:math:`a_{ij} = |x_i - x_j|`, :math:`b_{ij} = |y_i - y_j|`

.. math::
    \text{dCov}^2(x, y)
    = \sum_{ij} p_i p_j a_{ij} b_{ij} - 2 \sum_i p_i \bar a_i \bar b_i + \bar a \bar b,
    \qquad \bar a_i = \sum_j p_j a_{ij}, \quad \bar a = \sum_i p_i \bar a_i

    \text{dCorr}^2 = \frac{\text{dCov}^2(x, y)}{\sqrt{\text{dCov}^2(x, x) \, \text{dCov}^2(y, y)}}

is 0 if x and y are independent and only then, for very many events, and 1 if one is
linear in the other.

The sums over pairs need neither :math:`B^2` time nor memory. Those over one variable, sorted, are
cumulative sums; the first one is

.. math::
    \sum_{ij} p_i p_j a_{ij} b_{ij}
    = 4 \sum_{i} \sum_{j: x_j < x_i, y_j < y_i} p_i p_j (x_i - x_j)(y_i - y_j)
    - 2 \, \text{Cov}(x, y)

where the pairs of the right-hand side are found as a merge sort finds them: in each of
:math:`\log_2 B` levels, for events of the right half of a block, as sums over those of its left
half that have a smaller y. Differences of large sums remain, hence double precision. So a batch of
thousands is cheap, and a whole fold can be validated.

References:
    G. Kasieczka and D. Shih, DisCo Fever: robust networks through distance correlation, Phys. Rev.
    Lett. 125 (2020) 122001, https://arxiv.org/abs/2001.05310

    G. Székely, M. Rizzo and N. Bakirov, Measuring and testing dependence by correlation of
    distances, Ann. Statist. 35 (2007) 2769, https://arxiv.org/abs/0803.4101

    X. Huo and G. Székely, Fast computing for distance covariance, Technometrics 58 (2016) 435,
    https://arxiv.org/abs/1410.1503
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from lumin_core import BatchLoss
from lumin_core.checks import is_number
from lumin_core.errors import ConfigError, ShapeError
from lumin_core.model import build_loss, weighted_loss

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from lumin_core.model import Spec

On = Literal["all", "background", "signal"]


class Disco(BatchLoss):
    r"""A loss and, beside it, the distance correlation of predictions and a nuisance.

    The loss is of predictions and targets.

    .. math:: L = L_\text{main}(\hat y, y) + c \, \text{dCorr}^2(\hat y, m)

    The nuisance :math:`m`, such as a mass, is one of the target columns of the fold file; the main
    loss sees the others, and ``n_out`` is their number: ``ModelBuilder(..., n_out=1, loss={"name":
    "disco", "coef": 10})`` for the targets ``["is_signal", "mass"]``. It need not be scaled: the
    distance correlation has no unit. One `Disco` may be the main loss of another, for
    two nuisances.

    Weights count in both terms, in the second relative to their sum. A batch without spread in
    predictions or nuisance, or whose weights sum to nothing, adds nothing.

    Args:
        loss: The main loss: a name, a dict, a class, or ``"auto"`` for binary cross-entropy.
        coef: How much the distance correlation counts, :math:`c`.
        nuisance: The nuisance's place among the targets; the last by default.
        on: Which events must be independent of the nuisance: ``"background"``, as in the paper,
            ``"signal"`` or ``"all"``. The class is the first of the other targets,
            signal above 0.5.

    Raises:
        ConfigError: If ``coef`` is negative, or an option is unknown.

    Example:
        >>> import torch
        >>> from lumin_core import build
        >>> loss = build("loss", {"name": "disco", "loss": "mse_loss", "coef": 10})
        >>> y_pred = torch.tensor([[0.1], [0.2], [0.3], [0.9]])
        >>> # label, mass [GeV]
        >>> y = torch.tensor([[0.0, 60.0], [0.0, 80.0], [0.0, 100.0], [1.0, 125.0]])
        >>> # of the background, predictions are linear in the mass: 0.0375 + 10
        >>> loss(y_pred, y, None)
        tensor(10.0375)

    References:
        G. Kasieczka and D. Shih (2020), https://arxiv.org/abs/2001.05310
    """

    def __init__(
        self, loss: Spec | Callable[..., Tensor] = "auto", coef: float = 10.0, nuisance: int = -1, on: On = "background"
    ) -> None:
        super().__init__()
        if not is_number(coef) or not 0 <= coef < float("inf"):
            raise ConfigError(f"coef must not be negative, got {coef!r}")
        if on not in ("all", "background", "signal"):
            raise ConfigError(f"on must be 'all', 'background' or 'signal', got {on!r}")
        self.loss = build_loss(loss, "classification")
        self.coef = coef
        self.nuisance = nuisance
        self.on = on

    def forward(self, y_pred: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
        """Compute the loss of a batch.

        Args:
            y_pred: Predictions, shape ``(B, 1)``; more outputs for losses that take them, of which
                the first counts.
            y: Targets and the nuisance, shape ``(B, n_targ + 1)``.
            w: Event weights, shape ``(B, 1)``, or ``None`` for one each.

        Returns:
            A scalar.

        Raises:
            ShapeError: If there is no nuisance beside the targets.
        """
        if y.dim() != 2 or y.shape[1] < 2 or not -y.shape[1] <= self.nuisance < y.shape[1]:
            raise ShapeError(
                f"disco takes targets and the nuisance as columns, (B, n_targ + 1), nuisance={self.nuisance} being one "
                f"of them, got {tuple(y.shape)}; name both in the fold file's targ_feats, and set n_out"
            )
        place = self.nuisance % y.shape[1]
        targets = torch.cat((y[:, :place], y[:, place + 1 :]), dim=1)
        chosen = torch.ones_like(targets[:, 0]) if w is None else w.reshape(-1)
        if self.on != "all":
            chosen = torch.where((targets[:, 0] > 0.5) == (self.on == "signal"), chosen, 0.0)
        correlation = distance_correlation(y_pred[:, 0], y[:, place], chosen)
        return self._main(y_pred, targets, w) + self.coef * correlation.to(y_pred.dtype)

    def main_targets(self, targets: np.ndarray) -> np.ndarray:
        """Leave out the nuisance, and that of a main loss of this kind."""
        targets = np.delete(targets, self.nuisance, axis=1)
        return self.loss.main_targets(targets) if isinstance(self.loss, BatchLoss) else targets

    def extra_repr(self) -> str:
        """Show the options."""
        return f"coef={self.coef}, nuisance={self.nuisance}, on={self.on!r}"

    def _main(self, y_pred: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
        """Compute the main loss; in evaluation mode as it is reported, over the sum of weights."""
        objective = weighted_loss(self.loss, y_pred, y, w)
        if w is None or self.training or isinstance(self.loss, BatchLoss):
            return objective
        return objective / w.mean()


def distance_correlation(x: Tensor, y: Tensor, w: Tensor | None = None) -> Tensor:
    """Compute the squared distance correlation of two variables; the module has the formula.

    Args:
        x: Shape ``(B,)``.
        y: Shape ``(B,)``.
        w: Weights of either sign, shape ``(B,)``, or ``None`` for one each. With negative ones
            it may exceed 1.

    Returns:
        A scalar in double precision (single, on devices that have no other), from 0 to 1; 0 where
        it is not defined.

    Example:
        >>> import torch
        >>> from lumin_plugin_hep.disco import distance_correlation
        >>> x = torch.arange(5.0)
        >>> round(float(distance_correlation(x, -2 * x + 3)), 6)
        1.0
        >>> distance_correlation(x, (x - 2) ** 2)  # a linear correlation of zero
        tensor(0.2662, dtype=torch.float64)
    """
    dtype = torch.float32 if x.device.type == "mps" else torch.float64
    p = torch.ones_like(x) if w is None else w
    p = p.to(dtype)
    total = p.sum()
    p = p / torch.where(total > 0, total, torch.inf)
    x, y = _centred(x.to(dtype), p), _centred(y.to(dtype), p)
    row_x, row_y = _mean_distances(x, p), _mean_distances(y, p)
    covariance = _mean_product(x, y, p) - 2 * (p * row_x * row_y).sum() + (p * row_x).sum() * (p * row_y).sum()
    variances = _variance(x, row_x, p) * _variance(y, row_y, p)
    defined = variances > torch.finfo(dtype).tiny
    return torch.where(defined, covariance / torch.where(defined, variances, 1.0).sqrt(), 0.0)


def _centred(x: Tensor, p: Tensor) -> Tensor:
    """Subtract one of the values, then the mean.

    So equal ones are exactly zero, and sums stay small.
    """
    with torch.no_grad():
        value = x.index_select(0, p.argmax(0, keepdim=True))
        mean = (p * (x - value)).sum()
    return x - value - mean


def _mean_distances(x: Tensor, p: Tensor) -> Tensor:
    """Compute the weighted mean distance of each event from all others, shape ``(B,)``."""
    order = x.argsort()
    x_sorted, p_sorted = x[order], p[order]
    below, sum_below = p_sorted.cumsum(0), (p_sorted * x_sorted).cumsum(0)
    rows = x_sorted * (2 * below - below[-1]) + sum_below[-1] - 2 * sum_below
    return torch.zeros_like(x).index_copy(0, order, rows)


def _variance(x: Tensor, rows: Tensor, p: Tensor) -> Tensor:
    """Compute the distance variance, given the mean distances."""
    squares = 2 * ((p * x * x).sum() * p.sum() - (p * x).sum().square())
    return squares - 2 * (p * rows * rows).sum() + (p * rows).sum().square()


def _mean_product(x: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """Compute the mean over all pairs of the product of both distances."""
    order = x.argsort()
    x, y, p = x[order], y[order], p[order]
    terms = torch.stack((p, p * x, p * y, p * x * y), dim=1)  # (B, 4)
    smaller, smaller_x, smaller_y, smaller_xy = _sums_over_smaller(y, terms).unbind(1)
    concordant = (p * (x * y * smaller - x * smaller_y - y * smaller_x + smaller_xy)).sum()
    total, sum_x, sum_y, sum_xy = terms.sum(0)
    mean: Tensor = 4 * concordant - 2 * (total * sum_xy - sum_x * sum_y)
    return mean


def _sums_over_smaller(y: Tensor, terms: Tensor) -> Tensor:
    """Sum for each event the terms of the earlier events that have a smaller y.

    Args:
        y: Shape ``(B,)``.
        terms: Shape ``(B, k)``.

    Returns:
        Shape ``(B, k)``. Among equal y any order is taken.
    """
    places = y.argsort()
    sums = torch.zeros_like(terms)
    for bit in reversed(range((len(y) - 1).bit_length())):
        places = places[(places >> (bit + 1)).argsort(stable=True)]  # by block of 2^(bit + 1) events, in it by y
        right = (places >> bit) & 1
        left_terms = terms[places] * (1 - right)[:, None]
        summed = left_terms.cumsum(0)
        starts = places >> (bit + 1) << (bit + 1)  # where the block begins, in this order as in the other
        before = summed[starts] - left_terms[starts]
        sums = sums.index_add(0, places, (summed - before) * right[:, None])
    return sums
