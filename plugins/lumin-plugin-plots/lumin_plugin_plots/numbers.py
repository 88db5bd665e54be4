"""The numbers of a figure: histograms, curves, and what is said of them; as JSON and back.

A histogram is written as UHI says (https://uhi.readthedocs.io), so that boost-histogram and hist
read it; a curve as columns of equal length. NaN, which JSON lacks, is ``null``; infinities are
``"inf"`` and ``"-inf"`` in curves, elsewhere ``null`` too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
import hist
import numpy as np
import uhi.io.json

from lumin_core.errors import DataError
from lumin_core.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

    Curve = dict[str, np.ndarray]
    """Columns by name, each of shape ``(n,)``, of numbers or text."""

FORMAT = 1


@attrs.define(kw_only=True)
class Numbers:
    """All that a figure shows: it is drawn from these, and from nothing else.

    Attributes:
        figure: What draws it, such as ``"roc"``.
        curves: Columns of equal length, by the curve's name.
        histograms: By name; those of weighted events hold the sums of w and of w².
        about: Further plain values: labels, cuts, seeds, and what is not shown.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots import Numbers
        >>> net = {"x": np.array([0.0, 1.0]), "y": np.array([0.5, np.nan])}
        >>> numbers = Numbers(figure="roc", curves={"net": net})
        >>> Numbers.from_text(numbers.to_text()).curves["net"]["y"].tolist()
        [0.5, nan]
    """

    figure: str
    curves: dict[str, Curve] = attrs.field(factory=dict)
    histograms: dict[str, hist.Hist[Any]] = attrs.field(factory=dict)
    about: dict[str, Any] = attrs.field(factory=dict)

    def to_text(self) -> str:
        """Return them as JSON."""
        content = {
            "lumin_plots": FORMAT,
            "figure": self.figure,
            "about": _plain(self.about),
            "curves": {name: {key: _listed(of) for key, of in curve.items()} for name, curve in self.curves.items()},
            "histograms": {name: _plain(_uhi(histogram)) for name, histogram in self.histograms.items()},
        }
        return json.dumps(content, allow_nan=False) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Numbers:
        """Take them back from JSON.

        Args:
            text: From `to_text`.

        Raises:
            DataError: If it is not such a text.
        """
        way_out = "give a .json that Plot.save wrote"
        try:
            content = json.loads(text)
        except ValueError as error:
            raise DataError(f"the numbers of a figure must be JSON, and these are not: {error}; {way_out}") from error
        if not isinstance(content, dict) or not isinstance(content.get("lumin_plots"), int):
            raise DataError(f"these are not the numbers of a figure: 'lumin_plots' is missing; {way_out}")
        if content["lumin_plots"] > FORMAT:
            raise DataError(
                f"these numbers have the format {content['lumin_plots']}, newer than {FORMAT}; "
                "update lumin-plugin-plots"
            )
        try:
            return cls._of(content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"the numbers of a figure are damaged: {error!r}; {way_out}") from error

    @classmethod
    def _of(cls, content: dict[str, Any]) -> Numbers:
        return cls(
            figure=str(content["figure"]),
            about=dict(content["about"]),
            curves={name: {key: _array(of) for key, of in curve.items()} for name, curve in content["curves"].items()},
            histograms={name: _histogram(of) for name, of in content["histograms"].items()},
        )

    def save(self, path: Path) -> None:
        """Write them into a file, which appears when it is whole.

        Args:
            path: The file.

        Raises:
            FileError: If it cannot be written.
        """
        write_text(path, self.to_text())


def _uhi(histogram: hist.Hist[Any]) -> object:
    return json.loads(json.dumps(histogram, default=uhi.io.json.default))


def _histogram(content: object) -> hist.Hist[Any]:
    return hist.Hist(json.loads(json.dumps(content), object_hook=uhi.io.json.object_hook))


def _plain(value: Any) -> Any:
    """Return plain values: arrays as lists, what is not finite as ``None``."""
    if isinstance(value, dict):
        return {str(key): _plain(of) for key, of in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(of) for of in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _listed(column: np.ndarray) -> list[Any]:
    values: list[Any] = np.asarray(column).tolist()
    return [str(value) if isinstance(value, float) and np.isinf(value) else _plain(value) for value in values]


def _array(values: list[Any]) -> np.ndarray:
    texts = {value for value in values if isinstance(value, str)}
    if texts - {"inf", "-inf"}:
        return np.array(values, dtype=object)
    numbers = [np.nan if value is None else value for value in values]
    return np.array(numbers, dtype=float) if texts else np.array(numbers)
