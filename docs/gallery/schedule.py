"""Schedules of learning rate and momentum, chosen by name."""

from lumin_plugin_plots import plot_schedule

schedules = {
    "one cycle": {"name": "one_cycle", "lengths": (3, 7), "lr_range": (1e-4, 1e-2, 1e-5)},
    "warm restarts": {"name": "cycle_lr", "lr_range": (0, 5e-3), "cycle_mult": 2},
}
plot = plot_schedule(schedules, n_epochs=10)
