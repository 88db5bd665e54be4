"""Figures that tests of numbers do without."""

from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def undrawn(monkeypatch):
    """Leave the figure of a plot empty: what looks at numbers alone is quick."""
    empty = SimpleNamespace(draw=lambda numbers, settings: Figure())
    monkeypatch.setattr("lumin_plugin_plots.plot.import_module", lambda name: empty)
