"""A section of the report of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.runs import ReportSection, Text

if TYPE_CHECKING:
    from lumin_core.runs import Part, Run


class ExampleReportSection(ReportSection):
    """Says on which folds the models were validated.

    Example:
        >>> from lumin_core import build
        >>> build("report_section", "example_report_section").title
        'Folds'
    """

    title = "Folds"
    order = 35

    def build(self, run: Run) -> list[Part]:
        """Return what is to be shown of a run, which may not be finished."""
        folds = [str(fold["valid"]) for fold in run.config["folds"]]
        return [Text(text=f"Validated on the folds {', '.join(folds)}.")]
