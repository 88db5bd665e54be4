"""What ``run.json`` says of a plan, and the plan that it says.

Components are told by qualified name and options, data by the file's path. What has no plain form
is told with the reason: the session that made the plan can train it, but nobody from the file.
"""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import TYPE_CHECKING

from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError, LuminError
from lumin_core.model.builder import ModelBuilder
from lumin_core.model.record import fold_ids
from lumin_core.runs.plan import RunPlan
from lumin_core.runs.result import SCHEMA
from lumin_core.runs.same_run import differences
from lumin_core.training.sameness import augmentation_configs, builder_config, is_unnamed, recorded, spec_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lumin_core.registry import Component
    from lumin_core.runs.folder import RunFolder
    from lumin_core.runs.same_run import Record

_log = logging.getLogger(__name__)

_AS_THEY_ARE = ("n_epochs", "bs", "callbacks", "metrics", "train_on_weights", "bulk_move", "seed")


def describe(plan: RunPlan, directions: Mapping[str, str], components: Iterable[Component]) -> Record:
    """Return what ``run.json`` says: all that is needed to repeat the run.

    Args:
        plan: The plan.
        directions: What is better, by metric.
        components: Those that it uses, for the versions of their distributions.

    Raises:
        UnsavableOption: If an option of the builder is a value that no model's file holds.
    """
    used = {component.distribution: component.version for component in components if component.version}
    return {
        "schema": SCHEMA,
        "model_builder": _builder_config(plan.builder),
        "n_models": len(plan.folds),
        "n_epochs": plan.n_epochs,
        "bs": plan.bs,
        "callbacks": [_spec_config("callback", spec) for spec in plan.callbacks],
        "metrics": [_spec_config("metric", spec) for spec in plan.metrics],
        "directions": dict(directions),
        "train_on_weights": plan.train_on_weights,
        "bulk_move": plan.bulk_move,
        "precision": plan.precision,
        "compile": plan.compile,
        "foldfile": str(plan.fy.foldfile),
        "identity": plan.fy.identity,
        "fold_ids": fold_ids(plan.fy),  # runs of before files had an identity are told by it
        "ignore_feats": plan.fy.get_ignore(),
        "augmentations": [spec_config("augmentation", type(part)) for part in plan.fy.augmentations],
        "opened": _opened(plan.fy),
        **recorded(plan.fy),
        "folds": [{"train": trn_idxs, "valid": val_idx} for trn_idxs, val_idx in plan.folds],
        "seed": plan.seed,
        "versions": {
            **{name: version(name) for name in ("lumin-core", "torch", "numpy")},
            **dict(sorted(used.items())),
        },
    }


def read_plan(folder: RunFolder, fy: FoldYielder | None = None) -> RunPlan:
    """Make the plan that ``run.json`` says.

    Args:
        folder: The run's folder.
        fy: The training data; by default the file that the run was planned with is opened.

    Raises:
        ConfigError: If there is no run, something in it has no plain form, or the data are others.
        FoldFileError: If the fold file is not where it was.
        UnknownComponent: If a component is not installed.
    """
    record = folder.required()
    try:
        return _plan(record, fy, f"{folder.path / 'run.json'}")
    except (KeyError, TypeError, AttributeError) as error:
        if isinstance(error, LuminError):
            raise
        raise ConfigError(f"{folder.path / 'run.json'} is damaged: {error!r}; begin the run anew") from error


def _plan(record: Record, fy: FoldYielder | None, path: str) -> RunPlan:
    _refuse_unnamed(record, path, with_data=fy is None)
    if fy is None:
        data = FoldYielder(record["foldfile"], ignore_feats=record["ignore_feats"], **record.get("opened", {}))
    else:
        data = fy
    check_data(record, data, path)
    now = recorded(data)
    if differ := differences({key: record[key] for key in now if key in record}, now):
        raise ConfigError(
            f"{data.foldfile} records another preprocessing than {path} says:\n{differ}\ngive fy= as it was"
        )
    builder = ModelBuilder.from_config(record["model_builder"])
    builder.is_prepared = True  # when the run was planned
    return RunPlan(
        fy=data,
        folds=[(list(fold["train"]), fold["valid"]) for fold in record["folds"]],
        builder=builder,
        precision=record.get("precision", "32"),
        compile=record.get("compile", False),
        record=record,
        **{name: record[name] for name in _AS_THEY_ARE},
    )


