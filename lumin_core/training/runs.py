"""Runs: many trainings of one builder on one fold file, in a folder that says how to repeat them.

::

    train_weights/
        run.json                     resolved config, versions, seed
        results.json                 losses, metrics and their directions, paths relative to this file
        model_<i>/model.safetensors  the model as its training ended (the best one, where save_best reloads it)
        model_<i>/best.safetensors   the best one by validation loss or main metric
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from attrs import define

from lumin_core import registry, seeds
from lumin_core.data.checks import check_finite
from lumin_core.data.safe_file import Staged
from lumin_core.errors import ConfigError, UnknownComponent
from lumin_core.model.builder import ModelBuilder
from lumin_core.training import fitting
from lumin_core.training.hook_plan import HookPlan
from lumin_core.training.loop import check_targets
from lumin_core.training.model import Model

if TYPE_CHECKING:
    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.training.metric import EvalMetric

_log = logging.getLogger(__name__)
_SCHEMA = 1
_OWN = re.compile(r"(model|best|(epoch|cycle)_\d+)\.safetensors")  # what a run writes into the folder of a model


class Results(Sequence[dict[str, Any]]):
    """What `train_models` gives: a sequence of one dict a model.

    Each has ``loss`` (validation loss), every metric by its label, ``path`` (of the model's file), ``history`` and
    ``cycle_losses``; losses and metrics are those of the model in that file.

    Args:
        results: The dicts.
        directions: ``"lower"``, ``"higher"`` or ``"zero"`` by metric; ``loss`` is ``"lower"`` anyway.

    Example:
        >>> from lumin_core.training.runs import Results
        >>> results = Results([{"loss": 0.4}, {"loss": 0.3}], {})
        >>> results.best(1)
        [{'loss': 0.3}]
    """

    def __init__(self, results: Sequence[dict[str, Any]], directions: dict[str, str]) -> None:
        self._results, self._directions = list(results), {"loss": "lower", **directions}

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        """Give the dict of a model."""
        return self._results[index]

    def __len__(self) -> int:
        """Number of models."""
        return len(self._results)

    def __repr__(self) -> str:
        """Show a line a model."""
        keys = [key for key in self._directions if all(key in result for result in self._results)]
        lines = [f"  {i}: " + ", ".join(f"{key} {result[key]:.5g}" for key in keys) for i, result in enumerate(self)]
        return "\n".join([f"Results of {len(self)} models", *lines])

    def direction(self, metric: str) -> str:
        """Give what is better for a metric: ``"lower"``, ``"higher"`` or ``"zero"``.

        Raises:
            ConfigError: If the run had no such metric.
        """
        if metric not in self._directions:
            raise ConfigError(f"the run has no metric {metric!r}; it has {', '.join(self._directions)}")
        return self._directions[metric]

    def best(self, size: int, metric: str = "loss") -> list[dict[str, Any]]:
        """Give the best models, the best first.

        Args:
            size: How many.
            metric: By what.

        Raises:
            ConfigError: If there are fewer, or the run had no such metric.
        """
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= len(self):
            raise ConfigError(f"the run has {len(self)} models, from which {size!r} cannot be taken")
        keys = {"lower": lambda v: v, "higher": lambda v: -v, "zero": abs}
        key = keys[self.direction(metric)]

        def rank(result: dict[str, Any]) -> float:
            value = key(float(result[metric]))
            return math.inf if math.isnan(value) else value

        return sorted(self._results, key=rank)[:size]

    def save(self, path: Path) -> None:
        """Write ``results.json``; paths in it are relative to its folder.

        Args:
            path: The file.
        """
        results = [{**r, "path": Path(r["path"]).relative_to(path.parent).as_posix()} for r in self._results]
        write_json(path, {"schema": _SCHEMA, "directions": self._directions, "results": results})

    @classmethod
    def load(cls, path: str | Path) -> Results:
        """Read ``results.json``.

        Args:
            path: The file, or the run's folder.

        Raises:
            ConfigError: If there is none, or it is damaged.
        """
        path = Path(path)
        path = path / "results.json" if path.is_dir() else path
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["schema"] > _SCHEMA:
                raise ValueError(f"schema {content['schema']} is of a later lumin-core, which reads it")
            results = [{**result, "path": path.parent / result["path"]} for result in content["results"]]
            return cls(results, content["directions"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"cannot read the results {path}: {error}; give the folder of a finished run") from error


@define(frozen=True)
class _Plan:
    """What each model of a run is trained with."""

    builder: ModelBuilder
    n_epochs: int
    bs: int
    callbacks: list[Any]
    metrics: list[Any]
    train_on_weights: bool
    bulk_move: bool
    folder: Path
    seed: int


def train_models(
    fy: FoldYielder,
    n_models: int,
    bs: int,
    model_builder: ModelBuilder,
    n_epochs: int,
    patience: int | None = None,
    cb_partials: Sequence[Any] | Any = None,
    metric_partials: Sequence[Any] | Any = None,
    save_best: bool = True,
    train_on_weights: bool = True,
    bulk_move: bool = True,
    excl_idxs: Sequence[int] | int | None = None,
    unique_trn_idxs: bool = False,
    savepath: str | Path = "train_weights",
    seed: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    executor: Any = None,
) -> Results:
    """Train several models, each with another validation fold, and keep them in a folder.

    Model ``i`` is validated on fold ``i`` (modulo their number) and trained on the others. The callbacks
    ``metric_logger``, ``early_stopping`` (with `patience`) and ``save_best`` are added, by name.

    Args:
        fy: The training data.
        n_models: Number of models.
        bs: Events in a batch.
        model_builder: What to build; its seed is overridden by one of `seed`'s for each model.
        n_epochs: Highest number of epochs.
        patience: Epochs without improvement after which a training stops; ``None`` for never.
        cb_partials: Further callbacks, as names, dicts, classes or partials: each model gets its own.
        metric_partials: Metrics, likewise.
        save_best: Whether each training ends with its best model, rather than with its last.
        train_on_weights: Whether the file's weights are used.
        bulk_move: Whether a fold is moved to the device at once.
        excl_idxs: Folds to leave out.
        unique_trn_idxs: Whether no fold trains more than one model.
        savepath: The run's folder.
        seed: Seed of everything; ``None`` draws a fresh one. Recorded in ``run.json``.
        resume: Not available yet: see the changelog.
        overwrite: Whether an earlier run in `savepath` is replaced; other files there are left alone.
        executor: Not available yet: see the changelog.

    Returns:
        The results.

    Raises:
        ConfigError: If an option is out of range, a callback or metric is an instance, or `savepath` holds a run.
        UnknownComponent: If a component is missing, with what to install, before anything is written.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder, ModelBuilder, train_models
        >>> folder = tempfile.mkdtemp()
        >>> rng = np.random.default_rng(1)
        >>> with FoldFileWriter(folder + "/train", cont_feats=["pt", "eta"], targ_feats="is_signal") as file:
        ...     for fold in range(3):
        ...         file.append(fold, inputs=rng.normal(size=(64, 2)), targets=rng.integers(0, 2, size=64))
        >>> fy = FoldYielder(folder + "/train.hdf5")
        >>> builder = ModelBuilder.from_fy(fy, "classification")
        >>> results = train_models(
        ...     fy, n_models=2, bs=32, model_builder=builder, n_epochs=1, savepath=folder + "/run", seed=1
        ... )
        >>> [result["path"].name for result in results]
        ['model.safetensors', 'model.safetensors']
    """
    for name, value, off in (("resume", resume, False), ("executor", executor, None)):
        if value is not off:
            raise ConfigError(f"{name}={value!r} is not available in lumin-core 0.1; leave it out")
    folds = split_folds(fy, n_models, excl_idxs, unique=unique_trn_idxs)
    plan = _Plan(
        builder=model_builder, n_epochs=fitting.check_positive(n_epochs, "n_epochs"),
        bs=fitting.check_positive(bs, "bs"),
        train_on_weights=train_on_weights, bulk_move=bulk_move,
        callbacks=_callbacks(cb_partials, patience, save_best),
        metrics=fitting.as_list(metric_partials), folder=Path(savepath).expanduser().resolve(), seed=seeds.check(seed),
    )  # fmt: skip
    metrics = _check(plan, fy, folds)
    _prepare_folder(plan.folder, overwrite=overwrite)
    write_json(plan.folder / "run.json", _describe(plan, fy, folds))
    results = [_train_one(plan, fy, i, *idxs) for i, idxs in enumerate(folds)]
    run = Results(results, {metric.label: metric.better for metric in metrics})
    run.save(plan.folder / "results.json")
    return run


def split_folds(
    fy: FoldYielder, n_models: int, excl_idxs: Sequence[int] | int | None = None, *, unique: bool = False
) -> list[tuple[list[int], int]]:
    """Choose training and validation folds of each model.

    Args:
        fy: The data.
        n_models: Number of models.
        excl_idxs: Folds to leave out.
        unique: Whether no fold trains more than one model; then each has an equal number of them, as many as there are.

    Returns:
        For each model the training folds and the validation fold.

    Raises:
        ConfigError: If there are too few folds.
    """
    n_models, excluded = fitting.check_positive(n_models, "n_models"), fitting.as_list(excl_idxs)
    if wrong := [i for i in excluded if i not in range(len(fy))]:
        raise ConfigError(f"excl_idxs must be among the folds 0 to {len(fy) - 1}, got {wrong}")
    idxs = [i for i in range(len(fy)) if i not in excluded]
    if len(idxs) < 2:
        raise ConfigError(
            f"training and validation need two folds, but {len(idxs)} of {len(fy)} is left; cut the file into more"
        )
    if not unique:
        val_idxs = [idxs[i % len(idxs)] for i in range(n_models)]
        return [([j for j in idxs if j != val], val) for val in val_idxs]
    # Shares of equal size, one a model, begun at the second fold: so no share holds its own validation fold.
    size = len(idxs) // n_models
    if size == 0 or n_models == 1:
        raise ConfigError(
            f"unique_trn_idxs needs at least two models and a fold for each, "
            f"got {n_models} models and {len(idxs)} folds"
        )
    rotated = [*idxs[1:], idxs[0]]
    return [(rotated[i * size : (i + 1) * size], idxs[i]) for i in range(n_models)]


def write_json(path: Path, content: Any) -> None:
    """Write JSON under a temporary name, then rename: a reader never sees half of it.

    Args:
        path: The file.
        content: JSON values.
    """
    staged = Staged(path)
    try:
        staged.part.write_text(json.dumps(content, indent=1), encoding="utf-8")
        staged.commit()
    except OSError as error:
        staged.discard()
        raise ConfigError(f"cannot write {path}: {error}") from error
    except BaseException:
        staged.discard()
        raise


def _callbacks(cb_partials: Any, patience: int | None, save_best: bool) -> list[Any]:
    """List the callbacks of a run: the caller's, then those that only read the history."""
    own = ["metric_logger"]
    if patience is not None:
        own.append({"name": "early_stopping", "patience": patience})  # type: ignore[arg-type]
    return [*fitting.as_list(cb_partials), *own, *(["save_best"] if save_best else [])]


def _check(plan: _Plan, fy: FoldYielder, folds: list[tuple[list[int], int]]) -> list[EvalMetric]:
    """Refuse what would fail later, before anything is written; give metrics, built once, for their directions."""
    for trn_idxs, _ in folds:
        fitting.check_batch_size(fy, trn_idxs, plan.bs)
    fitting.check_features(plan.builder, fy)
    try:
        for spec in plan.callbacks:
            registry.resolve("callback", spec)
    except UnknownComponent as error:
        error.add_note(
            "train_models adds metric_logger, early_stopping and save_best: pip install lumin-plugin-callbacks"
        )
        raise
    for spec in plan.metrics:
        registry.resolve("metric", spec)
    HookPlan(fitting.build_callbacks(plan.callbacks))
    metrics = fitting.build_metrics(plan.metrics)
    fitting.check_columns(metrics, fy)
    _ = fy.preprocessing_config  # raises where it cannot be stored with the models
    model = Model(plan.builder, device="cpu")
    for i in {i for trn_idxs, val_idx in folds for i in (*trn_idxs, val_idx)}:
        targets: Any = fy.get_column("targets", fold_idx=i, add_newaxis=True)
        check_finite(targets, fy.targ_feats, f"targets of fold {i}")
        check_targets(targets, model)
    return metrics


def _prepare_folder(folder: Path, *, overwrite: bool) -> None:
    """Make the run's folder; of an earlier run there, remove what a run writes and nothing else."""
    names = ("run.json", "results.json")
    earlier = [folder / name for name in names if (folder / name).exists()]
    models = [path for path in folder.glob("model_*") if path.is_dir() and path.name.removeprefix("model_").isdigit()]
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"savepath {folder} is a file; give a folder")
    if models and not earlier:
        raise ConfigError(
            f"{folder} holds model folders that belong to no run ({models[0].name}); choose another savepath"
        )
    if earlier and not overwrite:
        raise ConfigError(
            f"{folder} holds an earlier run; choose another savepath, or pass overwrite=True to replace it"
        )
    try:
        for path in [
            *(file for model in models for file in model.iterdir() if _OWN.fullmatch(file.name)),
            *reversed(earlier),
        ]:
            path.unlink()
        for path in models:
            with suppress(OSError):  # files of others are in it
                path.rmdir()
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write to savepath {folder}: {error}") from error


