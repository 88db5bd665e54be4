"""Figures with their numbers, live views and reports of runs."""

from __future__ import annotations

from lumin_core import lazy

_HOMES: dict[str, list[str]] = {
    "numbers": ["Numbers"],
    "plot": ["Plot", "redraw"],
    "settings": ["PlotSettings"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
