"""Plugins that are known: ours, and those of others that one file says, shipped with the core.

The file says what each has, so that an error about a name can say what to install, and
``lumin list-plugins --known`` what there is. Nothing is fetched; the file has a date. What our own
plugins have stands in ``first_party.json``, which is made of their metadata.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lumin_core.checks import check_keys
from lumin_core.errors import ConfigError
from lumin_core.registry.names import Contents, canonical, first_party, normalise, singular

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = Path(__file__).with_name("known_plugins.toml")
_TEXTS = ("summary", "url", "install")


class KnownPlugins(NamedTuple):
    """What a file of known plugins says.

    Attributes:
        date: When it was last looked through, ``"2026-11-29"``.
        plugins: What each plugin has, by distribution.
    """

    date: str
    plugins: Mapping[str, Contents]


def known_plugins() -> dict[str, Contents]:
    """Return what all known plugins have, ours first.

    Example:
        >>> from lumin_core.registry.known_plugins import known_plugins
        >>> next(iter(known_plugins()))
        'lumin-plugin-callbacks'
    """
    return {**first_party()["plugins"], **others().plugins}


@cache
def others() -> KnownPlugins:
    """Return the plugins of others, as the file that is shipped says.

    Example:
        >>> from lumin_core.registry.known_plugins import others
        >>> len(others().date)
        10
    """
    return read_known(FILE)


def read_known(path: Path) -> KnownPlugins:
    """Read a file of known plugins.

    Args:
        path: TOML: ``date``, and for each plugin a table ``[plugins.its-distribution]`` with
            ``summary``, ``components`` by the plural of their kind, and where it has them ``url``,
            ``install`` and ``kinds``.

    Raises:
        ConfigError: If it is not such a file.

    Example:
        >>> from lumin_core.registry.known_plugins import FILE, others, read_known
        >>> read_known(FILE) == others()
        True
    """
    from lumin_core.files import read_toml

    content = read_toml(path, "list of plugins")
    check_keys(content, ("date", "plugins"), str(path))
    plugins = content.get("plugins", {})
    if "date" not in content or not isinstance(plugins, dict):
        raise ConfigError(f"{path} needs date = 2026-01-31, and a table [plugins.NAME] for each plugin")
    read = {canonical(name): _contents(entry, f"[plugins.{name}] in {path}") for name, entry in plugins.items()}
    return KnownPlugins(str(content["date"]), read)


def _contents(entry: object, place: str) -> Contents:
    """Read what one plugin has."""
    if not isinstance(entry, dict):
        raise ConfigError(f"{place} must be a table, got {entry!r}")
    check_keys(entry, (*_TEXTS, "kinds", "components"), place)
    components, kinds = entry.get("components", {}), entry.get("kinds", [])
    lists = [kinds, *(components.values() if isinstance(components, dict) else [None])]
    if not all(isinstance(names, list) and all(isinstance(one, str) for one in names) for names in lists):
        raise ConfigError(f'{place} needs lists of names: kinds = ["parts"], components = {{heads = ["my_head"]}}')
    by_kind = {singular(plural): names for plural, names in components.items()}
    read: Contents = {"kinds": kinds, "components": by_kind, "helps": {}, "summary": str(entry.get("summary", ""))}
    if "url" in entry:
        read["url"] = str(entry["url"])
    if "install" in entry:
        read["install"] = str(entry["install"])
    return read


def install_of(plugin: str, contents: Contents | None = None) -> str:
    """Return how a known plugin is installed.

    Args:
        plugin: Its distribution.
        contents: What a list says of it; by default what is known.

    Example:
        >>> from lumin_core.registry.known_plugins import install_of
        >>> install_of("lumin-plugin-gnn")
        'pip install lumin-plugin-gnn'
    """
    return (contents or known_plugins()[plugin]).get("install", f"pip install {plugin}")


def owners(kind: str, key: str) -> list[tuple[str, str]]:
    """List the components of known plugins of a kind whose name has this compared form.

    Each is given as ``(distribution, name)``.

    Example:
        >>> from lumin_core.registry.known_plugins import owners
        >>> owners("head", "gnnhead")
        [('lumin-plugin-gnn', 'gnn_head')]
    """
    return [
        (plugin, name)
        for plugin, theirs in known_plugins().items()
        for name in theirs["components"].get(kind, ())
        if normalise(name) == key
    ]


def declarer(plural: str) -> str | None:
    """Return which known plugin declares a kind.

    Example:
        >>> from lumin_core.registry.known_plugins import declarer
        >>> declarer("graph_extractors"), declarer("heads")
        ('lumin-plugin-gnn', None)
    """
    return declared_kinds().get(plural)


def declared_kinds() -> dict[str, str]:
    """Return the kinds that known plugins declare, in the plural, and which plugin declares each.

    Example:
        >>> from lumin_core.registry.known_plugins import declared_kinds
        >>> declared_kinds()["graph_extractors"]
        'lumin-plugin-gnn'
    """
    return {plural: plugin for plugin, theirs in known_plugins().items() for plural in theirs["kinds"]}
