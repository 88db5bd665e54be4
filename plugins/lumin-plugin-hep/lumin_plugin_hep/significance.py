r"""The median discovery significance that is expected of a counting experiment.

With :math:`s` events of signal expected over :math:`b` of background, whose uncertainty is
:math:`\sigma`, the profile likelihood ratio of the Asimov data set gives

.. math:: Z^2 = 2 \left[ (s+b) \ln \frac{(s+b)(b+\sigma^2)}{b^2 + (s+b)\sigma^2}
    - \frac{b^2}{\sigma^2} \ln\left(1 + \frac{\sigma^2 s}{b (b+\sigma^2)}\right) \right]
    \;\xrightarrow{\sigma \to 0}\; 2 \left[ (s+b) \ln\left(1 + \frac{s}{b}\right) - s \right]

These differences cancel for small :math:`s/b` and small :math:`\sigma`. With :math:`x = s/b`,
:math:`u = \sigma^2/b`, :math:`v = \frac{ux}{1+u}` and :math:`z = \frac{x}{(1+u)(1+v)}` they
are the same as

.. math:: Z = \frac{s}{1+u} \sqrt{\frac{2}{b} \left[ \frac{H(z)}{1+v} + u \, G(v) \right]}, \qquad
    G(t) = \frac{t - \ln(1+t)}{t^2}, \qquad H(t) = \frac{(1+t)\ln(1+t) - t}{t^2}

whose terms are all positive, and whose slope at :math:`s = 0` is finite. This is what is computed,
for numpy and torch.

In the HiggsML challenge a constant :math:`b_r` is added to the background: here it takes part
wherever b does, :math:`b \to b + b_r` and :math:`\sigma = \text{unc}_b \, (b + b_r)`.

References:
    G. Cowan, K. Cranmer, E. Gross and O. Vitells, Asymptotic formulae for likelihood-based tests of
    new physics, Eur. Phys. J. C 71 (2011) 1554, https://arxiv.org/abs/1007.1727 (eq. 97)

    G. Cowan, Discovery sensitivity for a counting experiment with background uncertainty (2012),
    https://www.pp.rhul.ac.uk/~cowan/stat/medsig/medsigNote.pdf (with the uncertainty)

    C. Adam-Bourdarios et al., The Higgs boson machine learning challenge, PMLR 42 (2015) 19 (the
    AMS and its constant)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np

from lumin_core.data import as_numbers
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

_SMALL = 0.25  # below it log1p(t) would cancel against t, and its series needs seven terms
_N_TERMS = 7


@overload
def calc_ams(s: float, b: float, br: float = 0, unc_b: float = 0) -> float: ...
@overload
def calc_ams(s: ArrayLike, b: ArrayLike, br: float = 0, unc_b: ArrayLike = 0) -> float | NDArray[np.float64]: ...
def calc_ams(s: ArrayLike, b: ArrayLike, br: float = 0, unc_b: ArrayLike = 0) -> float | NDArray[np.float64]:
    """Compute the approximate median significance of numbers or arrays, which are broadcast.

    The module has the formula. No signal, or a negative one, gives 0. Without any background
    (``b + br = 0``) the significance of a signal has no bound, and is infinite; a negative
    background has none, which is NaN, as is that of what is missing (NaN, masked). LUMIN gives -1
    for these, and leaves ``br`` out where ``unc_b`` is given.

    Args:
        s: Signal expected, as a sum of weights.
        b: Background expected, as a sum of weights.
        br: A constant that is added to the background, not negative; the HiggsML challenge has 10.
        unc_b: Systematic uncertainty of the background, as a fraction of it, not negative; 0.1
            is ten percent.

    Returns:
        The significance, in standard deviations: a float for numbers, else an array of doubles.

    Raises:
        ConfigError: If ``br`` or ``unc_b`` is negative or NaN.

    Example:
        >>> from lumin_plugin_hep import calc_ams
        >>> round(calc_ams(10, 100), 4), round(calc_ams(10, 100, br=10, unc_b=0.1), 4)
        (0.984, 0.6434)
        >>> calc_ams([0, 5, 5], [10, 10, 0]).round(3)
        array([0.   , 1.471,   inf])
    """
    check_not_negative(br, "br")
    check_not_negative(unc_b, "unc_b")
    given = (("s", s), ("b", b), ("unc_b", unc_b))
    s, b, unc_b = (as_numbers(value, name).astype(np.float64) for name, value in given)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = _ams(np, s, b + br, unc_b)
    return float(values) if values.ndim == 0 else values


def calc_ams_torch(s: Tensor | float, b: Tensor | float, br: float = 0, unc_b: float = 0) -> Tensor:
    """Compute the approximate median significance of tensors, with gradients.

    `calc_ams` tells the rest. Gradients are finite everywhere: at no signal that in ``s`` is the
    limit from above, and where the significance is constant (a negative signal, no background)
    they are zero.

    Args:
        s: Signal expected, any shape; numbers and integers become floats.
        b: Background expected, a shape that can be broadcast with it.
        br: A constant that is added to the background, not negative.
        unc_b: Systematic uncertainty of the background, as a fraction of it, not negative.

    Returns:
        The significance, in standard deviations, of the shape of both together.

    Raises:
        ConfigError: If ``br`` or ``unc_b`` is negative or NaN.
        DataError: If something is not numbers.

    Example:
        >>> import torch
        >>> from lumin_plugin_hep import calc_ams_torch
        >>> s = torch.tensor([0.0, 10.0], requires_grad=True)
        >>> z = calc_ams_torch(s, torch.tensor(100.0), br=10, unc_b=0.1)
        >>> z.detach(), torch.autograd.grad(z.sum(), s)[0]
        (tensor([0.0000, 0.6434]), tensor([0.0658, 0.0629]))
    """
    import torch

    check_not_negative(br, "br")
    check_not_negative(unc_b, "unc_b")
    values: Tensor = _ams(torch, _as_floats(s, "s"), _as_floats(b, "b") + br, unc_b)
    return values


def _as_floats(values: Tensor | ArrayLike, name: str) -> Tensor:
    """Return a tensor of floats itself, other numbers as one."""
    import torch

    if not isinstance(values, torch.Tensor) or values.is_complex():
        values = torch.as_tensor(as_numbers(values, name))
    return values if values.is_floating_point() else values.to(torch.get_default_dtype())


def _ams(xp: Any, s: Any, b: Any, unc_b: Any) -> Any:
    """Compute the formula of the module with the functions of numpy or torch.

    b holds the constant already.
    """
    positive = b > 0
    safe_b = xp.where(positive, b, xp.ones_like(b))
    safe_s = xp.where(s < 0, xp.zeros_like(s), s)
    x, u = safe_s / safe_b, unc_b * unc_b * safe_b
    v = u * x / (1 + u)
    _, h = _logs(xp, x / ((1 + u) * (1 + v)))
    g, _ = _logs(xp, v)
    z = safe_s / (1 + u) * xp.sqrt(2 / safe_b * (h / (1 + v) + u * g))
    unbound = xp.where(safe_s > 0, xp.full_like(safe_s, xp.inf), safe_s)
    return xp.where(positive, z, xp.where(b == 0, unbound, xp.full_like(z, xp.nan)))


def _logs(xp: Any, t: Any) -> tuple[Any, Any]:
    """Compute G(t) and H(t) of the module for t >= 0.

    They are free of cancellation and of gradients that are NaN.
    """
    small = t < _SMALL
    big = xp.where(small, xp.ones_like(t), t)
    log = xp.log1p(big) / big
    w = xp.where(small, t, xp.zeros_like(t))
    w = w / (2 + w)  # log1p(t) = 2 artanh(w) = 2 (w + w^3 r), with r = 1/3 + w^2/5 + w^4/7 + ...
    r = _polynomial(w * w, [1 / (2 * k + 3) for k in range(_N_TERMS)])
    series = (1 - w) / 2 * (1 - w * (1 - w) * r)
    g = xp.where(small, series, (1 - log) / big)
    return g, xp.where(small, (1 - w) * (1 + w * w * r), log) - g


def _polynomial(t: Any, coefficients: Sequence[float]) -> Any:
    """Compute a polynomial, the coefficients in rising order."""
    value = coefficients[-1] + 0 * t
    for coefficient in reversed(coefficients[:-1]):
        value = coefficient + t * value
    return value


def check_not_negative(value: ArrayLike, name: str) -> None:
    """Refuse negative values and NaN.

    Example:
        >>> from lumin_plugin_hep.significance import check_not_negative
        >>> check_not_negative(-0.1, "syst_unc_b")
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: syst_unc_b must not be negative, got -0.1
    """
    if not np.all(as_numbers(value, name) >= 0):
        raise ConfigError(f"{name} must not be negative, got {value!r}")
