r"""An event in two views: transverse to the beam, and along it.

A vector is drawn from the origin, as long as its transverse momentum in both views. In the
transverse view it ends at :math:`(p_x, p_y)`; in the other at
:math:`(p_T \cos\theta, \pm p_T \sin\theta)`, where the sign is that of :math:`p_y`, so that a
forward jet of high momentum does not dwarf all else.

The columns of a vector ``tau`` are ``tau_px``, ``tau_py``, ``tau_pz``, or ``tau_pt`` (also
``tau_pT``), ``tau_eta``, ``tau_phi`` [GeV, 1, rad]; one without ``pz`` and ``eta``, such as missing
momentum, lies in the transverse plane, and has no place in the other view.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.arguments import explained
from lumin_core.checks import as_list, check_names, did_you_mean, listed
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots import axes as shared
from lumin_plugin_plots.events import Events
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import drawn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lumin_plugin_plots.events import Data, Mask
    from lumin_plugin_plots.plot import Plot
    from lumin_plugin_plots.settings import PlotSettings

_ETAS = (-2.0, -1.0, 0.0, 1.0, 2.0)
_TRANSVERSE = re.compile(r"(.+)_(px|pt)", re.IGNORECASE)


@explained
def plot_event(
    data: Data,
    vectors: Sequence[str] | None = None,
    *,
    event: int = 0,
    mask: Mask = None,
    settings: PlotSettings | None = None,
) -> Plot:
    """Plot the momenta of one event, transverse to the beam and along it.

    Args:
        data: A frame, a mapping of arrays, or a fold file, in GeV and radians.
        vectors: Names of the vectors; by default all that have columns, see the module.
        event: Which row, from 0, of the events that are taken.
        mask: Which events are taken.
        settings: The look; by default with the units that a fold file says.

    Returns:
        The figure. Its numbers have the curve ``vectors`` with a row each: ``name``, ``px``,
        ``py``, ``pz``, the last NaN for those in the transverse plane; ``about["unit"]`` is their
        unit, GeV unless the settings or the file say another.

    Raises:
        ConfigError: If there is no such event.
        DataError: If there are no such vectors, the event has none of them, or they differ in unit.

    Example:
        >>> from lumin_plugin_plots import plot_event
        >>> data = {"tau_px": [3.0], "tau_py": [4.0], "tau_pz": [0.0], "met_pt": [5.0],
        ...         "met_phi": [0.0]}
        >>> plot = plot_event(data)
        >>> plot.numbers.curves["vectors"]["name"].tolist()
        ['tau', 'met']
    """
    events = Events(data, mask)
    names = _vectors(vectors, events.names)
    if event not in range(len(events)):
        raise ConfigError(f"event must be the number of a row, 0 to {len(events) - 1}, got {event!r}")
    momenta = {name: momentum(events, name, event) for name in names}
    there = {name: p for name, p in momenta.items() if np.hypot(p[0], p[1]) > 0}
    if not there:
        raise DataError(f"event {event} has none of the vectors {listed(names)}: all are missing, or zero")
    px, py, pz = np.array(list(there.values())).T
    curve = {"name": np.array(list(there), dtype=object), "px": px, "py": py, "pz": pz}
    settings = events.settings(settings)
    unit = _unit(there, {} if settings is None else settings.units)
    about = {"event": event, "absent": [name for name in names if name not in there], "unit": unit}
    return drawn(Numbers(figure="event", curves={"vectors": curve}, about=about), settings)


def _unit(vectors: Iterable[str], units: Mapping[str, str]) -> str:
    """Return the unit of momenta, GeV where none is said."""
    columns = [f"{name}_{axis}" for name in vectors for axis in ("px", "pT", "pt")]
    found = dict.fromkeys(units[column] for column in columns if column in units)
    if len(found) > 1:
        raise DataError(f"momenta of one event must be in one unit, got {listed(found)}; choose vectors= of one")
    return next(iter(found), "GeV")


def momentum(events: Events, name: str, event: int) -> tuple[float, float, float]:
    """Return the momentum of a vector in one event, in Cartesian coordinates [GeV].

    Args:
        events: The events.
        name: Of the vector.
        event: Which row.

    Returns:
        ``(px, py, pz)``; NaN where it is missing, ``pz`` also for one in the transverse plane.

    Raises:
        DataError: If a column is missing.
    """
    if f"{name}_px" in events:
        px, py = (float(events.numbers(f"{name}_{axis}")[event]) for axis in ("px", "py"))
        return px, py, float(events.numbers(f"{name}_pz")[event]) if f"{name}_pz" in events else np.nan
    pt_name = f"{name}_pT" if f"{name}_pT" in events else f"{name}_pt"
    pt, phi = (float(events.numbers(column)[event]) for column in (pt_name, f"{name}_phi"))
    eta = float(events.numbers(f"{name}_eta")[event]) if f"{name}_eta" in events else np.nan
    return float(pt * np.cos(phi)), float(pt * np.sin(phi)), float(pt * np.sinh(eta))


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure; see `plot_event`."""
    curve = numbers.curves["vectors"]
    px, py, pz = (np.asarray(curve[axis], float) for axis in ("px", "py", "pz"))
    pt = np.hypot(px, py)
    p = np.hypot(pt, pz)
    limit, unit = 1.12 * float(pt.max()), numbers.about.get("unit", "GeV")
    figure, (left, right) = shared.side_by_side(settings)
    for angle_of, panel in (("phi", left), ("theta", right)):
        _guides(panel, angle_of, limit)
    for i, name in enumerate(map(str, curve["name"])):
        look = shared.line(settings, i) | {"marker": shared.MARKERS[i % len(shared.MARKERS)], "markevery": [1]}
        left.plot([0, px[i]], [0, py[i]], label=settings.name(name), **look)
        if np.isfinite(pz[i]):
            right.plot([0, pt[i] * pz[i] / p[i]], [0, np.copysign(pt[i] ** 2 / p[i], py[i])], **look)
    for panel, name in ((left, "$p_x$"), (right, r"$p_T \, \cos\theta$")):
        panel.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xlabel=f"{name} [{unit}]")
    left.set_ylabel(f"$p_y$ [{unit}]")
    right.set_ylabel(rf"$\pm \, p_T \, \sin\theta$ [{unit}]")
    figure.legend(loc="outside right upper")
    flat = [settings.name(str(name)) for name, z in zip(curve["name"], pz, strict=True) if np.isnan(z)]
    absent = [settings.name(name) for name in numbers.about["absent"]]
    notes = [
        f"Event {numbers.about['event']}; all as long as their transverse momentum",
        *([f"Transverse only: {', '.join(flat)}"] if flat else []),
        *([f"Not in this event: {', '.join(absent)}"] if absent else []),
    ]
    return shared.finish(figure, left, settings, notes=notes, legend=False)


