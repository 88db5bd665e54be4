r"""The confusion matrix: which class events are taken for.

With the sums of weights :math:`W_{tp}` of the events of class :math:`t` that are taken for
:math:`p`, shares of the truth are

.. math:: \epsilon_{tp} = \frac{W_{tp}}{\sum_p W_{tp}}

and those of what is predicted are divided by :math:`\sum_t W_{tp}`. Their errors are those of
weighted efficiencies (see `lumin_plugin_plots.binning`). Of several scores the largest says the
class, the first of equal ones; of one score it is class 1 from the cut on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.arguments import explained
from lumin_core.checks import did_you_mean, is_number
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots import axes as shared
from lumin_plugin_plots.binning import efficiency
from lumin_plugin_plots.events import Events
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import drawn
from lumin_plugin_plots.weighted import binned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from lumin_plugin_plots.events import Data, Mask
    from lumin_plugin_plots.plot import Plot
    from lumin_plugin_plots.settings import PlotSettings

SHARES = {"truth": 1, "prediction": 0, "none": None}
"""Over which axis of the matrix, truth by prediction, sums are taken that shares are of."""


@explained
def plot_confusion(
    data: Data,
    pred_name: str = "pred",
    *,
    classes: Sequence[str] | None = None,
    cut: float = 0.5,
    share_of: str = "truth",
    targ_name: str = "gen_target",
    wgt_name: str | None = "gen_weight",
    mask: Mask = None,
    settings: PlotSettings | None = None,
) -> Plot:
    """Plot which class events are taken for.

    Args:
        data: A frame, a mapping of arrays, or a fold file.
        pred_name: A column of scores, or those of several classes, ``"pred"`` for ``pred_0``,
            ``pred_1``, ...
        classes: What classes are called, in the order of their numbers.
        cut: Of one score: from which it is taken for class 1.
        share_of: ``"truth"``: of the events of a class, what they are taken for;
            ``"prediction"``: of what is taken for a class, what it is; ``"none"``: sums of weights.
        targ_name: The column of the truth, the number of the class.
        wgt_name: The column of event weights, of either sign.
        mask: Which events are taken.
        settings: The look; by default with the units that a fold file says.

    Returns:
        The figure. Its numbers have the curve ``matrix`` with a row per cell: ``truth``,
        ``prediction``, ``sum_w``, ``sum_w_error``, ``share`` and ``share_error``; ``about`` has
        ``accuracy`` and ``accuracy_error``, of all weights.

    Raises:
        ConfigError: If an option is none of these, or classes are too few or many.
        DataError: If a column is missing, or a target is not the number of a class.

    Example:
        >>> from lumin_plugin_plots import plot_confusion
        >>> data = {"pred": [0.9, 0.2, 0.7, 0.1], "gen_target": [1, 0, 1, 1]}
        >>> plot = plot_confusion(data)
        >>> plot.numbers.curves["matrix"]["sum_w"].reshape(2, 2).tolist()
        [[1.0, 0.0], [1.0, 2.0]]
    """
    if share_of not in SHARES:
        raise ConfigError(f"share_of must be one of {', '.join(SHARES)}{did_you_mean(share_of, SHARES)}")
    events = Events(data, mask)
    taken, n_classes = _taken_for(events.scores(pred_name), cut)
    names = _names(classes, n_classes)
    truth, weights = _classes(events.targets(targ_name), n_classes, targ_name), events.weights(wgt_name)
    matrix = confusion(truth, taken, weights, n_classes, SHARES[share_of])
    rows, columns = (each.ravel() for each in np.indices((n_classes, n_classes)))
    labels = np.array(names, dtype=object)
    curve = {"truth": labels[rows], "prediction": labels[columns], **{key: of.ravel() for key, of in matrix.items()}}
    right, w = truth == taken, weights
    accuracy = efficiency(*(np.sum(each) for each in (w * right, w, w**2 * right, w**2)))
    about = {
        "classes": names,
        "share_of": share_of,
        "cut": cut if events.scores(pred_name).shape[1] == 1 else None,
        "accuracy": float(accuracy[0]),
        "accuracy_error": float(accuracy[1]),
        "not_positive": int((~(matrix["sum_w"] > 0) & (matrix["sum_w_error"] > 0)).sum()),
    }
    return drawn(Numbers(figure="confusion", curves={"matrix": curve}, about=about), events.settings(settings))


def confusion(
    truth: np.ndarray, taken: np.ndarray, weights: np.ndarray, n_classes: int, axis: int | None
) -> dict[str, np.ndarray]:
    """Compute sums of weights, shares and their errors, truth by prediction.

    Args:
        truth: The class of each event, shape ``(n,)``.
        taken: What it is taken for, likewise.
        weights: Of either sign, likewise.
        n_classes: Number of classes.
        axis: Over which sums are taken that shares are of: 0, 1, or ``None`` for no shares.

    Returns:
        ``sum_w``, ``sum_w_error``, ``share``, ``share_error``, each ``(n_classes, n_classes)``; a
        share is NaN where the sum that it is of is not positive.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.confusion import confusion
        >>> matrix = confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([1, 1, 3]), 2, 1)
        >>> matrix["share"]
        array([[1.  , 0.  ],
               [0.25, 0.75]])
    """
    cells, shape = truth * n_classes + taken, (n_classes, n_classes)
    sums, squares = (binned(cells, n_classes**2, w.astype(np.float64)).reshape(shape) for w in (weights, weights**2))
    if axis is None:
        share = share_error = np.full(shape, np.nan)
    else:
        total, total2 = (np.broadcast_to(of.sum(axis=axis, keepdims=True), shape) for of in (sums, squares))
        share, share_error = efficiency(sums, total, squares, total2)
    return {"sum_w": sums, "sum_w_error": np.sqrt(squares), "share": share, "share_error": share_error}


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure; see `plot_confusion`."""
    about, curve = numbers.about, numbers.curves["matrix"]
    names = [settings.name(name) for name in about["classes"]]
    shape = (len(names), len(names))
    sums = np.reshape(curve["sum_w"], shape)
    values = sums if about["share_of"] == "none" else np.reshape(curve["share"], shape)
    errors = np.reshape(curve["sum_w_error" if about["share_of"] == "none" else "share_error"], shape)
    shown = np.where(sums > 0, values, np.nan)
    figure, panel = shared.one_panel(settings)
    panel.set_facecolor("0.97")
    top = 1.0 if about["share_of"] != "none" else np.nanmax(shown, initial=0.0)
    image = panel.imshow(shown, cmap="Blues", vmin=0, vmax=top, aspect="auto")
    _write(panel, shown, sums, errors, top)
    panel.set_xticks(range(len(names)), names)
    panel.set_yticks(range(len(names)), names)
    panel.tick_params(which="both", length=0)
    panel.set(xlabel="Taken for", ylabel="Truth")
    what = {"truth": "Share of the class", "prediction": "Share of what is taken for it", "none": "Sum of weights"}
    figure.colorbar(image, ax=panel, label=what[about["share_of"]], pad=0.02)
    return shared.finish(figure, panel, settings, notes=_notes(about), legend=False)


