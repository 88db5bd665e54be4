"""An initialiser: a function that gives the function which fills a weight at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def example_initialiser(
    act: object, fan_in: int | None = None, fan_out: int | None = None, gain: float = 1.0
) -> Callable[[Tensor], Tensor]:
    """Return what fills a weight with rows that are orthogonal to each other.

    Args:
        act: The activation behind the layer, which does not matter here.
        fan_in: Inputs of a neuron, which do not matter either.
        fan_out: Outputs that an input reaches, likewise.
        gain: Length of each row.

    Returns:
        Function that fills a weight ``(n_out, n_in, *)`` in place, from torch's generator.

    Example:
        >>> from lumin_core import Model, ModelBuilder
        >>> options = {"cont_feats": ["pt"], "lookup_init": "example_initialiser"}
        >>> Model(ModelBuilder("regression", n_out=1, **options)).n_out
        1
    """
    return lambda weight: nn.init.orthogonal_(weight, gain)
