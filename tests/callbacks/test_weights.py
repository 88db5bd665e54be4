from functools import partial

import numpy as np
import pytest
import torch

from lumin_core import EvalMetric, FoldFileWriter, FoldYielder, Model, ModelBuilder, train_models
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_callbacks import AbsWeightData, WeightData

SIZES = [24, 32, 19]


def events(i):
    rng = np.random.default_rng(i)
    x = rng.normal(size=(SIZES[i], 2)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(int), rng.uniform(0.5, 2, SIZES[i]).astype(np.float32)


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds")

    def make(name, weigh=lambda i, x, y, w: w):
        named = {} if weigh is None else {"wgt_feat": "w"}
        with FoldFileWriter(folder / name, cont_feats=["a", "b"], targ_feats="y", overwrite=True, **named) as file:
            for i in range(3):
                x, y, w = events(i)
                file.append(i, inputs=x, targets=y, weights=None if weigh is None else weigh(i, x, y, w))
        return FoldYielder(folder / name)

    return make


@pytest.fixture(scope="module")
def fy(write):
    with write("weighted") as yielder:
        yield yielder


class MeanWeight(EvalMetric):
    better = "lower"

    def evaluate(self, preds, targets, weights, columns):
        return 0.0 if weights is None else float(weights.mean())


def fit(fy, cbs=None, **options):
    model = Model(ModelBuilder.from_fy(fy, "classification", seed=1, model_args={"body": {"depth": 1, "width": 3}}))
    model.fit(3, fy, 16, cbs=cbs, metrics=MeanWeight(), val_idx=1, seed=1, visible_bar=False, **options)
    return model


def same(model, other):
    return all(
        torch.equal(a, b) for a, b in zip(model.get_weights().values(), other.get_weights().values(), strict=True)
    )


def by_class(x, mx, y, w):
    """Negative weights, and zero."""
    assert mx is None
    return np.where(y == 1, -0.5, 2) * w * (x[:, 1:] > -1)


class ByClass(AbsWeightData):
    weight_func = staticmethod(by_class)


@pytest.mark.parametrize(
    "make",
    [
        partial(WeightData, by_class), ByClass, partial(WeightData, lambda **fold: by_class(**fold)[:, 0]),
        partial(WeightData, lambda **fold: torch.tensor(by_class(**fold), requires_grad=True)),
        partial(WeightData, lambda **fold: by_class(**fold).tolist()),
    ],
)  # fmt: skip
@pytest.mark.parametrize("on_eval", [False, True])
def test_it_is_a_training_on_a_file_with_those_weights(fy, write, make, on_eval):
    def weigh(i, x, y, w):
        return by_class(x, None, y[:, None], w[:, None])[:, 0] if i != 1 or on_eval else w

    with write("expected", weigh) as other:
        expected = fit(other)
    weighted = fit(fy, make(on_eval=on_eval))
    assert same(weighted, expected)
    assert weighted.fit_params.history == expected.fit_params.history


def test_a_file_without_weights_gets_some(write):
    with write("bare", None) as bare, write("ones", lambda i, x, y, w: 1 + x[:, 0] ** 2) as other:
        assert same(fit(bare, WeightData(lambda x, mx, y, w: 1 + x[:, 0] ** 2, on_eval=True)), fit(other))


def test_weights_so_far_may_be_built_on_by_several(fy, write):
    twice = [WeightData(lambda x, mx, y, w: w * 2, on_eval=True), WeightData(lambda x, mx, y, w: w - 1, on_eval=True)]
    with write("built on", lambda i, x, y, w: w * 2 - 1) as other:
        assert same(fit(fy, twice), fit(other))


def test_by_dict_and_partial_in_a_run(fy, tmp_path):
    builder = ModelBuilder.from_fy(fy, "classification", model_args={"body": {"depth": 1, "width": 3}})
    losses = []
    for cb in (
        {"name": "weight_data", "func": by_class, "on_eval": False},
        partial(WeightData, func=by_class, on_eval=False),
        partial(ByClass, on_eval=False),
    ):
        results = train_models(fy, 2, 16, builder, 2, cb_partials=[cb], savepath=tmp_path, seed=1, overwrite=True)
        losses.append([result["loss"] for result in results])
    assert losses[0] == losses[1] == losses[2]


def test_the_file_stays(fy):
    def in_place(x, mx, y, w):
        w *= 3
        return w

    fit(fy, WeightData(in_place, on_eval=True))
    for i in range(3):
        np.testing.assert_array_equal(fy.get_fold(i)["weights"][:, 0], events(i)[2])


def test_a_fit_that_ignores_weights_is_refused(fy):
    with pytest.raises(ConfigError, match="WeightData weights events, which train_on_weights=False ignores"):
        fit(fy, WeightData(by_class, on_eval=True), train_on_weights=False)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            lambda w: w[:-1],
            ShapeError,
            r"the weights of WeightData must be \((\d+),\) or \(\1, 1\).* got shape \(\d+, 1\)",
        ),
        (lambda w: 1.0, ShapeError, r"got shape \(\)"),
        (lambda w: None, ShapeError, r"got shape \(\)"),
        (lambda w: np.ones((len(w), 2)), ShapeError, r"got shape \(\d+, 2\)"),
        (lambda w: w * np.nan, DataError, r"of the \d+ weights of WeightData are NaN or infinite"),
        (lambda w: w.astype(float) * 1e300, DataError, "too large for float32"),
        (lambda w: ["a"] * len(w), DataError, "must hold numbers"),
    ],
)
def test_weights_that_are_none_are_refused(fy, given, error, message):
    with pytest.raises(error, match=message):
        fit(fy, WeightData(lambda x, mx, y, w: given(w), on_eval=True))


def test_the_function_must_be_one():
    with pytest.raises(ConfigError, match="func must be a function of x, mx, y, w, got 'x'"):
        WeightData("x", on_eval=True)


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="weight_func"):
        AbsWeightData(on_eval=True)
