"""One column in three samples, such as those of three generators, and their ratios."""

import numpy as np

from lumin_plugin_plots import PlotSettings, plot_samples

rng = np.random.default_rng(5)
samples = {
    "generator A": {"pt": rng.gamma(2.0, 30, 9000)},
    "generator B": {"pt": rng.gamma(2.0, 31, 6000), "gen_weight": np.where(rng.random(6000) < 0.12, -1.0, 1.0)},
    "generator C": {"pt": rng.gamma(2.3, 29, 6000)},
}

settings = PlotSettings(names={"pt": r"$p_T$"}, units={"pt": "GeV"})
plot = plot_samples(samples, "pt", bins=30, settings=settings)
