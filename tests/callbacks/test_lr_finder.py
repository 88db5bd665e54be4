from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from lumin_core import BatchYielder, Callback, FoldFileWriter, FoldYielder, Model, ModelBuilder, train_models
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_callbacks import GradClip, LRFinder, LRFindResult, OneCycle, lr_find


class Seen(Callback):
    """Notes rates and losses of batches, and how often the losses were looked at."""

    def on_train_begin(self):
        self.lr, self.losses = [], []

    def on_batch_end(self, fit_params):
        if fit_params.state == "train":
            self.lr.append(fit_params.model.get_lr())
            self.losses.append(float(fit_params.loss_val.detach()))


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(value, b[key]) for key, value in a.items())


@pytest.fixture(scope="module")
def unequal(tmp_path_factory):
    """Folds of 320, 400, 161 and 250 weighted events, with one feature that tells the classes apart."""
    rng, path = np.random.default_rng(1), tmp_path_factory.mktemp("unequal") / "a.hdf5"
    with FoldFileWriter(path, cont_feats=["a", "b"], targ_feats="y", wgt_feat="w") as file:
        for i, n in enumerate((320, 400, 161, 250)):
            x = rng.normal(size=(n, 2))
            w = rng.uniform(0.5, 1.5, n)
            w[:5], w[5:8] = 0, -0.5
            file.append(i, inputs=x, targets=(x[:, 0] > 0).astype(int), weights=w)
    with FoldYielder(path) as fy:
        yield fy


@pytest.fixture
def builder(unequal):
    return ModelBuilder.from_fy(unequal, "classification", body={"name": "fully_connected", "depth": 1, "width": 8})


@pytest.mark.parametrize("nb", [None, 2, 7, 11])
@pytest.mark.parametrize("opt", ["sgd", "adam"])
def test_rates_rise_exponentially_and_really_end_at_the_upper_bound(fit, make_model, nb, opt):
    finder, seen = LRFinder((1e-5, 0.1), nb), Seen()
    fit([seen, finder], model=make_model(opt_args={"opt": opt}))
    n = nb or 12
    assert seen.lr == finder.result.lr.tolist()
    assert (len(seen.lr), seen.lr[0], seen.lr[-1]) == (n, 1e-5, 0.1)
    np.testing.assert_allclose(seen.lr, [1e-5 * 1e4 ** (i / (n - 1)) for i in range(n)], rtol=1e-12)
    np.testing.assert_allclose(finder.result.losses, [seen.losses], rtol=1e-6)


@pytest.mark.parametrize("val_idx", [2, None])
@pytest.mark.parametrize("opt", [{"opt": "adam"}, {"opt": "sgd", "lr": 0.1, "momentum": 0.9}])
def test_model_optimiser_and_rate_are_put_back(fit, make_model, val_idx, opt):
    body = {"name": "fully_connected", "depth": 1, "width": 3, "bn": True}
    plain, model = (make_model(opt_args=opt, model_args=None, body=body) for _ in range(2))
    for each in (plain, model):
        fit(None, model=each, n_epochs=1)
    before, rate = model.get_weights(), model.get_lr()
    fit(LRFinder((1e-3, 10)), model=model, val_idx=val_idx)
    assert same(model.get_weights(), before)
    assert model.get_lr() == rate
    for each in (plain, model):
        fit(None, model=each, n_epochs=1, seed=2)
    assert same(plain.get_weights(), model.get_weights())


def test_the_validation_is_that_of_the_model_put_back(fit, make_model, fy):
    model = make_model()
    fit(LRFinder((1e-3, 10), nb=3), model=model)
    assert model.fit_params.history["valid"]["loss"] == [pytest.approx(model.evaluate(*fy.get_fold(2).values()))]


class Script(Callback):
    """Replaces the losses of batches by a script; their gradients stay."""

    def __init__(self, losses):
        self.losses = losses

    def on_train_begin(self):
        self.n = 0

    def on_forwards_end(self, fit_params):
        if fit_params.state == "train":
            loss = fit_params.loss_val
            fit_params.loss_val = loss - loss.detach() + self.losses[self.n]
            self.n += 1


