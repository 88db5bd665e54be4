"""Scaling by quantiles, minimum and maximum: scikit-learn's values, with weights, in plain values, back again."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
from scipy import stats
from sklearn import preprocessing

from lumin_core.data import as_chain, chain_from_config, chain_to_config
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_tabular import Chain, MinMaxScaler, QuantileTransformer, RobustScaler, fit_input_pipe

RNG = np.random.default_rng(0)
X = np.exp(RNG.normal(1, 2, (300, 3))) * [1, -1, 0.1]
STEPS = [
    (RobustScaler, preprocessing.RobustScaler, {}),
    (RobustScaler, preprocessing.RobustScaler, {"with_centering": False, "quantile_range": (5.0, 90.0)}),
    (RobustScaler, preprocessing.RobustScaler, {"with_scaling": False}),
    (MinMaxScaler, preprocessing.MinMaxScaler, {}),
    (MinMaxScaler, preprocessing.MinMaxScaler, {"feature_range": (-1.0, 3.0), "clip": True}),
    (QuantileTransformer, preprocessing.QuantileTransformer, {"output_distribution": "uniform", "n_quantiles": 300}),
    (QuantileTransformer, preprocessing.QuantileTransformer, {"output_distribution": "normal", "n_quantiles": 20}),
]
OURS = [RobustScaler, MinMaxScaler, QuantileTransformer]


@pytest.mark.parametrize(("ours", "theirs", "options"), STEPS)
def test_equals_scikit_learn_and_is_undone(ours, theirs, options):
    step, reference = ours(**options).fit(X), theirs(**options).fit(X)
    y = step.transform(X)
    np.testing.assert_allclose(y, reference.transform(X), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(step.inverse_transform(y), reference.inverse_transform(y), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(step.inverse_transform(y), X, rtol=1e-6)


@pytest.mark.parametrize(("ours", "theirs", "options"), STEPS)
@pytest.mark.parametrize("fitted", [True, False])
def test_plain_values_give_the_same_again(ours, theirs, options, fitted):
    step = ours(**options).fit(X) if fitted else ours(**options)
    again = ours.from_config(json.loads(json.dumps(step.to_config(), allow_nan=False)))
    assert again.to_config() == step.to_config()
    assert again.is_fitted is fitted
    estimator = theirs(**options).fit(X) if fitted else theirs(**options)
    assert ours.convert(estimator).is_fitted is fitted
    if fitted:
        np.testing.assert_array_equal(again.transform(X), step.transform(X))
        np.testing.assert_allclose(ours.convert(estimator).transform(X), estimator.transform(X), atol=1e-12)
        np.testing.assert_array_equal(again.fit(X[:9]).transform(X), ours(**options).fit(X[:9]).transform(X))


def test_a_stored_chain_names_the_steps_and_takes_those_of_scikit_learn():
    chain = Chain(as_chain(["robust_scaler", {"name": "min_max_scaler", "clip": True}, "quantile_transformer"]))
    configs = chain_to_config(chain.fit(X))
    names = ["tabular/robust_scaler", "tabular/min_max_scaler", "tabular/quantile_transformer"]
    assert [config["name"] for config in configs] == names
    again = Chain(chain_from_config(json.loads(json.dumps(configs))))
    np.testing.assert_array_equal(again.transform(X), chain.transform(X))
    pipe = preprocessing.RobustScaler(unit_variance=True).fit(X)
    with pytest.raises(ConfigError, match="RobustScaler cannot be stored"):
        as_chain(pipe)


@pytest.mark.parametrize("step", [RobustScaler, MinMaxScaler, partial(QuantileTransformer, n_quantiles=50)])
def test_missing_values_are_left_out_and_stay_missing(step):
    holes = X.copy()
    holes[::3, 1] = np.nan
    weights = np.linspace(1, 2, 300)
    for options in ({}, {"sample_weight": weights}):
        given = step().fit(holes, **options).transform(holes)
        kept = {name: values[~np.isnan(holes[:, 1])] for name, values in options.items()}
        alone = step().fit(holes[~np.isnan(holes[:, 1]), 1:2], **kept)
        np.testing.assert_allclose(given[:, 1:2], alone.transform(holes[:, 1:2]), rtol=1e-9)
        assert np.isnan(given[::3, 1]).all()
        assert np.isnan(given).sum() == 100


@pytest.mark.parametrize("step", OURS)
def test_equal_weights_are_none_and_weight_zero_is_no_event(step):
    np.testing.assert_allclose(step().fit(X, np.full(300, 0.3)).transform(X), step().fit(X).transform(X), atol=1e-9)
    far, weights = np.vstack([X, 1e6 + X[:50]]), np.r_[np.linspace(1, 3, 300), np.zeros(50)]
    np.testing.assert_array_equal(
        step().fit(far, weights).transform(X), step().fit(X, np.linspace(1, 3, 300)).transform(X)
    )


@pytest.mark.parametrize("step", [RobustScaler(), QuantileTransformer("normal", 100), QuantileTransformer("uniform")])
def test_weights_make_one_distribution_of_another(step):
    """Flat events with an exponential's density as weights are scaled as exponential events are."""
    x = np.linspace(0, 12, 20001)[:, None]
    given = step.fit(x, np.exp(-x[:, 0])).transform(np.array([[0.2], [1.0], [3.0]]))
    if isinstance(step, RobustScaler):
        np.testing.assert_allclose(given.ravel(), (np.array([0.2, 1, 3]) - np.log(2)) / np.log(3), rtol=1e-3)
    else:
        flat = 1 - np.exp(-np.array([0.2, 1, 3]))
        normal = step.estimator.output_distribution == "normal"
        np.testing.assert_allclose(given.ravel(), stats.norm.ppf(flat) if normal else flat, rtol=2e-3)


