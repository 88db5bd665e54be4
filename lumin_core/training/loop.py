"""The loop: epochs of folds, at whose begin and end the points of `hookspecs` lie.

It is a generator that stops where the network is asked, and what it yields is the question, see
`lumin_core.training.passes`. Whoever runs a fit answers it, as `run_fit` does; whoever runs several
in one process may do the same work for all of them at once.
"""

from __future__ import annotations

from contextlib import closing, contextmanager, nullcontext
from math import isfinite
from typing import TYPE_CHECKING

import torch

from lumin_core import seeds
from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.errors import Diverged, HookError, LuminError
from lumin_core.training.callback import scheduled
from lumin_core.training.divergence import LastGood
from lumin_core.training.evaluation import check_targets
from lumin_core.training.hook_plan import acting
from lumin_core.training.interrupt import CtrlC, Interrupted, keep_interrupted
from lumin_core.training.look import look, rehearse, unnoticed
from lumin_core.training.passes import train_fold, validate_fold
from lumin_core.training.progress import progress_bar
from lumin_core.training.use import only_fit

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from lumin_core.data.folds import FoldData
    from lumin_core.training.fit_params import FitParams
    from lumin_core.training.fitting import Fit
    from lumin_core.training.passes import Request

    Steps = Generator[Request, None, None]


def run_fit(fit: Fit) -> None:
    """Run a fit from its first epoch, or from the end of that of its last checkpoint, to its last.

    Args:
        fit: From `lumin_core.training.prepare_fit`.

    Raises:
        Diverged: If no epoch had finite losses.
        KeyboardInterrupt: After Ctrl-C, at the end of the batch; what was trained is saved.
        TrainingFailed: If another thread runs a fit.
    """
    params = fit.params
    with only_fit(), seeds.torch_forked(params.device), CtrlC() as ctrl_c, closing(fit_steps(fit, ctrl_c)) as steps:
        try:
            for request in steps:
                request(params)
        except Interrupted as error:
            raise KeyboardInterrupt(keep_interrupted(params, fit.checkpoints)) from error


def fit_steps(fit: Fit, ctrl_c: CtrlC | None = None) -> Steps:
    """Run a fit up to where its network is asked, again and again.

    Between two stops it seeds torch's global generators for each epoch and draws from them, for
    the device's and the CPU's: who runs several fits in turns keeps the states of each apart.
    Close it when the fit is over, or is given up: it then puts the network into evaluation mode,
    and gives back rate and momentum where a callback scheduled them.

    Args:
        fit: From `lumin_core.training.prepare_fit`.
        ctrl_c: Is looked at after every batch.

    Yields:
        `forward`, `backward` or `step`: what is to be done before it goes on.

    Raises:
        Diverged: If no epoch had finite losses.
        Interrupted: After the batch in which Ctrl-C came.
        ConfigError: If another thread fits or asks the network.

    Example:
        >>> from lumin_core.training import fit_steps, prepare_fit
        >>> def train(network, fy):
        ...     fit = prepare_fit(network, 10, fy, 256, seed=1)
        ...     for request in fit_steps(fit):
        ...         request(fit.params)
    """
    loop = _Loop(fit, ctrl_c or CtrlC())
    network = fit.params.model
    kept = nullcontext() if fit.checkpoints is None else fit.checkpoints.held()
    with network.use.fitting():
        was_training = network.model.training  # in a fit within a fit
        network.set_mode(training=True)
        try:
            with loop.bar, kept, loop.ahead, fit.params.at_end, _rates_given_back(fit.params):
                yield from loop.run()
        finally:
            network.set_mode(training=was_training)
            network.is_new = False


@contextmanager
def _rates_given_back(fit: FitParams) -> Iterator[None]:
    """Put back after the block what callbacks schedule inside: learning rate, momentum or both."""
    sets = {name for callback in fit.cbs for name in scheduled(callback)}
    keys = [*(["lr"] if "lr" in sets else []), *(["momentum", "betas"] if "mom" in sets else [])]
    before = [{key: group[key] for key in keys if key in group} for group in fit.opt.param_groups]
    try:
        yield
    finally:
        for group, values in zip(fit.opt.param_groups, before, strict=False):
            group.update(values)


