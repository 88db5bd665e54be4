r"""Initialisers of weights, which fill them at random.

A weight is drawn so that the variance of a layer's outputs equals that of its inputs, which depends
on what follows:

.. math:: \mathrm{Var}(w) = \begin{cases}
    2 / n_\mathrm{in} & \text{He, for the rectifiers and by default} \\
    2 / (n_\mathrm{in} + n_\mathrm{out}) &
        \text{Glorot, for sigmoid, tanh, softmax, logsoftmax and linear} \\
    1 / n_\mathrm{in} & \text{LeCun, for selu}
    \end{cases}

References:
    He et al., https://arxiv.org/abs/1502.01852; Glorot and Bengio,
    https://proceedings.mlr.press/v9/glorot10a.html; Klambauer et al. (selu),
    https://arxiv.org/abs/1706.02515
"""

from __future__ import annotations

from functools import partial
from math import sqrt
from typing import TYPE_CHECKING

import torch
from torch import nn

from lumin_core.errors import ShapeError
from lumin_core.model.lookups import canonical_act

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from lumin_core.model.options import Spec

_GLOROT = frozenset({"sigmoid", "tanh", "softmax", "logsoftmax", "linear"})


def normal_initialiser(act: Spec, fan_in: int | None = None, fan_out: int | None = None) -> Callable[[Tensor], Tensor]:
    """Return the normal initialiser of a layer that is followed by an activation.

    It draws from a normal distribution.

    Args:
        act: The activation; one whose name is not in the table above counts as a rectifier.
        fan_in: Inputs of one neuron; by default those of the tensor, channels times kernel.
        fan_out: Outputs that one input reaches; by default those of the tensor.

    Returns:
        Function that fills a weight of shape ``(n_out, n_in, *)`` in place, from torch's generator,
        and returns it.

    Raises:
        ShapeError: From that function, if the weight has fewer than two axes or no element.

    Example:
        >>> import torch
        >>> from lumin_core.model.initialisers import normal_initialiser
        >>> weight = normal_initialiser("relu")(torch.empty(1000, 50))
        >>> abs(weight.std().item() - (2 / 50) ** 0.5) < 0.01
        True
    """
    return partial(_fill_normal, act=act, fan_in=fan_in, fan_out=fan_out)


def uniform_initialiser(act: Spec, fan_in: int | None = None, fan_out: int | None = None) -> Callable[[Tensor], Tensor]:
    r"""Return the uniform initialiser of a layer that is followed by an activation.

    It draws from a uniform distribution. The range is :math:`\pm\sqrt{3 \mathrm{Var}(w)}`: the
    variance is that of `normal_initialiser`, selu included.

    Args:
        act: As in `normal_initialiser`.
        fan_in: As in `normal_initialiser`.
        fan_out: As in `normal_initialiser`.

    Returns:
        Function that fills a weight of shape ``(n_out, n_in, *)`` in place, from torch's generator,
        and returns it.

    Raises:
        ShapeError: From that function, if the weight has fewer than two axes or no element.

    Example:
        >>> import torch
        >>> from lumin_core.model.initialisers import uniform_initialiser
        >>> weight = uniform_initialiser("linear")(torch.empty(20, 40))
        >>> weight.abs().max().item() < (6 / 60) ** 0.5
        True
    """
    return partial(_fill_uniform, act=act, fan_in=fan_in, fan_out=fan_out)


def _fill_normal(weight: Tensor, *, act: Spec, fan_in: int | None, fan_out: int | None) -> Tensor:
    return nn.init.normal_(weight, std=sqrt(_variance(weight, act, fan_in, fan_out)))


def _fill_uniform(weight: Tensor, *, act: Spec, fan_in: int | None, fan_out: int | None) -> Tensor:
    bound = sqrt(3 * _variance(weight, act, fan_in, fan_out))
    return nn.init.uniform_(weight, -bound, bound)


def _variance(weight: Tensor, act: Spec, fan_in: int | None, fan_out: int | None) -> float:
    if weight.dim() < 2 or weight.numel() == 0:
        raise ShapeError(
            f"a weight must have shape (n_out, n_in, ...) and at least one element, got shape {tuple(weight.shape)}"
        )
    n_in = weight[0].numel() if fan_in is None else fan_in
    n_out = torch.numel(weight[:, 0]) if fan_out is None else fan_out
    name = canonical_act(act)
    if name in _GLOROT:
        return 2 / (n_in + n_out)
    return (1 if name == "selu" else 2) / n_in
