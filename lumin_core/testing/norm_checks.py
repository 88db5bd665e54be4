"""Checks of norms: a layer of so many features, whose statistics are of training alone."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import torch

from lumin_core import seeds
from lumin_core.testing.layer_checks import expect_finite, expect_same_rows, expect_unchanged_streams
from lumin_core.testing.outcome import CheckFailed, NotApplicable
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lumin_core.testing.subject import Subject

_C = 4
_SHAPES = ((6, _C), (6, _C, _C), (6, _C, 2, 2), (6, _C, 2, 2, 2))  # the second for features at either place


def check_norm_shape(subject: Subject) -> None:
    """It gives the shape and type that it is given, in training and in evaluation."""
    for dtype in (torch.float32, torch.float64):
        layer, x = _trained(subject)
        for mode in (True, False):
            out = layer.to(dtype).train(mode)(x.to(dtype))
            if out.shape != x.shape or out.dtype != dtype:
                raise CheckFailed(
                    f"expected shape {tuple(x.shape)} and {dtype} back, got {tuple(out.shape)} and {out.dtype}; a norm "
                    "keeps both"
                )


def check_norm_scale(subject: Subject) -> None:
    """In training, features of any scale come out around 0 with a spread around 1."""
    layer, x = _made(subject)
    for _ in range(30):
        out = layer(x)
    spread = out.detach().std().item()
    if not 0.2 < spread < 5:
        raise CheckFailed(
            f"expected outputs of a spread around 1 for inputs of a spread of {x.std():.3g}, got {spread:.3g}; divide "
            "by the standard deviation"
        )


def check_norm_finite(subject: Subject) -> None:
    """Values and gradients are finite for events that are all equal, and for large numbers."""
    for values in (0.0, 1e4):
        layer, x = _trained(subject)
        expect_finite(layer.train(), torch.full_like(x, values))
        expect_finite(layer.eval(), torch.full_like(x, values))


def check_norm_evaluation(subject: Subject) -> None:
    """In evaluation an event does not depend on the others."""
    layer, x = _trained(subject)
    expect_same_rows(layer, x)


def check_norm_frozen_statistics(subject: Subject) -> None:
    """In evaluation its statistics do not move."""
    layer, x = _trained(subject)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.eval()(10 * x)
    moved = [name for name, value in layer.state_dict().items() if not torch.equal(value, before[name])]
    if moved:
        raise CheckFailed(f"expected {', '.join(moved)} unchanged in evaluation; update them only if self.training")


def check_norm_saved_statistics(subject: Subject) -> None:
    """All that it learned is in `state_dict()`: a fresh one with it gives the same."""
    layer, x = _trained(subject)
    fresh, _ = _made(subject)
    fresh.load_state_dict(layer.state_dict())
    if not torch.equal(layer.eval()(x), fresh.eval()(x)):
        raise CheckFailed(
            "expected a fresh norm with state_dict() of another to give the same, got other values; keep statistics "
            "as buffers, self.register_buffer('mean', ...)"
        )


def check_norm_absent(subject: Subject) -> None:
    """Objects that a mask says are absent enter no statistics, and come out as 0."""
    if "mask" not in inspect.signature(_made(subject)[0].forward).parameters:
        raise NotApplicable("its forward takes no mask")
    mask = torch.tensor([[True, True, False], [True, False, False]]).repeat(3, 1)
    found = []
    for filling in (0.0, 50.0):
        layer, _ = _made(subject)
        x = torch.randn(6, 3, _C, generator=torch.Generator().manual_seed(1)).masked_fill(~mask[..., None], filling)
        found += [layer(x, mask), layer.eval()(x, mask)]
    for mode, one, other in (("training", found[0], found[2]), ("evaluation", found[1], found[3])):
        if not torch.allclose(one[mask], other[mask], atol=1e-6) or other[~mask].any():
            raise CheckFailed(
                f"expected absent objects to change nothing and to come out as 0 in {mode}, but their values reach the "
                "output; take mean and variance of x[mask] alone"
            )


def check_norm_streams(subject: Subject) -> None:
    """It draws from torch's generator alone."""
    expect_unchanged_streams(lambda: _trained(subject))


def _trained(subject: Subject) -> tuple[nn.Module, Tensor]:
    layer, x = _made(subject)
    layer.train()(x)
    return layer, x


def _made(subject: Subject) -> tuple[nn.Module, Tensor]:
    """Make a norm, and events of a shape that it takes."""
    refusals = []
    for shape in _SHAPES:
        layer = subject.make(offered={"num_features": _C}).train()
        x = 3 + 5 * torch.randn(shape, generator=torch.Generator().manual_seed(1))
        try:
            with seeds.torch_seeded(1):
                layer(x)
        except Exception as error:  # noqa: BLE001  (whatever it is, the norm does not take such a shape)
            refusals.append(f"{shape}: {type(error).__name__}: {error}")
        else:
            return subject.make(offered={"num_features": _C}).train(), x
    raise CheckFailed(f"a norm takes (B, {_C}), or such with further axes, but it raised for {'; '.join(refusals)}")


CHECKS = tuple(
    Check(function)
    for function in (
        check_norm_shape,
        check_norm_scale,
        check_norm_finite,
        check_norm_evaluation,
        check_norm_frozen_statistics,
        check_norm_saved_statistics,
        check_norm_absent,
        check_norm_streams,
    )
)
