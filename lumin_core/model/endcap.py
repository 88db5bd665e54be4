"""What computes further on the predictions of a trained model: ``(B, n_out)`` to ``(B, *)``."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import torch

from lumin_core.errors import ConfigError
from lumin_core.model.blocks import Block

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


class Endcap(Block):
    """Computes further on a trained model's predictions, such as a mass from momenta.

    A subclass gives `func` and `get_out_size`.

    Args:
        model: The trained model, or whatever has its ``predict``.

    Example:
        >>> import torch
        >>> from lumin_core.model.endcap import Endcap
        >>> class Magnitude(Endcap):
        ...     def func(self, y_pred):
        ...         return y_pred.norm(dim=1, keepdim=True)
        ...     def get_out_size(self):
        ...         return 1
        >>> class Trained:
        ...     def predict(self, inputs, as_np=True):
        ...         return torch.as_tensor(inputs)
        >>> Magnitude(Trained()).predict(torch.tensor([[3.0, 4.0]]))
        array([[5.]], dtype=float32)
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    @abstractmethod
    def func(self, y_pred: Tensor) -> Tensor:
        """Turn predictions ``(B, n_out)`` into ``(B, get_out_size())``."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply `func` to predictions ``(B, n_out)``."""
        return self.func(x)

    def predict(self, inputs: object, as_np: bool = True) -> np.ndarray | Tensor:
        """Predict with the model and compute further.

        Args:
            inputs: What the model's ``predict`` takes and answers directly: an array, a data frame,
                a tensor, ``(flat, matrix)``.
            as_np: Whether to give an array or a tensor.

        Returns:
            Shape ``(n, get_out_size())``.

        Raises:
            ConfigError: For a `FoldYielder`, whose predictions would be saved without the endcap.
        """
        if hasattr(inputs, "save_fold_pred"):
            raise ConfigError(
                "an endcap predicts arrays: pass fy.get_fold(i)['inputs'], and save with fy.save_fold_pred"
            )
        with torch.no_grad():
            result = self.func(self.model.predict(inputs, as_np=False))
        return result.cpu().numpy() if as_np else result
