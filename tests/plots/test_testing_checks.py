"""Mistakes in report sections and live views: each fails in the check of its name, with what to do."""

import pytest

from lumin_core.runs import ReportSection, Table, Text
from lumin_core.testing import Case, checks_of, subject_of
from lumin_core.training import LiveView


class GoodSection(ReportSection):
    """Says how many models are finished."""

    title = "Finished"
    order = 35

    def build(self, run):
        return [Text(text=f"{len(run.finished)} of {run.n_models}")] if run.finished else []


class NumbersAsCells(GoodSection):
    def build(self, run):
        return [Table(title="Models", rows=[(1, 2)])] if run.finished else []


class NeedsAModel(GoodSection):
    def build(self, run):
        return [Text(text=str(run.finished[0]["loss"]))]


class WritesIntoTheRun(GoodSection):
    def build(self, run):
        (run.folder.path / "figure.svg").write_text("<svg/>")
        return []


class WithoutOrder(GoodSection):
    order = None


class GoodView(LiveView):
    """Keeps the rows."""

    def begin(self, fit_params, columns):
        self.rows = []

    def update(self, fit_params, row):
        self.rows.append(row.values)


class NeedsValidation(GoodView):
    def begin(self, fit_params, columns):
        super().begin(fit_params, columns)
        self.column = columns.index("valid loss")


class FormatsNone(GoodView):
    def update(self, fit_params, row):
        self.rows.append([f"{value:.3g}" for value in row.values])


class NeedsARow(GoodView):
    def end(self):
        self.last = self.rows[-1]


class Stops(GoodView):
    def update(self, fit_params, row):
        fit_params.stop = True


MISTAKES = {
    NumbersAsCells: ("check_report_section_parts", "format numbers"),
    NeedsAModel: ("check_report_section_unfinished", "look at run.finished"),
    WritesIntoTheRun: ("check_report_section_folder_unchanged", "figure.svg changed; keep figures in memory"),
    WithoutOrder: ("check_report_section_place", "order = 35, got 'Finished' and None"),
    NeedsValidation: ("check_live_view_epochs", "is not in list; look for a column before it is used"),
    FormatsNone: ("check_live_view_epochs", "None is none yet"),
    NeedsARow: ("check_live_view_end", "look whether there is something to let go of"),
    Stops: ("check_live_view_reads_only", "stop and epoch of the fit unchanged"),
}


@pytest.mark.parametrize("good", [GoodSection, GoodView])
def test_what_is_right_passes(good):
    outcomes = [Case(subject_of(good), check).run() for check in checks_of(good.kind)]
    assert [outcome for outcome in outcomes if outcome.state == "failed"] == []
    assert sum(outcome.state == "passed" for outcome in outcomes) > 4


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda cls: cls.__name__)
def test_a_mistake_fails_in_the_check_of_its_name(mistake):
    name, message = MISTAKES[mistake]
    (check,) = [check for check in checks_of(mistake.kind) if check.name == name]
    outcome = Case(subject_of(mistake), check).run()
    assert outcome.state == "failed"
    assert message in outcome.message
