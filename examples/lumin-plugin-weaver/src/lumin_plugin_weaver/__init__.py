"""Networks of weaver-core's, from its checkpoints, for lumin-core."""

from __future__ import annotations

from lumin_core import lazy

__version__ = "0.1.0"

_HOMES = {
    "data_config": ["WeaverData"],
    "head": ["WeaverHead"],
    "network": ["Converted", "WeaverNetwork"],
    "particle_net": ["ParticleNet"],
    "scaling": ["WeaverScaling"],
    "start": ["from_weaver", "read_checkpoint"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
