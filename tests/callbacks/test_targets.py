from functools import partial

import h5py
import numpy as np
import pytest
import torch

from lumin_core import Callback, EvalMetric, FoldFileWriter, FoldYielder, Model, ModelBuilder, train_models
from lumin_core.checks import as_list
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_callbacks import BinaryLabelSmooth, BootstrapResample, TargReplace

SIZES = [24, 32, 19]


def columns(i):
    rng = np.random.default_rng(i)
    x = rng.normal(size=(SIZES[i], 2))
    other = {
        "is_fake": (x[:, 1] > 0).astype(int),
        "mass": x[:, 0] ** 2,
        "charge": x[:, 1] * 3,
        "n_jets": rng.integers(0, 3, SIZES[i]),
        "pair": x + 1,
        "late": x[:, 0] > 0,
        "holed": np.where(x[:, 0] > 0, np.nan, 1),
        "text": np.array(["ab"] * SIZES[i]),
    }
    return {"inputs": x, "weights": rng.uniform(0.5, 2, SIZES[i]), "misc": other}, (x[:, 0] > 0).astype(int)


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds")

    def make(name, targets=None):
        """Write a file; ``targets`` names the columns that take the place of the binary ones."""
        feats = "y" if targets in (None, "is_fake", "n_jets") else ["y0", "y1"]
        options = {"targ_feats": feats, "wgt_feat": "w", "overwrite": True}
        with FoldFileWriter(folder / name, cont_feats=["a", "b"], **options) as file:
            for i in range(3):
                fold, y = columns(i)
                if targets is not None:
                    chosen = [fold["misc"][feat] for feat in as_list(targets)]
                    y = chosen[0] if len(chosen) == 1 else np.stack(chosen, axis=1)
                file.append(i, targets=y, **fold)
        with h5py.File(folder / f"{name}.hdf5", "r+") as file:
            del file["fold_2/late"]
        return FoldYielder(folder / name)

    return make


@pytest.fixture(scope="module")
def fy(write):
    with write("binary") as yielder:
        yield yielder


@pytest.fixture(scope="module")
def two(write):
    """Two targets an event."""
    with write("two", "pair") as yielder:
        yield yielder


def fit(fy, cbs=None, objective="classification", metrics=None, n_epochs=2, **options):
    if objective == "regression":  # whose weights are compared between files of other targets
        options["tail"] = {"name": "class_reg_multi", "y_mean": 0, "y_std": 1}
    model = Model(ModelBuilder.from_fy(fy, objective, seed=1, model_args={"body": {"depth": 1, "width": 3}}, **options))
    model.fit(n_epochs, fy, 16, cbs=cbs, metrics=metrics, val_idx=1, seed=1, visible_bar=False)
    return model


def same(model, other):
    pairs = zip(model.get_weights().values(), other.get_weights().values(), strict=True)
    return model.fit_params.history == other.fit_params.history and all(torch.equal(a, b) for a, b in pairs)


class MeanTarget(EvalMetric):
    better = "lower"

    def evaluate(self, preds, targets, weights, columns):
        return float(
            np.average(targets, weights=None if targets.ndim == 1 else np.repeat(weights, targets.shape[1], 1))
        )


@pytest.mark.parametrize("spec", ["is_fake", ["is_fake"], ("is_fake",)])
def test_it_is_a_training_on_a_file_with_those_targets(fy, write, spec):
    with write("fake", "is_fake") as other:
        assert same(fit(fy, TargReplace(spec), metrics=MeanTarget()), fit(other, metrics=MeanTarget()))
    assert not same(fit(fy, TargReplace(spec)), fit(fy))


def test_several_columns_side_by_side(two, write):
    with write("masses", ["mass", "charge"]) as other:
        replaced = fit(two, TargReplace(["mass", "charge"]), "regression", MeanTarget())
        assert same(replaced, fit(other, None, "regression", MeanTarget()))


def test_a_column_of_several_values(two, write):
    with write("same", "pair") as other:
        assert same(fit(two, TargReplace("pair"), "regression"), fit(other, None, "regression"))


def test_classes(fy, write):
    with write("jets", "n_jets") as other:
        models = fit(fy, TargReplace("n_jets"), "multiclass", n_out=3), fit(other, None, "multiclass", n_out=3)
    assert same(*models)


