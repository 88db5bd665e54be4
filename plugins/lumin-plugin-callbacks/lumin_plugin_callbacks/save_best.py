"""Keep the best model of a training."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from lumin_core import Callback, best_offer, is_better
from lumin_core.errors import ConfigError, SavedModelError
from lumin_core.files import check_folder
from lumin_core.model import save_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from lumin_core import FitParams
    from lumin_core.training import Network

_log = logging.getLogger(__name__)


class SaveBest(Callback):
    """Saves the model as ``best.safetensors`` whenever it is the best so far.

    What counts is the main metric, else the loss. Where another callback offers a model that is
    better (an average over weights, say), that one is saved.

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
    _file: Path

    expected_failures: ClassVar[Mapping[str, str]] = {
        "check_signature": "name, the file's, is LUMIN's argument: it can be given to the class alone, not with a name",
    }

    def __init__(self, auto_reload: bool = True, name: str = "best") -> None:
        self.auto_reload = auto_reload
        self.name = name
        self._reset()

    def on_train_begin(self, fit_params: FitParams) -> None:
        """Begin anew."""
        self._reset()
        self._file = save_path(fit_params.cb_savepath / self.name)

    def check_fit(self, fit_params: FitParams) -> None:
        """Refuse a fit without validation, or one that cannot save."""
        check_folder(fit_params.cb_savepath)
        if fit_params.val_idx is None:
            raise ConfigError("save_best reads the validation loss: give val_idx, or leave it out")

    def on_epoch_end(self, fit_params: FitParams) -> None:
        """Save after a validation that was the best so far."""
        if fit_params.state != "valid":
            return
        offer = best_offer(fit_params)
        if is_better(offer.value, self._best, offer.better):
            self._best = offer.value
            self._values = dict(offer.values)
            self.path = _save(fit_params.model, offer.module, self._file)

    def on_train_end(self, fit_params: FitParams) -> None:
        """Put the best model in place."""
        if self.path is None:
            _log.warning("save_best saved nothing: no validation gave a finite value")
        elif self.auto_reload:
            fit_params.model.load(self.path)
            fit_params.kept = self._values

    def state_dict(self) -> dict[str, object]:
        """Give what a checkpoint keeps."""
        return {"best": self._best, "values": self._values}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it back.

        Raises:
            SavedModelError: If the file that was the best is gone.
        """
        self._best = state["best"]
        self._values = dict(state["values"])
        self.path = None if self._best is None else self._file
        if self.path is not None and not self.path.is_file():
            raise SavedModelError(f"the checkpoint goes with {self.path}, which is gone; remove the checkpoint too")

    def _reset(self) -> None:
        self._best = None
        self._values = {}
        self.path = None


def _save(model: Network, module: nn.Module | None, path: Path) -> Path:
    """Save the model, with the weights of another module of its kind where there is one."""
    if module is None:
        return model.save(path)
    own = model.get_weights()
    model.set_weights(module.state_dict())
    try:
        return model.save(path)
    finally:
        model.set_weights(own)
