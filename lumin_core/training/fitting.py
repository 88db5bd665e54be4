"""Before a fit: what would fail later is refused now.

Callbacks and metrics are made from names, folds and features are checked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from attrs import define

from lumin_core import registry, seeds
from lumin_core.arguments import expect
from lumin_core.checks import as_list, check_flags, check_keys, listed, positive
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError, DataError
from lumin_core.files import naming
from lumin_core.model.features import model_features
from lumin_core.training.checkpoint import Checkpoints
from lumin_core.training.fit_params import FitParams
from lumin_core.training.hook_plan import HookPlan, noting
from lumin_core.training.suitability import check_batch_of_one, check_metrics, check_targets_of, check_weights_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.model.builder import ModelBuilder
    from lumin_core.training.metric import EvalMetric
    from lumin_core.training.network import Network


def build_callbacks(cbs: object) -> list[object]:
    """Build callbacks from names, dicts, classes, partials and objects.

    Args:
        cbs: One or several; ``None`` for none.

    Returns:
        The callbacks, in their order.
    """
    return [registry.build("callback", spec) for spec in as_list(cbs)]


def build_metrics(metrics: object) -> list[EvalMetric]:
    """Build metrics, likewise.

    Raises:
        ConfigError: If two have one label, or two are the main one.
    """
    built: list[EvalMetric] = [registry.build("metric", spec) for spec in as_list(metrics)]
    labels = [metric.label for metric in built]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ConfigError(f"two metrics are called {', '.join(twice)}; give each a label=... of its own")
    if taken := sorted({"loss", "path", "history", "cycle_losses"} & set(labels)):
        raise ConfigError(
            f"a metric cannot be called {', '.join(taken)}, as results hold that too; give it another label=..."
        )
    if (n_main := sum(metric.main_metric for metric in built)) > 1:
        raise ConfigError(
            f"one metric can be the main one, got {n_main}; set main_metric for one of {', '.join(labels)}"
        )
    return built


@define(frozen=True, kw_only=True, eq=False)
class Fit:
    """A fit that is ready to run: see `prepare_fit` and `lumin_core.training.fit_steps`.

    Attributes:
        params: Its state, which callbacks are handed.
        plan: The callbacks' points.
        seed: Seed of fold order, augmentation, shuffling, dropout and callbacks.
        bulk_move: Whether a fold is moved to the device at once.
        train_on_weights: Whether the weights of the fold file are used.
        visible_bar: Whether to show a progress bar.
        checkpoints: Where the state is kept after every epoch, if it is to be.
    """

    params: FitParams
    plan: HookPlan
    seed: int
    bulk_move: bool = True
    train_on_weights: bool = True
    visible_bar: bool = True
    checkpoints: Checkpoints | None = None


def prepare_fit(
    network: Network,
    n_epochs: int,
    fy: FoldYielder,
    bs: int,
    *,
    bulk_move: bool = True,
    train_on_weights: bool = True,
    trn_idxs: Sequence[int] | None = None,
    val_idx: int | None = None,
    cbs: object = None,
    metrics: object = None,
    cb_savepath: str | Path = "train_weights",
    visible_bar: bool = True,
    seed: int | None = None,
    resume: bool = False,
) -> Fit:
    """Make a fit ready to run, and refuse what would fail later; arguments as for `Model.fit`.

    Raises:
        ConfigError: If an option is out of range, or the features are not the builder's.
        DataError: If a training fold is smaller than a batch, or the data do not suit the model or
            the metrics.
        ShapeError: If the number of targets is not that of the outputs.
        HookError: If a callback has a point that does not exist.
    """
    expect(fy, FoldYielder, "fy")
    check_flags(bulk_move=bulk_move, train_on_weights=train_on_weights, visible_bar=visible_bar, resume=resume)
    n_epochs, bs = positive(n_epochs, "n_epochs"), positive(bs, "bs")
    trn_idxs, val_idx = choose_folds(fy, trn_idxs, val_idx)
    check_features(network.model_builder, fy)
    check_batch_size(fy, trn_idxs, bs)
    network.prepare_for(fy, _folds_of(trn_idxs, val_idx))
    if not any(parameter.requires_grad for parameter in network.model.parameters()):
        raise ConfigError("all parameters are frozen; unfreeze_layers() of the model or of one of its blocks first")
    specs, metric_specs = as_list(cbs), as_list(metrics)
    callbacks = build_callbacks(specs)
    if (built := build_metrics(metric_specs)) and val_idx is None:
        raise ConfigError("metrics are evaluated on a validation fold: give val_idx")
    check_columns(built, fy)
    for metric in built:
        metric.set_data(fy)
    with naming(cb_savepath, ConfigError):
        folder = Path(cb_savepath).expanduser().resolve()
    params = FitParams(
        model=network,
        device=network.device,
        opt=network.opt,
        loss_func=network.loss,
        fy=fy,
        n_epochs=n_epochs,
        bs=bs,
        trn_idxs=trn_idxs,
        val_idx=val_idx,
        cbs=callbacks,
        metrics=built,
        cb_savepath=folder,
        generator=torch.Generator(),
    )
    plan = HookPlan(callbacks)
    hand_over(network, callbacks)
    check_fit(params, replaced=bool(plan.calls["on_fold_begin"]), use_weights=train_on_weights)
    checkpoints = None
    if resume:
        checkpoints = Checkpoints(params, seed, train_on_weights=train_on_weights, cbs=specs, metrics=metric_specs)
    seed = seeds.check(seed) if checkpoints is None else checkpoints.seed
    with network.use.fitting():  # another thread's fit or question is in the way before anything is changed
        network.record_training(fy, trn_idxs, seed)
    return Fit(
        params=params,
        plan=plan,
        seed=seed,
        bulk_move=bulk_move,
        train_on_weights=train_on_weights,
        visible_bar=visible_bar,
        checkpoints=checkpoints,
    )


def check_fit(params: FitParams, *, replaced: bool, use_weights: bool) -> None:
    """Refuse what the data, or the callbacks, would refuse later.

    Args:
        params: The state of the fit, before it begins.
        replaced: Whether a callback acts on folds: targets and weights are not judged then.
        use_weights: Whether the weights of the file are used.

    Raises:
        LuminError: If something does not fit.
    """
    network, fy = params.model, params.fy
    for callback in params.cbs:
        if callable(check := getattr(callback, "check_fit", None)):
            noting(check, callback, "check_fit")(params)
    if params.bs == 1:
        check_batch_of_one(network, fy, params.trn_idxs[0])
    if replaced:
        return
    folds = _folds_of(params.trn_idxs, params.val_idx)
    check_targets_of(network, fy, folds)
    if use_weights:
        check_weights_of(network, fy, folds)
    if params.val_idx is not None:
        check_metrics(network, fy, params.val_idx, params.metrics, use_weights=use_weights)


def check_columns(metrics: Sequence[EvalMetric], fy: FoldYielder) -> None:
    """Refuse metrics that need columns which the fold file does not have.

    Raises:
        ConfigError: Naming metric and column.
    """
    for metric in metrics:
        check_keys(as_list(metric.columns), fy.columns(), f"the fold file (needed by the metric {metric.label!r})")


def hand_over(network: Network, callbacks: Sequence[object]) -> None:
    """Give the network to callbacks that take it."""
    for callback in callbacks:
        if callable(set_model := getattr(callback, "set_model", None)):
            set_model(network)


def choose_folds(fy: FoldYielder, trn_idxs: Sequence[int] | None, val_idx: int | None) -> tuple[list[int], int | None]:
    """Choose training and validation folds.

    Args:
        fy: The data.
        trn_idxs: Indices of the training folds; ``None`` for all but the validation fold.
        val_idx: Index of the validation fold, or ``None``.

    Returns:
        Both.

    Raises:
        ConfigError: If there is no such fold, none is left to train on, or the validation fold
            is trained on.
    """
    folds = range(len(fy))
    chosen = [i for i in folds if i != val_idx] if trn_idxs is None else as_list(trn_idxs)
    if wrong := [i for i in _folds_of(chosen, val_idx) if isinstance(i, bool) or i not in folds]:
        raise ConfigError(f"the file has folds 0 to {len(fy) - 1}, got {wrong}")
    chosen = [int(i) for i in chosen]
    if not chosen:
        raise ConfigError(
            f"no fold is left to train on: the file has {len(fy)}, one of which validates; cut it into more"
        )
    if val_idx in chosen:
        raise ConfigError(f"fold {val_idx} is val_idx and among trn_idxs: take it out of one of them")
    if len(set(chosen)) < len(chosen):
        raise ConfigError(f"trn_idxs has a fold more than once: {chosen}")
    return chosen, None if val_idx is None else int(val_idx)


def _folds_of(trn_idxs: Sequence[int], val_idx: int | None) -> list[int]:
    return [*trn_idxs, *([] if val_idx is None else [val_idx])]


def check_features(builder: ModelBuilder, fy: FoldYielder) -> None:
    """Refuse data whose features are not those that the model was built for.

    Raises:
        ConfigError: If names or their order differ.
    """
    for sort, own, came in (
        ("continuous", list(builder.cont_feats), model_features(fy)),
        ("categorical", builder.cat_feats, list(fy.get_use_cat_feats())),
    ):
        if own == came or (sort == "continuous" and own == list(fy.get_use_cont_feats())):
            continue
        missing, more = [f for f in own if f not in came], [f for f in came if f not in own]
        sides = {"the data lack": missing, "the data have beside": more}
        differ = ", ".join(f"{what} {listed(feats)}" for what, feats in sides.items() if feats) or "their order differs"
        raise ConfigError(
            f"the {sort} features of the data are not the builder's: {differ}; "
            "ModelBuilder.from_fy takes those of the data, fy.add_ignore drops some"
        )


def check_batch_size(fy: FoldYielder, trn_idxs: Sequence[int], bs: int) -> None:
    """Refuse training folds that are smaller than a batch, before anything is trained.

    Raises:
        DataError: Naming the fold.
    """
    for i in trn_idxs:
        if (n_events := fy.get_data_count(i)) < bs:
            raise DataError(
                f"fold {i} has {n_events} events, less than a batch of bs={bs}: nothing would be trained; "
                "take a smaller bs or fewer folds"
            )
