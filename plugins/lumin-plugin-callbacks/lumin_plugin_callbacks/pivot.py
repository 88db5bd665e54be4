r"""Training against an adversary, so that a model's output tells nothing about a nuisance.

The model f predicts its targets; the adversary r predicts the nuisance Z from the output
f(X). They play for

.. math:: \min_{\theta_f} \max_{\theta_r} \; L_f(\theta_f) - \lambda \, L_r(\theta_f, \theta_r)

whose solution for a large lambda is an output on which r cannot improve: one that does
not depend on Z.

References:
    Louppe, Kagan and Cranmer, "Learning to Pivot with Adversarial Networks",
    https://arxiv.org/abs/1611.01046
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, SupportsIndex, cast

import numpy as np
import torch

from lumin_core import BatchLoss, BatchYielder, Callback, Model, ModelBuilder, hookimpl, seeds
from lumin_core.checks import as_list, check_names, positive
from lumin_core.data import check_classes
from lumin_core.errors import ConfigError
from lumin_core.model import build_optimiser, weighted_loss
from lumin_core.training import FoldLoss, check_targets, prepare_fit, run_fit
from lumin_plugin_callbacks.targets import check_columns, current_columns, fold_columns

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from torch import Tensor

    from lumin_core import FitParams
    from lumin_core.model import Inputs

    _Batch = tuple[Tensor, Tensor, Tensor | None]

_log = logging.getLogger(__name__)
_TICKS = ("batch", "fold", "epoch")


class PivotTraining(Callback):
    r"""Trains the model and, against it, an adversary.

    The adversary predicts `adv_targets` from the model's predictions. Before the first epoch the
    model is trained by itself, then the adversary on the model's predictions. From then on every
    training batch has the loss :math:`L_f - \lambda L_r`, with the adversary held fast and in
    evaluation mode; it is refined in between, with the model held fast. Both losses have the
    weights of the events.

    The reported losses of training and validation, which the monitors read, are this difference;
    its parts are in `history`. A callback that offers another model, such as `swa`, has the loss of
    that model alone, which is not comparable: give the fit a main metric then. With a `BatchLoss`
    as the model's, so has validation.

    Args:
        n_pretrain_main: Epochs in which the model is trained first, by itself; they are not among
            those of the fit.
        n_pretrain_adv: Epochs in which the adversary is trained then, on the folds as
            they are stored.
        adv_coef: The paper's lambda, 0 or more.
        adv_model_builder: The adversary's builder, or its config (as for
            `ModelBuilder.from_config`): with as many ``cont_feats`` as the model has outputs,
            ``n_out`` and objective for `adv_targets`. Where it has no seed, the adversary's initial
            weights come from the fit's.
        adv_targets: Columns of the file that the adversary predicts.
        adv_update_freq: The adversary is refined at the first and then at every so many-th batch,
            fold or epoch.
        adv_update_on: ``"batch"``: one step, before the model's, on the same batch; the paper's
            Algorithm 1. ``"fold"``: a pass over the fold, before the model trains on it.
            ``"epoch"``: so for each fold of the epoch.
        main_pretrain_cb_partials: Callbacks of the model's own training, which has no others and an
            optimiser of its own, made from the builder's ``opt_args``.

    Attributes:
        adversary: The adversary, a `Model`; ``None`` before the first training.
        history: ``{"train": {"main": [...], "adversary": [...]}, "valid": {...}}``: :math:`L_f` and
            :math:`L_r` of each training fold and each validation.

    The adversary must learn faster than the model, or the two go round in circles: give it the
    larger learning rate, the model one that is the smaller the larger lambda is, and look at
    `history`. Plain ``sgd`` settles where ``adam``, whose steps are of one size however small the
    gradient, does not.

    LUMIN's ``adv_pretrain_cb_partials`` and ``adv_train_cb_partials`` are left out: the adversary
    is trained within the fit, without points of its own. Nothing is saved but the state in
    checkpoints; the adversary is at hand here.

    Raises:
        ConfigError: If an option is out of range, or when the training begins, if the adversary
            does not take the model's outputs or the file has no such columns.
        DataError: If the columns hold what the adversary cannot be trained on.

    Example:
        >>> from lumin_core import ModelBuilder
        >>> from lumin_plugin_callbacks import PivotTraining
        >>> adversary = ModelBuilder("regression", n_out=1, cont_feats=["prediction"])
        >>> pivot = PivotTraining(
        ...     2, 2, adv_coef=5.0, adv_model_builder=adversary, adv_targets="jes"
        ... )
        >>> pivot.adv_update_freq, pivot.adv_update_on
        (1, 'batch')
    """

    example_options: ClassVar[Mapping[str, object]] = {
        "n_pretrain_main": 1,
        "n_pretrain_adv": 1,
        "adv_coef": 0.5,
        "adv_model_builder": {"objective": "regression", "n_out": 1, "cont_feats": ["prediction"]},
        "adv_targets": "weights",
    }

    adversary: Model | None
    history: dict[str, dict[str, list[float]]]

    def __init__(
        self,
        n_pretrain_main: int,
        n_pretrain_adv: int,
        adv_coef: float,
        adv_model_builder: ModelBuilder | Mapping[str, object] | str | Path,
        adv_targets: str | Sequence[str],
        adv_update_freq: int = 1,
        adv_update_on: str = "batch",
        main_pretrain_cb_partials: object = None,
    ) -> None:
        self.n_pretrain_main = _epochs(n_pretrain_main, "n_pretrain_main")
        self.n_pretrain_adv = _epochs(n_pretrain_adv, "n_pretrain_adv")
        if isinstance(adv_coef, bool | str) or not hasattr(adv_coef, "__float__") or not 0 <= adv_coef < np.inf:
            raise ConfigError(f"adv_coef must be a number of at least 0 (it is subtracted), got {adv_coef!r}")
        if adv_update_on not in _TICKS:
            raise ConfigError(f"adv_update_on must be one of {', '.join(_TICKS)}, got {adv_update_on!r}")
        self.adv_coef = float(adv_coef)
        self.adv_model_builder = _builder(adv_model_builder)
        self.adv_targets = as_list(adv_targets)
        check_names("adv_targets", self.adv_targets)
        if not self.adv_targets:
            raise ConfigError("adv_targets must name a column of the fold file, got none")
        self.adv_update_freq = positive(adv_update_freq, "adv_update_freq")
        self.adv_update_on = adv_update_on
        self.main_pretrain_cb_partials = main_pretrain_cb_partials
        self._reset()

    def check_fit(self, fit_params: FitParams) -> None:
        """Refuse columns that the file does not have."""
        check_columns(fit_params.fy, self.adv_targets, "pivot_training")

    def on_train_begin(self, fit_params: FitParams) -> None:
        """Begin anew, with a new adversary."""
        self._reset()
        self._seed = int(fit_params.rng.integers(2**53))
        # torch.manual_seed also queues a call for each kind of device that is not in use yet:
        # 300 us a batch.
        self._seed_torch = torch.default_generator.manual_seed if fit_params.device.type == "cpu" else torch.manual_seed
        builder, n_out = self.adv_model_builder, fit_params.model.n_out
        if builder.seed is None:
            builder = ModelBuilder.from_model_builder(builder, seed=seeds.seed_of(self._seed, "initialisation"))
        adversary = Model(builder, device=fit_params.device)
        if len(builder.cont_feats) != n_out or builder.cat_embedder or adversary.input_mask is not None:
            raise ConfigError(
                f"the adversary is given the model's {n_out} outputs: its builder must have {n_out} cont_feats, no "
                f"cat_embedder and no cont_subsample_rate; its cont_feats are {', '.join(builder.cont_feats)}"
            )
        self._trainable = [parameter for parameter in adversary.model.parameters() if parameter.requires_grad]
        self._hold(adversary)
        self.adversary = adversary

    def on_epoch_begin(self, fit_params: FitParams) -> None:
        """Begin the epoch's stream of random numbers."""
        self._rng = seeds.stream(self._seed, "adversary", fit_params.epoch)

    @hookimpl(wrapper=True)
    def on_fold_begin(self, fit_params: FitParams) -> Generator[None, object, object]:
        """Give the fold its nuisance, when all others have changed it.

        Also pretrain and refine, where it is time.
        """
        result = yield
        targets = current_columns(fit_params, self.adv_targets)
        self._check(targets)
        if fit_params.state == "train":
            if fit_params.sub_epoch == 1:
                self._pretrain(fit_params)
            if self.adv_update_on != "batch":
                number = fit_params.sub_epoch if self.adv_update_on == "fold" else fit_params.epoch
                if self._is_due(number):
                    self._refine_on_fold(fit_params, targets)
        fit_params.by = _Accompanied(fit_params.by, targets)
        self._losses = FoldLoss(), FoldLoss()
        return result

    def on_forwards_end(self, fit_params: FitParams) -> None:
        """Refine the adversary where it is time, and subtract its loss."""
        model, main, w = fit_params.model, fit_params.loss_val, fit_params.w
        if fit_params.state == "test":
            return
        adversary = self._opponent
        y_pred = model.to_prediction(fit_params.y_pred)
        nuisance = cast("_Accompanied", fit_params.by).companion
        nuisance = nuisance.squeeze(1).long() if adversary.objective == "multiclass" else nuisance
        if fit_params.state == "train" and self.adv_update_on == "batch" and self._is_due(fit_params.batch):
            with self._learning():
                self._step(y_pred.detach(), nuisance, w)
        loss = weighted_loss(adversary.loss, adversary.forward(y_pred), nuisance, w)
        fit_params.loss_val = main - self.adv_coef * loss
        for total, value, function in zip(self._losses, (main, loss), (model.loss, adversary.loss), strict=True):
            is_sum = not isinstance(function, BatchLoss) or function.is_weighted_sum
            total.add(value, len(y_pred), w if is_sum else None)

    def on_fold_end(self, fit_params: FitParams) -> None:
        """Keep the parts of the fold's loss."""
        for name, total in zip(("main", "adversary"), self._losses, strict=True):
            self.history[fit_params.state][name].append(total.value())

    def state_dict(self) -> dict[str, object]:
        """Give the adversary's weights and optimiser, and the history."""
        adversary = self._opponent
        return {**adversary.training_state(), "history": self.history}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put them back.

        Args:
            state: As from `state_dict`.
        """
        adversary = self._opponent
        adversary.load_training_state(state)
        self.history = state["history"]

    @property
    def _opponent(self) -> Model:
        """The adversary, which there is from the beginning of a training on."""
        if self.adversary is None:
            raise ConfigError("pivot_training has no adversary before a training: fit a model with this callback first")
        return self.adversary

    def _reset(self) -> None:
        self.adversary = None
        self.history = {state: {"main": [], "adversary": []} for state in ("train", "valid")}

    def _check(self, targets: np.ndarray) -> None:
        adversary = self._opponent
        if adversary.objective == "multiclass":
            check_classes(targets)
        check_targets(targets, adversary)

    def _is_due(self, number: int) -> bool:
        return (number - 1) % self.adv_update_freq == 0

    def _pretrain(self, fit_params: FitParams) -> None:
        if self.n_pretrain_main:
            _log.info("pretraining the model for %s epochs", self.n_pretrain_main)
            self._pretrain_main(fit_params)
        if self.n_pretrain_adv:
            _log.info("pretraining the adversary for %s epochs", self.n_pretrain_adv)
            self._pretrain_adversary(fit_params)

    def _pretrain_main(self, fit_params: FitParams) -> None:
        """Train the model by itself, in a fit within the fit.

        Then all but the weights is put back as it was.
        """
        model, by, opt, recorded = fit_params.model, fit_params.by, fit_params.opt, dict(fit_params.model.record.seeds)
        model.opt = build_optimiser(model.model_builder.opt_args, model.model)
        try:
            fit = prepare_fit(
                model,
                self.n_pretrain_main,
                fit_params.fy,
                fit_params.bs,
                bulk_move=by.bulk_move,
                train_on_weights=by.use_weights,
                trn_idxs=fit_params.trn_idxs,
                cbs=self.main_pretrain_cb_partials,
                cb_savepath=fit_params.cb_savepath / "pretrain",
                visible_bar=False,
                seed=self._draw(),
            )
            run_fit(fit)
        finally:
            model.opt = opt
            model.record.seeds = recorded

    def _pretrain_adversary(self, fit_params: FitParams) -> None:
        """Train the adversary on the model's predictions.

        They are made once, for all training folds.
        """
        fy, model, columns = fit_params.fy, fit_params.model, []
        for idx in fit_params.trn_idxs:
            fold = fy.get_fold(idx)
            preds = model.predict(model.batches(fold["inputs"], fit_params.bs))
            columns.append((preds, fold_columns(fy, self.adv_targets, idx), fold["weights"]))
        preds, targets, weights = (None if c[0] is None else np.concatenate(c) for c in zip(*columns, strict=True))
        self._refine(self._batches(fit_params, preds, targets, weights), self.n_pretrain_adv)

    def _refine_on_fold(self, fit_params: FitParams, targets: np.ndarray) -> None:
        preds = fit_params.model.predict(fit_params.by)
        self._refine(self._batches(fit_params, preds, targets, fit_params.by.weights))

    def _batches(
        self,
        fit_params: FitParams,
        preds: np.ndarray | Tensor | None,
        targets: np.ndarray | None,
        weights: np.ndarray | None,
    ) -> BatchYielder:
        """Make the adversary's batches, of its own order."""
        by, generator = fit_params.by, torch.Generator().manual_seed(self._draw())
        return BatchYielder(
            preds,
            fit_params.bs,
            self._opponent.objective,
            targets,
            weights,
            use_weights=by.use_weights,
            bulk_move=by.bulk_move,
            device=fit_params.device,
            generator=generator,
        )

    def _refine(self, by: BatchYielder, n_passes: int = 1) -> None:
        """Train the adversary, the model held fast."""
        with self._learning():
            for _ in range(n_passes):
                for x, y, w in cast("Iterable[_Batch]", by):
                    self._step(x, y, w)

    def _step(self, x: Tensor, y: Tensor, w: Tensor | None) -> None:
        adversary = self._opponent
        loss = weighted_loss(adversary.loss, adversary.forward(x), y, w)
        adversary.opt.zero_grad()
        loss.backward()
        adversary.opt.step()

    @contextmanager
    def _learning(self) -> Iterator[None]:
        """Let the adversary learn, in the block; the model's dropout draws as without."""
        adversary = self._opponent
        with seeds.torch_forked(adversary.device):
            self._seed_torch(self._draw())
            for parameter in self._trainable:
                parameter.requires_grad_(True)
            adversary.set_mode(training=True)  # what is held would stay in evaluation mode
            try:
                yield
            finally:
                self._hold(adversary)

    def _hold(self, adversary: Model) -> None:
        """Hold the adversary fast: gradients go through it, not to it."""
        adversary.set_mode(training=False)
        for parameter in self._trainable:
            parameter.requires_grad_(False)

    def _draw(self) -> int:
        return int(self._rng.integers(2**53))


