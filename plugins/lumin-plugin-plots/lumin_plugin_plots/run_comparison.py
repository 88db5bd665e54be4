"""The comparison of several runs, as one page: what differs in them, and how good they are."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lumin_core.arguments import explained
from lumin_core.checks import listed
from lumin_core.display import count
from lumin_core.errors import ConfigError
from lumin_core.files import write_text
from lumin_core.runs import Run, Table, Text
from lumin_core.statistics import mean_as_text
from lumin_plugin_plots import plot_learning_curves, plot_response, plot_roc, working_points
from lumin_plugin_plots.page import page
from lumin_plugin_plots.pictures import picture
from lumin_plugin_plots.point_table import CAPTION
from lumin_plugin_plots.run_report import Written, attempted, page_path, written_when
from lumin_plugin_plots.section_metrics import metrics_of, on_events
from lumin_plugin_plots.section_summary import as_words
from lumin_plugin_plots.section_training import trained

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lumin_core.runs import Part

    Runs = Mapping[str, Run]

NAME = "compare.html"
"""Of the file, where no other is given."""

_SAME = ("schema", "fold_ids", "folds", "directions", "cat_maps")  # which say nothing that others do not
_MOST_CLASSES = 4


@explained
def write_comparison(runs: Sequence[str | Path | Run], path: str | Path = NAME) -> Written:
    """Write one page about several runs, which may be going on: HTML that needs nothing else.

    Args:
        runs: Folders of runs, or runs; two or more.
        path: The file, which is replaced.

    Returns:
        What was written. What cannot be shown says so in its place.

    Raises:
        ConfigError: If there are fewer than two, one is given twice, there is no run, or the file
            cannot be written.

    Example:
        >>> from lumin_plugin_plots import write_comparison
        >>> write_comparison(["run"])
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: a comparison takes two runs or more, got 1; ...
    """
    if len(runs) < 2:
        raise ConfigError(f"a comparison takes two runs or more, got {len(runs)}; lumin report shows one")
    opened = [run if isinstance(run, Run) else Run.open(run) for run in runs]
    target, by_label = page_path(path), dict(zip(labels_of(opened), opened, strict=True))
    failed: dict[str, str] = {}
    builds = {
        "Runs": _runs,
        "Differences": _differences,
        "Metrics": _metrics,
        "Training": _training,
        "Predictions": _predictions,
    }
    sections = [attempted(title, partial(build, by_label), failed) for title, build in builds.items()]
    subtitle = f"Comparison of {count(len(opened), 'run')}, {written_when()}"
    write_text(target, page(", ".join(by_label), subtitle, sections))
    return Written(target, failed)


def labels_of(runs: Sequence[Run]) -> list[str]:
    """Return what runs are called: the ends of their paths, as long as it takes to tell them apart.

    Args:
        runs: The runs.

    Raises:
        ConfigError: If one is given twice.
    """
    paths = [run.folder.path for run in runs]
    if len({*paths}) < len(paths):
        twice = {str(path) for path in paths if paths.count(path) > 1}
        raise ConfigError(f"each run may be given once, got {listed(sorted(twice))} twice")
    n_parts = 1
    while len({path.parts[-n_parts:] for path in paths}) < len(paths):
        n_parts += 1
    return ["/".join(path.parts[-n_parts:]) for path in paths]


def _runs(runs: Runs) -> list[Part]:
    rows = [
        (label, str(run.folder.path), f"{len(run.finished)} of {run.n_models}", str(len(run.results.failures())))
        for label, run in runs.items()
    ]
    return [Table(title="Folders", header=("run", "folder", "models finished", "failed"), rows=rows)]


def _differences(runs: Runs) -> list[Part]:
    configs = [_flat(run.config) for run in runs.values()]
    names = dict.fromkeys(name for config in configs for name in config)
    told = {name: [as_words(config[name]) if name in config else "–" for config in configs] for name in names}
    rows = [(name, *values) for name, values in told.items() if len({*values}) > 1]
    if not rows:
        return [Text(text="The runs were planned alike, with one seed.")]
    return [Table(title="What differs in the configurations", header=("", *runs), rows=rows)]


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a config by name; those of the builder and the versions one by one."""
    flat = {key.replace("_", " "): value for key, value in config.items() if key not in _SAME}
    for name in ("model builder", "versions"):
        inner = flat.pop(name, {})
        flat |= {key.replace("_", " "): value for key, value in inner.items() if not key.startswith("_")}
    return flat


