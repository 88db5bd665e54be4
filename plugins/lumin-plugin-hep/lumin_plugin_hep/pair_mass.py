"""The invariant mass of two particles, by a sum in which nothing cancels; see `formulas`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.checks import did_you_mean
from lumin_core.errors import ConfigError
from lumin_plugin_hep import formulas
from lumin_plugin_hep.momenta import SYSTEMS
from lumin_plugin_hep.precision import in_doubles
from lumin_plugin_hep.vector_columns import cartesian, named, sources, take

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumin_plugin_hep.precision import A, Array, Values
    from lumin_plugin_hep.vector_columns import Columns

_KEYS = [f"{particle}_{name}" for particle in "01" for system in ("px py pz", "pt eta phi") for name in system.split()]


def calc_pair_mass(df: Columns, masses: tuple[Values, Values], feat_map: Mapping[str, str]) -> Array:
    r"""Compute the invariant mass of pairs of particles of given masses.

    .. math::
        m^2 = m_0^2 + m_1^2 + 2 (E_0 E_1 - \vec p_0 \cdot \vec p_1)

    Massless particles in one direction have mass 0; it is never NaN by rounding.

    Args:
        df: A data frame, or a mapping of names to arrays or tensors.
        masses: Of the first and the second particle [GeV], not negative: numbers, or
            shape ``(n,)``.
        feat_map: Which columns are the components of the particles, in GeV and rad:
            ``"0_px", "0_py", "0_pz"`` or ``"0_pt", "0_eta", "0_phi"``, and as many for ``"1_..."``,
            in either system.

    Returns:
        Masses [GeV], shape ``(n,)``; NaN where a component or mass is.

    Raises:
        ConfigError: If ``feat_map`` lacks a component, or has others, or ``masses`` are not two.
        DataError: If a column is missing, holds no numbers, or there are negative masses (not
            checked of tensors).

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_hep import calc_pair_mass
        >>> df = pd.DataFrame(
        ...     [[30.0, 0.0, 0.0] * 2], columns=["a_px", "a_py", "a_pz", "b_pt", "b_eta", "b_phi"]
        ... )
        >>> feats = {
        ...     "0_px": "a_px",
        ...     "0_py": "a_py",
        ...     "0_pz": "a_pz",
        ...     "1_pt": "b_pt",
        ...     "1_eta": "b_eta",
        ...     "1_phi": "b_phi",
        ... }
        >>> calc_pair_mass(df, (40.0, 40.0), feats), calc_pair_mass(df, (0.0, 0.0), feats)
        (array([80.]), array([0.]))
    """
    try:
        mass_0, mass_1 = masses
    except (TypeError, ValueError) as error:
        raise ConfigError(f"masses must be two, of the first and the second particle, got {masses!r}") from error
    _check(feat_map)
    df = named(df)
    pair = {key: take(df, name) for key, name in feat_map.items()}
    momenta = (*cartesian(pair, "0"), *cartesian(pair, "1"))
    like = [*sources(pair, "0"), *sources(pair, "1"), mass_0, mass_1]
    pair_masses: Array = in_doubles(_pair_mass, *momenta, mass_0, mass_1, like=like)
    return pair_masses


def _pair_mass(*values: A) -> A:
    px_0, py_0, pz_0, px_1, py_1, pz_1, mass_0, mass_1 = values
    return formulas.pair_mass((px_0, py_0, pz_0), (px_1, py_1, pz_1), mass_0, mass_1)


def _check(feat_map: Mapping[str, str]) -> None:
    for key in feat_map:
        if key not in _KEYS:
            raise ConfigError(f"feat_map has {key!r}, which is no component of a pair{did_you_mean(key, _KEYS)}")
    for particle in "01":
        given = {key.partition("_")[2] for key in feat_map if key.startswith(particle)}
        if given not in SYSTEMS:
            raise ConfigError(
                f"feat_map must name '{particle}_px', '{particle}_py', '{particle}_pz' or '{particle}_pt', "
                f"'{particle}_eta', '{particle}_phi', got {[key for key in feat_map if key.startswith(particle)]}"
            )
