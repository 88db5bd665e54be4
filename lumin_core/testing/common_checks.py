"""What a component of any kind must hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lumin_core.registry.validation import check
from lumin_core.testing.outcome import CheckFailed, NotApplicable
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from lumin_core.testing.subject import Subject

_NAME = re.compile("[a-z][a-z0-9_]*")


def check_entry_point(subject: Subject) -> None:
    """The entry point is in the group of a kind, has a plain name, and names what can be used."""
    if (component := subject.component) is None:
        raise NotApplicable("it is not registered")
    if problem := check(component):
        raise CheckFailed(f"{component.value} cannot be used: {problem}")
    if not _NAME.fullmatch(component.name):
        raise CheckFailed(f"a name is of small letters, digits and '_', like 'my_head'; got {component.name!r}")


CHECKS = (Check(check_entry_point),)
