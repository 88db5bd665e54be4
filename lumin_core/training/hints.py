"""What is allowed, and hardly ever meant: it is said by a warning of the log, and gone on with."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from weakref import WeakSet

import numpy as np

from lumin_core.checks import listed
from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.errors import option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.training.fit_params import FitParams
    from lumin_core.training.network import Network

_log = logging.getLogger(__name__)
_FAR = 30.0
_ROWS = 10_000  # among which values are looked at
_said: WeakSet[FoldYielder] = WeakSet()  # of which it was said that inputs are not scaled


def far_columns(table: np.ndarray, names: Sequence[str]) -> list[str]:
    """List the columns that are far from 0 and a spread of 1, as no preprocessing leaves them.

    Args:
        table: Shape ``(n, F)``; of many rows the first 10,000 are looked at.
        names: Of the first columns, which alone are looked at.

    Returns:
        Those of which a tenth of the values at least is beyond ±30.

    Example:
        >>> import numpy as np
        >>> from lumin_core.training.hints import far_columns
        >>> far_columns(np.array([[45.0, 0.1], [91.0, -2.0]]), ["pt", "eta"])
        ['pt']
    """
    some = table[:_ROWS, : len(names)]
    if not len(some):
        return []
    are_far = (np.abs(some) > _FAR).mean(axis=0) > 0.1
    return [name for name, is_far in zip(names, are_far, strict=False) if is_far]


def say_unscaled(fit: FitParams) -> None:
    """Say once of a yielder that its inputs are not scaled.

    Args:
        fit: The state of a fit, a training fold begun.
    """
    fy = fit.fy
    if type(fit.by) is not BatchYielder or fy in _said or fit.model.head.any_scale:
        return
    if far := far_columns(fit.by.inputs, fy.get_use_cont_feats()):
        _said.add(fy)
        _log.warning(
            "%s has inputs far from 0 and a spread of 1: %s; networks learn badly from such: scale them "
            "(fit_input_pipe of lumin-plugin-tabular) before the file is written",
            fy.foldfile.name,
            listed(far, 3),
        )


def say_unprepared(network: Network, table: np.ndarray) -> None:
    """Say of a model that was trained on scaled inputs that it is asked about others.

    Args:
        network: The model.
        table: What it is asked about as if that was prepared, shape ``(n, F)``.
    """
    far = far_columns(table, network.model_builder.cont_feats) if network.record.preprocessing else []
    if far:
        _log.warning(
            "inputs are far from 0 and a spread of 1: %s; the model was trained on data that were preprocessed: %s "
            "does the same to these",
            listed(far, 3),
            option("raw"),
        )


def say_trained_on(networks: Sequence[Network], fy: FoldYielder, chosen: Callable[[int], Iterable[int]]) -> None:
    """Say that models are asked about events that they were trained on.

    Args:
        networks: Who may be asked.
        fy: The data.
        chosen: Function from the number of a fold to the numbers of the networks that are asked.
    """
    known = {i for i, network in enumerate(networks) if network.record.trn_idxs and network.record.is_of(fy)}
    asked = {i: [fold for fold in range(len(fy)) if i in chosen(fold)] for i in known}
    seen = [i for i in known if not set(asked[i]).isdisjoint(networks[i].record.trn_idxs or [])]
    if seen:
        _log.warning(
            "%s trained on events of %s: what is predicted of these is better than of new ones; an Ensemble of models "
            "that each left out another fold predicts them as if they were new, with %s",
            "the model was" if len(networks) == 1 else f"{len(seen)} of {len(networks)} models were",
            fy.foldfile.name,
            option("out_of_fold"),
        )
