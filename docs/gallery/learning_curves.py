"""Loss and AUC of two runs of four models each, epoch by epoch."""

import numpy as np

from lumin_plugin_plots import plot_learning_curves

rng = np.random.default_rng(7)


def history(n_epochs: int, lowest: float, overtraining: float) -> dict[str, dict[str, list[float]]]:
    """Make up the history of a model."""
    epochs = np.arange(n_epochs)
    fall = 0.28 * np.exp(-epochs / 4) + rng.normal(scale=0.004)
    valid = lowest + fall + overtraining * epochs + rng.normal(scale=0.002, size=n_epochs)
    train = np.repeat(lowest - 0.02 + fall - overtraining * epochs, 9) + rng.normal(scale=0.01, size=9 * n_epochs)
    return {
        "train": {"loss": train.tolist()},
        "valid": {"loss": valid.tolist(), "ROC AUC": (1.02 - valid / 2).tolist()},
    }


runs = {
    "width 50": [history(n, 0.40, 0.0) for n in (18, 20, 22, 19)],
    "width 400": [history(n, 0.38, 0.0018) for n in (16, 17, 19, 18)],
}
plot = plot_learning_curves(runs)
