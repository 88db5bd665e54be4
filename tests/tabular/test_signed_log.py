"""The signed logarithm: odd, rising, back again, for some columns or all."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lumin_core.data import chain_from_config, chain_to_config
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_tabular import SignedLog

X = np.array([[0.0, 1e-30], [1e-9, -3.0], [30.0, 1e12], [np.nan, -1e300]])


@pytest.mark.parametrize("scale", [1e-3, 1.0, 50])
def test_it_is_odd_rises_and_is_undone(scale):
    step = SignedLog(scale)
    y = step.transform(X)
    np.testing.assert_allclose(y, np.sign(X) * np.log1p(abs(X) / scale), rtol=1e-14)
    np.testing.assert_array_equal(step.transform(-X), -y)
    np.testing.assert_allclose(step.inverse_transform(y), X, rtol=1e-12)
    many = np.sort(np.random.default_rng(1).normal(0, 100, (1000, 1)), axis=0)
    assert (np.diff(step.transform(many), axis=0) > 0).all()
    np.testing.assert_allclose(step.transform([[1e-12 * scale]]), [[1e-12]])  # linear


def test_columns_are_chosen():
    step = SignedLog(columns=[1])
    y = step.transform(X)
    np.testing.assert_array_equal(y[:, 0], X[:, 0])
    np.testing.assert_array_equal(y[:, 1], SignedLog().transform(X)[:, 1])
    np.testing.assert_allclose(step.inverse_transform(y), X, rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"scale": 1000.0, "columns": [0]}])
def test_a_stored_one_is_the_same(options):
    (config,) = json.loads(json.dumps(chain_to_config([SignedLog(**options)])))
    assert config == {"name": "tabular/signed_log", "scale": 1.0, "columns": None} | options
    np.testing.assert_array_equal(chain_from_config([config])[0].transform(X), SignedLog(**options).transform(X))


def test_single_precision_stays_and_data_are_left_alone():
    x = np.array([[1e6], [-1e-20], [3e38]], dtype="float32")
    before = x.copy()
    y = SignedLog().transform(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, SignedLog().transform(x.astype("float64")), rtol=1e-7)
    np.testing.assert_allclose(SignedLog().inverse_transform(y), x, rtol=1e-5)
    np.testing.assert_array_equal(x, before)
    assert SignedLog().transform(x[:0]).shape == (0, 1)


@pytest.mark.parametrize(("value", "dtype"), [(89.0, "float32"), (-89.0, "float32"), (710.0, "float64")])
def test_what_no_float_holds_is_refused(value, dtype):
    with pytest.raises(DataError, match=f"values of up to {abs(value):.0f} stand for numbers that {dtype} cannot hold"):
        SignedLog().inverse_transform(np.array([[value, np.nan]], dtype=dtype))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0}, "scale must be a number above 0, in the unit of the data, got 0"),
        ({"scale": "GeV"}, "scale must be a number above 0"),
        ({"columns": []}, "columns must be a list of numbers of columns"),
        ({"columns": ["pt"]}, r"columns must be a list of numbers of columns, counted from 0, got \['pt'\]"),
        ({"columns": "01"}, "columns must be a list of numbers"),
        ({"columns": [-1]}, "columns must be a list of numbers"),
        ({"columns": 1}, "columns must be a list of numbers"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        SignedLog(**options)


def test_data_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"for the columns \[2\], counted from 0, but got shape \(4, 2\)"):
        SignedLog(columns=[2]).transform(X)
    with pytest.raises(DataError, match=r"columns \[0\] hold 1 infinite"):
        SignedLog().transform([[np.inf]])
