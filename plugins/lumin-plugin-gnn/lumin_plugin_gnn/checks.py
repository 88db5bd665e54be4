"""Checks of extractors and collapsers, for `lumin_core.testing`: absent objects change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from lumin_core.testing import Check, CheckFailed, NotApplicable, samples

if TYPE_CHECKING:
    from torch import Tensor

    from lumin_core.testing import Subject

_N_EVENTS, _N_VECS = 5, len(samples.VECS)
_TOLERANCE = 1e-4


def check_graph_extractor_width(subject: Subject) -> None:
    """It gives (B, N, get_out_size()), for any number of events."""
    extractor = _made(subject)
    for n in (_N_EVENTS, 1):
        x, mask = _objects(n)
        _expect_shape(extractor(x, mask, x) if n > 1 else extractor.eval()(x, mask, x), (n, _N_VECS, _width(extractor)))


def check_graph_collapser_width(subject: Subject) -> None:
    """It gives (B, get_out_size()), for any number of events."""
    collapser = _made(subject)
    for n in (_N_EVENTS, 1):
        x, mask = _objects(n)
        _expect_shape(collapser(x, mask) if n > 1 else collapser.eval()(x, mask), (n, _width(collapser)))


def check_graph_extractor_absent(subject: Subject) -> None:
    """Absent objects come out as 0, in training and in evaluation."""
    extractor = _made(subject)
    x, mask = _objects()
    for mode in (True, False):
        out = extractor.train(mode)(x, mask, x)
        if out[~mask].any():
            raise CheckFailed(
                f"expected 0 for absent objects in {'training' if mode else 'evaluation'}, got up to "
                f"{out[~mask].abs().max():.3g}; end with out.masked_fill(~mask.unsqueeze(-1), 0)"
            )


def check_graph_extractor_padding(subject: Subject) -> None:
    """Rows of padding change nothing for the objects that are present."""
    extractor = _made(subject).eval()
    x, mask = _objects()
    padded, more = _padded(x, 2), torch.cat([mask, torch.zeros(_N_EVENTS, 2, dtype=torch.bool)], 1)
    one, other = extractor(x, mask, x), extractor(padded, more, padded)[:, :_N_VECS]
    _expect_equal(one[mask], other[mask], "the same for present objects behind rows of padding", _OF_PADDING)


def check_graph_extractor_statistics(subject: Subject) -> None:
    """Rows of padding enter no statistics of a norm in training."""
    one, other = _made(subject), _made(subject)
    x, mask = _objects()
    padded, more = _padded(x, 2), torch.cat([mask, torch.zeros(_N_EVENTS, 2, dtype=torch.bool)], 1)
    one(x, mask, x)
    other(padded, more, padded)
    for name, value in one.named_buffers():
        now = other.get_buffer(name)
        if value.shape == now.shape and not torch.allclose(
            value.double(), now.double(), rtol=_TOLERANCE, atol=_TOLERANCE
        ):
            raise CheckFailed(
                f"expected {name} without rows of padding, but they move it; use lumin_core.model.LCBatchNorm1d"
            )


def check_graph_extractor_order(subject: Subject) -> None:
    """Objects come out in the order in which they are given, unless `any_order = False`."""
    extractor = _of_any_order(subject).eval()
    x, mask = _objects()
    one, other = extractor(x, mask, x)[:, _ORDER], extractor(x[:, _ORDER], mask[:, _ORDER], x[:, _ORDER])
    _expect_equal(one, other, "the objects in the order in which they are given", _OF_ORDER)


def check_graph_collapser_order(subject: Subject) -> None:
    """The order of the objects changes nothing, unless the class says `any_order = False`."""
    collapser = _of_any_order(subject).eval()
    x, mask = _objects()
    one, other = collapser(x, mask), collapser(x[:, _ORDER], mask[:, _ORDER])
    _expect_equal(one, other, "the same for objects in any order", _OF_ORDER)


def check_graph_collapser_padding(subject: Subject) -> None:
    """Rows of padding change nothing, where the width does not depend on the number of objects."""
    collapser, wider = _made(subject).eval(), _made(subject, n_v=_N_VECS + 2).eval()
    if _width(collapser) != _width(wider):
        raise NotApplicable("its width depends on the number of objects")
    wider.load_state_dict(collapser.state_dict())
    x, mask = _objects()
    more = torch.cat([mask, torch.zeros(_N_EVENTS, 2, dtype=torch.bool)], 1)
    _expect_equal(collapser(x, mask), wider(_padded(x, 2), more), "the same with rows of padding", _OF_PADDING)


def check_graph_extractor_none_present(subject: Subject) -> None:
    """An event without any object is finite, and so are its gradients."""
    extractor = _made(subject)
    x, mask = _objects()
    x, mask = x.masked_fill(torch.arange(_N_EVENTS).view(-1, 1, 1) == 0, 0).requires_grad_(), mask.clone()
    mask[0] = False
    _expect_finite(extractor(x, mask, x), x)


def check_graph_collapser_none_present(subject: Subject) -> None:
    """An event without any object is finite, and so are its gradients."""
    collapser = _made(subject)
    x, mask = _objects()
    x, mask = x.masked_fill(torch.arange(_N_EVENTS).view(-1, 1, 1) == 0, 0).requires_grad_(), mask.clone()
    mask[0] = False
    _expect_finite(collapser(x, mask), x)


def check_graph_extractor_events(subject: Subject) -> None:
    """In evaluation an event does not depend on the others."""
    extractor = _made(subject).eval()
    x, mask = _objects()
    alone = torch.cat([extractor(x[i : i + 1], mask[i : i + 1], x[i : i + 1]) for i in range(_N_EVENTS)])
    _expect_equal(extractor(x, mask, x), alone, "each event as it is alone", _OF_EVENTS)


def check_graph_collapser_events(subject: Subject) -> None:
    """In evaluation an event does not depend on the others."""
    collapser = _made(subject).eval()
    x, mask = _objects()
    alone = torch.cat([collapser(x[i : i + 1], mask[i : i + 1]) for i in range(_N_EVENTS)])
    _expect_equal(collapser(x, mask), alone, "each event as it is alone", _OF_EVENTS)


_ORDER = torch.tensor([2, 0, 1])
_OF_PADDING = (
    "leave absent objects out of every sum, mean, maximum, softmax and neighbourhood: x.masked_fill(~mask, ...)"
)
_OF_ORDER = "treat all objects alike, or say any_order = False in the class"
_OF_EVENTS = "compute nothing over the axis of events, unless self.training"


def _made(subject: Subject, **offered: object) -> Any:
    """Make one whose biases are not 0, as after a training: absent objects then show."""
    part, generator = subject.make(offered=offered), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return part


def _objects(n: int = _N_EVENTS) -> tuple[Tensor, Tensor]:
    """Return momenta, 0 for absent objects, and which are present: every second event lacks one."""
    matrix = samples.matrix(n)
    mask = ~matrix.isnan().all(-1)
    return matrix.nan_to_num(), mask


def _padded(x: Tensor, n: int) -> Tensor:
    return torch.cat([x, x.new_zeros(len(x), n, x.shape[2])], 1)


def _width(part: Any) -> int:
    width = part.get_out_size()
    if not isinstance(width, int) or width < 1:
        raise CheckFailed(f"expected a positive int from get_out_size(), got {width!r}")
    return width


def _of_any_order(subject: Subject) -> Any:
    if not subject.target.any_order:
        raise NotApplicable("it says any_order = False")
    return _made(subject)


def _expect_shape(out: Tensor, expected: tuple[int, ...]) -> None:
    if tuple(out.shape) != expected:
        raise CheckFailed(f"expected shape {expected}, as get_out_size() says, got {tuple(out.shape)}")


def _expect_equal(one: Tensor, other: Tensor, what: str, way_out: str) -> None:
    if one.shape != other.shape or not torch.allclose(one, other, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise CheckFailed(
            f"expected {what}, got {one.flatten()[:4].tolist()} and {other.flatten()[:4].tolist()}; {way_out}"
        )


def _expect_finite(out: Tensor, x: Tensor) -> None:
    if not out.isfinite().all():
        raise CheckFailed(
            "expected finite numbers where no object is present, got NaN or infinity; clamp_min(1) the count"
        )
    if out.requires_grad:
        gradient: Tensor | None = torch.autograd.grad(out.sum(), x, allow_unused=True)[0]
        if gradient is not None and not gradient.isfinite().all():
            raise CheckFailed("expected finite gradients where no object is present; fill before a division or softmax")


EXTRACTOR_CHECKS = tuple(
    Check(function)
    for function in (
        check_graph_extractor_width,
        check_graph_extractor_absent,
        check_graph_extractor_padding,
        check_graph_extractor_statistics,
        check_graph_extractor_order,
        check_graph_extractor_none_present,
        check_graph_extractor_events,
    )
)
COLLAPSER_CHECKS = tuple(
    Check(function)
    for function in (
        check_graph_collapser_width,
        check_graph_collapser_order,
        check_graph_collapser_padding,
        check_graph_collapser_none_present,
        check_graph_collapser_events,
    )
)