def test_a_normal_distribution_becomes_of_every_column():
    given = QuantileTransformer().fit(X).transform(X)[1:-1]
    assert np.abs(np.median(given, axis=0)).max() < 0.02
    np.testing.assert_allclose(np.percentile(given, [16, 84], axis=0), [[-1] * 3, [1] * 3], atol=0.03)
    beyond = QuantileTransformer("uniform").fit(X[:, :1])
    np.testing.assert_array_equal(beyond.transform([[-1.0], [1e9]]), [[0], [1]])
    np.testing.assert_allclose(beyond.inverse_transform([[0.0], [1.0]]).ravel(), [X[:, 0].min(), X[:, 0].max()])


def test_all_events_are_looked_at_and_nothing_is_drawn():
    x = np.arange(30001.0)[:, None]
    state = np.random.get_state()[1].copy()
    assert QuantileTransformer("uniform", 2).fit(x).transform([[15000.0]]).tolist() == [[0.5]]
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_the_range_grows_by_parts():
    step = MinMaxScaler()
    for part in np.array_split(X, 7):
        step.partial_fit(part)
    np.testing.assert_array_equal(step.transform(X), MinMaxScaler().fit(X).transform(X))
    stored = MinMaxScaler.from_config(MinMaxScaler().fit(X[:50]).to_config())
    np.testing.assert_array_equal(stored.partial_fit(X[50:]).transform(X), step.transform(X))
    with pytest.raises(ShapeError, match="fitted for 3 columns"):
        stored.partial_fit(X[:, :2])


@pytest.mark.parametrize("value", [0.1, 125.3, 1e9 + 0.1])
@pytest.mark.parametrize("weights", [None, np.linspace(1, 2, 9)])
def test_a_constant_column_is_not_scaled(value, weights):
    x = np.full((9, 1), value)
    for step, expected in ((RobustScaler(), 0), (MinMaxScaler((-1, 1)), -1), (QuantileTransformer(), 0)):
        assert step.fit(x, weights).transform(x).ravel().tolist() == [expected] * 9
        np.testing.assert_allclose(step.inverse_transform(step.transform(x)), x, rtol=1e-15)
    mostly = np.r_[np.zeros(8), 2.0][:, None]
    assert RobustScaler().fit(mostly, weights).transform(mostly).ravel().tolist() == [0] * 8 + [2]
    assert QuantileTransformer("uniform").fit(x).transform(x - 1).ravel().tolist() == [0] * 9