def scripted_fit(fy, model, losses, n_epochs=10, **options):
    finder, script = LRFinder((1e-6, 1e-5), **options), Script(losses)
    model.fit(n_epochs, fy, 4, cbs=[script, finder], visible_bar=False, seed=1, trn_idxs=[0, 1])
    return finder, script.n


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("at", [0, 9, 10, 34])
def test_fault_it_stops_within_ten_batches_of_a_loss_that_is_not_finite(fy, model, bad, at):
    finder, n = scripted_fit(fy, model, [*[1.0] * at, *[bad] * 80])
    assert at < n <= at + 10
    assert finder.finished
    assert np.isfinite(finder.result.losses[0, :at]).all()
    assert np.isnan(finder.result.losses[0, at:]).all()
    assert model.fit_params.epoch < 10


@pytest.mark.parametrize(("level", "low"), [(4.5, 1.0), (450, 100), (1.0, -0.1), (7, -2)])
def test_fault_it_stops_where_the_smoothed_loss_diverges(fy, model, level, low):
    _, n = scripted_fit(fy, model, [*[low] * 40, *[level] * 40])
    assert 40 < n < 80
    assert model.fit_params.epoch == -(-n // 8)


@pytest.mark.parametrize(("level", "low"), [(3.9, 1.0), (0.0, -1.0), (-3.0, -3.0), (0, 0)])
def test_it_goes_on_where_the_loss_rises_less(fy, model, level, low):
    assert scripted_fit(fy, model, [*[low] * 40, *[level] * 40])[1] == 80


def test_one_batch_does_not_decide(fy, model):
    assert scripted_fit(fy, model, [*[1.0] * 39, 10.0, *[1.0] * 40])[1] == 80


def test_a_fold_ends_with_the_test_whoever_brings_the_batches(fit, model, fy):
    class Bring(Callback):
        """Brings batches of its own, in a fold that is ten times as long."""

        def on_fold_begin(self, fit_params):
            if fit_params.state == "train":
                by = fit_params.by
                more = [np.repeat(part, 10, axis=0) for part in (by.inputs, by.targets)]
                fit_params.by = BatchYielder(more[0], by.bs, by.objective, more[1])
                self.by = fit_params.by

        def on_fold_end(self, fit_params):
            if fit_params.state == "train":
                self.seen = (fit_params.by.inputs, len(fit_params.by), fit_params.n_batches)

    finder, seen, bring = LRFinder((1e-5, 1e-4), nb=5), Seen(), Bring()
    fit([finder, seen, bring])
    assert len(seen.lr) == 5
    assert bring.seen[0] is bring.by.inputs
    assert bring.seen[1:] == (20, 20)


def test_a_fit_that_ends_early_leaves_the_rest_unknown(fit, model):
    class Stop(Callback):
        def on_fold_end(self, fit_params):
            fit_params.stop = True

    before, finder = model.get_weights(), LRFinder((1e-5, 0.1))
    fit([finder, Stop()])
    assert np.isfinite(finder.result.losses).tolist() == [[True] * 2 + [False] * 10]
    assert same(model.get_weights(), before)


def test_a_reused_finder_begins_anew(fit, make_model):
    finder, results = LRFinder((1e-5, 0.1)), []
    for n_epochs in (3, 1):
        fit(finder, model=make_model(), n_epochs=n_epochs)
        results.append(finder.result)
    assert [result.losses.shape for result in results] == [(1, 12), (1, 4)]
    assert np.isfinite(results[1].losses).all()


def test_a_resumed_test_goes_on_bit_for_bit(fit, make_model, tmp_path, die_at):
    def run(folder, dies):
        model, finder = make_model(), LRFinder((1e-4, 10))
        fit(
            [finder, die_at(3 if dies else -1, "on_epoch_begin")],
            model=model,
            n_epochs=4,
            resume=True,
            cb_savepath=tmp_path / folder,
        )
        return model.get_weights(), finder.result.losses

    weights, losses = run("whole", dies=False)
    with pytest.raises(InterruptedError):
        run("killed", dies=True)
    again, rest = run("killed", dies=False)
    assert np.array_equal(losses, rest)
    assert same(weights, again)
    assert same(weights, make_model().get_weights())


def test_it_is_used_by_name_in_train_models(fy, make_model, tmp_path):
    builder = make_model().model_builder
    for spec in ("lr_finder", {"name": "LRFinder", "nb": 3}, partial(LRFinder, nb=3), LRFinder):
        results = train_models(
            fy, 1, 8, builder, 1, cb_partials=spec, savepath=tmp_path / "run", seed=1, overwrite=True
        )
        assert len(results) == 1


# lr_find


def test_lr_find_repeats_over_folds_with_one_set_of_rates(unequal, builder):
    found = lr_find(unequal, builder, 20, n_epochs=2, lr_bounds=(1e-6, 1e-2), seed=1, visible_bar=False)
    batches = [n // 20 for n in (320, 400, 161, 250)]
    n = 2 * min(sum(batches) - own for own in batches)
    assert found.losses.shape == (4, n)
    np.testing.assert_allclose(found.lr, np.geomspace(1e-6, 1e-2, n), rtol=1e-12)
    assert np.isfinite(found.losses).all()
    assert len({tuple(row) for row in found.losses.round(6)}) == 4
    np.testing.assert_allclose(found.mean_loss, sum(found.losses) / 4, rtol=1e-12)
    variance = sum((row - found.mean_loss) ** 2 for row in found.losses) / 3
    np.testing.assert_allclose(found.spread, np.sqrt(variance), rtol=1e-9)


@pytest.mark.parametrize("weights", [True, False])
def test_its_losses_are_those_of_a_training_at_these_rates(unequal, builder, weights):
    """An independent loop sets the rates itself."""
    seed, seen = 3, []
    found = lr_find(
        unequal, builder, 20, n_repeats=1, lr_bounds=(1e-4, 1e-1), seed=seed, train_on_weights=weights,
        visible_bar=False, cb_partials=partial(Note, seen=seen),
    )  # fmt: skip

    class Set(Callback):
        n = 0

        def on_batch_begin(self, fit_params):
            if fit_params.state == "train" and self.n < len(found.lr):
                fit_params.model.set_lr(float(found.lr[self.n]))
                self.n += 1

    model, losses = Model(ModelBuilder.from_model_builder(builder, seed=seen[0][0])), Seen()
    model.fit(
        1, unequal, 20, trn_idxs=[1, 2, 3], cbs=[Set(), losses], seed=seen[0][1], train_on_weights=weights,
        visible_bar=False,
    )  # fmt: skip
    np.testing.assert_allclose(found.losses[0], losses.losses[: len(found.lr)], rtol=1e-6)


class Note(Callback):
    """Notes the seeds of the model that it works for."""

    def __init__(self, seen):
        self.seen_ = seen

    def on_train_begin(self, fit_params):
        record = fit_params.model.record
        self.seen_.append((record.seeds["initialisation"], record.seeds["fit"]))


def test_a_seed_gives_the_same_result_and_touches_nothing(unequal, builder):
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    options = {"lr_bounds": (1e-4, 10), "n_repeats": 2, "visible_bar": False}
    a, b, c = (lr_find(unequal, builder, 40, seed=seed, **options) for seed in (1, 1, 2))
    assert np.array_equal(a.losses, b.losses, equal_nan=True)
    assert not np.array_equal(a.losses, c.losses, equal_nan=True)
    assert torch.equal(state, torch.get_rng_state())
    assert np.array_equal(numpy_state, np.random.get_state()[1])


def test_fault_lr_find_reaches_the_upper_bound(unequal, builder):
    found = lr_find(unequal, builder, 20, lr_bounds=(1e-7, 10), n_repeats=2, seed=1, visible_bar=False)
    assert found.lr[[0, -1]].tolist() == [1e-7, 10]


def test_it_costs_what_its_epochs_cost(unequal, builder):
    """No more batches than the epochs have, no validation, no look at the device but every tenth batch."""
    counts = {}

    class Count(Callback):
        def on_train_begin(self):
            counts[len(counts)] = self.points = {"train": 0, "valid": 0}

        def on_batch_begin(self, fit_params):
            self.points[fit_params.state] += 1

    found = lr_find(
        unequal, builder, 20, n_epochs=2, lr_bounds=(1e-6, 1e-3), seed=1, visible_bar=False, cb_partials=Count
    )
    assert [each["train"] for each in counts.values()] == [len(found.lr)] * 4
    assert {each["valid"] for each in counts.values()} == {0}


def test_losses_are_read_every_tenth_batch_at_most(fit, model, monkeypatch):
    reads, tolist = [], torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda self: (reads.append(self.shape), tolist(self))[1])
    fit(LRFinder((1e-6, 1e-3), nb=25), n_epochs=10, val_idx=None, trn_idxs=[0])
    assert [shape for shape in reads if shape in [(10,), (5,)]] == [(10,), (10,)]


def test_other_callbacks_are_new_for_each_repeat_and_nothing_given_is_changed(unequal, builder):
    made = []

    class Mine(GradClip):
        def __init__(self, clip: float) -> None:
            super().__init__(clip)
            made.append(self)

    config = builder.to_config()
    cb_partials = [partial(Mine, clip=1.0)]
    lr_find(unequal, builder, 40, n_repeats=3, seed=1, cb_partials=cb_partials, visible_bar=False)
    assert len({id(cb) for cb in made}) == 3
    assert builder.to_config() == config
    assert len(cb_partials) == 1
    by_name = {"name": "grad_clip", "clip": 1.0}
    assert (
        lr_find(unequal, builder, 40, n_repeats=1, seed=1, cb_partials=by_name, visible_bar=False).losses.shape[0] == 1
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_repeats": 0}, ConfigError, "n_repeats must be a positive integer, got 0"),
        ({"n_repeats": 5}, ConfigError, "n_repeats must be at most 4, the folds of the file, or -1 for all, got 5"),
        ({"bs": 0}, ConfigError, "bs must be a positive integer"),
        ({"n_epochs": 0}, ConfigError, "n_epochs must be a positive integer"),
        ({"bs": 200}, DataError, "fold 2 has 161 events, less than a batch of bs=200"),
        ({"seed": -1}, ConfigError, "seed must be"),
        ({"lr_bounds": (1, 0.1)}, ConfigError, r"lr_bounds must be \(lowest, highest\)"),
        ({"cb_partials": GradClip(1.0)}, ConfigError, "an instance would be shared"),
        (
            {"cb_partials": partial(OneCycle, lengths=(1, 1), lr_range=(0.1, 1))},
            ConfigError,
            "both set the learning rate",
        ),
    ],
)
def test_bad_options_of_lr_find_are_refused(unequal, builder, options, error, message):
    with pytest.raises(error, match=message):
        lr_find(unequal, builder, **{"bs": 20, "visible_bar": False, **options})