class _Loop:
    """One run of a fit."""

    def __init__(self, given: Fit, ctrl_c: CtrlC) -> None:
        self.given = given
        self.fit = given.params
        self.calls = given.plan.calls
        self.ctrl_c = ctrl_c
        self.has_looked = False
        self.ahead = self.fit.fy.reading_ahead()
        self.n_folds = len(self.fit.trn_idxs) + (self.fit.val_idx is not None)
        total = self.fit.n_epochs * self.n_folds
        self.bar = progress_bar(total=total, desc="Training", unit="fold", visible=given.visible_bar)

    def run(self) -> Steps:
        fit, checkpoints = self.fit, self.given.checkpoints
        self.seed_epoch()  # callbacks may draw, weights for instance
        self.call("on_train_begin")
        if checkpoints is not None:
            checkpoints.restore(fit)
            self.bar.update(fit.epoch * self.n_folds)
        self.good = LastGood(fit)
        while fit.epoch < fit.n_epochs and not (fit.epoch and fit.stop):  # it is looked at after a fold
            fit.epoch += 1
            self.seed_epoch()
            try:
                yield from self.train()
                if fit.val_idx is not None and fit.failed is None:
                    yield from self.validate(fit.val_idx)
            except Diverged as error:  # of a callback, such as one that trains a network of its own
                fit.failed = str(error)
                fit.forget_batch()
            if fit.failed is not None:
                self.good.put_back(fit)
                break
            self.good.keep(fit)
            if checkpoints is not None:
                checkpoints.write(fit)
        self.call("on_train_end")
        if fit.failed is not None:
            self.good.tell(fit)

    def call(self, point: str) -> None:
        for call in self.calls[point]:
            call(self.fit)

    def seed_epoch(self) -> None:
        """Seed the epoch by its number alone, so that it can be repeated without those before."""
        fit, seed = self.fit, self.given.seed
        torch.manual_seed(seeds.seed_of(seed, "dropout", fit.epoch))
        fit.generator.manual_seed(seeds.seed_of(seed, "shuffling", fit.epoch))
        fit.rng = seeds.stream(seed, "callbacks", fit.epoch)

    def order(self, epoch: int) -> list[int]:
        return [int(i) for i in seeds.stream(self.given.seed, "fold order", epoch).permutation(self.fit.trn_idxs)]

    def first_of_next(self) -> int | None:
        """Return the fold that the next epoch begins with, if there is to be one."""
        return None if self.fit.stop or self.fit.epoch == self.fit.n_epochs else self.order(self.fit.epoch + 1)[0]

    def train(self) -> Steps:
        fit = self.fit
        fit.state = "train"
        fit.model.set_mode(training=True)
        order = self.order(fit.epoch)
        self.call("on_epoch_begin")
        augmentation = seeds.seed_of(self.given.seed, "augmentation")
        folds = fit.fy.training_folds(order, fit.epoch, augmentation, ahead=self.ahead)
        for following in [*order[1:], self.first_of_next() if fit.val_idx is None else fit.val_idx]:
            fit.trn_idx, fold = next(folds)
            fit.sub_epoch += 1
            fit.by = self.batches(fold, shuffle=True)
            del fold  # which is not to be held while the next is read
            self.begin_fold()
            self.ahead.begin(following if following != fit.trn_idx else None)  # when what a fold needs once is over
            loss = yield from train_fold(fit, self.calls, self.ctrl_c)
            fit.history["train"]["loss"].append(loss)
            self.judge(loss, f"the training loss of fold {fit.trn_idx}")
            self.end_fold()
            if fit.stop or fit.failed is not None:
                break
        if fit.failed is None and (name := self.good.spoiled(fit.model.state_dict())):
            fit.failed = f"the weights {name} are not finite after epoch {fit.epoch}: the training has diverged"
        if fit.failed is None:
            self.call("on_epoch_end")

    def validate(self, val_idx: int) -> Steps:
        fit = self.fit
        fit.state = "valid"
        fit.model.set_mode(training=False)
        self.call("on_epoch_begin")
        with torch.set_grad_enabled(fit.val_requires_grad):
            [(_, fold)] = fit.fy.training_folds([val_idx], ahead=self.ahead)
            fit.by = self.batches(fold, shuffle=False)
            del fold
            self.begin_fold()
        self.ahead.begin(self.first_of_next())
        values = yield from validate_fold(fit, self.calls, self.ctrl_c)
        for name, value in values.items():
            fit.history["valid"].setdefault(name, []).append(value)
        self.judge(values["loss"], f"the loss of the validation fold {val_idx}")
        with torch.set_grad_enabled(fit.val_requires_grad):
            by = fit.by
            self.end_fold()
            fit.by = by  # for `validated`
            if fit.failed is None:
                self.call("on_epoch_end")
            fit.forget_batch()

    def judge(self, loss: float, what: str) -> None:
        """Note a loss that is not finite; callbacks may see to it in ``on_fold_end``."""
        if not isfinite(loss):
            self.fit.failed = f"{what} in epoch {self.fit.epoch} is {loss}: the training has diverged"

    def batches(self, fold: FoldData, shuffle: bool) -> BatchYielder:
        self.fit.batch = 0
        by = _batches(self.given, fold, shuffle)
        self.fit.n_batches = len(by)
        return by

    def begin_fold(self) -> None:
        """Open a fold; what is trained on is what callbacks made of it."""
        self.call("on_fold_begin")
        try:
            _check_batches(self.fit.by)
            check_targets(self.fit.by.targets, self.fit.model)
        except LuminError as error:
            if self.calls["on_fold_begin"]:
                error.add_note(f"callbacks that act in on_fold_begin: {acting(self.fit.cbs, 'on_fold_begin')}")
            raise
        if not self.has_looked:
            look(self.fit)
            self.has_looked = True

    def end_fold(self) -> None:
        """Close a fold, and let go of its data before the next is loaded."""
        self.call("on_fold_end")
        self.fit.forget_batch()
        self.bar.update()


