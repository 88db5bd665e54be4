"""Run all checks of a component, or of a distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.testing.cases import cases_of
from lumin_core.testing.outcome import Report
from lumin_core.testing.subject import installed, subject_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def check(
    thing: object,
    kind: str | None = None,
    *,
    expected_failures: Mapping[str, str] | None = None,
    full: bool | None = None,
) -> Report:
    """Run all checks of a component. Nothing is raised: the report says what came of them.

    Args:
        thing: The component: a class, a function, a partial, an instance.
        kind: Its kind, where neither its base class nor its registration says it.
        expected_failures: Name of a check to the reason why it fails; one that passes fails.
        full: Whether slow checks are run, such as exports; None where the environment has ``CI``.

    Returns:
        The report, a table where it is shown.

    Raises:
        ConfigError: If nothing says of what kind it is.

    Example:
        >>> from torch import nn
        >>> from lumin_core.testing import check
        >>> check(nn.ReLU, "activation").passed
        True
    """
    subject = subject_of(thing, kind, expected_failures)
    return Report([case.run() for case in cases_of([subject], full=full)], subject.label)


def check_distribution(distribution: str, *, full: bool | None = None) -> Report:
    """Run all checks of all components of an installed distribution.

    Args:
        distribution: Its name.
        full: As for `check`.

    Returns:
        The report; ``report.write("lumin-checks.json")`` keeps it.

    Raises:
        UnknownComponent: If it is not installed, or has no component.

    Example:
        >>> from lumin_core.testing import check_distribution
        >>> report = check_distribution("lumin-plugin-losses")
        >>> report.passed
        True
    """
    return Report([case.run() for case in cases_of(installed(distribution), full=full)], distribution)
