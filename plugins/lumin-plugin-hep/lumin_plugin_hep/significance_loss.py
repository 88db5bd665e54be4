r"""The inverse of the significance that a batch would have, as a loss.

Instead of counting the events beyond a cut, all are counted by their prediction :math:`p`, which
has a gradient. With the yields expected of all signal and background, :math:`S` and :math:`B`,

.. math:: s = S \, \frac{\sum_i w_i y_i p_i}{\sum_i w_i y_i}, \qquad
    b = B \, \frac{\sum_i w_i (1 - y_i) p_i}{\sum_i w_i (1 - y_i)}, \qquad
    L = \frac{1}{Z(s, b)}

References:
    A. Elwood and D. Krücker, Direct optimisation of the discovery significance when training neural
    networks to search for new physics in particle colliders (2018),
    https://arxiv.org/abs/1806.00322
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from lumin_core import BatchLoss
from lumin_core.checks import is_number
from lumin_core.errors import ConfigError, ShapeError
from lumin_plugin_hep.significance import calc_ams_torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor


class SignificanceLoss(BatchLoss):
    r"""The inverse significance of a batch, :math:`1/Z(s, b)`.

    With `calc_ams_torch` it is the Asimov loss of the paper. It goes with objective
    ``classification`` and one output. A batch has to stand for all data, so take large ones. One
    that has no significance (a class is missing, or negative weights dominate it) gives NaN with a
    gradient of zero: it harms nothing, and is left out of the training loss.

    Unlike LUMIN's, it takes the weights of each batch and not once those of all events: it can be
    chosen by name.

    Args:
        sig_wgt: Signal yield expected, :math:`S`: the sum of its weights in all data.
        bkg_wgt: Background yield expected, :math:`B`.
        func: The significance, called as ``func(s, b)`` with scalar tensors.
        br: Passed on to ``func`` if it is not zero: the constant that is added to the background.
        unc_b: Passed on to ``func`` if it is not zero: the fractional systematic uncertainty of
            the background.

    Raises:
        ConfigError: If a yield is not positive, or ``func`` cannot be called so.

    Example:
        >>> import torch
        >>> from lumin_core import build
        >>> loss = build(
        ...     "loss", {"name": "significance_loss", "sig_wgt": 20, "bkg_wgt": 400, "unc_b": 0.1}
        ... )
        >>> y_pred = torch.tensor([[0.9], [0.7], [0.4], [0.1]])
        >>> y = torch.tensor([[1.0], [1.0], [0.0], [0.0]])
        >>> loss(y_pred, y, None)  # s = 16, b = 100
        tensor(0.9181)
    """

    example_options: ClassVar[Mapping[str, object]] = {"sig_wgt": 50.0, "bkg_wgt": 1000.0}

    may_be_undefined = True

    def __init__(
        self,
        sig_wgt: float,
        bkg_wgt: float,
        func: Callable[..., Tensor] = calc_ams_torch,
        *,
        br: float = 0,
        unc_b: float = 0,
    ) -> None:
        super().__init__()
        for name, value in (("sig_wgt", sig_wgt), ("bkg_wgt", bkg_wgt)):
            if not is_number(value) or not 0 < value < np.inf:
                raise ConfigError(f"{name} must be a positive yield, the sum of weights in all data, got {value!r}")
        self.sig_wgt = sig_wgt
        self.bkg_wgt = bkg_wgt
        self.func = _with_options(func, {name: value for name, value in (("br", br), ("unc_b", unc_b)) if value != 0})

    def forward(self, y_pred: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
        """Compute the loss of a batch.

        Args:
            y_pred: Probabilities of signal, shape ``(B, 1)``.
            y: Targets from 0 (background) to 1 (signal), shape ``(B, 1)``.
            w: Event weights, shape ``(B, 1)``, or ``None`` for one each.

        Returns:
            A scalar.

        Raises:
            ShapeError: If there are several outputs or targets.
        """
        if y.shape != y_pred.shape or y_pred.numel() != len(y_pred):
            raise ShapeError(
                f"significance_loss takes one output and one target an event, (B, 1), got {tuple(y_pred.shape)} and "
                f"{tuple(y.shape)}; use objective='classification' with n_out=1"
            )
        w_signal, w_background = (y, 1 - y) if w is None else (w * y, w * (1 - y))
        s_share, has_signal = _passing_share(y_pred, w_signal)
        b_share, has_background = _passing_share(y_pred, w_background)
        z = self.func(self.sig_wgt * s_share, self.bkg_wgt * b_share)
        defined = has_signal & has_background & (z > 0) & z.isfinite()
        return torch.where(defined, 1 / torch.where(defined, z, 1.0), torch.nan)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"sig_wgt={self.sig_wgt}, bkg_wgt={self.bkg_wgt}"


def _passing_share(y_pred: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Give the share of the weight that passes, 0 where there is none, and whether there is."""
    total = weights.sum()
    return (weights * y_pred).sum() / torch.where(total > 0, total, torch.inf), total > 0


def _with_options(func: Callable[..., Tensor], options: dict[str, float]) -> Callable[..., Tensor]:
    """Return the function with options.

    One that does not take them, or values out of range, are refused.
    """
    if not callable(func):
        raise ConfigError(f"func must be a function of s and b, such as calc_ams_torch, got {func!r}")
    try:
        inspect.signature(func).bind(torch.ones(()), torch.ones(()), **options)
    except TypeError as error:
        raise ConfigError(
            f"func must be callable as func(s, b{''.join(f', {o}=' for o in options)}): {error}"
        ) from error
    bound = partial(func, **options) if options else func
    bound(torch.ones(()), torch.ones(()))  # refuses options out of range here, not in the first batch
    return bound
