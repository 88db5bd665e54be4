"""What comes of a check, and of many."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lumin_core import PLUGIN_API, __version__
from lumin_core.checks import listed
from lumin_core.display import Displayed, Row
from lumin_core.files import write_json
from lumin_core.testing.shipped import digest_of_sources

if TYPE_CHECKING:
    from collections.abc import Iterable

State = Literal["passed", "failed", "expected", "warned", "skipped"]
"""``expected``: fails, as was declared. ``warned``: advice, or a check newer than the plugin."""


class CheckFailed(AssertionError):
    """A promise is broken: what was expected, what came, and what to do.

    Example:
        >>> from lumin_core.testing import CheckFailed
        >>> raise CheckFailed("the width should be 4, got 3; see get_out_size()")
        Traceback (most recent call last):
        ...
        lumin_core.testing.outcome.CheckFailed: the width should be 4, got 3; see ...
    """


class Advice(Exception):
    """A promise is kept, but not as readers expect: what to do.

    Example:
        >>> from lumin_core.testing import Advice
        >>> str(Advice("call it my_head"))
        'call it my_head'
    """


class CheckWarning(FutureWarning):
    """What a check has to say to pytest without failing there.

    Example:
        >>> from lumin_core.testing import CheckWarning
        >>> issubclass(CheckWarning, FutureWarning)
        True
    """


class NotApplicable(Exception):
    """A check has nothing to look at here, and says why.

    Example:
        >>> from lumin_core.testing import NotApplicable
        >>> str(NotApplicable("it takes no matrix"))
        'it takes no matrix'
    """


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one check of one component.

    Attributes:
        kind: Kind of the component, ``"head"``.
        name: Its qualified name, or that of the class.
        check: Name of the check.
        state: ``"passed"``, ``"failed"``, ``"expected"``, ``"warned"`` or ``"skipped"``.
        message: What is wrong, why it was expected, or why nothing was looked at.
        seconds: How long it took.
        error: What was raised.

    Example:
        >>> from lumin_core.testing import Outcome
        >>> Outcome("head", "mine/my_head", "check_block_shape", "passed").state
        'passed'
    """

    kind: str
    name: str
    check: str
    state: State
    message: str = ""
    seconds: float = 0.0
    error: BaseException | None = None


class Report(Displayed):
    """What came of all checks, as a table.

    Args:
        outcomes: What came of each.
        about: What was looked at: the name of a distribution, or of a component.

    Example:
        >>> from lumin_core.testing import Outcome, Report
        >>> failed = Outcome("head", "mine/my_head", "check_block_shape", "failed", "got (2, 3)")
        >>> report = Report([failed], "mine")
        >>> report
        mine: 1 failed
          failed  head mine/my_head, check_block_shape: got (2, 3)
        >>> report.passed
        False
    """

    def __init__(self, outcomes: Iterable[Outcome], about: str) -> None:
        self.outcomes = list(outcomes)
        self.about = about

    @property
    def passed(self) -> bool:
        """Whether something was looked at, and nothing failed."""
        return not self.failures and any(outcome.state == "passed" for outcome in self.outcomes)

    @property
    def failures(self) -> list[Outcome]:
        """What failed."""
        return self._of("failed")

    def write(self, path: str | Path) -> Path:
        """Write versions, what passed and what was expected to fail, as ``lumin-checks.json``.

        Args:
            path: The file; one that is there is replaced.

        Returns:
            The path.

        Raises:
            CheckFailed: If something failed: the file says that all is well.
            FileError: If it cannot be written.

        Example:
            >>> import tempfile
            >>> from pathlib import Path
            >>> from lumin_core.testing import Outcome, Report
            >>> outcomes = [Outcome("head", "my_head", "check_block_shape", "passed")]
            >>> report = Report(outcomes, "MyHead")
            >>> report.write(Path(tempfile.mkdtemp()) / "lumin-checks.json").name
            'lumin-checks.json'
        """
        if not self.passed:
            raise CheckFailed(f"a file of checks says that all passed, but:\n{self!r}")
        write_json(Path(path), self.to_dict())
        return Path(path)

    def to_dict(self) -> dict[str, object]:
        """Return what `write` writes, as plain values.

        Example:
            >>> from lumin_core.testing import Outcome, Report
            >>> outcomes = [Outcome("head", "my_head", "check_block_shape", "passed")]
            >>> Report(outcomes, "MyHead").to_dict()["passed"]
            {'head my_head': ['check_block_shape']}
        """
        names: dict[str, list[str]] = {}
        for outcome in self._of("passed"):
            names.setdefault(_of_what(outcome), []).append(outcome.check)
        return {
            "about": self.about,
            "versions": {"plugin_api": PLUGIN_API, "lumin-core": __version__, **_version_of(self.about)},
            "sources": digest_of_sources(self.about),
            "passed": names,
            "expected_failures": self._reasons("expected"),
            "warnings": self._reasons("warned"),
            "skipped": self._reasons("skipped"),
        }

    def _title(self) -> str:
        counts = Counter[str](outcome.state for outcome in self.outcomes)
        said = [f"{counts[state]} {said}" for state, said in _SAID.items() if counts[state]]
        return f"{self.about}: {', '.join(said) or 'there was no check'}"

    def _rows(self) -> Iterable[Row]:
        for state in ("failed", "warned", "expected"):
            for outcome in self._of(state):
                yield state, f"{_of_what(outcome)}, {outcome.check}: {outcome.message}"
        reasons: dict[str, list[str]] = {}
        for outcome in self._of("skipped"):
            reasons.setdefault(outcome.message, []).append(outcome.check)
        yield from (("skipped", f"{listed(dict.fromkeys(checks))}: {why}") for why, checks in reasons.items())

    def _of(self, state: str) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.state == state]

    def _reasons(self, state: str) -> dict[str, dict[str, str]]:
        reasons: dict[str, dict[str, str]] = {}
        for outcome in self._of(state):
            reasons.setdefault(_of_what(outcome), {})[outcome.check] = outcome.message
        return reasons


_SAID = {
    "passed": "passed",
    "failed": "failed",
    "warned": "warned of",
    "expected": "failed as expected",
    "skipped": "skipped",
}


def _of_what(outcome: Outcome) -> str:
    return f"{outcome.kind} {outcome.name}"


def _version_of(distribution: str) -> dict[str, str]:
    try:
        return {distribution: metadata.version(distribution)}
    except metadata.PackageNotFoundError:  # it is a class
        return {}
