"""One event, transverse to the beam and along it."""

from lumin_plugin_plots import PlotSettings, plot_event

events = {
    "tau_pt": [62.0], "tau_eta": [0.4], "tau_phi": [0.5],
    "lep_pt": [41.0], "lep_eta": [-1.3], "lep_phi": [-2.6],
    "jet0_pt": [85.0], "jet0_eta": [2.6], "jet0_phi": [1.9],
    "jet1_pt": [48.0], "jet1_eta": [-2.1], "jet1_phi": [-0.9],
    "met_pt": [37.0], "met_phi": [-1.7],
}  # fmt: skip

names = {"tau": r"$\tau_h$", "lep": r"$\mu$", "jet0": "leading jet", "jet1": "second jet", "met": r"missing $p_T$"}
plot = plot_event(events, settings=PlotSettings(experiment="LUMIN", label="Simulation", energy=13, names=names))
