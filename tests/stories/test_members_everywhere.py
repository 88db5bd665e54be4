"""Networks of members beside what is not made for them: an adversary, a loss of batches, balanced classes, objects."""

import numpy as np
import pytest

from lumin_core import FoldFileWriter, FoldYielder, Model, ModelBuilder
from lumin_core.data import matrix_entry
from lumin_plugin_callbacks import PivotTraining
from lumin_plugin_metrics import roc_auc_score

BODY = {"name": "tabm", "k": 3, "depth": 2, "width": 12}
N = 600


@pytest.fixture
def nuisance(tmp_path):
    """Classes that a tells apart and b too, which the nuisance shifts: a column, and a second target."""
    rng = np.random.default_rng(1)
    with FoldFileWriter(tmp_path / "n", cont_feats=["a", "b"], targ_feats=["y", "z_targ"]) as file:
        for fold in range(3):
            y, z, noise = rng.integers(2, size=N), rng.normal(size=N), rng.normal(size=(2, N))
            inputs = np.stack([y + noise[0], 0.3 * y + z + 0.3 * noise[1]], axis=1)
            file.append(fold, inputs=inputs, targets=np.stack([y, z], axis=1), misc={"z": z, "y_alone": y})
    with FoldYielder(tmp_path / "n.hdf5") as yielder:
        yield yielder


def dependence(fy, model):
    """How predictions of one class, and of each member, follow the nuisance."""
    fold = fy.get_fold(0)
    y, z = fold["targets"].T
    mean, spread = model.predict(fold["inputs"], spread=True)
    assert (spread > 0).all()
    return abs(np.corrcoef(mean[y == 0, 0], z[y == 0])[0, 1])


def test_an_adversary_and_a_loss_of_batches_free_members_of_a_nuisance(nuisance, tmp_path):
    def fitted(loss, cbs=None):
        options = {"n_out": 1, "body": BODY, "loss": loss, "opt_args": {"lr": 0.01}, "seed": 1}
        model = Model(ModelBuilder.from_fy(nuisance, "classification", **options))
        model.fit(6, nuisance, 100, cbs=cbs, val_idx=0, seed=1, visible_bar=False, cb_savepath=tmp_path)
        return dependence(nuisance, model)

    plain = fitted({"name": "disco", "loss": "auto", "coef": 0})
    assert plain > 0.3
    assert fitted({"name": "disco", "loss": "auto", "coef": 10}) < plain / 3
    adversary = {"objective": "regression", "n_out": 1, "cont_feats": ["f"], "opt_args": {"lr": 0.05}}
    pivot = PivotTraining(1, 5, 10.0, adversary, "z")
    assert fitted({"name": "disco", "loss": "auto", "coef": 0}, pivot) < plain / 3


def test_classes_of_members_are_balanced_as_by_hand(tmp_path):
    def fitted(name, weigh, cbs):
        rng = np.random.default_rng(2)
        with FoldFileWriter(tmp_path / name, cont_feats=["a", "b"], targ_feats="y", wgt_feat="w") as file:
            for fold in range(3):
                y = np.arange(N) % 3 == 0
                file.append(fold, inputs=rng.normal(size=(N, 2)) + y[:, None], targets=y, weights=weigh(y))
        fy = FoldYielder(tmp_path / f"{name}.hdf5")
        model = Model(ModelBuilder.from_fy(fy, "classification", body=BODY, seed=1))
        model.fit(2, fy, 60, cbs=cbs, val_idx=0, seed=1, visible_bar=False, cb_savepath=tmp_path)
        return model.predict(np.ones((1, 2), dtype="float32"))

    yields = fitted("yields", lambda y: np.where(y, 1e-3, 1e3), ["balance_classes"])
    by_hand = fitted("by_hand", lambda y: np.where(y, 1.5, 0.75), None)
    np.testing.assert_allclose(yields, by_hand, rtol=1e-4)
    assert yields > 0.5


@pytest.mark.parametrize("head", ["gnn_head", "recurrent_head"])
def test_members_of_objects_learn_with_absent_ones(tmp_path, head):
    feats = [f"jet{i}_{feat}" for i in range(3) for feat in ("pt", "eta")]
    schema = matrix_entry(feats, [f"jet{i}" for i in range(3)], [False] * 6, ["pt", "eta"], True, (3, 2))
    rng = np.random.default_rng(3)
    with FoldFileWriter(tmp_path / "m", cont_feats=["a"], targ_feats="y", matrix_feats=schema) as file:
        for fold in range(3):
            jets = rng.normal(size=(N, 3, 2))
            y = jets[:, 0, 0] + jets[:, 1, 0] > 0
            jets[rng.random(N) < 0.4, 2] = np.nan
            file.append(fold, inputs=rng.normal(size=(N, 1)), targets=y, matrix_inputs=jets)
    fy = FoldYielder(tmp_path / "m.hdf5", ignore_feats=["a"])
    model = Model(ModelBuilder.from_fy(fy, "classification", head=head, body=BODY, opt_args={"lr": 0.01}, seed=1))
    model.fit(6, fy, 60, val_idx=0, seed=1, visible_bar=False, cb_savepath=tmp_path)
    fold = fy.get_fold(0)
    mean, spread = model.predict(fold["inputs"], spread=True)
    assert roc_auc_score(mean[:, 0], fold["targets"][:, 0]) > 0.9
    assert (spread > 0).all()
    again = Model.from_save(model.save(tmp_path / "saved")).predict(fold["inputs"])
    np.testing.assert_array_equal(again, mean)
