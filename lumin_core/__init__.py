"""lumin-core: deep learning for particle physics, a minimal core whose parts are plugins, chosen by name.

The names below are loaded when they are first used: importing the package loads neither torch nor numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "lumin_core.data.augmentation": ["Augmentation"],
    "lumin_core.data.batch_yielder": ["BatchYielder"],
    "lumin_core.data.dataframe": ["df2foldfile", "fold2foldfile"],
    "lumin_core.data.fold_file": [
        "FoldFileWriter",
        "add_meta_data",
        "add_preprocessing",
        "declare_zero_padding",
        "save_to_grp",
    ],
    "lumin_core.data.fold_yielder": ["FoldYielder"],
    "lumin_core.data.matrix": ["object_mask"],
    "lumin_core.data.transforms": ["Transform"],
    "lumin_core.model.blocks": ["Block", "Body", "Endcap", "Head", "MatrixHead", "Tail"],
    "lumin_core.model.builder": ["ModelBuilder"],
    "lumin_core.model.embedding": ["CatEmbedder"],
    "lumin_core.model.layers": ["LCBatchNorm1d", "dense_layer", "dense_stack"],
    "lumin_core.model.lookups": ["lookup_act", "normal_initialiser", "uniform_initialiser"],
    "lumin_core.model.loss": ["BatchLoss"],
    "lumin_core.registry": ["build", "register"],
    "lumin_core.training.callback": [
        "Callback",
        "CyclicCallback",
        "LossCallback",
        "Offer",
        "PredHandler",
        "best_offer",
        "monitored",
    ],
    "lumin_core.training.ensemble": ["Ensemble"],
    "lumin_core.training.fit_params": ["FitParams"],
    "lumin_core.training.hookspecs": ["hookimpl"],
    "lumin_core.training.loop": ["validated"],
    "lumin_core.training.metric": ["EvalMetric", "is_better"],
    "lumin_core.training.model": ["Model"],
    "lumin_core.training.results": ["Results"],
    "lumin_core.training.run_file": ["RunFile"],
    "lumin_core.training.runs": ["train_models"],
}
_PUBLIC = {name: home for home, names in _HOMES.items() for name in names}
_MODULES = ("errors", "registry", "seeds", "statistics")

__all__ = sorted([*_PUBLIC, *_MODULES, "__version__"])


def __getattr__(name: str) -> Any:
    """Load a public name from its module, at first use."""
    if name in _MODULES:
        return import_module(f"lumin_core.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"lumin_core has no {name!r}; its names are: {', '.join(__all__)}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
