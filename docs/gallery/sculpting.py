"""What two cuts on a score make of the mass of background."""

import numpy as np

from lumin_plugin_plots import PlotSettings, plot_sculpting

rng = np.random.default_rng(3)
n = 8000
mass = 60 + rng.exponential(40, n)
near = np.exp(-(((mass - 125) / 20) ** 2) / 2)  # the network has learnt where the signal's mass is
events = {
    "mass": mass,
    "pred": 1 / (1 + np.exp(-rng.normal(1.2 * near - 1, 1))),
    "gen_target": np.zeros(n),
    "gen_weight": np.where(rng.random(n) < 0.12, -1.0, 1.0),
}

settings = PlotSettings(names={"mass": r"$m_{\tau\tau}$"}, units={"mass": "GeV"})
plot = plot_sculpting(events, "mass", cut=[0.3, 0.6], settings=settings)
