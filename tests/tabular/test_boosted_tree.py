"""Boosted trees beside the network: scikit-learn's by hand, weights of either sign, and what is refused."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from lumin_core import FoldFileWriter, FoldYielder
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_tabular import boosted_tree
from lumin_plugin_tabular.tree_fit import LEAST_HESSIAN, Sample, fit_tree

FEW = {"max_iter": 8, "min_samples_leaf": 5}


@pytest.fixture
def write(tmp_path):
    """Give a function that writes folds of given columns and opens them."""

    def make(folds, name="train", **options):
        options = {"cont_feats": ["a", "b"], "targ_feats": "y", **options}
        with FoldFileWriter(tmp_path / name, **options) as file:
            for number, columns in enumerate(folds):
                file.append(number, **columns)
        return FoldYielder(tmp_path / f"{name}.hdf5")

    return make


def events(n_folds=4, n=60, *, seed=1, weights=True):
    """Make folds of two features, one of which is missing at times, and a class."""
    rng = np.random.default_rng(seed)
    folds = []
    for _ in range(n_folds):
        inputs = rng.normal(size=(n, 2)).astype(np.float32)
        inputs[rng.random(n) < 0.2, 1] = np.nan
        targets = (inputs[:, 0] + rng.normal(size=n) > 0).astype(np.float32)
        folds.append({"inputs": inputs, "targets": targets})
        if weights:
            folds[-1]["weights"] = rng.uniform(0.5, 2, n).astype(np.float32)
    return folds


def joined(folds, name, numbers):
    return np.concatenate([folds[i][name] for i in numbers])


@pytest.mark.parametrize(("asked", "train", "stop"), [(0, (2, 3), 1), (3, (1, 2), 0)])
def test_each_fold_is_predicted_by_a_tree_that_did_not_see_it(write, asked, train, stop):
    folds = events()
    tree = boosted_tree(write(folds, wgt_feat="w"), "classification", tree_args=FEW, seed=1)
    theirs = HistGradientBoostingClassifier(early_stopping=True, n_iter_no_change=20, **FEW)
    weights = joined(folds, "weights", train).astype(np.float64)
    theirs.fit(
        joined(folds, "inputs", train),
        joined(folds, "targets", train),
        weights * (len(weights) / weights.sum()),
        X_val=folds[stop]["inputs"],
        y_val=folds[stop]["targets"],
        sample_weight_val=folds[stop]["weights"],
    )
    assert np.allclose(tree.preds[asked][:, 0], theirs.predict_proba(folds[asked]["inputs"])[:, 1], atol=1e-6)


def test_the_area_is_that_of_all_folds_with_their_weights(write):
    from sklearn.metrics import roc_auc_score

    folds = events()
    tree = boosted_tree(write(folds, wgt_feat="w"), "classification", tree_args=FEW, seed=1)
    every = range(4)
    expected = roc_auc_score(
        joined(folds, "targets", every),
        np.concatenate(tree.preds)[:, 0],
        sample_weight=joined(folds, "weights", every),
    )
    value, error = tree.totals["roc_auc_score"]
    assert value == pytest.approx(expected)
    assert 0 < error < 0.1
    assert len(tree.values["roc_auc_score"]) == 4


def test_events_of_weight_zero_change_nothing(write):
    folds = events()
    plain = boosted_tree(write(folds, "plain", wgt_feat="w"), "classification", tree_args=FEW, seed=1)
    wrong = events(seed=2)
    both = [
        {name: np.concatenate([one[name], other[name] * (0 if name == "weights" else 1)]) for name in one}
        for one, other in zip(folds, wrong, strict=True)
    ]
    tree = boosted_tree(write(both, "both", wgt_feat="w"), "classification", tree_args=FEW, seed=1)
    for pred, expected in zip(tree.preds, plain.preds, strict=True):
        assert np.array_equal(pred[:60], expected)


def test_weight_two_is_the_event_twice(write):
    rng = np.random.default_rng(8)
    folds = [{**fold, "targets": fold["inputs"][:, 0] + rng.normal(size=60)} for fold in events(weights=False)]
    options = {"max_iter": 8, "max_leaf_nodes": 4, "min_samples_leaf": 1}  # leaves count rows
    heavy = [{**fold, "weights": 1.0 + (np.arange(60) % 3 == 0)} for fold in folds]
    twice = [{name: np.concatenate([values, values[::3]]) for name, values in fold.items()} for fold in folds]
    tree = boosted_tree(write(heavy, "heavy", wgt_feat="w"), "regression", tree_args=options, seed=1)
    other = boosted_tree(write(twice, "twice"), "regression", tree_args=options, seed=1)
    for pred, expected in zip(tree.preds, other.preds, strict=True):
        assert np.allclose(pred, expected[:60], atol=1e-5)


def test_the_unit_of_weights_does_not_matter(write):
    folds = events()
    options = {**FEW, "l2_regularization": 3.0}
    yields = [{**fold, "weights": fold["weights"] * 1024} for fold in folds]
    tree = boosted_tree(write(folds, "one", wgt_feat="w"), "classification", tree_args=options, seed=1)
    other = boosted_tree(write(yields, "other", wgt_feat="w"), "classification", tree_args=options, seed=1)
    assert np.allclose(np.concatenate(tree.preds), np.concatenate(other.preds), atol=1e-9)


@pytest.mark.parametrize("negative", ["keep", "abs", "drop"])
def test_negative_weights_make_the_mean_that_was_asked_for(write, negative):
    """One split and a rate of one: the prediction is the weighted mean of either side."""
    rng = np.random.default_rng(3)
    folds = []
    for _ in range(3):
        side = np.repeat([0.0, 1.0], 100)
        weights = np.where(rng.random(200) < 0.2, -1.0, 1.5)
        folds.append({"inputs": side[:, None], "targets": side + rng.normal(size=200), "weights": weights})
    fy = write(folds, cont_feats=["side"], wgt_feat="w")
    options = {"max_iter": 1, "learning_rate": 1.0}
    tree = boosted_tree(fy, "regression", negative=negative, tree_args=options)
    w = {"keep": np.asarray, "abs": np.abs, "drop": lambda x: np.clip(x, 0, None)}[negative](folds[2]["weights"])
    expected = [np.average(folds[2]["targets"][half], weights=w[half]) for half in (slice(0, 100), slice(100, 200))]
    assert np.allclose(tree.preds[0][[0, -1], 0], expected, atol=1e-5)  # learnt from fold 2, stopped by fold 1
    said = {"keep": "as they are", "abs": "as their absolute values", "drop": "left out of the training"}[negative]
    assert f"of the events) {said}" in " ".join(repr(tree).split())


def test_weights_that_nearly_cancel_make_no_leaf():
    """A side whose weights sum to a hundredth of an event would have a mean of any size."""
    side = np.repeat([0.0, 1.0], [400, 100])
    weights = np.concatenate([np.ones(400), np.tile([1.0, -1.0], 50)])
    weights[-1] += 0.01
    sample = Sample(side[:, None], np.where(side == 1, np.sign(weights), 0.0), weights)
    options = {"max_iter": 3, "learning_rate": 1.0}
    tree = fit_tree(sample, sample, is_class=False, options=options, categorical=[], seed=1)
    mean = np.average(sample.targets, weights=weights)
    assert np.allclose(tree.predict([[0.0], [1.0]]), mean)
    theirs = HistGradientBoostingRegressor(early_stopping=False, **options).fit(side[:, None], sample.targets, weights)
    assert abs(theirs.predict([[1.0]])[0]) > 1000
    assert LEAST_HESSIAN > 1


def test_negative_weights_are_welcome_among_many_events():
    """Of more than 200,000 events scikit-learn draws a sample for its bins, by weights as probabilities."""
    n = 200_001
    x = np.linspace(-1, 1, n)
    weights = np.where(np.arange(n) % 8 == 0, -1.0, 1.0)
    sample = Sample(x[:, None], (x > 0).astype(float), weights)
    few = Sample(sample.inputs[::100], sample.targets[::100], np.ones(len(sample.inputs[::100])))
    tree = fit_tree(sample, few, is_class=True, options={"max_iter": 1}, categorical=[], seed=1)
    assert tree.predict([[-0.5], [0.5]]).tolist() == [0, 1]


def test_missing_values_alone_tell_the_class(write):
    rng = np.random.default_rng(4)
    folds = []
    for _ in range(3):
        targets = rng.integers(0, 2, 100)
        inputs = rng.normal(size=(100, 2))
        inputs[targets == 1, 0] = np.nan
        folds.append({"inputs": inputs, "targets": targets})
    tree = boosted_tree(write(folds), "classification", tree_args=FEW, seed=1)
    assert tree.totals["roc_auc_score"][0] == 1


def test_the_order_of_events_does_not_matter(write):
    folds = events()
    turned = [{name: values[::-1] for name, values in fold.items()} for fold in folds]
    tree = boosted_tree(write(folds, "one", wgt_feat="w"), "classification", tree_args=FEW, seed=1)
    other = boosted_tree(write(turned, "other", wgt_feat="w"), "classification", tree_args=FEW, seed=1)
    for pred, expected in zip(tree.preds, other.preds, strict=True):
        assert np.allclose(pred, expected[::-1], atol=1e-6)


def test_a_seed_repeats_the_trees(write):
    fy = write(events(), wgt_feat="w")
    options = {**FEW, "max_features": 0.5}
    one, again, other = (
        np.concatenate(boosted_tree(fy, "classification", tree_args=options, seed=seed).preds) for seed in (1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_new_events_are_predicted_by_the_mean_of_all_trees(write):
    pd = pytest.importorskip("pandas")
    folds = events()
    tree = boosted_tree(write(folds, wgt_feat="w"), "classification", tree_args=FEW, seed=1)
    x = folds[0]["inputs"]
    expected = np.mean([of_fold[0].predict_proba(x)[:, 1] for of_fold in tree.trees.values()], axis=0)
    assert np.allclose(tree.predict(x)[:, 0], expected)
    assert np.array_equal(tree.predict(pd.DataFrame(x[:, ::-1], columns=["b", "a"])), tree.predict(x))
    with pytest.raises(ShapeError, match="the 2 continuous"):
        tree.predict(x[:, :1])
    with pytest.raises(DataError, match="must hold numbers, got text"):
        tree.predict({"a": ["x"], "b": ["y"]})


@pytest.mark.parametrize(
    ("objective", "targets", "n_out", "metric"),
    [
        ("multiclass", lambda x: np.digitize(x, [-0.5, 0.5]), 3, "multi_accuracy"),
        ("regression", lambda x: x, 1, "r2"),
        ("regression", lambda x: np.stack([x, -x], axis=1), 2, "r2"),
        ("classification", lambda x: np.stack([x > 0, x > 0.5], axis=1).astype(int), 2, "roc_auc_score"),
    ],
)
def test_objectives_have_their_outputs_and_metric(write, objective, targets, n_out, metric):
    folds = [{**fold, "targets": targets(fold["inputs"][:, 0])} for fold in events(weights=False)]
    names = "y" if folds[0]["targets"].ndim == 1 else ["y", "z"]
    fy = write(folds, targ_feats=names)
    tree = boosted_tree(fy, objective, tree_args={"max_iter": 30, "min_samples_leaf": 5}, seed=1)
    assert tree.preds[0].shape == tree.predict(folds[0]["inputs"]).shape == (60, n_out)
    assert tree.totals[metric][0] > 0.8
    tree.save_pred(fy)
    assert fy.get_column("pred_tree").shape == ((240,) if n_out == 1 else (240, n_out))


def test_folds_that_are_left_out_are_not_learnt_and_have_the_mean(write):
    folds = events(5)
    options = {"tree_args": FEW, "seed": 1, "excl_idxs": 4}
    tree = boosted_tree(write(folds, "one", wgt_feat="w"), "classification", **options)
    changed = [*folds[:4], {**folds[4], "targets": 1 - folds[4]["targets"]}]
    other = boosted_tree(write(changed, "other", wgt_feat="w"), "classification", **options)
    assert all(map(np.array_equal, tree.preds, other.preds))
    assert tree.totals == other.totals
    assert np.array_equal(tree.preds[4], tree.predict(folds[4]["inputs"]))
    assert "1 fold left out" in " ".join(repr(tree).split())


def test_balanced_classes_are_those_of_a_column_of_such_weights(write):
    folds = events()
    yields = [{**fold, "weights": fold["weights"] * np.where(fold["targets"] == 1, 0.01, 1)} for fold in folds]
    fy = write(yields, "yields", wgt_feat="w")
    tree = boosted_tree(fy, "classification", balance_classes=True, tree_args=FEW, seed=1)
    sums = [joined(yields, "weights", (2, 3))[joined(yields, "targets", (2, 3)) == k].sum() for k in (0, 1)]
    column = [
        {**fold, "misc": {"train": fold["weights"] / np.take(sums, fold["targets"].astype(int))}} for fold in yields
    ]
    named = write(column, "named", wgt_feat="w")
    other = boosted_tree(named, "classification", balance_classes="train", tree_args=FEW, seed=1)
    assert np.allclose(tree.preds[0], other.preds[0], atol=1e-5)  # of the tree that learnt of folds 2 and 3
    plain = boosted_tree(fy, "classification", tree_args=FEW)
    assert np.mean(np.concatenate(plain.preds)) < np.mean(np.concatenate(tree.preds)) - 0.1


def test_codes_are_categories_whatever_their_numbers(write):
    sizes = np.arange(20, 32)
    codes = np.repeat(np.arange(12), sizes)
    shares = np.array([0.9, 0.1, 0.7, 0.2, 0.95, 0.4, 0.05, 0.6, 0.15, 0.8, 0.3, 0.5])
    targets = np.concatenate([np.arange(n) < n * share for n, share in zip(sizes, shares, strict=True)]).astype(int)
    names = np.random.default_rng(5).permutation(12)
    given = {"cont_feats": [], "cat_feats": ["code"]}
    preds = []
    for name, values in (("plain", codes), ("renamed", names[codes])):
        fy = write([{"inputs": values[:, None], "targets": targets}] * 3, name, **given)
        tree = boosted_tree(fy, "classification", tree_args=FEW, seed=1)
        assert "1, 1 of which categories" in repr(tree)
        preds.append(tree.preds[0])
    assert np.allclose(*preds, atol=1e-6)


def test_a_feature_of_many_codes_is_taken_as_a_number(write):
    rng = np.random.default_rng(6)
    folds = [{"inputs": (codes := rng.permutation(300))[:, None], "targets": (codes > 150).astype(int)} for _ in "abc"]
    fy = write(folds, cont_feats=[], cat_feats=["cell"])
    tree = boosted_tree(fy, "classification", tree_args=FEW, seed=1)
    assert tree.totals["roc_auc_score"][0] > 0.99
    assert "as numbers, of too many codes: cell" in " ".join(repr(tree).split())


def test_predictions_are_saved_out_of_fold_and_elsewhere_as_the_mean(write):
    folds, later = events(), events(2, seed=7)
    fy = write(folds, wgt_feat="w")
    tree = boosted_tree(fy, "classification", tree_args=FEW, seed=1)
    tree.save_pred(fy)
    assert np.allclose(fy.get_column("pred_tree"), np.concatenate(tree.preds)[:, 0])
    turned = [{**fold, "inputs": fold["inputs"][:, ::-1]} for fold in later]
    other = write(turned, "later", wgt_feat="w", cont_feats=["b", "a"])
    tree.save_pred(other, "tree")
    assert np.allclose(other.get_column("tree")[:60], tree.predict(later[0]["inputs"])[:, 0])
    with pytest.raises(ConfigError, match=r"features of the trees.*'a'"):
        tree.save_pred(write(later, "less", wgt_feat="w", cont_feats=["c", "b"]))


def one_class(folds):
    return [{**fold, "targets": np.zeros(60)} for fold in folds]


@pytest.mark.parametrize(
    ("change", "options", "error", "said"),
    [
        (lambda folds: folds[:2], {}, ConfigError, "needs three folds.*but 2 of 2"),
        (lambda folds: folds[:1], {}, ConfigError, "need two folds|three folds"),
        (one_class, {}, DataError, "no event of the class 1 of 'y'"),
        (lambda folds: [{**f, "targets": f["targets"] + 1} for f in folds], {}, DataError, "must be 0 or 1, got 2"),
        (list, {"objective": "guess"}, ConfigError, "objective must be one of"),
        (list, {"negative": "clip"}, ConfigError, "negative must be one of keep, abs, drop, got 'clip'"),
        (list, {"tree_args": {"depth": 3}}, ConfigError, "tree_args.*'depth'.*max_depth"),
        (list, {"balance_classes": "trian"}, ConfigError, "needs the column 'trian'"),
        (list, {"balance_classes": True, "train_on_weights": False}, ConfigError, "train_on_weights=False ignores"),
        (list, {"balance_classes": True, "objective": "regression"}, ConfigError, "classes of one target"),
        (list, {"balance_classes": 3}, ConfigError, "True, False, or a column"),
        (list, {"excl_idxs": [9]}, ConfigError, "excl_idxs must be among"),
        (list, {"excl_idxs": [0, 1]}, ConfigError, "three folds.*2 of 4"),
        (lambda folds: [{**f, "weights": -f["weights"]} for f in folds], {}, DataError, "must have a positive sum"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(write, change, options, error, said):
    options = {"objective": "classification", **options}
    with pytest.raises(error, match=said):
        boosted_tree(write(change(events()), wgt_feat="w"), **options)


def test_data_without_labels_are_refused(write):
    folds = [{**fold, "targets": np.zeros((60, 0))} for fold in events(weights=False)]
    with pytest.raises(DataError, match="the data have no targets"):
        boosted_tree(write(folds, targ_feats=None), "classification")


def test_what_is_no_fold_file_is_refused():
    with pytest.raises(ConfigError, match=r"fy must be a FoldYielder, got 'train\.hdf5'"):
        boosted_tree("train.hdf5", "classification")


def test_options_that_are_no_table_are_refused(write):
    with pytest.raises(ConfigError, match="tree_args must be a dict"):
        boosted_tree(write(events(), wgt_feat="w"), "classification", tree_args=5)


def test_a_feature_that_is_missing_everywhere_changes_nothing(write):
    folds = events()
    expected = boosted_tree(write(folds, wgt_feat="w"), "classification", tree_args=FEW, seed=1)
    empty = [{**f, "inputs": np.column_stack([f["inputs"], np.full(60, np.nan)])} for f in folds]
    fy = write(empty, "more", wgt_feat="w", cont_feats=["a", "b", "c"])
    tree = boosted_tree(fy, "classification", tree_args=FEW, seed=1)
    np.testing.assert_array_equal(np.concatenate(tree.preds), np.concatenate(expected.preds))
    np.testing.assert_array_equal(tree.predict([[0, 0, 5], [0, 0, np.nan]]), expected.predict([[0, 0], [0, 0]]))


def test_an_empty_fold_takes_no_part_but_may_be_left_out(write):
    folds = events()
    folds.insert(1, {name: values[:0] for name, values in folds[0].items()})
    fy = write(folds, wgt_feat="w")
    with pytest.raises(DataError, match="weights of fold 1 sum to 0, and it is to stop the tree of fold 0"):
        boosted_tree(fy, "classification", tree_args=FEW)
    tree = boosted_tree(fy, "classification", excl_idxs=1, tree_args=FEW, seed=1)
    tree.save_pred(fy)
    assert [len(pred) for pred in tree.preds] == [60, 0, 60, 60, 60]
    assert fy.get_column("pred_tree").shape == (240,)
    assert tree.predict(np.zeros((0, 2))).shape == (0, 1)


@pytest.mark.parametrize("wrong", [{"max_iter": 0}, {"max_bins": 1000}, {"l2_regularization": "a"}])
def test_options_that_scikit_learn_refuses_are_refused(write, wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        boosted_tree(write(events(weights=False)), "classification", tree_args=wrong, seed=1)
