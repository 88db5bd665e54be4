from functools import partial

import numpy as np
import pytest
import torch

from lumin_core import Callback, FoldFileWriter, FoldYielder, Head, Model, ModelBuilder, train_models
from lumin_core.data import matrix_entry
from lumin_core.errors import ConfigError
from lumin_plugin_callbacks import BootstrapResample

SIZES = [40, 64, 33, 50]


@pytest.fixture(scope="module")
def make_fy(tmp_path_factory):
    """Write folds of unequal size; column ``a`` numbers the events of all folds."""
    folder, opened = tmp_path_factory.mktemp("folds"), []

    def make(name, weights=lambda rng, y: rng.uniform(0.5, 2, len(y)), n_classes=2, matrix=False):
        rng, number = np.random.default_rng(1), 0
        options = {"matrix_feats": matrix_entry(["m_x"], ["m"], [False], ["x"], True, (1, 1))} if matrix else {}
        named = {} if weights is None else {"wgt_feat": "w"}
        with FoldFileWriter(folder / name, cont_feats=["a", "b"], targ_feats="y", **named, **options) as file:
            for i, n in enumerate(SIZES):
                ids, y = np.arange(number, number + n), rng.integers(0, n_classes, n)
                number += n
                columns = {"matrix_inputs": 1000.0 + ids[:, None, None]} if matrix else {}
                x = np.stack([ids, rng.normal(size=n)], axis=1)
                w = None if weights is None else weights(rng, y)
                file.append(i, inputs=x, targets=y, weights=w, misc={"id": ids}, **columns)
        opened.append(FoldYielder(folder / name))
        return opened[-1]

    yield make
    for fy in opened:
        fy.close()


class SumHead(Head):
    """Takes the flat inputs and the matrix, each to a small number."""

    def __init__(self, cont_feats):
        super().__init__(cont_feats)
        self.feat_map = {feat: [0] for feat in cont_feats}

    def forward(self, x):
        return x[0].mean(1, keepdim=True) / 100 + x[1].flatten(1) / 1000

    def get_out_size(self):
        return 1


class Look(Callback):
    """Keeps what the folds hold when the callbacks before it are done."""

    def __init__(self):
        self.folds = []

    def on_fold_begin(self, fit_params):
        by, idx = fit_params.by, fit_params.trn_idx if fit_params.state == "train" else fit_params.val_idx
        fold = {key: getattr(by, key) for key in ("inputs", "matrix_inputs", "targets", "weights")}
        events = fit_params.events
        self.folds.append({"state": fit_params.state, "epoch": fit_params.epoch, "idx": idx, "events": events, **fold})

    def of(self, idx, state="train"):
        return [fold for fold in self.folds if fold["idx"] == idx and fold["state"] == state]


def fit(fy, cbs, objective="classification", n_epochs=3, seed=1, **options):
    builder = ModelBuilder.from_fy(fy, objective, seed=1, model_args={"body": {"depth": 1, "width": 3}})
    model = Model(builder)
    options = {"val_idx": 3, "seed": seed, "visible_bar": False, **options}
    model.fit(n_epochs, fy, 16, cbs=cbs, **options)
    return model


def ids(fold):
    return fold["inputs"][:, 0].astype(int)


def check_rows(fy, fold):
    """Every event of a bag is one of the file's, with its own targets, and the bag has repetitions."""
    stored, first = fy.get_fold(fold["idx"]), fy.get_column("id", fold_idx=fold["idx"])[0]
    flat = stored["inputs"][0] if isinstance(stored["inputs"], tuple) else stored["inputs"]
    rows = ids(fold) - first
    np.testing.assert_array_equal(rows, fold["events"])
    np.testing.assert_array_equal(fold["inputs"], flat[rows])
    np.testing.assert_array_equal(fold["targets"], stored["targets"][rows])
    assert len(rows) == len(flat)
    assert 0.45 < len(np.unique(rows)) / len(rows) < 0.8  # 1 - 1/e = 0.632 on average


@pytest.mark.parametrize("weighted", [True, False])
def test_fault_folds_of_unequal_size_are_resampled_with_and_without_weights(make_fy, weighted):
    fy = make_fy(f"plain{weighted}", **({} if weighted else {"weights": None}))
    look = Look()
    fit(fy, [BootstrapResample(), look])
    for fold in look.folds:
        if fold["state"] == "train":
            check_rows(fy, fold)
        else:
            np.testing.assert_array_equal(fold["inputs"], fy.get_fold(3)["inputs"])
            assert fold["events"] is None
        assert (fold["weights"] is None) is not weighted


