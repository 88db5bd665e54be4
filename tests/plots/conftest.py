"""The small fold files of tests/support, and figures that tests of numbers do without."""

from types import SimpleNamespace

import pytest
from folds import make_builder, make_fy, quiet_machine
from matplotlib.figure import Figure

__all__ = ["make_builder", "make_fy", "quiet_machine"]


@pytest.fixture
def undrawn(monkeypatch):
    """Leave the figure of a plot empty: what looks at numbers alone is quick."""
    empty = SimpleNamespace(draw=lambda numbers, settings: Figure())
    monkeypatch.setattr("lumin_plugin_plots.plot.import_module", lambda name: empty)
