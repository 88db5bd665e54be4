"""Runs: many trainings of one builder on one fold file, one after the other or side by side.

What stands in the folder of a run is in `lumin_core.runs.folder`.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from lumin_core import seeds
from lumin_core.checks import as_list, positive
from lumin_core.errors import ConfigError, option
from lumin_core.runs.folder import RunFolder
from lumin_core.runs.plan import RunPlan
from lumin_core.runs.results import Results
from lumin_core.runs.side_by_side import check_sendable, open_executor, train_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.model.builder import ModelBuilder


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

    Model ``i`` is validated on fold ``i`` (modulo their number) and trained on the others. The
    callbacks ``metric_logger``, ``early_stopping`` (with `patience`) and ``save_best`` are
    added, by name.

    Args:
        fy: The training data.
        n_models: Number of models.
        bs: Events in a batch.
        model_builder: What to build; its seed is overridden by one of `seed`'s for each model.
        n_epochs: Highest number of epochs.
        patience: Epochs without improvement after which a training stops; ``None`` for never.
        cb_partials: Further callbacks, as names, dicts, classes or partials: each
            model gets its own.
        metric_partials: Metrics, likewise.
        save_best: Whether each training ends with its best model, rather than with its last.
        train_on_weights: Whether the file's weights are used.
        bulk_move: Whether a fold is moved to the device at once.
        excl_idxs: Folds to leave out.
        unique_trn_idxs: Whether no fold trains more than one model.
        savepath: The run's folder.
        seed: Seed of everything; ``None`` draws a fresh one, or takes that of the run that goes on.
            Recorded in ``run.json``.
        resume: Whether to go on with the run in `savepath`, where there is one: finished models are
            not trained again, others go on from their last checkpoint, and all end with bit for bit
            the weights of a run that was not interrupted. All options but `executor` must be as
            they were; the fold file may have moved.
        overwrite: Whether an earlier run in `savepath` is replaced; other files there
            are left alone.
        executor: Where to train models side by side: ``"processes"`` or
            ``{"name": "processes", "max_workers": 2}`` (see `lumin_core.runs.executors.Processes`),
            or any `concurrent.futures.Executor` of processes that see `savepath`. The cores are
            shared out among the workers. By default one model follows the other, here.

    Returns:
        The results, in the order of the models; their mean is shown at the end.

    Raises:
        ConfigError: If an option is out of range, a callback or metric is an instance, `savepath`
            holds a run (another one, with `resume`), or something cannot be sent to another
            process. Nothing is written then.
        UnknownComponent: If a component is missing, with what to install, before
            anything is written.
        TrainingFailed: If models failed in workers, when the others have finished, with the causes.
        KeyboardInterrupt: After Ctrl-C: the first ends trainings after their batch, the
            second at once.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder, ModelBuilder, train_models
        >>> folder = tempfile.mkdtemp()
        >>> rng = np.random.default_rng(1)
        >>> with FoldFileWriter(
        ...     folder + "/train", cont_feats=["pt", "eta"], targ_feats="is_signal"
        ... ) as file:
        ...     for fold in range(3):
        ...         file.append(
        ...             fold, inputs=rng.normal(size=(64, 2)), targets=rng.integers(0, 2, size=64)
        ...         )
        >>> fy = FoldYielder(folder + "/train.hdf5")
        >>> builder = ModelBuilder.from_fy(fy, "classification")
        >>> results = train_models(
        ...     fy,
        ...     n_models=2,
        ...     bs=32,
        ...     model_builder=builder,
        ...     n_epochs=1,
        ...     savepath=folder + "/run",
        ...     seed=1,
        ... )
        >>> [result["path"].name for result in results]
        ['model.safetensors', 'model.safetensors']
    """
    if resume and overwrite:
        on, off = option("resume"), option("overwrite")
        raise ConfigError(f"{on} goes on with the run in savepath, {off} removes it: choose one")
    folder = RunFolder(Path(savepath).expanduser().resolve())
    recorded = folder.recorded() if resume and seed is None else None
    plan = RunPlan(
        fy=fy,
        folds=split_folds(fy, n_models, excl_idxs, unique=unique_trn_idxs),
        builder=model_builder,
        n_epochs=positive(n_epochs, "n_epochs"),
        bs=positive(bs, "bs"),
        callbacks=_callbacks(cb_partials, patience, save_best),
        metrics=as_list(metric_partials),
        train_on_weights=train_on_weights,
        bulk_move=bulk_move,
        folder=folder,
        seed=seeds.check(recorded["seed"] if recorded else seed),
    )
    directions, used = plan.check()
    with open_executor(executor) as opened:
        registered = check_sendable(plan, used, opened) if opened else []
        with folder.held():
            folder.begin(plan.describe(used), resume=resume, overwrite=overwrite)
            missing = folder.unfinished(len(plan.folds))
            with _saying_how_to_go_on(folder):
                if opened is not None and missing:
                    train_all(plan, missing, opened, registered)
                else:
                    for number in missing:
                        plan.train(number)
            results = Results([folder.result(number) for number in range(len(plan.folds))], directions)
            results.save(folder.results)
    tqdm.write(f"mean of {len(results)} models: {results.summary()}", file=sys.stderr)
    return results


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


def _callbacks(cb_partials: Any, patience: int | None, save_best: bool) -> list[Any]:
    """List the callbacks of a run: the caller's, then those that only read the history."""
    own = ["metric_logger"]
    if patience is not None:
        own.append({"name": "early_stopping", "patience": patience})  # type: ignore[arg-type]
    return [*as_list(cb_partials), *own, *(["save_best"] if save_best else [])]


@contextmanager
def _saying_how_to_go_on(folder: RunFolder) -> Iterator[None]:
    """Tell whoever pressed Ctrl-C what to do next."""
    try:
        yield
    except KeyboardInterrupt as error:
        how = f"the run in {folder.path} was interrupted; the same call with {option('resume')} goes on"
        raise KeyboardInterrupt(f"{how} ({error})" if str(error) else how) from None
