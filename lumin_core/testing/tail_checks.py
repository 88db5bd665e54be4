"""What a tail must hold, in addition to what all blocks must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from lumin_core.errors import ConfigError
from lumin_core.model.objective import OBJECTIVES
from lumin_core.testing import block_checks, blocks
from lumin_core.testing.outcome import CheckFailed, NotApplicable
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lumin_core.testing.subject import Subject

_N_OUT = (1, 3)
_MEMBERS = 2


def check_tail_objectives(subject: Subject) -> None:
    """For each objective that it takes it gives ``(B, n_out)``, of the values that it means."""
    n_taken = 0
    for objective, n_out, tail in _tails(subject):
        n_taken += 1
        out = blocks.evaluated(tail, 5 * blocks.inputs_of(tail, 7))
        if (shape := tuple(out.shape)) != (7, n_out) or tail.get_out_size() != n_out:
            raise CheckFailed(
                f"for 7 events and {n_out} outputs it should give (7, {n_out}), got {shape} ({objective})"
            )
        _expect_probabilities(out, objective)
    if not n_taken:
        raise CheckFailed(f"it takes no objective of {', '.join(OBJECTIVES)}: see what its constructor raises")


def _tails(subject: Subject) -> Iterator[tuple[str, int, Any]]:
    """Give tails for the objectives that they take."""
    for objective in OBJECTIVES:
        for n_out in _N_OUT:
            if objective == "multiclass" and n_out == 1:
                continue
            try:
                yield objective, n_out, blocks.make_tail(subject, objective, n_out)
            except ConfigError:  # it does not take this objective, and says so
                continue


def _expect_probabilities(out: torch.Tensor, objective: str) -> None:
    low, high = float(out.min()), float(out.max())
    if objective == "classification" and not 0 <= low <= high <= 1:
        raise CheckFailed(
            f"for classification outputs are probabilities in [0, 1], got {low:.4g} to {high:.4g}: a sigmoid"
        )
    sums = out.exp().sum(1)
    if objective == "multiclass" and not torch.allclose(sums, torch.ones_like(sums), atol=blocks.TOLERANCE):
        raise CheckFailed(
            f"for multiclass outputs are logarithms of probabilities that sum to 1, got a sum of {float(sums[0]):.4g}: "
            "use log_softmax"
        )


def check_tail_members(subject: Subject) -> None:
    """With members it gives ``(B, members, n_out)`` in training, and their mean in evaluation."""
    if "members" not in subject.signature.names:
        raise NotApplicable("it takes no members")
    for objective, n_out in (("classification", 1), ("multiclass", 3), ("regression", 3)):
        try:
            tail = blocks.make_tail(subject, objective, n_out, members=_MEMBERS)
        except ConfigError:
            continue
        x = blocks.inputs_of(tail, 5)
        for came, where in ((tail.train()(x), "in training"), (tail.of_members(x), "of of_members(x)")):
            if (shape := tuple(came.shape)) != (5, _MEMBERS, n_out):
                raise CheckFailed(f"the output {where} should be (5, {_MEMBERS}, {n_out}), got {shape}")
        each = tail.eval().of_members(x)
        mean = each.exp().mean(1).log() if objective == "multiclass" else each.mean(1)
        way_out = "the mean of values or probabilities, for multiclass the logarithm of the mean probability"
        blocks.expect_equal(blocks.evaluated(tail, x), mean, "in evaluation", way_out, blocks.TOLERANCE)


CHECKS = (*block_checks.CHECKS, Check(check_tail_objectives), Check(check_tail_members))
