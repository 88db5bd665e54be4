"""Range tests of the learning rate at two batch sizes, of four repeats each."""

import numpy as np

from lumin_plugin_callbacks import LRFindResult
from lumin_plugin_plots import plot_lr_finders

rng = np.random.default_rng(8)
lr = np.geomspace(1e-6, 3, 300)


def found(best: float, noise: float) -> LRFindResult:
    """Make up what a range test found."""
    falls = 0.69 - 0.28 / (1 + (best / lr) ** 1.2) + 0.5 * np.maximum(0, np.log(lr / 0.3)) ** 2
    return LRFindResult(lr, falls + rng.normal(scale=noise, size=(4, len(lr))))


plot = plot_lr_finders({"batches of 64": found(1e-3, 0.03), "batches of 1024": found(1e-2, 0.012)})
