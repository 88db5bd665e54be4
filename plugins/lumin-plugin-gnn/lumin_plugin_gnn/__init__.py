"""Networks on sets and graphs of objects: particles of a jet, jets and leptons of an event."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "ClassAttention": "class_attention",
    "Collapser": "blocks",
    "ConstituentFeatures": "constituent_features",
    "DeepSets": "deep_sets",
    "EdgeConv": "edge_conv",
    "Extractor": "blocks",
    "GNNHead": "head",
    "GraphCollapser": "graph_collapser",
    "GraphLayout": "pyg_layout",
    "GravNet": "grav_net",
    "InteractionNet": "interaction_net",
    "LorentzNet": "lorentz_net",
    "NodePredictor": "node_predictor",
    "ObjectDense": "layers",
    "OffsetSelfAttention": "attention",
    "ParticleTransformer": "particle_transformer",
    "PygHead": "pyg",
    "SelfAttention": "attention",
    "pyg2foldfile": "pyg_file",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
