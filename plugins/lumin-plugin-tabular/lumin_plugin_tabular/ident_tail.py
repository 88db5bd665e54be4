"""A tail that does nothing, for bodies that give predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lumin_core.errors import ConfigError
from lumin_core.model import Tail, mean_of_members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class IdentTail(Tail):
    """Hands on what the body gives, ``(B, n_out)``, as predictions.

    Args:
        n_in: Number of columns of the body's output.
        n_out: Number of outputs.
        objective: ``"classification"``, ``"multiclass"`` or ``"regression"``.
        members: Number of members of the body, which the builder gives.

    Raises:
        ConfigError: If the body does not give ``n_out`` columns for each member.

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

    def __init__(self, n_in: int, n_out: int, objective: str, *, members: int = 1) -> None:
        super().__init__(n_in, n_out, objective)
        self.members = members
        if n_in != n_out * members:
            msg = f"ident_tail hands on what the body gives, {n_in // members} columns, but the model has "
            msg += f"n_out={n_out}: "
            msg += "give the body that width, or use class_reg_multi"
            raise ConfigError(msg)

    def forward(self, x: Tensor) -> Tensor:
        """Give ``x``, ``(B, n_out)``, itself; of members their mean, in training each."""
        if self.members == 1:
            return x
        outputs = self.of_members(x)
        return outputs if self.training else mean_of_members(outputs, self.objective)

    def of_members(self, x: Tensor) -> Tensor:
        """Give ``x`` by member, ``(B, members, n_out)``."""
        return x.view(-1, self.members, self.n_out)
