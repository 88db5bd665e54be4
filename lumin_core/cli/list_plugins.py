"""``lumin list-plugins``: what is installed, read from metadata.

Only ``--check`` and ``--hooks`` import anything.
"""

from __future__ import annotations

import inspect
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click

from lumin_core.cli.plain_text import without_markup
from lumin_core.display import count, width, wrapped
from lumin_core.errors import UnknownComponent
from lumin_core.registry import components, find_kind, kinds
from lumin_core.registry.names import canonical, first_party, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.registry import Component

T = TypeVar("T", "Component", "Row")

SCHEMA = 1
"""Raised when a key of the JSON output changes its meaning or goes."""


def _known_kind(ctx: click.Context, option: click.Parameter, kind: str | None) -> str | None:
    if kind is None or kind in {component.kind for component in components()}:
        return kind
    try:
        return find_kind(kind).singular
    except UnknownComponent as error:
        raise click.BadParameter(str(error)) from error


def _known_package(ctx: click.Context, option: click.Parameter, package: str | None) -> str | None:
    if package is None:
        return None
    from lumin_core.registry.hints import known_distributions, suggestion

    known = sorted({short(name) for name in known_distributions()})
    if short(package) not in known:
        end = suggestion(canonical(package), known, f"known are {', '.join(known)}")
        raise click.BadParameter(f"there is no distribution {package!r} with components{end}")
    return short(package)


