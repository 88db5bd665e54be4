r"""The cut on a classifier's prediction that maximises the significance.

It is the approximate median significance, over all cuts there are. An event is selected if its
prediction is at least the cut. Sorted by prediction, cumulative sums of the weights give :math:`s`
and :math:`b` of every cut at once; events of equal predictions are selected together, as no cut
parts them. With a factor :math:`f` on all weights, a constant :math:`b_r` and the fractional
systematic uncertainty :math:`r`

.. math:: s = f \sum_{\text{sig}} w, \qquad b = f \sum_{\text{bkg}} w, \qquad
    \sigma^2 = r^2 (b + b_r)^2 + f^2 \sum_{\text{bkg}} w^2

where the last term, the statistical uncertainty of the simulated background, is there only where it
is asked for (LUMIN takes :math:`b^2/n`, which holds for equal weights alone). `calc_ams` is
computed of these.

A cut counts only if its background is positive, with the constant: without background any signal is
infinitely significant, and that tells of too few events, not of a good cut. A negative background
does not count either. With a constant, cuts without background do count, and no event has no
statistical uncertainty: where there is much signal, ask for more by ``min_background`` or
``min_events``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lumin_core.arguments import explained
from lumin_core.checks import check_numbers, is_number
from lumin_core.errors import ConfigError
from lumin_plugin_hep.event_columns import binary_events
from lumin_plugin_hep.significance import calc_ams, check_not_negative

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lumin_plugin_hep.event_columns import BinaryEvents, Columns

_ROUNDING = 1e-12  # of sums of weights that cancel, relative to the sum of their sizes


class Cuts(NamedTuple):
    """What every distinct cut selects, from the highest to the lowest, which selects all.

    Attributes:
        cut: The lowest prediction selected, shape ``(n_cuts,)``.
        s: Sum of weights of the signal selected.
        b: The same of the background.
        b2: Sum of squared weights of the background selected.
        n_background: Number of background events selected.

    Example:
        See `find_cuts`.
    """

    cut: NDArray[np.floating]
    s: NDArray[np.float64]
    b: NDArray[np.float64]
    b2: NDArray[np.float64]
    n_background: NDArray[np.int64]


@explained
def ams_scan(
    df: Columns,
    wgt_factor: float = 1,
    br: float = 0,
    syst_unc_b: float = 0,
    *,
    use_stat_unc: bool = False,
    start_cut: float | None = None,
    min_background: float = 0,
    min_events: int = 0,
    pred_name: str = "pred",
    targ_name: str = "gen_target",
    wgt_name: str = "gen_weight",
) -> tuple[float, float]:
    """Find the largest significance of all cuts, exactly; the module tells how.

    Args:
        df: A data frame, or a mapping of names to arrays of one length; the order and the index
            do not matter.
        wgt_factor: A factor on all weights, such as all events over those of the test set.
        br: A constant that is added to the background, not negative.
        syst_unc_b: Systematic uncertainty of the background, as a fraction of it, not negative.
        use_stat_unc: Whether the statistical uncertainty of the weighted background adds to it,
            in quadrature.
        start_cut: The lowest cut to consider; ``None`` for all.
        min_background: The least background that must be left, as a sum of weights with the factor.
        min_events: The least number of background events that must be left, those of weight
            zero not counted.
        pred_name: The column of class predictions, which are larger for signal.
        targ_name: The column of the truth, 0 (background) or 1 (signal).
        wgt_name: The column of event weights, of either sign; events of weight zero change nothing.

    Returns:
        The significance and the cut: exactly the events with a prediction ``>= cut`` are selected.
        Of several cuts that are as good, the lowest. Where no cut counts it is ``(0.0, inf)``,
        which selects nothing.

    Raises:
        DataError: If a column is missing, holds no numbers or NaN, if targets are not 0 or 1, or
            there are no events.
        ShapeError: If columns are not of one length.
        ConfigError: If ``wgt_factor`` is not positive, ``br`` or ``syst_unc_b`` is negative, or an
            option is NaN or no number.

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_hep import ams_scan
        >>> df = pd.DataFrame({
        ...     "pred": [0.9, 0.8, 0.8, 0.7, 0.2, 0.1],
        ...     "gen_target": [1, 1, 0, 1, 0, 0],
        ...     "gen_weight": [2.0, 2.0, 4.0, 1.0, 9.0, 9.0],
        ... })
        >>> ams, cut = ams_scan(df)
        >>> round(ams, 3), cut  # of s = 5 and b = 4, since 0.9 alone has no background
        (2.144, 0.7)
        >>> ams, cut = ams_scan(df, br=10, syst_unc_b=0.1)
        >>> round(ams, 3), cut
        (1.178, 0.7)
    """
    start_cut = -np.inf if start_cut is None else start_cut
    check_numbers(start_cut=start_cut, min_background=min_background, min_events=min_events)
    cuts = find_cuts(binary_events(df, pred_name, targ_name, wgt_name))
    ams = significances(cuts, wgt_factor, br, syst_unc_b, use_stat_unc=use_stat_unc)
    counts = (cuts.b * wgt_factor >= min_background) & (cuts.n_background >= min_events) & (cuts.cut >= start_cut)
    ams = np.where(counts, ams, -1)[::-1]  # from the lowest cut on, which argmax takes of equal ones
    best = int(ams.argmax())
    return (float(ams[best]), float(cuts.cut[::-1][best])) if ams[best] >= 0 else (0.0, float("inf"))


def ams_scan_quick(
    df: Columns,
    wgt_factor: float = 1,
    br: float = 0,
    syst_unc_b: float = 0,
    pred_name: str = "pred",
    targ_name: str = "gen_target",
    wgt_name: str = "gen_weight",
) -> tuple[float, float]:
    """Find the largest significance of all cuts, exactly.

    This is `ams_scan` under LUMIN's name and with its arguments.

    Args:
        df: As in `ams_scan`, and so for the others.
        wgt_factor: A factor on all weights.
        br: A constant that is added to the background.
        syst_unc_b: Systematic uncertainty of the background, as a fraction of it.
        pred_name: The column of class predictions.
        targ_name: The column of the truth.
        wgt_name: The column of event weights.

    Returns:
        The significance and the cut.

    Raises:
        LuminError: As `ams_scan`.

    Example:
        >>> from lumin_plugin_hep import ams_scan_quick
        >>> df = {"pred": [0.9, 0.8, 0.3], "gen_target": [1, 0, 0], "gen_weight": [3.0, 1.0, 5.0]}
        >>> ams, cut = ams_scan_quick(df)
        >>> round(ams, 3), cut
        (2.256, 0.8)
    """
    return ams_scan(df, wgt_factor, br, syst_unc_b, pred_name=pred_name, targ_name=targ_name, wgt_name=wgt_name)


def ams_scan_slow(
    df: Columns,
    wgt_factor: float = 1,
    br: float = 0,
    syst_unc_b: float = 0,
    use_stat_unc: bool = False,
    start_cut: float = 0.9,
    min_events: int = 10,
    pred_name: str = "pred",
    targ_name: str = "gen_target",
    wgt_name: str = "gen_weight",
) -> tuple[float, float]:
    """Find the largest significance of the cuts that leave some events, quickly.

    This is `ams_scan` under LUMIN's name. LUMIN's ``show_prog`` is gone: there is
    nothing to wait for.

    Args:
        df: As in `ams_scan`, and so for the others.
        wgt_factor: A factor on all weights.
        br: A constant that is added to the background.
        syst_unc_b: Systematic uncertainty of the background, as a fraction of it.
        use_stat_unc: Whether the statistical uncertainty of the weighted background adds to it.
        start_cut: The lowest cut to consider.
        min_events: The least number of background events that must be left.
        pred_name: The column of class predictions.
        targ_name: The column of the truth.
        wgt_name: The column of event weights.

    Returns:
        The significance and the cut.

    Raises:
        LuminError: As `ams_scan`.

    Example:
        >>> from lumin_plugin_hep import ams_scan_slow
        >>> df = {"pred": [0.99, 0.95, 0.3], "gen_target": [1, 0, 0], "gen_weight": [3.0, 1.0, 5.0]}
        >>> ams, cut = ams_scan_slow(df, min_events=1, use_stat_unc=True)
        >>> round(ams, 3), cut
        (1.388, 0.95)
    """
    return ams_scan(
        df,
        wgt_factor,
        br,
        syst_unc_b,
        use_stat_unc=use_stat_unc,
        start_cut=start_cut,
        min_events=min_events,
        pred_name=pred_name,
        targ_name=targ_name,
        wgt_name=wgt_name,
    )


def find_cuts(events: BinaryEvents) -> Cuts:
    """Sum what every distinct cut selects.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.cut_scan import find_cuts
        >>> from lumin_plugin_hep.event_columns import BinaryEvents
        >>> signal, weights = np.array([True, False, False]), np.array([2.0, 1.0, 3.0])
        >>> cuts = find_cuts(BinaryEvents(np.array([0.8, 0.8, 0.1]), signal, weights))
        >>> cuts.cut, cuts.s, cuts.b, cuts.n_background
        (array([0.8, 0.1]), array([2., 2.]), array([1., 4.]), array([1, 2]))
    """
    order = np.argsort(events.scores)[::-1]
    scores, signal, w = events.scores[order], events.signal[order], events.weights[order]
    last = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)  # of each group of equal scores
    w_background = np.where(signal, 0.0, w)
    b = np.cumsum(w_background)[last]
    if (w_background < 0).any():
        sizes = np.cumsum(np.abs(w_background))[last]
        b[np.abs(b) <= _ROUNDING * sizes] = 0.0  # else what is left of weights that cancel is a tiny background
    s, b2 = (np.cumsum(values)[last] for values in (np.where(signal, w, 0.0), np.square(w_background)))
    return Cuts(scores[last], s, b, b2, np.cumsum(~signal)[last])


def significances(
    cuts: Cuts, wgt_factor: float, br: float, syst_unc_b: float, *, use_stat_unc: bool = False
) -> NDArray[np.float64]:
    """Compute the significance of every cut; arguments as in `ams_scan`.

    Returns:
        Shape ``(n_cuts,)``, -1 where a cut does not count, as it leaves no background, or
        a negative one.

    Raises:
        ConfigError: If ``wgt_factor`` is not positive, ``br`` or ``syst_unc_b`` is negative, or one
            is no number.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.cut_scan import Cuts, significances
        >>> s, b = np.array([3.0, 3.0]), np.array([0.0, 1.0])
        >>> significances(
        ...     Cuts(np.array([0.9, 0.8]), s, b, b**2, np.array([0, 1])),
        ...     wgt_factor=1,
        ...     br=0,
        ...     syst_unc_b=0,
        ... )
        array([-1.        ,  2.25618148])
    """
    if not is_number(wgt_factor) or not 0 < wgt_factor < np.inf:
        raise ConfigError(f"wgt_factor must be positive and finite, got {wgt_factor!r}")
    check_numbers(br=br, syst_unc_b=syst_unc_b)
    check_not_negative(syst_unc_b, "syst_unc_b")
    total = cuts.b * wgt_factor + br
    counts = (cuts.b >= 0) & (total > 0)
    unc_b: NDArray[np.float64] | float = syst_unc_b
    if use_stat_unc:
        unc_b = np.sqrt(syst_unc_b**2 + cuts.b2 * wgt_factor**2 / np.square(np.where(counts, total, 1)))
    return np.where(counts, calc_ams(cuts.s * wgt_factor, cuts.b * wgt_factor, br, unc_b), -1.0)
