"""What a head must hold, in addition to what all blocks must."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from lumin_core import registry
from lumin_core.errors import ConfigError
from lumin_core.model import features
from lumin_core.model.head_data import needs_data
from lumin_core.model.matrix_head import matrix_elements
from lumin_core.testing import block_checks, blocks
from lumin_core.testing.outcome import CheckFailed, NotApplicable
from lumin_core.testing.promises import Check
from lumin_core.testing.subject import prepared

if TYPE_CHECKING:
    from torch import Tensor

    from lumin_core.testing.subject import Subject

_IN_ORDER = "hand objects on by get_matrix, which knows row_wise and how data may come"
_MASKED = "leave absent objects out by the mask of get_matrix: sums times mask, means over those that are present"


def check_head_feat_map(subject: Subject) -> None:
    """``feat_map`` has all features, and no column depends on a feature that it does not say."""
    head = subject.make()
    try:
        features.check_map(head)
    except ConfigError as error:
        raise CheckFailed(str(error)) from error
    blocks.trained(head)
    for feat, x, moved in _moved(head):
        changed = (blocks.evaluated(head, x) - blocks.evaluated(head, moved)).abs().amax(0)
        own = set(head.feat_map[feat])
        if others := [i for i in changed.nonzero().flatten().tolist() if i not in own]:
            raise CheckFailed(
                f"feat_map says that columns {sorted(own)} depend on {feat!r}, but so do {others}: the columns of "
                "another feature, or of a norm or mean over all features, are those of both"
            )


def _moved(head: Any) -> Any:
    """Give each feature, inputs, and these with other values of that feature."""
    if hasattr(head, "example_inputs"):
        return
    x = blocks.inputs_of(head, 6)
    other = blocks.inputs_of(head, 6, seed=1)
    if not hasattr(head, "vecs"):
        for i, feat in enumerate([*head.cont_feats, *head.cat_feats]):
            moved = x.clone()
            moved[:, i] = other[:, i]
            yield feat, x, moved
        return
    x, other = x.nan_to_num(nan=1.0), other.nan_to_num(nan=2.0)
    for i, vec in enumerate(head.vecs):
        for j, feat in enumerate(head.feats_per_vec):
            if (name := f"{vec}_{feat}") in head.feat_map:
                at = (slice(None), i, j) if head.row_wise else (slice(None), j, i)
                moved = x.clone()
                moved[at] = other[at]
                yield name, x, moved


def check_head_absent(subject: Subject) -> None:
    """An event whose objects are all absent has a finite output and gradient."""
    head = _for_objects(subject)
    x = blocks.inputs_of(head, 6)
    empty = x.clone()
    empty[2] = float("nan")
    out = blocks.evaluated(head, empty)
    if not out.isfinite().all():
        raise CheckFailed(f"an event without objects gives an output that is not finite; {_MASKED}")
    others = [0, 1, 3, 4, 5]
    blocks.expect_equal(
        out[others], blocks.evaluated(head, x)[others], "events beside one without objects", _MASKED, blocks.TOLERANCE
    )
    if not (out := head.train()(empty)).requires_grad:
        return
    out.square().sum().backward()
    for name, parameter in head.named_parameters():
        if parameter.grad is not None and not parameter.grad.isfinite().all():
            raise CheckFailed(f"an event without objects makes the gradient of {name} NaN; {_MASKED}")


def check_head_padding(subject: Subject) -> None:
    """Room for more objects, which are absent, changes nothing, if the parameters allow more."""
    head = _for_objects(subject)
    vecs = [*head.vecs, "more_0", "more_1"]
    wide = subject.make(vecs=vecs, offered={"cont_feats": matrix_elements(vecs, head.feats_per_vec)})
    shapes, theirs = ({name: value.shape for name, value in one.state_dict().items()} for one in (head, wide))
    if shapes != theirs:
        raise NotApplicable("its parameters are for one number of objects")
    if wide.get_out_size() != head.get_out_size():
        raise NotApplicable("its width is for one number of objects")
    wide.load_state_dict(head.state_dict())
    x = blocks.inputs_of(head, 6)
    room = torch.full((6, 2, head.n_fpv), float("nan"))
    blocks.expect_equal(
        blocks.evaluated(wide, torch.cat([x, room], 1)),
        blocks.evaluated(head, x),
        "with room for more objects",
        _MASKED,
        blocks.TOLERANCE,
    )


def check_head_order(subject: Subject) -> None:
    """The order of the objects changes nothing, where the class says ``any_order = True``."""
    head = _for_objects(subject)
    if not getattr(head, "any_order", False):
        raise NotApplicable("it does not say any_order = True")
    x = blocks.inputs_of(head, 6)
    turned = blocks.evaluated(head, x.flip(1))
    way_out = "treat all objects alike, or leave out any_order"
    blocks.expect_equal(turned, blocks.evaluated(head, x), "objects in another order", way_out, blocks.TOLERANCE)


def check_head_row_wise(subject: Subject) -> None:
    """A matrix with an object a column, ``row_wise=False``, gives the same."""
    head = _for_objects(subject)
    if "row_wise" not in subject.signature.names:
        raise NotApplicable("it has no option row_wise")
    other = subject.make(row_wise=False)
    other.load_state_dict(head.state_dict())
    x = blocks.inputs_of(head, 6)
    came = blocks.evaluated(other, x.transpose(1, 2))
    blocks.expect_equal(came, blocks.evaluated(head, x), "row_wise=False", _IN_ORDER, blocks.TOLERANCE)


def check_head_flat(subject: Subject) -> None:
    """Flat columns ``{vec}_{feat}`` give the same as the matrix, alone or behind flat inputs."""
    head = _for_objects(subject)
    x = blocks.inputs_of(head, 6)
    expected = blocks.evaluated(head, x)
    pair = blocks.evaluated(head, (torch.zeros(6, 0), x))
    blocks.expect_equal(pair, expected, "a matrix behind flat inputs", _IN_ORDER, blocks.TOLERANCE)
    if not head.cont_feats:
        raise NotApplicable("it takes no flat columns")
    flat = blocks.evaluated(head, x.flatten(1).nan_to_num())
    blocks.expect_equal(flat, expected, "flat columns", _IN_ORDER, blocks.TOLERANCE)


def _for_objects(subject: Subject) -> Any:
    """Make a head for objects, trained a little, or say that there is nothing to look at."""
    head = subject.make()
    if not blocks.is_matrix_head(head):
        raise NotApplicable("it is no head for objects: these derive from MatrixHead")
    if hasattr(head, "example_inputs"):
        raise NotApplicable("its matrices are of its own form, example_inputs")
    return blocks.trained(head)


def check_head_missing(subject: Subject) -> None:
    """What says ``missing = "keep"`` gives a finite output for missing values."""
    head = subject.make()
    if head.missing not in ("zero", "keep"):
        raise CheckFailed(f"missing should be 'zero' or 'keep', got {head.missing!r}")
    if head.missing == "zero":
        raise NotApplicable("it is given zeros for missing values")
    x = blocks.inputs_of(head, 5)
    holes: Tensor = x if isinstance(x, torch.Tensor) else x[0]
    holes[1, 0] = float("nan")
    if not blocks.evaluated(head, x).isfinite().all():
        raise CheckFailed("missing = 'keep' asks for NaN, but a missing value gives an output that is not finite")


def check_head_prepare(subject: Subject) -> None:
    """``prepare`` gives options of the constructor as plain values, and none that are given."""
    if subject.is_instance or not needs_data(subject.target):
        raise NotApplicable("it asks for no data")
    said, asked = subject.said_options, subject.options
    try:
        text = json.dumps(asked, sort_keys=True)
    except TypeError as error:
        raise CheckFailed(f"prepare should give plain values, which JSON holds: {error}; use .tolist()") from error
    if text != json.dumps(prepared(partial(subject.target, **said)), sort_keys=True):
        raise CheckFailed("prepare gives other options when it is asked again: draw nothing, or from a fixed seed")
    if text != json.dumps(prepared(partial(subject.target, **asked)), sort_keys=True):
        raise CheckFailed("prepare gives other options where they are given: return what is not, {} if all is")
    if asked == said:  # as of a head that asks for others, which need nothing
        return
    bare = registry.build("head", partial(subject.target, **said), **subject.offered())
    try:
        bare(blocks.inputs_of(bare, 2))
    except ConfigError:
        return
    raise CheckFailed("without its options forward should raise a ConfigError that says how to prepare it")


CHECKS = (
    *block_checks.CHECKS,
    Check(check_head_feat_map),
    Check(check_head_absent),
    Check(check_head_padding),
    Check(check_head_order),
    Check(check_head_row_wise),
    Check(check_head_flat),
    Check(check_head_missing),
    Check(check_head_prepare),
)
