import json
from functools import partial

import numpy as np
import pytest
import torch

from lumin_core import Callback, FoldFileWriter, FoldYielder, Model, ModelBuilder, train_models
from lumin_core.errors import ConfigError
from lumin_plugin_callbacks import CycleLR, CycleMom, EarlyStopping


class Notes(Callback):
    """Notes what a cycle tells at the ends of epochs."""

    def __init__(self, cycle):
        self.cycle, self.notes = cycle, []

    def on_epoch_end(self, fit_params):
        cycle = self.cycle
        self.notes.append((fit_params.state, cycle.cycle_count, cycle.cycle_end, cycle.delays_stopping()))


def torch_rates(make, n, momentum=0.9):
    """Step one of torch's schedulers, noting learning rates and momenta."""
    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=momentum)
    scheduler, lr, mom = make(opt), [], []
    for _ in range(n):
        lr.append(opt.param_groups[0]["lr"])
        mom.append(opt.param_groups[0]["momentum"])
        opt.step()
        scheduler.step()
    return np.array(lr), np.array(mom)


@pytest.fixture(scope="module")
def unequal(tmp_path_factory):
    """Folds of 16, 27 and 41 events."""
    rng, path = np.random.default_rng(1), tmp_path_factory.mktemp("unequal") / "a.hdf5"
    with FoldFileWriter(path, cont_feats=["a", "b"], targ_feats="y") as file:
        for i, n in enumerate((16, 27, 41)):
            file.append(i, inputs=rng.normal(size=(n, 2)), targets=rng.integers(0, 2, n))
    with FoldYielder(path) as fy:
        yield fy


@pytest.mark.parametrize("cycle_mult", [1, 2, 3])
@pytest.mark.parametrize(("scale", "n_batches"), [(1, 7), (3, 5), (2, 1)])
def test_cosine_equals_torchs_warm_restarts(cycle_mult, scale, n_batches):
    values = CycleLR((0.01, 0.1), cycle_mult=cycle_mult, scale=scale).values(n_batches, n_epochs=20)["lr"]
    restarts = partial(
        torch.optim.lr_scheduler.CosineAnnealingWarmRestarts, T_0=scale * n_batches, T_mult=cycle_mult, eta_min=0.01
    )
    np.testing.assert_allclose(values, torch_rates(restarts, 20 * n_batches)[0], rtol=1e-12)


def test_cosine_is_the_formula_of_sgdr():
    low, high, expected = 0.001, 0.3, []
    for cycle_length in (6, 12, 24):  # eq. 5 of 1608.03983, T_0 = 2 epochs of 3 batches, T_mult = 2
        expected += [low + 0.5 * (high - low) * (1 + np.cos(np.pi * t / cycle_length)) for t in range(cycle_length)]
    values = CycleLR((low, high), cycle_mult=2, scale=2).values(3, n_epochs=14)["lr"]
    np.testing.assert_allclose(values, expected, rtol=1e-12)


@pytest.mark.parametrize(("scale", "n_batches"), [(1, 8), (3, 4), (2, 5)])
def test_linear_equals_torchs_triangles(scale, n_batches):
    options = {"interp": "linear", "scale": scale}
    triangles = partial(
        torch.optim.lr_scheduler.CyclicLR, base_lr=0.01, max_lr=0.1, step_size_up=scale * n_batches // 2,
        base_momentum=0.8, max_momentum=0.95,
    )  # fmt: skip
    lr, mom = torch_rates(triangles, 9 * n_batches)
    np.testing.assert_allclose(CycleLR((0.01, 0.1), **options).values(n_batches, 9)["lr"], lr, rtol=1e-9)
    np.testing.assert_allclose(CycleMom((0.8, 0.95), **options).values(n_batches, 9)["mom"], mom, rtol=1e-9)


def test_linear_is_the_formula_of_smith():
    step_size, low, high = 6, 0.1, 0.9  # sect. 3.2 of 1506.01186
    x = [abs(i / step_size - 2 * np.floor(1 + i / (2 * step_size)) + 1) for i in range(36)]
    values = CycleLR((low, high), "linear", scale=3).values(4, n_epochs=9)["lr"]
    np.testing.assert_allclose(values, low + (high - low) * np.maximum(0, 1 - np.array(x)), rtol=1e-12)


