"""Rejection against the number of vertices, at a signal efficiency of 70 % in each bin."""

import numpy as np

from lumin_plugin_plots import PlotSettings, plot_efficiency

rng = np.random.default_rng(3)
n = 30_000
truth = rng.integers(2, size=n)
n_vertices = rng.poisson(8, size=n)
quality = truth * (2.4 - n_vertices / 12) + rng.normal(size=n)
events = {"n_vertices": n_vertices, "gen_target": truth}
events |= {f"net_{i}": quality + rng.normal(scale=0.4, size=n) for i in range(3)}

settings = PlotSettings(names={"n_vertices": "Number of vertices"})
models = {"network": ["net_0", "net_1", "net_2"]}
plot = plot_efficiency(events, "n_vertices", models, efficiency=0.7, bins=np.arange(1.5, 16), settings=settings)
