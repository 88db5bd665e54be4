"""Components and options that are called otherwise now, so that files of before stay readable.

A plugin says by entry points in the group ``lumin.aliases`` what its components were called, and a
class by ``renamed`` what its options were. Either is asked last: a name that somebody has means
that one, and an option that the constructor takes is that option.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lumin_core.errors import BrokenPlugin, ConfigError
from lumin_core.registry.names import normalise, short
from lumin_core.registry.scan import scanned
from lumin_core.registry.signature import signature_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from lumin_core.registry.component import Component

_told: set[str] = set()


def aliases(name: str) -> list[str]:
    """Return what a name stands for by the aliases of plugins, as qualified names.

    Args:
        name: The name that was, bare or qualified: a plugin speaks for its own alone.

    Example:
        >>> from lumin_core.registry.renaming import aliases
        >>> aliases("my-blocks/no_such_name")
        []
    """
    origin, _, bare = name.rpartition("/")
    found = [
        entry.value.replace(":", "/").partition("/")
        for entry in scanned().beside
        if entry.kind == "aliases" and entry.key == normalise(bare)
        if not origin or short(entry.distribution) == short(origin)
    ]
    return [f"{short(distribution)}/{new}" for distribution, _, new in found]


def tell(line: str) -> None:
    """Warn that something is called otherwise now, once in a process.

    Args:
        line: What it is.
    """
    if line not in _told:
        _told.add(line)
        warnings.warn(line, FutureWarning, stacklevel=2)


def with_new_names(constructor: Callable[..., object], options: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Copy options under the names that they have now, as the class says by ``renamed``.

    Args:
        constructor: The class; its ``renamed`` is a dict of old names to new ones.
        options: The options.
        label: What they are for, for messages.

    Raises:
        ConfigError: If an option is given under both names.
        BrokenPlugin: If ``renamed`` is no such dict.

    Example:
        >>> import warnings
        >>> from lumin_core.registry.renaming import with_new_names
        >>> class Mine:
        ...     renamed = {"n_hidden": "width"}
        ...     def __init__(self, width=3): ...
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     with_new_names(Mine, {"n_hidden": 8}, "body 'mine'")
        {'width': 8}
    """
    renamed = _renamed(constructor, label)
    takes = signature_of(constructor).names if renamed.keys() & options.keys() else ()
    changed = {}
    for name, value in options.items():
        new = renamed.get(name, name) if name not in takes else name
        if new in changed or (new != name and new in options):
            raise ConfigError(f"the {label} is given {name!r} and {new!r}, which are one option; keep {new!r}")
        if new != name:
            tell(f"the option {name!r} of the {label} is called {new!r} now; write that")
        changed[new] = value
    return changed


def _renamed(constructor: object, label: str) -> Mapping[str, str]:
    renamed: object = getattr(constructor, "renamed", None) or {}
    if not isinstance(renamed, Mapping) or not all(isinstance(name, str) for pair in renamed.items() for name in pair):
        raise BrokenPlugin(f"renamed of the {label} should be a dict of old names of options to new, got {renamed!r}")
    return renamed


def now_named(component: Component, options: Mapping[str, Any]) -> dict[str, Any]:
    """Copy options under the names that they have now, where that is known without an import.

    Args:
        component: Whose options they are.
        options: The options.

    Example:
        >>> from lumin_core.registry import find
        >>> from lumin_core.registry.renaming import now_named
        >>> now_named(find("optimiser", "adam"), {"lr": 0.1})
        {'lr': 0.1}
    """
    is_loaded = component.obj is not None or component.value.partition(":")[0] in sys.modules
    if component.problem is not None or not is_loaded:
        return dict(options)
    return with_new_names(component.load(), options, f"{component.kind} {component.qualified!r}")


def spec_now(was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a specification as it would be written now, for one that it is compared to.

    Args:
        was: The specification, as a config holds it.
        now: The other one.

    Example:
        >>> from lumin_core.registry.renaming import spec_now
        >>> spec_now({"name": "core/adam", "lr": 0.1}, {"name": "core/adam"})
        {'name': 'core/adam', 'lr': 0.1}
    """
    name = now.get("name")
    if not isinstance(name, str) or not is_now(was.get("name"), name):
        return dict(was)
    options = {key: value for key, value in was.items() if key != "name"}
    same = next((found for found in scanned().components if found.qualified == name), None)
    return {"name": name, **(options if same is None else now_named(same, options))}


def is_now(was: object, now: object) -> bool:
    """Tell whether a qualified name is the one that another stands for.

    Args:
        was: The name as it was written.
        now: The name as it is.

    Example:
        >>> from lumin_core.registry.renaming import is_now
        >>> is_now("core/adam", "core/adam"), is_now("core/adam", "core/sgd")
        (True, False)
    """
    return was == now or (isinstance(was, str) and "/" in was and now in aliases(was))
