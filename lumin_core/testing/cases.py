"""Checks, and the cases that they make with subjects.

The checks of a kind of the core stand in the module ``lumin_core.testing.<kind>_checks``; those of
a plugin's kind are an entry point of that plugin, in the group ``lumin.checks`` under the plural of
the kind.
"""

from __future__ import annotations

import difflib
import os
import sysconfig
import time
import traceback
import warnings
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lumin_core import registry
from lumin_core.checks import did_you_mean, listed
from lumin_core.errors import ConfigError, LuminError
from lumin_core.registry.component import for_authors, load_object
from lumin_core.registry.kind_table import CORE_KINDS
from lumin_core.registry.names import canonical
from lumin_core.testing.common_checks import CHECKS
from lumin_core.testing.outcome import Advice, CheckFailed, NotApplicable, Outcome, State
from lumin_core.testing.promises import Check
from lumin_core.testing.versions import only_warns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lumin_core.testing.subject import Subject

GROUP = "lumin.checks"


@dataclass(frozen=True, slots=True)
class Case:
    """One check of one subject.

    Attributes:
        subject: What is looked at.
        check: The check.
        full: Whether a slow check is run.
    """

    subject: Subject
    check: Check
    full: bool = False

    def __str__(self) -> str:
        """Name it, as pytest does: ``head-mine/my_head-check_block_shape``."""
        return f"{self.subject.kind}-{self.subject.name}-{self.check.name}"

    def run(self) -> Outcome:
        """Run the check, and say what came of it. Nothing is raised.

        What fails as an earlier check of the subject did has the same cause, and is skipped.
        """
        start = time.perf_counter()
        state, error = self._looked_at()
        reason = self.subject.expected_failures.get(self.check.name)
        message = "; ".join(filter(None, for_authors(_text_of(error))))
        if reason is not None and state == "passed":
            state, message = "failed", f"it should fail ({reason}), and passes: take it out of expected_failures"
        elif state == "failed" and reason is None and only_warns(self.check.since, self.subject.distribution):
            state, message = "warned", f"{message} (from the next minor release on this fails)"
        elif state == "failed":
            first = self._first_to_say(str(error))
            if reason is not None:
                state, message = "expected", reason
            elif first != self.check.name:
                state, message = "skipped", f"it fails as {first} does"
        where = self.subject.kind, self.subject.name, self.check.name
        return Outcome(*where, state, message, time.perf_counter() - start, error)

    def _first_to_say(self, text: str) -> str:
        """Return the check of the subject that said first what is wrong; of no words this one."""
        return self.subject.failed.setdefault(text, self.check.name) if text else self.check.name

    def _looked_at(self) -> tuple[State, Exception | None]:
        try:
            if self.check.is_slow and not self.full:
                raise NotApplicable("it is slow: asked for with full=True, --full, or CI in the environment")
            with warnings.catch_warnings():  # of what a component is made of, which pytest may make errors
                warnings.filterwarnings("ignore", category=DeprecationWarning)
                self.check.function(self.subject)
        except NotApplicable as reason:
            return "skipped", reason
        except Advice as advice:
            return "warned", advice
        except Exception as error:  # noqa: BLE001  (whatever a component raises is what came of it)
            return "failed", error
        return "passed", None


def checks_of(kind: str) -> tuple[Check, ...]:
    """Return the checks of a kind: those of all kinds, then its own.

    Args:
        kind: The kind, ``"head"``.

    Raises:
        BrokenPlugin: If those of a plugin cannot be imported.
        ConfigError: If what a plugin offers as checks is none.

    Example:
        >>> from lumin_core.testing import checks_of
        >>> "check_block_shape" in [check.name for check in checks_of("head")]
        True
    """
    return (*CHECKS, Check(check_attributes), *_own_checks(kind))


def check_attributes(subject: Subject) -> None:
    """What the class says to the checks is spelt as they read it: attributes, names of checks."""
    for name in vars(subject.target) if isinstance(subject.target, type) else ():
        meant = difflib.get_close_matches(name, _ATTRIBUTES, 1, 0.85)
        if meant and name not in _ATTRIBUTES:
            raise CheckFailed(f"the attribute {name} says nothing to the checks; did you mean {meant[0]!r}?")
    names = [check.name for check in checks_of(subject.kind)]
    if unknown := [name for name in subject.expected_failures if name not in names]:
        hint = did_you_mean(unknown[0], names) or f"; its checks are {listed(names)}"
        raise CheckFailed(f"expected_failures has {unknown[0]!r}, which is no check of a {subject.kind}{hint}")


_ATTRIBUTES = ("example_options", "expected_failures", "example_objectives", "example_inputs", "any_order")


def cases_of(subjects: Iterable[Subject], *, full: bool | None = None) -> list[Case]:
    """Return a case for every check of every subject.

    Args:
        subjects: What is looked at.
        full: Whether slow checks are run; None where the environment has ``CI``.

    Raises:
        ConfigError: If there is no subject.

    Example:
        >>> from lumin_core.testing import cases_of, installed
        >>> str(cases_of(installed("lumin-core"))[0])
        'activation-core/gelu-check_import'
    """
    is_full = bool(os.environ.get("CI")) if full is None else full
    cases = [Case(subject, check, is_full) for subject in subjects for check in checks_of(subject.kind)]
    if not cases:
        raise ConfigError("there is nothing to check: a run without a check says nothing; see installed(distribution)")
    return cases


def _own_checks(kind: str) -> tuple[Check, ...]:
    """Find the checks of a kind itself; none where nobody brought any."""
    if kind in {core.singular for core in CORE_KINDS} | {"kind"}:
        module = f"lumin_core.testing.{kind}_checks"
        value = f"{module}:CHECKS" if find_spec(module) else None
    else:
        value = _brought(kind)
    found = load_object(value, f"the checks of the kind {kind!r}") if value else ()
    if not isinstance(found, tuple) or not all(isinstance(check, Check) for check in found):
        raise ConfigError(f"{value} should be a tuple of lumin_core.testing.Check, got {found!r}")
    return found


def _brought(kind: str) -> str | None:
    """Return where the distribution that declares a kind has its checks."""
    declared = {component.name: component.distribution for component in registry.components("kind")}
    plural = next((known.plural for known in registry.kinds() if known.singular == kind), "")
    for entry in metadata.entry_points(group=GROUP, name=plural):
        if entry.dist is not None and canonical(entry.dist.name) == declared.get(plural):
            return entry.value
    return None


def _text_of(error: Exception | None) -> str:
    """Say what a check said, or what else was raised, and where of the modules of plugins."""
    if error is None or isinstance(error, AssertionError | NotApplicable | Advice | LuminError):
        return str(error or "")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_elsewhere(frame.filename)]
    where = f", raised in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _is_elsewhere(file: str) -> bool:
    """Tell whether a file is of lumin-core, torch or Python, rather than of a plugin."""
    is_of_python = file.startswith(("<", sysconfig.get_path("stdlib"))) and "site-packages" not in file
    return is_of_python or not {"lumin_core", "torch"}.isdisjoint(Path(file).parts)