def _guides(panel: Axes, angle_of: str, limit: float) -> None:
    """Draw the axes and, along the beam, where pseudorapidities lie."""
    look: dict[str, Any] = {"color": "0.8", "linewidth": 0.8, "zorder": 0}
    if angle_of == "phi":
        panel.axhline(0, **look)
        panel.axvline(0, **look)
        return
    panel.axhline(0, **look)
    for eta in _ETAS:
        z, r = limit * np.tanh(eta), limit / np.cosh(eta)
        panel.plot([-z, z], [-r, r], linestyle=":", **look)
        panel.text(0.86 * z, 0.86 * r, f"η = {eta:g}", fontsize=7, color="0.5", ha="center", va="center")


def _vectors(vectors: Sequence[str] | None, columns: list[str]) -> list[str]:
    found = [match[1] for column in columns if (match := _TRANSVERSE.fullmatch(column))]
    found = [name for name in dict.fromkeys(found) if {f"{name}_py", f"{name}_phi"} & set(columns)]
    if vectors is None:
        if not found:
            raise DataError("there are no vectors: columns such as tau_px and tau_py, or tau_pt, tau_eta and tau_phi")
        return found
    names = as_list(vectors)
    check_names("vectors", names)
    if missing := [name for name in names if name not in found]:
        raise DataError(f"there is no vector {missing[0]!r}{did_you_mean(missing[0], found)}")
    return names
