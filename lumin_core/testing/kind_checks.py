"""Checks of kinds that plugins declare: a base class with a name of its own, and checks."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from lumin_core import registry
from lumin_core.testing.cases import checks_of
from lumin_core.testing.common_checks import CHECKS as OF_ALL
from lumin_core.testing.outcome import CheckFailed
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from lumin_core.registry import Kind
    from lumin_core.testing.subject import Subject


def check_kind_names(subject: Subject) -> None:
    """The base class says the singular, which with the plural is no other kind's."""
    singular = getattr(subject.target, "kind", None)
    plural = subject.name.rpartition("/")[2]
    if not isinstance(singular, str) or not singular.isidentifier() or singular == plural:
        raise CheckFailed(f"expected kind = 'the_singular' in the base class of {plural!r}, got {singular!r}")
    keys = {registry.normalise(singular), registry.normalise(plural)}
    taken = [kind for kind in registry.kinds() if kind.keys & keys and kind.plural != plural]
    if taken:
        raise CheckFailed(
            f"expected names that no other kind has, but {taken[0].plural!r} has one of them; choose others"
        )


def check_kind_abstract(subject: Subject) -> None:
    """The base class says by abstract methods what a component has to have."""
    if not isinstance(subject.target, type) or not inspect.isabstract(subject.target):
        raise CheckFailed(
            f"expected a base class with abstract methods, got {subject.target!r}; derive it from abc.ABC, and mark "
            "what a component must define by @abstractmethod"
        )


def check_kind_documented(subject: Subject) -> None:
    """The docstring of the base class and of each abstract method says the contract."""
    methods = sorted(getattr(subject.target, "__abstractmethods__", ()))
    bare = [name for name in methods if not inspect.getdoc(getattr(subject.target, name))]
    if not inspect.getdoc(subject.target) or bare:
        raise CheckFailed(
            f"expected docstrings that say what goes in and comes out, shapes and units, got none of "
            f"{', '.join(bare) or subject.target.__name__}; lumin describe KIND shows them"
        )


def check_kind_checks(subject: Subject) -> None:
    """The plugin that declares it brings its checks, through the entry-point group `lumin.checks`."""
    if len(checks_of(_kind_of(subject).singular)) == len(OF_ALL):
        plural = subject.name.rpartition("/")[2]
        raise CheckFailed(
            f"expected checks of the kind from the distribution that declares it, got none; add to its pyproject.toml "
            f'[project.entry-points."lumin.checks"] {plural} = "package.checks:CHECKS", a tuple of '
            "lumin_core.testing.Check"
        )


def _kind_of(subject: Subject) -> Kind:
    return registry.find_kind(subject.name.rpartition("/")[2])


CHECKS = tuple(
    Check(function) for function in (check_kind_names, check_kind_abstract, check_kind_documented, check_kind_checks)
)
