"""Which features say the same: their rank correlations, and the tree that joins them."""

import numpy as np

from lumin_plugin_plots import plot_correlation

rng = np.random.default_rng(6)
n = 3000
pt, phi, met = rng.exponential(40, n), rng.uniform(-3, 3, n), rng.exponential(30, n)
events = {
    "lep_pt": pt,
    "lep_e": pt * np.cosh(rng.normal(0, 0.6, n)),
    "lep_phi": phi,
    "met_pt": met,
    "met_phi": -phi + rng.normal(0, 1.5, n),
    "mt": np.sqrt(pt * met) * rng.uniform(0.5, 1.5, n),
    "ht": pt + met + rng.exponential(40, n),
    "gen_weight": np.where(rng.random(n) < 0.12, -1.0, 1.0),
}

plot = plot_correlation(events, [name for name in events if name != "gen_weight"], threshold=0.6)
