"""``lumin check-plugin``: is a plugin fit to be published, and what is to be done if not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from lumin_core.display import as_text, count
from lumin_core.errors import IncompatiblePlugin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from lumin_core.display import Row
    from lumin_core.testing import Report
    from lumin_plugin_commands.plugin_looks import Finding, Plugin

SCHEMA = 1
"""Raised when a key of the JSON output changes its meaning or goes."""

Look = tuple[str, "list[Finding | str]"]
"""What was looked at, and what came of it: findings, or what is well."""


@click.command("check-plugin")
@click.argument("plugin", default=".", metavar="[PATH|DIST]")
@click.option("--full", is_flag=True, default=None, help="Also slow checks, such as exports; as with CI set.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60,
    show_default=True,
    help="Seconds that importing one component may take.",
)
@click.option("--json", "with_json", is_flag=True, help="Write JSON, for other programs.")
@click.pass_context
def check_plugin(ctx: click.Context, *, plugin: str, full: bool | None, timeout: float, with_json: bool) -> None:
    """Check a plugin: metadata, entry points, bounds, install, import, and what components promise.

    PATH is the folder of its project, by default this one; DIST the name of an installed one. The
    exit code is 1 if anything is wrong. If all is well, the folder's package gets a file
    lumin-checks.json that says what passed.
    """
    from lumin_plugin_commands.plugin_looks import read_plugin

    found = read_plugin(plugin)
    reports: list[Report] = []
    looks = list(looks_at(found, timeout, full=full, reports=reports))
    is_well = not any(finding.is_error for _, finding in findings(looks))
    kept = _kept(found, reports) if is_well and reports else None
    click.echo(_as_json(found, looks, reports) if with_json else _as_table(found, looks, kept))
    if not is_well:
        ctx.exit(1)


def looks_at(plugin: Plugin, timeout: float, *, full: bool | None, reports: list[Report]) -> Iterator[Look]:
    """Look at everything, in an order in which what comes first may explain the rest.

    Args:
        plugin: The plugin.
        timeout: Seconds that importing a component may take.
        full: Whether slow checks are run; None where the environment has ``CI``.
        reports: Takes the report of the checks.

    Yields:
        What was looked at, and what came of it.
    """
    from lumin_plugin_commands import plugin_looks as looks

    yield "metadata", list(looks.look_at_metadata(plugin))
    yield "entry points", list(looks.look_at_entry_points(plugin))
    yield "core", list(looks.look_at_bounds(plugin))
    installed = list(looks.look_at_install(plugin))
    yield "install", installed
    if not plugin.components or any(one.error is IncompatiblePlugin for one in plugin.components):
        return
    yield "dependencies", list(looks.look_at_needs(plugin))
    imported = list(looks.look_at_import(plugin, timeout))
    yield "import", imported
    if any(not isinstance(one, str) for one in imported):
        yield "checks", ["not run: what cannot be imported comes first"]
    else:
        yield "checks", list(looks.look_at_promises(plugin, full=full, reports=reports))


def findings(looks: Iterable[Look]) -> list[tuple[str, Finding]]:
    """Return the findings of all looks, each with the name of the look.

    Args:
        looks: What came of them.

    Example:
        >>> from lumin_plugin_commands.check_plugin import findings
        >>> findings([("metadata", ["pyproject.toml can be read"])])
        []
    """
    return [(part, one) for part, came in looks for one in came if not isinstance(one, str)]


def _kept(plugin: Plugin, reports: Iterable[Report]) -> Path | None:
    """Write what passed into the package of the folder, to be shipped with it."""
    package = plugin.name.replace("-", "_")
    for folder in (plugin.folder / "src" / package, plugin.folder / package) if plugin.folder else ():
        if folder.is_dir():
            return next(iter(reports)).write(folder / "lumin-checks.json")
    return None


def _as_table(plugin: Plugin, looks: Iterable[Look], kept: Path | None) -> str:
    rows: list[Row] = []
    for part, came in looks:
        rows += [(part, _line(one)) for one in came]
    rows += [] if kept is None else [("written", str(kept))]
    wrong = [finding for _, finding in findings(looks)]
    errors = sum(finding.is_error for finding in wrong)
    said = [f"{count(errors, 'fault')}"] if errors else ["all is well"]
    said += [f"{count(len(wrong) - errors, 'piece')} of advice"] if len(wrong) > errors else []
    return as_text(f"{plugin.name}: {', '.join(said)}", rows)


def _line(one: Finding | str) -> str:
    if isinstance(one, str):
        return one
    return f"{'FAULT' if one.is_error else 'advice'}: {one.what} -> {one.way_out}"


def _as_json(plugin: Plugin, looks: Iterable[Look], reports: Iterable[Report]) -> str:
    found = [{"look": part, **finding._asdict()} for part, finding in findings(looks)]
    checks = [report.to_dict() for report in reports]
    content = {
        "schema": SCHEMA,
        "plugin": plugin.name,
        "passed": not any(finding["is_error"] for finding in found),
        "findings": found,
        "checks": checks[0] if checks else None,
    }
    return json.dumps(content, indent=2)
