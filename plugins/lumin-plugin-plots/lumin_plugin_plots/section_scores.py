"""The section of a report on what the models say of events: scores of classes, or values."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lumin_core.runs import BESIDE, ReportSection, Table, Text
from lumin_plugin_plots import (
    plot_calibration,
    plot_confusion,
    plot_response,
    plot_roc,
    plot_score,
    plot_significance,
    plot_train_test,
    working_points,
)
from lumin_plugin_plots.pictures import picture, settings_of
from lumin_plugin_plots.point_table import CAPTION
from lumin_plugin_plots.section_metrics import TREE, has_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from lumin_core.runs import Part, Run, Scored

_MOST = 4  # classes, or targets, that have figures of their own
_MOST_PERMUTED = 10_000  # events of each sample whose labels are permuted, a thousand times
_N_REPLICAS = 50  # for the uncertainty of a number
_RARE = 30  # times less than the other class
_PROCESS = "gen_sample"  # the column of the process, by its usual name


class Scores(ReportSection):
    """Shows figures of events that are new to the models: of classes, or of values.

    Example:
        >>> from lumin_plugin_plots.section_scores import Scores
        >>> Scores.order
        40
    """

    title = "Predictions"
    order = 40

    def build(self, run: Run) -> list[Part]:
        """Return the figures that the objective has."""
        if len(run.finished) == len(run.results.failures()):
            return []
        objective, n_out = run.ensemble.models[0].objective, run.ensemble.models[0].n_out
        new = run.unseen
        parts = {"multiclass": _of_classes, "regression": _of_values}.get(objective, _of_signal)
        said = Text(text=f"Shown are {new.text}{_of_views(run)}.")
        if objective == "classification" and n_out > 1:
            return [said, Text(text="Figures of several labels are not shown: give a column of each to plot_roc.")]
        return [said, *parts(run, new)]


def _of_views(run: Run) -> str:
    return ", without test-time augmentation" if run.config["augmentations"] else ""


def predictions(run: Run, scored: Scored) -> Mapping[str, str | list[str]]:
    """Return the columns of predictions by label: of all models, of each for their spread, a tree.

    Args:
        run: The run.
        scored: Events of it.
    """
    tree = {TREE: BESIDE} if has_tree(scored) else {}
    if len(scored.models) < 2:
        return {"model" if len(run.models) == 1 else "models": "pred", **tree}
    return {"ensemble": "pred", f"{len(scored.models)} models": [f"model_{i}" for i in scored.models], **tree}


def _of_signal(run: Run, new: Scored) -> Iterator[Part]:
    df, names = new.df, predictions(run, new)
    by = _PROCESS if _PROCESS in df and df[_PROCESS].nunique() > 1 else None
    yield points(new, names)
    baseline = TREE if TREE in names else next(iter(names)) if len(names) > 1 else None
    yield picture("ROC curve", partial(plot_roc, df, names, baseline=baseline))
    yield picture("Score", partial(plot_score, df, by=by, log=_is_one_rare(df)))
    yield _train_test(run, new, "pred", "Training and new events")
    yield picture("Calibration", partial(plot_calibration, df), _of_balance(run))
    if "gen_weight" in df:
        factor, caption = _all_events(run, df)
        yield picture("Significance", partial(plot_significance, df, wgt_factor=factor), caption)


def _is_one_rare(df: pd.DataFrame) -> bool:
    """Tell whether one class would not be seen beside the other on a linear axis."""
    targets = df["gen_target"]
    sums = df.groupby(targets)["gen_weight"].sum() if "gen_weight" in df else targets.value_counts()
    return bool(sums.min() * _RARE < sums.max())


def _of_balance(run: Run) -> str:
    """Say where the training saw other shares of the classes than the weights have."""
    names = [spec["name"] if isinstance(spec, dict) and "name" in spec else spec for spec in run.config["callbacks"]]
    is_balanced = "callbacks/balance_classes" in names
    return "The classes were balanced in the training, so that scores are not rates." if is_balanced else ""


def points(new: Scored, names: Mapping[str, str | list[str]]) -> Table:
    """Return the table of working points.

    Args:
        new: The events.
        names: Columns by label, as from `predictions`.
    """
    table = working_points(new.df, names, n_replicas=_N_REPLICAS)
    return Table(title="Working points", header=table.header, rows=table.rows, caption=CAPTION)


def _train_test(run: Run, new: Scored, name: str, title: str) -> Part:
    seen, most = run.seen, _MOST_PERMUTED
    train, test = (df if len(df) <= most else df.sample(most, random_state=0) for df in (seen.df, new.df))
    taken = f"{len(train):,} of the {seen.text}; beside {len(test):,} of the new ones"
    return picture(title, lambda: plot_train_test(train, test, name), f"Training: {taken}.")


def _all_events(run: Run, df: pd.DataFrame) -> tuple[float, str]:
    """Return the factor from these events to all, those of the training too, and say so."""
    n = run.fy.get_data_count() + (0 if run.held_back is None else run.held_back.get_data_count())
    return n / len(df), f"Weights are scaled by {n:,} / {len(df):,}, to stand for all events of the run's files."


def _of_classes(run: Run, new: Scored) -> Iterator[Part]:
    df = new.df
    names = {"models": "pred", TREE: BESIDE} if has_tree(new) else "pred"
    yield picture("ROC curves, one class against the rest", partial(plot_roc, df, names))
    yield picture("Confusion", partial(plot_confusion, df))
    yield picture("Calibration", partial(plot_calibration, df))
    for k in range(min(run.ensemble.models[0].n_out, _MOST)):
        yield picture(f"Score of class {k}", partial(plot_score, df, f"pred_{k}"))
    yield _train_test(run, new, "pred_0", "Training and new events, score of class 0")


def _of_values(run: Run, new: Scored) -> Iterator[Part]:
    targets = [name for name in ("gen_target", *(f"gen_target_{k}" for k in range(_MOST))) if name in new.df]
    for target, name in zip(targets, run.fy.targ_feats, strict=False):
        pred = target.replace("gen_target", "pred")
        if pred in new.df:
            draw = partial(plot_response, new.df, pred, targ_name=target, relative=False, settings=settings_of(run))
            yield picture(f"Response of {name}", draw)
