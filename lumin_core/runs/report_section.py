"""The base of sections of a report, and what they are made of: figures, tables and texts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from attrs import define, field

from lumin_core.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.runs.run_view import Run


@define(frozen=True, kw_only=True)
class Figure:
    """A picture of a report.

    Attributes:
        title: What it shows.
        image: The content of its file.
        format: Of the file, ``"svg"`` or ``"png"``.
        caption: What is to be known of it: of which events, by which models.
    """

    title: str
    image: bytes = field(repr=False)
    format: Literal["svg", "png"]
    caption: str = ""


@define(frozen=True, kw_only=True)
class Table:
    """A table of a report. All is plain text; what looks like numbers is set to the right.

    Attributes:
        title: What it shows.
        header: A title for each column; empty for a table of labels and what is said of them.
        rows: The rows, each with a text for each column.
        caption: What is to be known of it.

    Raises:
        ShapeError: If rows are not of one length.
    """

    title: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]]
    caption: str = ""

    def __attrs_post_init__(self) -> None:
        """Refuse rows that do not fit."""
        lengths = {len(row) for row in self.rows} | ({len(self.header)} if self.header else set())
        if len(lengths) > 1:
            raise ShapeError(f"rows of the table {self.title!r} must have a text for each column, got {lengths}")


@define(frozen=True, kw_only=True)
class Text:
    """A text of a report.

    Attributes:
        title: What it is about; empty for none.
        text: Plain text, its paragraphs separated by empty lines. One of which all lines begin with
            four blanks, such as a command, is shown as it is.
    """

    title: str = ""
    text: str


Part: TypeAlias = Figure | Table | Text


class ReportSection(ABC):
    """Base of the sections of a run's report (kind ``report_sections``).

    A report has all sections that are installed or registered, each once, built without arguments.
    One that raises an error says so in its place, and one that returns nothing is left out.

    Attributes:
        title: Its heading.
        order: Where it stands, the lowest first. Ours are at 0 to 100.

    Example:
        >>> from lumin_core.runs import ReportSection, Text
        >>> class Folds(ReportSection):
        ...     '''Says on which fold each model was validated.'''
        ...     title = "Folds"
        ...     order = 35
        ...     def build(self, run):
        ...         folds = [str(fold["valid"]) for fold in run.config["folds"]]
        ...         return [Text(text=f"Validated on the folds {', '.join(folds)}.")]
    """

    kind: ClassVar[str] = "report_section"
    title: ClassVar[str]
    order: ClassVar[int]

    @abstractmethod
    def build(self, run: Run) -> list[Part]:
        """Return what is to be shown of a run, which may not be finished.

        Args:
            run: The run. What it gives is read when it is first asked for, and kept for all
                sections; where it is not there, an error says why.
        """
