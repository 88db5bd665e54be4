"""Networks on sets and graphs of objects: particles of a jet, jets and leptons of an event."""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "attention": ["OffsetSelfAttention", "SelfAttention"],
    "blocks": ["Collapser", "Extractor"],
    "class_attention": ["ClassAttention"],
    "constituent_features": ["ConstituentFeatures"],
    "deep_sets": ["DeepSets"],
    "edge_conv": ["EdgeConv"],
    "graph_collapser": ["GraphCollapser"],
    "grav_net": ["GravNet"],
    "head": ["GNNHead"],
    "interaction_net": ["InteractionNet"],
    "layers": ["ObjectDense"],
    "lorentz_net": ["LorentzNet"],
    "node_predictor": ["NodePredictor"],
    "particle_transformer": ["ParticleTransformer"],
    "pyg": ["PygHead"],
    "pyg_file": ["pyg2foldfile"],
    "pyg_layout": ["GraphLayout"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
