r"""Kinematics in expressions of recipes: of columns of files, element by element.

Names, arguments and results are those of `angles` and `formulas`; this module needs NumPy alone, so
that reading files needs no torch. In collider coordinates the mass of two particles is

.. math::
    m_{12}^2 = m_1^2 + m_2^2
        + 2 \left( \frac{m_1^2 m_2^2 + m_1^2 p_2^2 + m_2^2 p_1^2}{E_1 E_2 + p_1 p_2}
        + 2 p_{T,1}\, p_{T,2} \left(\sinh^2 \tfrac{\Delta\eta}{2}
        + \sin^2 \tfrac{\Delta\phi}{2}\right) \right)

in which nothing cancels. What is missing (NaN) stays missing.
"""

from __future__ import annotations

import numpy as np

from lumin_core.data import ExpressionFunction


class DeltaPhi(ExpressionFunction):
    r"""Difference in azimuth, from the first to the second [rad], in [-pi, pi).

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.column_kinematics import DeltaPhi
        >>> DeltaPhi()(np.array([3.0, 0.0]), np.array([-3.0, np.pi])).round(4)
        array([ 0.2832, -3.1416])
    """

    arguments = ("phi_0", "phi_1")

    def __call__(self, *values: np.ndarray) -> np.ndarray:
        """Return differences [rad], shape ``(n,)``."""
        phi_0, phi_1 = values
        difference = phi_1 - phi_0
        difference = difference - 2 * np.pi * np.floor((difference + np.pi) / (2 * np.pi))
        return np.where(difference >= np.pi, -np.pi, difference)


class DeltaR(ExpressionFunction):
    r"""Distance in the plane of eta and phi, of the differences in both.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.column_kinematics import DeltaR
        >>> DeltaR()(np.array([0.3]), np.array([-0.4]))
        array([0.5])
    """

    arguments = ("dphi", "deta")

    def __call__(self, *values: np.ndarray) -> np.ndarray:
        """Return distances, shape ``(n,)``."""
        dphi, deta = values
        distances: np.ndarray = np.hypot(dphi, deta)
        return distances


class TransverseMass(ExpressionFunction):
    r"""Transverse mass of two momenta as if both were massless [GeV].

    .. math:: m_T = 2 \sqrt{p_{T,0}\, p_{T,1}}\; |\sin(\Delta\phi / 2)|

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.column_kinematics import TransverseMass
        >>> TransverseMass()(*np.array([[20.0], [0.0], [20.0], [np.pi]]))
        array([40.])
    """

    arguments = ("pt_0", "phi_0", "pt_1", "phi_1")

    def __call__(self, *values: np.ndarray) -> np.ndarray:
        """Return masses [GeV], shape ``(n,)``."""
        pt_0, phi_0, pt_1, phi_1 = values
        masses: np.ndarray = 2 * np.sqrt(pt_0 * pt_1) * np.abs(np.sin((phi_1 - phi_0) / 2))
        return masses


class PairMass(ExpressionFunction):
    """Mass of two particles [GeV]; of their own masses the squares count.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.column_kinematics import PairMass
        >>> PairMass()(*np.array([[20.0], [0.0], [0.0], [0.0], [20.0], [0.0], [np.pi], [0.0]]))
        array([40.])
    """

    arguments = ("pt_0", "eta_0", "phi_0", "mass_0", "pt_1", "eta_1", "phi_1", "mass_1")

    def __call__(self, *values: np.ndarray) -> np.ndarray:
        """Return masses [GeV], shape ``(n,)``."""
        pt_0, eta_0, phi_0, mass_0, pt_1, eta_1, phi_1, mass_1 = values
        p_0, p_1 = pt_0 * np.cosh(eta_0), pt_1 * np.cosh(eta_1)
        sum_of_products = np.hypot(p_0, mass_0) * np.hypot(p_1, mass_1) + p_0 * p_1
        squares = (mass_0 * mass_1) ** 2 + (mass_0 * p_1) ** 2 + (mass_1 * p_0) ** 2
        at_rest = np.where(sum_of_products == 0, 0.0, squares / np.where(sum_of_products == 0, 1.0, sum_of_products))
        opening = 2 * pt_0 * pt_1 * (np.sinh((eta_1 - eta_0) / 2) ** 2 + np.sin((phi_1 - phi_0) / 2) ** 2)
        masses: np.ndarray = np.sqrt(mass_0**2 + mass_1**2 + 2 * (at_rest + opening))
        return masses
