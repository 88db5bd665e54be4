"""What stands in a figure, and figures drawn again from their files."""

import numpy as np
from matplotlib.container import ErrorbarContainer
from matplotlib.text import Text

from lumin_plugin_plots import PlotSettings, redraw

SMALL = PlotSettings(dpi=40, size=(4, 3))


def texts(plot):
    """Return all that is written in a figure."""
    return [text.get_text() for text in plot.figure.findobj(Text) if text.get_text()]


def error_bars(axes):
    """Return ``(x, y, down, up)`` of the error bars of a panel; the lengths of those not drawn are NaN."""
    found = []
    for bars in (each for each in axes.containers if isinstance(each, ErrorbarContainer) and len(each[2])):
        x, y = (np.asarray(of, float) for of in bars[0].get_data())
        ends = np.full((len(x), 2), np.nan)
        for line in bars[2][-1].get_segments():
            if len(line) == 2:
                ends[np.argmin(np.abs(x - line[0][0]))] = line[:, 1]
        if len(x):
            found.append((x, y, y - ends[:, 0], ends[:, 1] - y))
    return found


def check_redrawn(plot, tmp_path):
    """See that the files of a figure hold all of it: numbers, and thus the picture."""
    *_, numbers = plot.save(tmp_path / "figure", formats=["png"])
    again = redraw(numbers, plot.settings)
    assert again.numbers.to_text() == plot.numbers.to_text()
    assert again.picture() == plot.picture()
