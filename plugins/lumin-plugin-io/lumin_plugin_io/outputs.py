"""The files that a conversion writes: their names, and which of them are in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.data import name_to_write
from lumin_core.errors import FoldFileError
from lumin_core.files import refuse_existing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lumin_plugin_io.plan import Plan


def paths_of(recipe: Plan, savename: str | Path) -> dict[str, Path]:
    """Return the files of a recipe's parts.

    Args:
        recipe: What is wanted.
        savename: Of the file for the training.

    Raises:
        FoldFileError: If it cannot be the name of a fold file.

    Example:
        >>> from lumin_plugin_io import Recipe
        >>> from lumin_plugin_io.outputs import paths_of
        >>> split = {"parts": {"train": 0.5, "test": 0.5}}
        >>> paths = paths_of(Recipe(sample={"a": {}}, variables=["x"], split=split), "a.hdf5")
        >>> [path.name for path in paths.values()]
        ['a.hdf5', 'a.test.hdf5']
    """
    main = name_to_write(savename)
    first, *others = recipe.split.parts
    return {first: main, **{part: main.with_name(f"{main.stem}.{part}{main.suffix}") for part in others}}


def refuse_existing_parts(paths: Mapping[str, Path], *, overwrite: bool) -> None:
    """Refuse files that are there, unless they may be replaced.

    Args:
        paths: From `paths_of`.
        overwrite: Whether they may be.

    Raises:
        FoldFileError: Naming the first of them.
    """
    for path in paths.values():
        refuse_existing(path, overwrite=overwrite, error=FoldFileError)


def spool_of(main: Path, spool: Path | None) -> Path:
    """Return the folder of a conversion's spool.

    Args:
        main: The file for the training.
        spool: The folder that it is to lie in; by default the file's own.
    """
    return (main.parent if spool is None else spool.expanduser().resolve()) / f".{main.name}.spool"