@pytest.mark.parametrize("interp", ["cosine", "linear"])
@pytest.mark.parametrize("scale", [1, 2.5])
def test_ranges_are_met_and_momentum_goes_against_the_learning_rate(interp, scale):
    options = {"interp": interp, "cycle_mult": 2, "scale": scale}
    lr = CycleLR((0.2, 0.6), **options).values(10, 30)["lr"]
    mom = CycleMom((0.2, 0.6), **options).values(10, 30)["mom"]
    assert (lr[0], mom[0]) == {"cosine": (0.6, 0.2), "linear": (0.2, 0.6)}[interp]
    assert lr.min() >= 0.2 - 1e-15
    assert lr.max() <= 0.6 + 1e-15
    np.testing.assert_allclose(lr + mom, 0.8, rtol=1e-12)


@pytest.mark.parametrize("interp", ["cosine", "linear"])
def test_decrease_param_says_which_end_comes_first(interp):
    down, up = (CycleLR((0.0, 1.0), interp, decrease_param=first).values(8)["lr"] for first in (True, False))
    assert (down[0], up[0]) == (1.0, 0.0)
    np.testing.assert_allclose(down + up, 1.0, rtol=1e-12)
    auto = CycleLR((0.0, 1.0), interp).values(8)["lr"]
    assert np.array_equal(auto, down if interp == "cosine" else up)


def test_by_default_values_are_those_of_one_cycle():
    assert len(CycleLR((0, 1), scale=3).values(7)["lr"]) == 21
    assert len(CycleLR((0, 1), scale=0.29).values(100)["lr"]) == 29
    assert list(CycleMom((0, 0.9)).values(7)) == ["mom"]


@pytest.mark.parametrize("interp", ["cosine", "linear"])
@pytest.mark.parametrize("options", [{}, {"scale": 2}, {"cycle_mult": 2}, {"scale": 0.4}, {"scale": 1.5}])
@pytest.mark.parametrize("opt", ["adam", "sgd", "adadelta"])
def test_training_takes_exactly_the_values_that_were_drawn(unequal, interp, options, opt, tmp_path, make_rates):
    cbs = [CycleLR((0.01, 0.1), interp, **options), rates := make_rates()]
    if opt != "adadelta":
        cbs.append(CycleMom((0.5, 0.9), interp, **options))
    builder = ModelBuilder.from_fy(unequal, "classification", opt_args={"opt": opt}, seed=1)
    Model(builder).fit(5, unequal, 8, val_idx=0, cbs=cbs, visible_bar=False, seed=1, cb_savepath=tmp_path)
    assert len(rates.lr) == 5 * (3 + 5)
    assert np.array_equal(cbs[0].values(8, 5)["lr"], rates.lr)
    if opt != "adadelta":
        assert np.array_equal(cbs[2].values(8, 5)["mom"], rates.mom)


def test_batches_that_others_bring_count_as_they_come(fit, make_rates):
    class Twice(Callback):
        def on_fold_begin(self, fit_params):
            if fit_params.state == "train":
                by = fit_params.by
                by.inputs, by.targets = np.repeat(by.inputs, 2, axis=0), np.repeat(by.targets, 2, axis=0)
                by.weights = np.repeat(by.weights, 2, axis=0)

    cycle, rates = CycleLR((0.0, 0.1)), make_rates()
    fit([Twice(), cycle, rates], n_epochs=3)
    assert cycle.cycle_count == 6
    assert np.array_equal(cycle.values(4, 6)["lr"], rates.lr)


def test_it_tells_of_its_cycles_whoever_is_listed_first(fit):
    cycle = CycleLR((0.0, 0.1), scale=2)
    before, after = Notes(cycle), Notes(cycle)
    fit([before, cycle, after], n_epochs=5)
    ended, running = (True, False), (False, True)
    expected = [(0, *running), (1, *ended), (1, *running), (2, *ended), (2, *running)]
    assert before.notes == [(state, *told) for told in expected for state in ("train", "valid")]
    assert after.notes == before.notes


def test_growing_cycles_are_counted(fit):
    notes = Notes(CycleLR((0.0, 0.1), cycle_mult=2))
    fit([notes, notes.cycle], n_epochs=8)
    ends = [count for state, count, ended, _ in notes.notes if ended and state == "valid"]
    assert ends == [1, 2, 3]  # after 1, 3 and 7 epochs
    assert notes.notes[-1][1] == 3


def test_stopping_waits_for_the_end_of_a_cycle(fit, model, scripted):
    fit([CycleLR((0.0, 0.1), scale=3), EarlyStopping(1)], n_epochs=9, metrics=scripted([0, 1, 1, 1, 1, 1, 1, 1, 1]))
    assert len(model.fit_params.history["valid"]["loss"]) == 3


