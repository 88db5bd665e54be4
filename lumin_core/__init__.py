"""lumin-core: deep learning for particle physics.

The core is minimal; its parts are plugins, chosen by name. The names below are loaded when they are
first used: importing the package loads neither torch nor numpy.
"""

from __future__ import annotations

from lumin_core import lazy

__version__ = "0.2.0"

PLUGIN_API = 1
"""Version of the checks of `lumin_core.testing`; see docs/compatibility.md."""

_HOMES = {
    "data.augmentation": ["Augmentation"],
    "data.batch_yielder": ["BatchYielder"],
    "data.description": ["add_meta_data", "add_preprocessing", "declare_zero_padding"],
    "data.fold_file": ["FoldFileWriter"],
    "data.fold_yielder": ["FoldYielder"],
    "data.frames": ["df2foldfile", "fold2foldfile"],
    "data.hdf5": ["save_to_grp"],
    "data.matrix": ["object_mask"],
    "data.transforms": ["Transform"],
    "data.units": ["add_units"],
    "model.blocks": ["Block", "Body", "Head", "Tail"],
    "model.builder": ["ModelBuilder"],
    "model.embedding": ["CatEmbedder"],
    "model.endcap": ["Endcap"],
    "model.layers": ["LCBatchNorm1d", "dense_layer", "dense_stack"],
    "model.initialisers": ["normal_initialiser", "uniform_initialiser"],
    "model.lookups": ["lookup_act"],
    "model.loss": ["BatchLoss"],
    "model.matrix_head": ["MatrixHead"],
    "model.module_hooks": ["BackwardHook", "ForwardHook"],
    "registry": ["build", "register"],
    "runs.ensemble": ["Ensemble"],
    "runs.results": ["Results"],
    "runs.train": ["train_models"],
    "training.callback": [
        "Callback",
        "CyclicCallback",
        "LossCallback",
        "Offer",
        "PredHandler",
        "best_offer",
        "monitored",
    ],
    "training.evaluation": ["validated"],
    "training.fit_params": ["FitParams"],
    "training.hookspecs": ["hookimpl"],
    "training.metric": ["EvalMetric", "is_better"],
    "training.model": ["Model"],
}
_MODULES = [
    "arguments",
    "checks",
    "data",
    "display",
    "errors",
    "files",
    "lazy",
    "looks",
    "model",
    "registry",
    "runs",
    "seeds",
    "statistics",
    "testing",
    "training",
]
_MOVED = {"RunFile": "lumin_plugin_commands"}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES, _MODULES, moved=_MOVED)
__all__ += ["PLUGIN_API", "__version__"]
