"""Kinematics, symmetries of events, significance and Lorentz-boost heads for lumin-core.

Momenta are in GeV, angles in rad with phi in [-pi, pi), and c = 1.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "AMS": "ams_metric",
    "AutoExtractLorentzBoostNet": "auto_extract",
    "AxisReflection": "augmentation",
    "Disco": "disco",
    "HEPAugFoldYielder": "fold_yielder",
    "LorentzBoostNet": "lorentz_boost",
    "MultiAMS": "ams_metric",
    "PhiRotation": "augmentation",
    "SignificanceLoss": "significance_loss",
    "ZBoost": "augmentation",
    "add_abs_mom": "frame_columns",
    "add_energy": "frame_columns",
    "add_mass": "frame_columns",
    "add_mt": "frame_columns",
    "ams_scan": "cut_scan",
    "ams_scan_quick": "cut_scan",
    "ams_scan_slow": "cut_scan",
    "bin_binary_class_pred": "binning",
    "binary_class_cut_by_ams": "class_cut",
    "boost": "boosts",
    "boost2cm": "boosts",
    "calc_ams": "significance",
    "calc_ams_torch": "significance",
    "calc_pair_mass": "pair_mass",
    "cos_delta": "angles",
    "delta_phi": "angles",
    "delta_r": "angles",
    "delta_r_boosted": "boosts",
    "event_to_cartesian": "orientation",
    "fix_event_phi": "orientation",
    "fix_event_y": "orientation",
    "fix_event_z": "orientation",
    "get_momentum": "frame_columns",
    "get_vecs": "frame_columns",
    "proc_event": "orientation",
    "to_cartesian": "coordinates",
    "to_pt_eta_phi": "coordinates",
    "twist": "angles",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
