"""Components by name: what there is, and the one function that builds them.

There is what is installed and what the session registered. Importing this imports no plugin, nor
torch, numpy, pandas or h5py. What listing does not need is loaded at first use.
"""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "component": ["Component", "for_authors"],
    "config": ["UnnamedComponent", "UnsavableOption", "name_of", "qualified_name", "to_config"],
    "construct": ["build", "resolve"],
    "distributions": ["SavedPlugin", "saved_plugins"],
    "hints": ["not_installed"],
    "inspection": ["check_apart"],
    "kind_table": ["Kind"],
    "lookup": ["beside", "components", "find", "find_kind", "kinds", "pinned", "written"],
    "names": ["SEAMS", "canonical", "is_reserved", "normalise", "short", "snake_case"],
    "record": ["noting", "recording"],
    "scan": ["refresh"],
    "session": ["register", "temporary"],
    "sources": ["modules_of", "sources_of"],
    "validation": ["check"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
