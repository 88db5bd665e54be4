"""Checks as cases of pytest, which is imported here alone."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

from lumin_core.testing.cases import Case, cases_of
from lumin_core.testing.outcome import CheckFailed, CheckWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lumin_core.testing.outcome import Outcome
    from lumin_core.testing.subject import Subject


def parametrize_with_checks(
    subjects: Iterable[Subject], *, full: bool | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a test function of one argument, ``check``, so that it is run for every check.

    ::

        @parametrize_with_checks(installed("my-dist"))
        def test_contract(check):
            check()

    Args:
        subjects: What is looked at, as `installed` gives it.
        full: Whether slow checks are run, such as exports; None where the environment has ``CI``.

    Returns:
        The decorator; a case has the name of component and check.

    Raises:
        ConfigError: If there is no subject.

    Example:
        >>> from lumin_core.testing import installed, parametrize_with_checks
        >>> @parametrize_with_checks(installed("lumin-core"))
        ... def test_contract(check):
        ...     check()
    """
    import pytest

    cases = [pytest.param(partial(_run, case), id=str(case)) for case in cases_of(subjects, full=full)]
    return pytest.mark.parametrize("check", cases)


def _run(case: Case) -> None:
    """Run a case, and say what came of it as pytest does."""
    import pytest

    outcome = case.run()
    if outcome.state == "skipped":
        pytest.skip(outcome.message)
    if outcome.state == "expected":
        pytest.xfail(outcome.message)
    if outcome.state == "warned":
        warnings.warn(_said(outcome), CheckWarning, stacklevel=2)
    if outcome.state == "failed":
        raise CheckFailed(_said(outcome)) from outcome.error


def _said(outcome: Outcome) -> str:
    return f"{outcome.kind} {outcome.name!r}: {outcome.message}"
