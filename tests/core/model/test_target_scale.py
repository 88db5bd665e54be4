"""Tails of regressions are told mean and spread of the targets."""

import numpy as np
import pytest
from torch import nn

from lumin_core import FoldYielder, Model, ModelBuilder
from lumin_core.errors import SavedModelError
from lumin_core.model.target_scale import target_scale
from lumin_core.runs.planning import as_begun

SMALL = {"name": "fully_connected", "depth": 1, "width": 8}


@pytest.fixture(scope="module")
def masses(make_fy, tmp_path_factory):
    """Masses of 125 +- 20 GeV, and a second target of 1e6 +- 3, with weights, in two folds."""
    path = tmp_path_factory.mktemp("masses") / "train.hdf5"

    def in_gev(_, columns):
        columns["targets"] = columns["targets"] * [20, 3] + [125, 1e6]

    make_fy(path, 2, 64, objective="regression", n_targ=2, cats=False, change=in_gev).close()
    return path


@pytest.fixture
def fy(masses):
    with FoldYielder(masses) as opened:
        yield opened


def tail_of(fy, *args, **options):
    return ModelBuilder.from_fy(fy, *args, **{"body": SMALL, **options}).specs["tail"]


def test_they_are_the_weighted_moments_of_all_folds(fy):
    y, w = fy.get_column("targets").astype("float64"), fy.get_column("weights").astype("float64")
    tail = tail_of(fy, "regression")
    mean = np.average(y, axis=0, weights=w)
    np.testing.assert_allclose(tail["y_mean"], mean, rtol=1e-9)
    np.testing.assert_allclose(tail["y_std"], np.sqrt(np.average((y - mean) ** 2, axis=0, weights=w)), rtol=1e-6)
    assert tail["name"] == "tabular/class_reg_multi"


def test_fault_a_mass_in_gev_is_learned_without_scaling_by_hand(fy, tmp_path):
    builder = ModelBuilder.from_fy(fy, "regression", body=SMALL, opt_args={"lr": 0.01}, seed=1)
    model = Model(builder)
    y = fy.get_column("targets")
    first = model.predict(fy.get_fold(0)["inputs"])
    assert (abs(first.mean(0) - y.mean(0)) < 2 * y.std(0)).all()
    model.fit(20, fy, 16, cb_savepath=tmp_path, visible_bar=False, seed=1)
    again = Model.from_save(model.save(tmp_path / "model"))
    x = fy.get_data()["inputs"]
    preds = model.predict(x)
    assert (preds - y).std(0)[0] < 0.6 * y.std(0)[0]
    assert np.array_equal(again.predict(x), preds)
    assert model.evaluate(x, y) == pytest.approx(((preds - y) ** 2).mean(), rel=1e-4)  # in GeV^2


@pytest.mark.parametrize(
    ("objective", "options"),
    [
        ("regression", {"tail": {"name": "class_reg_multi", "y_range": [[0, 300], [0, 2e6]]}}),
        ("regression", {"tail": {"name": "class_reg_multi", "y_mean": 0, "y_std": 1}}),
        ("regression", {"model_args": {"tail": {"bias_init": 100.0}}}),
        ("regression", {"n_out": 3}),
        ("regression", {"loss": nn.PoissonNLLLoss}),
        ("regression", {"loss": nn.PoissonNLLLoss()}),
        ("regression", {"tail": "ident_tail", "body": "ident_body", "cont_feats": ["a", "b"]}),
        ("classification", {}),
    ],
)
def test_what_the_user_says_and_what_has_no_such_scale_stays(fy, objective, options):
    tail = tail_of(fy, objective, **options)
    asked = {"y_mean", "y_std"} & dict(options.get("tail", {}) if isinstance(options.get("tail"), dict) else {}).keys()
    assert {key for key in ("y_mean", "y_std") if isinstance(tail, dict) and key in tail} == asked


@pytest.mark.parametrize(
    "loss", ["mse_loss", "huber_loss", {"name": "smooth_l1_loss", "beta": 5.0}, nn.L1Loss, nn.L1Loss()]
)
def test_losses_that_compare_values_have_it(fy, loss):
    assert {"y_mean", "y_std"} < tail_of(fy, "regression", loss=loss).keys()


def test_one_target_gives_numbers_and_a_constant_one_a_spread_of_one(make_fy, tmp_path):
    def constant(_, columns):
        columns["targets"] = np.full(16, 91.1876)

    fy = make_fy(tmp_path / "constant.hdf5", 2, objective="regression", cats=False, change=constant)
    scale = target_scale(fy, 1)
    assert scale == {"y_mean": pytest.approx(91.1876), "y_std": 1.0}
    assert isinstance(scale["y_mean"], float)


@pytest.mark.parametrize("sign", [-1.0, 0.0])
def test_weights_that_add_up_to_nothing_do_not_count(make_fy, tmp_path, sign):
    def unusable(_, columns):
        columns["targets"], columns["weights"] = np.arange(16.0), sign * np.ones(16)

    fy = make_fy(tmp_path / "unusable.hdf5", 2, objective="regression", cats=False, change=unusable)
    assert target_scale(fy, 1) == {"y_mean": 7.5, "y_std": pytest.approx(np.arange(16).std())}


def test_weights_of_another_scale_are_refused(fy, tmp_path):
    path = Model(ModelBuilder.from_fy(fy, "regression", body=SMALL, seed=1)).save(tmp_path / "model")
    plain = Model(ModelBuilder("regression", 2, ["a", "b", "c"], body=SMALL, seed=1))
    before = plain.get_weights()
    with pytest.raises(SavedModelError, match=r"was trained with a tail of y_mean=.*this model has one of no scale"):
        plain.load(path)
    assert all((before[key] == value).all() for key, value in plain.get_weights().items())


def test_pretrained_weights_keep_the_scale_that_they_were_trained_with(fy, tmp_path):
    given = {"name": "class_reg_multi", "y_mean": [100.0, 1e6], "y_std": [10.0, 1.0]}
    for tail, expected in ((given, given | {"name": "tabular/class_reg_multi"}), ("class_reg_multi",) * 2):
        builder = ModelBuilder("regression", 2, ["a", "b", "c"], body=SMALL, tail=tail, seed=1)
        path = Model(builder).save(tmp_path / "model")
        found = tail_of(fy, "regression", pretrain_file=path)
        assert found == (expected if isinstance(expected, dict) else "tabular/class_reg_multi")


@pytest.mark.parametrize("tail", ["class_reg_multi", {"name": "class_reg_multi", "freeze": True}])
def test_a_run_that_was_begun_without_goes_on_without(fy, tail, caplog):
    config = ModelBuilder("regression", 2, ["a", "b", "c"], tail=tail, seed=1).to_config()
    builder = ModelBuilder.from_fy(fy, "regression", tail=tail, seed=1)
    assert as_begun(builder, config).to_config() == config
    assert "goes on without" in caplog.text
    for other in (builder.to_config(), {"unnamed": "a reason"}, None):
        assert as_begun(builder, other) is builder
