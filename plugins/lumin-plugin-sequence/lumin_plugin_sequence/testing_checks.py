"""Checks of layers of a `conv1d_head`, for `lumin_core.testing`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from lumin_core.testing import Check, CheckFailed, samples

if TYPE_CHECKING:
    from torch import Tensor

    from lumin_core.testing import Subject

_N_EVENTS, _LENGTH, _CHANNELS = 5, 6, len(samples.FEATS_PER_VEC)


def check_conv_layer_size(subject: Subject) -> None:
    """It gives (B, C, N) and mask (B, N) of the size that get_out_size() says."""
    layer = subject.make()
    expected = layer.get_out_size()
    for n in (_N_EVENTS, 1):
        out, mask = layer.train(n > 1)(*_sequence(n))
        if tuple(out.shape) != (n, *expected) or tuple(mask.shape) != (n, expected[1]) or mask.dtype != torch.bool:
            raise CheckFailed(
                f"expected ({n}, {expected[0]}, {expected[1]}) and a mask of bool ({n}, {expected[1]}), as "
                f"get_out_size() says, got {tuple(out.shape)} and {mask.dtype} {tuple(mask.shape)}"
            )


def check_conv_layer_absent(subject: Subject) -> None:
    """Absent places come out as 0, in training and in evaluation."""
    layer = subject.make()
    for mode in (True, False):
        out, mask = layer.train(mode)(*_sequence())
        absent = out.masked_fill(mask.unsqueeze(1), 0)
        if absent.any():
            raise CheckFailed(
                f"expected 0 for absent places in {'training' if mode else 'evaluation'}, got up to "
                f"{absent.abs().max():.3g}; end with out.masked_fill(~mask.unsqueeze(1), 0)"
            )


def check_conv_layer_statistics(subject: Subject) -> None:
    """Places of padding enter no statistics of a norm in training."""
    one, other = (subject.make(offered={"length": length}) for length in (_LENGTH, _LENGTH + 2))
    one(*_sequence())
    other(*_sequence(padding=2))
    for name, value in one.named_buffers():
        now = other.get_buffer(name)
        if value.shape == now.shape and not torch.allclose(value.double(), now.double(), atol=1e-4):
            raise CheckFailed(
                f"expected {name} without places of padding, but they move it; use LCBatchNorm1d with mask"
            )


def check_conv_layer_padding(subject: Subject) -> None:
    """Places of padding behind the objects change nothing for these."""
    one, other = (subject.make(offered={"length": length}).eval() for length in (_LENGTH, _LENGTH + 2))
    other.load_state_dict(one.state_dict())
    (out, mask), (padded, more) = one(*_sequence()), other(*_sequence(padding=2))
    n = min(out.shape[2], padded.shape[2])
    present = (mask[:, :n] & more[:, :n]).unsqueeze(1)
    if not torch.allclose((out[..., :n] * present), padded[..., :n] * present, atol=1e-4):
        raise CheckFailed(
            "expected the same for the objects whatever padding is behind them, got other numbers; leave absent places "
            "out of every mean, maximum and norm"
        )


def check_conv_layer_none_present(subject: Subject) -> None:
    """An event without any object is finite, and so are its gradients."""
    layer = subject.make()
    x, mask = _sequence()
    mask[0] = False
    x = x.masked_fill(~mask.unsqueeze(1), 0).requires_grad_()
    out, _ = layer(x, mask)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    if not (out.isfinite().all() and gradient.isfinite().all()):
        raise CheckFailed("expected finite numbers and gradients without any object; clamp_min(1) the count")


def check_conv_layer_events(subject: Subject) -> None:
    """In evaluation an event does not depend on the others."""
    layer = subject.make().eval()
    x, mask = _sequence()
    alone = torch.cat([layer(x[i : i + 1], mask[i : i + 1])[0] for i in range(_N_EVENTS)])
    if not torch.allclose(layer(x, mask)[0], alone, atol=1e-4):
        raise CheckFailed("expected each event as it is alone; compute nothing over the axis of events in evaluation")


def check_conv_layer_trace(subject: Subject) -> None:
    """What `trace` says is true: an output depends on no place or channel that it leaves out."""
    layer = subject.make().eval()
    places, channels = layer.trace(torch.eye(_LENGTH, dtype=torch.bool), torch.eye(_CHANNELS, dtype=torch.bool))
    x = _sequence()[0].requires_grad_()
    out = layer(x, torch.ones(_N_EVENTS, _LENGTH, dtype=torch.bool))[0]
    for channel in range(out.shape[1]):
        for place in range(out.shape[2]):
            (gradient,) = torch.autograd.grad(out[:, channel, place].sum(), x, retain_graph=True)
            _check_said(gradient.abs().amax(0) > 0, places[:, place], channels[:, channel])


def _check_said(moves: Tensor, places: Tensor, channels: Tensor) -> None:
    if (moves & ~(channels.unsqueeze(1) & places.unsqueeze(0))).any():
        raise CheckFailed(
            "expected outputs to depend only on the places and channels that trace() says, but some depend on others; "
            "follow what the layer mixes, or leave trace() out: then all depends on all"
        )


def _sequence(n: int = _N_EVENTS, padding: int = 0) -> tuple[Tensor, Tensor]:
    """Return features (B, C, N), 0 for absent objects, and mask (B, N): every second event lacks one."""
    matrix = samples.matrix(n, _LENGTH)
    mask = ~matrix.isnan().all(-1)
    x: Any = matrix.nan_to_num().transpose(1, 2)
    x = torch.cat([x, x.new_zeros(n, _CHANNELS, padding)], 2)
    return x, torch.cat([mask, torch.zeros(n, padding, dtype=torch.bool)], 1)


CHECKS = tuple(
    Check(function)
    for function in (
        check_conv_layer_size,
        check_conv_layer_absent,
        check_conv_layer_statistics,
        check_conv_layer_padding,
        check_conv_layer_none_present,
        check_conv_layer_events,
        check_conv_layer_trace,
    )
)
