"""Divergence: a training whose losses or weights are not finite ends with its last good epoch.

The loss of every fold, which is a number on the CPU anyhow, tells it, and once an epoch the weights
themselves: the last step of a fold may spoil them after its last loss was finite. An epoch is good
when its losses are finite, those of its training folds and of its validation, and so are the
weights after it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

from lumin_core.errors import Diverged
from lumin_core.model.loss import WAY_OUT

if TYPE_CHECKING:
    from torch import Tensor

    from lumin_core.training.fit_params import FitParams

_log = logging.getLogger(__name__)


class LastGood:
    """The model at the end of the last good epoch of a fit.

    Args:
        fit: The state of the fit, before its first epoch or as restored from a checkpoint.

    Attributes:
        epoch: Number of that epoch, 0 where there is none.

    Example:
        >>> from lumin_core import Model, ModelBuilder
        >>> from lumin_core.training import FitParams
        >>> from lumin_core.training.divergence import LastGood
        >>> model = Model(ModelBuilder("regression", 1, ["pt"], seed=1), device="cpu")
        >>> good = LastGood(FitParams(model=model, device=model.device, opt=model.opt))
        >>> _ = model.tail.requires_grad_(False).dense.weight.fill_(float("nan"))
        >>> good.spoiled(model.state_dict())
        '2.dense.weight'
    """

    def __init__(self, fit: FitParams) -> None:
        self._not_finite_before: set[str] = set()
        self.keep(fit)
        self._not_finite_before = {name for name, value in self._state.items() if not _is_finite(value)}

    def keep(self, fit: FitParams) -> None:
        """Keep the model as it is, with the values of its validation."""
        self.epoch = fit.epoch
        self._state = {name: value.clone() for name, value in fit.model.state_dict().items()}
        self._values = {name: values[-1] for name, values in fit.history["valid"].items() if values}

    def spoiled(self, state: dict[str, Tensor]) -> str | None:
        """Return the name of a weight that is not finite; masks that never were do not count.

        Args:
            state: The weights, of `Network.state_dict`.
        """
        sums = [value.sum().float() for value in state.values() if value.is_floating_point()]
        if not sums or torch.stack(sums).isfinite().all():  # one look at the device for all
            return None
        spoiled = (name for name, value in state.items() if not _is_finite(value))
        return next((name for name in spoiled if name not in self._not_finite_before), None)

    def put_back(self, fit: FitParams) -> None:
        """Put the kept model in place; its optimiser begins anew, as its averages are spoiled."""
        fit.model.load_state_dict(self._state)
        fit.opt.zero_grad()
        fit.opt.state.clear()
        fit.kept = self._values or None

    def tell(self, fit: FitParams) -> None:
        """Say with what a fit ends that has diverged.

        Raises:
            Diverged: If none of its epochs was good.
        """
        if self.epoch == 0:
            raise Diverged(
                f"{fit.failed}; no epoch was good, and the model is as it was before the training; {WAY_OUT}"
            )
        _log.warning("%s; it ends with epoch %s, the last good one; %s", fit.failed, self.epoch, WAY_OUT)


def _is_finite(value: Tensor) -> bool:
    return not value.is_floating_point() or bool(value.isfinite().all())
