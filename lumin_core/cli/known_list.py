"""``lumin list-plugins --known``: which plugins there are, installed or not, and what each has."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from lumin_core import __version__
from lumin_core.display import as_text
from lumin_core.registry.known_plugins import FILE, KnownPlugins, install_of, others, read_known
from lumin_core.registry.names import first_party

if TYPE_CHECKING:
    from lumin_core.display import Row
    from lumin_core.registry.names import Contents

SCHEMA = 1
"""Raised when a key of the JSON output changes its meaning or goes."""


def as_table(file: str) -> str:
    """Write what is known, a few lines for each plugin.

    Args:
        file: Another list of plugins; empty for ours and the list that is shipped with the core.

    Raises:
        ConfigError: If the file is no such list.

    Example:
        >>> from lumin_core.cli.known_list import as_table
        >>> as_table("").partition(",")[0].startswith("plugins known to lumin-core")
        True
    """
    known, title = _known(file)
    rows: list[Row] = [row for name, plugin in known.plugins.items() for row in _rows(name, plugin)]
    return as_text(title, rows or [("none", "the list has no plugin")])


def as_json(file: str) -> str:
    """Write what is known as JSON.

    Args:
        file: As for `as_table`.

    Raises:
        ConfigError: As for `as_table`.

    Example:
        >>> import json
        >>> from lumin_core.cli.known_list import as_json
        >>> sorted(json.loads(as_json("")))
        ['date', 'plugins', 'schema', 'version']
    """
    known, _ = _known(file)
    listed = [
        {
            "name": name,
            "summary": plugin.get("summary", ""),
            "url": plugin.get("url"),
            "installed": _version(name),
            "install": install_of(name, plugin),
            "kinds": plugin["kinds"],
            "components": plugin["components"],
        }
        for name, plugin in known.plugins.items()
    ]
    content = {"schema": SCHEMA, "version": __version__, "date": known.date, "plugins": listed}
    return json.dumps(content, indent=2)


def _known(file: str) -> tuple[KnownPlugins, str]:
    """Return the plugins of a list, and what is said above them."""
    if file:
        known = read_known(Path(file).expanduser())
        return known, f"plugins of {file}, of {known.date}"
    theirs = others()
    title = f"plugins known to lumin-core {__version__}, those of others as of {theirs.date} ({FILE.name})"
    return KnownPlugins(theirs.date, {**first_party()["plugins"], **theirs.plugins}), title


def _rows(name: str, plugin: Contents) -> list[Row]:
    """Say of a plugin whether it is there or how to install it, what it is, and what it has."""
    version = _version(name)
    there = f"{version} is installed" if version else install_of(name, plugin)
    texts = [there, plugin.get("summary", ""), plugin.get("url", "")]
    rows = [(name, "; ".join(filter(None, texts)))]
    rows += [(f"  {kind}", ", ".join(names)) for kind, names in plugin["components"].items()]
    return rows + ([("  kinds of its own", ", ".join(plugin["kinds"]))] if plugin["kinds"] else [])


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
