"""The plan of a run: what each of its models is trained with, and how one is."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import define

from lumin_core import registry, seeds
from lumin_core.data.values import check_finite
from lumin_core.errors import ConfigError, UnknownComponent
from lumin_core.model.builder import ModelBuilder
from lumin_core.model.record import fold_ids
from lumin_core.runs.folder import SCHEMA, RunFolder
from lumin_core.training import fitting
from lumin_core.training.callback import CyclicCallback
from lumin_core.training.evaluation import check_targets
from lumin_core.training.hook_plan import HookPlan
from lumin_core.training.model import Model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.registry import Component
    from lumin_core.training.metric import EvalMetric


class Checked(NamedTuple):
    """What the check of a plan found.

    Attributes:
        directions: What is better, by metric.
        components: The registered components that the plan uses.
    """

    directions: dict[str, str]
    components: Sequence[Component]


@define(frozen=True, kw_only=True)
class RunPlan:
    """What each model of a run is trained with; arguments as for `train_models`.

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
        folder: The run's folder.
        seed: Seed of everything.
    """

    fy: FoldYielder
    folds: Sequence[tuple[list[int], int]]
    builder: ModelBuilder
    n_epochs: int
    bs: int
    callbacks: Sequence[Any]
    metrics: Sequence[Any]
    train_on_weights: bool
    bulk_move: bool
    folder: RunFolder
    seed: int

    def check(self) -> Checked:
        """Refuse what would fail later, before anything is written.

        Raises:
            ConfigError: If an option is out of range, or a callback or metric is an instance.
            DataError: If the data cannot be trained on.
            UnknownComponent: If a component is missing, with what to install.
        """
        for trn_idxs, _ in self.folds:
            fitting.check_batch_size(self.fy, trn_idxs, self.bs)
        fitting.check_features(self.builder, self.fy)
        with registry.recording() as used:
            metrics, plan = self._check_parts()
            model = Model(self.builder, device="cpu")
        _ = self.fy.preprocessing_config  # raises where it cannot be stored with the models
        self._check_targets(model, replaced=bool(plan.calls["on_fold_begin"]))
        return Checked({metric.label: metric.better for metric in metrics}, used)

    def _check_parts(self) -> tuple[list[EvalMetric], HookPlan]:
        """Build callbacks and metrics once."""
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
        callbacks = fitting.build_callbacks(self.callbacks)
        plan = HookPlan(callbacks)
        if len(savers := _cycle_savers(callbacks)) > 1:
            names = " and ".join(type(callback).__name__ for callback in savers)
            raise ConfigError(f"one callback can save its cycles, got {names}; set cycle_save=False for all but one")
        metrics = fitting.build_metrics(self.metrics)
        fitting.check_columns(metrics, self.fy)
        return metrics, plan

    def _check_targets(self, model: Model, replaced: bool) -> None:
        """Look at the targets of the file.

        Whether they suit the model is asked only where no callback may replace them.
        """
        for i in {i for trn_idxs, val_idx in self.folds for i in (*trn_idxs, val_idx)}:
            targets: Any = self.fy.get_column("targets", fold_idx=i, add_newaxis=True)
            check_finite(targets, self.fy.targ_feats, f"targets of fold {i}")
            if not replaced:
                check_targets(targets, model)

    def describe(self, components: Iterable[Component]) -> dict[str, Any]:
        """Give what ``run.json`` says: all that is needed to repeat the run.

        Args:
            components: Those that it uses, for the versions of their distributions.
        """
        try:
            config: Any = self.builder.to_config()
        except registry.UnnamedComponent as error:
            config = _unnamed(error, **vars(self.builder))
        used = {component.distribution: component.version for component in components if component.version}
        return {
            "schema": SCHEMA,
            "model_builder": config,
            "n_models": len(self.folds),
            "n_epochs": self.n_epochs,
            "bs": self.bs,
            "callbacks": [_spec_config("callback", spec) for spec in self.callbacks],
            "metrics": [_spec_config("metric", spec) for spec in self.metrics],
            "train_on_weights": self.train_on_weights,
            "bulk_move": self.bulk_move,
            "foldfile": str(self.fy.foldfile),
            "fold_ids": fold_ids(self.fy),
            "ignore_feats": self.fy.get_ignore(),
            "augmentations": [_spec_config("augmentation", type(part)) for part in self.fy.augmentations],
            "folds": [{"train": trn_idxs, "valid": val_idx} for trn_idxs, val_idx in self.folds],
            "seed": self.seed,
            "versions": {
                **{name: version(name) for name in ("lumin-core", "torch", "numpy")},
                **dict(sorted(used.items())),
            },
        }

    def train(self, number: int, *, visible_bar: bool = True) -> None:
        """Train a model, or go on from its last checkpoint; save it, and say how good it is.

        Args:
            number: Which model.
            visible_bar: Whether to show a progress bar.
        """
        trn_idxs, val_idx = self.folds[number]
        folder = self.folder.of_model(number)
        folder.mkdir(exist_ok=True)
        init, fit = (seeds.seed_of(self.seed, purpose, number) for purpose in ("initialisation", "fit"))
        model = Model(ModelBuilder.from_model_builder(self.builder, seed=init))
        model.fit(
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
            seed=fit,
            resume=True,
        )
        model.save(folder / "model")
        fit_params: Any = model.fit_params
        last = {name: values[-1] for name, values in fit_params.history["valid"].items()}
        kept = last if fit_params.kept is None else fit_params.kept  # of what save_best, say, put in place
        cycles = _cycle_savers(fit_params.cbs)
        result = {
            **{name: float(value) for name, value in kept.items()},
            "history": fit_params.history,
            "cycle_losses": [float(loss) for loss in cycles[0].cycle_losses] if cycles else [],
        }
        self.folder.finish(number, result)


def _cycle_savers(callbacks: Iterable[Any]) -> list[CyclicCallback]:
    return [callback for callback in callbacks if isinstance(callback, CyclicCallback) and callback.cycle_save]


def _spec_config(kind: str, spec: Any) -> Any:
    try:
        return registry.to_config(kind, spec)
    except registry.UnnamedComponent as error:
        return _unnamed(error, given=spec)


def _unnamed(error: registry.UnnamedComponent, **options: Any) -> dict[str, str]:
    """Say why there is no config, and what there is instead.

    The words are the same in every process: without addresses.
    """
    texts = {"unnamed": str(error), **{name: repr(value) for name, value in options.items()}}
    return {name: re.sub(r" at 0x[0-9a-fA-F]+", "", text) for name, text in texts.items()}
