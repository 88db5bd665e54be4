"""Fits that die and go on."""

import signal
import threading
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import Augmentation, Callback, FoldYielder, Model, validated
from lumin_core.errors import ConfigError, HookError, SavedModelError
from lumin_core.model import tensor_file
from lumin_core.training import checkpoint
from lumin_core.training.interrupt import CtrlC


class Death(Exception):
    pass


class DieAt(Callback):
    """Raises at a point of an epoch; epoch -1 is never."""

    def __init__(self, epoch=-1, point="on_batch_end", state="train", how=None):
        def die(fit_params):
            if (fit_params.epoch, fit_params.state) == (epoch, state):
                if how is None:
                    raise Death
                how(fit_params)

        setattr(self, point, die)


class Draws(Callback):
    """Draws from all generators, and keeps a state of every sort."""

    def on_train_begin(self, fit_params):
        self.seen, self.offset = {1: (torch.zeros(2), np.zeros(2, "int64"))}, fit_params.rng.normal()

    def on_batch_begin(self, fit_params):
        if fit_params.state == "train":
            noise = torch.randn(fit_params.x.shape) + fit_params.rng.normal() + self.offset
            fit_params.x = fit_params.x + 0.01 * noise + self.seen[1][0].sum()

    def on_epoch_end(self, fit_params):
        if fit_params.state == "train":
            tensor, array = self.seen[1]
            self.seen[1] = (tensor + torch.rand(2) / 7, array + 1)

    def state_dict(self):
        return {"seen": self.seen, "more": [1, 2.5, "x", None, True, float("inf"), np.float32(0.5)]}

    def load_state_dict(self, state):
        assert state["more"] == [1, 2.5, "x", None, True, float("inf"), 0.5]
        assert isinstance(state["seen"][1], tuple)
        assert state["seen"][1][1].dtype == np.int64
        self.seen = state["seen"]


class Late(Augmentation):
    def train(self, fold, rng):
        return fold


class Jitter(Augmentation):
    def train(self, fold, rng):
        inputs = fold["inputs"].copy()
        inputs[:, :3] += rng.normal(size=(len(inputs), 3))
        return {**fold, "inputs": inputs}


JITTER = Jitter()
BODY = {"name": "fully_connected", "depth": 2, "width": 6, "do": 0.3, "bn": True}


@pytest.fixture
def train(make_builder, shared_path, tmp_path):
    """Train a model with dropout, norms, weights and augmentation; every call is like a new process."""

    def run(folder="a", n_epochs=4, cbs=(), builder=None, precision="32", augmentations=JITTER, **options):
        options = {"val_idx": 2, "seed": 5, "metrics": ["binary_accuracy"], "resume": True, "bs": 4, **options}
        with FoldYielder(shared_path, augmentations=augmentations) as fy:
            builder = {"body": BODY, "opt_args": {"opt": "adamw", "lr": 0.01}, **(builder or {})}
            model = Model(make_builder(fy, **builder), precision=precision)
            run.model = model
            model.fit(n_epochs, fy, cbs=list(cbs), cb_savepath=tmp_path / folder, visible_bar=False, **options)
        return model

    return run


@pytest.fixture
def is_same(same_weights):
    """Tell whether two models, their optimisers and histories are the same, bit for bit."""

    def compare(model, other):
        mine, theirs = (m.opt.state_dict()["state"] for m in (model, other))
        assert mine.keys() == theirs.keys()
        for key in mine:
            for name, value in mine[key].items():
                assert value is None or torch.equal(value, theirs[key][name])
        assert model.fit_params.history == other.fit_params.history
        assert model.fit_params.sub_epoch == other.fit_params.sub_epoch
        return same_weights(model, other)

    return compare


DEATHS = [
    (1, "on_batch_end"),
    (2, "on_fold_begin"),
    (3, "on_batch_begin"),
    (3, "on_epoch_end"),
    (4, "on_forwards_end", "valid"),
    (4, "on_epoch_end", "valid"),
]


@pytest.mark.parametrize("opt_args", [{"opt": "adamw", "lr": 0.01}, {"opt": "sgd", "lr": 0.1, "momentum": 0.9}])
@pytest.mark.parametrize("death", DEATHS)
def test_a_fit_that_died_goes_on_bit_for_bit(train, is_same, death, opt_args, tmp_path):
    builder = {"opt_args": opt_args}
    whole = train("whole", cbs=[Draws(), DieAt()], builder=builder)
    with pytest.raises(Death):
        train(cbs=[Draws(), DieAt(*death)], builder=builder)
    assert checkpoint.last_epoch(tmp_path / "a") == death[0] - 1
    assert is_same(whole, train(cbs=[Draws(), DieAt()], builder=builder))


