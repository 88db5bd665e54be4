"""L-GATr, the Lorentz-equivariant transformer, as graph extractors for lumin-core."""

from __future__ import annotations

from lumin_core import lazy

__version__ = "0.1.0"

_HOMES = {
    "lgatr_extractor": ["Lgatr"],
    "slim_extractor": ["LgatrSlim"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
