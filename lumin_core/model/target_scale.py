r"""Mean and spread of targets, by which a tail rescales its outputs.

.. math:: \mu = \frac{1}{W} \sum_i w_i y_i, \qquad \sigma^2 = \frac{1}{W} \sum_i w_i (y_i - \mu)^2

over all events of a file, its validation folds too: two numbers a target tell a network nothing of
single events. A network that begins at 0 has far to go to a mass of 125 GeV, in steps of a learning
rate that suits numbers of order one; with ``y_mean`` and ``y_std`` it begins there. Targets,
losses and metrics keep the unit of the file.
"""

from __future__ import annotations

import inspect
import logging
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lumin_core import registry
from lumin_core.errors import SavedModelError
from lumin_core.model.options import options_of, with_options
from lumin_core.model.targets import TORCH_LOSSES, of_the_targets_unit
from lumin_core.model.tensor_file import SUFFIX, existing, read_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lumin_core.data.fold_yielder import FoldYielder

_log = logging.getLogger(__name__)

SCALE = ("y_range", "y_mean", "y_std")
"""Options of a tail that rescale its outputs."""
_RESOLUTION = 1e-7  # of single precision: a spread below it is none


def with_target_scale(
    spec: object, fy: FoldYielder, objective: str, n_out: int, loss: object, pretrain_file: Path | None
) -> object:
    """Tell a tail that rescales its outputs the mean and the spread of the targets.

    It is told nothing if its options speak of the outputs' scale or their first bias, if there is
    not one output a target, or if the loss compares something else than values with the targets, as
    a Poisson loss does; with pretrained weights what these were trained with.

    Args:
        spec: The spec of the tail.
        fy: The data.
        objective: The builder's.
        n_out: The builder's.
        loss: The builder's.
        pretrain_file: The builder's.

    Returns:
        The spec of the tail, the same where there is nothing to tell.
    """
    tail = registry.resolve("tail", spec)
    known = inspect.signature(tail.func).parameters
    said = {*SCALE, "bias_init"} & tail.keywords.keys()
    if objective != "regression" or said or not {"y_mean", "y_std"} <= known.keys():
        return spec
    if pretrain_file is not None:
        return with_options(spec, _pretrained_scale(pretrain_file))
    return with_options(spec, target_scale(fy, n_out)) if _compares_values(loss) else spec


def target_scale(fy: FoldYielder, n_out: int) -> dict[str, object]:
    """Compute mean and spread of the targets, weighted.

    Where the weights add up to nothing, or negative ones make a variance negative, events count the
    same.

    Args:
        fy: The data.
        n_out: Number of outputs.

    Returns:
        ``y_mean`` and ``y_std``, numbers, or lists of one a target; the spread of a constant target
        is 1. Empty where the targets are not ``n_out`` finite numbers an event.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder
        >>> from lumin_core.model.target_scale import target_scale
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="mass") as file:
        ...     file.append(0, inputs=np.ones((2, 1)), targets=np.array([120.0, 130.0]))
        >>> target_scale(FoldYielder(path), 1)
        {'y_mean': 125.0, 'y_std': 5.0}
    """
    first = np.asarray(fy.get_column("targets", fold_idx=0, add_newaxis=True))
    if first.shape[1:] != (n_out,) or first.dtype.kind not in "biuf":
        return {}
    centre = first.mean(0, dtype=np.float64) if len(first) else np.zeros(n_out)
    for weighted in (True, False):
        mean, variance = _moments(fy, centre, weighted=weighted)
        if np.isfinite(mean).all() and (variance >= 0).all():
            spread = np.sqrt(variance)
            spread = np.where(spread > _RESOLUTION * abs(mean), spread, 1.0)
            scale = {"y_mean": mean.tolist(), "y_std": spread.tolist()}
            return scale if n_out > 1 else {key: value[0] for key, value in scale.items()}
    return {}


def _moments(fy: FoldYielder, centre: np.ndarray, *, weighted: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance, summed around a value near the mean, where nothing cancels."""
    total, first, second = 0.0, np.zeros_like(centre), np.zeros_like(centre)
    for i in range(len(fy)):
        y = np.asarray(fy.get_column("targets", fold_idx=i, add_newaxis=True), dtype=np.float64) - centre
        column = fy.get_column("weights", fold_idx=i) if weighted else None
        w = np.ones(len(y)) if column is None else np.asarray(column, dtype=np.float64).reshape(-1)
        total += float(w.sum())
        first += w @ y
        second += w @ np.square(y)
    with np.errstate(all="ignore"):
        mean = first / (total if total > 0 else np.nan)
        variance = second / total - np.square(mean)
        return centre + mean, np.where(abs(variance) < 1e-12 * second / total, 0.0, variance)


def _compares_values(loss: object) -> bool:
    """Tell whether a loss compares outputs and targets in one unit; one of the user's does."""
    if isinstance(loss, str) and loss == "auto":
        return True
    is_spec = isinstance(loss, str | dict | type | partial)
    made: object = registry.resolve("loss", loss).func if is_spec else type(loss)
    return not isinstance(made, type) or not issubclass(made, TORCH_LOSSES) or of_the_targets_unit(made)


def _pretrained_scale(path: Path) -> dict[str, object]:
    """Return what a saved model of ours was trained with; LUMIN's saves do not say it."""
    path = existing(path)
    if path.suffix != SUFFIX:
        return {}
    content = read_tensors(path, "model")[1]
    return _scale_of((content.get("config") or {}).get("tail"))


def _scale_of(tail: object) -> dict[str, object]:
    return {key: value for key, value in options_of(tail).items() if key in SCALE and value is not None}


def check_same_scale(config: Mapping[str, object] | None, tail: object, source: str) -> None:
    """Refuse weights that were trained with another scale of the outputs, for they would be wrong.

    Args:
        config: That of the builder of the weights, if it has one.
        tail: The spec of the tail of the model that is to take them.
        source: Where the weights come from, for the message.

    Raises:
        SavedModelError: If the scales differ.
    """
    if config is None:
        return
    theirs, own = _scale_of(config.get("tail")), _scale_of(tail)
    same = theirs.keys() == own.keys() and all(
        np.array_equal(np.ravel(np.asarray(theirs[key])), np.ravel(np.asarray(own[key]))) for key in own
    )
    if not same:
        raise SavedModelError(
            f"{source} was trained with a tail of {_text(theirs)}, this model has one of {_text(own)}: with its "
            "weights outputs would have another scale; Model.from_save builds the model as it was"
        )


def _text(scale: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in scale.items()) or "no scale"
