"""A tail: a linear layer, and the function that the objective asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from lumin_core import Tail

if TYPE_CHECKING:
    from lumin_core.model import LookupInit

FUNCTIONS = {"classification": nn.Sigmoid(), "multiclass": nn.LogSoftmax(dim=1), "regression": nn.Identity()}


class ExampleTail(Tail):
    """Gives probabilities, log-probabilities of classes, or values, as the objective asks for.

    Args:
        n_in: Number of columns of the body's output.
        n_out: Number of outputs.
        objective: ``"classification"``, ``"multiclass"`` or ``"regression"``.
        lookup_init: Function from an activation to an initialiser of weights.
        freeze: Whether nothing of it is trained.

    Example:
        >>> from lumin_core import Model, ModelBuilder
        >>> options = {"cont_feats": ["pt", "eta"], "tail": "example_tail"}
        >>> Model(ModelBuilder("multiclass", n_out=3, **options)).tail.get_out_size()
        3
    """

    def __init__(self, n_in: int, n_out: int, objective: str, lookup_init: LookupInit, freeze: bool = False) -> None:
        super().__init__(n_in, n_out, objective)
        self.dense = nn.Linear(n_in, n_out)
        self.function = FUNCTIONS[objective]
        lookup_init("linear", n_in, n_out)(self.dense.weight)
        if freeze:
            self.freeze_layers()

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(B, n_in)`` into ``(B, n_out)``."""
        out: Tensor = self.function(self.dense(x))
        return out
