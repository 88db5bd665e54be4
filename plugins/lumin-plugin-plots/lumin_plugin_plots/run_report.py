"""The report of a run: its sections, which are components that others add to, as one page."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define

from lumin_core import __version__, registry
from lumin_core.arguments import explained
from lumin_core.display import count
from lumin_core.errors import ConfigError, LuminError
from lumin_core.files import naming, write_text
from lumin_core.runs import Figure, Run, Table, Text
from lumin_plugin_plots.page import Section, page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lumin_core.registry import Component
    from lumin_core.runs import Part, ReportSection

NAME = "report.html"
"""Of the file in the run's folder."""

_log = logging.getLogger(__name__)


@define(frozen=True)
class Written:
    """What was written.

    Attributes:
        path: The page.
        failed: Sections that could not be made, and why.
    """

    path: Path
    failed: dict[str, str]


@explained
def write_report(run: str | Path | Run, path: str | Path | None = None) -> Written:
    """Write the report of a run, which may be going on: one page of HTML that needs nothing else.

    Its sections are the components of the kind ``report_sections``, see `ReportSection`.

    Args:
        run: The run's folder, or the run.
        path: The file, which is replaced; by default ``report.html`` in the run's folder.

    Returns:
        What was written. A section that fails says so in its place.

    Raises:
        ConfigError: If there is no run, or the file cannot be written.

    Example:
        >>> from lumin_plugin_plots import write_report
        >>> write_report("no_such_run")
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: .../no_such_run holds no run; ...
    """
    run = run if isinstance(run, Run) else Run.open(run)
    target = run.folder.path / NAME if path is None else page_path(path)
    failed: dict[str, str] = {}
    sections = [_built(component, run, failed) for component in registry.components("report_section")]
    ordered = [section for _, section in sorted(sections, key=lambda pair: pair[0])]
    write_text(
        target, page("/".join(run.folder.path.parts[-2:]), f"Report of {_state(run)}, {written_when()}", ordered)
    )
    return Written(target, failed)


def page_path(path: str | Path) -> Path:
    """Return where a page is written to.

    Args:
        path: Its file.

    Raises:
        ConfigError: If it cannot be the name of a file, or is a folder.

    Example:
        >>> from lumin_plugin_plots.run_report import page_path
        >>> page_path("plots/report.html").name
        'report.html'
    """
    with naming(path, ConfigError):
        target = Path(path).expanduser().resolve()
    if target.is_dir():
        raise ConfigError(f"{target} is a folder; give the name of a file, such as {target / NAME}")
    return target


def written_when() -> str:
    """Say when a page is written, and by what."""
    return f"written on {datetime.now().astimezone():%Y-%m-%d at %H:%M %Z} by lumin-core {__version__}"


def _state(run: Run) -> str:
    n_finished = len(run.finished)
    of_all = "finished" if run.is_finished else f"{n_finished} of which {'is' if n_finished == 1 else 'are'} finished"
    return f"a run of {count(run.n_models, 'model')}, {of_all}"


def _built(component: Component, run: Run, failed: dict[str, str]) -> tuple[tuple[int, str], Section]:
    """Build a section, with its place in the order; one that fails says why."""
    place, title = (1000, component.qualified), component.name.replace("_", " ").capitalize()
    try:
        section: ReportSection = registry.build("report_section", component.qualified)
        place, title = (section.order, component.qualified), section.title
    except Exception as error:  # noqa: BLE001  (a plugin is anybody's code, and the page is made without it)
        return place, _without(title, error, failed)
    return place, attempted(title, partial(section.build, run), failed)


def attempted(title: str, build: Callable[[], Sequence[Part]], failed: dict[str, str]) -> Section:
    """Build a section; one that fails says so in its place.

    Args:
        title: Its heading.
        build: Builds its parts.
        failed: Where it is noted why it failed.

    Example:
        >>> from lumin_plugin_plots.run_report import attempted
        >>> failed = {}
        >>> attempted("Loss", lambda: [1 / 0], failed).parts, failed
        ([Text(title='', text='This is not shown: ZeroDivisionError: ...')], {'Loss': 'ZeroDiv...
    """
    try:
        parts: Sequence[object] = build()
        known = [part for part in parts if isinstance(part, Figure | Table | Text)]
        if len(known) < len(parts):
            raise TypeError(f"a section has figures, tables and texts, got {parts!r}")
        return Section(title, known)
    except Exception as error:  # noqa: BLE001  (a section is anybody's code, and the page is made without it)
        return _without(title, error, failed)


def _without(title: str, error: Exception, failed: dict[str, str]) -> Section:
    _log.debug("the section %s failed", title, exc_info=error)
    failed[title] = str(error) if isinstance(error, LuminError) else f"{type(error).__name__}: {error}"
    return Section(title, [Text(text=f"This is not shown: {failed[title]}")])
