"""A score by process, stacked, with data; those of the signal's region are blinded."""

import numpy as np
import pandas as pd

from lumin_plugin_plots import PlotSettings, plot_score

rng = np.random.default_rng(1)
shapes = {"W+jets": (2, 6, 9000), "top": (3, 4, 5000), "Z to tau tau": (4, 4, 3000), "Higgs": (7, 2, 1500)}
parts = [
    pd.DataFrame({"pred": rng.beta(a, b, n), "process": name, "gen_target": int(name == "Higgs")})
    for name, (a, b, n) in shapes.items()
]
events = pd.concat(parts, ignore_index=True)
events["gen_weight"] = np.where(rng.random(len(events)) < 0.12, -0.6, 0.6)  # generated with negative weights
events["pred"] = events["pred"].clip(0, 1)
data = events[rng.random(len(events)) < 0.456][["pred"]]  # as many as the sum of weights

settings = PlotSettings(experiment="LUMIN", label="Open data", lumi=20.3, energy=8)
plot = plot_score(events, observed=data, by="process", blind=(0.8, 1), settings=settings)
