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
    "BackgroundRejection": "working_point",
    "BinaryAccuracy": "accuracy",
    "LogLoss": "cross_entropy",
    "MultiAccuracy": "accuracy",
    "R2": "determination",
    "RegAsProxyPull": "pull",
    "RegPull": "pull",
    "RocAucScore": "roc_auc",
    "SignalEfficiency": "working_point",
    "background_rejection": "working_point",
    "binary_accuracy": "accuracy",
    "log_loss": "cross_entropy",
    "multi_accuracy": "accuracy",
    "r2": "determination",
    "reg_as_proxy_pull": "pull",
    "reg_pull": "pull",
    "roc_auc_score": "roc_auc",
    "signal_efficiency": "working_point",
    "with_uncertainty": "uncertainty",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
