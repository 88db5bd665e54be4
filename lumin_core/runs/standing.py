"""Whether a folder holds an earlier run: told by its files, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.errors import ConfigError, option

if TYPE_CHECKING:
    from pathlib import Path


def holds_run(folder: Path) -> bool:
    """Tell whether a folder holds a run, finished or not.

    Args:
        folder: The folder.

    Example:
        >>> import pathlib
        >>> from lumin_core.runs import holds_run
        >>> holds_run(pathlib.Path("no_such_folder"))
        False
    """
    return any((folder / name).exists() for name in ("run.json", "results.json"))


def refuse_earlier_run(folder: Path) -> None:
    """Refuse a folder that holds a run which is neither to go on nor to be replaced.

    Args:
        folder: The folder.

    Raises:
        ConfigError: If it holds one.

    Example:
        >>> import pathlib
        >>> from lumin_core.runs import refuse_earlier_run
        >>> refuse_earlier_run(pathlib.Path("no_such_folder"))
    """
    if holds_run(folder):
        raise ConfigError(
            f"{folder} holds an earlier run; choose another savepath, pass {option('resume')} to go on with it, "
            f"or pass {option('overwrite')} to replace it"
        )
