"""Metrics with event weights for lumin-core: each as a function of arrays, and as a class for trainings.

Example:
    >>> from lumin_plugin_metrics import roc_auc_score
    >>> roc_auc_score([0.1, 0.4, 0.3, 0.8], [0, 0, 1, 1])
    0.75
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "BinaryAccuracy": "accuracy",
    "RocAucScore": "roc_auc",
    "binary_accuracy": "accuracy",
    "roc_auc_score": "roc_auc",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
