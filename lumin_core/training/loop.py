"""The loop: epochs of folds of batches, forwards, backwards, step.

The points of `hookspecs` lie in between. It is a generator that stops where the network is asked,
and what it yields is the question: `forward`, `backward` or `step`, functions of `fit_params` that
do it for one network. Whoever runs a fit calls them, as `run_fit` does; whoever runs several in one
process may do the same work for all of them at once.

Speed decides here: what is done for every batch is what is written below and nothing else. Losses
of batches are kept as tensors and summed once a fold, so that nothing waits for the device in
between.
"""

from __future__ import annotations

from contextlib import closing, contextmanager, nullcontext
from math import isfinite, nan
from typing import TYPE_CHECKING

import torch

from lumin_core import seeds
from lumin_core.errors import Diverged
from lumin_core.model.loss import BatchLoss, weighted_loss
from lumin_core.training.callback import scheduled
from lumin_core.training.divergence import LastGood
from lumin_core.training.evaluation import (
    Answers,
    FoldLoss,
    check_targets,
    labelled,
    undefined_values,
    validation_values,
)
from lumin_core.training.interrupt import CtrlC, Interrupted, keep_interrupted
from lumin_core.training.look import look
from lumin_core.training.progress import progress_bar
from lumin_core.training.use import only_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from lumin_core.data.batch_yielder import BatchYielder
    from lumin_core.data.folds import FoldData
    from lumin_core.training.fit_params import FitParams
    from lumin_core.training.fitting import Fit

    Request = Callable[[FitParams], None]
    Steps = Generator[Request, None, None]


def forward(fit_params: FitParams) -> None:
    """Ask the network for ``fit_params.y_pred`` of the batch ``fit_params.x``."""
    if fit_params.state == "train":
        fit_params.y_pred = fit_params.model.forward(fit_params.x)
        return
    with torch.set_grad_enabled(fit_params.val_requires_grad):
        fit_params.y_pred = fit_params.model.forward(fit_params.x)


def backward(fit_params: FitParams) -> None:
    """Compute the gradients of ``fit_params.loss_val``, unscaled."""
    scaler = fit_params.model.scaler
    if scaler is None:
        fit_params.loss_val.backward()
        return
    scaler.scale(fit_params.loss_val).backward()
    scaler.unscale_(fit_params.opt)


