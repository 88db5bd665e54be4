r"""Members: several networks in one body and tail, trained side by side and asked as one.

With the outputs :math:`y_m` of the members :math:`m = 1 \dots k`, the prediction is their mean and
the objective of a batch is the mean of theirs,

.. math:: \bar y = \frac{1}{k} \sum_m y_m, \qquad L = \frac{1}{k} \sum_m L(y_m)

so that each member learns by itself: the loss of the mean would leave all but the mean free. Where
outputs are logarithms of probabilities (multiclass) the mean is that of the probabilities.

References:
    Gorishniy et al. (TabM), https://arxiv.org/abs/2410.24210
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

import torch

from lumin_core import registry
from lumin_core.checks import positive
from lumin_core.errors import ConfigError, ShapeError
from lumin_core.model.loss import BatchLoss, weighted_loss
from lumin_core.registry.config import title
from lumin_core.registry.signature import called, signature_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from lumin_core.model.blocks import Body, Tail


def mean_of_members(outputs: Tensor, objective: str) -> Tensor:
    """Compute the mean over members: of probabilities or values.

    Args:
        outputs: Of each member, shape ``(B, k, n_out)``; for multiclass log-probabilities.
        objective: ``"classification"``, ``"multiclass"`` or ``"regression"``.

    Returns:
        Shape ``(B, n_out)``; for multiclass the logarithm of the mean probability.

    Example:
        >>> import torch
        >>> from lumin_core.model import mean_of_members
        >>> outputs = torch.tensor([[[0.2, 0.8], [0.6, 0.4]]])
        >>> mean_of_members(outputs, "classification")
        tensor([[0.4000, 0.6000]])
        >>> mean_of_members(outputs.log(), "multiclass").exp()
        tensor([[0.4000, 0.6000]])
    """
    return outputs.logsumexp(1) - log(outputs.shape[1]) if objective == "multiclass" else outputs.mean(1)


def loss_of_members(loss: Callable[..., Tensor], outputs: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
    """Compute the objective of a batch: the mean over members of `weighted_loss`.

    A loss per event is asked once, about the events of all members; a `BatchLoss` for each member.

    Args:
        loss: A per-event loss or a `BatchLoss`.
        outputs: Of each member, shape ``(B, k, n_out)``.
        y: Targets, shape ``(B, n_targ)``, for multiclass ``(B,)``.
        w: Weights, shape ``(B, 1)``, or ``None``.

    Returns:
        A scalar.

    Raises:
        ShapeError: If there are no members in the outputs, or as for `weighted_loss`.
        DataError: As for `weighted_loss`.

    Example:
        >>> import torch
        >>> from lumin_core.model import loss_of_members
        >>> outputs = torch.tensor([[[1.0], [3.0]]])
        >>> loss_of_members(torch.nn.MSELoss(reduction="none"), outputs, torch.zeros(1, 1), None)
        tensor(5.)
    """
    if outputs.dim() != 3:
        raise ShapeError(
            f"in training a tail with members gives (B, members, n_out), got shape {tuple(outputs.shape)}; where a "
            "callback keeps the network in evaluation mode, let it do so with the layers that are meant"
        )
    if isinstance(loss, BatchLoss):
        return torch.stack([weighted_loss(loss, member, y, w) for member in outputs.unbind(1)]).mean()
    k = outputs.shape[1]
    return weighted_loss(loss, outputs.flatten(0, 1), _repeated(y, k), None if w is None else _repeated(w, k))


def _repeated(values: Tensor, k: int) -> Tensor:
    return values.unsqueeze(1).expand(-1, k, *values.shape[1:]).flatten(0, 1)


def members_of(body: Body) -> int:
    """Return the number of members of a body, as it says.

    Args:
        body: The body, built.

    Raises:
        ConfigError: If it is not a positive integer, or does not divide the width.

    Example:
        >>> from lumin_core import ModelBuilder
        >>> from lumin_core.model.members import members_of
        >>> members_of(ModelBuilder("regression", 1, ["pt"]).get_body(1, {"pt": [0]}))
        1
    """
    what, width = title("body", body), body.get_out_size()
    members = positive(body.members, f"members of {what}")
    if width % members:
        raise ConfigError(
            f"{what} has {members} members and get_out_size() = {width}: it must give members * width columns, member "
            "by member"
        )
    return members


def check_takes_members(spec: object, members: int) -> None:
    """Refuse a tail that does not know members, before it is built for a body that has some.

    Args:
        spec: The tail.
        members: Number of members of the body.

    Raises:
        ConfigError: With the way out.

    Example:
        >>> from lumin_core.model.members import check_takes_members
        >>> check_takes_members("tabular/class_reg_multi", 16)
    """
    if members == 1:
        return
    constructor = registry.resolve("tail", spec).func
    if "members" not in signature_of(constructor).names:
        raise ConfigError(
            f"the body has {members} members, and the tail {called(constructor)!r} takes the outputs of one network: "
            "its constructor has no argument members; use class_reg_multi, or a body without members"
        )


def check_members(tail: Tail, members: int) -> None:
    """Refuse a tail that has another number of members than its body.

    Args:
        tail: The tail, built.
        members: Number of members of the body.

    Raises:
        ConfigError: With both.

    Example:
        >>> from lumin_core import ModelBuilder
        >>> from lumin_core.model.members import check_members
        >>> check_members(ModelBuilder("regression", 1, ["pt"]).get_tail(10), 1)
    """
    if tail.members != members:
        raise ConfigError(
            f"{title('tail', tail)} has members = {tail.members}, and the body {members}: leave members out of the "
            "tail's options, the builder gives them; a tail of your own sets self.members to what it is given"
        )
