r"""Batch norms that normalise by running sums, also in training, so that small batches do no harm.

With the sums :math:`s = \sum x`, :math:`q = \sum x^2` and the count :math:`c` of a batch of
:math:`B` events, for every channel

.. math::
    (S, Q, C) \leftarrow (S, Q, C) + m\,\bigl((s, q, c) - (S, Q, C)\bigr), \quad
    m = 1 - \frac{1 - \mathtt{mom}}{\sqrt{\max(B - 1, 1)}}

and the inputs are normalised by mean :math:`S / C` and variance :math:`Q / C - (S / C)^2`.
Gradients flow through the part of the current batch.

That difference is one of large numbers: at a mean of a thousand standard deviations single
precision has nothing left of it. So a batch is summed around its own mean, the running sums are
doubles, and the mean is subtracted before anything is scaled: up to a million standard deviations
the result is right to a part in a thousand. Apple's GPUs have no doubles; there a hundred standard
deviations are the limit.

References:
    J. Howard, "Running batch norm", fast.ai course v3 part 2, lesson 10 (2019),
    https://github.com/fastai/course-v3/blob/master/nbs/dl2/07_batchnorm.ipynb. Ours takes batches
    of one event, keeps the variance from falling below 0, and stores sums without their graph.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from lumin_core.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable

_WARMUP_VARIANCE = 0.01


class _RunningBatchNorm(nn.Module):
    """What the three sizes share.

    Args:
        num_features: Number of channels.
        mom: Least weight of a new batch, in (0, 1].
        n_warmup: Number of events before which the variance is kept above 0.01.
        eps: Added to the variance.
        affine: Whether to scale and shift by learned parameters.
    """

    n_axes: ClassVar[int]

    def __init__(
        self, num_features: int, mom: float = 0.1, n_warmup: int = 20, eps: float = 1e-5, affine: bool = True
    ) -> None:
        super().__init__()
        if num_features < 1 or not 0 < mom <= 1 or n_warmup < 0 or eps <= 0:
            msg = "a running batch norm needs num_features of at least 1, mom in (0, 1], n_warmup of at least 0 and a "
            msg += f"positive eps, got {num_features}, {mom}, {n_warmup} and {eps}"
            raise ConfigError(msg)
        self.num_features = num_features
        self.mom = mom
        self.n_warmup = n_warmup
        self.eps = eps
        channels = (num_features,) + (1,) * self.n_axes
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None
        self.sums: Tensor
        self.sqrs: Tensor
        self.count: Tensor
        self.batch: Tensor
        for name, shape in (("sums", (1, *channels)), ("sqrs", (1, *channels)), ("batch", ()), ("count", ())):
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x``, of shape ``(B, C, ...)``, per channel; the shape stays."""
        full = self._with_axes(x)
        full = full.to(torch.promote_types(x.dtype, torch.float32))
        is_learning = self.training and x.numel() > 0
        mean, variance = self._moments(*(self._updated(full) if is_learning else self._stored()))
        centre = mean.detach().to(full.dtype)
        rest = (mean - centre).to(full.dtype)  # what single precision cannot say of a large mean
        factor = (variance + self.eps).rsqrt().to(full.dtype)
        if self.weight is not None:
            factor = factor * self.weight
        offset = -rest * factor if self.bias is None else self.bias - rest * factor
        return ((full - centre) * factor + offset).to(x.dtype).view(x.shape)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move or convert, as modules do; the sums stay doubles, save where a device has none."""
        sums, apply = dict(self.named_buffers()), cast("Callable[..., Self]", super()._apply)
        try:
            apply(fn, recurse)
        except TypeError:
            for name, values in sums.items():
                setattr(self, name, values.float())
            return apply(fn, recurse)
        for name, values in sums.items():
            if values.dtype == torch.float64:
                setattr(self, name, values.to(getattr(self, name).device))
        return self

    def _with_axes(self, x: Tensor) -> Tensor:
        n_missing = self.n_axes + 2 - x.dim()
        if n_missing not in ((0, 1) if self.n_axes == 1 else (0,)) or x.shape[1] != self.num_features:
            axes = ", ".join(("B", str(self.num_features)) + ("*",) * self.n_axes)
            also = f" or (B, {self.num_features})" if self.n_axes == 1 else ""
            msg = f"{type(self).__name__} takes shape ({axes}){also}, got {tuple(x.shape)}"
            raise ShapeError(msg)
        return x.unsqueeze(-1) if n_missing else x

    def _stored(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.sums, self.sqrs, self.count

    def _updated(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take a batch into the running sums; give them with its graph, and store them without."""
        weight = 1 - (1 - self.mom) / sqrt(max(len(x) - 1, 1))
        n = x.numel() / self.num_features
        batch_sums, batch_sqrs = self._sums_of(x, n)
        sums = self.sums.lerp(batch_sums, weight)
        sqrs = self.sqrs.lerp(batch_sqrs, weight)
        count = self.count + weight * (n - self.count)
        with torch.no_grad():
            self.sums.copy_(sums)
            self.sqrs.copy_(sqrs)
            self.count.copy_(count)
            self.batch += len(x)
        return sums, sqrs, count

    def _sums_of(self, x: Tensor, n: float) -> tuple[Tensor, Tensor]:
        """Sum a batch and its squares, per channel, around its mean: nothing cancels."""
        axes = [axis for axis in range(x.dim()) if axis != 1]
        centre = x.detach().mean(axes, keepdim=True)
        deviations = x - centre
        centre = centre.to(self.sums.dtype)
        first = deviations.sum(axes, keepdim=True).to(self.sums.dtype)
        second = deviations.square().sum(axes, keepdim=True).to(self.sums.dtype)
        return first + n * centre, second + centre * (2 * first + n * centre)

    def _moments(self, sums: Tensor, sqrs: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """Give mean and variance, before the first batch 0 and 1; without waiting for a GPU."""
        some = count > 0
        count = torch.where(some, count, 1)
        mean = sums / count
        least = torch.where(self.batch < self.n_warmup, _WARMUP_VARIANCE, 0.0)
        variance = torch.maximum(sqrs / count - mean.square(), least)
        return mean, torch.where(some, variance, 1)


class RunningBatchNorm1d(_RunningBatchNorm):
    """Normalises ``(B, C)`` and ``(B, C, L)`` by running sums.

    Args:
        num_features: Number of channels, ``C``.
        mom: Least weight of a new batch, in (0, 1].
        n_warmup: Number of events before which the variance is kept above 0.01.
        eps: Added to the variance.
        affine: Whether to scale and shift by learned parameters.

    Raises:
        ConfigError: If one of these is out of range.

    Example:
        >>> import torch
        >>> from lumin_plugin_tabular import RunningBatchNorm1d
        >>> x = torch.arange(40.0).reshape(20, 2)
        >>> RunningBatchNorm1d(2)(x).mean(0).abs().max().item() < 1e-5
        True
    """

    n_axes = 1


class RunningBatchNorm2d(_RunningBatchNorm):
    """Normalises ``(B, C, H, W)`` by running sums.

    Args:
        num_features: Number of channels, ``C``.
        mom: Least weight of a new batch, in (0, 1].
        n_warmup: Number of events before which the variance is kept above 0.01.
        eps: Added to the variance.
        affine: Whether to scale and shift by learned parameters.

    Raises:
        ConfigError: If one of these is out of range.

    Example:
        >>> import torch
        >>> from lumin_plugin_tabular import RunningBatchNorm2d
        >>> RunningBatchNorm2d(3)(torch.ones(4, 3, 2, 2)).abs().max().item() < 1e-3
        True
    """

    n_axes = 2


class RunningBatchNorm3d(_RunningBatchNorm):
    """Normalises ``(B, C, D, H, W)`` by running sums.

    Args:
        num_features: Number of channels, ``C``.
        mom: Least weight of a new batch, in (0, 1].
        n_warmup: Number of events before which the variance is kept above 0.01.
        eps: Added to the variance.
        affine: Whether to scale and shift by learned parameters.

    Raises:
        ConfigError: If one of these is out of range.

    Example:
        >>> import torch
        >>> from lumin_plugin_tabular import RunningBatchNorm3d
        >>> RunningBatchNorm3d(3)(torch.ones(4, 3, 2, 2, 2)).shape
        torch.Size([4, 3, 2, 2, 2])
    """

    n_axes = 3
