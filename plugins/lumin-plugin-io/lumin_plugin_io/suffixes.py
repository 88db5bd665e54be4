"""What reads or writes a file, by the ending of its name.

The endings of ours stand here, so that nothing is imported to find them and nothing that is
installed takes their place; those of others are asked of the registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.checks import listed
from lumin_core.errors import AmbiguousComponent, BrokenPlugin, ConfigError
from lumin_core.looks import look_at
from lumin_core.registry import components

if TYPE_CHECKING:
    from pathlib import Path

_OURS = {".root": "root", ".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".csv.gz": "csv"}
_LOOKS = {"root": "root", "parquet": "parquet", "csv": "csv", "csv_gz": "csv"}
_EXTRAS = {"root": "root", "parquet": "parquet", "csv": "parquet"}
_KINDS = {"reader": ("root", "parquet", "csv"), "writer": ("root", "parquet")}


def by_suffix(kind: str, path: Path) -> str:
    """Return the name of what reads or writes a file.

    Args:
        kind: ``"reader"`` or ``"writer"``.
        path: The file. One to be read whose ending says nothing is told by its look.

    Raises:
        AmbiguousComponent: If several have that ending.
        ConfigError: If none has.

    Example:
        >>> from pathlib import Path
        >>> from lumin_plugin_io.suffixes import by_suffix
        >>> by_suffix("reader", Path("events.ROOT")), by_suffix("writer", Path("scores.parquet"))
        ('io/root', 'io/parquet')
    """
    name = path.name.lower()
    ours = {suffix: f"io/{which}" for suffix, which in _OURS.items() if which in _KINDS[kind]}
    if found := [qualified for suffix, qualified in ours.items() if name.endswith(suffix)]:
        return found[0]
    others = _others(kind)
    found = sorted({qualified for suffix, qualified in others if name.endswith(suffix.lower())})
    if len(found) > 1:
        raise AmbiguousComponent(f"several {kind}s have the ending of {path}: {listed(found)}; name one of them")
    if not found and kind == "reader" and (look := _LOOKS.get(look_at(path).kind)):
        return f"io/{look}"
    if not found:
        known = listed(sorted({*ours, *(suffix for suffix, _ in others)}))
        verb = "read" if kind == "reader" else "write"
        raise ConfigError(f"the ending of {path} does not say how to {verb} it; known endings are {known}")
    return found[0]


def _others(kind: str) -> list[tuple[str, str]]:
    """List endings and names of what others have and the session; broken ones have none."""
    pairs = []
    for component in components(kind):
        if component.distribution != "lumin-plugin-io" and component.problem is None:
            try:
                suffixes = component.load().suffixes
            except BrokenPlugin:
                continue
            pairs += [(suffix, component.qualified) for suffix in suffixes]
    return pairs


def needs(error: BrokenPlugin, name: str) -> ConfigError | BrokenPlugin:
    """Return what to say where one of ours cannot be imported: the packages that it needs.

    Args:
        error: What the registry raised.
        name: Of the reader or writer, ``"io/root"``.

    Example:
        >>> from lumin_core.errors import BrokenPlugin
        >>> from lumin_plugin_io.suffixes import needs
        >>> error = BrokenPlugin("...")
        >>> error.__cause__ = ModuleNotFoundError("No module named 'uproot'")
        >>> str(needs(error, "io/root")).partition(": ")[2]
        "pip install 'lumin-plugin-io[root]'"
    """
    extra = _EXTRAS.get(name.removeprefix("io/"))
    if extra is None or not isinstance(error.__cause__, ModuleNotFoundError):
        return error
    return ConfigError(
        f"{name} needs packages that are missing ({error.__cause__}): pip install 'lumin-plugin-io[{extra}]'"
    )
