"""The interface of metrics: one number about the predictions of a whole fold."""

from __future__ import annotations

import inspect
import math
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from lumin_core.data.numbers import as_numbers, unmasked
from lumin_core.errors import ConfigError, DataError, UnknownComponent
from lumin_core.registry import find

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import ArrayLike

    from lumin_core.data.fold_yielder import FoldYielder

Direction = Literal["lower", "higher", "zero"]

_USUAL = {
    "classification": "metrics/roc_auc_score",
    "multiclass": "metrics/multi_accuracy",
    "regression": "metrics/r2",
}


class EvalMetric(ABC):
    """Base of metrics (kind ``metrics``).

    The loop evaluates metrics on the predictions of the whole validation fold before the valid
    ``on_epoch_end``; anywhere else they are called on arrays. A class says by `better` which values
    are good, and by `columns` which further columns of the fold file it needs.

    Attributes:
        better: ``"lower"``, ``"higher"``, or ``"zero"`` (the closer to zero the better,
            of either sign).
        columns: Names of further columns of the fold file that `evaluate` needs.
        main_metric: Whether this metric, rather than the loss, drives `save_best` and
            `early_stopping`.
        label: The title in tables, plots and histories; by default the class's name in snake case.

    Args:
        main_metric: As the attribute. At most one metric of a fit may be the main one.
        label: As the attribute; two metrics of one fit need different ones.

    Example:
        >>> import numpy as np
        >>> from lumin_core import EvalMetric
        >>> class MeanBias(EvalMetric):
        ...     better = "zero"
        ...     def evaluate(self, preds, targets, weights, columns):
        ...         return float(np.average(preds - targets, weights=weights))
        >>> metric = MeanBias()
        >>> metric.label, metric.evaluate(np.ones((2, 1)), np.zeros((2, 1)), None, {})
        ('mean_bias', 1.0)
    """

    kind: ClassVar[str] = "metric"
    better: Direction
    columns: Sequence[str] = ()

    def __init__(self, *, main_metric: bool = False, label: str | None = None) -> None:
        self.main_metric = main_metric
        self.label = (
            label or re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(self).__name__).lower()
        )
        if problem := _problem_of_better(type(self), getattr(self, "better", None)):
            raise ConfigError(problem)

    def set_data(self, fy: FoldYielder) -> None:  # noqa: B027  (most need not know)
        """Be told the data of a fit, before it begins.

        Args:
            fy: The data, of which `evaluate` is given one fold.
        """

    @abstractmethod
    def evaluate(
        self, preds: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, columns: Mapping[str, np.ndarray]
    ) -> float:
        """Compute the metric.

        Args:
            preds: Predictions, shape ``(n, n_out)``.
            targets: Targets, shape ``(n, n_targ)``, for multiclass ``(n,)``.
            weights: Event weights, shape ``(n, 1)``, or ``None`` for one each. They may be
                negative or zero.
            columns: The further columns named in ``columns``, each of shape ``(n,)``.

        Returns:
            The value.
        """

    def __call__(
        self,
        preds: ArrayLike,
        targets: ArrayLike,
        weights: ArrayLike | None = None,
        columns: Mapping[str, ArrayLike] | None = None,
    ) -> float:
        """Compute the metric on arrays, outside of a training; arguments as for `evaluate`.

        What is masked or NA is NaN for it.

        Raises:
            DataError: If predictions, targets or weights are not numbers.
        """
        return self.evaluate(
            as_numbers(preds, "predictions"),
            as_numbers(targets, "targets"),
            None if weights is None else as_numbers(weights, "weights"),
            {name: unmasked(column, f"the column {name!r}") for name, column in (columns or {}).items()},
        )


