"""The plan of a run: what each of its models is trained with, and how one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from attrs import define, field

from lumin_core import registry, seeds
from lumin_core.data.values import check_finite
from lumin_core.errors import ConfigError, Diverged, UnknownComponent
from lumin_core.model.builder import ModelBuilder
from lumin_core.runs.result import result_of, without_model
from lumin_core.runs.same_run import continued, differences
from lumin_core.training import fitting
from lumin_core.training.callback import CyclicCallback
from lumin_core.training.device import pick_device
from lumin_core.training.loop import run_fit, try_out
from lumin_core.training.model import Model
from lumin_core.training.suitability import check_metrics, check_targets_of, check_weights_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy as np
    import torch

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.registry import Component
    from lumin_core.runs.folder import RunFolder
    from lumin_core.runs.result import Result
    from lumin_core.runs.same_run import Record
    from lumin_core.training.fitting import Fit


@define(frozen=True, kw_only=True)
class RunPlan:
    """What each model of a run is trained with; arguments as for `train_models`.

    `lumin_core.runs.plan_run` makes one.

    Attributes:
        fy: The training data.
        folds: For each model its training folds and its validation fold.
        builder: What to build.
        n_epochs: Highest number of epochs.
        bs: Events in a batch.
        callbacks: Specifications of all callbacks.
        metrics: Specifications of the metrics.
        train_on_weights: Whether the file's weights are used.
        bulk_move: Whether a fold is moved to the device at once.
        seed: Seed of everything.
        device: Where to train; ``None`` for what each process finds.
        precision: As for `Model`.
        compile: As for `Model`.
        components: The registered components that it uses.
        record: What ``run.json`` says of it.
    """

    fy: FoldYielder
    folds: Sequence[tuple[list[int], int]]
    builder: ModelBuilder
    n_epochs: int
    bs: int
    callbacks: Sequence[object]
    metrics: Sequence[object]
    train_on_weights: bool
    bulk_move: bool
    seed: int
    device: str | torch.device | None = None
    precision: str = "32"
    compile: bool = False
    components: Sequence[Component] = ()
    record: Record = field(factory=dict, repr=False)

    def check(self, folder: Path) -> tuple[dict[str, str], list[Component]]:
        """Refuse what would fail later, before anything is written.

        Args:
            folder: That of the run.

        Returns:
            What is better, by metric; and the registered components that the plan uses.

        Raises:
            ConfigError: If an option is out of range, or a callback or metric is an instance.
            DataError: If the data cannot be trained on.
            UnknownComponent: If a component is missing, with what to install.
        """
        _ = self.fy.preprocessing_config  # raises where it cannot be stored with the models
        for i in self._used_folds():
            targets = cast("np.ndarray", self.fy.get_column("targets", fold_idx=i, add_newaxis=True))
            check_finite(targets, self.fy.targ_feats, f"targets of fold {i}")
        with registry.recording() as used:
            self._resolve_parts()
            fit = self._prepared(Model(self.builder, "cpu", self.precision), 0, folder / "model_0", self.seed)
        if len(savers := _cycle_savers(fit.params.cbs)) > 1:
            names = " and ".join(type(callback).__name__ for callback in savers)
            raise ConfigError(f"one callback can save its cycles, got {names}; set cycle_save=False for all but one")
        self._check_other_folds(fit)
        self._try_out(fit)
        return {metric.label: metric.better for metric in fit.params.metrics}, used

    def _used_folds(self) -> set[int]:
        return {i for trn_idxs, val_idx in self.folds for i in (*trn_idxs, val_idx)}

    def _resolve_parts(self) -> None:
        """Refuse callbacks and metrics that are missing, or instances, which models would share."""
        try:
            for spec in self.callbacks:
                registry.resolve("callback", spec)
        except UnknownComponent as error:
            error.add_note(
                "train_models adds metric_logger, early_stopping and save_best: pip install lumin-plugin-callbacks"
            )
            raise
        for spec in self.metrics:
            registry.resolve("metric", spec)

    def _check_other_folds(self, first: Fit) -> None:
        """Refuse folds that do not suit: those that the fit of the first model did not look at."""
        for trn_idxs, _ in self.folds:
            fitting.check_batch_size(self.fy, trn_idxs, self.bs)
        if first.plan.calls["on_fold_begin"]:  # which may replace targets and weights
            return
        model, (trn_idxs, first_val_idx) = first.params.model, self.folds[0]
        others = self._used_folds().difference(trn_idxs, [first_val_idx])
        check_targets_of(model, self.fy, others)
        if self.train_on_weights:
            check_weights_of(model, self.fy, others)
        for val_idx in sorted({val_idx for _, val_idx in self.folds} - {first_val_idx}):
            check_metrics(model, self.fy, val_idx, first.params.metrics, use_weights=self.train_on_weights)

    def _try_out(self, fit: Fit) -> None:
        """Try a step on the CPU; what it cannot do, the device of the training may."""
        try:
            try_out(fit)
        except ConfigError:
            if pick_device(self.device).type == "cpu":
                raise

    def _prepared(
        self, model: Model, number: int, folder: Path, seed: int, *, visible_bar: bool = False, resume: bool = False
    ) -> Fit:
        """Make the fit of a model ready to run."""
        trn_idxs, val_idx = self.folds[number]
        return fitting.prepare_fit(
            model,
            self.n_epochs,
            self.fy,
            self.bs,
            bulk_move=self.bulk_move,
            train_on_weights=self.train_on_weights,
            trn_idxs=trn_idxs,
            val_idx=val_idx,
            cbs=self.callbacks,
            metrics=self.metrics,
            cb_savepath=folder,
            visible_bar=visible_bar,
            seed=seed,
            resume=resume,
        )

    def train(self, folder: RunFolder, number: int, *, device: str | None = None, visible_bar: bool = True) -> None:
        """Train a model, or go on from its last checkpoint; save it, and say how good it is.

        A finished one is left as it is.

        Args:
            folder: The run's folder.
            number: Which model.
            device: Where to train, as for `Model`, where the plan does not say.
            visible_bar: Whether to show a progress bar.

        Raises:
            ConfigError: If another process trains it, or the folder holds another run by now.
        """
        with folder.training(number):
            recorded = folder.recorded() or {}
            if differ := differences(recorded, continued(self.record, recorded)):
                raise ConfigError(f"the run in {folder.path} was replaced by another meanwhile:\n{differ}")
            if not folder.is_finished(number):
                folder.finish(number, self._train(folder, number, device, visible_bar))

    def _train(self, run: RunFolder, number: int, device: str | None, visible_bar: bool) -> Result:
        folder = run.of_model(number)
        folder.mkdir(exist_ok=True)
        seed = (run.retry(number) or {"seed": self.seed})["seed"]
        init_seed, fit_seed = (seeds.seed_of(seed, purpose, number) for purpose in ("initialisation", "fit"))
        builder = ModelBuilder.from_model_builder(self.builder, seed=init_seed)
        model = Model(builder, self.device or device, self.precision, self.compile)
        fit = self._prepared(model, number, folder, fit_seed, visible_bar=visible_bar, resume=True)
        model.fit_params = fit.params
        try:
            run_fit(fit)
        except Diverged:
            if fit.params.failed is None:  # raised by something else in the fit
                raise
            return without_model(fit.params)
        model.save(folder / "model")
        cycle_losses = [float(loss) for saver in _cycle_savers(fit.params.cbs) for loss in saver.cycle_losses]
        return result_of(fit.params, cycle_losses)


def _cycle_savers(callbacks: Iterable[object]) -> list[CyclicCallback]:
    return [callback for callback in callbacks if isinstance(callback, CyclicCallback) and callback.cycle_save]
