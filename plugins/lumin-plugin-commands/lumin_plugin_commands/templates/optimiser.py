"""An optimiser: steps of one size, against the sign of the gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.optim import Optimizer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


class ExampleOptimiser(Optimizer):
    r"""Follows the sign of a running mean of gradients.

    .. math:: m \leftarrow \beta m + (1 - \beta) g, \quad w \leftarrow w - \eta \, \mathrm{sign}(m)

    Args:
        params: What is trained.
        lr: Size :math:`\eta` of a step.
        momentum: The mean's :math:`\beta`, in [0, 1).

    Example:
        >>> from lumin_core import Model, ModelBuilder
        >>> options = {"opt": "example_optimiser", "lr": 1e-3}
        >>> model = Model(ModelBuilder("regression", n_out=1, cont_feats=["pt"], opt_args=options))
        >>> model.get_lr()
        0.001

    References:
        Bernstein et al., "signSGD: compressed optimisation for non-convex problems",
        https://arxiv.org/abs/1802.04434
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 1e-3, momentum: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Make a step; a closure is not asked."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group)

    def _update(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        mean = self.state[weight].setdefault("mean", torch.zeros_like(weight))
        mean.lerp_(gradient, 1 - group["momentum"])
        weight.sub_(mean.sign(), alpha=group["lr"])