class _Accompanied(BatchYielder):
    """The batches of a fold, with a companion.

    The ``companion`` has further columns of the events of the current batch, ``(B, k)``. They
    travel as columns of the inputs while batches are made, so that they are shuffled
    and moved alike.
    """

    def __init__(self, by: BatchYielder, columns: np.ndarray) -> None:
        self.__dict__.update(by.__dict__)
        self._columns_beside = columns.reshape(len(columns), -1).astype(np.float32)
        self._iterate = type(by).__iter__
        self.companion: Tensor = torch.empty(0)

    def __iter__(self) -> Iterator[tuple[Inputs, Tensor | None, Tensor | None]]:
        wide, n, k = copy.copy(self), self.inputs.shape[1], self._columns_beside.shape[1]
        wide.inputs = np.hstack([self.inputs, self._columns_beside])
        if self.input_mask is not None:
            wide.input_mask = [*np.arange(n)[self.input_mask], *range(n, n + k)]
        for x, y, w in self._iterate(wide):
            flat = x[0] if isinstance(x, tuple) else x
            self.companion, flat = flat[:, -k:], flat[:, :-k].contiguous()
            yield (flat, x[1]) if isinstance(x, tuple) else flat, y, w


def _epochs(number: object, name: str) -> int:
    if isinstance(number, bool) or not isinstance(number, SupportsIndex) or number.__index__() < 0:
        raise ConfigError(f"{name} must be a number of epochs, 0 or more, got {number!r}")
    return number.__index__()


def _builder(given: object) -> ModelBuilder:
    if isinstance(given, ModelBuilder):
        return given
    if not isinstance(given, Mapping | str | Path):
        raise ConfigError(f"adv_model_builder must be a ModelBuilder or the config of one, got {given!r}")
    return ModelBuilder.from_config(given)
