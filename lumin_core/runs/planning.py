"""Planning a run: which folds train which model, what is checked, and what is written first."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs
import numpy as np

from lumin_core import registry, seeds
from lumin_core.checks import as_list, check_flags, positive
from lumin_core.errors import ConfigError, option
from lumin_core.model.options import options_of, without
from lumin_core.runs import run_record
from lumin_core.runs.folder import RunFolder
from lumin_core.runs.plan import RunPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import torch

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.model.builder import ModelBuilder

_log = logging.getLogger(__name__)


def plan_run(
    fy: FoldYielder,
    n_models: int,
    bs: int,
    model_builder: ModelBuilder,
    n_epochs: int,
    patience: int | None = None,
    cb_partials: object = None,
    metric_partials: object = None,
    save_best: bool = True,
    train_on_weights: bool = True,
    bulk_move: bool = True,
    excl_idxs: Sequence[int] | int | None = None,
    unique_trn_idxs: bool = False,
    savepath: str | Path = "train_weights",
    seed: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    *,
    retry_failed: bool = False,
    device: str | torch.device | None = None,
    precision: str = "32",
    compile: bool = False,
    ready: Callable[[RunPlan], None] | None = None,
) -> RunPlan:
    """Plan a run: check everything, and write ``run.json`` into its folder.

    Any process that sees the folder and the fold file can then train a model of it by `train_one`,
    and when all are finished `collect` gives the results.

    Args:
        fy: As for `train_models`, as are all others.
        n_models: Number of models.
        bs: Events in a batch.
        model_builder: What to build.
        n_epochs: Highest number of epochs.
        patience: Epochs without improvement after which a training stops.
        cb_partials: Further callbacks.
        metric_partials: Metrics.
        save_best: Whether each training ends with its best model.
        train_on_weights: Whether the file's weights are used.
        bulk_move: Whether a fold is moved to the device at once.
        excl_idxs: Folds to leave out.
        unique_trn_idxs: Whether no fold trains more than one model.
        savepath: The run's folder.
        seed: Seed of everything.
        resume: Whether a run that is there goes on.
        overwrite: Whether an earlier run is replaced.
        retry_failed: Whether models of a run that goes on are trained again where they failed.
        device: Where this plan's models are trained; it is not written down.
        precision: As for `Model`.
        compile: As for `Model`.
        ready: Called with the plan when all is checked and nothing is written: it may refuse.

    Returns:
        The plan; ``len(plan.folds)`` models are to be trained.

    Raises:
        ConfigError: As `train_models`; nothing is written then.
        UnknownComponent: If a component is missing.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder, ModelBuilder
        >>> from lumin_core.runs import collect, plan_run, train_one
        >>> folder = tempfile.mkdtemp()
        >>> with FoldFileWriter(folder + "/train", cont_feats=["x"], targ_feats="y") as file:
        ...     for fold in range(2):
        ...         file.append(fold, inputs=np.ones((32, 1)), targets=np.arange(32) % 2)
        >>> fy = FoldYielder(folder + "/train.hdf5")
        >>> builder = ModelBuilder.from_fy(fy, "classification")
        >>> plan = plan_run(fy, 2, 16, builder, n_epochs=1, savepath=folder + "/run", seed=1)
        >>> for number in range(len(plan.folds)):  # each perhaps on a machine of its own
        ...     _ = train_one(folder + "/run", number)
        >>> len(collect(folder + "/run"))
        2
    """
    check_flags(
        save_best=save_best,
        train_on_weights=train_on_weights,
        bulk_move=bulk_move,
        unique_trn_idxs=unique_trn_idxs,
        resume=resume,
        overwrite=overwrite,
        retry_failed=retry_failed,
        compile=compile,
    )
    if resume and overwrite:
        on, off = option("resume"), option("overwrite")
        raise ConfigError(f"{on} goes on with the run in savepath, {off} removes it: choose one")
    if retry_failed and not resume:
        raise ConfigError(f"{option('retry_failed')} is for a run that goes on: give {option('resume')}, too")
    folder = RunFolder.at(savepath)
    folder.check()
    recorded = folder.recorded() if resume else None
    folds = split_folds(fy, n_models, excl_idxs, unique=unique_trn_idxs)
    builder = model_builder.prepared(fy, [i for i in range(len(fy)) if i not in as_list(excl_idxs)])
    plan = RunPlan(
        fy=fy,
        folds=folds,
        builder=as_begun(builder, recorded.get("model_builder")) if recorded else builder,
        n_epochs=positive(n_epochs, "n_epochs"),
        bs=positive(bs, "bs"),
        callbacks=registry.noting(_callbacks(cb_partials, patience, save_best)),
        metrics=registry.noting(as_list(metric_partials)),
        train_on_weights=train_on_weights,
        bulk_move=bulk_move,
        device=device,
        precision=precision,
        compile=compile,
        seed=seeds.check(recorded["seed"] if recorded and seed is None else seed),
    )
    directions, used = plan.check(folder.path)
    plan = attrs.evolve(plan, components=used, record=run_record.describe(plan, directions, used))
    if ready is not None:
        ready(plan)
    folder.begin(
        plan.record,
        resume=resume,
        overwrite=overwrite,
        retry_failed=retry_failed,
        callbacks=plan.callbacks,
    )
    return plan


def split_folds(
    fy: FoldYielder, n_models: int, excl_idxs: Sequence[int] | int | None = None, *, unique: bool = False
) -> list[tuple[list[int], int]]:
    """Choose training and validation folds of each model.

    Args:
        fy: The data.
        n_models: Number of models.
        excl_idxs: Folds to leave out.
        unique: Whether no fold trains more than one model; then each has an equal number of them,
            as many as there are.

    Returns:
        For each model the training folds and the validation fold.

    Raises:
        ConfigError: If there are too few folds.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder
        >>> from lumin_core.runs import split_folds
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="y") as file:
        ...     for fold in range(4):
        ...         file.append(fold, inputs=np.ones((2, 1)), targets=np.ones(2))
        >>> split_folds(FoldYielder(path), n_models=2, excl_idxs=3)
        [([1, 2], 0), ([0, 2], 1)]
    """
    n_models, excluded = positive(n_models, "n_models"), as_list(excl_idxs)
    if wrong := [i for i in excluded if isinstance(i, bool | np.bool_) or i not in range(len(fy))]:
        raise ConfigError(f"excl_idxs must be among the folds 0 to {len(fy) - 1}, got {wrong}")
    idxs = [i for i in range(len(fy)) if i not in excluded]
    if len(idxs) < 2:
        raise ConfigError(
            f"training and validation need two folds, but {len(idxs)} of {len(fy)} is left; cut the file into more"
        )
    if not unique:
        val_idxs = [idxs[i % len(idxs)] for i in range(n_models)]
        return [([j for j in idxs if j != val], val) for val in val_idxs]
    # Shares of equal size, one a model, begun at the second fold: so no share holds its own
    # validation fold.
    size = len(idxs) // n_models
    if size == 0 or n_models == 1:
        raise ConfigError(
            f"unique_trn_idxs needs at least two models and a fold for each, "
            f"got {n_models} models and {len(idxs)} folds"
        )
    rotated = [*idxs[1:], idxs[0]]
    return [(rotated[i * size : (i + 1) * size], idxs[i]) for i in range(n_models)]


def _callbacks(cb_partials: object, patience: int | None, save_best: bool) -> list[object]:
    """List the callbacks of a run: the caller's, then those of ours that the caller does not give.

    Ours only read the history.
    """
    own: dict[str, object] = {"callbacks/metric_logger": "callbacks/metric_logger"}
    if patience is not None:
        own["callbacks/early_stopping"] = {"name": "callbacks/early_stopping", "patience": patience}
    if save_best:
        own["callbacks/save_best"] = "callbacks/save_best"
    theirs = as_list(cb_partials)
    given = {registry.name_of("callback", spec) for spec in theirs}
    return [*theirs, *(spec for name, spec in own.items() if name not in given)]


def as_begun(builder: ModelBuilder, config: object) -> ModelBuilder:
    """Leave out the targets' scale where a run was begun without, as earlier versions did.

    Args:
        builder: The builder that the run is to go on with.
        config: That of the builder that it was begun with, as far as it is known.

    Returns:
        The builder, or one whose tail has neither ``y_mean`` nor ``y_std``.
    """
    tail, told = builder.specs["tail"], {"y_mean", "y_std"}
    was = config.get("tail") if isinstance(config, dict) else None
    if was is None or not told <= options_of(tail).keys() or told & options_of(was).keys():
        return builder
    _log.warning("the run was begun by a version that did not tell y_mean and y_std to the tail, and goes on without")
    left = without(without(tail, "y_mean"), "y_std")
    if isinstance(left, dict) and left.keys() == {"name"}:
        left = left["name"]
    return builder.with_blocks(tail=left)
