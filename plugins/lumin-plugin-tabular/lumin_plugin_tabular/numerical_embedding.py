r"""Embeddings of numbers: each feature becomes a learned vector of its value.

*Piecewise linear*: with the edges :math:`e_0 < \ldots < e_n` of its bins a value becomes

.. math::
    v(x) = b + \sum_{k=1}^{n} c_k(x) \, V_k, \qquad
    c_k(x) = \min\left(\max\left(\frac{x - e_{k-1}}{e_k - e_{k-1}}, 0\right), 1\right)

*Periodic*: with learned frequencies :math:`f_k`

.. math:: v(x) = \mathrm{ReLU}(b + V \, [\cos 2\pi f_1 x, \sin 2\pi f_1 x, \ldots])

Beside them may stand the value itself, robustly scaled and smoothly clipped,

.. math:: \frac{z}{\sqrt{1 + (z / 3)^2}}, \qquad z = \frac{x - e_{n/2}}{e_{3n/4} - e_{n/4}}

of which the edges, as quantiles, give median and quartiles (arXiv:2407.04491, section 3).

A missing value (NaN) has a learned vector of its own, which starts at zero, and stays there if no
value was missing in training. Weight decay of weights alone (``decay_groups``) acts on the slopes
:math:`V`, which are those of a linear layer for each feature, and on nothing else here.

The paper extrapolates linearly in the first and last bin, so that one wrong reading of 1e6 would
drown all other features. Here a value beyond the edges is taken for the nearest edge, as a decision
tree does; the edges reach from the smallest to the largest value of training. Every feature has the
same number of bins; those that it does not use stay zero, so that the shapes of parameters do not
depend on data. This is the one module that uses ``rtdl_num_embeddings``.

References:
    Y. Gorishniy, I. Rubachev, A. Babenko, "On embeddings for numerical features in tabular deep
    learning", https://arxiv.org/abs/2203.05556, equation 1 and section 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from rtdl_num_embeddings import PeriodicEmbeddings, PiecewiseLinearEmbeddings
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

_NARROWEST = 1e-30  # of a bin: the slope in it is still a number in single precision


class NumericalEmbedding(nn.Module):
    """Turns features, ``(B, F)`` with NaN where missing, into vectors, ``(B, F, width)``.

    Args:
        embed: The module that does so where nothing is missing.
        n_feats: Number of features.
        width: Width of each vector.
    """

    def __init__(self, embed: nn.Module, n_feats: int, width: int) -> None:
        super().__init__()
        self.embed = embed
        self.of_missing = nn.Embedding.from_pretrained(torch.zeros(n_feats, width), freeze=False)

    def forward(self, x: Tensor) -> Tensor:
        """Embed each feature."""
        gaps = x.isnan()
        return torch.where(gaps.unsqueeze(2), self.of_missing.weight, self.embed(x.masked_fill(gaps, 0)))


class _PiecewiseLinear(nn.Module):
    """Embeds features without missing values.

    Values and edges are taken from the middle edge on: far from zero, as numbers of runs are, bins
    would otherwise be narrower than single precision resolves.
    """

    def __init__(
        self, bins: Sequence[Sequence[float]], n_bins: int, width: int, *, activation: bool, with_value: bool
    ) -> None:
        super().__init__()
        self.with_value = with_value
        rows = [np.asarray(edges, dtype=np.float32) for edges in bins]
        middles = np.array([edges[len(edges) // 2] for edges in rows])
        shifted = [_distinct(edges - middle) for edges, middle in zip(rows, middles, strict=True)]
        self.embed = PiecewiseLinearEmbeddings(
            [_padded(edges, n_bins) for edges in shifted], width, activation=activation, version="A"
        )
        for i, edges in enumerate(shifted):
            self.embed.impl.weight[i, len(edges) - 1 :] = 0
            self.embed.impl.bias[i, len(edges) - 1 :] = 0
        self.middles: Tensor
        self.lowest: Tensor
        self.highest: Tensor
        self.register_buffer("middles", torch.from_numpy(middles))
        self.register_buffer("lowest", torch.tensor([edges[0] for edges in shifted]))
        self.register_buffer("highest", torch.tensor([edges[-1] for edges in shifted]))
        if with_value:
            self.spreads: Tensor
            self.register_buffer("spreads", torch.tensor([_spread(edges) for edges in shifted]))

    def forward(self, x: Tensor) -> Tensor:
        """Embed each feature, ``(B, F)`` to ``(B, F, width)``, one more with the value itself."""
        shifted = (x - self.middles).clamp(self.lowest, self.highest)
        embedded: Tensor = self.embed(shifted)
        if not self.with_value:
            return embedded
        scaled = shifted / self.spreads
        return torch.cat((embedded, (scaled / (1 + (scaled / 3) ** 2).sqrt()).unsqueeze(2)), dim=2)


def piecewise_linear(
    bins: Sequence[Sequence[float]], n_bins: int, width: int, *, activation: bool, with_value: bool = False
) -> NumericalEmbedding:
    """Make piecewise-linear embeddings.

    Args:
        bins: For each feature the edges of its bins, 1 to ``n_bins + 1`` that increase.
        n_bins: Number of bins of each; those that are not used stay zero.
        width: Width of each vector.
        activation: Whether a ReLU follows.
        with_value: Whether the value itself is one more number of each vector.

    Example:
        >>> import torch
        >>> from lumin_plugin_tabular.numerical_embedding import piecewise_linear
        >>> embed = piecewise_linear([[0.0, 1.0, 10.0]], n_bins=4, width=8, activation=True)
        >>> y = embed(torch.tensor([[10.0], [1e6]]))
        >>> y.shape, torch.equal(y[0], y[1])
        (torch.Size([2, 1, 8]), True)
    """
    module = _PiecewiseLinear(bins, n_bins, width, activation=activation, with_value=with_value)
    return NumericalEmbedding(module, len(bins), width + int(with_value))


def periodic(
    n_feats: int, width: int, *, n_frequencies: int, frequency_init_scale: float, activation: bool, lite: bool
) -> NumericalEmbedding:
    """Make periodic embeddings.

    Args:
        n_feats: Number of features.
        width: Width of each vector.
        n_frequencies: Number of frequencies of each feature.
        frequency_init_scale: Width of the normal distribution that they start from.
        activation: Whether a ReLU follows.
        lite: Whether the linear layer behind the waves is one for all features.

    Example:
        >>> import torch
        >>> from lumin_plugin_tabular.numerical_embedding import periodic
        >>> options = {"n_frequencies": 4, "frequency_init_scale": 0.1, "activation": True}
        >>> periodic(3, 8, **options, lite=False)(torch.full((5, 3), torch.nan)).shape
        torch.Size([5, 3, 8])
    """
    module = PeriodicEmbeddings(
        n_feats,
        width,
        n_frequencies=n_frequencies,
        frequency_init_scale=frequency_init_scale,
        activation=activation,
        lite=lite,
    )
    module.periodic.no_decay = True  # else all waves would become long
    return NumericalEmbedding(module, n_feats, width)


def _distinct(edges: np.ndarray) -> np.ndarray:
    """Leave out edges that single precision does not tell from the one before, nor a slope."""
    kept: np.ndarray = edges[np.diff(edges, prepend=-np.inf) > _NARROWEST]
    return kept


def _spread(edges: np.ndarray) -> float:
    """Return the distance of the quartiles of the edges, or half of all where there is none."""
    low, high = np.quantile(edges, [0.25, 0.75])
    return float(high - low) or float(edges[-1] - edges[0]) / 2 or 1.0


def _padded(edges: np.ndarray, n_bins: int) -> Tensor:
    """Add bins above, which are not used, up to their full number."""
    step = max(1.0, abs(float(edges[-1])))
    more = edges[-1] + step * np.arange(1, n_bins + 2 - len(edges), dtype=np.float32)
    return torch.from_numpy(np.concatenate((edges, more.astype(np.float32))))