@pytest.mark.parametrize("order", [1, -1])
def test_with_bootstrap_every_event_has_its_own_target_in_either_order(fy, order):
    class Look(Callback):
        n_seen = 0

        def on_fold_begin(self, fit_params):
            np.testing.assert_array_equal(fit_params.by.targets, fit_params.by.inputs[:, 1:] > 0)
            self.n_seen += 1

    look = Look()
    fit(fy, [*[BootstrapResample(), TargReplace("is_fake")][::order], look])
    assert look.n_seen == 6


@pytest.mark.parametrize("order", [1, -1])
def test_with_label_smoothing_in_either_order(fy, order):
    class Look(Callback):
        def __init__(self):
            self.seen = []

        def on_batch_begin(self, fit_params):
            if fit_params.state == "train":
                self.seen.append(torch.equal(fit_params.y, torch.where(fit_params.x[:, 1:] > 0, 0.9, 0.1)))

    look = Look()
    fit(fy, [*[BinaryLabelSmooth(0.1), TargReplace("is_fake")][::order], look])
    assert look.seen
    assert all(look.seen)


def test_the_file_stays(fy):
    before = [fy.get_column("targets", fold_idx=i) for i in range(3)]
    fit(fy, TargReplace("is_fake"))
    assert all(np.array_equal(fy.get_column("targets", fold_idx=i), before[i]) for i in range(3))


def test_by_name_in_a_run(fy, tmp_path):
    builder = ModelBuilder.from_fy(fy, "classification", model_args={"body": {"depth": 1, "width": 3}})
    losses = []
    for cb in ({"name": "targ_replace", "targ_feats": "is_fake"}, partial(TargReplace, targ_feats=["is_fake"])):
        results = train_models(fy, 2, 16, builder, 2, cb_partials=[cb], savepath=tmp_path, seed=1, overwrite=True)
        losses.append([result["loss"] for result in results])
    assert losses[0] == losses[1]


def test_unknown_columns_are_refused_before_anything_is_trained(fy):
    class Never(Callback):
        def on_epoch_begin(self):
            raise AssertionError

    with pytest.raises(ConfigError, match=r"targ_replace needs the column 'is_fak', .*did you mean 'is_fake'"):
        fit(fy, [Never(), TargReplace("is_fak")])


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ("late", DataError, r"fold 2 lacks the column 'late', which other folds have"),
        ("holed", DataError, r"fold \d: column 'holed' has .* NaN"),
        ("text", DataError, r"fold \d: the column 'text' must hold numbers, got"),
        ("pair", ShapeError, "n_out=1 outputs, but the data have 2 targets"),
        ("charge", DataError, r"targets of a classification must be in \[0, 1\]"),
    ],
)
def test_columns_that_are_no_targets_are_refused(fy, column, error, message):
    with pytest.raises(error, match=message):
        fit(fy, TargReplace(column))


def test_the_new_targets_decide_how_many_outputs_there_are(fy, two, tmp_path):
    spec = {"name": "targ_replace", "targ_feats": "pair"}
    assert same(fit(fy, spec, "regression", n_out=2), fit(two, None, "regression", n_out=2))
    builder = ModelBuilder.from_fy(fy, "regression", n_out=2)
    results = train_models(fy, 1, 16, builder, 1, cb_partials=[spec], savepath=tmp_path / "run", seed=1)
    assert len(results) == 1
    with pytest.raises(ShapeError, match="n_out=2 outputs, but the data have 1 targets"):
        train_models(fy, 1, 16, builder, 1, savepath=tmp_path / "other", seed=1)
    assert not (tmp_path / "other").exists()


def test_events_that_were_taken_out_are_asked_for(fy):
    class Half(Callback):
        def on_fold_begin(self, fit_params):
            by, keep = fit_params.by, np.arange(16)
            by.inputs, by.targets, by.weights = by.inputs[keep], by.targets[keep], by.weights[keep]
            if self.tells:
                fit_params.events = keep

        def on_fold_end(self, fit_params):
            fit_params.events = None

    half = Half()
    half.tells = False
    with pytest.raises(
        ShapeError, match=r"fold \d has \d+ events in the file and 16 in training, .*fit_params\.events"
    ):
        fit(fy, [half, TargReplace("is_fake")])
    half.tells = True
    fit(fy, [half, TargReplace("is_fake")])


@pytest.mark.parametrize(
    ("names", "message"), [([], "got none"), (["a", "a"], "twice"), ([3], "must be a list of names")]
)
def test_names_must_be_names(names, message):
    with pytest.raises(ConfigError, match=message):
        TargReplace(names)
