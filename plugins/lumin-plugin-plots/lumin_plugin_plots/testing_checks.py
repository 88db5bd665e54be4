"""Checks of sections of reports and of live views, for `lumin_core.testing`."""

from __future__ import annotations

import math
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from lumin_core import ModelBuilder, train_models
from lumin_core.errors import ConfigError, UnknownComponent
from lumin_core.runs import Figure, Run, Table, Text, plan_run
from lumin_core.testing import Check, CheckFailed, NotApplicable, samples, small_model
from lumin_core.training import EpochRow, LiveView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lumin_core import FoldYielder
    from lumin_core.testing import Subject


def check_report_section_place(subject: Subject) -> None:
    """It has a title and an order, and is built without arguments."""
    section = subject.make()
    title, order = getattr(section, "title", None), getattr(section, "order", None)
    if not isinstance(title, str) or not title.strip() or isinstance(order, bool) or not isinstance(order, int | float):
        raise CheckFailed(f"expected a title and an order, title = 'Folds' and order = 35, got {title!r} and {order!r}")


def check_report_section_parts(subject: Subject) -> None:
    """`build` gives a list of figures, tables and texts, or nothing where it has nothing to say."""
    parts, _ = _built(subject)
    if not isinstance(parts, list | tuple) or not all(isinstance(part, Figure | Table | Text) for part in parts):
        raise CheckFailed(
            f"expected a list of Figure, Table and Text of lumin_core.runs from build(run), got {parts!r:.200}"
        )
    for part in parts:
        texts = (
            [*part.header, *(text for row in part.rows for text in row)] if isinstance(part, Table) else [part.title]
        )
        if not all(isinstance(text, str) for text in texts):
            raise CheckFailed(
                f"expected text in the table {part.title!r}, got {texts!r:.200}; format numbers: f'{{value:.3g}}'"
            )


def check_report_section_unfinished(subject: Subject) -> None:
    """A run that is planned, and of which nothing is trained yet, is no error."""
    try:
        subject.make().build(_planned())
    except Exception as error:
        raise CheckFailed(
            f"expected build(run) for a run of which nothing is trained yet, got {type(error).__name__}: {error}; look "
            "at run.finished, and return [] where there is nothing to say"
        ) from error


def check_report_section_folder_unchanged(subject: Subject) -> None:
    """It reads the run, and writes nothing into its folder."""
    _, changed = _built(subject)
    if changed:
        raise CheckFailed(f"expected the folder of the run untouched, but {changed[0]} changed; keep figures in memory")


def check_live_view_epochs(subject: Subject) -> None:
    """It takes each epoch: values that are missing or NaN, with and without validation."""
    for columns, values in (
        (["train loss", "valid loss"], [(0.7, 0.6), (0.5, math.nan), (0.4, None)]),
        (["train loss"], [(0.7,), (0.5,)]),
    ):
        with _working(
            f"to show {columns} with the values {values}", "look for a column before it is used; None is none yet"
        ):
            view = _begun(subject, columns)
            for epoch, row in enumerate(values, 1):
                view.update(_fit_params(), EpochRow(epoch=epoch, values=row, is_best=epoch == 1, seconds=0.5))
            view.end()


def check_live_view_end(subject: Subject) -> None:
    """`end` works where no epoch was finished, as after an error, and twice."""
    with _working("end() to work before the first epoch, and twice", "look whether there is something to let go of"):
        view = _begun(subject, ["train loss", "valid loss"])
        view.end()
        view.end()


def check_live_view_reuse(subject: Subject) -> None:
    """One view shows two fits, one behind the other."""
    view = _begun(subject, ["train loss"])
    view.end()
    for columns in (["train loss", "valid loss"], ["train loss"]):
        view.begin(_fit_params(), columns)
        values: tuple[float | None, ...] = (0.7,) * len(columns)
        view.update(_fit_params(), EpochRow(epoch=1, values=values, is_best=True, seconds=0.5))
        view.end()


def check_live_view_reads_only(subject: Subject) -> None:
    """It reads the state of the fit, and changes nothing of it."""
    fit_params = _fit_params()
    before = repr(fit_params.history), fit_params.stop, fit_params.epoch
    view = _begun(subject, ["train loss", "valid loss"])
    view.update(fit_params, EpochRow(epoch=1, values=(0.7, 0.6), is_best=True, seconds=0.5))
    view.end()
    if (repr(fit_params.history), fit_params.stop, fit_params.epoch) != before:
        raise CheckFailed("expected history, stop and epoch of the fit unchanged; copy the history before changing it")


@contextmanager
def _working(what: str, way_out: str) -> Iterator[None]:
    """Say what was expected, where a view raises."""
    try:
        yield
    except NotApplicable:
        raise
    except Exception as error:
        raise CheckFailed(f"expected {what}, got {type(error).__name__}: {error}; {way_out}") from error


def _begun(subject: Subject, columns: list[str]) -> LiveView:
    """Have a view begin to show a fit."""
    try:
        view: LiveView = subject.make()
        view.begin(_fit_params(), columns)
    except ConfigError as error:
        raise NotApplicable(f"it does not show itself here: {error}") from error
    return view


@cache
def _fit_params() -> Any:
    """Return the state of a small fit."""
    with samples.fold_yielder() as fy:
        model = small_model(fy)
        model.fit(1, fy, 8, val_idx=2, seed=1, visible_bar=False)
    return model.fit_params


@lru_cache(maxsize=1)
def _built(subject: Subject) -> tuple[Any, list[str]]:
    """Build a section once for all checks, since figures take time; give which files it changed."""
    run = _run()
    before = _files(run.folder.path)
    parts = subject.make().build(run)
    return parts, sorted(name for name, *_ in set(_files(run.folder.path)) ^ set(before))


@cache
def _run() -> Run:
    """Return a run of two small models, whose blocks are of lumin-plugin-tabular."""
    with samples.fold_yielder() as fy:
        folder, builder = samples.folder() / "run", _builder(fy)
        train_models(fy, 2, 8, builder, 2, save_best=False, savepath=folder, seed=1)
    return Run.open(folder)


def _planned() -> Run:
    """Return a run of which nothing is trained yet."""
    with samples.fold_yielder() as fy:
        folder = samples.folder() / "run"
        plan_run(fy, 2, 8, _builder(fy), 2, save_best=False, savepath=folder, seed=1)
    return Run.open(folder)


def _builder(fy: FoldYielder) -> ModelBuilder:
    body = {"name": "tabular/fully_connected", "depth": 1, "width": 4}
    try:
        return ModelBuilder.from_fy(fy, "classification", body=body, seed=1)
    except UnknownComponent as error:
        raise NotApplicable(f"a run to be reported takes lumin-plugin-tabular: {error}") from error


def _files(folder: Path) -> list[tuple[str, int, int]]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in found]


SECTION_CHECKS = tuple(
    Check(function)
    for function in (
        check_report_section_place,
        check_report_section_parts,
        check_report_section_unfinished,
        check_report_section_folder_unchanged,
    )
)
VIEW_CHECKS = tuple(
    Check(function)
    for function in (
        check_live_view_epochs,
        check_live_view_end,
        check_live_view_reuse,
        check_live_view_reads_only,
    )
)
