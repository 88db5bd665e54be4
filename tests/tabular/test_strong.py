"""The strong recipe: arguments of train_models for the data, of which what the user gives wins."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from lumin_core import FoldFileWriter, FoldYielder, Model, train_models
from lumin_core.errors import ConfigError
from lumin_core.registry import build
from lumin_plugin_tabular import Strong, strong

QUICK = {"budget": "quick", "n_epochs": 2, "visible_bar": False}


def trained(fy, objective, folder, n_models=1, **given):
    arguments = strong(fy, objective, **{**QUICK, **given})
    results = train_models(fy, n_models=n_models, seed=1, savepath=folder, **arguments)
    return [Model.from_save(result["path"]) for result in results]


def x_of(fy, fold):
    """Read the inputs of a fold, what is missing as NaN."""
    return fy.get_column("inputs", fold_idx=fold)


def with_missing(fold, columns):
    columns["inputs"] = columns["inputs"].astype("float32")
    columns["inputs"][::4, 0] = np.nan


def with_negative_weights(fold, columns):
    columns["weights"] = np.where(np.arange(len(columns["weights"])) % 8 == 0, -0.3, 1.0) * columns["weights"]


@pytest.mark.parametrize(
    ("objective", "n_targ", "n_out"),
    [("classification", 1, 1), ("classification", 2, 2), ("multiclass", 1, 3), ("regression", 1, 1)],
)
@pytest.mark.parametrize("weights", [True, False])
def test_every_objective_is_trained(make_fy, tmp_path, objective, n_targ, n_out, weights):
    fy = make_fy(tmp_path / "data.hdf5", objective=objective, n_targ=n_targ, weights=weights, change=with_missing)
    (model,) = trained(fy, objective, tmp_path / "run")
    predicted = model.predict(fy.get_fold(0)["inputs"])
    assert predicted.shape == (16, n_out)
    assert np.isfinite(predicted).all()
    callbacks = strong(fy, objective)["cb_partials"]
    assert ("callbacks/balance_classes" in callbacks) == (weights and n_targ == 1 and objective != "regression")


def test_negative_weights_are_trained_with(make_fy, tmp_path):
    fy = make_fy(tmp_path / "data.hdf5", change=with_negative_weights)
    assert min(fy.get_column("weights")) < 0
    (model,) = trained(fy, "classification", tmp_path / "run")
    assert np.isfinite(model.predict(fy.get_fold(0)["inputs"])).all()


def test_an_event_of_weight_zero_changes_nothing(make_fy, tmp_path):
    def emptied(fold, columns):
        columns["weights"][:4] = 0

    def moved(fold, columns):
        emptied(fold, columns)
        columns["inputs"][:4] = 0.5 * columns["inputs"][:4, [1, 0, 2, 3]]
        columns["inputs"][:4, 3] = 0

    plain, other = (make_fy(tmp_path / f"{change.__name__}.hdf5", change=change) for change in (emptied, moved))
    bins = [strong(fy, "classification")["model_builder"].to_config()["head"]["bins"] for fy in (plain, other)]
    assert bins[0] == bins[1]


def test_what_the_user_gives_wins(fy):
    given = {
        "bs": 4,
        "head": "cat_emb_head",
        "patience": 3,
        "opt_args": {"lr": 0.5},
        "model_args": {"body": {"depth": 1}},
    }
    found = strong(fy, "classification", **given, cb_partials=[], n_epochs=7)
    builder = found["model_builder"]
    assert (found["bs"], found["patience"], found["cb_partials"], found["n_epochs"]) == (4, 3, [], 7)
    assert builder.specs["head"] == "cat_emb_head"
    assert (builder.specs["body"]["depth"], builder.specs["body"]["width"]) == (1, 192)
    assert builder.opt_args == {"opt": "core/adamw", "lr": 0.5, "weight_decay": 1.0, "decay_groups": "weights"}


def test_the_schedule_has_the_rate_that_is_given(fy):
    schedule = strong(fy, "classification", opt_args={"lr": 0.5})["cb_partials"][-1]
    assert schedule["lr_range"] == [0.02, 0.5]


def test_the_rate_falls_with_the_square_root_of_small_batches(fy):
    rates = [strong(fy, "classification", bs=bs)["model_builder"].opt_args["lr"] for bs in (4, 16, 256, 1024)]
    assert rates == pytest.approx([5e-4, 1e-3, 4e-3, 4e-3])


def test_the_schedule_spans_the_epochs_that_are_given(fy):
    for n_epochs in (1, 30):
        schedule = strong(fy, "classification", n_epochs=n_epochs)["cb_partials"][-1]
        assert build("callback", schedule).spans(n_epochs)


def test_the_schedule_takes_the_learning_rate_that_is_given(fy):
    (*_, cycle) = strong(fy, "classification", opt_args={"lr": 2e-3})["cb_partials"]
    assert cycle["lr_range"] == [8e-5, 2e-3]


@pytest.mark.parametrize("lr", [0, -1, float("nan"), float("inf"), "1e-3", None])
def test_a_learning_rate_that_is_none_is_refused(fy, lr):
    with pytest.raises(ConfigError, match="learning rate, lr, must be a positive number"):
        strong(fy, "classification", opt_args={"lr": lr})


@pytest.mark.parametrize(
    ("options", "said"), [({"budget": ["quick"]}, "budget must be one of"), ({"objective": None}, "objective must be")]
)
def test_what_is_no_name_is_refused(fy, options, said):
    with pytest.raises(ConfigError, match=said):
        strong(fy, **{"objective": "classification", **options})


def test_epochs_and_batches_follow_the_number_of_events(tmp_path):
    def found(n):
        with FoldFileWriter(tmp_path / f"{n}", cont_feats=["a"], targ_feats="y") as file:
            for fold in range(2):
                file.append(fold, inputs=np.arange(n // 2)[:, None], targets=np.arange(n // 2) % 2)
        arguments = strong(FoldYielder(tmp_path / f"{n}.hdf5"), "classification")
        return arguments["bs"], arguments["n_epochs"]

    assert found(8) == (4, 60)
    assert found(3_000) == (32, 38)
    assert found(30_000) == (256, 12)
    assert found(120_000) == (1024, 6)


def test_the_preset_has_a_version_and_budgets():
    """Whoever changes what the recipe gives gives it another version."""
    assert Strong.version == 2
    with pytest.raises(ConfigError, match="budget must be one of quick, normal, got 'quik'; did you mean 'quick'"):
        Strong("quik")


def test_version_2_gives_what_it_gave(fy):
    arguments = Strong().arguments(fy, "classification")
    assert arguments == {
        "head": {
            "name": "tabular/num_emb_head",
            "width": 16,
            "n_bins": 48,
            "activation": True,
            "with_value": True,
            "cat_init_scale": 0.1,
        },
        "body": {"name": "tabular/fully_connected", "depth": 3, "width": 192, "do": 0.1},
        "opt_args": {"opt": "core/adamw", "lr": 1e-3, "weight_decay": 1.0, "decay_groups": "weights"},
        "cb_partials": [
            "callbacks/balance_classes",
            {
                "name": "callbacks/one_cycle",
                "lengths": [3.0, 57.0],
                "lr_range": [4e-5, 1e-3],
                "mom_range": [0.9, 0.9],
            },
        ],
        "bs": 16,
        "n_epochs": 60,
    }


def test_missingness_alone_is_learned(tmp_path):
    """The planted case: the feature says nothing, but is missing for one of the classes."""
    rng = np.random.default_rng(1)
    with FoldFileWriter(tmp_path / "data", cont_feats=["a", "b"], targ_feats="y") as file:
        for fold in range(3):
            x, y = rng.normal(size=(256, 2)).astype("float32"), np.arange(256) % 2
            x[y == 1, 0] = np.nan
            file.append(fold, inputs=x, targets=y)
    fy = FoldYielder(tmp_path / "data.hdf5")
    (model,) = trained(fy, "classification", tmp_path / "run", n_epochs=6, bs=32)
    fold = fy.get_fold(1)
    scores, is_signal = model.predict(x_of(fy, 1))[:, 0], fold["targets"][:, 0] == 1
    assert ((scores > 0.5) == is_signal).mean() > 0.98


def test_a_saved_model_predicts_the_same_in_a_fresh_process(make_fy, tmp_path):
    fy = make_fy(tmp_path / "data.hdf5", change=with_missing)
    (model,) = trained(fy, "classification", tmp_path / "run")
    x = np.array([[np.nan, 0.1, 9e9, 1], [0.3, -0.2, np.nan, 2]], dtype="float32")
    np.save(tmp_path / "x.npy", x)
    lines = (
        "import numpy as np, sys; from lumin_core import Model; "
        "np.save(sys.argv[3], Model.from_save(sys.argv[1]).predict(np.load(sys.argv[2])))"
    )
    paths = [next((tmp_path / "run").glob("*/*.safetensors")), tmp_path / "x.npy", tmp_path / "y.npy"]
    subprocess.run([sys.executable, "-c", lines, *map(str, paths)], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), model.predict(x))


def test_permuted_features_give_the_same_network(make_fy, tmp_path):
    """Bins and outputs do, with the weights moved along: the first ones are drawn in the order of features."""
    order = [2, 0, 1]

    def swapped(fold, columns):
        with_missing(fold, columns)
        columns["inputs"] = columns["inputs"][:, [*order, 3]]

    plain, other = (make_fy(tmp_path / f"{c.__name__}.hdf5", change=c) for c in (with_missing, swapped))
    first, second = (strong(fy, "classification", **QUICK)["model_builder"] for fy in (plain, other))
    bins, moved_bins = (list(builder.to_config()["head"]["bins"].values()) for builder in (first, second))
    assert moved_bins == [bins[i] for i in order]
    first, second = Model(first), Model(second)
    state = first.get_weights()
    columns = [17 * i + j for i in order for j in range(17)]  # sixteen numbers, and the value itself
    for name in [name for name in state if "cont_embed" in name]:
        state[name] = state[name][order]
    layer = state["1.layers.0.0.weight"]
    state["1.layers.0.0.weight"] = torch.cat([layer[:, columns], layer[:, 51:]], dim=1)
    second.set_weights(state)
    x = x_of(plain, 0)
    assert np.isnan(x).any()
    np.testing.assert_allclose(second.predict(x[:, [*order, 3]]), first.predict(x), rtol=0, atol=1e-6)


def test_onnx_gives_the_same_missing_values_included(make_fy, tmp_path):
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    fy = make_fy(tmp_path / "data.hdf5", change=with_missing)
    (model,) = trained(fy, "classification", tmp_path / "run")
    path = model.export(tmp_path / "model.onnx", format="onnx")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).normal(size=(64, 4)).astype("float32")
    x[:, 3] = np.arange(64) % 3
    x[::5, 0], x[1::7, 2], x[3, :3] = np.nan, 1e9, np.nan
    (given,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(given, model.predict(x), rtol=0, atol=1e-6)