def test_a_fit_that_keeps_checkpoints_is_the_one_that_does_not(train, is_same, tmp_path):
    plain = train("plain", resume=False)
    assert not (tmp_path / "plain").exists()
    assert is_same(plain, train())


def test_dying_again_and_again_changes_nothing(train, is_same):
    whole = train("whole", cbs=[DieAt()])
    for epoch in (1, 2, 2, 3, 4):
        with pytest.raises(Death):
            train(cbs=[DieAt(epoch)])
    assert is_same(whole, train(cbs=[DieAt()]))


def test_without_validation_it_goes_on_too(train, is_same):
    options = {"val_idx": None, "metrics": None}
    whole = train("whole", cbs=[DieAt()], **options)
    with pytest.raises(Death):
        train(cbs=[DieAt(3)], **options)
    assert is_same(whole, train(cbs=[DieAt()], **options))


def test_one_checkpoint_is_kept(train, tmp_path):
    train()
    assert [path.name for path in (tmp_path / "a" / "checkpoint").iterdir()] == ["epoch_4.safetensors"]


def test_a_finished_fit_is_not_trained_again(train, is_same):
    whole = train()
    again = train(cbs=[], n_epochs=4)
    assert is_same(whole, again)


def test_more_epochs_go_on_from_the_last(train, is_same):
    train(n_epochs=2)
    assert is_same(train("whole"), train(n_epochs=4))


def test_what_was_stopped_stays_stopped(train, is_same):
    def stop(fit_params):
        fit_params.stop = True

    whole = train(cbs=[DieAt(2, "on_epoch_end", "valid", stop)])
    assert whole.fit_params.epoch == 2
    assert is_same(whole, train(cbs=[DieAt()]))


def test_a_builder_without_seed_takes_mask_and_weights_of_the_checkpoint(train, same_weights):
    builder = {"seed": None, "cont_subsample_rate": 0.5}
    with pytest.raises(Death):
        train(cbs=[DieAt(2)], builder=builder)
    died = train.model
    model = train(cbs=[DieAt()], builder=builder)
    assert model.input_mask.tolist() == died.input_mask.tolist()
    assert model.record.seeds == died.record.seeds


def test_what_was_frozen_or_thawed_on_the_way_is_so_again(train, is_same):
    class Thaw(Callback):
        def on_train_begin(self, fit_params):
            self.model.head.freeze_layers()
            self.model.body.freeze_layers()

        def on_epoch_end(self, fit_params):
            if (fit_params.epoch, fit_params.state) == (2, "valid"):
                self.model.body.unfreeze_layers()

    whole = train("whole", cbs=[Thaw(), DieAt()])
    with pytest.raises(Death):
        train(cbs=[Thaw(), DieAt(4)])
    gone_on = train(cbs=[Thaw(), DieAt()])
    assert is_same(whole, gone_on)
    assert all(p.requires_grad for p in gone_on.body.parameters())


def test_the_seed_is_that_of_the_checkpoint(train, is_same):
    with pytest.raises(Death):
        train(cbs=[DieAt(2)], seed=None)
    seed = train.model.record.seeds["fit"]
    gone_on = train(cbs=[DieAt()], seed=None)
    assert gone_on.record.seeds["fit"] == seed
    assert is_same(train("whole", cbs=[DieAt()], seed=seed), gone_on)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bs": 8}, r"bs was 4, is 8"),
        ({"seed": 6}, r"seed was 5, is 6"),
        ({"val_idx": 1}, r"trn_idxs was \[0, 1\], is \[0, 2\]; val_idx was 2, is 1"),
        ({"train_on_weights": False}, r"train_on_weights was True, is False"),
        (
            {"cbs": [{"name": "early_stopping", "patience": 3}]},
            r"callbacks was \[\], is \[\{'name': 'callbacks/early_stopping', 'patience': 3\}\]",
        ),
        (
            {"metrics": None},
            r"metrics was \['metrics/binary_accuracy'\], is \[\]; give these as they were, or another cb",
        ),
        ({"n_epochs": 1}, "n_epochs was 2, is 1"),
        ({"builder": {"loss": "mse_loss"}}, "model_builder.loss was 'auto', is 'core/mse_loss'"),
        ({"builder": {"loss": nn.MSELoss()}}, "model_builder.unnamed was 'nothing', is 'MSELoss"),
        (
            {"builder": {"loss": lambda y_pred, y: (y_pred - y) ** 2}},
            r"another fit: model_builder.unnamed was 'nothing', is (?!.*n_out was)",
        ),
        ({"builder": {"opt_args": {"opt": "adamw", "lr": 0.02}}}, "model_builder.opt_args.lr was 0.01, is 0.02"),
        ({"builder": {"opt_args": {"opt": "sgd", "lr": 0.01}}}, "opt_args.opt was 'core/adamw', is 'core/sgd'"),
        ({"builder": {"body": {**BODY, "do": 0.1}}}, "model_builder.body.do was 0.3, is 0.1"),
        ({"builder": {"seed": 2}}, "model_builder.seed was 1, is 2"),
        ({"precision": "bf16"}, "precision was '32', is 'bf16'"),
        ({"augmentations": Late()}, r"augmentations\[0\].instance was '.*Jitter', is '.*Late'"),
        ({"augmentations": None}, r"augmentations was \[.*Jitter'\}\], is \[\]"),
    ],
)
def test_a_checkpoint_of_another_fit_is_refused(train, options, message):
    train(n_epochs=2)
    with pytest.raises(ConfigError, match=message):
        train(**options)


