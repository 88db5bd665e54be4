"""How far the scores of a network and of a boosted tree are probabilities."""

import numpy as np

from lumin_plugin_plots import PlotSettings, plot_calibration

rng = np.random.default_rng(4)
n = 20_000
logit = rng.normal(scale=1.8, size=n)
events = {
    "gen_target": (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int),
    "gen_weight": rng.uniform(0.5, 1.5, size=n) * rng.choice([1, -1], size=n, p=[0.88, 0.12]),
    "net": 1 / (1 + np.exp(-logit)),
    "tree": 1 / (1 + np.exp(-1.7 * logit)),
}

settings = PlotSettings(experiment="LUMIN", label="Simulation", energy=13)
plot = plot_calibration(events, {"network": "net", "boosted tree": "tree"}, settings=settings)
