"""Checks of optimisers: a rate, no closure, progress, and a state that can be saved."""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING

import torch
from torch import nn

from lumin_core.model.optimiser import build_optimiser
from lumin_core.registry.signature import signature_of
from lumin_core.testing.outcome import CheckFailed
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.optim import Optimizer

    from lumin_core.testing.subject import Subject

_N_STEPS = 60


def check_optimiser_rate(subject: Subject) -> None:
    """It takes `lr=`, and its groups have it under that name."""
    optimiser, _ = _over_quadratic(subject, lr=0.125)
    if "lr" not in inspect.signature(subject.target).parameters or optimiser.param_groups[0].get("lr") != 0.125:
        raise CheckFailed(
            "expected a learning rate lr= that its groups keep, param_groups[0]['lr'] == 0.125, got "
            f"{optimiser.param_groups[0].get('lr')!r}; schedules set it there: name it in the constructor, and hand "
            "it on in defaults"
        )


def check_optimiser_closure(subject: Subject) -> None:
    """`step()` needs no closure: the loop gives none."""
    if needed := signature_of(subject.target.step).required[1:]:
        raise CheckFailed(
            f"expected step() to work without arguments, but it needs {', '.join(needed)}; the training loop computes "
            "the gradients before it: def step(self, closure=None)"
        )


def check_optimiser_descends(subject: Subject) -> None:
    """It lowers a quadratic, at a small rate."""
    found = []
    for lr in (1e-3, 1e-2, 1e-1):
        optimiser, quadratic = _over_quadratic(subject, lr=lr)
        before = quadratic().item()
        _steps(optimiser, quadratic, _N_STEPS)
        found.append(quadratic().item())
        if found[-1] < 0.99 * before:
            return
    raise CheckFailed(
        f"expected {_N_STEPS} steps at one of the rates 0.001, 0.01 and 0.1 to lower the quadratic from {before:.4g}, "
        f"got {', '.join(f'{value:.4g}' for value in found)}; step against the gradient: parameter.add_(-lr * step)"
    )


def check_optimiser_state(subject: Subject) -> None:
    """A fresh one with the state of another goes on bit for bit, as a fit that is resumed."""
    one, quadratic = _over_quadratic(subject, lr=0.01)
    _steps(one, quadratic, 3)
    other, resumed = _over_quadratic(subject, lr=0.01)
    resumed.load_state_dict(quadratic.state_dict())
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    for optimiser, module in ((one, quadratic), (other, resumed)):
        _steps(optimiser, module, 3)
    if not torch.equal(quadratic.place, resumed.place):
        raise CheckFailed(
            f"expected a fresh optimiser with state_dict() of another to go on as that one, to {quadratic.place[0]}, "
            f"got {resumed.place[0]}; keep all that it remembers in self.state[parameter], nothing in attributes"
        )


class _Quadratic(nn.Module):
    """A bowl that is steeper in some directions than in others."""

    steepness: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.linspace(-1.0, 2.0, 6).reshape(2, 3))
        self.register_buffer("steepness", torch.tensor([1.0, 3.0, 0.3]))

    def forward(self) -> torch.Tensor:
        total: torch.Tensor = (self.place.square() * self.steepness).sum()
        return total


def _over_quadratic(subject: Subject, lr: float) -> tuple[Optimizer, _Quadratic]:
    quadratic = _Quadratic()
    options = {**subject.options, "lr": lr}
    return build_optimiser({"opt": subject.spec(), "lr": options["lr"]}, quadratic), quadratic


def _steps(optimiser: Optimizer, objective: Callable[[], torch.Tensor], n: int) -> None:
    for _ in range(n):
        optimiser.zero_grad()
        objective().backward()
        optimiser.step()


CHECKS = tuple(
    Check(function)
    for function in (
        check_optimiser_rate,
        check_optimiser_closure,
        check_optimiser_descends,
        check_optimiser_state,
    )
)