def test_one_fold_is_too_few(tmp_path):
    with FoldFileWriter(tmp_path / "a", cont_feats=["a"], targ_feats="y") as file:
        file.append(0, inputs=np.zeros((8, 1)), targets=np.zeros(8))
    with FoldYielder(tmp_path / "a.hdf5") as fy, pytest.raises(ConfigError, match="no fold is left to train on"):
        lr_find(fy, ModelBuilder.from_fy(fy, "classification"), 4)


@pytest.mark.parametrize("lr_bounds", [(0, 1), (1, 1), (1, 0.5), (1e-3,), (-1, 1), (1e-3, float("inf")), 1, "ab"])
def test_bounds_must_ascend_from_above_zero(lr_bounds):
    with pytest.raises(ConfigError, match="lr_bounds must be"):
        LRFinder(lr_bounds)


@pytest.mark.parametrize(
    ("nb", "message"), [(1, "at least 2 batches, got 1"), (0, "nb must be a positive"), (2.5, "nb must be a positive")]
)
def test_a_test_takes_two_batches(nb, message):
    with pytest.raises(ConfigError, match=message):
        LRFinder(nb=nb)


def test_a_fit_of_one_batch_is_refused(fy, model):
    with pytest.raises(ConfigError, match="at least 2 batches, got 1; take a smaller bs or more epochs"):
        model.fit(1, fy, 16, trn_idxs=[0], cbs=LRFinder(), visible_bar=False)