def _describe(plan: _Plan, fy: FoldYielder, folds: list[tuple[list[int], int]]) -> dict[str, Any]:
    """Give what ``run.json`` says: all that is needed to repeat the run."""
    try:
        config: Any = plan.builder.to_config()
    except registry.UnnamedComponent as error:
        config = {"unnamed": str(error)}
    return {
        "schema": _SCHEMA,
        "model_builder": config,
        "n_epochs": plan.n_epochs,
        "bs": plan.bs,
        "callbacks": [_spec_config("callback", spec) for spec in plan.callbacks],
        "metrics": [_spec_config("metric", spec) for spec in plan.metrics],
        "train_on_weights": plan.train_on_weights,
        "bulk_move": plan.bulk_move,
        "foldfile": str(fy.foldfile),
        "ignore_feats": fy.get_ignore(),
        "augmentations": [_spec_config("augmentation", type(part)) for part in fy.augmentations],
        "augmentation_seed": fy.seed,
        "folds": [{"train": trn, "valid": val} for trn, val in folds],
        "seed": plan.seed,
        "versions": {name: version(name) for name in ("lumin-core", "torch", "numpy")},
    }


def _spec_config(kind: str, spec: Any) -> Any:
    try:
        return registry.to_config(kind, spec)
    except registry.UnnamedComponent as error:
        return {"unnamed": str(error)}


def _train_one(plan: _Plan, fy: FoldYielder, number: int, trn_idxs: list[int], val_idx: int) -> dict[str, Any]:
    """Train a model, save it, and say how good it is."""
    _log.info("model %s: training on folds %s, validating on fold %s", number, trn_idxs, val_idx)
    folder = plan.folder / f"model_{number}"
    folder.mkdir(exist_ok=True)
    init, fit = (seeds.seed_of(plan.seed, purpose, number) for purpose in ("initialisation", "fit"))
    model = Model(ModelBuilder.from_model_builder(plan.builder, seed=init))
    model.fit(
        plan.n_epochs, fy, plan.bs, bulk_move=plan.bulk_move, train_on_weights=plan.train_on_weights,
        trn_idxs=trn_idxs, val_idx=val_idx, cbs=plan.callbacks, metrics=plan.metrics, cb_savepath=folder, seed=fit,
    )  # fmt: skip
    fit_params: Any = model.fit_params
    last = {name: values[-1] for name, values in fit_params.history["valid"].items()}
    return {
        **fit_params.data.get("kept", last),  # of the model that a callback such as save_best put in place at the end
        "path": model.save(folder / "model"),
        "history": fit_params.history,
        "cycle_losses": [],
    }
