import json

import numpy as np
import pytest
from sklearn import decomposition, preprocessing

from lumin_core import build
from lumin_core.data import apply_chain, transforms
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_tabular import PCA, Chain, StandardScaler

RNG = np.random.default_rng(0)
X = RNG.normal(5, 3, (200, 3)) @ RNG.normal(0, 1, (3, 3))
SCALERS = [{}, {"with_mean": False}, {"with_std": False}, {"with_mean": False, "with_std": False}]
STEPS = [
    (StandardScaler, preprocessing.StandardScaler, SCALERS),
    (PCA, decomposition.PCA, [{}, {"whiten": True}, {"n_components": 2}, {"n_components": 0.9, "whiten": True}]),
]
CASES = [(ours, theirs, options) for ours, theirs, choices in STEPS for options in choices]


@pytest.mark.parametrize(("ours", "theirs", "options"), CASES)
def test_equals_scikit_learn(ours, theirs, options):
    step, reference = ours(**options).fit(X), theirs(**options).fit(X)
    y = step.transform(X)
    np.testing.assert_allclose(y, reference.transform(X), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(step.inverse_transform(y), reference.inverse_transform(y), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("ours", "theirs", "options"), [case for case in CASES if "n_components" not in case[2]])
def test_inverse_undoes(ours, theirs, options):
    step = ours(**options).fit(X)
    np.testing.assert_allclose(step.inverse_transform(step.transform(X)), X, atol=1e-9)


@pytest.mark.parametrize(("ours", "theirs", "options"), CASES)
@pytest.mark.parametrize("fitted", [True, False])
def test_config_is_json_and_gives_the_same(ours, theirs, options, fitted):
    step = ours(**options).fit(X) if fitted else ours(**options)
    config = json.loads(json.dumps(step.to_config(), allow_nan=False))
    again = ours.from_config(config)
    assert again.to_config() == step.to_config()
    assert again.is_fitted is fitted
    if fitted:
        np.testing.assert_array_equal(again.transform(X), step.transform(X))


@pytest.mark.parametrize(("ours", "theirs", "options"), CASES)
def test_fitted_and_unfitted_estimators_are_converted(ours, theirs, options):
    estimator = theirs(**options)
    assert not ours.convert(estimator).is_fitted
    np.testing.assert_allclose(ours.convert(estimator.fit(X)).transform(X), estimator.transform(X), atol=1e-12)
    assert ours.convert(preprocessing.MaxAbsScaler()) is None
    assert ours.convert("passthrough") is None


@pytest.mark.parametrize(("ours", "theirs", "options"), CASES)
def test_float32_stays_and_data_are_left_alone(ours, theirs, options):
    x = X.astype("float32")
    before, step = x.copy(), ours(**options).fit(x)
    assert step.transform(x).dtype == np.float32
    assert step.inverse_transform(step.transform(x)).dtype == np.float32
    np.testing.assert_array_equal(x, before)


def test_stored_chain_names_the_steps():
    chain = [PCA(2).fit(X), StandardScaler()]
    chain[1].fit(chain[0].transform(X))
    configs = transforms.chain_to_config(chain)
    assert [config["name"] for config in configs] == ["tabular/pca", "tabular/standard_scaler"]
    np.testing.assert_array_equal(apply_chain(transforms.chain_from_config(configs), X), apply_chain(chain, X))


def test_scaler_leaves_missing_values_out_and_missing():
    x = X.copy()
    x[::3, 1] = np.nan
    y = StandardScaler().fit(x).transform(x)
    np.testing.assert_allclose(np.nanmean(y, 0), 0, atol=1e-9)
    np.testing.assert_allclose(np.nanstd(y, 0), 1)
    assert np.isnan(y[::3, 1]).all()


def test_scaler_does_not_scale_a_constant_column():
    x = np.full((5, 1), 3.0)
    assert StandardScaler().fit(x).transform(x).tolist() == [[0]] * 5


def test_scaler_fitted_by_parts_equals_the_whole():
    step = StandardScaler()
    for part in np.array_split(X, 7):
        step.partial_fit(part)
    np.testing.assert_allclose(step.transform(X), StandardScaler().fit(X).transform(X), atol=1e-9)


def test_scaler_goes_on_from_a_stored_one():
    stored = StandardScaler.from_config(StandardScaler().fit(X[:50]).to_config())
    np.testing.assert_allclose(stored.partial_fit(X[50:]).transform(X), StandardScaler().fit(X).transform(X), atol=1e-9)


def test_fitting_again_forgets():
    step = StandardScaler().fit(X * 100)
    assert step.fit(X).to_config() == StandardScaler().fit(X).to_config()


def test_weight_zero_is_no_event_and_weight_two_are_two():
    weights = np.ones(200)
    weights[:50], weights[50:60] = 0, 2
    weighted = StandardScaler().fit(X, weights)
    plain = StandardScaler().fit(np.vstack([X[50:], X[50:60]]))
    np.testing.assert_allclose(weighted.transform(X), plain.transform(X), atol=1e-9)


def test_negative_weights_subtract_events():
    both, weights = np.vstack([X, X[:20]]), np.r_[np.ones(200), -np.ones(20)]
    np.testing.assert_allclose(
        StandardScaler().fit(both, weights).transform(X), StandardScaler().fit(X[20:]).transform(X), atol=1e-9
    )


@pytest.mark.parametrize("offset", [0, 125, 3e5, 1e9])
def test_weights_without_a_positive_variance_are_refused(offset):
    x, weights = np.array([[0.0], [1], [3]]) + offset, np.array([1, 1, -0.9])
    with pytest.raises(DataError, match=r"columns \[0\] is negative: too many"):
        StandardScaler().fit(x, weights)
    with pytest.raises(DataError, match=r"columns \[0\] is negative: too many"):
        StandardScaler().fit(x[:1]).partial_fit(x, weights)
    if offset < 1e6:  # which single precision tells apart
        with pytest.raises(DataError, match=r"columns \[0\] is negative: too many"):
            StandardScaler().fit(x.astype(np.float32), weights)


@pytest.mark.parametrize("value", [0.1, 125.3, 3e5 + 0.1, 1e9 + 0.1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_of_a_constant_column_is_no_negative_variance(value, dtype):
    x, weights = np.full((200, 1), value, dtype=dtype), np.r_[np.ones(120), -np.ones(79), -0.7]
    assert StandardScaler().fit(x, weights).partial_fit(x, weights).estimator.var_ == pytest.approx(0, abs=1e-9)
    one_ulp = np.where(np.arange(200) % 3 == 0, np.nextafter(x.T, dtype(np.inf)), x.T).T
    assert StandardScaler().fit(one_ulp, weights).is_fitted


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (np.ones(5), ShapeError, r"shape \(200,\)"),
        (np.ones((200, 1)), ShapeError, r"shape \(200,\)"),
        (np.zeros(200), DataError, "more than 0"),
        (np.full(200, np.nan), DataError, "must be finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, error, message):
    with pytest.raises(error, match=message):
        StandardScaler().fit(X, weights)


@pytest.mark.parametrize("step", [StandardScaler, PCA])
def test_infinities_and_shapes_are_refused(step):
    x = X.copy()
    x[3, 2] = np.inf
    fitted = step().fit(X)
    for call in (step().fit, fitted.transform, fitted.inverse_transform):
        with pytest.raises(DataError, match=r"columns \[2\] hold 1 infinite"):
            call(x)
    with pytest.raises(ShapeError, match="fitted for 3 columns"):
        fitted.transform(X[:, :2])
    with pytest.raises(ShapeError, match=r"\(n, F\)"):
        fitted.transform(X[0])
    with pytest.raises(ConfigError, match="call fit first"):
        step().transform(X)
    with pytest.raises(DataError, match="must hold numbers, got text"):
        step().fit(np.array([["a", "b"]]))


def test_pca_refuses_missing_values():
    x = X.copy()
    x[3, 1] = np.nan
    with pytest.raises(DataError, match=r"columns \[1\] hold 1 infinite or missing"):
        PCA().fit(x)


def test_pca_refuses_more_components_than_columns():
    with pytest.raises(ConfigError, match="n_components=4"):
        PCA(4).fit(X)


def test_scaler_refuses_columns_without_a_value():
    with pytest.raises(DataError, match=r"columns of NaN alone \[1\]"):
        StandardScaler().fit(np.array([[1.0, np.nan], [2, np.nan]]))
    with pytest.raises(DataError, match="at least one value"):
        StandardScaler().fit(np.empty((0, 2)))


@pytest.mark.parametrize(
    ("config", "message"),
    [({"mean": [0.0]}, "is missing"), ({"with_meen": True}, "no option 'with_meen'")],
)
def test_a_damaged_config_is_refused(config, message):
    with pytest.raises(ConfigError, match=message):
        StandardScaler.from_config(config)


def test_is_built_by_name():
    assert build("transform", {"name": "standard_scaler", "with_mean": False}).to_config() == {
        "with_mean": False,
        "with_std": True,
    }


# What is taken for a number

NO_NUMBERS = [
    np.array([[1, 2, 3]], dtype="datetime64[s]"),
    np.array([[1, 2, 3]], dtype="timedelta64[s]"),
    np.array([["1", "2", "3"]]),
    np.array([[1j, 2, 3]]),
    np.array([[1, "2", 3]], dtype=object),
]


@pytest.mark.parametrize("x", NO_NUMBERS)
@pytest.mark.parametrize("step", [StandardScaler, PCA])
def test_nothing_but_numbers_is_taken_at_any_door(step, x):
    fitted = step().fit(X)
    chain = Chain([fitted])
    calls = [
        step().fit,
        fitted.transform,
        fitted.inverse_transform,
        chain.fit,
        chain.transform,
        chain.inverse_transform,
    ]
    for call in calls:
        with pytest.raises(DataError, match="the data must hold numbers"):
            call(x)
    with pytest.raises(DataError, match="sample_weight must hold numbers"):
        StandardScaler().fit(X[:3], x[0])


def test_what_is_masked_is_missing():
    x = np.ma.masked_array([[1.0], [-999.0], [3.0]], [[False], [True], [False]])
    scaler = StandardScaler().fit(x)
    assert scaler.to_config()["mean"] == [2.0]
    for given in (scaler.transform(x), Chain([scaler]).transform(x), apply_chain([scaler], x)):
        np.testing.assert_array_equal(given, [[-1], [np.nan], [1]])
    np.testing.assert_array_equal(
        scaler.inverse_transform(np.ma.masked_array([[0.0], [9.0]], [[0], [1]])), [[2], [np.nan]]
    )
    with pytest.raises(DataError, match=r"columns \[0\] hold 1 infinite or missing"):
        PCA().fit(x)
    with pytest.raises(DataError, match="weights must be finite"):
        StandardScaler().fit(X[:3], np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False]))


@pytest.mark.parametrize("step", [StandardScaler(), PCA(2)])
def test_an_empty_selection_stays_empty(step):
    step.fit(X)
    width = step.transform(X[:1]).shape[1]
    assert step.transform(X[:0]).shape == (0, width)
    assert step.inverse_transform(np.zeros((0, width), dtype="float32")).shape == (0, 3)
    assert step.transform(X[:0].astype("float32")).dtype == np.float32


@pytest.mark.parametrize("mean", [1e4, 1e6])
@pytest.mark.parametrize("step", [StandardScaler(), PCA(whiten=True)], ids=["scaler", "pca"])
def test_single_precision_far_from_zero_is_scaled_as_double_is(step, mean):
    x = np.random.default_rng(1).normal(mean, 1, (1000, 2)).astype("float32")
    given = step.fit(x).transform(x)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given.astype("float64").std(0), 1, rtol=1e-3)
    np.testing.assert_allclose(given, step.fit(x.astype("float64")).transform(x.astype("float64")), atol=1e-3)
