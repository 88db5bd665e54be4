"""Runs: many trainings of one builder on one fold file, their results, and ensembles of them."""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "ensemble": ["Ensemble"],
    "members": ["WEIGHTINGS"],
    "results": ["Results"],
    "train": ["train_models"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
