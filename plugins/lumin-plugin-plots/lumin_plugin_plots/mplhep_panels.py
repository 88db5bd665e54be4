"""What mplhep draws; it is imported here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mplhep as mh

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lumin_plugin_plots.settings import PlotSettings


def add_label(axes: Axes, settings: PlotSettings) -> None:
    """Write the experiment's label above a panel: its name, what stands behind it, luminosity.

    Args:
        axes: The panel.
        settings: What is written; without any of it there is no label.
    """
    if not (settings.experiment or settings.label or settings.lumi or settings.energy):
        return
    lumi = None if settings.lumi is None else f"{settings.lumi:g}"
    energy = None if settings.energy is None else f"{settings.energy:g}"
    mh.label.exp_label(
        exp=settings.experiment, text=settings.label, data=True, lumi=lumi, com=energy, loc=0, fontsize=13, ax=axes
    )
