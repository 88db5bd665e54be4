"""``lumin new-plugin``: a complete project of a plugin, without network."""

from __future__ import annotations

import keyword
import re
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lumin_core.display import as_text, short_path
from lumin_core.errors import ConfigError
from lumin_core.registry import canonical, find_kind, is_reserved, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_plugin_commands.cell import Cell
    from lumin_plugin_commands.template import Part

_PREFIX = "lumin-plugin-"
_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9._-]*[A-Za-z0-9])?")


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="A kind of component that it has; several times.")
@click.option(
    "--from",
    "cell",
    type=click.Path(path_type=Path),
    help="A file with the component, such as a cell of a notebook; nothing in it is run.",
)
def new_plugin(*, name: str, kinds: Sequence[str], cell: Path | None) -> None:
    """Write a new plugin into the folder NAME: components, tests, metadata, README, CI.

    Each component is a working one, to be changed; with --from it is that of a file. The kinds are
    those of `lumin describe KIND`.
    """
    from lumin_plugin_commands.project import files_of

    folder = Path(name)
    check_name(name)
    if folder.exists():
        raise ConfigError(f"there is {short_path(folder)} already; choose another name, or move it away")
    found = _cell(cell, kinds) if cell is not None else None
    parts = found.parts if found is not None else _parts(name, kinds)
    _write(folder, files_of(name, parts))
    click.echo(_told(name, folder, parts, found))


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a plugin.

    Args:
        name: The name of the distribution.

    Raises:
        ConfigError: If it is none, or another's.

    Example:
        >>> from lumin_plugin_commands.new_plugin import check_name
        >>> check_name("maxout-blocks")
        >>> check_name("gnn")
        Traceback (most recent call last):
        ...
        lumin_core.errors.ConfigError: 'gnn' is reserved for qualified names of lumin-core's own...
    """
    package = canonical(name).replace("-", "_")
    if _NAME.fullmatch(name) is None or keyword.iskeyword(package):
        raise ConfigError(f"{name!r} is no name for a plugin: a letter first, then letters, digits, '-', '_' and '.'")
    if is_reserved(name) or short(name) != canonical(name) or canonical(name) in ("lumin", "lumin-core"):
        what = "is reserved for qualified names of lumin-core's own plugins"
        raise ConfigError(f"{name!r} {what}; take another, such as {_PREFIX}my-blocks or my-blocks")
    if package in sys.stdlib_module_names or find_spec(package) is not None:
        raise ConfigError(f"there is a package {package!r} already, which one called so would hide; take another name")


def _parts(name: str, kinds: Sequence[str]) -> list[Part]:
    from lumin_plugin_commands.template import template_of

    if not kinds:
        raise click.UsageError("give the kind of the component, --kind body, or a file that has it, --from cell.py")
    stem = canonical(name).removeprefix(_PREFIX)
    chosen = dict.fromkeys(find_kind(kind) for kind in kinds)
    return [template_of(kind, stem) for kind in chosen]


def _cell(path: Path, kinds: Sequence[str]) -> Cell:
    from lumin_plugin_commands.cell import read_cell

    if len(kinds) > 1:
        raise click.UsageError("with --from one --kind says what the component of the file is; leave the others out")
    return read_cell(path.expanduser(), find_kind(kinds[0]) if kinds else None)


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write all files, or nothing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-plugin-"))
    try:
        for name, text in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        made.chmod(0o755)
        made.replace(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _told(name: str, folder: Path, parts: Sequence[Part], cell: Cell | None) -> str:
    """Say what was written, what of the file needs a look, and how to go on."""
    rows = [(part.kind.singular, f"{part.name}, in {folder}/src/.../{part.module}.py") for part in parts]
    rows += [] if cell is None else [("look at", line) for line in cell.remarks]
    rows += [("next", f'cd {folder} && pip install -e ".[test]" && pytest && lumin check-plugin .')]
    return as_text(f"wrote the plugin {name}", rows)
