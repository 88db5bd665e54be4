"""Runs: many trainings of one builder on one fold file, one after the other or side by side.

A run has three verbs: `plan_run`, `train_one` for each model, `collect`. `train_models` is their
loop; on a batch farm each verb may be a process of its own. What stands in the folder of a run is
in `lumin_core.runs.folder`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lumin_core.arguments import expect, explained
from lumin_core.checks import check_flags, listed
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.display import count, wrapped
from lumin_core.errors import ConfigError, option
from lumin_core.model.builder import ModelBuilder
from lumin_core.runs import run_record
from lumin_core.runs.folder import RunFolder
from lumin_core.runs.planning import plan_run
from lumin_core.runs.results import Results
from lumin_core.runs.side_by_side import SideBySide
from lumin_core.runs.submitting import open_executor
from lumin_core.training import fitting
from lumin_core.training.device import pick_device
from lumin_core.training.progress import line_width, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import torch

    from lumin_core.runs.result import Result
    from lumin_core.runs.same_run import Record


@explained
def train_models(
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
    executor: object = None,
    *,
    retry_failed: bool = False,
    device: str | torch.device | None = None,
    precision: str = "32",
    compile: bool = False,
    visible_bar: bool = True,
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
            the weights of a run that was not interrupted. There may be more models and more epochs
            (models that were trained for all epochs then begin anew), `executor`, `device`,
            `bulk_move` and `visible_bar` may be others, and the fold file may have moved. All other
            options must be as they were.
        overwrite: Whether an earlier run in `savepath` is replaced; other files there
            are left alone.
        executor: Where to train models side by side: ``"processes"`` or
            ``{"name": "processes", "max_workers": 2}`` (of lumin-plugin-farm), any
            `concurrent.futures.Executor` of processes that see `savepath`, or what follows the
            protocol `lumin_core.runs.Executor`. The cores are shared out among the workers. By
            default one model follows the other, here.
        retry_failed: Whether models of the run that goes on are trained again, each with another
            seed, where their training diverged; otherwise they stay as they are.
        device: Where to train, as for `Model`; by default what each process finds.
        precision: As for `Model`.
        compile: As for `Model`.
        visible_bar: Whether to show a progress bar.

    Returns:
        The results, in the order of the models; their mean is shown at the end. A model whose
        training diverged says so as ``failed``, see `Results`.

    Raises:
        ConfigError: If an option is out of range, a callback or metric is an instance, `savepath`
            holds a run (another one, with `resume`), something cannot be sent to another
            process, or no worker answers. Nothing is written then.
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
    expect(fy, FoldYielder, "fy")
    expect(model_builder, ModelBuilder, "model_builder")
    check_flags(visible_bar=visible_bar)
    folder = RunFolder.at(savepath)
    if executor is None:
        pick_device(device)
    with open_executor(executor) as opened:
        crew = None if opened is None else SideBySide(opened)
        plan = plan_run(
            fy,
            n_models,
            bs,
            model_builder,
            n_epochs,
            patience,
            cb_partials,
            metric_partials,
            save_best,
            train_on_weights,
            bulk_move,
            excl_idxs,
            unique_trn_idxs,
            savepath,
            seed,
            resume,
            overwrite,
            retry_failed=retry_failed,
            device=device,
            precision=precision,
            compile=compile,
            ready=None if crew is None else crew.meet,
        )
        with _saying_how_to_go_on(folder):
            missing = folder.unfinished(len(plan.folds))
            if crew is not None and missing:
                crew.train(plan, folder, missing, visible_bar=visible_bar)
            else:
                for number in missing:
                    plan.train(folder, number, visible_bar=visible_bar)
            results = _gathered(folder, plan.record)
    _show(results)
    return results


def _show(results: Results) -> None:
    """Show the mean of the results, and which models failed."""
    lines = [f"model {number} failed: {why}" for number, why in results.failures().items()]
    if lines:
        lines.append(f"the same call with {option('resume')} and {option('retry_failed')} trains these again")
    mean = f"mean of {count(len(results) - len(results.failures()), 'model')}: {results.summary()}"
    lines += wrapped(mean, line_width())
    say("\n".join(lines))


def train_one(
    folder: str | Path,
    number: int,
    *,
    fy: FoldYielder | None = None,
    device: str | None = None,
    visible_bar: bool = True,
) -> Result:
    """Train one model of a run that was planned, from what its folder says.

    A model that is finished is left as it is, another goes on from its last checkpoint. Other
    processes may train other models of the run meanwhile.

    Args:
        folder: The run's folder.
        number: Which model, from 0.
        fy: The training data; by default the file that the run was planned with is opened.
        device: Where to train, as for `Model`.
        visible_bar: Whether to show a progress bar.

    Returns:
        Its result, as in `Results`.

    Raises:
        ConfigError: If there is no such run or model, another process trains it, the data are
            others, or the run has parts without a name, which its folder cannot tell.
        UnknownComponent: If a component is not installed.
        FoldFileError: If the fold file is not where it was.

    Example:
        >>> from lumin_core.runs import train_one
        >>> train_one("no_such_folder", 0)
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: .../no_such_folder holds no run; ...
    """
    run = RunFolder.at(folder)
    plan = run_record.read_plan(run, fy)
    if isinstance(number, bool) or number not in range(len(plan.folds)):
        raise ConfigError(f"the run in {run.path} has models 0 to {len(plan.folds) - 1}, got {number!r}")
    plan.train(run, number, device=device, visible_bar=visible_bar)
    return run.result(number)


def collect(folder: str | Path) -> Results:
    """Gather the results of a run whose models are finished, and write ``results.json``.

    Args:
        folder: The run's folder.

    Returns:
        The results, in the order of the models.

    Raises:
        ConfigError: If there is no run, or models of it are not finished.

    Example:
        >>> from lumin_core.runs import collect
        >>> collect("no_such_folder")
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: .../no_such_folder holds no run; ...
    """
    run = RunFolder.at(folder)
    return _gathered(run, run.required())


def _gathered(folder: RunFolder, record: Record) -> Results:
    if missing := folder.unfinished(record["n_models"]):
        raise ConfigError(
            f"models {listed(missing)} of the run in {folder.path} are not finished; train_one trains one of them"
        )
    with folder.held():
        results = Results([folder.result(number) for number in range(record["n_models"])], _directions(record))
        results.save(folder.results)
    return results


def _directions(record: Record) -> dict[str, str]:
    """Return what is better, by metric; a run of an earlier version did not write it down."""
    if "directions" in record:
        return dict(record["directions"])
    return {metric.label: metric.better for metric in fitting.build_metrics(record["metrics"])}


@contextmanager
def _saying_how_to_go_on(folder: RunFolder) -> Iterator[None]:
    """Tell whoever pressed Ctrl-C what to do next."""
    try:
        yield
    except KeyboardInterrupt as error:
        how = f"the run in {folder.path} was interrupted; the same call with {option('resume')} goes on"
        raise KeyboardInterrupt(f"{how} ({error})" if str(error) else how) from None