def test_there_is_no_result_before_a_fit():
    with pytest.raises(ConfigError, match="fit a model with this callback first"):
        _ = LRFinder().result


# LRFindResult

LR = np.geomspace(1e-6, 10, 701)


@pytest.mark.parametrize("steepest", [1e-4, 1e-3, 3e-2])
@pytest.mark.parametrize("noise", [0, 0.05])
@pytest.mark.parametrize("offset", [0, -5])
def test_the_suggestion_is_the_known_steepest_descent(steepest, noise, offset):
    curve = 1 / (1 + (LR / steepest) ** 1.5) + (LR / 3) ** 3 + offset
    losses = curve + noise * np.random.default_rng(1).normal(size=(10, len(LR)))
    assert LRFindResult(LR, losses).suggestion == pytest.approx(steepest, rel=0.02 if noise == 0 else 0.3)


def test_the_smoothing_is_that_of_a_gaussian():
    losses = np.random.default_rng(1).normal(size=(3, len(LR)))
    i = np.arange(len(LR))
    kernel = np.exp(-0.5 * ((i[:, None] - i) / (len(LR) / 40)) ** 2)
    expected = kernel @ losses.mean(axis=0) / kernel.sum(axis=1)
    np.testing.assert_allclose(LRFindResult(LR, losses).smoothed_loss, expected, atol=2e-3)