def test_fault_matrix_inputs_are_resampled_with_the_rest(make_fy):
    fy, look = make_fy("matrix", matrix=True), Look()
    body = {"name": "fully_connected", "depth": 1, "width": 3}
    model = Model(ModelBuilder.from_fy(fy, "classification", seed=1, head=SumHead, body=body))
    model.fit(1, fy, 16, val_idx=3, seed=1, visible_bar=False, cbs=[BootstrapResample(), look])
    for fold in look.folds[:3]:
        check_rows(fy, fold)
        np.testing.assert_array_equal(fold["matrix_inputs"][:, 0, 0], 1000 + ids(fold))


def test_the_sample_of_a_fold_is_the_same_in_every_epoch(make_fy):
    look = Look()
    fit(make_fy("same"), [BootstrapResample(), look])
    for idx in range(3):
        first, *others = look.of(idx)
        assert len(others) == 2
        assert all(np.array_equal(first["inputs"], other["inputs"]) for other in others)
    assert not np.array_equal(look.of(0)[0]["events"][:33], look.of(2)[0]["events"])


def test_a_new_sample_each_time_on_request(make_fy):
    look = Look()
    fit(make_fy("anew"), [BootstrapResample(bag_each_time=True), look])
    samples = [tuple(fold["events"]) for fold in look.folds if fold["state"] == "train"]
    assert len(set(samples)) == 9


def test_the_sample_does_not_depend_on_the_folds_before(make_fy):
    """A training that is stopped in its first epoch, or has other folds, bags a fold alike."""
    looks, fy = [Look(), Look()], make_fy("alone")
    for look, trn_idxs in zip(looks, ([0, 1, 2], [1]), strict=True):
        fit(fy, [BootstrapResample(), look], trn_idxs=trn_idxs, n_epochs=1)
    np.testing.assert_array_equal(*(look.of(1)[0]["events"] for look in looks))


def test_fault_the_seed_of_the_fit_decides_and_no_global_generator_is_touched(make_fy):
    looks, fy = [Look() for _ in range(4)], make_fy("seeds")
    before = np.random.get_state()[1].copy()
    bootstrap = BootstrapResample()
    for look, seed in zip(looks, (1, 1, 2, None), strict=True):
        fit(fy, [bootstrap, look], seed=seed, n_epochs=1)
    np.testing.assert_array_equal(before, np.random.get_state()[1])
    samples = [tuple(look.of(0)[0]["events"]) for look in looks]
    assert samples[0] == samples[1]
    assert len(set(samples)) == 3


def test_models_of_a_run_have_their_own_samples(make_fy, tmp_path):
    seen = {}

    class Keep(Look):
        def on_train_end(self, fit_params):
            seen[fit_params.cb_savepath.name] = tuple(self.of(2)[0]["events"])

    fy = make_fy("run")
    builder = ModelBuilder.from_fy(fy, "classification", model_args={"body": {"depth": 1, "width": 3}})
    for cb in ("bootstrap_resample", {"name": "bootstrap_resample", "n_folds": 4}, partial(BootstrapResample)):
        seen.clear()
        train_models(fy, 2, 16, builder, 1, cb_partials=[cb, Keep], savepath=tmp_path, seed=1, overwrite=True)
        assert len(set(seen.values())) == 2


CLASSES = {
    "positive": lambda rng, y: rng.uniform(0.5, 2, len(y)),
    "negative": lambda rng, y: rng.normal(0.3, 1, len(y)),
    "zero": lambda rng, y: np.where(rng.random(len(y)) < 0.5, 0, 1 + y),
    "one class of weight zero": lambda rng, y: y.astype(float) + 0.0,
}


@pytest.mark.parametrize("objective", ["classification", "multiclass", "regression"])
@pytest.mark.parametrize("weights", CLASSES)
def test_fault_sums_of_weights_are_kept_by_class_and_sign(make_fy, weights, objective):
    fy = make_fy(f"{weights} {objective}", CLASSES[weights], n_classes=3 if objective == "multiclass" else 2)
    look, n_kept = Look(), 0
    fit(fy, [BootstrapResample(bag_each_time=True), look], objective)
    for fold in [fold for fold in look.folds if fold["state"] == "train"]:
        stored = fy.get_fold(fold["idx"])
        for c in [None] if objective == "regression" else np.unique(stored["targets"]):
            for negative in (False, True):
                before, after = (
                    part["weights"][((part["targets"] == c) | (c is None)) & ((part["weights"] < 0) == negative)].sum()
                    for part in (stored, fold)
                )
                if after != 0 or before == 0:  # of a small group nothing may have been drawn
                    assert after == pytest.approx(before, rel=1e-5)
                    n_kept += before != 0
    assert n_kept >= 9


