"""A cut on a classifier's prediction that does not hang on one event: the mean of the best ones.

The best cut of a sample of finite size follows its fluctuations. The mean over the predictions of
the events whose cuts are the best few percent generalises better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core.checks import check_numbers, is_number
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_hep.cut_scan import find_cuts, significances
from lumin_plugin_hep.event_columns import binary_events
from lumin_plugin_hep.significance import calc_ams

if TYPE_CHECKING:
    from lumin_plugin_hep.event_columns import Columns


def binary_class_cut_by_ams(
    df: Columns,
    top_perc: float = 5,
    min_pred: float = 0.9,
    wgt_factor: float = 1,
    br: float = 0,
    syst_unc_b: float = 0,
    pred_name: str = "pred",
    targ_name: str = "gen_target",
    wgt_name: str = "gen_weight",
) -> tuple[float, float, float]:
    """Choose the cut as the mean prediction of the events whose own predictions are the best cuts.

    The significance of the cut at each event's prediction is that of `ams_scan`: exact, with events
    of equal predictions together, and only where some background is left. Nothing is written into
    the data frame, and nothing is taken from it but the three columns.

    Args:
        df: A data frame, or a mapping of names to arrays of one length.
        top_perc: How many events to take, those with the best cuts, in percent of all; above 0 and
            up to 100. At least one is taken.
        min_pred: The lowest cut to consider.
        wgt_factor: A factor on all weights.
        br: A constant that is added to the background, not negative.
        syst_unc_b: Systematic uncertainty of the background, as a fraction of it, not negative.
        pred_name: The column of class predictions, which are larger for signal.
        targ_name: The column of the truth, 0 (background) or 1 (signal).
        wgt_name: The column of event weights, of either sign; events of weight zero change nothing.

    Returns:
        The mean cut, rounded to the type of the predictions; the significance of the events with a
        prediction ``>= cut``; and the largest significance of all cuts considered.

    Raises:
        DataError: If no cut from ``min_pred`` on leaves background; and as `ams_scan`.
        ShapeError: As `ams_scan`.
        ConfigError: If ``top_perc`` is out of range, ``min_pred`` no number; and as `ams_scan`.

    Example:
        >>> from lumin_plugin_hep import binary_class_cut_by_ams
        >>> df = {
        ...     "pred": [0.99, 0.98, 0.96, 0.94, 0.92, 0.5],
        ...     "gen_target": [1, 0, 1, 1, 0, 0],
        ...     "gen_weight": [3.0, 1.0, 2.0, 1.0, 9.0, 9.0],
        ... }
        >>> # the best three are at 0.94, 0.96 and 0.98
        >>> cut, ams, max_ams = binary_class_cut_by_ams(df, top_perc=50)
        >>> round(cut, 2), round(ams, 3), round(max_ams, 3)
        (0.96, 3.391, 3.904)
    """
    if not is_number(top_perc) or not 0 < top_perc <= 100:
        raise ConfigError(f"top_perc must be a percentage above 0 and up to 100, got {top_perc!r}")
    check_numbers(min_pred=min_pred)
    events = binary_events(df, pred_name, targ_name, wgt_name)
    cuts = find_cuts(events)
    ams = significances(cuts, wgt_factor, br, syst_unc_b)
    ams[cuts.cut < min_pred] = -1
    if ams.max() < 0:
        raise DataError(
            f"no cut from min_pred={min_pred} on leaves positive background: the largest prediction is "
            f"{events.scores.max()}, that of background {_largest(events.scores[~events.signal])}; lower min_pred"
        )
    descending = -cuts.cut.astype(np.float64)
    n_events = np.bincount(np.searchsorted(descending, -events.scores.astype(np.float64)))  # that share each cut
    cut = _mean_of_best(cuts.cut, ams, n_events, max(1, int(top_perc * len(events.scores) / 100)))
    selected = events.scores >= cut
    s, b = (float(events.weights[selected & mask].sum()) for mask in (events.signal, ~events.signal))
    return cut, calc_ams(s * wgt_factor, b * wgt_factor, br, syst_unc_b), float(ams.max())


def _mean_of_best(cuts: np.ndarray, ams: np.ndarray, n_events: np.ndarray, n_best: int) -> float:
    """Average the cuts of the best events.

    All arrays are ``(n_cuts,)``; a significance of -1 does not count.
    """
    order = np.argsort(-ams, kind="stable")
    n_taken = np.where(ams[order] < 0, 0, n_events[order])
    n_taken = np.diff(np.minimum(np.cumsum(n_taken), n_best), prepend=0)
    mean = np.average(cuts[order].astype(np.float64), weights=n_taken)
    return float(cuts.dtype.type(mean)) if cuts.dtype.kind == "f" else float(mean)


def _largest(scores: np.ndarray) -> str:
    return str(scores.max()) if len(scores) else "none, as there is no background"