def check_data(record: Record, fy: FoldYielder, path: str) -> None:
    """Refuse a fold file that is not the one of a run, or holds other values by now.

    Args:
        record: What ``run.json`` says.
        fy: The file.
        path: Of ``run.json``, for the message.

    Raises:
        ConfigError: If it is another.
    """
    if fold_ids(fy) != record["fold_ids"] or record.get("identity", fy.identity) != fy.identity:
        raise ConfigError(f"{fy.foldfile} has other data, or other folds, than {path} says; give fy= of that file")


def _refuse_unnamed(record: Record, path: str, *, with_data: bool) -> None:
    """Refuse what the file cannot say, with the reasons."""
    parts = {
        "model_builder": record["model_builder"],
        **{f"callbacks[{i}]": spec for i, spec in enumerate(record["callbacks"])},
        **{f"metrics[{i}]": spec for i, spec in enumerate(record["metrics"])},
    }
    if with_data:
        old = {"unnamed": "it was planned by an earlier version, which did not say how; give fy="}
        parts["the fold file"] = record.get("opened", old if record["augmentations"] else {})
    unnamed = {name: part for name, part in parts.items() if isinstance(part, dict) and "unnamed" in part}
    if wrong := [f"  {name}: {part['unnamed']}" for name, part in unnamed.items()]:
        raise ConfigError(
            "\n".join([f"a model cannot be trained from {path} alone:", *wrong])
            + "\ntrain the run with train_models, or plan it with what has a name"
        )


def _opened(fy: FoldYielder) -> Record:
    """Say how the fold file is opened, or why nobody else can open it so."""
    options: Record = {"yield_matrix": bool(fy.yield_matrix), "clip": None if fy.clip is None else float(fy.clip)}
    if type(fy) is not FoldYielder:
        return _unnamed_data(f"it is opened by a class of its own, {type(fy).__name__}")
    augmentations = augmentation_configs(fy)
    if is_unnamed(augmentations):
        return _unnamed_data("its augmentations are objects, whose options are not known")
    options |= {"augmentations": augmentations} if augmentations else {}
    if fy.batch_yielder_type is not BatchYielder:
        return _unnamed_data(f"its batches are made by a class of its own, {fy.batch_yielder_type.__name__}")
    try:
        with FoldYielder(fy.foldfile, ignore_feats=fy.get_ignore(), **options) as again:
            same = _features(again) == _features(fy) and again.preprocessing_config == fy.preprocessing_config
    except LuminError as error:
        return _unnamed_data(str(error))
    return options if same else _unnamed_data("features or preprocessing were given beside the file")


def _features(fy: FoldYielder) -> tuple[list[str], ...]:
    return fy.cont_feats, fy.cat_feats, fy.targ_feats


def _unnamed_data(reason: str) -> Record:
    return {"unnamed": f"{reason}; give fy="}


def _builder_config(builder: ModelBuilder) -> Record:
    """Write a builder.

    Options that no model's file can hold are refused, parts without a name are told.
    """
    config = builder_config(builder, saved=True)
    if "unnamed" in config:
        _log.warning("the models of the run will need model_builder= to be loaded: %s", config["unnamed"])
    return config


def _spec_config(kind: str, spec: object) -> str | Record:
    config = spec_config(kind, spec)
    if isinstance(config, dict) and is_unnamed([config]):
        _log.warning("the run cannot be repeated from its folder alone: %s", config.get("unnamed", config))
    return config
