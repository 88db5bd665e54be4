"""Whether targets are such as torch's losses take: how many an event, and in which range.

Torch compares outputs and targets of different shapes by broadcasting, and trains on the result.
Which losses are torch's own stands in a table. An object of one of these very classes is checked
for the number and the range of targets; one of a subclass, which may have rules of its own, only
against what would be broadcast. Any other loss has its own rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from lumin_core.checks import listed
from lumin_core.data.values import check_classes
from lumin_core.errors import DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PROBABILITIES = (nn.BCELoss, nn.BCEWithLogitsLoss)
_OF_CLASSES = (nn.CrossEntropyLoss, nn.MultiLabelMarginLoss, nn.MultiMarginLoss, nn.NLLLoss)
_OF_SIGNS = (nn.HingeEmbeddingLoss, nn.MultiLabelSoftMarginLoss, nn.SoftMarginLoss)
_OF_VALUES = (nn.HuberLoss, nn.KLDivLoss, nn.L1Loss, nn.MSELoss, nn.PoissonNLLLoss, nn.SmoothL1Loss)
NO_LABELS = "the data have no targets: the file is of events without labels; train on one that names targ_feats"
TORCH_LOSSES = (*_PROBABILITIES, *_OF_CLASSES, *_OF_SIGNS, *_OF_VALUES)
"""Torch's losses that are called as ``loss(y_pred, y)``."""


def of_the_targets_unit(loss: type) -> bool:
    """Tell whether one of torch's losses compares outputs with targets of the same unit.

    Example:
        >>> from torch import nn
        >>> from lumin_core.model.targets import of_the_targets_unit
        >>> of_the_targets_unit(nn.L1Loss), of_the_targets_unit(nn.PoissonNLLLoss)  # of logarithms
        (True, False)
    """
    return issubclass(loss, (nn.HuberLoss, nn.L1Loss, nn.MSELoss, nn.SmoothL1Loss))


def check_targets(loss: object, objective: str, n_out: int, targets: np.ndarray | None) -> None:
    """Refuse targets that one of torch's losses cannot take, or would broadcast.

    Args:
        loss: The loss; one that is not torch's has its own rules.
        objective: ``"classification"``, ``"multiclass"`` or ``"regression"``.
        n_out: Number of outputs of the model.
        targets: Shape ``(n, n_targ)`` or ``(n,)``.

    Raises:
        DataError: If there are none, or they are out of range for the loss or the objective.
        ShapeError: If their number is not that of the outputs.

    Example:
        >>> import numpy as np
        >>> from torch import nn
        >>> from lumin_core.model.targets import check_targets
        >>> check_targets(nn.MSELoss(), "regression", 1, np.zeros((5, 2)))
        Traceback (most recent call last):
        lumin_core.errors.ShapeError: the model has n_out=1 outputs, but the data have 2 targets ...
    """
    if targets is None:
        raise DataError("there are no targets; give one row of them for each event")
    if targets.shape[1:] == (0,):
        raise DataError(NO_LABELS)
    if len(targets) == 0:
        raise DataError("there are no events, so that a loss is undefined")
    if type(loss) not in TORCH_LOSSES:
        if isinstance(loss, TORCH_LOSSES) and objective != "multiclass":  # classes are not compared with outputs
            _refuse_broadcasting(loss, n_out, targets)
        return
    if targets.dtype.kind not in "biuf":
        raise DataError(f"targets must be numbers, got {targets.dtype}; encode them first")
    if objective == "multiclass":
        _check_classes(n_out, targets)
    else:
        _check_number(n_out, targets)
        if isinstance(loss, _PROBABILITIES):
            _check_probabilities(targets)


def _width(targets: np.ndarray) -> int:
    return 1 if targets.ndim == 1 else int(targets.shape[1])


def _refuse_broadcasting(loss: object, n_out: int, targets: np.ndarray) -> None:
    """Refuse one target for several outputs, and several for one."""
    width = _width(targets)
    if width != n_out and 1 in (n_out, width):
        raise ShapeError(
            f"the model has n_out={n_out} outputs, but the data have {width} targets an event, which "
            f"{type(loss).__name__} would compare with each other in all pairs; derive it from nn.Module where that is "
            "meant"
        )


def _check_number(n_out: int, targets: np.ndarray) -> None:
    if targets.ndim > 2:
        raise ShapeError(f"this loss takes targets of shape (n, {n_out}), as n_out says, got {targets.shape}")
    if (width := _width(targets)) != n_out:
        raise ShapeError(f"the model has n_out={n_out} outputs, but the data have {width} targets an event")


def _check_probabilities(targets: np.ndarray) -> None:
    low, high = targets.min(), targets.max()
    if low < 0 or high > 1:
        values = np.unique(targets)
        way_out = "use objective='multiclass' for more classes"
        if len(values) == 2 and low < 0 and not (values % 1).any():
            way_out = f"df[target].map({{{values[0]:g}: 0, {values[1]:g}: 1}}) makes such of two classes"
        raise DataError(f"targets of a classification must be in [0, 1], got {low} to {high}; {way_out}")


def _check_classes(n_out: int, targets: np.ndarray) -> None:
    if targets.size != len(targets):
        raise ShapeError(f"multiclass takes one target an event, its class, got shape {targets.shape}")
    if (high := targets.max()) >= n_out:
        classes = np.unique(targets).tolist()
        raise DataError(
            f"multiclass targets must be below n_out={n_out}, got {high}; set n_out to the number of classes"
            f"{_map_of(classes) if len(classes) == n_out else ''}"
        )


def count_classes(folds: Iterable[np.ndarray], name: str) -> int:
    """Count the classes of a file, which must be 0, 1, 2, ... without gaps.

    Args:
        folds: The targets of its folds, any shape.
        name: Of the target, for the message.

    Raises:
        DataError: If there are other numbers, with the line that maps them.

    Example:
        >>> import numpy as np
        >>> from lumin_core.model.targets import count_classes
        >>> count_classes([np.array([0, 2]), np.array([1])], "process")
        3
        >>> count_classes([np.array([11, 13])], "process")
        Traceback (most recent call last):
        ...
        lumin_core.errors.DataError: multiclass targets must be classes 0, 1, 2, ... without ...
    """
    classes = sorted(set().union(*(np.unique(fold).tolist() for fold in folds)))
    if not all(float(value).is_integer() for value in classes):
        check_classes(np.array(classes))
    if classes != list(range(len(classes))):
        raise DataError(
            f"multiclass targets must be classes 0, 1, 2, ... without gaps, got {listed(map(_short, classes))} "
            f"in {name!r}; give n_out where a class has no event in these data{_map_of(classes)}"
        )
    return len(classes)


def _map_of(classes: Sequence[float], most: int = 20) -> str:
    """Give the line that maps numbers of classes to 0, 1, 2, ..."""
    if not 0 < len(classes) <= most or classes == list(range(len(classes))):
        return ""
    numbers = ", ".join(f"{_short(value)}: {i}" for i, value in enumerate(classes))
    return f", or map them when the file is written: df[target] = df[target].map({{{numbers}}})"


def _short(number: float) -> str:
    return f"{number:.0f}" if float(number).is_integer() else repr(number)
