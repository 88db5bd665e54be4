r"""The ROC curve of events with weights of either sign, as sums of weights.

At a threshold :math:`c` an event passes if its score is at least :math:`c`, so that events of equal
scores pass together. The efficiencies are

.. math:: \epsilon_s(c) = \frac{\sum_{s} w_s [p_s \ge c]}{\sum_s w_s}, \qquad
    \epsilon_b(c) = \frac{\sum_{b} w_b [p_b \ge c]}{\sum_b w_b}

With negative weights they do not rise steadily as the threshold falls.
"""

from __future__ import annotations

import numpy as np

from lumin_core.errors import DataError
from lumin_core.statistics import total_weight


def total_weights(
    signal: np.ndarray, w: np.ndarray, names: tuple[str, str] = ("signal", "background")
) -> tuple[float, float]:
    """Sum the weights of both classes, and refuse events of one class only.

    Args:
        signal: Whether an event is signal, shape ``(n,)``.
        w: Weights, shape ``(n,)``.
        names: What the classes are called in messages.

    Returns:
        The sums, of signal and of background.

    Raises:
        DataError: If there are no events of a class, or their weights sum to zero.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_metrics.curve import total_weights
        >>> total_weights(np.array([True, False, True]), np.array([1.0, 2.0, -0.5]))
        (0.5, 2.0)
    """
    for mask, name in ((signal, names[0]), (~signal, names[1])):
        if not mask.any():
            raise DataError(
                f"a ROC curve needs events of {names[0]} and {names[1]}, got no {name} in {len(w)} events; "
                "use more events, or folds that hold every class (df2foldfile's strat_key)"
            )
    return total_weight(w[signal], names[0]), total_weight(w[~signal], names[1])


def passing_weights(scores: np.ndarray, signal: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum the weights of the events that pass, at every threshold that tells events apart.

    Args:
        scores: Shape ``(n,)``.
        signal: Whether an event is signal, shape ``(n,)``.
        w: Weights, shape ``(n,)``.

    Returns:
        The sums of signal and of background, from the threshold that none passes (zero) to the one
        that all pass, each of shape ``(number of different scores + 1,)``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_metrics.curve import passing_weights
        >>> passing_weights(
        ...     np.array([0.2, 0.8, 0.8]), np.array([False, True, False]), np.array([1.0, 2.0, 1.0])
        ... )
        (array([0., 2., 2.]), array([0., 1., 2.]))
    """
    order = np.argsort(scores)[::-1]
    ranked = scores[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)  # of each group of equal scores
    w, signal = w[order], signal[order]
    above_signal = np.cumsum(np.where(signal, w, 0.0))[last]
    above_background = np.cumsum(np.where(signal, 0.0, w))[last]
    return np.append(0.0, above_signal), np.append(0.0, above_background)
