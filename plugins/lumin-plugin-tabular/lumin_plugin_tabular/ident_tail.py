"""A tail that does nothing, for bodies that give predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lumin_core.errors import ConfigError
from lumin_core.model import Tail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class IdentTail(Tail):
    """Hands on what the body gives, ``(B, n_out)``, as predictions.

    Args:
        n_in: Number of columns of the body's output.
        n_out: Number of outputs.
        objective: ``"classification"``, ``"multiclass"`` or ``"regression"``.

    Raises:
        ConfigError: If the body does not give ``n_out`` columns.

    Example:
        >>> import torch
        >>> from lumin_plugin_tabular import IdentTail
        >>> IdentTail(2, 2, "regression")(torch.tensor([[3.0, 4.0]]))
        tensor([[3., 4.]])
    """

    example_options: ClassVar[Mapping[str, object]] = {"n_in": 1}
    expected_failures: ClassVar[Mapping[str, str]] = {
        "check_tail_objectives": "it hands on what the body gives: probabilities are the body's to make"
    }

    def __init__(self, n_in: int, n_out: int, objective: str) -> None:
        super().__init__(n_in, n_out, objective)
        if n_in != n_out:
            msg = f"ident_tail hands on what the body gives, {n_in} columns, but the model has n_out={n_out}: "
            msg += "give the body that width, or use class_reg_multi"
            raise ConfigError(msg)

    def forward(self, x: Tensor) -> Tensor:
        """Give ``x``, ``(B, n_out)``, itself."""
        return x
