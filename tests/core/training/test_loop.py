"""The order of the thirteen points, recorded in training and in prediction."""

import threading
import weakref
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch

from lumin_core import Augmentation, BatchYielder, Callback, FoldYielder, Model, PredHandler, hookimpl
from lumin_core.data.read_ahead import ReadAhead
from lumin_core.training import backward, fit_steps, forward, prepare_fit, run_fit, step
from lumin_core.training.hookspecs import POINTS

N_FOLDS, N, BS, N_EPOCHS = 3, 16, 6, 2  # two whole batches in training, three in validation


class Trace:
    """Records every point, with what is known of the state there."""

    def __init__(self, log, name="a"):
        self.log, self.name = log, name

    def note(self, point, fit):
        self.log.append((self.name, point, fit.state, fit.epoch, fit.sub_epoch, fit.batch, fit.n_batches))


def add_point(point):
    setattr(Trace, point, lambda self, fit_params: self.note(point, fit_params))


for _point in POINTS:
    add_point(_point)


class TracingWrapper:
    def __init__(self, log):
        self.log = log

    @hookimpl(wrapper=True)
    def on_batch_end(self, fit_params):
        self.log.append("before")
        yield
        self.log.append("after")

    @hookimpl(wrapper=True)
    def on_epoch_end(self, fit_params):
        self.log.append("before")
        yield
        self.log.append("after")


def expected_training(n_epochs=N_EPOCHS, validated=True, n_trn=N_FOLDS - 1):
    """Give the points in order, as (point, state, epoch, sub_epoch, batch, n_batches); None where any value will do."""
    points, sub_epoch = [("on_train_begin", "train", 0, 0, 0, 0)], 0
    in_batch = ["on_batch_begin", "on_forwards_end", "on_backwards_begin", "on_backwards_end", "on_batch_end"]
    for epoch in range(1, n_epochs + 1):
        points.append(("on_epoch_begin", "train", epoch, sub_epoch, None, None))
        for _ in range(n_trn):
            sub_epoch += 1
            points.append(("on_fold_begin", "train", epoch, sub_epoch, 0, 2))
            points += [(point, "train", epoch, sub_epoch, batch, 2) for batch in (1, 2) for point in in_batch]
            points.append(("on_fold_end", "train", epoch, sub_epoch, 2, 2))
        points.append(("on_epoch_end", "train", epoch, sub_epoch, 2, 2))
        if validated:
            points.append(("on_epoch_begin", "valid", epoch, sub_epoch, None, None))
            points.append(("on_fold_begin", "valid", epoch, sub_epoch, 0, 3))
            in_valid = ["on_batch_begin", "on_forwards_end", "on_batch_end"]
            points += [(point, "valid", epoch, sub_epoch, batch, 3) for batch in (1, 2, 3) for point in in_valid]
            points.append(("on_fold_end", "valid", epoch, sub_epoch, 3, 3))
            points.append(("on_epoch_end", "valid", epoch, sub_epoch, 3, 3))
    return [*points, ("on_train_end", None, n_epochs, sub_epoch, None, None)]


def matches(seen, wanted):
    return len(seen) == len(wanted) and all(
        value in (None, got) for a, b in zip(seen, wanted, strict=True) for got, value in zip(a, b, strict=True)
    )


@pytest.fixture
def model(make_builder, fy):
    return Model(make_builder(fy))


@pytest.fixture
def train(model, fy):
    def run(cbs, **options):
        return model.fit(N_EPOCHS, fy, BS, cbs=cbs, seed=1, **{"val_idx": 2, **options})

    return run


@pytest.mark.parametrize("validated", [True, False])
def test_training_goes_through_the_points_in_order(train, validated):
    log = []
    train([Trace(log)], **({} if validated else {"val_idx": None, "trn_idxs": [0, 1]}))
    seen = [entry[1:] for entry in log]
    assert [entry[0] for entry in seen] == [entry[0] for entry in expected_training(validated=validated)]
    assert matches(seen, expected_training(validated=validated))


