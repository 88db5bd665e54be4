"""All that changes data, in one fit, in one run, and across an interruption."""

from functools import partial

import numpy as np
import pytest
import torch

from lumin_core import Callback, FoldFileWriter, FoldYielder, Model, ModelBuilder, train_models
from lumin_plugin_callbacks import BinaryLabelSmooth, BootstrapResample, PivotTraining, TargReplace, WeightData

SIZES = [40, 64, 33, 50]
ADVERSARY = {"objective": "regression", "n_out": 1, "cont_feats": ["p"], "body": {"name": "fully_connected", "do": 0.2}}


@pytest.fixture(scope="module")
def fy(tmp_path_factory):
    """Column ``id`` numbers the events of the file; from it follow ``is_fake`` and the nuisance ``z``."""
    path, number, rng = tmp_path_factory.mktemp("folds") / "a", 0, np.random.default_rng(1)
    with FoldFileWriter(path, cont_feats=["id", "b"], targ_feats="y", wgt_feat="w") as file:
        for i, n in enumerate(SIZES):
            ids = np.arange(number, number + n)
            number += n
            file.append(
                i, inputs=np.stack([ids, rng.normal(size=n)], axis=1), targets=rng.integers(0, 2, n),
                weights=rng.uniform(-0.2, 2, n), misc={"is_fake": is_fake(ids).astype(int), "z": nuisance(ids)},
            )  # fmt: skip
    with FoldYielder(path) as yielder:
        yield yielder


def is_fake(ids):
    return ids % 3 == 0


def nuisance(ids):
    return np.sin(ids)


def double(x, mx, y, w):
    return 2 * w


def callbacks():
    return [
        BootstrapResample(reweight=False),
        TargReplace("is_fake"),
        WeightData(double, on_eval=False),
        BinaryLabelSmooth((0.1, 0.2)),
        PivotTraining(1, 1, 0.5, ADVERSARY, "z"),
    ]


SPECS = [
    ["bootstrap_resample", BootstrapResample],
    [{"name": "targ_replace", "targ_feats": "is_fake"}, partial(TargReplace, targ_feats=["is_fake"])],
    [{"name": "weight_data", "func": double, "on_eval": False}, partial(WeightData, func=double, on_eval=False)],
    [{"name": "binary_label_smooth", "coefs": [0.1, 0.2]}, partial(BinaryLabelSmooth, coefs=(0.1, 0.2))],
    [
        {
            "name": "pivot_training", "n_pretrain_main": 1, "n_pretrain_adv": 1, "adv_coef": 0.5,
            "adv_model_builder": ADVERSARY, "adv_targets": "z",
        },
        partial(
            PivotTraining, n_pretrain_main=1, n_pretrain_adv=1, adv_coef=0.5, adv_model_builder=ADVERSARY,
            adv_targets=["z"],
        ),
    ],
]  # fmt: skip


def build(fy):
    body = {"name": "fully_connected", "depth": 1, "width": 4, "do": 0.2}
    return Model(ModelBuilder.from_fy(fy, "classification", seed=1, body=body))


def fit(fy, cbs, model=None, n_epochs=3, **options):
    model = model or build(fy)
    model.fit(n_epochs, fy, 16, cbs=cbs, val_idx=3, seed=1, visible_bar=False, **options)
    return model


def same(model, other):
    pairs = zip(model.get_weights().values(), other.get_weights().values(), strict=True)
    return model.fit_params.history == other.fit_params.history and all(torch.equal(a, b) for a, b in pairs)


class Look(Callback):
    """Checks every event of every batch, and counts them."""

    def __init__(self, weights):
        self.weights, self.events = weights, {"train": [], "valid": []}

    def on_forwards_end(self, fit_params):
        ids, train = fit_params.x[:, 0].numpy().astype(int), fit_params.state == "train"
        low, high = (0.1, 0.8) if train else (0.0, 1.0)
        np.testing.assert_allclose(fit_params.y[:, 0], np.where(is_fake(ids), high, low), rtol=1e-6)
        np.testing.assert_allclose(fit_params.w[:, 0], self.weights[ids] * (2 if train else 1), rtol=1e-6)
        np.testing.assert_allclose(fit_params.by.companion[:, 0], nuisance(ids), atol=1e-6)
        self.events[fit_params.state].append(ids)


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 4, 1, 0, 2]])
def test_every_event_keeps_what_is_its_own_in_any_order(fy, order):
    cbs, look = callbacks(), Look(fy.get_column("weights"))
    fit(fy, [*[cbs[i] for i in order], look])
    trained = [len(np.unique(np.concatenate(look.events[state]))) for state in ("train", "valid")]
    assert 60 < trained[0] < sum(SIZES[:3]) - 20  # of the three bags, less the ends of folds
    assert trained[1] == 50


def test_a_fit_can_be_repeated_with_the_same_objects(fy):
    cbs = callbacks()
    assert same(fit(fy, cbs), fit(fy, cbs))


def test_a_fit_that_was_killed_goes_on_bit_for_bit(fy, tmp_path):
    class Kill(Callback):
        def on_fold_end(self, fit_params):
            if self.armed and fit_params.epoch == 3:
                raise RuntimeError("killed")

    kill = Kill()
    kill.armed = False
    whole = fit(fy, [*callbacks(), kill], resume=True, cb_savepath=tmp_path / "whole")
    kill.armed = True
    with pytest.raises(RuntimeError, match="killed"):
        fit(fy, [*callbacks(), kill], resume=True, cb_savepath=tmp_path / "killed")
    kill.armed = False
    assert same(whole, fit(fy, [*callbacks(), kill], resume=True, cb_savepath=tmp_path / "killed"))


def test_in_a_run_by_name_dict_and_partial(fy, tmp_path):
    builder, runs = build(fy).model_builder, []
    for form in (0, -1, 0):
        specs = [spec[form] for spec in SPECS]
        options = {"patience": 5, "cb_partials": specs, "savepath": tmp_path / str(len(runs)), "seed": 1}
        results = train_models(fy, 2, 16, builder, 3, **options)
        runs.append([Model.from_save(result["path"]).get_weights() for result in results])
    first = [next(iter(weights.values())) for weights in runs[0]]
    assert not torch.equal(*first)
    for run in runs[1:]:
        for mine, theirs in zip(runs[0], run, strict=True):
            assert all(torch.equal(mine[key], theirs[key]) for key in mine)
