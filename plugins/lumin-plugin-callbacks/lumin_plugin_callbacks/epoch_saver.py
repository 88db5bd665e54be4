"""Keep the model of every epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core import Callback
from lumin_core.files import check_folder

if TYPE_CHECKING:
    from lumin_core import FitParams


class EpochSaver(Callback):
    """Saves the model at the end of every epoch, as ``epoch_<k>.safetensors`` in ``cb_savepath``.

    Example:
        >>> from lumin_plugin_callbacks import EpochSaver
        >>> callbacks = ["metric_logger", EpochSaver()]
    """

    def check_fit(self, fit_params: FitParams) -> None:
        """Refuse a folder that cannot be written to."""
        check_folder(fit_params.cb_savepath)

    def on_epoch_end(self, fit_params: FitParams) -> None:
        """Save, once an epoch: after its training, for validation does not change the model."""
        if fit_params.state == "train":
            fit_params.model.save(fit_params.cb_savepath / f"epoch_{fit_params.epoch}")
