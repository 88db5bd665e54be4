"""``lumin baseline``: the column of boosted trees, its table, and what is refused before the work."""

import numpy as np
import pytest

from lumin_core import FoldFileWriter, FoldYielder
from lumin_core.cli import main
from lumin_plugin_tabular import boosted_tree

FEW = ("--set", "max_iter=8", "--set", "min_samples_leaf=5", "--seed", "1")


@pytest.fixture
def lumin(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        capsys.readouterr()
        code = main(list(arguments))
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def write(tmp_path):
    """Give a function that writes a file of three folds, by seed."""

    def make(name="train", seed=1, targets=lambda x: (x > 0).astype(int), **columns):
        rng = np.random.default_rng(seed)
        with FoldFileWriter(tmp_path / name, cont_feats=["a", "b"], targ_feats="y", wgt_feat="w") as file:
            for _ in range(3):
                inputs = rng.normal(size=(60, 2))
                weights = np.where(rng.random(60) < 0.1, -1.0, 1.0)
                file.append(_, inputs=inputs, targets=targets(inputs[:, 0]), weights=weights, misc=columns)
        return tmp_path / f"{name}.hdf5"

    return make


def test_the_column_is_that_of_the_function(lumin, write):
    path = write()
    code, out, _ = lumin("baseline", "train.hdf5", *FEW, "--negative", "abs", "--balance-classes")
    assert code == 0
    with FoldYielder(path) as fy:
        options = {"tree_args": {"max_iter": 8, "min_samples_leaf": 5}, "seed": 1}
        tree = boosted_tree(fy, "classification", negative="abs", balance_classes=True, **options)
        assert np.allclose(fy.get_column("pred_tree"), np.concatenate(tree.preds)[:, 0])
    said = " ".join(out.split())
    assert "Boosted tree of train.hdf5" in said
    assert "classes balanced; negative ones" in said
    assert "as their absolute values in the training" in said
    assert "roc_auc_score" in said
    assert out.endswith(f"column 'pred_tree' of {path}\n")


def test_events_held_back_have_the_mean_of_all_trees(lumin, write):
    path, held_back = write(), write("train.test", seed=2)
    assert lumin("baseline", "train.hdf5", *FEW, "--name", "tree")[0] == 0
    with FoldYielder(path) as fy, FoldYielder(held_back) as later:
        tree = boosted_tree(fy, "classification", tree_args={"max_iter": 8, "min_samples_leaf": 5}, seed=1)
        expected = np.concatenate([tree.predict(fold["inputs"]) for fold in later])[:, 0]
        assert np.allclose(later.get_column("tree"), expected)


def test_a_prediction_is_replaced_and_data_are_not(lumin, write):
    write(event=np.arange(60))
    assert lumin("baseline", "train", *FEW)[0] == 0
    assert lumin("baseline", "train", *FEW)[0] == 0
    code, out, err = lumin("baseline", "train", *FEW, "--name", "event")
    assert (code, out) == (1, "")
    assert "the column name 'event' is taken in train.hdf5" in err
    assert "--overwrite" in err
    assert lumin("baseline", "train", *FEW, "--name", "event", "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["none.hdf5"], 1, "there is no fold file"),
        (["values"], 1, "do not tell what they are for"),
        (["train", "--objective", "guess"], 1, "objective must be one of"),
        (["train", "--negative", "clip"], 1, "negative must be one of keep, abs, drop"),
        (["train", "--set", "depth=3"], 1, "tree_args"),
        (["train", "--set", "max_iter"], 2, "expected KEY=NUMBER, got 'max_iter'"),
        (["train", "--excl-idxs", "a"], 2, "expected numbers of folds"),
        (["train", "--excl-idxs", "2"], 1, "needs three folds"),
        (["train", "--balance-classes", "--column", "w"], 1, "choose one"),
        (["train", "--balance-classes", "--no-train-on-weights"], 1, "--no-train-on-weights ignores"),
        (["train", "--column", "event"], 1, "needs the column 'event'"),
    ],
)
def test_what_cannot_be_done_is_refused_without_a_column(lumin, write, arguments, code, said):
    path = write()
    write("values", targets=lambda x: x)
    found, out, err = lumin("baseline", *arguments)
    assert (found, out) == (code, "")
    assert said in " ".join(err.split())
    with FoldYielder(path) as fy:
        assert "pred_tree" not in fy.columns()


def test_an_objective_that_the_targets_do_not_tell_is_taken(lumin, write):
    path = write(targets=lambda x: x)
    assert lumin("baseline", "train", *FEW, "--objective", "regression")[0] == 0
    with FoldYielder(path) as fy:
        assert np.corrcoef(fy.get_column("pred_tree"), fy.get_column("targets"))[0, 1] > 0.8
