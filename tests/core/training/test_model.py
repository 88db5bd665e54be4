"""Model.fit: what it needs, refuses, records and leaves behind."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest
import torch

from lumin_core import Callback, FoldYielder, Model, ModelBuilder
from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.errors import ConfigError, DataError, HookError, UnknownComponent


@pytest.fixture
def model(make_builder, fy):
    return Model(make_builder(fy))


def test_training_lowers_the_loss_and_fills_the_history(model, fy):
    model.fit(15, fy, 4, val_idx=2, seed=1)
    history = model.fit_params.history
    assert len(history["train"]["loss"]) == 30
    assert len(history["valid"]["loss"]) == 15
    assert history["valid"]["loss"][-1] < 0.8 * history["valid"]["loss"][0]
    fold = fy.get_fold(2)
    assert history["valid"]["loss"][-1] == pytest.approx(model.evaluate(*fold.values()), rel=1e-6)


@pytest.mark.parametrize("objective", ["classification", "multiclass", "regression"])
@pytest.mark.parametrize("n_targ", [1, 2])
def test_every_objective_trains(make_fy, make_builder, tmp_path, objective, n_targ):
    if objective == "multiclass" and n_targ == 2:
        pytest.skip("multiclass has one target")
    fy = make_fy(tmp_path / "a.hdf5", objective=objective, n_targ=n_targ, n=32)
    model = Model(make_builder(fy, objective, opt_args={"opt": "adam", "lr": 0.05}))
    model.fit(12, fy, 8, val_idx=2, seed=1)
    losses = model.fit_params.history["train"]["loss"]
    assert losses[-1] < losses[0]


def test_callbacks_come_back_in_order(model, fy):
    class Mine(Callback):
        def on_train_end(self):
            pass

    mine = Mine()
    cbs = model.fit(1, fy, 8, cbs=[{"name": "grad_clip", "clip": 1.0}, Mine, mine], seed=1)
    assert [type(callback).__name__ for callback in cbs] == ["GradClip", "Mine", "Mine"]
    assert cbs[2] is mine
    assert cbs[1].model is model


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_epochs": 0}, "n_epochs must be a positive integer, got 0"),
        ({"n_epochs": 1.5}, "n_epochs must be"),
        ({"n_epochs": "3"}, "n_epochs must be"),
        ({"n_epochs": True}, "n_epochs must be"),
        ({"bs": 0}, "bs must be a positive integer"),
        ({"bs": -4}, "bs must be"),
        ({"val_idx": 3}, r"folds 0 to 2, got \[3\]"),
        ({"val_idx": -1}, r"folds 0 to 2, got \[-1\]"),
        ({"val_idx": "1"}, "folds 0 to 2"),
        ({"trn_idxs": [0, 7]}, r"folds 0 to 2, got \[7\]"),
        ({"trn_idxs": ["a"]}, "folds 0 to 2"),
        ({"trn_idxs": [True]}, "folds 0 to 2"),
        ({"trn_idxs": []}, "no fold is left to train on"),
        ({"trn_idxs": [0, 0]}, "more than once"),
        ({"trn_idxs": [0, 1], "val_idx": 1}, "fold 1 is val_idx and among trn_idxs"),
        ({"metrics": "roc_auc_score"}, "metrics are evaluated on a validation fold: give val_idx"),
        ({"cbs": "save_best"}, "give val_idx"),
        ({"cbs": {"name": "early_stopping", "patience": 3}}, "give val_idx"),
        (
            {"val_idx": 1, "metrics": ["binary_accuracy", "binary_accuracy"]},
            "two metrics are called binary_accuracy.*label",
        ),
        ({"val_idx": 1, "metrics": [{"name": "binary_accuracy", "label": "loss"}]}, "cannot be called loss"),
        (
            {"val_idx": 1, "metrics": [{"name": n, "main_metric": True} for n in ("binary_accuracy", "roc_auc_score")]},
            "one metric can be the main one, got 2",
        ),
    ],
)
def test_wrong_options_are_refused(model, fy, options, words, same_weights):
    before = model.get_weights()
    with pytest.raises(ConfigError, match=words):
        model.fit(**{"n_epochs": 1, "fy": fy, "bs": 8, "seed": 1, **options})
    assert same_weights(model, before)


@pytest.mark.parametrize("trn_idxs", [0, range(2), np.array([0, 1]), (0, 1), [np.int64(1)]])
def test_training_folds_may_be_given_in_every_form(model, fy, trn_idxs):
    model.fit(1, fy, np.int64(8), trn_idxs=trn_idxs, val_idx=np.int64(2), seed=1)
    assert all(type(i) is int for i in model.fit_params.trn_idxs)


def test_unknown_names_come_with_a_hint(model, fy):
    with pytest.raises(UnknownComponent, match=r"did you mean.*save_best"):
        model.fit(1, fy, 8, cbs="save_bets", val_idx=1)
    with pytest.raises(UnknownComponent, match=r"did you mean.*roc_auc_score"):
        model.fit(1, fy, 8, metrics="roc_auc_socre", val_idx=1)


def test_a_misspelt_point_is_refused_before_training(model, fy, same_weights):
    before = model.get_weights()
    typo = type("Typo", (), {"on_epoch_ends": lambda self: None})()
    with pytest.raises(HookError, match="did you mean"):
        model.fit(1, fy, 8, cbs=typo, seed=1)
    assert same_weights(model, before)


def test_fault_a_fold_smaller_than_a_batch_is_an_error(model, fy, same_weights):
    before = model.get_weights()
    with pytest.raises(DataError, match=r"fold 0 has 16 events, less than a batch of bs=17.*smaller bs or fewer folds"):
        model.fit(1, fy, 17, seed=1)
    assert same_weights(model, before)
    model.fit(1, fy, 16, seed=1)
    assert len(model.fit_params.history["train"]["loss"]) == 3


def test_a_validation_fold_may_be_smaller_than_a_batch(make_fy, make_builder, tmp_path):
    def cut(fold, columns):
        if fold == 2:
            for name in ("inputs", "targets", "weights"):
                columns[name] = columns[name][:1]
            columns["misc"] = {"event": np.arange(1)}

    fy = make_fy(tmp_path / "a.hdf5", change=cut)
    model = Model(make_builder(fy))
    model.fit(1, fy, 8, val_idx=2, seed=1)
    assert len(model.fit_params.history["valid"]["loss"]) == 1


def test_features_that_differ_are_named(make_builder, fy, shared_path):
    model = Model(make_builder(fy))
    with pytest.raises(ConfigError, match=r"the data lack b; .*add_ignore"):
        model.fit(1, FoldYielder(shared_path, ignore_feats="b"), 8)
    with pytest.raises(ConfigError, match="categorical features"):
        model.fit(1, FoldYielder(shared_path, ignore_feats="d"), 8)
    swapped = ModelBuilder("classification", 1, ["b", "a", "c"], cat_embedder=model.model_builder.cat_embedder)
    with pytest.raises(ConfigError, match="their order differs"):
        Model(swapped).fit(1, fy, 8)


def test_ignored_features_are_left_out_of_training_and_prediction(shared_path, make_builder):
    fy = FoldYielder(shared_path, ignore_feats=["b"])
    model = Model(make_builder(fy))
    model.fit(1, fy, 8, seed=1)
    assert model.predict(fy.get_fold(0)["inputs"]).shape == (16, 1)


def test_nothing_is_written_by_a_plain_fit(model, fy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.fit(1, fy, 8, val_idx=1, seed=1, metrics="roc_auc_score")
    assert list(tmp_path.iterdir()) == []


def test_the_fold_file_is_only_read(model, shared_path):
    before = shared_path.read_bytes()
    with FoldYielder(shared_path) as fy:
        model.fit(2, fy, 8, val_idx=0, seed=1)
    assert shared_path.read_bytes() == before
    assert [path.name for path in shared_path.parent.iterdir()] == [shared_path.name]


def test_fitting_again_goes_on_from_the_weights(model, fy, same_weights):
    model.fit(1, fy, 8, seed=1)
    first = model.get_weights()
    model.fit(1, fy, 8, seed=1)
    assert not same_weights(model, first)
    assert model.fit_params.epoch == 1
    assert len(model.fit_params.history["train"]["loss"]) == 3


def test_fault_a_model_asked_in_the_middle_of_training_stays_in_training_mode(make_builder, fy, same_weights):
    """Evaluating within a callback left dropout and batch norm off for the rest of the epoch."""
    modes = []

    class Ask:
        def on_fold_end(self, fit_params):
            fit_params.model.predict(np.zeros((2, 4)))
            fit_params.model.evaluate(np.zeros((2, 4)), np.zeros(2))

        def on_batch_begin(self, fit_params):
            modes.append((fit_params.state, fit_params.model.model.training))

    body = {"name": "fully_connected", "depth": 1, "width": 4, "do": 0.5, "bn": True}
    asked, plain = (Model(make_builder(fy, body=body)) for _ in range(2))
    asked.fit(2, fy, 8, val_idx=0, seed=1, cbs=Ask())
    plain.fit(2, fy, 8, val_idx=0, seed=1)
    assert set(modes) == {("train", True), ("valid", False)}
    assert same_weights(asked, plain)


def test_predicting_keeps_the_modes_of_single_layers(model):
    model.model.train()
    model.model[1].eval()
    model.predict(np.zeros((2, 4)))
    assert (model.model.training, model.model[1].training, model.model[2].training) == (True, False, True)


def test_frozen_parts_stay_as_they_are(make_builder, fy):
    model = Model(make_builder(fy, freeze_body=True))
    before = model.get_weights()
    model.fit(2, fy, 8, seed=1)
    after = model.get_weights()
    assert all(torch.equal(before[key], after[key]) for key in before if key.startswith("1."))
    assert any(not torch.equal(before[key], after[key]) for key in before if key.startswith("2."))


def test_a_model_that_is_frozen_altogether_is_refused(model, fy):
    model.freeze_layers()
    with pytest.raises(ConfigError, match="all parameters are frozen; unfreeze_layers"):
        model.fit(1, fy, 8, seed=1)
    model.unfreeze_layers()
    model.fit(1, fy, 8, seed=1)


@pytest.mark.parametrize("precision", ["bf16", "16"])
@pytest.mark.parametrize("objective", ["classification", "multiclass"])
def test_mixed_precision_trains_and_keeps_single_precision_weights(
    make_fy, tmp_path, make_builder, precision, objective
):
    fy = make_fy(tmp_path / "a.hdf5", objective=objective)
    body = {"name": "fully_connected", "depth": 2, "width": 8, "bn": True, "do": 0.1}
    model = Model(make_builder(fy, objective, body=body, opt_args={"lr": 0.01}), precision=precision)
    before = model.get_weights()
    dtypes = set()

    class Look:
        def on_forwards_end(self, fit_params):
            dtypes.add(fit_params.y_pred.dtype)

        def on_backwards_end(self, fit_params):
            norm = sum(float(p.grad.square().sum()) for p in fit_params.model.model.parameters()) ** 0.5
            assert 0 < norm < 100 or (
                precision == "16" and not np.isfinite(norm)
            )  # unscaled; the scaler skips overflows

    model.fit(4, fy, 8, val_idx=1, cbs=[Look(), {"name": "grad_clip", "clip": 1.0}], seed=1)
    assert dtypes == {torch.float32}
    assert all(p.dtype == torch.float32 for p in model.model.parameters())
    assert any(not torch.equal(before[key], value) for key, value in model.get_weights().items())
    assert model.predict(fy.get_fold(0)["inputs"]).dtype == np.float32
    exact = Model(make_builder(fy, objective, body=body))
    exact.set_weights(model.get_weights())
    inputs = fy.get_fold(0)["inputs"]
    np.testing.assert_allclose(model.predict(inputs), exact.predict(inputs), atol=0.03)


def test_a_compiled_network_is_the_one_that_is_run(make_builder, fy, monkeypatch, same_weights):
    """Compiling takes a minute here: what is run is a stand-in."""
    batches = []

    def compiled(module):
        return lambda x: batches.append(len(x)) or module(x)

    monkeypatch.setattr(torch, "compile", compiled)
    plain, model = Model(make_builder(fy)), Model(make_builder(fy), compile=True)
    for each in (plain, model):
        each.fit(1, fy, 8, seed=1)
    assert same_weights(plain, model)
    assert batches == [8] * 6


# Memory


def live_bytes():
    """Give the bytes of all tensors that are alive, each memory once."""
    gc.collect()
    seen = {}
    for thing in gc.get_objects():
        # isinstance would ask proxies, which warn; torch.export leaves tensors of other classes behind, without memory
        if type(thing) in (torch.Tensor, torch.nn.Parameter) and thing.layout is torch.strided:
            storage = thing.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
    return sum(seen.values())


@pytest.mark.parametrize("n_folds", [3, 7])
def test_training_holds_two_folds_and_one_permuted_copy_at_most(make_fy, make_builder, tmp_path, n_folds):
    n = 20_000
    fy = make_fy(tmp_path / "big.hdf5", n_folds=n_folds, n=n)
    fold = n * 4 * (4 + 1 + 1)  # inputs, target, weight: float32
    model = Model(make_builder(fy))
    model.fit(1, fy, 2000, val_idx=0, seed=1)  # what is made once
    tensors = []

    class Look:
        def on_batch_end(self, fit_params):
            if fit_params.batch == 5 and fit_params.sub_epoch in (1, n_folds - 1) and fit_params.state == "train":
                tensors.append(live_bytes())

    tracemalloc.start()
    model.fit(1, fy, 2000, val_idx=0, seed=1)
    _, peak = tracemalloc.get_traced_memory()  # numpy's memory; torch's is not seen
    tracemalloc.stop()
    before = live_bytes()
    model.fit(1, fy, 2000, val_idx=0, seed=1, cbs=Look())
    assert len(tensors) == 2
    assert peak < 2.1 * fold + 200_000
    assert max(tensors) - before < 1.3 * fold + 8 * n  # and the order


def test_the_last_fold_is_let_go_before_the_next_is_read(make_builder, fy, shared_path):
    alive = weakref.WeakSet()

    class Watching(BatchYielder):
        def __init__(self, *args, **options):
            gc.collect()
            assert not alive
            super().__init__(*args, **options)
            alive.add(self)

    Model(make_builder(fy)).fit(2, FoldYielder(shared_path, batch_yielder_type=Watching), 8, val_idx=2, seed=1)
    gc.collect()
    assert not alive


def test_a_loaded_model_makes_its_optimiser_when_it_is_first_asked_for(fy, make_builder, tmp_path, monkeypatch):
    """The first one costs seconds of imports, which who predicts has no use for."""
    from lumin_core.training import assembly

    made = []
    real = assembly.build_optimiser
    monkeypatch.setattr(assembly, "build_optimiser", lambda *args: made.append(args) or real(*args))
    path = Model(make_builder(fy)).save(tmp_path / "model")
    assert len(made) == 1
    model = Model.from_save(path)
    model.predict(fy.get_fold(0)["inputs"])
    assert len(made) == 1
    model.set_lr(0.5)
    assert model.opt is model.opt
    assert model.get_lr() == 0.5
    assert len(made) == 2
