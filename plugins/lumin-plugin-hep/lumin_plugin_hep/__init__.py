"""Kinematics, symmetries of events, significance and Lorentz-boost heads for lumin-core.

Momenta are in GeV, angles in rad with phi in [-pi, pi), and c = 1.
"""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "ams_metric": ["AMS", "MultiAMS"],
    "angles": ["cos_delta", "delta_phi", "delta_r", "twist"],
    "augmentation": ["AxisReflection", "PhiRotation", "ZBoost"],
    "auto_extract": ["AutoExtractLorentzBoostNet"],
    "binning": ["bin_binary_class_pred"],
    "boosts": ["boost", "boost2cm", "delta_r_boosted"],
    "class_cut": ["binary_class_cut_by_ams"],
    "coordinates": ["to_cartesian", "to_pt_eta_phi"],
    "cut_scan": ["ams_scan", "ams_scan_quick", "ams_scan_slow"],
    "disco": ["Disco"],
    "fold_yielder": ["HEPAugFoldYielder"],
    "frame_columns": ["add_abs_mom", "add_energy", "add_mass", "add_mt", "get_momentum", "get_vecs"],
    "lorentz_boost": ["LorentzBoostNet"],
    "orientation": ["event_to_cartesian", "fix_event_phi", "fix_event_y", "fix_event_z", "proc_event"],
    "pair_mass": ["calc_pair_mass"],
    "significance": ["calc_ams", "calc_ams_torch"],
    "significance_loss": ["SignificanceLoss"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
