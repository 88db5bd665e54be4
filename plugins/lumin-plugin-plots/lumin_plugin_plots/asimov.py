r"""The median significance that is expected of a counting experiment.

With :math:`s` events of signal expected over :math:`b` of background, whose uncertainty is
:math:`\sigma`, the Asimov data set gives

.. math:: Z^2 = 2 \left[ (s+b) \ln \frac{(s+b)(b+\sigma^2)}{b^2 + (s+b)\sigma^2}
    - \frac{b^2}{\sigma^2} \ln\left(1 + \frac{\sigma^2 s}{b (b+\sigma^2)}\right) \right]

These terms cancel for small :math:`s/b` and :math:`\sigma`. With :math:`u = \sigma^2/b`,
:math:`v = \frac{u s}{b (1+u)}` and :math:`z = \frac{s}{b (1+u)(1+v)}` they are the same as

.. math:: Z = \frac{s}{1+u} \sqrt{\frac{2}{b} \left[ \frac{H(z)}{1+v} + u \, G(v) \right]}, \qquad
    G(t) = \frac{t - \ln(1+t)}{t^2}, \qquad H(t) = \frac{(1+t)\ln(1+t) - t}{t^2}

where nothing cancels.

References:
    G. Cowan, K. Cranmer, E. Gross and O. Vitells, Asymptotic formulae for likelihood-based tests of
    new physics, Eur. Phys. J. C 71 (2011) 1554, https://arxiv.org/abs/1007.1727

    G. Cowan, Discovery sensitivity for a counting experiment with background uncertainty (2012),
    https://www.pp.rhul.ac.uk/~cowan/stat/medsig/medsigNote.pdf
"""

from __future__ import annotations

import numpy as np

_SMALL = 0.02  # below it the series with eight terms is exact to double precision
_N_TERMS = 9


def asimov(s: np.ndarray, b: np.ndarray, sigma: np.ndarray | float = 0.0) -> np.ndarray:
    """Compute the significance of signal over background; all arguments are broadcast.

    Args:
        s: Signal expected; a negative one counts as none.
        b: Background expected.
        sigma: Its uncertainty, of the same unit, not negative.

    Returns:
        Standard deviations; NaN where the background is not positive.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.asimov import asimov
        >>> asimov(np.array([10.0, 10.0]), np.array([100.0, 0.0])).round(4)
        array([0.984,   nan])
        >>> asimov(np.array([10.0]), np.array([100.0]), sigma=10.0).round(4)
        array([0.6902])
    """
    is_positive = b > 0
    b = np.where(is_positive, b, 1.0)
    s = np.maximum(s, 0.0)
    u = np.square(sigma) / b
    v = u * s / (b * (1 + u))
    z = s / (b * (1 + u) * (1 + v))
    value = s / (1 + u) * np.sqrt(2 / b * (_h(z) / (1 + v) + u * _g(v)))
    significance: np.ndarray = np.where(is_positive, value, np.nan)
    return significance


def _g(t: np.ndarray) -> np.ndarray:
    big = np.where(t > _SMALL, t, 1.0)
    series = sum((-t) ** k / (k + 2) for k in range(_N_TERMS))
    return np.where(t > _SMALL, (big - np.log1p(big)) / big**2, series)


def _h(t: np.ndarray) -> np.ndarray:
    big = np.where(t > _SMALL, t, 1.0)
    series = sum((-t) ** k / ((k + 1) * (k + 2)) for k in range(_N_TERMS))
    return np.where(t > _SMALL, ((1 + big) * np.log1p(big) - big) / big**2, series)
