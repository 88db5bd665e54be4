"""Metrics with event weights for lumin-core.

Each is a function of arrays, and a class for trainings.

Example:
    >>> from lumin_plugin_metrics import roc_auc_score
    >>> roc_auc_score([0.1, 0.4, 0.3, 0.8], [0, 0, 1, 1])
    0.75
"""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "accuracy": ["BinaryAccuracy", "MultiAccuracy", "binary_accuracy", "multi_accuracy"],
    "cross_entropy": ["LogLoss", "log_loss"],
    "determination": ["R2", "r2"],
    "pull": ["RegAsProxyPull", "RegPull", "reg_as_proxy_pull", "reg_pull"],
    "roc_auc": ["RocAucScore", "roc_auc_score"],
    "uncertainty": ["with_uncertainty"],
    "working_point": ["BackgroundRejection", "SignalEfficiency", "background_rejection", "signal_efficiency"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
