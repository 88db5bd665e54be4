"""The points at which callbacks take part in training and prediction.

All thirteen of them, on one screen. Each gets the one argument `fit_params`, the state of the fit
(`lumin_core.FitParams`). In training, per epoch, the state goes ``"train"``, then ``"valid"`` when
a validation fold was given; in prediction it is ``"test"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from lumin_core.training.fit_params import FitParams

hookspec = pluggy.HookspecMarker("lumin")
hookimpl = pluggy.HookimplMarker("lumin")


class LuminSpec:
    """The points, in the order in which they come."""

    def on_train_begin(self, fit_params: FitParams) -> None:
        """Called once, before the first epoch; model, optimiser and loss are ready."""

    def on_epoch_begin(self, fit_params: FitParams) -> None:
        """Called before the folds of an epoch, and before its validation.

        The state is ``"train"``, then ``"valid"``.
        """

    def on_fold_begin(self, fit_params: FitParams) -> None:
        """Called when a fold is in ``fit_params.by``, which may be changed or replaced here."""

    def on_batch_begin(self, fit_params: FitParams) -> None:
        """Called before a batch goes through the model.

        It may change ``fit_params.x``, ``.y`` and ``.w``.
        """

    def on_forwards_end(self, fit_params: FitParams) -> None:
        """Called when ``y_pred`` and ``loss_val`` are there; may change ``fit_params.loss_val``."""

    def on_backwards_begin(self, fit_params: FitParams) -> None:
        """Called when the gradients are zeroed, before the loss goes back. Training only."""

    def on_backwards_end(self, fit_params: FitParams) -> None:
        """Called when the gradients are there, before the optimiser's step.

        It may change them. Training only.
        """

    def on_batch_end(self, fit_params: FitParams) -> None:
        """Called after the optimiser's step.

        In validation and prediction it is called after the forward pass.
        """

    def on_fold_end(self, fit_params: FitParams) -> None:
        """Called after the last batch of a fold; ``fit_params.stop`` is looked at right after."""

    def on_epoch_end(self, fit_params: FitParams) -> None:
        """Called after the folds of an epoch, and after its validation.

        Losses and metrics are in the history then.
        """

    def on_train_end(self, fit_params: FitParams) -> None:
        """Called once, after the last epoch, also when ``fit_params.stop`` ended the training."""

    def on_pred_begin(self, fit_params: FitParams) -> None:
        """Called before the first batch of a prediction."""

    def on_pred_end(self, fit_params: FitParams) -> None:
        """Called after the last batch of a prediction."""


POINTS = tuple(name for name in vars(LuminSpec) if name.startswith("on_"))
for _point in POINTS:
    hookspec(vars(LuminSpec)[_point])
