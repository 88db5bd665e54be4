"""A missing value is NaN up to where batches are made, and then what the head asks for, at every door."""

import numpy as np
import pandas as pd
import pytest
import torch

from lumin_core import Callback, FoldFileWriter, FoldYielder, Head, Model, ModelBuilder


class Counting(Head):
    """Gives the features with 0 for NaN, and beside each whether it was NaN."""

    def __init__(self, cont_feats, cat_embedder=None):
        super().__init__(cont_feats, cat_embedder)
        self.feat_map = {feat: [i, i + len(cont_feats)] for i, feat in enumerate(self.cont_feats)}

    def forward(self, x):
        return torch.cat((x.nan_to_num(0), x.isnan().float()), dim=1)

    def get_out_size(self):
        return 2 * len(self.cont_feats)


class Keeping(Counting):
    missing = "keep"


class Seen(Callback):
    """Counts the missing values of the batches, by state."""

    def __init__(self):
        self.n = {"train": 0, "valid": 0, "test": 0}

    def on_forwards_end(self, fit_params):
        self.n[fit_params.state] += int(fit_params.x.isnan().sum())


@pytest.fixture
def fy(tmp_path):
    """Three folds of four events, of which the first lacks ``eta``."""
    x = np.array([[1.0, np.nan], [2.0, 0.5], [3.0, -0.5], [4.0, 1.0]])
    with FoldFileWriter(tmp_path / "f", cont_feats=["pt", "eta"], targ_feats="y") as file:
        for fold in range(3):
            file.append(fold, inputs=x + fold, targets=np.array([0.0, 1.0, 0.0, 1.0]))
    return FoldYielder(tmp_path / "f")


def model_of(head):
    return Model(ModelBuilder("regression", 1, ["pt", "eta"], head=head, body="ident_body", seed=1))


@pytest.mark.parametrize(("head", "n"), [(Keeping, 1), (Counting, 0)])
def test_training_validation_and_prediction_see_what_the_head_asks_for(fy, head, n):
    model, seen = model_of(head), Seen()
    model.fit(2, fy, bs=4, val_idx=2, cbs=[seen], visible_bar=False, seed=1)
    assert seen.n == {"train": 4 * n, "valid": 2 * n, "test": 0}
    model.predict(fy, cbs=[seen])
    assert seen.n["test"] == 3 * n


def test_all_doors_of_prediction_give_the_same_scores(fy):
    model = model_of(Keeping)
    x = np.array([[1.0, np.nan], [2.0, 0.5], [3.0, -0.5], [4.0, 1.0]], dtype="float32")
    expected = model.predict(x)
    model.predict(fy)
    assert np.array_equal(fy.get_column("pred", fold_idx=0)[:, None], expected)
    assert np.array_equal(model.predict(pd.DataFrame(x, columns=["pt", "eta"])), expected)
    assert np.array_equal(model.predict(torch.from_numpy(x)), expected)
    assert not np.array_equal(model_of(Counting).predict(x)[0], expected[0])
    assert np.array_equal(model_of(Counting).predict(x)[1:], expected[1:])


def test_evaluate_keeps_them_too(fy):
    model = model_of(Keeping)
    x, y = np.array([[1.0, np.nan]], dtype="float32"), np.array([[0.0]], dtype="float32")
    assert model.evaluate(x, y) == pytest.approx(float(model.predict(x)[0, 0]) ** 2)


def test_a_fold_by_itself_goes_on_giving_zeros(fy):
    assert fy.get_fold(0)["inputs"][0].tolist() == [1.0, 0.0]
    assert fy.get_test_fold(0, 0)["inputs"][0].tolist() == [1.0, 0.0]
