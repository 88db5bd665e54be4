"""A mass by class, with its moments."""

import numpy as np

from lumin_plugin_plots import PlotSettings, plot_feat

rng = np.random.default_rng(4)
n = 5000
targets = rng.integers(2, size=n)
events = {
    "mass": np.where(targets == 1, rng.normal(125, 14, n), 60 + rng.exponential(45, n)),
    "gen_target": targets,
    "gen_weight": np.where(rng.random(n) < 0.12, -1.0, 1.0),
}

settings = PlotSettings(names={"mass": r"$m_{\tau\tau}$"}, units={"mass": "GeV"})
plot = plot_feat(events, "mass", bins=30, settings=settings)
