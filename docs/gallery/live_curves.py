"""What `metric_logger` shows in a notebook, drawn anew in place after every epoch."""

import numpy as np

from lumin_plugin_plots import Numbers, PlotSettings
from lumin_plugin_plots.plot import drawn

rng = np.random.default_rng(1)
n_epochs, n_folds = 15, 9
at = np.arange(1, n_epochs * n_folds + 1) / n_folds
folds = 0.38 + 0.25 * np.exp(-at / 3) + rng.normal(scale=0.006, size=at.size)
epoch = np.arange(1, n_epochs + 1)
train = folds.reshape(n_epochs, n_folds).mean(axis=1)
valid = 0.40 + 0.2 * np.exp(-epoch / 3) + 0.0002 * epoch**2 + rng.normal(scale=0.004, size=n_epochs)
epochs = {"epoch": epoch, "train": train, "valid": valid, "change": np.diff(valid, prepend=np.nan)}
epochs |= {"ratio": valid / train, "metric": 1.3 - valid}
about = {"title": "model_0", "epoch": n_epochs, "n_epochs": 20, "metric": "roc_auc_score"}
about["best"] = int(epoch[np.argmin(valid)])
numbers = Numbers(figure="live_curves", curves={"folds": {"epoch": at, "loss": folds}, "epochs": epochs}, about=about)
plot = drawn(numbers, PlotSettings(size=(5.4, 3.0)))
