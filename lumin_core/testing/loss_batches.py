"""Batches that losses are asked about: outputs and targets of each objective."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from attrs import frozen

from lumin_core.model.loss import BatchLoss, build_loss
from lumin_core.testing.outcome import CheckFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from lumin_core.testing.subject import Subject

N_CLASSES = 3


@frozen(kw_only=True)
class Batches:
    """Batches of one objective that a loss takes.

    Attributes:
        loss: The loss, as the builder makes it.
        objective: Of the outputs.
        n_out: Number of outputs.
        n_nuisances: Number of target columns beyond these, as some batch losses have.
    """

    loss: Callable[..., Tensor]
    objective: str
    n_out: int
    n_nuisances: int = 0

    def __str__(self) -> str:
        """Say which they are."""
        return f"objective={self.objective!r}, n_out={self.n_out}"

    def draw(self, n_events: int, seed: int = 1) -> tuple[Tensor, Tensor]:
        """Return outputs before the last activation, and targets, of so many events."""
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(n_events, self.n_out, generator=generator)
        if self.objective == "multiclass":
            return z, (torch.arange(n_events) % self.n_out).roll(seed)
        y = torch.rand(n_events, self.n_out + self.n_nuisances, generator=generator) * 0.8 + 0.1
        if self.objective == "classification":
            y[:, : self.n_out] = ((torch.arange(n_events)[:, None] + torch.arange(self.n_out)) % 2).float()
        return z, y

    def outputs(self, z: Tensor) -> Tensor:
        """Return what a tail makes of them: probabilities, log-probabilities or values."""
        return z.log_softmax(1) if self.objective == "multiclass" else z.sigmoid()

    def fresh(self) -> Callable[..., Tensor]:
        """Return the loss in the state that it is built in, in training mode."""
        return copy.deepcopy(self.loss)

    def values(self, y_pred: Tensor, y: Tensor, w: Tensor | None = None) -> Tensor:
        """Return what a fresh loss gives; weights are for a `BatchLoss` alone."""
        loss = self.fresh()
        return loss(y_pred, y, w) if isinstance(loss, BatchLoss) else loss(y_pred, y)


def batches_of(subject: Subject) -> list[Batches]:
    """Return batches of every objective and number of outputs that a loss takes.

    Raises:
        CheckFailed: If it takes none.
    """
    refusals: list[str] = []
    found = [batches for batches in _possible(subject) if _takes(batches, refusals)]
    if not found:
        raise CheckFailed(
            "a loss takes outputs and targets of an objective as loss(y_pred, y), a BatchLoss as "
            f"loss(y_pred, y, w), but it raised for each: {'; '.join(refusals)}; "
            "example_options of the class are options for a small example, example_objectives what it is for"
        )
    return found


def _possible(subject: Subject) -> Iterator[Batches]:
    n_outs = {"classification": (1, 3), "regression": (1, 3), "multiclass": (N_CLASSES,)}
    for objective in subject.objectives:
        loss = build_loss(subject.make(), objective)
        for n_out in n_outs[objective]:
            yield Batches(loss=loss, objective=objective, n_out=n_out)
            if isinstance(loss, BatchLoss) and objective != "multiclass":
                yield Batches(loss=loss, objective=objective, n_out=n_out, n_nuisances=1)


def _takes(batches: Batches, refusals: list[str]) -> bool:
    z, y = batches.draw(5)
    try:
        batches.values(batches.outputs(z), y)
    except Exception as error:  # noqa: BLE001  (whatever it is, the loss does not take such outputs)
        refusals.append(f"{batches}: {type(error).__name__}: {error}")
        return False
    return True
