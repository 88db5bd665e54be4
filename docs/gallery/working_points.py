"""The table of working points of two classifiers, one of them of three seeds."""

import numpy as np

from lumin_plugin_plots import working_points

rng = np.random.default_rng(1)
n = 20_000
truth = rng.integers(2, size=n)
quality = 1.9 * truth + rng.normal(size=n)
events = {"gen_target": truth, "tree": quality + rng.normal(scale=0.7, size=n)}
for i in range(3):
    events[f"net_{i}"] = quality + rng.normal(scale=0.35, size=n)

classifiers = {"boosted tree": "tree", "network": ["net_0", "net_1", "net_2"]}
table = working_points(events, classifiers, parameters={"network": 30_701}, seconds={"network": 84})