def test_a_reused_cycle_begins_anew(fit, make_model, make_rates):
    cycle, rates, seen = CycleLR((0.01, 0.1), scale=2, cycle_save=True), make_rates(), []
    for n_epochs in (3, 2):
        fit([cycle, rates], model=make_model(), n_epochs=n_epochs)
        seen.append((rates.lr, cycle.cycle_count, cycle.cycle_losses))
    assert seen[1][0] == seen[0][0][:8]
    assert [count for _, count, _ in seen] == [1, 1]
    assert seen[0][2] == seen[1][2]


def test_models_of_cycles_are_saved_with_their_losses(fit, model, tmp_path):
    kept = {}

    class Look(Callback):
        def on_epoch_end(self, fit_params):
            kept[fit_params.epoch] = fit_params.model.get_weights()

    cycle = CycleLR((0.0, 0.1), scale=2, cycle_save=True)
    fit([cycle, Look()], n_epochs=5)
    assert sorted(path.name for path in (tmp_path / "cbs").iterdir()) == ["cycle_1.safetensors", "cycle_2.safetensors"]
    loss = model.fit_params.history["valid"]["loss"]
    assert cycle.cycle_losses == [loss[1], loss[3]]
    for k, epoch in ((1, 2), (2, 4)):
        saved = Model.from_save(tmp_path / "cbs" / f"cycle_{k}").get_weights()
        assert all(torch.equal(value, kept[epoch][key]) for key, value in saved.items())


SPECS = {
    "dict": {"name": "cycle_lr", "lr_range": [0.0, 0.1], "scale": 2, "cycle_save": True},
    "partial": partial(CycleLR, lr_range=(0.0, 0.1), scale=2, cycle_save=True),
}


@pytest.mark.parametrize("how", list(SPECS))
def test_fault_cycle_lr_in_train_models_finishes(fy, make_model, tmp_path, how):
    cbs = [SPECS[how], {"name": "cycle_mom", "mom_range": [0.85, 0.95], "scale": 2}]
    results = train_models(
        fy, 2, 8, make_model().model_builder, n_epochs=4, patience=2, cb_partials=cbs, savepath=tmp_path / "run", seed=1
    )
    assert len(results) == 2
    for result in results:
        assert result["cycle_losses"] == result["history"]["valid"]["loss"][1::2]
        for k, loss in enumerate(result["cycle_losses"], 1):
            saved = Model.from_save(result["path"].parent / f"cycle_{k}")
            i = results[:].index(result)
            assert saved.evaluate(*fy.get_fold(i).values()) == pytest.approx(loss, rel=1e-6)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["callbacks"][0]["name"] == "callbacks/cycle_lr"


def test_a_resumed_fit_goes_on_bit_for_bit(fit, make_model, tmp_path, die_at, make_rates):
    def run(folder, dies):
        model, rates = make_model(), make_rates()
        cycle = CycleLR((0.01, 0.1), scale=2, cycle_mult=2, cycle_save=True)
        fit(
            [cycle, rates, die_at(4 if dies else -1, "on_epoch_begin")],
            model=model,
            n_epochs=6,
            resume=True,
            cb_savepath=tmp_path / folder,
        )
        return model, rates.lr, cycle

    whole, lr, cycle = run("whole", dies=False)
    with pytest.raises(InterruptedError):
        run("killed", dies=True)
    resumed, rest, again = run("killed", dies=False)
    assert rest == lr[12:]
    assert (again.cycle_count, again.cycle_losses) == (cycle.cycle_count, cycle.cycle_losses)
    assert all(torch.equal(a, b) for a, b in zip(*(m.get_weights().values() for m in (whole, resumed)), strict=True))


