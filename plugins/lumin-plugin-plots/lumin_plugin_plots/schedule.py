"""Schedules of learning rate and momentum, drawn before a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core import registry
from lumin_core.arguments import explained
from lumin_core.checks import positive
from lumin_core.errors import ConfigError
from lumin_plugin_plots import axes as shared
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lumin_plugin_plots.plot import Plot
    from lumin_plugin_plots.settings import PlotSettings

_NAMES = {"lr": "Learning rate", "mom": "Momentum"}


@explained
def plot_schedule(
    schedule: Any,
    *,
    n_batches: int = 100,
    n_epochs: float | None = None,
    settings: PlotSettings | None = None,
) -> Plot:
    """Plot what a schedule sets, batch by batch.

    Args:
        schedule: A schedule of lumin-plugin-callbacks, or a specification of one as trainings take
            it, such as ``{"name": "one_cycle", "lengths": (1, 2), "lr_range": (1e-4, 1e-2)}``; or
            several, as ``{label: {"name": ...}}``.
        n_batches: Number of batches of an epoch.
        n_epochs: How much of it is shown; by default one whole schedule.
        settings: How it looks.

    Returns:
        The figure. Its numbers have a curve per schedule: ``epoch``, as a fraction, ``lr`` and
        ``mom``, as far as it sets them.

    Raises:
        ConfigError: If it is not a schedule, or a number is not positive.

    Example:
        >>> from lumin_plugin_plots import plot_schedule
        >>> one_cycle = {"name": "one_cycle", "lengths": (1, 1), "lr_range": (0.0, 1.0)}
        >>> plot = plot_schedule({**one_cycle, "interp": "linear"}, n_batches=2)
        >>> plot.numbers.curves["schedule"]["lr"].tolist()
        [0.0, 0.5, 1.0, 0.5]
    """
    n_batches = positive(n_batches, "n_batches")
    several = isinstance(schedule, Mapping) and "name" not in schedule
    schedules = dict(schedule) if several else {"schedule": schedule}
    curves = {str(label): _curve(each, n_batches, n_epochs) for label, each in schedules.items()}
    return drawn(Numbers(figure="schedule", curves=curves, about={"n_batches": n_batches}), settings)


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure; see `plot_schedule`."""
    shown = [name for name in _NAMES if any(name in curve for curve in numbers.curves.values())]
    figure, panels = shared.panels(settings, (0.7, 0.5)[: len(shown)] if len(shown) > 1 else (1.0,))
    for i, (label, curve) in enumerate(numbers.curves.items()):
        for panel, name in zip(panels, shown, strict=True):
            if name in curve:
                panel.plot(curve["epoch"], curve[name], label=label, **shared.line(settings, i))
    for panel, name in zip(panels, shown, strict=True):
        panel.set_ylabel(_NAMES[name])
        panel.margins(y=0.08)
    panels[-1].set_xlabel("Epoch")
    figure.align_ylabels(panels)
    return shared.finish(figure, panels[0], settings, legend=len(numbers.curves) > 1)


def _curve(schedule: Any, n_batches: int, n_epochs: float | None) -> dict[str, np.ndarray]:
    built: Any = schedule if hasattr(schedule, "values_at") else registry.build("callback", schedule)
    if not hasattr(built, "values_at"):
        raise ConfigError(
            f"{type(built).__name__} is not a schedule; known are cycle_lr, cycle_mom and one_cycle of "
            "lumin-plugin-callbacks"
        )
    values: dict[str, np.ndarray] = built.values(n_batches, n_epochs)
    n_rows = len(next(iter(values.values())))
    return {"epoch": np.arange(n_rows) / n_batches, **values}
