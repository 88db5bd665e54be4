"""ROC curves of three classes, each against every other."""

import numpy as np

from lumin_plugin_plots import PlotSettings, plot_roc

rng = np.random.default_rng(2)
n = 30_000
truth = rng.choice(3, size=n, p=[0.5, 0.3, 0.2])
scores = rng.normal(size=(n, 3)) + 1.6 * np.eye(3)[truth]
scores[:, 1] += 0.8 * (truth == 2)
shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
events = {f"pred_{k}": shares[:, k] for k in range(3)} | {"gen_target": truth}

names = {"class 0": "light jets", "class 1": "charm", "class 2": "beauty"}
settings = PlotSettings(experiment="LUMIN", label="Simulation", energy=13.6, names=names)
plot = plot_roc(events, against="one", settings=settings)
