"""What a body must hold, in addition to what all blocks must."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.checks import is_positive
from lumin_core.testing import block_checks
from lumin_core.testing.outcome import CheckFailed, NotApplicable
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from lumin_core.testing.subject import Subject


def check_body_members(subject: Subject) -> None:
    """A body of several members gives the columns of all: ``members * width``."""
    body = subject.make()
    members = getattr(body, "members", 1)
    if not is_positive(members):
        raise CheckFailed(f"members should be a positive int, got {members!r}")
    if members == 1:
        raise NotApplicable("it has one member")
    if body.get_out_size() % int(members):
        raise CheckFailed(
            f"get_out_size() of a body with {members} members should be a multiple of that, got {body.get_out_size()}"
        )


CHECKS = (*block_checks.CHECKS, Check(check_body_members))
