"""Before a fit: what would fail later is refused now.

Callbacks and metrics are made from names, folds and features are checked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lumin_core import registry
from lumin_core.checks import as_list, check_keys, listed, positive
from lumin_core.errors import ConfigError, DataError
from lumin_core.model.features import model_features
from lumin_core.training.fit_params import FitParams
from lumin_core.training.hook_plan import HookPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.model.builder import ModelBuilder
    from lumin_core.training.metric import EvalMetric
    from lumin_core.training.model import Model


def build_callbacks(cbs: Any) -> list[Any]:
    """Build callbacks from names, dicts, classes, partials and objects.

    Args:
        cbs: One or several; ``None`` for none.

    Returns:
        The callbacks, in their order.
    """
    return [registry.build("callback", spec) for spec in as_list(cbs)]


def build_metrics(metrics: Any) -> list[EvalMetric]:
    """Build metrics, likewise.

    Raises:
        ConfigError: If two have one label, or two are the main one.
    """
    built = [registry.build("metric", spec) for spec in as_list(metrics)]
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


def prepare(
    model: Model,
    n_epochs: int,
    fy: FoldYielder,
    bs: int,
    trn_idxs: Sequence[int] | None,
    val_idx: int | None,
    cbs: Any,
    metrics: Any,
    cb_savepath: str | Path,
) -> tuple[FitParams, HookPlan]:
    """Make the state of a fit and its plan; arguments as for `Model.fit`.

    Raises:
        ConfigError: If an option is out of range, or the features are not the builder's.
        DataError: If a training fold is smaller than a batch.
        HookError: If a callback has a point that does not exist.
    """
    for name, number in (("n_epochs", n_epochs), ("bs", bs)):
        positive(number, name)
    trn_idxs, val_idx = choose_folds(fy, trn_idxs, val_idx)
    check_features(model.model_builder, fy)
    check_batch_size(fy, trn_idxs, bs)
    if not any(parameter.requires_grad for parameter in model.model.parameters()):
        raise ConfigError("all parameters are frozen; unfreeze_layers() of the model or of one of its blocks first")
    callbacks, built_metrics = build_callbacks(cbs), build_metrics(metrics)
    if built_metrics and val_idx is None:
        raise ConfigError("metrics are evaluated on a validation fold: give val_idx")
    check_columns(built_metrics, fy)
    fit = FitParams(
        model=model,
        device=model.device,
        opt=model.opt,
        loss_func=model.loss,
        fy=fy,
        n_epochs=int(n_epochs),
        bs=int(bs),
        trn_idxs=trn_idxs,
        val_idx=val_idx,
        cbs=callbacks,
        metrics=built_metrics,
        cb_savepath=Path(cb_savepath),
    )
    plan = HookPlan(callbacks)
    hand_over(model, callbacks)
    return fit, plan


def check_columns(metrics: Sequence[EvalMetric], fy: FoldYielder) -> None:
    """Refuse metrics that need columns which the fold file does not have.

    Raises:
        ConfigError: Naming metric and column.
    """
    for metric in metrics:
        check_keys(metric.columns, fy.columns(), f"the fold file (needed by the metric {metric.label!r})")


def hand_over(model: Model, callbacks: Sequence[Any]) -> None:
    """Give the model to callbacks that take it."""
    for callback in callbacks:
        if callable(getattr(callback, "set_model", None)):
            callback.set_model(model)


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
    if wrong := [
        i for i in [*chosen, *([] if val_idx is None else [val_idx])] if isinstance(i, bool) or i not in folds
    ]:
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


def check_features(builder: ModelBuilder, fy: FoldYielder) -> None:
    """Refuse data whose features are not those that the model was built for.

    Raises:
        ConfigError: If names or their order differ.
    """
    cats = [] if builder.cat_embedder is None else list(builder.cat_embedder.cat_names)
    for sort, own, came in (
        ("continuous", list(builder.cont_feats), model_features(fy)),
        ("categorical", cats, list(fy.get_use_cat_feats())),
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