def _write(panel: Any, shown: np.ndarray, sums: np.ndarray, errors: np.ndarray, top: float) -> None:
    """Write into each cell its value and error."""
    size = max(6.0, 13.0 - len(shown))
    for (i, j), value in np.ndenumerate(shown):
        if np.isfinite(value):
            text = f"{value:.3f}\n± {errors[i, j]:.3f}" if top == 1 else f"{value:.4g}\n± {errors[i, j]:.2g}"
        else:
            text = "none" if sums[i, j] == 0 else "not\npositive"
        dark = np.isfinite(value) and value > 0.55 * top
        panel.text(j, i, text, ha="center", va="center", fontsize=size, color="white" if dark else "0.15")


def _notes(about: dict[str, Any]) -> list[str]:
    cut = [] if about["cut"] is None else [f"From a score of {about['cut']:g} on taken for {about['classes'][1]}"]
    accuracy = (
        [] if about["accuracy"] is None else [f"Accuracy {about['accuracy']:.4f} ± {about['accuracy_error']:.4f}"]
    )
    n = about["not_positive"]
    return [*cut, *accuracy, *([f"{n} cells without a positive sum of weights are left empty"] if n else [])]


def _taken_for(scores: np.ndarray, cut: float) -> tuple[np.ndarray, int]:
    if scores.shape[1] > 1:
        return scores.argmax(axis=1), scores.shape[1]
    if not is_number(cut):
        raise ConfigError(f"cut must be a number, the score from which events are taken for class 1, got {cut!r}")
    return (scores[:, 0] >= cut).astype(int), 2


def _names(classes: Sequence[str] | None, n_classes: int) -> list[str]:
    if classes is None:
        return ["background", "signal"] if n_classes == 2 else [str(i) for i in range(n_classes)]
    if len(classes) != n_classes:
        raise ConfigError(f"classes must name all {n_classes} of them, in the order of their numbers, got {classes!r}")
    return [str(name) for name in classes]


def _classes(targets: np.ndarray, n_classes: int, name: str) -> np.ndarray:
    others = np.setdiff1d(targets, np.arange(n_classes))[:5].tolist()
    if others:
        raise DataError(f"{name!r} must be the number of a class, 0 to {n_classes - 1}, got {others} too")
    return targets.astype(int)
