"""Response, resolution and pull of a mass that two regressions give, against the true one."""

import numpy as np

from lumin_plugin_plots import PlotSettings, plot_response

rng = np.random.default_rng(5)
n = 20_000
mass = rng.uniform(60, 300, size=n)
sigma = {"net": 0.08 * mass + 3, "tree": 0.13 * mass + 3}
events = {
    "gen_target": mass,
    "gen_weight": rng.uniform(0.5, 1.5, size=n) * rng.choice([1, -1], size=n, p=[0.88, 0.12]),
    "net": mass * (1 - 4 / mass) + sigma["net"] * rng.normal(size=n),
    "tree": mass * 1.03 + sigma["tree"] * rng.normal(size=n),
    "net_sigma": 1.1 * sigma["net"],
    "tree_sigma": 0.8 * sigma["tree"],
}

settings = PlotSettings(names={"gen_target": r"True $m_{\tau\tau}$"}, units={"gen_target": "GeV"})
uncertainties = {"network": "net_sigma", "boosted tree": "tree_sigma"}
plot = plot_response(
    events, {"network": "net", "boosted tree": "tree"}, uncert_name=uncertainties, bins=8, settings=settings
)
