"""ROC curves of a network of three seeds and of a boosted tree, and their ratio."""

import numpy as np

from lumin_plugin_plots import PlotSettings, plot_roc

rng = np.random.default_rng(1)
n = 20_000
truth = rng.integers(2, size=n)
quality = 1.9 * truth + rng.normal(size=n)
events = {
    "gen_target": truth,
    "gen_weight": rng.exponential(size=n) * rng.choice([1, -1], size=n, p=[0.88, 0.12]),
    "tree": quality + rng.normal(scale=0.7, size=n),
}
for i in range(3):
    events[f"net_{i}"] = quality + rng.normal(scale=0.35, size=n)

classifiers = {"boosted tree": "tree", "network": ["net_0", "net_1", "net_2"]}
settings = PlotSettings(experiment="LUMIN", label="Simulation", lumi=138, energy=13)
plot = plot_roc(events, classifiers, baseline="boosted tree", settings=settings)
