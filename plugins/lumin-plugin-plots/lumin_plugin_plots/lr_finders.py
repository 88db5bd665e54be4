"""Learning-rate range tests: the loss against the learning rate, of one test or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lumin_core.arguments import came, explained
from lumin_core.errors import DataError
from lumin_plugin_plots import axes as shared
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lumin_plugin_plots.plot import Plot
    from lumin_plugin_plots.settings import PlotSettings


class Found(Protocol):
    """What a range test found, as ``lr_find`` of lumin-plugin-callbacks returns it."""

    @property
    def lr(self) -> np.ndarray:
        """The rates, ascending, shape ``(n,)``."""

    @property
    def losses(self) -> np.ndarray:
        """A row for each repeat, shape ``(n_repeats, n)``; NaN from where one had diverged."""

    @property
    def mean_loss(self) -> np.ndarray:
        """The mean over repeats, shape ``(n,)``."""

    @property
    def smoothed_loss(self) -> np.ndarray:
        """The mean, smoothed, shape ``(n,)``."""

    @property
    def spread(self) -> np.ndarray:
        """The standard deviation over repeats, shape ``(n,)``; NaN for one."""

    @property
    def suggestion(self) -> float | None:
        """The rate that is suggested, where there is one."""


@explained
def plot_lr_finders(found: Found | Mapping[str, Found], *, settings: PlotSettings | None = None) -> Plot:
    """Plot the loss against the learning rate of range tests, with the rates that they suggest.

    Args:
        found: What ``lr_find`` or ``LRFinder`` of lumin-plugin-callbacks found, or several by
            label, such as those of different batch sizes.
        settings: How it looks.

    Returns:
        The figure. Its numbers have a curve per test: ``lr``, ``loss`` (smoothed), ``mean_loss``
        and, of several repeats, ``repeats_low`` and ``repeats_high``, less and plus their standard
        deviation; ``about["suggestion"]`` has the suggested rates.

    Raises:
        DataError: If it is anything else, or a test diverged at once.

    Example:
        >>> import numpy as np
        >>> from types import SimpleNamespace
        >>> from lumin_plugin_plots import plot_lr_finders
        >>> lr = np.geomspace(1e-4, 1, 5)
        >>> loss = np.array([1.0, 0.8, 0.5, 0.6, 2.0])
        >>> found = SimpleNamespace(
        ...     lr=lr, losses=loss[None], mean_loss=loss, smoothed_loss=loss, spread=loss * np.nan,
        ...     suggestion=1e-3
        ... )
        >>> plot_lr_finders(found).numbers.about["suggestion"]
        {'test': 0.001}
    """
    tests = dict(found) if isinstance(found, Mapping) else {"test": found}
    curves = {str(label): _curve(test) for label, test in tests.items()}
    about = {
        "suggestion": {str(label): test.suggestion for label, test in tests.items()},
        "n_repeats": {str(label): len(test.losses) for label, test in tests.items()},
    }
    return drawn(Numbers(figure="lr_finders", curves=curves, about=about), settings)


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure; see `plot_lr_finders`."""
    figure, panel = shared.one_panel(settings)
    limits = []
    for i, (label, curve) in enumerate(numbers.curves.items()):
        suggestion = numbers.about["suggestion"][label]
        if "repeats_low" in curve:
            look: dict[str, Any] = {"facecolor": settings.colour(i), "alpha": 0.22, "linewidth": 0, "zorder": 0}
            panel.fill_between(curve["lr"], curve["repeats_low"], curve["repeats_high"], **look)
        panel.plot(curve["lr"], curve["mean_loss"], color=settings.colour(i), linewidth=0.6, alpha=0.5)
        panel.plot(curve["lr"], curve["loss"], label=_entry(label, suggestion, numbers), **shared.line(settings, i))
        if suggestion is not None:
            at = np.interp(suggestion, curve["lr"], curve["loss"])
            panel.plot(suggestion, at, **shared.points(settings, i) | {"markersize": 8})
        limits.append(_limits(curve["loss"]))
    panel.set(xscale="log", xlabel="Learning rate", ylabel="Training loss")
    panel.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    n_repeats = max(numbers.about["n_repeats"].values())
    means = f"Mean of {n_repeats} repeats, smoothed; area: ± 1 σ of these" if n_repeats > 1 else "Thick: smoothed"
    return shared.finish(figure, panel, settings, notes=[f"{means}; marked: suggested"])


def _entry(label: str, suggestion: float | None, numbers: Numbers) -> str:
    text = "it never falls" if suggestion is None else f"suggested {suggestion:.2g}"
    return text if len(numbers.curves) == 1 else f"{label}: {text}"


def _limits(loss: np.ndarray) -> tuple[float, float]:
    """Show where the loss falls: it rises without end when it diverges."""
    known = loss[np.isfinite(loss)]
    lowest, depth = known.min(), max(known[0] - known.min(), 1e-12)
    return float(lowest - 0.25 * depth), float(lowest + 2.0 * depth)


def _curve(test: Found) -> dict[str, np.ndarray]:
    if not all(hasattr(test, name) for name in ("lr", "losses", "smoothed_loss", "suggestion")):
        raise DataError(f"what lr_find returns is needed, or several of these by label, got {came(test)}")
    if not np.isfinite(test.smoothed_loss).any():
        raise DataError("the range test diverged at its first rate: there is nothing to show; begin at a lower rate")
    curve = {"lr": test.lr, "loss": test.smoothed_loss, "mean_loss": test.mean_loss}
    if len(test.losses) > 1:
        curve |= {"repeats_low": test.mean_loss - test.spread, "repeats_high": test.mean_loss + test.spread}
    return curve
