"""Keep the best model of a training."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lumin_core import Callback, is_better, monitored
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from lumin_core import FitParams

_log = logging.getLogger(__name__)


class SaveBest(Callback):
    """Saves the model as ``best.safetensors`` whenever the main metric, else the loss, is the best so far.

    Args:
        auto_reload: Whether the training ends with the best model, rather than with its last.
        name: Name of the file in ``cb_savepath``.

    Attributes:
        path: The file, or ``None`` where nothing was saved.

    Example:
        >>> from lumin_plugin_callbacks import SaveBest
        >>> SaveBest().path is None
        True
    """

    path: Path | None
    _best: float | None
    _values: dict[str, float]

    def __init__(self, auto_reload: bool = True, name: str = "best") -> None:
        self.auto_reload, self.name = auto_reload, name
        self._reset()

    def on_train_begin(self, fit_params: FitParams) -> None:
        """Begin anew; refuse a fit without validation."""
        self._reset()
        if fit_params.val_idx is None:
            raise ConfigError("save_best reads the validation loss: give val_idx, or leave it out")

    def on_epoch_end(self, fit_params: FitParams) -> None:
        """Save after a validation that was the best so far."""
        if fit_params.state != "valid":
            return
        value, better = monitored(fit_params)
        if is_better(value, self._best, better):
            self._best = value
            self._values = {name: values[-1] for name, values in fit_params.history["valid"].items()}
            self.path = fit_params.model.save(fit_params.cb_savepath / self.name)

    def on_train_end(self, fit_params: FitParams) -> None:
        """Put the best model in place."""
        if self.path is None:
            _log.warning("save_best saved nothing: no validation gave a finite value")
        elif self.auto_reload:
            fit_params.model.load(self.path)
            fit_params.data["kept"] = self._values

    def _reset(self) -> None:
        self._best, self._values, self.path = None, {}, None