def test_two_fits_that_keep_checkpoints_in_one_folder_are_refused(train, tmp_path):
    class Within(Callback):
        def on_train_begin(self, fit_params):
            with pytest.raises(ConfigError, match=r"another fit keeps its checkpoints in .*another cb_savepath"):
                train(n_epochs=1)
            train(n_epochs=1, resume=False)
            train(folder="b", n_epochs=1)

    train(n_epochs=1, cbs=[Within()])
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["checkpoint"]


def test_a_checkpoint_of_another_network_is_refused(train):
    train(n_epochs=1)
    with pytest.raises(ConfigError, match=r"another fit: model_builder\.body\.width was 6, is 7"):
        train(builder={"body": {**BODY, "width": 7}})


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            {"name": "grad_clip", "clip": 1.0},
            {"name": "grad_clip", "clip": 0.1},
            r"callbacks\[0\].clip was 1.0, is 0.1",
        ),
        (partial(DieAt, epoch=-1), partial(DieAt, epoch=9), r"callbacks\[0\].given was .*epoch=-1.*, is .*epoch=9"),
        (
            DieAt(),
            {"name": "grad_clip", "clip": 1.0},
            r"callbacks\[0\].instance was '.*DieAt', is 'nothing'; callbacks\[0\].name was",
        ),
    ],
)
def test_other_options_of_a_callback_are_named(train, first, second, message):
    train(cbs=[first], n_epochs=1)
    with pytest.raises(ConfigError, match=message):
        train(cbs=[second], n_epochs=2)


def test_one_fit_may_be_given_in_other_words(train, is_same):
    """Objects are told by their class; a name is what a dict with it alone is."""
    train(cbs=["epoch_saver", DieAt()], n_epochs=1)
    assert is_same(train("whole", cbs=["epoch_saver", DieAt()]), train(cbs=[{"name": "epoch_saver"}, DieAt()]))


def test_a_schedule_over_the_whole_fit_is_not_made_longer(train, is_same):
    cycle = {"name": "one_cycle", "lengths": (1, 1), "lr_range": (1e-4, 1e-2)}
    train(cbs=[cycle], n_epochs=2)
    with pytest.raises(
        ConfigError, match=r"n_epochs was 2, is 3, but the shape of callbacks/one_cycle is that of a fit"
    ):
        train(cbs=[cycle], n_epochs=3)
    longer = {**cycle, "lengths": (1, 2)}
    train("b", cbs=[longer], n_epochs=2)
    assert is_same(train("whole", cbs=[longer], n_epochs=3), train("b", cbs=[longer], n_epochs=3))


def test_a_checkpoint_of_an_earlier_version_is_compared_as_far_as_it_says(train, is_same, tmp_path):
    cbs = [{"name": "grad_clip", "clip": 1.0}]
    with pytest.raises(Death):
        train(cbs=[*cbs, DieAt(2)], builder={"loss": "mse_loss"})
    path = checkpoint.newest(tmp_path / "a")
    tensors, content = tensor_file.read_tensors(path, "checkpoint")
    known = ("bs", "trn_idxs", "val_idx", "train_on_weights", "fold sizes")
    settings = [[key, value] for key, value in content["settings"]["items"] if key in known]
    settings += [["callbacks", ["GradClip", "DieAt"]], ["metrics", ["binary_accuracy"]]]
    content["settings"]["items"] = settings
    tensor_file.write_tensors(path, "checkpoint", tensors, content)
    with pytest.raises(ConfigError, match=r"callbacks was \['GradClip', 'DieAt'\], is \['GradClip'\]"):
        train(cbs=cbs, builder={"loss": "mse_loss"})
    whole = train("whole", cbs=[*cbs, DieAt()], builder={"loss": "mse_loss"})
    assert is_same(whole, train(cbs=[*cbs, DieAt()], builder={"loss": "mse_loss"}))


