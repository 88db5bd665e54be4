import numpy as np
import pytest

from lumin_core import Callback, EvalMetric, FoldFileWriter, FoldYielder, Model, ModelBuilder, train_models
from lumin_core.errors import ConfigError, DataError

SIZES = [24, 32, 20]


def events(i):
    """A fold: a rare signal, yields over four orders of magnitude, some of them negative."""
    rng = np.random.default_rng(i)
    x = rng.normal(size=(SIZES[i], 2)).astype(np.float32)
    y = (rng.random(SIZES[i]) < 0.3).astype(int)
    w = np.where(y == 1, 0.01, 100.0) * rng.uniform(0.5, 2, SIZES[i])
    return x, y, np.where(rng.random(SIZES[i]) < 0.1, -w, w).astype(np.float32)


@pytest.fixture
def write(tmp_path):
    def make(weigh=lambda w, y: w, *, weighted=True, **options):
        options = {"cont_feats": ["a", "b"], "targ_feats": "y", "wgt_feat": "w" if weighted else None, **options}
        with FoldFileWriter(tmp_path / "folds", overwrite=True, **options) as file:
            for i in range(len(SIZES)):
                x, y, w = events(i)
                given = weigh(w, y) if weighted else None
                targets = y if options["targ_feats"] == "y" else np.stack([y, y], axis=1)
                file.append(i, inputs=x, targets=targets, weights=given, misc={"train_weight": np.abs(w)})
        return FoldYielder(tmp_path / "folds")

    return make


class Sum(EvalMetric):
    """The yield of the validation fold."""

    better = "higher"

    def evaluate(self, preds, targets, weights, columns):
        return float("nan") if weights is None else float(weights.sum())


class Look(Callback):
    def __init__(self):
        self.seen = {"train": [], "valid": []}

    def on_batch_begin(self, fit_params):
        if fit_params.epoch == 1:
            self.seen[fit_params.state].append((fit_params.y.numpy().ravel(), fit_params.w.numpy().ravel()))


def fit(fy, tmp_path, spec="balance_classes", objective="classification", **options):
    look = Look()
    model = Model(ModelBuilder.from_fy(fy, objective, body={"name": "fully_connected", "depth": 1, "width": 3}, seed=1))
    given = {"metrics": Sum(), "val_idx": 2, "seed": 1, "visible_bar": False, "cb_savepath": tmp_path}
    model.fit(2, fy, 4, cbs=[spec, look], **given, **options)
    return model, look.seen


def test_classes_weigh_the_same_in_training_with_mean_one_and_signs_kept(write, tmp_path):
    _, seen = fit(write(), tmp_path)
    y, w = (np.concatenate(parts) for parts in zip(*seen["train"], strict=True))
    assert len(y) == SIZES[0] + SIZES[1]
    sums = [w[y == number].sum() for number in (0, 1)]
    np.testing.assert_allclose(sums, len(y) / 2, rtol=1e-5)
    given = np.concatenate([events(i)[2] for i in (0, 1)])
    assert (w < 0).sum() == (given < 0).sum() > 0


def test_the_validation_loss_is_balanced_by_the_training_and_metrics_are_in_yields(write, tmp_path):
    model, seen = fit(write(), tmp_path)
    y, w = (np.concatenate(parts) for parts in zip(*seen["valid"], strict=True))
    _, targets, yields = events(2)
    both = [events(i) for i in (0, 1)]
    for number in (0, 1):
        total = sum(float(w[y == number].sum(dtype=np.float64)) for _, y, w in both)
        np.testing.assert_allclose(w[y == number], yields[targets == number] * (24 + 32) / 2 / total, rtol=1e-5)
    assert model.fit_params.history["valid"]["sum"] == pytest.approx([yields.sum()] * 2, rel=1e-6)
    plain = Model(model.model_builder)
    plain.fit(2, write(), 4, metrics=Sum(), val_idx=2, seed=1, visible_bar=False, cb_savepath=tmp_path)
    assert plain.fit_params.history["valid"]["sum"] == model.fit_params.history["valid"]["sum"]
    assert plain.fit_params.history["valid"]["loss"] != model.fit_params.history["valid"]["loss"]


def test_a_file_without_weights_is_balanced_by_numbers_of_events(write, tmp_path):
    model, seen = fit(write(weighted=False), tmp_path)
    y, w = (np.concatenate(parts) for parts in zip(*seen["train"], strict=True))
    np.testing.assert_allclose([w[y == number].sum() for number in (0, 1)], len(y) / 2, rtol=1e-5)
    assert model.fit_params.history["valid"]["sum"] == [SIZES[2]] * 2


def test_a_column_is_taken_as_it_is(write, tmp_path):
    spec = {"name": "balance_classes", "column": "train_weight"}
    model, seen = fit(write(), tmp_path, spec, objective="regression")
    w = np.concatenate([w for _, w in seen["valid"]])
    assert np.array_equal(w, np.abs(events(2)[2]))
    assert model.fit_params.history["valid"]["sum"] == pytest.approx([events(2)[2].sum()] * 2, rel=1e-6)


@pytest.mark.parametrize("order", [1, -1])
def test_events_that_are_drawn_again_keep_their_weights(write, tmp_path, order):
    look, fy = Look(), write()
    model = Model(ModelBuilder.from_fy(fy, "classification", seed=1))
    cbs = [{"name": "balance_classes", "column": "train_weight"}, {"name": "bootstrap_resample", "reweight": False}]
    model.fit(1, fy, 4, cbs=[*cbs[::order], look], seed=1, visible_bar=False, cb_savepath=tmp_path)
    known = np.concatenate([np.abs(events(i)[2]) for i in range(3)])
    assert np.isin(np.concatenate([w for _, w in look.seen["train"]]), known).all()


def test_what_cannot_be_balanced_is_refused_before_anything_is_written(write, tmp_path):
    def refused(fy, spec="balance_classes", objective="classification"):
        builder = ModelBuilder.from_fy(fy, objective, seed=1)
        train_models(fy, 1, 4, builder, 1, cb_partials=spec, savepath=tmp_path / "run", seed=1)

    with pytest.raises(DataError, match=r"class 1 sum to -.* in the training folds, .* name a column of weights"):
        refused(write(lambda w, y: np.where(y == 1, -np.abs(w), w)))
    with pytest.raises(ConfigError, match="balances the classes of one target; for anything else write"):
        refused(write(), objective="regression")
    with pytest.raises(ConfigError, match=r"needs the column 'train_wieght'.*did you mean 'train_weight'"):
        refused(write(), {"name": "balance_classes", "column": "train_wieght"})
    assert not (tmp_path / "run").exists()


def test_it_cannot_act_where_weights_are_not_used(write, tmp_path):
    with pytest.raises(ConfigError, match="which train_on_weights=False ignores"):
        fit(write(), tmp_path, train_on_weights=False)
