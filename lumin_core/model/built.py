"""What a builder hands over: a network, and all that trains it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from lumin_core.registry import Component


class BuiltParts(NamedTuple):
    """What `ModelBuilder.get_parts` returns: a `BuiltModel` without its optimiser.

    Attributes:
        model: ``nn.Sequential(head, body, tail)``.
        loss: The loss, per event or a `BatchLoss`.
        input_mask: Columns of the inputs that the model is given; ``None`` for all.
        seed: The seed that it was built from.
        components: What it is built of, the optimiser included.
    """

    model: nn.Sequential
    loss: Callable[..., Tensor]
    input_mask: np.ndarray | None
    seed: int
    components: list[Component]


class BuiltModel(NamedTuple):
    """What `ModelBuilder.get_model` returns.

    Attributes:
        model: ``nn.Sequential(head, body, tail)``.
        opt: The optimiser.
        loss: The loss, per event or a `BatchLoss`.
        input_mask: Columns of the inputs that the model is given; ``None`` for all.
        seed: The seed that it was built from.
        components: What it is built of.
    """

    model: nn.Sequential
    opt: Optimizer
    loss: Callable[..., Tensor]
    input_mask: np.ndarray | None
    seed: int
    components: list[Component]
