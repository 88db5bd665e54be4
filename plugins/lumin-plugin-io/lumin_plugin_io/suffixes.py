"""What reads a file, by the ending of its name.

The endings of ours stand here, so that nothing is imported to find them and nothing that is
installed takes their place; those of others are asked of the registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.checks import listed
from lumin_core.data import READERS
from lumin_core.errors import AmbiguousComponent, BrokenPlugin, ConfigError
from lumin_core.looks import another, look_at
from lumin_core.registry import components

if TYPE_CHECKING:
    from pathlib import Path

    from lumin_core.looks import Look

_OURS = {
    ".root": "io/root_reader",
    ".parquet": "io/parquet_reader",
    ".pq": "io/parquet_reader",
    ".csv": "io/csv_reader",
    ".csv.gz": "io/csv_reader",
}
_EXTRAS = {"root": "root", "parquet": "parquet", "csv": "parquet"}  # by the first word of a name


def reader_of(path: Path) -> str:
    """Return the name of what reads a file; one whose ending says nothing is told by its look.

    Raises:
        AmbiguousComponent: If several have that ending.
        ConfigError: If none has.

    Example:
        >>> from pathlib import Path
        >>> from lumin_plugin_io.suffixes import reader_of
        >>> reader_of(Path("events.ROOT")), reader_of(Path("events.csv.gz"))
        ('io/root_reader', 'io/csv_reader')
    """
    name = path.name.lower()
    if found := [ours for suffix, ours in _OURS.items() if name.endswith(suffix)]:
        return found[0]
    others = _others()
    found = sorted({qualified for suffix, qualified in others if name.endswith(suffix.lower())})
    if len(found) > 1:
        raise AmbiguousComponent(f"several readers have the ending of {path}: {listed(found)}; name one of them")
    if not found and (look := READERS.get(look_at(path).kind)):
        return look
    if not found:
        known = listed(sorted({*_OURS, *(suffix for suffix, _ in others)}))
        other = another(path)
        it_is = f": it is {other}" if other else ""
        raise ConfigError(f"the ending of {path} does not say how to read it; known endings are {known}{it_is}")
    return found[0]


def told(path: Path, look: Look) -> str:
    """Say what a file is whose ending says otherwise, and the way out.

    Args:
        path: The file.
        look: What it looks like.

    Example:
        >>> from pathlib import Path
        >>> from lumin_core.looks import LOOKS
        >>> from lumin_plugin_io.suffixes import told
        >>> told(Path("events.root"), LOOKS["parquet"])
        'a Parquet file; give it a name that ends in .parquet'
    """
    if look.kind in READERS:
        return f"{look.what}; give it a name that ends in .{look.kind.replace('_', '.')}"
    return look.told(path)


def _others() -> list[tuple[str, str]]:
    """List endings and names of readers of others and the session; broken ones have none."""
    pairs = []
    for component in components("reader"):
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
        name: Of the reader, ``"io/root_reader"``.

    Example:
        >>> from lumin_core.errors import BrokenPlugin
        >>> from lumin_plugin_io.suffixes import needs
        >>> error = BrokenPlugin("...")
        >>> error.__cause__ = ModuleNotFoundError("No module named 'uproot'")
        >>> str(needs(error, "io/root_reader")).partition(": ")[2]
        "pip install 'lumin-plugin-io[root]'"
    """
    extra = _EXTRAS.get(name.removeprefix("io/").partition("_")[0])
    if extra is None or not isinstance(error.__cause__, ModuleNotFoundError):
        return error
    return ConfigError(
        f"{name} needs packages that are missing ({error.__cause__}): pip install 'lumin-plugin-io[{extra}]'"
    )
