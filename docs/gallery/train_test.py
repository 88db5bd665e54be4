"""Training against test events, of a classifier that knows the former a little too well."""

import numpy as np
import pandas as pd

from lumin_plugin_plots import plot_train_test

rng = np.random.default_rng(2)
n = 6000
events = pd.DataFrame({"gen_target": rng.integers(2, size=n), "is_test": rng.random(n) < 0.4})
events["gen_weight"] = np.where(rng.random(n) < 0.12, -1.0, 1.0)
learned = np.where(events["is_test"], 0.0, 0.25) * (2 * events["gen_target"] - 1)
logit = rng.normal(1.2 * (2 * events["gen_target"] - 1) + learned, 1.3)
events["pred"] = 1 / (1 + np.exp(-logit))

plot = plot_train_test(events, "is_test")