def test_after_a_repeat_diverged_the_mean_is_not_known():
    losses = np.stack([1 / (1 + (LR / 1e-3) ** 1.5)] * 2)
    whole = LRFindResult(LR, losses.copy()).suggestion
    losses[1, 500:] = np.nan
    found = LRFindResult(LR, losses)
    assert np.isfinite(found.mean_loss).tolist() == [True] * 500 + [False] * 201
    assert found.suggestion == whole
    assert f"diverged at {LR[499]:.2g}" in repr(found)


def test_one_repeat_has_no_spread():
    assert np.isnan(LRFindResult(LR, np.ones((1, 701))).spread).all()


@pytest.mark.parametrize("loss", [np.linspace(1, 2, 701), np.ones(701), np.full(701, np.nan)])
def test_without_a_descent_nothing_is_suggested(loss):
    found = LRFindResult(LR, loss[None])
    assert found.suggestion is None
    assert ("diverged at once" if np.isnan(loss).all() else "the loss never falls") in repr(found)


def test_it_is_shown_in_a_line():
    found = LRFindResult(LR, np.stack([1 / (1 + (LR / 1e-3) ** 1.5)] * 3))
    assert repr(found) == (
        "LRFindResult: 3 repeats, 701 rates from 1e-06 to 10; suggested lr 0.001, lowest loss 1.718e-06 at 10"
    )


def test_it_becomes_a_data_frame():
    losses = np.random.default_rng(1).normal(size=(2, 701))
    found = LRFindResult(LR, losses)
    df = found.get_df()
    assert isinstance(df, pd.DataFrame)
    assert np.array_equal(df["lr"], LR)
    assert np.array_equal(df[["loss_0", "loss_1"]].to_numpy().T, losses)
    assert np.array_equal(df["mean_loss"], found.mean_loss)
