"""Checks of activations: a layer that keeps shape and type, element by element or over features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from lumin_core.testing.layer_checks import expect_finite, expect_same_rows, expect_unchanged_streams
from lumin_core.testing.outcome import CheckFailed
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from lumin_core.testing.subject import Subject


def check_activation_shape(subject: Subject) -> None:
    """It gives the shape and type that it is given, of one event and of matrices too."""
    layer: nn.Module = subject.make().eval()
    for dtype in (torch.float32, torch.float64):
        for shape in ((1, 4), (5, 4), (5, 3, 4)):
            x = torch.linspace(-2, 2, torch.Size(shape).numel(), dtype=dtype).reshape(shape)
            out = layer.to(dtype)(x.clone())
            if out.shape != x.shape or out.dtype != dtype:
                raise CheckFailed(
                    f"expected shape {shape} and {dtype} back, got {tuple(out.shape)} and {out.dtype}; an activation "
                    "changes values alone"
                )


def check_activation_finite(subject: Subject) -> None:
    """Values and gradients are finite for 0, large and small numbers."""
    layer = subject.make()
    expect_finite(layer, torch.tensor([[0.0, 1e-8, -1e-8, 1.0], [30.0, -30.0, 1e4, -1e4]]))


def check_activation_events(subject: Subject) -> None:
    """In evaluation each event is treated by itself, the same twice."""
    expect_same_rows(subject.make(), torch.linspace(-2, 2, 20).reshape(5, 4))


def check_activation_fresh(subject: Subject) -> None:
    """Each use gets a layer of its own: two do not share parameters."""
    one, other = subject.make(), subject.make()
    shared = {id(parameter) for parameter in one.parameters()} & {id(parameter) for parameter in other.parameters()}
    if shared:
        raise CheckFailed("expected a new layer from each call, but two share parameters; make it in the function")


def check_activation_streams(subject: Subject) -> None:
    """It draws from torch's generator alone."""
    expect_unchanged_streams(lambda: subject.make()(torch.ones(5, 4)))


CHECKS = tuple(
    Check(function)
    for function in (
        check_activation_shape,
        check_activation_finite,
        check_activation_events,
        check_activation_fresh,
        check_activation_streams,
    )
)
