"""``lumin cache``: the fold files that were made of files of events on the way to a training."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lumin_plugin_io.cache import Entry

_WIDTH = 80
_UNITS = ("B", "kB", "MB", "GB", "TB")


@click.command("cache")
@click.option("--clear", is_flag=True, help="Remove them; they are made again when they are needed.")
def cache(*, clear: bool) -> None:
    """List the fold files that trainings made of recipes: their samples, size and last use.

    They are in the folder that LUMIN_CACHE names, else where the system keeps such files.
    """
    from lumin_core.display import count
    from lumin_plugin_io import cache as kept

    found = kept.clear() if clear else kept.entries()
    what = f"{count(len(found), 'conversion')}, {_size(sum(entry.size for entry in found))}"
    click.echo(f"{'Removed from' if clear else 'In'} {kept.cache_folder()}: {what}")
    for entry in found if not clear else []:
        click.echo(_line(entry))


def _line(entry: Entry) -> str:
    """Return a line of at most 80 columns about an entry."""
    used = datetime.fromtimestamp(entry.used).astimezone().strftime("%Y-%m-%d %H:%M")
    begin = f"{used}  {_size(entry.size):>8}  "
    text = f"{', '.join(entry.samples)} of {entry.recipe}"
    room = _WIDTH - len(begin)
    return begin + (text if len(text) <= room else f"{text[: room // 2 - 2]}...{text[-(room - room // 2 - 1) :]}")


def _size(n_bytes: float) -> str:
    """Return a size as text.

    Example:
        >>> from lumin_plugin_io.cache_command import _size
        >>> _size(0), _size(123_456_789)
        ('0 B', '123 MB')
    """
    unit = 0
    while n_bytes >= 1000 and unit < len(_UNITS) - 1:
        n_bytes, unit = n_bytes / 1000, unit + 1
    return f"{n_bytes:.3g} {_UNITS[unit]}"
