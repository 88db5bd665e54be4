"""Sections of a report in words: what a run is, its configuration, how to repeat it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lumin_core.checks import listed
from lumin_core.display import component, count
from lumin_core.errors import LuminError
from lumin_core.runs import ReportSection, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lumin_core.runs import Part, Run

Row = tuple[str, str]

_MOST = 100  # names that are listed
_RUN_FILE = "run.toml"
_PARTS = ("head", "body", "tail", "loss")
_ELSEWHERE = ("schema", "fold_ids", "identity", "folds", "versions", "seed", "directions", "model_builder", "cat_maps")


class Summary(ReportSection):
    """Says what was trained on what, and how good it is so far.

    Example:
        >>> from lumin_plugin_plots.section_summary import Summary
        >>> Summary.order
        0
    """

    title = "Summary"
    order = 0

    def build(self, run: Run) -> list[Part]:
        """Return a table, and of a run that is going on what is being done."""
        parts: list[Part] = [Table(title="The run", rows=list(_summary(run)))]
        if not run.is_finished:
            parts.append(Text(text=_going_on(run)))
        return parts


def _summary(run: Run) -> Iterator[Row]:
    config = run.config
    n_failed = len(run.results.failures())
    yield "folder", str(run.folder.path)
    yield "models", f"{len(run.finished)} of {run.n_models} finished{f', {n_failed} of which failed' * bool(n_failed)}"
    if len(run.finished) > n_failed:
        yield "validation", run.results.summary()
    yield "trained on", f"{config['foldfile']}, {count(len(config['fold_ids']), 'fold')}"
    if (held_back := _held_back(run)) is not None:
        yield "held back", held_back
    yield from _builder(config["model_builder"])
    yield "training", f"{count(config['n_epochs'], 'epoch')} at most, batches of {config['bs']}"
    yield "seed", str(config["seed"])


def _held_back(run: Run) -> str | None:
    try:
        return None if run.held_back is None else str(run.held_back.foldfile)
    except LuminError:  # which the figures of these events say
        return None


def _builder(builder: Mapping[str, Any]) -> Iterator[Row]:
    if "unnamed" in builder:
        yield "model", str(builder["unnamed"])
        return
    yield "objective", f"{builder['objective']}, {count(builder['n_out'], 'output')}"
    yield from ((part, component(builder[part])) for part in _PARTS if part in builder)
    optimiser = dict(builder.get("opt_args") or {})
    if "opt" in optimiser:
        yield "optimiser", component({"name": optimiser.pop("opt"), **optimiser})


def _going_on(run: Run) -> str:
    """Say how far the trainings are."""
    going = {number: history for number, history in run.histories.items() if number not in run.finished}
    said = [
        f"Model {number} has finished {count(len(history['valid']['loss']), 'epoch')} of {run.config['n_epochs']}."
        for number, history in going.items()
    ]
    n_waiting = run.n_models - len(run.finished) - len(going)
    waiting = f"{count(n_waiting, 'model')} {'has' if n_waiting == 1 else 'have'} not finished an epoch yet."
    return " ".join(["The run is not finished.", *said, *([waiting] if n_waiting else [])])


class Configuration(ReportSection):
    """Lists what the run was planned with.

    Example:
        >>> from lumin_plugin_plots.section_summary import Configuration
        >>> Configuration.order
        80
    """

    title = "Configuration"
    order = 80

    def build(self, run: Run) -> list[Part]:
        """Return a table of the builder, one of the training, and one of the folds."""
        builder = {key: value for key, value in run.config["model_builder"].items() if not key.startswith("_")}
        training = {key: value for key, value in run.config.items() if key not in _ELSEWHERE}
        folds = [
            (str(number), listed(of["train"], _MOST), "none" if of["valid"] is None else str(of["valid"]))
            for number, of in enumerate(run.config["folds"])
        ]
        return [
            Table(title="Model", rows=as_rows(builder)),
            Table(title="Training", rows=as_rows(training)),
            Table(title="Folds", header=("model", "trained on", "validated on"), rows=folds),
        ]


def as_rows(values: Mapping[str, Any]) -> list[Row]:
    """Return plain values as rows of a table; what is empty is left out.

    Args:
        values: By name.

    Example:
        >>> from lumin_plugin_plots.section_summary import as_rows
        >>> as_rows({"bs": 64, "body": {"name": "core/mlp", "depth": 2}, "clip": None, "feats": []})
        [('bs', '64'), ('body', 'core/mlp: depth 2')]
    """
    return [(name.replace("_", " "), as_words(value)) for name, value in values.items() if value not in (None, [], {})]


def as_words(value: Any) -> str:
    """Return a plain value in words."""
    if isinstance(value, dict) and "name" not in value:
        return ", ".join(f"{key} {as_words(of)}" for key, of in value.items() if of not in (None, [], {}))
    if isinstance(value, list):
        return listed(map(as_words, value), _MOST)
    if isinstance(value, dict | str):
        return component(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


class Repeat(ReportSection):
    """Says with what versions and seed the run was made, and how to repeat it.

    Example:
        >>> from lumin_plugin_plots.section_summary import Repeat
        >>> Repeat.order
        90
    """

    title = "To repeat it"
    order = 90

    def build(self, run: Run) -> list[Part]:
        """Return the command, the seed, and a table of versions."""
        rows = [(name, version) for name, version in run.config["versions"].items()]
        retried = [(f"seed of model {i}", str(result["retried"]["seed"])) for i, result in _retried(run)]
        rows = [("seed", str(run.config["seed"])), *retried, *rows]
        return [Text(title="Command", text=_command(run)), Table(title="Seed and versions", rows=rows)]


def _retried(run: Run) -> list[tuple[int, Mapping[str, Any]]]:
    return [(number, result) for number, result in run.finished.items() if "retried" in result]


def _command(run: Run) -> str:
    """Return what repeats the run: a command where a run file is kept, else Python."""
    folder = run.folder.path
    if (folder / _RUN_FILE).is_file():
        line = f"    lumin train {_quoted(str(folder / _RUN_FILE))} --set savepath=again"
        return f"On the same machine, with as many threads, the weights are the same to the last bit.\n\n{line}"
    reasons = [part["unnamed"] for part in _named_parts(run.config) if isinstance(part, dict) and "unnamed" in part]
    if reasons:
        return f"The run cannot be repeated from its folder alone: {listed(reasons)}. Call train_models as before."
    lines = (
        "import pathlib, shutil",
        "from lumin_core.runs import collect, train_one",
        "",
        'again = pathlib.Path("again")',
        "again.mkdir()",
        f"shutil.copy({str(folder / 'run.json')!r}, again)",
        f"for number in range({run.n_models}):",
        "    train_one(again, number)",
        "results = collect(again)",
    )
    code = "\n".join(f"    {line}" for line in lines)
    return f"On the same machine, with as many threads, the weights are the same to the last bit.\n\n{code}"


def _named_parts(config: Mapping[str, Any]) -> Sequence[Any]:
    return [config["model_builder"], config.get("opened", {}), *config["callbacks"], *config["metrics"]]


def _quoted(path: str) -> str:
    """Quote a path for a shell where it needs that."""
    import shlex

    return shlex.quote(path)
