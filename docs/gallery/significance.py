"""The expected significance against the cut, without and with uncertainties of the background."""

import numpy as np

from lumin_plugin_plots import PlotSettings, plot_significance

rng = np.random.default_rng(3)
n = 60_000
truth = rng.integers(2, size=n)
weight = np.where(truth == 1, 0.004, 0.04) * rng.exponential(size=n)
events = {
    "pred": 1 / (1 + np.exp(-rng.normal(1.5 * truth - 0.75, 1.0))),
    "gen_target": truth,
    "gen_weight": weight * rng.choice([1, -1], size=n, p=[0.88, 0.12]),
}

settings = PlotSettings(experiment="LUMIN", label="Simulation", lumi=138, energy=13, names={"pred": "network"})
plot = plot_significance(events, syst_unc_b=0.05, min_events=50, settings=settings)