def test_what_is_given_is_not_changed_and_numpy_is_welcome():
    given = [np.float32(0.25), np.float64(0.5)]
    cycle = CycleLR(np.array(given), scale=np.int64(2), cycle_mult=np.int64(2))
    assert cycle.lr_range == (0.25, 0.5)
    assert given == [0.25, 0.5]
    assert CycleLR(given).values(np.int64(2))["lr"][0] == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr_range": (0.1, 0.01)}, r"lr_range must be \(lowest, highest\), got \(0.1, 0.01\)"),
        ({"lr_range": (0.1,)}, r"lr_range must be \(lowest, highest\)"),
        ({"lr_range": 0.1}, r"lr_range must be \(lowest, highest\)"),
        ({"lr_range": "ab"}, r"lr_range must be \(lowest, highest\)"),
        ({"lr_range": (-0.1, 0.1)}, "finite and not negative"),
        ({"lr_range": (0.1, float("inf"))}, "finite and not negative"),
        ({"lr_range": (float("nan"), 1)}, "finite and not negative"),
        ({"lr_range": (None, 1)}, "finite and not negative"),
        ({"interp": "cosin"}, "interp must be 'cosine' or 'linear', got 'cosin'; did you mean 'cosine'"),
        ({"interp": ["linear"]}, "interp must be 'cosine' or 'linear'"),
        ({"cycle_mult": 0}, "cycle_mult must be a positive integer"),
        ({"cycle_mult": 1.5}, "cycle_mult must be a positive integer"),
        ({"scale": 0}, "scale must be a positive number of epochs"),
        ({"scale": float("nan")}, "scale must be a positive number of epochs"),
        ({"scale": "2"}, "scale must be a positive number of epochs"),
        ({"scale": True}, "scale must be a positive number of epochs"),
        ({"decrease_param": "yes"}, "decrease_param must be True, False or 'auto', got 'yes'"),
        ({"scale": 1.5, "cycle_save": True}, "cycle_save saves at the end of epochs: scale must be a whole number"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        CycleLR(**{"lr_range": (0.0, 0.1), **options})


@pytest.mark.parametrize("mom_range", [(0.9, 1.0), (0.9, 0.8), (0.9, 1.5)])
def test_momenta_must_be_below_one(mom_range):
    with pytest.raises(ConfigError, match=r"mom_range must be \(lowest, highest\), below 1"):
        CycleMom(mom_range)


@pytest.mark.parametrize(("n_batches", "n_epochs"), [(0, 1), (1.5, 1), (3, 0), (3, -1), (3, "1")])
def test_values_of_nothing_are_refused(n_batches, n_epochs):
    with pytest.raises(ConfigError, match="must be a positive"):
        CycleLR((0, 1)).values(n_batches, n_epochs)


def test_saving_cycles_needs_a_validation(fit):
    with pytest.raises(ConfigError, match="cycle_save notes the validation loss of each saved model: give val_idx"):
        fit(CycleLR((0, 0.1), cycle_save=True), val_idx=None)
    fit(CycleLR((0, 0.1)), val_idx=None)


@pytest.mark.parametrize("opt", ["adadelta", "adagrad", "adafactor", "asgd", "rprop"])
def test_an_optimiser_without_momentum_is_refused_before_the_first_batch(fit, make_model, opt):
    model = make_model(opt_args={"opt": opt})
    before = model.get_weights()
    with pytest.raises(ConfigError, match="has no momentum that a schedule could set; mom_range=None turns it off"):
        fit(CycleMom((0.8, 0.9)), model=model)
    assert all(torch.equal(value, before[key]) for key, value in model.get_weights().items())


@pytest.mark.parametrize("opt", ["adam", "adamw", "adamax", "nadam", "radam", "rmsprop", "sgd"])
def test_every_optimiser_with_momentum_is_served(fit, make_model, opt, make_rates):
    rates = make_rates()
    fit([CycleLR((0.0, 0.01)), CycleMom((0.8, 0.9)), rates], model=make_model(opt_args={"opt": opt}), n_epochs=2)
    assert rates.mom == CycleMom((0.8, 0.9)).values(4, 2)["mom"].tolist()


@pytest.mark.parametrize("opt", ["adam", {"name": "sgd", "momentum": 0.5}])
@pytest.mark.parametrize("ends", [None, "on_batch_end", "on_train_end"])
def test_rate_and_momentum_are_given_back_when_the_fit_ends(fit, make_model, die_at, opt, ends):
    model = make_model(opt_args={"opt": opt, "lr": 0.03})
    before = (model.get_lr(), model.get_mom())
    cbs = [CycleLR((1e-6, 1e-5)), CycleMom((0.1, 0.2))]
    if ends is None:
        fit(cbs, model=model, n_epochs=1)
    else:
        with pytest.raises(InterruptedError):
            fit([*cbs, die_at(1, ends)], model=model, n_epochs=1, val_idx=None)
    assert (model.get_lr(), model.get_mom()) == before


def test_rates_that_nobody_schedules_stay_as_they_were_set(fit, model):
    class Cool:
        def on_epoch_begin(self, fit_params):
            fit_params.model.set_lr(0.5)

    fit([CycleMom((0.1, 0.2)), Cool()], n_epochs=1)
    assert model.get_lr() == 0.5