@click.command("list-plugins")
@click.option("--kind", callback=_known_kind, help="Only components of this kind: heads, bodies, losses, ...")
@click.option(
    "--package",
    callback=_known_package,
    help="Only components of this distribution: tabular, lumin-plugin-tabular, core, ...",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for other programs.")
@click.option(
    "--known",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Known plugins, installed or not, and what each has; of another list of plugins, a TOML file.",
)
@click.option("--all", "with_missing", is_flag=True, help="Also what our own plugins have that are not installed.")
@click.option(
    "--check", "with_check", is_flag=True, help="Import and check each component; exit with 1 if one is broken."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60,
    show_default=True,
    help="Seconds that importing one component may take, with --check.",
)
@click.option(
    "--hooks", is_flag=True, help="List the points of the training loop at which callbacks take part, instead."
)
@click.pass_context
def list_plugins(
    ctx: click.Context,
    *,
    kind: str | None,
    package: str | None,
    as_json: bool,
    known: str | None,
    with_missing: bool,
    with_check: bool,
    timeout: float,
    hooks: bool,
) -> None:
    """List the components that are installed, by kind."""
    if hooks:
        if any((kind, package, with_missing, with_check)):
            raise click.UsageError("--hooks goes with --json only; it lists points, not components")
        click.echo(_hooks_as_json() if as_json else _hooks_as_table())
        return
    if known is not None:
        if any((kind, package, with_missing, with_check)):
            raise click.UsageError("--known goes with --json only; it lists plugins, not components")
        from lumin_core.cli.known_list import as_json as known_as_json
        from lumin_core.cli.known_list import as_table as known_as_table

        click.echo(known_as_json(known) if as_json else known_as_table(known))
        return
    installed = _chosen(components(), kind, package)
    problems = _checked(installed, timeout) if with_check else [component.problem for component in installed]
    rows = [
        Row(c.kind, c.name, c.qualified, c.distribution, c.version, c.value, problem)
        for c, problem in zip(installed, problems, strict=True)
    ]
    rows += _chosen(_missing(), kind, package) if with_missing else []
    click.echo(_as_json(rows) if as_json else _as_check(rows) if with_check else _as_table(rows))
    if with_check and any(row.problem for row in rows):
        ctx.exit(1)


class Row(NamedTuple):
    """One component, as it is listed: the keys of the JSON output, in their order."""

    kind: str
    name: str
    qualified: str
    distribution: str
    version: str | None
    value: str | None
    problem: str | None
    installed: bool = True
    install: str | None = None


def _checked(installed: list[Component], timeout: float) -> list[str | None]:
    from lumin_core.registry.inspection import check_apart

    return check_apart(installed, timeout)


def _missing() -> list[Row]:
    """List what first-party plugins have that are neither installed nor switched off."""
    from lumin_core.registry.hints import missing

    return [
        Row(kind, name, f"{short(plugin)}/{name}", plugin, None, None, None, False, f"pip install {plugin}")
        for plugin, kind, name in missing()
        if plugin in first_party()["plugins"]
    ]


def _chosen(rows: list[T], kind: str | None, package: str | None) -> list[T]:
    return [row for row in rows if kind in (None, row.kind) and package in (None, short(row.distribution))]


def _as_json(rows: Sequence[Row]) -> str:
    import json

    from lumin_core import __version__

    listed = [row._asdict() for row in rows]
    return json.dumps({"schema": SCHEMA, "version": __version__, "components": listed}, indent=2)


def _as_check(rows: Sequence[Row]) -> str:
    broken = [row for row in rows if row.problem]
    lines = [f"{row.kind} {row.qualified}: {row.problem}" for row in broken]
    checked = count(sum(row.installed for row in rows), "component")
    return "\n".join([*lines, f"{checked} checked, {len(broken) or 'none'} broken"])


def _as_table(rows: Sequence[Row]) -> str:
    """Write one aligned table, kind by kind in the order of the kinds.

    Problems and remedies stand on lines of their own.
    """
    order = {kind.singular: index for index, kind in enumerate(kinds())}
    titles = {kind.singular: kind.plural for kind in kinds()}
    rows = sorted(rows, key=lambda row: (order.get(row.kind, len(order)), row.kind, row.name))
    room = Room.of(rows)
    lines = []
    for kind, members in groupby(rows, key=lambda row: row.kind):
        lines.append(titles.get(kind, f"{kind}s"))
        for row in members:
            lines += _lines(row, room)
        lines.append("")
    return "\n".join([*lines, _summary(rows)])


class Room(NamedTuple):
    """How wide lines and cells are; a name that is wider than its cell moves the others on."""

    line: int
    name: int
    origin: int

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Room:
        """Measure what rows need, and the line that they are to fit."""
        line = width()
        origin = max((len(short(row.distribution)) for row in rows), default=0)
        end = max((len(_end(row)) for row in rows), default=0)
        name = max((len(row.name) for row in rows), default=0)
        return cls(line, min(name, max(0, line - origin - end - 6)), origin)


def _end(row: Row) -> str:
    return row.install or (row.version or "") + ("  broken:" if row.problem else "")


def _lines(row: Row, room: Room) -> list[str]:
    text = f"{row.name:<{room.name}}  {short(row.distribution):<{room.origin}}  {_end(row)}".rstrip()
    margin = " " * 6
    problem = wrapped(row.problem, room.line, margin, margin) if row.problem else []
    fits = len(text) + 2 <= room.line  # as most do: to wrap thousands takes long
    return [*([f"  {text}"] if fits else wrapped(text, room.line, "  ", margin)), *problem]


def _summary(rows: Sequence[Row]) -> str:
    installed = [row for row in rows if row.installed]
    packages = {row.distribution for row in installed}
    parts = [f"{count(len(installed), 'component')} of {count(len(packages), 'package')}"]
    others = {"broken": sum(bool(row.problem) for row in rows), "not installed": len(rows) - len(installed)}
    parts += [f"{number} {what}" for what, number in others.items() if number]
    return ", ".join(parts)


def _hooks() -> list[tuple[str, str]]:
    """Return the points with their meaning, in the order in which they come."""
    from lumin_core.training.hookspecs import LuminSpec

    points = [(name, point) for name, point in vars(LuminSpec).items() if name.startswith("on_")]
    return [(name, " ".join((inspect.getdoc(point) or "").split())) for name, point in points]


def _hooks_as_json() -> str:
    import json

    return json.dumps({"schema": SCHEMA, "hooks": [{"name": name, "doc": doc} for name, doc in _hooks()]}, indent=2)


def _hooks_as_table() -> str:
    size = max(len(name) for name, _ in _hooks())
    lines = [
        line
        for name, doc in _hooks()
        for line in wrapped(without_markup(doc), width(), f"{name:<{size}}  ", " " * (size + 2))
    ]
    return "\n".join(lines)
