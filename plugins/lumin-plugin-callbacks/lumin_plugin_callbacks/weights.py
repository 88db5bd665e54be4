"""Event weights computed from the data of a fold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from torch import Tensor

from lumin_core import Callback
from lumin_core.data import to_float32
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_callbacks.targets import targets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lumin_core import BatchYielder, FitParams

    Weights = np.ndarray | Tensor


def check_used(by: BatchYielder, name: str) -> None:
    """Refuse to weight a fold whose weights are not used.

    Args:
        by: The fold.
        name: Who weights it.

    Raises:
        ConfigError: In a fit with ``train_on_weights=False``.
    """
    if not by.use_weights:
        raise ConfigError(f"{name} weights events, which train_on_weights=False ignores; leave one of them out")


class AbsWeightData(Callback, ABC):
    """Base of callbacks that weight the events of each fold; a subclass defines `weight_func`.

    What it gives replaces the weights of the fold, which it is given and may build on. The weights
    act as those of a file do: in the loss, and on validation in the reported loss and the metrics.
    A fit with ``train_on_weights=False`` would not use them, and is refused. Predictions
    have no weights.

    Args:
        on_eval: Whether validation is weighted too; without, it keeps the weights of the file.

    Raises:
        ConfigError: In a fit with ``train_on_weights=False``.
        ShapeError: If there is not one weight an event.
        DataError: If weights are no numbers, NaN or infinite.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_callbacks import AbsWeightData
        >>> class Balance(AbsWeightData):
        ...     def weight_func(self, x, mx, y, w):
        ...         return np.where(y == 1, 1 / y.mean(), 1 / (1 - y.mean()))
        >>> Balance(on_eval=False).weight_func(
        ...     None, None, np.array([[1], [0], [0], [0]]), None
        ... ).ravel().round(2)
        array([4.  , 1.33, 1.33, 1.33])
    """

    def __init__(self, on_eval: bool) -> None:
        self.on_eval = on_eval

    @abstractmethod
    def weight_func(self, x: np.ndarray, mx: np.ndarray | None, y: np.ndarray, w: np.ndarray | None) -> Weights:
        """Compute the weights of a fold.

        Args:
            x: Flat inputs, all columns, shape ``(n, F)``, preprocessed as they are in the file.
            mx: Matrix inputs, shape ``(n, ...)``, absent objects NaN; or ``None``.
            y: Targets, shape ``(n, n_targ)``.
            w: Weights so far, shape ``(n, 1)`` or ``(n,)``, or ``None`` where there are none.

        Returns:
            Array or tensor, shape ``(n,)`` or ``(n, 1)``; negative weights and zero are welcome.
        """

    def on_fold_begin(self, fit_params: FitParams) -> None:
        """Weight the fold."""
        if fit_params.state != "train" and not self.on_eval:
            return
        by, name = fit_params.by, type(self).__name__
        check_used(by, name)
        given = self.weight_func(x=by.inputs, mx=by.matrix_inputs, y=targets_of(by), w=by.weights)
        weights = to_float32(given.detach().cpu() if isinstance(given, Tensor) else given)
        if weights.shape not in ((by.n_events,), (by.n_events, 1)):
            raise ShapeError(
                f"the weights of {name} must be ({by.n_events},) or ({by.n_events}, 1), one an event, "
                f"got shape {weights.shape}"
            )
        if n_bad := weights.size - int(np.isfinite(weights).sum()):
            raise DataError(
                f"{n_bad} of the {weights.size} weights of {name} are NaN or infinite (or too large for float32); "
                "an event of no weight has 0"
            )
        by.weights = weights.reshape(-1, 1)


def _halved(x: np.ndarray, mx: np.ndarray | None, y: np.ndarray, w: np.ndarray | None) -> np.ndarray:
    """Return half the weight for every second event, as an example of a function."""
    given = np.ones(len(y)) if w is None else w.reshape(-1)
    return np.where(np.arange(len(y)) % 2, given, given / 2)


class WeightData(AbsWeightData):
    """Weights the events of each fold by a function.

    Args:
        func: Function of inputs, matrix, targets and weights, see `AbsWeightData.weight_func`.
        on_eval: Whether validation is weighted too.

    Raises:
        ConfigError: If `func` cannot be called.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_callbacks import WeightData
        >>> callbacks = [WeightData(lambda x, mx, y, w: np.exp(-x[:, 0]), on_eval=True)]
    """

    example_options: ClassVar[Mapping[str, object]] = {"func": _halved, "on_eval": False}

    expected_failures: ClassVar[Mapping[str, str]] = {
        "check_options": "its option is a function, which no config holds",
    }

    def __init__(self, func: Callable[..., Weights], on_eval: bool) -> None:
        super().__init__(on_eval)
        if not callable(func):
            raise ConfigError(f"func must be a function of x, mx, y, w, got {func!r}")
        self.func = func

    def weight_func(self, x: np.ndarray, mx: np.ndarray | None, y: np.ndarray, w: np.ndarray | None) -> Weights:
        """Call the function."""
        return self.func(x=x, mx=mx, y=y, w=w)