@pytest.mark.parametrize(
    "step", [RobustScaler(), MinMaxScaler(), QuantileTransformer(), QuantileTransformer("uniform")]
)
@pytest.mark.parametrize("mean", [0, 1e6])
def test_single_precision_is_scaled_as_double_is(step, mean):
    x = RNG.normal(mean, 1, (1000, 2)).astype("float32")
    before = x.copy()
    given = step.fit(x).transform(x)
    assert given.dtype == np.float32
    np.testing.assert_array_equal(x, before)
    np.testing.assert_allclose(given, step.fit(x.astype("float64")).transform(x.astype("float64")), atol=2e-6)
    back = step.inverse_transform(given)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, x, rtol=1e-6, atol=2e-3)


@pytest.mark.parametrize("step", OURS)
def test_what_is_wrong_is_refused(step):
    fitted, x = step().fit(X), X.copy()
    x[3, 2] = np.inf
    for call in (step().fit, fitted.transform, fitted.inverse_transform):
        with pytest.raises(DataError, match=r"columns \[2\] hold 1 infinite"):
            call(x)
    with pytest.raises(ShapeError, match="fitted for 3 columns"):
        fitted.transform(X[:, :2])
    with pytest.raises(ConfigError, match="call fit first"):
        step().transform(X)
    with pytest.raises(DataError, match=r"columns of NaN alone \[1\]"):
        step().fit(np.array([[1.0, np.nan], [2, np.nan]]))
    with pytest.raises(DataError, match="at least one value"):
        step().fit(X[:0])
    with pytest.raises(ShapeError, match=r"shape \(300,\)"):
        step().fit(X, np.ones(5))
    assert fitted.transform(X[:0].astype("float32")).shape == (0, 3)
    assert fitted.inverse_transform(X[:0]).shape == (0, 3)


@pytest.mark.parametrize("step", [RobustScaler, QuantileTransformer])
def test_negative_weights_have_no_quantiles(step):
    with pytest.raises(DataError, match=r"got 20 negative ones of 300; .* or take standard_scaler"):
        step().fit(X, np.r_[np.ones(280), -np.ones(20)])
    assert MinMaxScaler().fit(X, np.r_[np.ones(280), -np.ones(20)]).transform(X).max() == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RobustScaler(quantile_range=(75, 25)), r"quantile_range must be two numbers, the smaller first"),
        (lambda: RobustScaler(quantile_range=(-5, 25)), r"quantile_range must be two per cents, as \(25, 75\)"),
        (lambda: RobustScaler(quantile_range="ab"), "quantile_range must be two numbers"),
        (lambda: MinMaxScaler(feature_range=(0, 1, 2)), "feature_range must be two numbers"),
        (lambda: MinMaxScaler(feature_range=1), "feature_range must be two numbers"),
        (lambda: QuantileTransformer("gaussian"), 'output_distribution must be "uniform" or "normal", got \'gauss'),
        (lambda: QuantileTransformer(n_quantiles=0), "n_quantiles must be a positive integer"),
        (lambda: RobustScaler.from_config({"quantile_range": [25, 75], "center": [0.0]}), "is missing"),
    ],
)
def test_options_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_they_are_chosen_by_name_where_a_pipeline_is_fitted():
    columns = {"pt": X[:, 0], "mass": X[:, 2], "weight": np.linspace(1, 2, 300)}
    steps = ["signed_log", {"name": "robust_scaler", "quantile_range": [10, 90]}]
    pipe = fit_input_pipe(columns, ["pt", "mass"], wgt_feat="weight", steps=steps)
    given = pipe.transform(X[:, [0, 2]])
    np.testing.assert_allclose(np.median(given, axis=0), 0, atol=0.1)
    np.testing.assert_allclose(pipe.inverse_transform(given), X[:, [0, 2]], rtol=1e-9)