def value_of(
    metric: EvalMetric,
    preds: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray | None,
    columns: Mapping[str, np.ndarray],
) -> float:
    """Ask a metric, and say which one it was where it raises or gives no number.

    Args:
        metric: The metric.
        preds: As for `EvalMetric.evaluate`, as are all others.
        targets: Shape ``(n, n_targ)`` or ``(n,)``.
        weights: Shape ``(n, 1)``, or ``None``.
        columns: The columns that it needs.

    Raises:
        DataError: If it gives no number, or wants to end the program.

    Example:
        >>> import numpy as np
        >>> from lumin_core import build
        >>> from lumin_core.training.metric import value_of
        >>> value_of(build("metric", "binary_accuracy"), np.ones((2, 1)), np.ones((2, 1)), None, {})
        1.0
    """
    try:
        value: object = metric.evaluate(preds, targets, weights, columns)
    except SystemExit as error:
        raise DataError(f"the metric {metric.label!r} called sys.exit; raise an error that says why") from error
    except Exception as error:
        error.add_note(f"raised by the metric {metric.label!r}")
        raise
    number = None if value is None else as_numbers(value, f"what the metric {metric.label!r} gives")
    if number is None or number.size != 1:
        came = "None" if number is None else f"shape {number.shape}"
        raise DataError(f"the metric {metric.label!r} must give one number, got {came}")
    return float(number.item())


def usual_metrics(objective: str) -> list[str]:
    """Return the metric that one looks at first, by its qualified name.

    Args:
        objective: ``"classification"``, ``"multiclass"`` or ``"regression"``; others have none.

    Returns:
        Its name alone; nothing where its plugin is not installed.

    Example:
        >>> from lumin_core.training import usual_metrics
        >>> usual_metrics("classification")
        ['metrics/roc_auc_score']
    """
    try:
        return [find("metric", _USUAL[objective]).qualified] if objective in _USUAL else []
    except UnknownComponent:
        return []


def problem_of(metric: object) -> str | None:
    """Say why what a class builds cannot be a metric, or None.

    Args:
        metric: The class.

    Example:
        >>> from lumin_core import EvalMetric
        >>> from lumin_core.training.metric import problem_of
        >>> class Purity(EvalMetric):
        ...     def evaluate(self, preds, targets, weights, columns): ...
        >>> problem_of(Purity)
        "Purity.better must be 'lower', 'higher' or 'zero', got None; set it in the class"
    """
    if not isinstance(metric, type):
        return None
    better, columns = getattr(metric, "better", None), getattr(metric, "columns", ())
    is_set_later = isinstance(better, property) or (better is None and "better" in constructor_names(metric))
    if not is_set_later and (problem := _problem_of_better(metric, better)):
        return problem
    is_list = isinstance(columns, list | tuple) and all(isinstance(name, str) for name in columns)
    if not is_list and not isinstance(columns, property):
        return f"{metric.__name__}.columns must be a list of names, got {columns!r}"
    return None


def _problem_of_better(metric: type, better: object) -> str | None:
    if better in get_args(Direction):
        return None
    return f"{metric.__name__}.better must be 'lower', 'higher' or 'zero', got {better!r}; set it in the class"


def constructor_names(cls: type) -> set[str]:
    """Return the names that constructors of a class use, those of its bases too, Python code alone.

    Args:
        cls: The class; `EvalMetric`'s own constructor does not count.
    """
    made = [vars(base).get("__init__") for base in cls.__mro__ if base is not EvalMetric]
    return {name for function in made if inspect.isfunction(function) for name in function.__code__.co_names}


def is_better(value: float, best: float | None, better: Direction, min_change: float = 0) -> bool:
    """Tell whether a value is better than the best so far, by more than `min_change`.

    Args:
        value: The new value; NaN and infinity are never better.
        best: The best so far, or ``None`` where there is none yet.
        better: The metric's direction.
        min_change: By how much it must be better.

    Returns:
        Whether it is.

    Example:
        >>> from lumin_core.training.metric import is_better
        >>> (
        ...     is_better(-5.0, 0.0, "zero"),
        ...     is_better(0.9, 0.8, "higher"),
        ...     is_better(0.9, None, "lower"),
        ... )
        (False, True, True)
    """
    if not math.isfinite(value):
        return False
    if best is None:
        return True
    gain = {"lower": best - value, "higher": value - best, "zero": abs(best) - abs(value)}[better]
    return gain > min_change
