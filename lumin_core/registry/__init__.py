"""Components by name: what is installed, what the session registered, and the one function that builds them.

Importing this imports no plugin, nor torch, numpy, pandas or h5py.
"""

from __future__ import annotations

from lumin_core.registry.component import Component, Kind
from lumin_core.registry.config import UnnamedComponent, qualified_name, to_config
from lumin_core.registry.construct import build, resolve
from lumin_core.registry.lookup import components, find, find_kind, kinds, refresh
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
