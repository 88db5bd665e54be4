"""Efficiency of signal and rejection of background against the transverse momentum, at a cut."""

import numpy as np

from lumin_plugin_plots import PlotSettings, plot_efficiency

rng = np.random.default_rng(2)
n = 30_000
truth = rng.integers(2, size=n)
pt = 20 + rng.gamma(2.0, 30, size=n)
quality = truth * (1.2 + pt / 100) + rng.normal(size=n)
events = {
    "pt": pt,
    "gen_target": truth,
    "gen_weight": rng.uniform(0.5, 1.5, size=n) * rng.choice([1, -1], size=n, p=[0.88, 0.12]),
    "tree": 1 / (1 + np.exp(1.2 - quality - rng.normal(scale=0.9, size=n))),
    "net": 1 / (1 + np.exp(1.2 - quality)),
}

settings = PlotSettings(
    experiment="LUMIN", label="Simulation", lumi=138, energy=13, names={"pt": r"$p_T$"}, units={"pt": "GeV"}
)
cuts = {"boosted tree": 0.55, "network": 0.6}
classifiers = {"boosted tree": "tree", "network": "net"}
plot = plot_efficiency(events, "pt", classifiers, cut=cuts, bins=[20, 40, 60, 80, 110, 150, 220], settings=settings)
