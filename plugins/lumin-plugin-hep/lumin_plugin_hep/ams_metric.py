"""The largest significance of all cuts on a classifier's prediction, as a metric of trainings.

Weights must be the expected yields: those of the fold file, which `balance_classes` leaves to
metrics, or a column of it, where its weights were balanced by hand. A fold is a part of the data,
so that all weights are scaled by the number of events in all folds over that in this one.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lumin_core import EvalMetric
from lumin_core.checks import did_you_mean, positive
from lumin_core.data import as_numbers
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_hep.cut_scan import ams_scan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from lumin_core import FoldYielder

_log = logging.getLogger(__name__)


class AMS(EvalMetric):
    """The approximate median significance of the best cut on a binary classifier.

    It is the largest of all cuts on the prediction that leave enough background to tell how much it
    is. A validation fold is small: without that it would be the cut with the fewest background
    events, by chance, and jump from fold to fold. By default ten are left, and how well their sum
    of weights is known is part of the significance, which is lower for it than that of all events.

    Args:
        n_total: Number of events that the weights are scaled to, by it over the number of events in
            the fold; by default that of all folds of the data. Outside of a fit, where nothing else
            is known, the events are all there are.
        wgt_name: A column of the fold file with the yields (``misc_feats``), if its weights are
            others; by default these.
        br: As in `ams_scan`.
        syst_unc_b: As in `ams_scan`.
        use_stat_unc: As in `ams_scan`.
        start_cut: As in `ams_scan`.
        min_background: As in `ams_scan`.
        min_events: As in `ams_scan`.
        targ_name: The column with the truth, 0 (background) or 1 (signal); by default the targets,
            of which there must be one then.
        main_metric: Whether this metric, rather than the loss, drives `save_best` and
            `early_stopping`.
        label: The title in tables, plots and histories.

    Raises:
        ConfigError: If ``n_total`` is no positive integer, or another option is out of range or no
            number, as in `ams_scan`.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep import AMS
        >>> metric = AMS(n_total=6, br=1, use_stat_unc=False, min_events=0)
        >>> yields = np.array([2.0, 1.0, 5.0])
        >>> round(metric([0.9, 0.4, 0.6], [1, 0, 0], yields), 3)  # s = 4, b = 1
        2.845

    References:
        G. Cowan, K. Cranmer, E. Gross and O. Vitells, Asymptotic formulae for likelihood-based
        tests of new physics, Eur. Phys. J. C 71 (2011) 1554, https://arxiv.org/abs/1007.1727
    """

    better = "higher"

    def __init__(
        self,
        n_total: int | None = None,
        wgt_name: str | None = None,
        br: float = 0,
        syst_unc_b: float = 0,
        *,
        use_stat_unc: bool = True,
        start_cut: float | None = None,
        min_background: float = 0,
        min_events: int = 10,
        targ_name: str | None = None,
        main_metric: bool = False,
        label: str | None = None,
    ) -> None:
        super().__init__(main_metric=main_metric, label=label)
        self.n_total = None if n_total is None else positive(n_total, "n_total")
        self.wgt_name = wgt_name
        self.targ_name = targ_name
        self.columns = list(dict.fromkeys(name for name in (wgt_name, targ_name) if name is not None))
        self._scan = partial(
            ams_scan,
            br=br,
            syst_unc_b=syst_unc_b,
            use_stat_unc=use_stat_unc,
            start_cut=start_cut,
            min_background=min_background,
            min_events=min_events,
        )
        self._scan({"pred": [0.0], "gen_target": [0], "gen_weight": [1.0]})  # refuses what it cannot scan with
        self._n_data: int | None = None

    def set_data(self, fy: FoldYielder) -> None:
        """Count the events of all folds; say so where another number is asked for."""
        self._n_data = fy.get_data_count()
        if self.n_total not in (None, self._n_data):
            _log.info(
                "%s: weights are scaled to n_total=%d events; %s has %d",
                self.label,
                self.n_total,
                fy.foldfile.name,
                self._n_data,
            )

    def evaluate(
        self, preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, columns: Mapping[str, ArrayLike]
    ) -> float:
        """Compute the significance.

        Args:
            preds: Predictions, shape ``(n,)`` or ``(n, 1)``.
            targets: 0 or 1, shape ``(n,)`` or ``(n, 1)``; not used where ``targ_name`` is given.
            weights: Yields, shape ``(n,)`` or ``(n, 1)``, ``None`` for one each; not used where
                ``wgt_name`` is given.
            columns: Those of ``wgt_name`` and ``targ_name``, each ``(n,)``.

        Returns:
            The significance, in standard deviations; 0 where no cut counts.

        Raises:
            DataError: If a column is missing, values are NaN, or targets are not 0 or 1.
            ShapeError: If there are several columns of predictions or targets.
        """
        scores = _one_column(self._scores(as_numbers(preds, "predictions")), "predictions")
        events = {
            "pred": scores,
            "gen_target": _one_column(targets if self.targ_name is None else _get(columns, self.targ_name), "targets"),
            "gen_weight": _one_column(self._yields(weights, columns, len(scores)), self.wgt_name or "weights"),
        }
        n_total = self.n_total or self._n_data or len(scores)
        return self._scan(events, n_total / max(len(scores), 1))[0]

    def _yields(self, weights: ArrayLike | None, columns: Mapping[str, ArrayLike], n: int) -> ArrayLike:
        if self.wgt_name is not None:
            return _get(columns, self.wgt_name)
        return np.ones(n) if weights is None else weights

    def _scores(self, preds: NDArray[np.floating]) -> NDArray[np.floating]:
        """Give the one score of an event."""
        return preds


class MultiAMS(AMS):
    r"""The same of a multiclass classifier whose classes are kinds of signal and of background.

    The score of an event is the probability of signal among the classes that are named,

    .. math::
        p = \frac{\sum_{k \in \text{one}} p_k}
            {\sum_{k \in \text{one}} p_k + \sum_{k \in \text{zero}} p_k}

    whose cuts are the best there are if the probabilities are right. LUMIN takes the larger of the
    largest :math:`p_k` in ``one_preds`` and one minus that in ``zero_preds``, which for more than
    two classes is another order.

    Args:
        n_total: As in `AMS`.
        wgt_name: As in `AMS`.
        targ_name: The column of the fold file with the truth, 0 (background) or 1 (signal).
        zero_preds: The classes that are background: numbers, or LUMIN's ``"pred_0"``.
        one_preds: The classes that are signal.
        br: As in `ams_scan`.
        syst_unc_b: As in `ams_scan`.
        use_stat_unc: As in `ams_scan`.
        start_cut: As in `ams_scan`.
        min_background: As in `ams_scan`.
        min_events: As in `ams_scan`.
        main_metric: As in `AMS`.
        label: As in `AMS`.

    Raises:
        ConfigError: As `AMS`; and if a class is named twice, or is none, or one list is empty.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep import MultiAMS
        >>> metric = MultiAMS(
        ...     3,
        ...     "gen_weight",
        ...     "is_signal",
        ...     zero_preds=["pred_0", "pred_1"],
        ...     one_preds=["pred_2"],
        ...     br=1,
        ...     use_stat_unc=False,
        ...     min_events=0,
        ... )
        >>> preds = [[0.1, 0.1, 0.8], [0.3, 0.3, 0.4], [0.5, 0.2, 0.3]]
        >>> columns = {"gen_weight": np.array([2.0, 1.0, 5.0]), "is_signal": np.array([1, 1, 0])}
        >>> round(metric(preds, [2, 2, 0], columns=columns), 3)  # s = 3, b = 1
        2.256
    """

    example_options: ClassVar[Mapping[str, object]] = {
        "n_total": None,
        "wgt_name": None,
        "targ_name": "is_signal",
        "zero_preds": [0, 1],
        "one_preds": [2],
    }

    def __init__(
        self,
        n_total: int | None,
        wgt_name: str | None,
        targ_name: str,
        zero_preds: Sequence[int | str],
        one_preds: Sequence[int | str],
        br: float = 0,
        syst_unc_b: float = 0,
        *,
        use_stat_unc: bool = True,
        start_cut: float | None = None,
        min_background: float = 0,
        min_events: int = 10,
        main_metric: bool = False,
        label: str | None = None,
    ) -> None:
        super().__init__(
            n_total,
            wgt_name,
            br,
            syst_unc_b,
            use_stat_unc=use_stat_unc,
            start_cut=start_cut,
            min_background=min_background,
            min_events=min_events,
            targ_name=targ_name,
            main_metric=main_metric,
            label=label,
        )
        self.zero_preds = _classes(zero_preds, "zero_preds")
        self.one_preds = _classes(one_preds, "one_preds")
        if len({*self.zero_preds, *self.one_preds}) < len(self.zero_preds) + len(self.one_preds):
            raise ConfigError(f"a class must be named once, got zero_preds={zero_preds!r} and one_preds={one_preds!r}")

    def _scores(self, preds: NDArray[np.floating]) -> NDArray[np.floating]:
        if preds.ndim != 2 or max(*self.zero_preds, *self.one_preds) >= preds.shape[1]:
            raise ShapeError(
                f"zero_preds={self.zero_preds} and one_preds={self.one_preds} must be among the columns of "
                f"predictions, got shape {preds.shape}"
            )
        zero, one = (preds[:, classes].sum(axis=1) for classes in (self.zero_preds, self.one_preds))
        total = zero + one
        scores: NDArray[np.floating] = np.divide(one, total, out=np.zeros_like(total), where=total != 0)
        return scores


def _classes(preds: Sequence[int | str], name: str) -> list[int]:
    """Give the numbers of classes."""
    texts = [str(pred).removeprefix("pred_") for pred in ([preds] if isinstance(preds, str) else preds)]
    if not texts or not all(text.isdecimal() for text in texts):
        raise ConfigError(f"{name} must be classes such as [0, 1] or ['pred_0', 'pred_1'], got {preds!r}")
    return [int(text) for text in texts]


def _get(columns: Mapping[str, ArrayLike], name: str) -> ArrayLike:
    if name not in columns:
        raise DataError(f"there is no column {name!r}{did_you_mean(name, columns)}; pass columns={{{name!r}: ...}}")
    return columns[name]


def _one_column(values: ArrayLike, what: str) -> NDArray[np.floating]:
    """Give ``(n,)`` or ``(n, 1)`` as ``(n,)``."""
    array = as_numbers(values, what)
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if array.ndim != 1:
        raise ShapeError(
            f"the significance needs one column of {what}, (n,) or (n, 1), got {array.shape}; for several classes use "
            "multi_ams, for several targets targ_name="
        )
    return array
