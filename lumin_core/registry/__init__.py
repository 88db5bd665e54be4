"""Components by name: what is installed, what the session registered, and the one function that builds them.

Importing this imports no plugin, nor torch, numpy, pandas or h5py. What listing does not need is loaded at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lumin_core.registry.component import Component, Kind
from lumin_core.registry.lookup import components, find, find_kind, kinds, refresh

if TYPE_CHECKING:
    from lumin_core.registry.config import UnnamedComponent, qualified_name, to_config
    from lumin_core.registry.construct import build, resolve
    from lumin_core.registry.record import pinned, recording
    from lumin_core.registry.session import register, temporary
    from lumin_core.registry.validation import check

__all__ = [
    "Component",
    "Kind",
    "UnnamedComponent",
    "build",
    "check",
    "components",
    "find",
    "find_kind",
    "kinds",
    "pinned",
    "qualified_name",
    "recording",
    "refresh",
    "register",
    "resolve",
    "temporary",
    "to_config",
]

_HOMES = {
    "UnnamedComponent": "config",
    "build": "construct",
    "check": "validation",
    "pinned": "record",
    "qualified_name": "config",
    "recording": "record",
    "register": "session",
    "resolve": "construct",
    "temporary": "session",
    "to_config": "config",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module, at first use."""
    if name not in _HOMES:
        raise AttributeError(f"lumin_core.registry has no {name!r}; its names are: {', '.join(__all__)}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
