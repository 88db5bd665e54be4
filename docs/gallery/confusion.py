"""Which of four processes events are taken for."""

import numpy as np

from lumin_plugin_plots import PlotSettings, plot_confusion

rng = np.random.default_rng(6)
n = 8_000
truth = rng.choice(4, size=n, p=[0.2, 0.4, 0.3, 0.1])
logits = (
    rng.normal(size=(n, 4)) + 2.2 * (truth[:, None] == np.arange(4)) + 1.0 * (truth[:, None] // 2 == np.arange(4) // 2)
)
scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
events = {f"pred_{k}": scores[:, k] for k in range(4)}
events |= {"gen_target": truth, "gen_weight": rng.choice([1, -1], size=n, p=[0.88, 0.12])}

classes = [r"H $\to\tau\tau$", r"Z $\to\tau\tau$", r"$t\bar{t}$", "W + jets"]
plot = plot_confusion(events, classes=classes, settings=PlotSettings(experiment="LUMIN", label="Simulation"))