def _check_batches(by: object) -> None:
    """Refuse what callbacks put in place of batches, or into them, and cannot be gone through."""
    if not all(hasattr(by, name) for name in ("targets", "__len__", "__iter__")):
        raise HookError(f"fit_params.by must have batches after on_fold_begin, as a BatchYielder has, got {by!r}")
    if isinstance(by, BatchYielder):
        by.check()


def _batches(given: Fit, fold: FoldData, shuffle: bool) -> BatchYielder:
    fit = given.params
    return fit.fy.batches(
        fold,
        fit.bs,
        fit.model.objective,
        missing=fit.model.head.missing,
        shuffle=shuffle,
        use_weights=given.train_on_weights,
        bulk_move=given.bulk_move,
        input_mask=fit.model.input_mask,
        drop_last=shuffle,
        device=fit.device,
        generator=fit.generator,
    )


def try_out(given: Fit) -> None:
    """Try the first step of a fit whose network is made for that alone, before anything is written.

    Where callbacks act on folds, nothing is known before they do.

    Args:
        given: From `lumin_core.training.prepare_fit`; it is not to be run.

    Raises:
        LuminError: As the fit would.
    """
    fit = given.params
    if given.plan.calls["on_fold_begin"]:
        return
    with unnoticed(fit):
        [(_, fold)] = fit.fy.training_folds(fit.trn_idxs[:1], 1, seeds.seed_of(given.seed, "augmentation"))
        fit.by = _batches(given, fold, shuffle=True)
        fit.model.set_mode(training=True)
        look(fit)
        rehearse(fit)
