"""Write what our own plugins have, as their metadata say, for errors about what is not installed.

    python .ci/first_party.py

It reads every `plugins/*/pyproject.toml`, and of commands the first line of their help, for which the plugins must
be installed. `tests/architecture/test_tables.py` tells when it has to be run again.
"""

from __future__ import annotations

import json
import tomllib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from lumin_core.registry.names import Contents, FirstParty, singular

if TYPE_CHECKING:
    import click

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "lumin_core" / "registry" / "first_party.json"

MOVED = {"executor": {"core/processes": "farm/processes"}}
"""By kind, the qualified names that files of earlier versions may hold, with those that hold now."""


def first_party() -> FirstParty:
    """Collect what the plugins' metadata say."""
    projects = [tomllib.loads(path.read_text(encoding="utf-8")) for path in ROOT.glob("plugins/*/pyproject.toml")]
    built = {project["project"]["name"]: contents(project) for project in projects}
    return {"plugins": dict(sorted(built.items())), "moved": MOVED}


def contents(project: dict) -> Contents:
    """Sort the entry points of one plugin."""
    groups = project["project"].get("entry-points", {})
    groups = {group.removeprefix("lumin."): found for group, found in groups.items() if group.startswith("lumin.")}
    groups.pop("checks", None)  # which are no components
    return {
        "kinds": sorted(groups.pop("kinds", {})),
        "components": {singular(plural): sorted(found) for plural, found in sorted(groups.items())},
        "helps": {name: first_line(value) for name, value in sorted(groups.get("commands", {}).items())},
    }


def first_line(value: str) -> str:
    """Return the first line of a command's help."""
    module, _, attribute = value.partition(":")
    command: click.Command = getattr(import_module(module), attribute)
    return command.get_short_help_str(200)


def as_text() -> str:
    """Return the text of the file."""
    return json.dumps(first_party(), indent=2) + "\n"


if __name__ == "__main__":
    TARGET.write_text(as_text(), encoding="utf-8")
    print("wrote", TARGET.relative_to(ROOT))