def test_a_damaged_checkpoint_is_refused(train, tmp_path):
    train(n_epochs=1)
    path = checkpoint.newest(tmp_path / "a")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SavedModelError, match="damaged"):
        train()


def test_a_write_that_was_cut_off_leaves_the_one_before(train, is_same, tmp_path):
    with pytest.raises(Death):
        train(cbs=[DieAt(3)])
    (tmp_path / "a" / "checkpoint" / ".epoch_3.safetensors.part").write_bytes(b"half")
    assert is_same(train("whole", cbs=[DieAt()]), train(cbs=[DieAt()]))


def test_removing_leaves_files_of_others(train, tmp_path):
    train(n_epochs=1)
    other = tmp_path / "a" / "checkpoint" / "notes.txt"
    other.write_text("mine")
    checkpoint.remove(tmp_path / "a")
    assert other.exists()
    other.unlink()
    checkpoint.remove(tmp_path / "a")
    assert not (tmp_path / "a" / "checkpoint").exists()


def test_a_state_that_cannot_be_taken_back_is_refused_early(train):
    class Half(DieAt):
        def state_dict(self):
            return {}

    with pytest.raises(HookError, match=r"Half has state_dict\(\) but no load_state_dict"):
        train(cbs=[Half()])


@pytest.mark.parametrize("value", [object(), np.array(["a"]), {"a": {1}}])
def test_a_state_of_anything_else_is_refused(train, value):
    class Odd(DieAt):
        def state_dict(self):
            return {"value": value}

        def load_state_dict(self, state): ...

    with pytest.raises(HookError, match="checkpoint"):
        train(cbs=[Odd()])


def test_fault_augmentation_follows_the_seed_of_the_fit(train, same_weights):
    """With one seed a fit is the same, whatever seed the yielder drew; with another it is another."""
    options = {"resume": False, "n_epochs": 1}
    assert same_weights(train(**options), train(**options))
    assert not same_weights(train(**options), train(seed=6, **options))


# Ctrl-C


def press(fit_params):
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("state", ["train", "valid"])
def test_ctrl_c_ends_after_the_batch_and_loses_nothing(train, is_same, state, tmp_path, capsys):
    seen = []

    class Count(DieAt):
        def on_batch_begin(self, fit_params):
            seen.append((fit_params.epoch, fit_params.state))

    with pytest.raises(KeyboardInterrupt, match=r"interrupted in epoch 3 of 4, after batch 1 of 4.* after epoch 2"):
        train(cbs=[Count(3, "on_forwards_end", state, press)])
    assert seen.count((3, state)) == 1
    assert "Ctrl-C: stopping after this batch" in capsys.readouterr().err
    saved = Model.from_save(tmp_path / "a" / "interrupted")
    assert saved.get_param_count() > 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert is_same(train("whole", cbs=[Count()]), train(cbs=[Count()]))


def test_ctrl_c_without_checkpoints_saves_the_model_as_it_is(train, same_weights, tmp_path):
    with pytest.raises(KeyboardInterrupt, match="a fit with resume=True keeps checkpoints"):
        train(cbs=[DieAt(2, how=press)], resume=False)
    assert same_weights(Model.from_save(tmp_path / "a" / "interrupted"), train.model)


def test_the_second_ctrl_c_ends_at_once(train, tmp_path):
    def press_twice(fit_params):
        press(fit_params)
        press(fit_params)
        raise AssertionError

    with pytest.raises(KeyboardInterrupt):
        train(cbs=[DieAt(2, "on_batch_begin", how=press_twice)], resume=False)
    assert not (tmp_path / "a" / "interrupted.safetensors").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_somebody_else_is_left_alone():
    def own(*_): ...

    before = signal.signal(signal.SIGINT, own)
    try:
        with CtrlC():
            assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_fit_in_another_thread_leaves_signals_alone(train):
    errors = []

    def run():
        try:
            train(n_epochs=1)
        except Exception as error:  # noqa: BLE001  (shown below)
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not errors


# what other callbacks offer


def test_validated_gives_what_the_validation_gave(train):
    class Same(Callback):
        def on_epoch_end(self, fit_params):
            if fit_params.state == "valid":
                modes = [m.training for m in fit_params.model.model.modules()]
                self.values = validated(fit_params, fit_params.model.model)
                assert modes == [m.training for m in fit_params.model.model.modules()]

    same = Same()
    history = train(cbs=[same]).fit_params.history["valid"]
    assert same.values == {name: values[-1] for name, values in history.items()}


def test_validated_outside_of_a_validation_is_refused(train):
    with pytest.raises(ConfigError, match="call it in on_epoch_end of the state 'valid'"):
        train(cbs=[DieAt(1, "on_epoch_end", how=lambda fit: validated(fit, fit.model.model))])