@pytest.mark.parametrize("wrapped", [False, True])
def test_callbacks_come_in_the_listed_order_at_every_point(train, wrapped):
    log, around = [], []
    wrapper = [TracingWrapper(around)] if wrapped else []
    train([Trace(log, "a"), *wrapper, Trace(log, "b"), Trace(log, "c")])
    assert [entry[0] for entry in log] == ["a", "b", "c"] * (len(log) // 3)
    assert matches([entry[1:] for entry in log[::3]], expected_training())
    assert around == (["before", "after"] * (N_EPOCHS * (2 * 2 + 3 + 2)) if wrapped else [])


def test_each_epoch_trains_on_every_fold_once_in_shuffled_order(make_fy, make_builder, tmp_path):
    seen = {}

    class Folds:
        def on_fold_begin(self, fit_params):
            if fit_params.state == "train":
                seen.setdefault(fit_params.epoch, []).append(fit_params.trn_idx)
            else:
                assert fit_params.by.targets.shape == (8, 1)

    fy = make_fy(tmp_path / "many.hdf5", n_folds=12, n=8)
    Model(make_builder(fy)).fit(3, fy, 8, val_idx=10, cbs=[Folds()], seed=1)
    assert all(sorted(order) == [*range(10), 11] for order in seen.values())
    assert len({tuple(order) for order in seen.values()}) == 3


@pytest.mark.parametrize(
    ("state", "point", "last"),
    [
        ("train", "on_batch_end", ["on_fold_end", "on_epoch_end", *["valid"], "on_train_end"]),
        ("train", "on_fold_begin", ["on_fold_end", "on_epoch_end", *["valid"], "on_train_end"]),
        ("train", "on_fold_end", ["on_fold_end", "on_epoch_end", *["valid"], "on_train_end"]),
    ],
)
def test_stop_ends_training_after_the_fold_and_its_validation(train, state, point, last):
    log = []
    callback = type("Stop", (), {point: lambda self, fit_params: setattr(fit_params, "stop", True)})()
    train([callback, Trace(log)])
    points = [entry[1] for entry in log if entry[2] == "train" and entry[3]]
    assert points.count("on_fold_end") == 1  # of two folds
    assert points[-2:] == ["on_fold_end", "on_epoch_end"] or points[-3:] == [
        "on_fold_end",
        "on_epoch_end",
        "on_train_end",
    ]
    assert [entry[1] for entry in log].count("on_train_end") == 1
    assert max(entry[3] for entry in log) == 1
    assert log[-1][1] == "on_train_end"


def test_stop_in_validation_ends_training_there(train):
    log = []

    class Stop:
        def on_epoch_end(self, fit_params):
            fit_params.stop = fit_params.state == "valid"

    train([Stop(), Trace(log)])
    assert matches([entry[1:] for entry in log], expected_training(n_epochs=1))


def test_stop_set_before_the_first_fold_still_trains_one(train):
    log = []

    class Stop:
        def on_train_begin(self, fit_params):
            fit_params.stop = True

    train([Stop(), Trace(log)])
    assert [entry[1] for entry in log].count("on_fold_end") == 2  # one of training, one of validation


def expected_prediction(n_batches):
    in_batch = [p for _ in range(n_batches) for p in ("on_batch_begin", "on_forwards_end", "on_batch_end")]
    return ["on_pred_begin", *in_batch, "on_pred_end"]


@pytest.mark.parametrize("n", [1, 6, 7])
def test_prediction_goes_through_the_points_in_order(model, n):
    log = []
    model.predict(np.zeros((n, 4), "float32"), cbs=[Trace(log)], bs=6)
    n_batches = -(-n // 6)
    assert [entry[1] for entry in log] == expected_prediction(n_batches)
    assert {entry[2] for entry in log} == {"test"}
    assert {entry[6] for entry in log} == {n_batches}
    assert [entry[5] for entry in log if entry[1] == "on_batch_end"] == list(range(1, n_batches + 1))


def test_the_collecting_callback_comes_last(model):
    log = []

    class Handler(PredHandler, Trace):
        def on_forwards_end(self, fit_params):
            super().on_forwards_end(fit_params)
            self.note("on_forwards_end", fit_params)

        def on_pred_end(self, fit_params):
            super().on_pred_end(fit_params)
            self.note("on_pred_end", fit_params)

        def __init__(self, log):
            PredHandler.__init__(self)
            Trace.__init__(self, log, "handler")

    model.predict(np.zeros((4, 4)), pred_cb=Handler(log), cbs=[Trace(log)])
    assert [entry[0] for entry in log if entry[1] == "on_pred_end"] == ["a", "handler"]
    assert [entry[0] for entry in log if entry[1] == "on_forwards_end"] == ["a", "handler"]


# What callbacks may change takes effect


def test_fold_begin_may_replace_the_batches(train, model):
    shapes = set()

    class Replace:
        def on_fold_begin(self, fit_params):
            by = fit_params.by
            fit_params.by = BatchYielder(
                by.inputs[:8], 4, by.objective, by.targets[:8], by.weights[:8], shuffle=False, generator=by.generator
            )

        def on_batch_begin(self, fit_params):
            shapes.add((fit_params.state, len(fit_params.y), fit_params.n_batches))

    train([Replace()])
    assert shapes == {("train", 4, 2), ("valid", 4, 2)}
    assert len(model.fit_params.history["valid"]["loss"]) == N_EPOCHS


def test_fold_begin_may_change_the_whole_fold(train):
    class Change:
        def on_fold_begin(self, fit_params):
            by = fit_params.by
            by.inputs = np.zeros_like(by.inputs)
            by.targets = np.ones_like(by.targets)
            by.weights = np.full_like(by.weights, 3)

        def on_batch_begin(self, fit_params):
            assert not fit_params.x.any()
            assert (fit_params.y == 1).all()
            assert (fit_params.w == 3).all()

    train([Change()])


def test_prediction_may_be_changed_batch_by_batch(model):
    class Change:
        def on_batch_begin(self, fit_params):
            assert fit_params.y is None
            fit_params.x = torch.zeros_like(fit_params.x)

        def on_forwards_end(self, fit_params):
            assert fit_params.loss_val is None
            fit_params.y_pred = fit_params.y_pred + 1

    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    x[:, 3] = 0
    expected = model.predict(np.zeros((5, 4), "float32")) + 1
    assert np.array_equal(model.predict(x, cbs=[Change()], bs=5), expected)


def test_history_holds_losses_and_metrics_before_the_valid_epoch_end(train):
    class Read:
        def on_epoch_end(self, fit_params):
            history = fit_params.history
            assert len(history["train"]["loss"]) == 2 * fit_params.epoch
            assert len(history["valid"]["loss"]) == fit_params.epoch - (fit_params.state == "train")

    train([Read()])


def test_set_model_is_called_before_the_first_point(train, model):
    class Mine(Callback):
        def on_train_begin(self):
            assert self.model is model

    cbs = train([Mine()])
    assert cbs[0].model is model


def test_an_exception_stops_the_fit_with_a_note(train, model):
    class Bad:
        def on_backwards_end(self):
            raise KeyError("nothing there")

    with pytest.raises(KeyError, match="nothing there") as caught:
        train([Bad()])
    assert caught.value.__notes__ == ["raised by the callback Bad in on_backwards_end"]
    assert model.predict(np.zeros((2, 4))).shape == (2, 1)


# Two fits in one process


class Turn:
    """A fit that shares a process: its own state of torch's generator is there while it runs, and only then."""

    def __init__(self, fit):
        self.fit, self.steps, self.state = fit, fit_steps(fit), torch.get_rng_state()

    @contextmanager
    def _own_state(self):
        others = torch.get_rng_state()
        torch.set_rng_state(self.state)
        yield
        self.state = torch.get_rng_state()
        torch.set_rng_state(others)

    def to_the_next_stop(self):
        with self._own_state():
            return next(self.steps, None)

    def answer(self, request):
        with self._own_state():
            request(self.fit.params)


def in_lockstep(fits):
    """Run fits of equal length together: all stop at the same place before the first is answered."""
    turns, asked = [Turn(fit) for fit in fits], []
    while None not in (requests := [turn.to_the_next_stop() for turn in turns]):
        assert len(set(requests)) == 1
        assert torch.is_grad_enabled()
        asked.append(requests[0])
        for turn in turns:
            turn.answer(requests[0])
    return asked


class Draws(Callback):
    """Draws random numbers of all sorts at every point, and keeps them."""

    def __init__(self):
        self.drawn = []

    def on_batch_end(self, fit_params):
        self.drawn.append((float(fit_params.rng.uniform()), torch.rand(()).item(), fit_params.loss_val.item()))


@pytest.fixture
def prepare(fy, make_builder):
    def make(seed):
        body = {"name": "fully_connected", "depth": 2, "width": 8, "do": 0.4, "bn": True}
        network = Model(make_builder(fy, body=body, seed=seed))
        options = {"val_idx": 2, "cbs": Draws(), "metrics": "roc_auc_score", "visible_bar": False, "seed": seed}
        return prepare_fit(network, N_EPOCHS, fy, BS, **options)

    return make


def test_two_fits_in_lockstep_end_bit_for_bit_as_one_by_one(prepare, same_weights):
    alone, together = [prepare(1), prepare(2)], [prepare(1), prepare(2)]
    for fit in alone:
        run_fit(fit)
    before = torch.get_rng_state()
    asked = in_lockstep(together)
    assert torch.equal(torch.get_rng_state(), before)
    assert asked == ([forward, backward, step] * 4 + [forward] * 3) * N_EPOCHS
    for one, other in zip(alone, together, strict=True):
        assert same_weights(one.params.model, other.params.model)
        assert one.params.history == other.params.history
        assert one.params.cbs[0].drawn == other.params.cbs[0].drawn
        assert not other.params.model.model.training
    assert not same_weights(together[0].params.model, together[1].params.model)


def test_a_fit_that_is_given_up_leaves_the_network_in_evaluation_mode(prepare):
    fit = prepare(1)
    steps = fit_steps(fit)
    next(steps)
    assert fit.params.model.model.training
    steps.close()
    assert not fit.params.model.model.training


# Reading ahead


class Watched(FoldYielder):
    """Notes which folds are read, and where; one may be broken."""

    broken = None

    def _stored(self, idx):
        self.__dict__.setdefault("read", []).append((idx, threading.current_thread() is threading.main_thread()))
        if idx == self.broken:
            raise OSError("the disk is gone")
        fold = super()._stored(idx)
        self.__dict__.setdefault("held", []).append(weakref.ref(fold["inputs"]))
        return fold

    def n_held(self):
        return sum(ref() is not None for ref in self.held)


def reading_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("lumin reads ahead")]


class Shift(Augmentation):
    def train(self, fold, rng):
        fold.flat[:, 0] += rng.normal(size=len(fold.flat))
        return fold


@pytest.mark.parametrize("val_idx", [None, 2])
def test_reading_ahead_changes_nothing(fy, make_builder, same_weights, monkeypatch, val_idx):
    yielder, models = Watched(fy.foldfile, augmentations=Shift, seed=1), []
    for is_ahead in (True, False):
        if not is_ahead:
            monkeypatch.setattr(ReadAhead, "begin", lambda *_: None)
        models.append(Model(make_builder(fy)))
        yielder.read = []
        models[-1].fit(3, yielder, 8, val_idx=val_idx, visible_bar=False, seed=4)
        if is_ahead:
            read = yielder.read
            assert [here for _, here in read] == [True] + [False] * 8
            assert not reading_threads()
    assert [idx for idx, _ in yielder.read] == [idx for idx, _ in read]
    assert models[0].fit_params.history == models[1].fit_params.history
    assert same_weights(*models)


@pytest.mark.parametrize("val_idx", [None, 2])
def test_the_fold_in_training_and_the_next_are_held_and_no_other(fy, make_builder, val_idx):
    yielder, held = Watched(fy.foldfile), []

    class Count(Callback):
        def on_batch_end(self, fit_params):
            held.append(yielder.n_held())

    Model(make_builder(fy)).fit(3, yielder, 8, val_idx=val_idx, cbs=Count(), visible_bar=False, seed=4)
    assert max(held) <= 2
    assert yielder.n_held() == 0


def test_one_fold_is_not_read_ahead(fy, make_builder):
    yielder = Watched(fy.foldfile)
    Model(make_builder(fy)).fit(2, yielder, 8, trn_idxs=[1], visible_bar=False, seed=4)
    assert yielder.read == [(1, True), (1, True)]


def test_a_fold_that_cannot_be_read_ahead_ends_the_fit_when_it_is_needed(fy, make_builder):
    yielder, trained = Watched(fy.foldfile), []

    class Note(Callback):
        def on_fold_end(self, fit_params):
            trained.append(fit_params.trn_idx)
            yielder.broken = 2

    with pytest.raises(OSError, match="the disk is gone") as caught:
        Model(make_builder(fy)).fit(2, yielder, 8, trn_idxs=[0, 1], val_idx=2, cbs=Note(), visible_bar=False, seed=4)
    assert sorted(trained) == [0, 1]
    assert "while fold 2 was read" in caught.value.__notes__
    assert not reading_threads()


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_running_after_a_fit_that_ends_early(fy, make_builder, error):
    yielder = Watched(fy.foldfile)

    class End(Callback):
        def on_batch_end(self, fit_params):
            assert len(reading_threads()) == 1
            if error is not None:
                raise error

        def on_fold_end(self, fit_params):
            fit_params.stop = True

    with nullcontext() if error is None else pytest.raises(error):
        Model(make_builder(fy)).fit(2, yielder, 8, cbs=End(), visible_bar=False, seed=4)
    assert len(yielder.read) <= 2
    assert not reading_threads()
