"""Checks of initialisers: a function that fills a weight in place, from torch's generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lumin_core import seeds
from lumin_core.model.lookups import initialiser
from lumin_core.testing.layer_checks import expect_unchanged_streams
from lumin_core.testing.outcome import CheckFailed
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from torch import Tensor

    from lumin_core.testing.subject import Subject

_SHAPES = ((4, 3), (4, 3, 5))


def check_initialiser_fills(subject: Subject) -> None:
    """`initialiser(act, fan_in, fan_out)` gives a function that fills a weight in place."""
    for act in ("relu", "linear"):
        for shape in _SHAPES:
            weight = _filled(subject, torch.full(shape, torch.nan), act)
            if not weight.isfinite().all():
                raise CheckFailed(
                    f"expected a weight of shape {shape} filled in place with finite numbers, got "
                    f"{int((~weight.isfinite()).sum())} that are not; fill what is given, nn.init.normal_(weight), and "
                    "not a copy of it"
                )


def check_initialiser_spread(subject: Subject) -> None:
    """Neurons begin with weights that differ: equal ones would stay equal."""
    weight = _filled(subject, torch.zeros(8, 6), "relu")
    if (weight == weight[0]).all():
        raise CheckFailed("expected weights that differ between the neurons, got the same for all; draw them at random")


def check_initialiser_seed(subject: Subject) -> None:
    """One seed gives equal bits, another one other weights."""
    one, again = (_seeded(subject, 1) for _ in range(2))
    other = _seeded(subject, 2)
    if not torch.equal(one, again) or torch.equal(one, other):
        what = "another for another seed" if torch.equal(one, again) else "equal bits for one seed of torch's generator"
        raise CheckFailed(
            f"expected {what}; draw from torch's global generator, nn.init.normal_(weight), not from one of your own"
        )


def check_initialiser_streams(subject: Subject) -> None:
    """It draws from torch's generator alone."""
    expect_unchanged_streams(lambda: _filled(subject, torch.zeros(4, 3), "relu"))


def _seeded(subject: Subject, seed: int) -> Tensor:
    with seeds.torch_seeded(seed):
        return _filled(subject, torch.zeros(8, 6), "relu")


def _filled(subject: Subject, values: Tensor, act: str) -> Tensor:
    """Fill a parameter as layers do."""
    weight = nn.Parameter(values)
    spec: Any = subject.spec()
    initialiser(spec)(act, values[0].numel(), values[:, 0].numel())(weight)
    return weight.detach()


CHECKS = tuple(
    Check(function)
    for function in (
        check_initialiser_fills,
        check_initialiser_spread,
        check_initialiser_seed,
        check_initialiser_streams,
    )
)
