"""The formula against decimals of eighty digits, its limits, and its gradients."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import product

import numpy as np
import pytest
import torch

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_hep.significance import calc_ams, calc_ams_torch

YIELDS = [(s, b) for s in (1e-12, 1e-6, 1e-3, 0.1, 3.0, 30.0, 1e7) for b in (1e-9, 1e-3, 0.3, 4.0, 12.0, 1e2, 1e9)]
OPTIONS = [(br, unc_b) for br in (0, 10) for unc_b in (0, 1e-8, 1e-4, 0.01, 0.3, 2)]


def in_decimals(s, b, br=0, unc_b=0):
    """Compute the formula as it is printed, with digits enough for what cancels."""
    with localcontext(prec=120):
        s, b = Decimal(s), Decimal(b) + Decimal(br)
        n, v = s + b, (Decimal(unc_b) * b) ** 2
        if v == 0:
            return float((2 * (n * (1 + s / b).ln() - s)).sqrt())
        first = n * (n * (b + v) / (b**2 + n * v)).ln()
        return float((2 * (first - b**2 / v * (1 + v * s / (b * (b + v))).ln())).sqrt())


@pytest.mark.parametrize(("br", "unc_b"), OPTIONS)
def test_calc_ams_is_the_formula_without_cancellation(br, unc_b):
    s, b = np.array(YIELDS).T
    expected = [in_decimals(*pair, br, unc_b) for pair in YIELDS]
    np.testing.assert_allclose(calc_ams(s, b, br, unc_b), expected, rtol=2e-15)
    values = calc_ams_torch(torch.tensor(s), torch.tensor(b), br, unc_b)
    np.testing.assert_allclose(values, expected, rtol=2e-15)
    single = calc_ams_torch(torch.tensor(s, dtype=torch.float32), torch.tensor(b, dtype=torch.float32), br, unc_b)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, expected, rtol=2e-6)


@pytest.mark.parametrize(("s", "b", "known"), [(10, 100, 0.98399), (5, 0.25, 4.68695)])
def test_calc_ams_gives_known_values(s, b, known):
    """Worked out by hand from eq. 97."""
    assert calc_ams(s, b) == pytest.approx(known, abs=1e-5)


def test_calc_ams_of_much_background_is_s_over_root_b_plus_variance():
    assert calc_ams(1, 1e8) == pytest.approx(1e-4, rel=1e-7)
    assert calc_ams(1, 1e8, unc_b=1e-3) == pytest.approx(1 / np.sqrt(1e8 + 1e10), rel=1e-7)


def test_calc_ams_rises_with_signal_and_falls_with_all_else():
    values = np.linspace(0.1, 50, 200)
    assert (np.diff(calc_ams(values, 20, 1, 0.1)) > 0).all()
    assert (np.diff(calc_ams(5, values, 1, 0.1)) < 0).all()
    assert (np.diff(calc_ams(5, 20, 1, values)) < 0).all()
    assert (np.diff([calc_ams(5, 20, br, 0.1) for br in values]) < 0).all()


@pytest.mark.parametrize("unc_b", [0, 0.2])
def test_calc_ams_has_limits(unc_b):
    assert calc_ams(0, 10, unc_b=unc_b) == 0
    assert calc_ams(-1, 10, unc_b=unc_b) == 0
    assert calc_ams(0, 0, unc_b=unc_b) == 0
    assert calc_ams(1, 0, unc_b=unc_b) == np.inf
    assert calc_ams(1, 1e-300, unc_b=unc_b) > calc_ams(1, 1e-30, unc_b=unc_b)
    assert np.isnan(calc_ams(1, -2, unc_b=unc_b))
    assert np.isfinite(calc_ams(1, 0, br=1, unc_b=unc_b))
    values = calc_ams_torch(torch.tensor([0.0, -1.0, 1.0, 1.0]), torch.tensor([10.0, 10.0, 0.0, -2.0]), unc_b=unc_b)
    np.testing.assert_array_equal(values, [0, 0, np.inf, np.nan])


def test_fault_br_counts_with_a_systematic_uncertainty_too():
    assert calc_ams(5, 20, br=10, unc_b=0.1) == calc_ams(5, 30, unc_b=0.1)
    assert calc_ams(5, 20, br=10, unc_b=0.1) < 0.9 * calc_ams(5, 20, unc_b=0.1)
    a, b = (calc_ams_torch(torch.tensor(5.0), torch.tensor(x), br, unc_b=0.1) for x, br in ((20.0, 10), (30.0, 0)))
    assert a == b


def test_calc_ams_takes_integers_arrays_and_broadcasts():
    assert isinstance(calc_ams(10, 100), float)
    assert isinstance(calc_ams(np.float32(10), np.int64(100)), float)
    values = calc_ams(np.arange(4)[:, None], np.array([10, 20, 30]), unc_b=np.array([0, 0.1, 0.2]))
    assert values.shape == (4, 3)
    assert values[2, 1] == calc_ams(2, 20, unc_b=0.1)
    assert calc_ams([], []).shape == (0,)


def test_calc_ams_torch_takes_numbers_arrays_and_integers():
    assert calc_ams_torch(3.0, 10.0, br=1).item() == calc_ams(3, 10, br=1)
    assert calc_ams_torch([3, 4], np.array([10, 20])).tolist() == pytest.approx(calc_ams([3, 4], [10, 20]), rel=1e-6)
    z = calc_ams_torch(torch.tensor([3, 0]), torch.tensor([10, 5]), unc_b=0.1)
    assert z.tolist() == pytest.approx(calc_ams([3, 0], [10, 5], unc_b=0.1), rel=1e-6)
    for wrong in ("3", torch.tensor(3j), np.array(3, dtype="timedelta64[s]")):
        with pytest.raises(DataError, match=r"s must hold numbers, got"):
            calc_ams_torch(wrong, 10.0)


@pytest.mark.parametrize(("br", "unc_b"), [(0, 0), (10, 0), (0, 0.2), (3, 1.5)])
def test_gradients_are_those_of_differences(br, unc_b):
    s = torch.tensor([1e-3, 0.5, 5.0, 40.0], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([10.0, 2.0, 0.1, 300.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s, b: calc_ams_torch(s, b, br, unc_b), (s, b))


@pytest.mark.parametrize(("br", "unc_b"), [(0, 0), (1, 0), (0, 0.2), (1, 0.2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_everywhere(br, unc_b, dtype):
    pairs = list(product([-1.0, 0.0, 1e-20, 1.0, 1e6], [-3.0, 0.0, 1e-12, 1.0, 1e6]))
    s, b = torch.tensor(pairs, dtype=dtype).T.clone().requires_grad_().unbind(0)
    for gradient in torch.autograd.grad(calc_ams_torch(s, b, br, unc_b).nansum(), (s, b)):
        assert gradient.isfinite().all()


def test_gradient_at_no_signal_is_the_limit():
    s = torch.zeros((), dtype=torch.float64, requires_grad=True)
    z = calc_ams_torch(s, torch.tensor(100.0, dtype=torch.float64), br=10, unc_b=0.1)
    (gradient,) = torch.autograd.grad(z, s)
    assert gradient.item() == pytest.approx(1 / np.sqrt(110 + 11**2), rel=1e-12)


@pytest.mark.parametrize("options", [{"br": -1}, {"unc_b": -0.1}, {"br": float("nan")}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ConfigError, match=rf"{next(iter(options))} must not be negative, got"):
        calc_ams(1, 1, **options)
    with pytest.raises(ConfigError, match=r"must not be negative"):
        calc_ams_torch(torch.ones(()), torch.ones(()), **options)
