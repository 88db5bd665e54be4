"""Lazy faces: the public names of a package, each loaded from its module when it is first used.

A package's ``__init__.py`` says where its names are, and ``__init__.pyi`` beside it the same to
type checkers and editors, which do not run code. Importing the package then loads nothing:
``lumin list-plugins`` needs neither torch nor numpy.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from lumin_core.errors import BrokenPlugin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib.metadata import Distribution
    from types import ModuleType

    Face = tuple[Callable[[str], object], Callable[[], list[str]], list[str]]


def attach(
    package: str,
    homes: Mapping[str, Sequence[str]],
    modules: Sequence[str] = (),
    *,
    moved: Mapping[str, str] | None = None,
) -> Face:
    """Make the functions that give a package its lazy names.

    Args:
        package: The package, ``__name__``.
        homes: Its modules, relative to it, and the public names of each.
        modules: Modules that are public themselves.
        moved: Names that were public here, and the plugins' packages that have them now. Using one
            is an `ImportError` that says so: an `AttributeError` would not get through
            ``from package import name``, which makes an error of its own of it.

    Returns:
        ``__getattr__``, ``__dir__`` and ``__all__`` of the package.

    Example:
        >>> from lumin_core import lazy
        >>> get, names, public = lazy.attach("json", {"decoder": ["JSONDecoder"]}, ["encoder"])
        >>> get("JSONDecoder").__name__, get("encoder").__name__, public
        ('JSONDecoder', 'json.encoder', ['JSONDecoder', 'encoder'])
    """
    home_of = {name: f"{package}.{home}" for home, names in homes.items() for name in names}
    public = sorted([*home_of, *modules])

    def __getattr__(name: str) -> object:
        """Load a public name from its module, at first use."""
        if name in modules:
            return imported(f"{package}.{name}")
        if name in home_of:
            value = getattr(imported(home_of[name]), name)
            setattr(sys.modules[package], name, value)
            return value
        if now := (moved or {}).get(name):
            plugin = now.replace("_", "-")
            raise ImportError(f"{package}.{name} is now {now}.{name}: pip install {plugin}", name=package)
        raise AttributeError(f"{package} has no attribute {name!r}; its names are: {', '.join(public)}")

    return __getattr__, lambda: public, public


def imported(module: str) -> ModuleType:
    """Import a module, and say whose fault it is where torch stumbles over another distribution.

    Args:
        module: Its whole name.

    Raises:
        BrokenPlugin: If entry points of a distribution cannot be read, which torch reads all.
        Exception: Whatever else the import raises.

    Example:
        >>> from lumin_core.lazy import imported
        >>> imported("json.decoder").__name__
        'json.decoder'
    """
    try:
        return import_module(module)
    except (RuntimeError, TypeError, ValueError) as error:  # the first when it is asked again
        if not (astray := unreadable()):
            raise
        raise BrokenPlugin(
            f"{module} cannot be imported, as torch reads the entry points of all distributions, and those in "
            f"{', '.join(astray)} cannot be read: repair or remove that, or set TORCH_DEVICE_BACKEND_AUTOLOAD=0"
        ) from error


def unreadable() -> list[str]:
    """List the folders of distributions whose entry points cannot be read.

    Example:
        >>> from lumin_core.lazy import unreadable
        >>> unreadable()
        []
    """
    from importlib import metadata  # slow to import, and needed where something is wrong

    return [str(getattr(found, "_path", found)) for found in metadata.distributions() if not _is_readable(found)]


def _is_readable(distribution: Distribution) -> bool:
    try:
        return distribution.entry_points is not None
    except Exception:  # noqa: BLE001  # whatever it is, torch's own look at it fails, too
        return False
