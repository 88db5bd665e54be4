r"""Exponential average over the weights of a training, batch by batch.

.. math::
    \bar\theta_t = \frac{\sum_{i \le t} d^{t-i}\,\theta_i}{\sum_{i \le t} d^{t-i}}

References:
    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992),
    https://doi.org/10.1137/0330046; Ruppert, "Efficient estimations from a slowly convergent
    Robbins-Monro process" (1988).
    Kingma and Ba, "Adam", https://arxiv.org/abs/1412.6980, section 3, for dividing by the sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core import validated
from lumin_core.errors import ConfigError
from lumin_plugin_callbacks.averaging import Averaging

if TYPE_CHECKING:
    from lumin_core import FitParams


class EMA(Averaging):
    """Averages the weights after every training batch, those of late batches counting most.

    The average reaches back over about ``1 / (1 - decay)`` batches. It is divided by the sum of its
    weights, as in Adam: early in a training it is the plain mean over the few batches there were,
    and the initial weights never enter. (Torch's ``get_ema_multi_avg_fn`` begins with the first
    weights, which keep ``decay**(t - 1)``; after a few times ``1 / (1 - decay)`` batches the two
    agree.) Running means and variances are averaged too, see `lumin_plugin_callbacks.averaging`.

    With a validation fold, loss and metrics of the average are computed after every epoch, and
    `save_best` keeps the average where it is better than the model. The model itself is
    trained as without.

    Args:
        decay: Factor by which a batch's weight falls with every later batch, in [0, 1).

    Raises:
        ConfigError: If `decay` is out of range.

    Example:
        >>> from lumin_plugin_callbacks import EMA
        >>> callbacks = [EMA(), {"name": "ema", "decay": 0.99}]
    """

    label = "ema"

    def __init__(self, decay: float = 0.999) -> None:
        if not hasattr(decay, "__float__") or not 0 <= decay < 1:
            raise ConfigError(f"decay must be in [0, 1), got {decay!r}; swa gives all epochs the same weight")
        self.decay = float(decay)

    def on_batch_end(self, fit_params: FitParams) -> None:
        """Let the weights enter, after the optimiser's step."""
        if fit_params.state == "train":
            self._average.update()

    def on_epoch_end(self, fit_params: FitParams) -> None:
        """Judge the average on the validation fold."""
        self._values = validated(fit_params, self._average.module) if fit_params.state == "valid" else None
