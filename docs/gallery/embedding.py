"""What a network has learned of the decay channels: a table, and which of them it treats alike."""

import numpy as np

from lumin_plugin_plots import plot_embedding

rng = np.random.default_rng(9)
channels = ["ee", r"e$\mu$", r"$\mu\mu$", r"e$\tau$", r"$\mu\tau$", r"$\tau\tau$"]
number_of_taus = np.array([0, 0, 0, 1, 1, 2])
table = np.outer(number_of_taus - 0.7, [1.0, -0.6, 0.3]) + rng.normal(scale=0.25, size=(6, 3))

plot = plot_embedding({"channel": table}, categories=channels)
