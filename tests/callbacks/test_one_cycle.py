import logging
from functools import partial

import numpy as np
import pytest
import torch

from lumin_core import Callback, FoldFileWriter, FoldYielder, Model, ModelBuilder, registry, train_models
from lumin_core.errors import ConfigError
from lumin_plugin_callbacks import EarlyStopping, OneCycle

LENGTHS, LR = (1, 2), (0.01, 0.1)


@pytest.mark.parametrize("interp", ["cosine", "linear"])
@pytest.mark.parametrize(
    ("lengths", "n_batches"), [((1, 1), 8), ((1, 2), 4), ((3, 7), 5), ((2, 1), 6), ((0.5, 1.5), 8)]
)
@pytest.mark.parametrize("final", [None, 0.001, 0.05])
def test_it_equals_torchs_one_cycle(interp, lengths, n_batches, final):
    """Torch's cycle of one step more: its last step has the final values, ours are reached after the last batch."""
    n_up, n = round(lengths[0] * n_batches), round(sum(lengths) * n_batches)
    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        opt, max_lr=0.1, total_steps=n + 1, pct_start=(n_up + 1) / (n + 1), div_factor=10,
        final_div_factor=0.01 / final if final else float("inf"), anneal_strategy={"cosine": "cos"}.get(interp, interp),
        base_momentum=0.85, max_momentum=0.95,
    )  # fmt: skip
    expected = []
    for i in range(n + 1):
        expected.append((opt.param_groups[0]["lr"], opt.param_groups[0]["momentum"]))
        opt.step()
        if i < n:
            scheduler.step()
    lr_range = (0.01, 0.1) if final is None else (0.01, 0.1, final)
    values = OneCycle(lengths, lr_range, interp=interp).values(n_batches, (n + 1) / n_batches)
    np.testing.assert_allclose(np.stack([values["lr"], values["mom"]], axis=1), expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("interp", ["cosine", "linear"])
def test_it_rises_to_the_highest_and_falls_to_the_final_while_momentum_goes_against_it(interp):
    values = OneCycle((2, 3), (0.01, 0.1, 0.02), (0.8, 0.9), interp).values(10, n_epochs=7)
    lr, mom = values["lr"], values["mom"]
    assert (lr[0], lr[20], lr[50], lr[-1]) == (0.01, 0.1, 0.02, 0.02)
    assert (mom[0], mom[20], mom[50], mom[-1]) == (0.9, 0.8, 0.9, 0.9)
    assert (np.diff(lr[:21]) > 0).all()
    assert (np.diff(mom[:21]) < 0).all()
    assert (np.diff(lr[20:51]) < 0).all()
    assert (np.diff(mom[20:51]) > 0).all()


def test_linear_stages_are_straight_lines():
    lr = OneCycle((1, 2), (0.0, 1.0), interp="linear").values(4)["lr"]
    assert lr.tolist() == [0, 0.25, 0.5, 0.75, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]


def test_by_default_values_are_those_of_the_whole_cycle():
    values = OneCycle((1, 2.5), LR).values(4)
    assert {name: len(row) for name, row in values.items()} == {"lr": 14, "mom": 14}
    assert list(OneCycle(LENGTHS, LR, mom_range=None).values(4)) == ["lr"]


@pytest.mark.parametrize("lengths", [(1, 2), (0.5, 2.5), (1.3, 1.7)])
@pytest.mark.parametrize("opt", ["adam", "sgd"])
@pytest.mark.parametrize("interp", ["cosine", "linear"])
def test_training_takes_exactly_the_values_that_were_drawn(tmp_path, lengths, opt, interp, make_rates):
    rng = np.random.default_rng(1)
    with FoldFileWriter(tmp_path / "a", cont_feats=["a", "b"], targ_feats="y") as file:
        for i, n in enumerate((16, 27, 41)):
            file.append(i, inputs=rng.normal(size=(n, 2)), targets=rng.integers(0, 2, n))
    cycle, rates = OneCycle(lengths, LR, interp=interp), make_rates()
    with FoldYielder(tmp_path / "a.hdf5") as fy:
        model = Model(ModelBuilder.from_fy(fy, "classification", opt_args={"opt": opt}, seed=1))
        model.fit(3, fy, 8, val_idx=0, cbs=[rates, cycle], visible_bar=False, seed=1)
    assert len(rates.lr) == 3 * (3 + 5)
    assert np.array_equal(cycle.values(8)["lr"], rates.lr)
    assert np.array_equal(cycle.values(8)["mom"], rates.mom)


def test_the_training_ends_with_the_cycle(fit, model):
    cycle = OneCycle(LENGTHS, LR)
    fit(cycle, n_epochs=9)
    assert len(model.fit_params.history["valid"]["loss"]) == 3
    assert (cycle.cycle_count, cycle.cycle_end, cycle.delays_stopping()) == (1, True, False)


def test_a_cycle_that_ends_within_an_epoch_ends_the_training_after_that_fold(fit, model):
    fit(OneCycle((0.5, 1), LR), n_epochs=9)
    assert len(model.fit_params.history["train"]["loss"]) == 3
    assert len(model.fit_params.history["valid"]["loss"]) == 2


def test_fault_after_the_cycle_the_final_rate_stays(fit, make_rates):
    cycle, rates = OneCycle(LENGTHS, (0.01, 0.1, 0.003), cycle_ends_training=False), make_rates()
    fit([cycle, rates], n_epochs=5)
    assert rates.lr[12:] == [0.003] * 8
    assert rates.mom[12:] == [0.95] * 8
    assert np.array_equal(cycle.values(4, 5)["lr"], rates.lr)


def test_fault_a_reused_cycle_begins_anew(fit, make_model, make_rates):
    cycle, rates, seen = OneCycle(LENGTHS, LR), make_rates(), []
    for _ in range(2):
        fit([cycle, rates], model=make_model(), n_epochs=9)
        seen.append((rates.lr, rates.mom))
    assert seen[0] == seen[1]
    assert seen[0][0][0] == 0.01


def test_batches_that_others_bring_do_not_run_past_the_end(fit, model, make_rates):
    class Twice(Callback):
        def on_fold_begin(self, fit_params):
            if fit_params.state == "train":
                by = fit_params.by
                by.inputs, by.targets = np.repeat(by.inputs, 3, axis=0), np.repeat(by.targets, 3, axis=0)
                by.weights = np.repeat(by.weights, 3, axis=0)

    rates = make_rates()
    fit([Twice(), OneCycle(LENGTHS, (0.01, 0.1, 0.02)), rates], n_epochs=9)
    assert len(model.fit_params.history["valid"]["loss"]) == 1
    assert rates.lr == [*OneCycle(LENGTHS, (0.01, 0.1, 0.02)).values(4)["lr"]][:12]


@pytest.mark.parametrize("ends", [True, False])
def test_stopping_waits_until_the_cycle_is_over(fit, model, scripted, ends):
    cycle = OneCycle((2, 2), LR, cycle_ends_training=ends)
    fit([cycle, EarlyStopping(1)], n_epochs=9, metrics=scripted([0, *[1] * 8]))
    assert len(model.fit_params.history["valid"]["loss"]) == 4


def test_a_fit_too_short_for_the_cycle_is_logged(fit, caplog):
    with caplog.at_level(logging.WARNING):
        fit(OneCycle((2, 3), LR), n_epochs=2)
        assert "OneCycle takes 5 epochs, but the fit has 2" in caplog.text
        caplog.clear()
        fit(OneCycle((1, 1), LR), n_epochs=2)
        assert not caplog.text


@pytest.mark.parametrize("opt", ["adadelta", "adagrad", "adafactor", "asgd", "rprop"])
def test_without_momentum_mom_range_is_turned_off(fit, make_model, opt, make_rates):
    model, rates = make_model(opt_args={"opt": opt}), make_rates()
    with pytest.raises(ConfigError, match="has no momentum that a schedule could set; mom_range=None turns it off"):
        fit([OneCycle(LENGTHS, LR), rates], model=model)
    fit([OneCycle(LENGTHS, LR, mom_range=None), rates], model=model)
    assert rates.lr == OneCycle(LENGTHS, LR).values(4)["lr"].tolist()


def test_momentum_is_left_alone_on_request(fit, model, make_rates):
    rates = make_rates()
    fit([OneCycle(LENGTHS, LR, mom_range=None), rates], model=model)
    assert set(rates.mom) == {0.9}


OPTIONS = {"lengths": [1, 2], "lr_range": [0.001, 0.01]}
SPECS = {
    "name": "my_cycle",
    "dict": {"name": "one_cycle", **OPTIONS},
    "qualified": {"name": "callbacks/OneCycle", **OPTIONS},
    "partial": partial(OneCycle, **OPTIONS),
}


@pytest.mark.parametrize("how", list(SPECS))
def test_fault_one_cycle_in_train_models_finishes(fy, make_model, tmp_path, how):
    with registry.temporary():
        registry.register("callback", "my_cycle")(partial(OneCycle, **OPTIONS))
        results = train_models(
            fy, 3, 8, make_model().model_builder, n_epochs=7, patience=1, cb_partials=SPECS[how],
            savepath=tmp_path / "run", seed=1,
        )  # fmt: skip
    assert [len(result["history"]["valid"]["loss"]) for result in results] == [3, 3, 3]
    assert all(result["path"].is_file() and result["cycle_losses"] == [] for result in results)


def test_a_resumed_fit_goes_on_bit_for_bit(fit, make_model, tmp_path, die_at, make_rates):
    def run(folder, dies):
        model, rates = make_model(), make_rates()
        fit(
            [OneCycle((2, 2.5), LR), rates, die_at(3 if dies else -1, "on_epoch_begin")],
            model=model,
            n_epochs=9,
            resume=True,
            cb_savepath=tmp_path / folder,
        )
        return model, rates

    whole, rates = run("whole", dies=False)
    with pytest.raises(InterruptedError):
        run("killed", dies=True)
    resumed, rest = run("killed", dies=False)
    assert (rest.lr, rest.mom) == (rates.lr[8:], rates.mom[8:])
    assert len(rates.lr) == 18
    assert resumed.fit_params.history == whole.fit_params.history
    assert all(torch.equal(a, b) for a, b in zip(*(m.get_weights().values() for m in (whole, resumed)), strict=True))
    again, none = run("killed", dies=False)
    assert none.lr == []
    assert again.fit_params.epoch == 5


def test_what_is_given_is_not_changed_and_numpy_is_welcome(fit):
    lengths, lr_range, mom_range = [np.int64(1), 2.0], [0.01, 0.1], np.array([0.8, 0.9])
    fit(OneCycle(lengths, lr_range, mom_range))
    assert (lengths, lr_range, mom_range.tolist()) == ([1, 2.0], [0.01, 0.1], [0.8, 0.9])
    assert OneCycle(np.array([1, 2]), np.array(lr_range)).lr_range == (0.01, 0.1, 0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lengths": (1, 0)}, r"lengths\[1\] must be a positive number of epochs, got 0"),
        ({"lengths": (1,)}, r"lengths must be \(epochs of the first stage, of the second\), got \(1,\)"),
        ({"lengths": 3}, r"lengths must be \(epochs of the first stage, of the second\)"),
        ({"lengths": (1, float("inf"))}, r"lengths must be \(epochs of the first stage, of the second\)"),
        ({"lr_range": (0.1, 0.01)}, "the highest in the middle"),
        ({"lr_range": (0.01, 0.1, 0.2)}, "the highest in the middle"),
        ({"lr_range": (0.01, 0.1, 0.0, 0.0)}, r"\(initial, highest\) or \(initial, highest, final\)"),
        ({"lr_range": (0.1,)}, r"\(initial, highest\) or \(initial, highest, final\)"),
        ({"lr_range": (-1, 1)}, "finite and not negative"),
        ({"lr_range": "ab"}, "finite and not negative"),
        ({"mom_range": (0.95, 0.85)}, r"mom_range must be \(lowest, highest\), below 1"),
        ({"mom_range": (0.95, 1)}, r"mom_range must be \(lowest, highest\), below 1"),
        ({"interp": "cos"}, "interp must be 'cosine' or 'linear', got 'cos'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        OneCycle(**{"lengths": LENGTHS, "lr_range": LR, **options})