def test_what_is_kept_scales_events_of_a_group_alike(make_fy):
    """An independent reference: the factor of a class is the ratio of the sums, event by event."""
    fy, look = make_fy("factors"), Look()
    fit(fy, [BootstrapResample(), look], n_epochs=1)
    for fold in look.folds[:3]:
        stored = fy.get_fold(fold["idx"])
        w, y = stored["weights"][:, 0].astype(float), stored["targets"][:, 0]
        drawn = [int(i) for i in fold["events"]]
        for i, value in zip(drawn, fold["weights"][:, 0], strict=True):
            ratio = sum(w[j] for j in range(len(w)) if y[j] == y[i]) / sum(w[j] for j in drawn if y[j] == y[i])
            assert value == pytest.approx(w[i] * ratio, rel=1e-6)


def test_without_classes_all_events_scale_alike(make_fy):
    fy, look = make_fy("one factor"), Look()
    fit(fy, [BootstrapResample(), look], "regression", n_epochs=1)
    for fold in look.folds[:3]:
        stored = fy.get_fold(fold["idx"])["weights"][:, 0]
        factors = fold["weights"][:, 0] / stored[fold["events"]]
        np.testing.assert_allclose(factors, stored.sum() / stored[fold["events"]].sum(), rtol=1e-6)


def test_without_reweighting_events_keep_their_weights(make_fy):
    fy, look = make_fy("kept"), Look()
    fit(fy, [BootstrapResample(reweight=False), look], n_epochs=1)
    for fold in look.folds[:3]:
        np.testing.assert_array_equal(fold["weights"], fy.get_fold(fold["idx"])["weights"][fold["events"]])


def test_a_group_of_which_nothing_was_drawn_leaves_the_others_alone(make_fy):
    """One event has all the weight of class 1; where it is not drawn, weights stay finite."""
    look = Look()

    def one(rng, y):
        return np.where(np.cumsum(y) == 1, 5.0 * y, 1.0 - y)

    fit(make_fy("rare", one), [BootstrapResample(bag_each_time=True), look], n_epochs=8)
    trained = [fold["weights"] for fold in look.folds if fold["state"] == "train"]
    assert all(np.isfinite(w).all() for w in trained)
    assert {bool((w > 2.5).any()) for w in trained} == {True, False}


def test_the_callers_fold_and_earlier_arrays_stay(make_fy):
    fy = make_fy("stay")

    before = Look()
    fit(fy, [before, BootstrapResample()], n_epochs=2)
    for fold in before.folds:
        stored = fy.get_fold(fold["idx"])
        for key in ("inputs", "targets", "weights"):
            np.testing.assert_array_equal(fold[key], stored[key])


def test_a_training_on_a_bag_is_one_on_the_repeated_events(make_fy, tmp_path):
    """Bagging equals the training of a file that holds the bag, and the same seed gives the same weights."""
    fy, look = make_fy("bag"), Look()
    models = [fit(fy, [BootstrapResample(), look]), fit(fy, [BootstrapResample()])]
    with FoldFileWriter(tmp_path / "bag", cont_feats=["a", "b"], targ_feats="y", wgt_feat="w") as file:
        for i in range(4):
            fold = look.of(i, "train" if i < 3 else "valid")[0]
            file.append(i, inputs=fold["inputs"], targets=fold["targets"][:, 0], weights=fold["weights"][:, 0])
    with FoldYielder(tmp_path / "bag") as bagged:
        models.append(fit(bagged, []))
    for other in models[1:]:
        assert all(
            torch.equal(a, b) for a, b in zip(*(m.get_weights().values() for m in (models[0], other)), strict=True)
        )


@pytest.mark.parametrize("n_folds", [0, -1, 2.5, "3", True])
def test_a_number_of_folds_that_is_none_is_refused(n_folds):
    with pytest.raises(ConfigError, match=r"n_folds must be a positive integer, got .*; it may be left out"):
        BootstrapResample(n_folds)