def step(fit_params: FitParams) -> None:
    """Let the optimiser ``fit_params.opt`` step."""
    scaler = fit_params.model.scaler
    if scaler is None:
        fit_params.opt.step()
        return
    scaler.step(fit_params.opt)
    scaler.update()


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
    loop = _Loop(fit, CtrlC() if ctrl_c is None else ctrl_c)
    network = fit.params.model
    kept = nullcontext() if fit.checkpoints is None else fit.checkpoints.held()
    with network.use.fitting():
        was_training = network.model.training  # in a fit within a fit
        network.set_mode(training=True)
        try:
            with loop.bar, kept, _rates_given_back(fit.params):
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

    def __init__(self, fit: Fit, ctrl_c: CtrlC) -> None:
        params = fit.params
        self.fit = params
        self.calls = fit.plan.calls
        self.given = fit
        self.ctrl_c = ctrl_c
        self.has_looked = False
        self.n_folds = len(params.trn_idxs) + (params.val_idx is not None)
        total = params.n_epochs * self.n_folds
        self.bar = progress_bar(total=total, desc="Training", unit="fold", visible=fit.visible_bar)

    def run(self) -> Steps:
        fit, seed, checkpoints = self.fit, self.given.seed, self.given.checkpoints
        _seed_epoch(fit, seed)  # callbacks may draw, weights for instance
        self.call("on_train_begin")
        if checkpoints is not None:
            checkpoints.restore(fit)
            self.bar.update(fit.epoch * self.n_folds)
        self.good = LastGood(fit)
        while fit.epoch < fit.n_epochs and not (fit.epoch and fit.stop):  # it is looked at after a fold
            fit.epoch += 1
            _seed_epoch(fit, seed)
            try:
                yield from self.epoch()
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

    def epoch(self) -> Steps:
        fit = self.fit
        order = seeds.stream(self.given.seed, "fold order", fit.epoch).permutation(fit.trn_idxs)
        yield from self.train_epoch(order.tolist())
        if fit.val_idx is not None and fit.failed is None:
            yield from self.validate(fit.val_idx)

    def train_epoch(self, order: list[int]) -> Steps:
        fit = self.fit
        fit.state = "train"
        fit.model.set_mode(training=True)
        self.call("on_epoch_begin")
        seed = seeds.seed_of(self.given.seed, "augmentation")
        for fit.trn_idx, fold in fit.fy.training_folds(order, fit.epoch, seed):  # noqa: B020  (sets attributes)
            fit.sub_epoch += 1
            fit.by = self._batches(fold, shuffle=True)
            del fold  # which is not to be held while the next is read
            self._begin_fold()
            loss = yield from self._fold_loss()
            fit.history["train"]["loss"].append(loss)
            self._judge(loss, f"the training loss of fold {fit.trn_idx}")
            self._end_fold()
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
        with self._grads():
            [(_, fold)] = fit.fy.training_folds([val_idx])
            fit.by = self._batches(fold, shuffle=False)
            del fold
            self._begin_fold()
        values = yield from self._fold_values()
        with self._grads():
            for name, value in values.items():
                fit.history["valid"].setdefault(name, []).append(value)
            self._judge(values["loss"], f"the loss of the validation fold {val_idx}")
            by = fit.by
            self._end_fold()
            fit.by = by  # for `validated`
            if fit.failed is None:
                self.call("on_epoch_end")
            fit.forget_batch()

    def _judge(self, loss: float, what: str) -> None:
        """Note a loss that is not finite; callbacks may see to it in ``on_fold_end``."""
        if not isfinite(loss):
            self.fit.failed = f"{what} in epoch {self.fit.epoch} is {loss}: the training has diverged"

    def _fold_loss(self) -> Generator[Request, None, float]:
        """Train on a fold and return its loss; NaN where the network's outputs cannot be taken."""
        loss = self.fit.loss_func
        total = FoldLoss(leave_out_nan=isinstance(loss, BatchLoss) and loss.may_be_undefined)
        try:
            yield from self._train_fold(total)
        except Diverged:
            return nan
        return total.value()

    def _fold_values(self) -> Generator[Request, None, dict[str, float]]:
        """Validate on a fold and return loss and metrics, likewise."""
        seen = Answers(self.fit.loss_func)
        try:
            yield from self._validate_fold(seen)
            with self._grads():
                return validation_values(self.fit, seen)
        except Diverged:
            return undefined_values(self.fit)

    def _grads(self) -> torch.set_grad_enabled:
        """Set whether validation has gradients; never across a stop, where others may run."""
        return torch.set_grad_enabled(self.fit.val_requires_grad)

    def _train_fold(self, total: FoldLoss) -> Steps:
        fit, calls, ctrl_c = self.fit, self.calls, self.ctrl_c
        batch_begin, forwards_end = calls["on_batch_begin"], calls["on_forwards_end"]
        backwards_begin, backwards_end = calls["on_backwards_begin"], calls["on_backwards_end"]
        batch_end = calls["on_batch_end"]
        is_sum = not isinstance(fit.loss_func, BatchLoss) or fit.loss_func.is_weighted_sum
        fit.n_batches = len(fit.by)
        for fit.batch, (fit.x, fit.y, fit.w) in enumerate(labelled(fit.by), 1):  # noqa: B020  (sets attributes)
            for call in batch_begin:
                call(fit)
            yield forward
            n_events = len(fit.y_pred)
            fit.loss_val = weighted_loss(fit.loss_func, fit.y_pred, fit.y, fit.w)
            for call in forwards_end:
                call(fit)
            fit.opt.zero_grad()
            for call in backwards_begin:
                call(fit)
            yield backward
            for call in backwards_end:
                call(fit)
            yield step
            for call in batch_end:
                call(fit)
            total.add(fit.loss_val, n_events, fit.w if is_sum else None)
            if ctrl_c.asked:
                raise Interrupted

    def _validate_fold(self, seen: Answers) -> Steps:
        fit, forwards_end, batch_end = self.fit, self.calls["on_forwards_end"], self.calls["on_batch_end"]
        fit.n_batches = len(fit.by)
        for fit.batch, (fit.x, fit.y, fit.w) in enumerate(labelled(fit.by), 1):  # noqa: B020  (sets attributes)
            with self._grads():
                self.call("on_batch_begin")
            yield forward
            with self._grads():
                fit.loss_val = weighted_loss(fit.loss_func, fit.y_pred, fit.y, fit.w)
                for call in forwards_end:
                    call(fit)
                for call in batch_end:
                    call(fit)
            seen.add(fit.y_pred, fit.y, fit.w, fit.loss_val)
            if self.ctrl_c.asked:
                raise Interrupted

    def _batches(self, fold: FoldData, shuffle: bool) -> BatchYielder:
        fit = self.fit
        by = fit.fy.batches(
            fold,
            fit.bs,
            fit.model.objective,
            missing=fit.model.head.missing,
            shuffle=shuffle,
            use_weights=self.given.train_on_weights,
            bulk_move=self.given.bulk_move,
            input_mask=fit.model.input_mask,
            drop_last=shuffle,
            device=fit.device,
            generator=fit.generator,
        )
        fit.batch = 0
        fit.n_batches = len(by)
        return by

    def _begin_fold(self) -> None:
        """Open a fold; what is trained on is what callbacks made of it."""
        self.call("on_fold_begin")
        check_targets(self.fit.by.targets, self.fit.model)
        if not self.has_looked:
            look(self.fit)
            self.has_looked = True

    def _end_fold(self) -> None:
        """Close a fold, and let go of its data before the next is loaded."""
        self.call("on_fold_end")
        self.fit.forget_batch()
        self.bar.update()


def _seed_epoch(fit: FitParams, seed: int) -> None:
    """Seed an epoch's streams from its number alone.

    So it can be repeated without the ones before.
    """
    torch.manual_seed(seeds.seed_of(seed, "dropout", fit.epoch))
    fit.generator.manual_seed(seeds.seed_of(seed, "shuffling", fit.epoch))
    fit.rng = seeds.stream(seed, "callbacks", fit.epoch)
