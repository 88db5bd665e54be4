"""A figure together with its numbers, and figures drawn again from numbers alone."""

from __future__ import annotations

import io
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

import attrs

from lumin_core.checks import listed
from lumin_core.errors import ConfigError, DataError, LuminError
from lumin_core.files import Staged, naming
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.settings import PlotSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from matplotlib.figure import Figure

    Draw = Callable[[Numbers, PlotSettings], Figure]

_OTHERS = ("eps", "gif", "jpeg", "jpg", "tif", "tiff", "webp")  # endings of pictures that are not written
PICTURES = ("png", "pdf", "svg")
_NO_DATE = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}

_DRAWN_BY: dict[str, str] = {
    "calibration": "calibration",
    "confusion": "confusion",
    "correlation": "correlation",
    "efficiency": "efficiency",
    "embedding": "embedding",
    "event": "event_display",
    "feat": "feature",
    "learning_curves": "learning_curves",
    "live_curves": "live_curves",
    "lr_finders": "lr_finders",
    "response": "response",
    "roc": "roc",
    "schedule": "schedule",
    "score": "score",
    "sculpting": "sculpting",
    "significance": "significance",
    "train_test": "train_test",
}
"""The module of each sort of figure; its function ``draw(numbers, settings)`` draws it."""


@attrs.frozen(eq=False)
class Plot:
    """A figure and the numbers that it shows. Notebooks show it; it is never shown by itself.

    Attributes:
        figure: The figure, of matplotlib; it belongs to no window.
        numbers: What it shows.
        settings: How it looks.

    Example:
        >>> import tempfile
        >>> from lumin_plugin_plots import plot_learning_curves
        >>> history = {"train": {"loss": [0.9, 0.7]}, "valid": {"loss": [0.8, 0.6]}}
        >>> plot = plot_learning_curves([history])
        >>> files = plot.save(tempfile.mkdtemp() + "/curves", formats=["svg"])
        >>> [file.name for file in files]
        ['curves.svg', 'curves.json']
    """

    figure: Figure
    numbers: Numbers
    settings: PlotSettings

    def save(self, path: str | Path, formats: Sequence[str] = ("pdf", "png")) -> list[Path]:
        """Write pictures, and the numbers as JSON, of which `redraw` draws the figure again.

        Args:
            path: Where to: ``"plots/roc"`` gives ``plots/roc.pdf``, ``plots/roc.png`` and
                ``plots/roc.json``. With the ending of a picture, ``"roc.svg"``, it is that alone.
            formats: Of the pictures: of ``"png"``, ``"pdf"`` and ``"svg"``.

        Returns:
            The files, that of the numbers last.

        Raises:
            ConfigError: If a format is another.
            FileError: If a file cannot be written.
        """
        with naming(path, ConfigError):
            target = Path(path).expanduser()
        ending = target.suffix.removeprefix(".")
        if ending in PICTURES:
            formats, target = [ending], target.with_suffix("")
        elif ending.lower() in _OTHERS:
            formats = [ending]
        if unknown := [each for each in formats if each not in PICTURES]:
            raise ConfigError(f"formats must be of {listed(PICTURES)}, got {listed(unknown)}")
        files = [target.with_name(f"{target.name}.{each}") for each in formats]
        for file, each in zip(files, formats, strict=True):
            with Staged(file) as part:
                part.write_bytes(self.picture(each))
        numbers = target.with_name(f"{target.name}.json")
        self.numbers.save(numbers)
        return [*files, numbers]

    def picture(self, format: str = "png") -> bytes:
        """Return the figure as the content of a file; the same figure gives the same bytes.

        Args:
            format: ``"png"``, ``"pdf"`` or ``"svg"``.
        """
        file = io.BytesIO()
        metadata = _NO_DATE[format]
        with _look():
            self.figure.savefig(file, format=format, dpi=self.settings.dpi, metadata=metadata)
        return file.getvalue()

    def _repr_png_(self) -> bytes:
        return self.picture("png")


def drawn(numbers: Numbers, settings: PlotSettings | None) -> Plot:
    """Draw a figure from its numbers.

    Args:
        numbers: What is shown.
        settings: How it looks; by default as `PlotSettings` has it, with the units that the numbers
            say.

    Returns:
        The figure; its numbers say the units of the columns that they name, in ``about["units"]``.
    """
    settings = PlotSettings(units=numbers.about.get("units", {})) if settings is None else settings
    numbers = _with_units(numbers, settings.units)
    draw = cast("Draw", import_module(f"lumin_plugin_plots.{_DRAWN_BY[numbers.figure]}").draw)
    with _look():
        return Plot(draw(numbers, settings), numbers, settings)


def _with_units(numbers: Numbers, units: Mapping[str, str]) -> Numbers:
    named = {each for each in numbers.about.values() if isinstance(each, str)}
    said = {column: unit for column, unit in units.items() if column in named}
    return attrs.evolve(numbers, about={**numbers.about, "units": said}) if said else numbers


def _look() -> AbstractContextManager[None]:
    from lumin_plugin_plots.axes import look  # loads matplotlib, which a figure in a file does without

    return look()


def redraw(path: str | Path, settings: PlotSettings | None = None) -> Plot:
    """Draw a figure again from the file of its numbers, perhaps with another look.

    Args:
        path: The file, ``plots/roc.json``.
        settings: How it looks; by default as `PlotSettings` has it, with the units that were shown.

    Raises:
        DataError: If the file does not hold the numbers of a figure.

    Example:
        >>> import tempfile
        >>> from lumin_plugin_plots import plot_learning_curves, redraw
        >>> history = {"train": {"loss": [0.9, 0.7]}, "valid": {"loss": [0.8, 0.6]}}
        >>> plot = plot_learning_curves([history])
        >>> *_, numbers = plot.save(tempfile.mkdtemp() + "/curves", formats=["svg"])
        >>> redraw(numbers).numbers.figure
        'learning_curves'
    """
    with naming(path, ConfigError):
        file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise DataError(f"cannot read {file}: {error}; give a .json that Plot.save wrote") from error
    numbers = Numbers.from_text(text)
    if numbers.figure not in _DRAWN_BY:
        known = listed(sorted(_DRAWN_BY), len(_DRAWN_BY))
        raise DataError(f"{path} is of the figure {numbers.figure!r}, which is not known here; known are {known}")
    try:
        return drawn(numbers, settings)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, LuminError):
            raise
        raise DataError(f"{path} lacks numbers of its figure: {error!r}; save the plot again") from error
