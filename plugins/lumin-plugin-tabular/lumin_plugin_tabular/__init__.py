"""The default blocks of lumin-core for columnar data, running batch norms, and preprocessing.

Example:
    >>> from lumin_plugin_tabular import FullyConnected
    >>> FullyConnected(3, {}, depth=2, width=10).get_out_size()
    10
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "PCA": "scaling",
    "CatEmbHead": "cat_emb_head",
    "Chain": "preprocessing",
    "ClassRegMulti": "class_reg_multi",
    "FullyConnected": "fully_connected",
    "IdentBody": "ident_body",
    "IdentTail": "ident_tail",
    "MultiBlock": "multi_block",
    "MultiHead": "multi_head",
    "ProcessedCats": "categories",
    "RunningBatchNorm1d": "running_batch_norm",
    "RunningBatchNorm2d": "running_batch_norm",
    "RunningBatchNorm3d": "running_batch_norm",
    "StandardScaler": "scaling",
    "fit_input_pipe": "preprocessing",
    "fit_output_pipe": "preprocessing",
    "from_sklearn": "preprocessing",
    "get_pre_proc_pipes": "preprocessing",
    "load_pipe": "preprocessing",
    "proc_cats": "categories",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
