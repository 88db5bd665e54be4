"""Jobs that executors are asked to run: each does one small thing, elsewhere. Light to import."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003  (attrs reads it)
from types import SimpleNamespace
from typing import Any

from attrs import define

from lumin_core.runs.executor import Job

_NOTHING: Any = None  # of a plan: these jobs train nothing


class JobFailed(Exception):
    """What a job raises, whose type has to come back."""


@define(frozen=True, kw_only=True)
class SmallJob(Job):
    """A job that says where it ran, raises, or ends its process.

    Attributes:
        what: ``"say"``, ``"raise"`` or ``"die"``.
        place: The folder in which it says so.
    """

    what: str
    place: Path

    def run(self, threads: int | None = None, device: str | None = None) -> float:
        """Do it."""
        if self.what == "raise":
            raise JobFailed(f"job {self.number}")
        if self.what == "die":
            os._exit(9)
        (self.place / f"{self.number}").write_text(str(os.getpid()))
        return 0.0


def jobs(place: Path) -> list[SmallJob]:
    """Return jobs of which one raises.

    Args:
        place: An empty folder.

    Example:
        >>> from pathlib import Path  # noqa: TC003  (attrs reads it)
        >>> from lumin_core.testing.executor_jobs import jobs
        >>> [job.what for job in jobs(Path())]
        ['say', 'raise', 'say']
    """
    return _numbered(place, "say", "raise", "say")


def jobs_with_a_death(place: Path) -> list[SmallJob]:
    """Return jobs of which one ends its process, while others are to come.

    Args:
        place: An empty folder.
    """
    return _numbered(place, "die", "say", "say")


def _numbered(place: Path, *kinds: str) -> list[SmallJob]:
    folder: Any = SimpleNamespace(path=place)  # a `RunFolder` would be slow to import
    return [SmallJob(number=i, folder=folder, plan=_NOTHING, what=what, place=place) for i, what in enumerate(kinds)]