def _metrics(runs: Runs) -> list[Part]:
    names = dict.fromkeys(["loss", *(name for run in runs.values() for name in run.config["directions"])])
    rows = [(name, *(_mean(run, name) for run in runs.values())) for name in names]
    caption = "Means over the models, each on its validation fold, with standard errors."
    parts: list[Part] = [Table(title="Validation", header=("", *runs), rows=rows, caption=caption)]
    scored = {label: run for label, run in runs.items() if _has_models(run)}
    values = {
        label: {metric.label: on_events(metric, run, run.unseen) for metric in metrics_of(run)}
        for label, run in scored.items()
    }
    found = dict.fromkeys(name for of_run in values.values() for name in of_run)
    rows = [(name, *(of_run.get(name, "–") for of_run in values.values())) for name in found]
    if rows:
        caption = " ".join(f"{label}: {run.unseen.text}." for label, run in scored.items())
        parts.append(Table(title="New events", header=("", *scored), rows=rows, caption=caption))
    return parts


def _mean(run: Run, name: str) -> str:
    values = [float(result[name]) for result in run.results if result.get("failed") is None and name in result]
    return mean_as_text(values) if values else "–"


def _has_models(run: Run) -> bool:
    return len(run.finished) > len(run.results.failures())


def _training(runs: Runs) -> list[Part]:
    begun = {label: trained(run) for label, run in runs.items() if run.histories}
    return [picture("Learning curves", partial(plot_learning_curves, begun))] if begun else []


def _predictions(runs: Runs) -> list[Part]:
    scored = {label: run for label, run in runs.items() if _has_models(run)}
    shapes = {(run.ensemble.models[0].objective, run.ensemble.models[0].n_out) for run in scored.values()}
    if len(scored) < 2 or len(shapes) > 1:
        why = "fewer than two of them have models" if len(scored) < 2 else "they predict different things"
        return [Text(text=f"Predictions of the runs are not compared: {why}.")]
    [(objective, n_out)] = shapes
    common = _on_common_events(scored)
    if objective == "regression":
        return list(_responses(scored, common, n_out))
    if objective == "classification" and n_out > 1:
        return [Text(text="Predictions of several labels are not compared.")]
    signals = range(min(n_out, _MOST_CLASSES)) if objective == "multiclass" else [None]
    return [part for signal in signals for part in _rocs(scored, common, signal)]


def _on_common_events(runs: Runs) -> pd.DataFrame | None:
    """Return a frame with the predictions of all runs by label; ``None`` if events differ."""
    frames = [run.unseen.df for run in runs.values()]
    shared = [
        name for name in map(str, frames[0]) if name.startswith(("gen_target", "gen_weight")) or name in _inputs(runs)
    ]
    for frame in frames[1:]:
        if len(frame) != len(frames[0]) or not {*shared} <= {*frame}:
            return None
        if not all(np.array_equal(frame[name], frames[0][name], equal_nan=True) for name in shared):
            return None
    columns = {
        f"{label}{name.removeprefix('pred')}": frame[name]
        for label, frame in zip(runs, frames, strict=True)
        for name in map(str, frame)
        if name == "pred" or name.startswith("pred_")
    }
    return frames[0].filter(regex=r"^gen_(target|weight)").assign(**columns)


def _inputs(runs: Runs) -> set[str]:
    """Return the continuous inputs that all runs know, by which events are told."""
    known = [{*run.ensemble.models[0].model_builder.cont_feats} for run in runs.values()]
    return set.intersection(*known)


def _rocs(runs: Runs, common: pd.DataFrame | None, signal: int | None) -> Iterator[Part]:
    of_class = "" if signal is None else f", class {signal} against the rest"
    if common is None:
        frames = [run.unseen.df.assign(run=label) for label, run in runs.items()]
        data = pd.concat([frame.filter(regex=r"^(gen_(target|weight)|pred|run)") for frame in frames])
        names, baseline, by = {"": "pred"}, None, "run"
        caption = "Each on events that are new to its models, which are not the same."
    else:
        data, names, baseline, by = common, {label: label for label in runs}, next(iter(runs)), None
        caption = f"On {next(iter(runs.values())).unseen.text}."
    options: dict[str, Any] = {"by": by, "signal": signal}
    table = working_points(data, names, **options)
    yield Table(title=f"Working points{of_class}", header=table.header, rows=table.rows, caption=f"{caption} {CAPTION}")
    draw = partial(plot_roc, data, names, baseline=None if of_class else baseline, **options)
    yield picture(f"ROC curves{of_class}", draw, caption)


def _responses(runs: Runs, common: pd.DataFrame | None, n_out: int) -> Iterator[Part]:
    for k in range(min(n_out, _MOST_CLASSES)):
        end = f"_{k}" if n_out > 1 else ""
        if common is not None:
            columns = {label: f"{label}{end}" for label in runs}
            draw = partial(plot_response, common, columns, targ_name=f"gen_target{end}", relative=False)
            yield picture(f"Response{end}", draw, f"On {next(iter(runs.values())).unseen.text}.")
            continue
        for label, run in runs.items():
            draw = partial(
                plot_response, run.unseen.df, {label: f"pred{end}"}, targ_name=f"gen_target{end}", relative=False
            )
            yield picture(f"Response{end} of {label}", draw, f"On {run.unseen.text}.")
