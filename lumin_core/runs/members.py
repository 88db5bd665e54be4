r"""Which saved models of a run make up an ensemble, what they weigh, and who is asked of a fold.

With values :math:`v_i` and, for the cycles of a model, :math:`n` counted from the last,

.. math:: a_i = n^p \times \begin{cases} 1 & \text{uniform} \\
    1/v_i & \text{reciprocal, lower is better} \\
    v_i & \text{higher is better} \\ 1/|v_i| & \text{closest to zero is best} \end{cases}

References:
    Huang et al. (snapshots), https://arxiv.org/abs/1704.00109; Garipov et al. (fast geometric
    ensembles), https://arxiv.org/abs/1802.10026
"""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from attrs import define

from lumin_core.checks import check_keys, positive
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError
from lumin_core.model.tensor_file import save_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lumin_core.runs.results import Results
    from lumin_core.training.network import Network


WEIGHTINGS = ("reciprocal", "uniform")


@define(frozen=True)
class Member:
    """A saved model that joins an ensemble.

    Attributes:
        path: Its file.
        value: The loss or metric that it is weighed by.
        weight: Its weight.
    """

    path: Path
    value: float
    weight: float = 1.0


@define(frozen=True, kw_only=True)
class Snapshots:
    """How many cycles of each model join, and what they weigh; see `Ensemble.from_results`.

    Attributes:
        n_cycles: How many: the last ones.
        load_cycles_only: Whether they are taken instead of the model.
        weighting_pwr: Power of their weights.
        patience: How many at the end are left out.
    """

    n_cycles: int
    load_cycles_only: bool = False
    weighting_pwr: float = 0
    patience: int = 0

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Snapshots:
        """Take the options of a caller.

        Raises:
            ConfigError: If one is unknown or out of range.

        Example:
            >>> from lumin_core.runs.members import Snapshots
            >>> Snapshots.from_options({"n_cycle": 3})
            Traceback (most recent call last):
            lumin_core.errors.ConfigError: snapshot_args has no 'n_cycle'; did you mean 'n_cycles'?
        """
        check_keys(options, [attribute.name for attribute in attrs.fields(cls)], "snapshot_args")
        positive(options.get("n_cycles"), "n_cycles in snapshot_args")
        if options.get("patience", 0) != 0:
            positive(options["patience"], "patience in snapshot_args, unless it is 0,")
        power = options.get("weighting_pwr", 0)
        if not isinstance(power, int | float) or not isfinite(power):
            raise ConfigError(f"weighting_pwr in snapshot_args must be a number, got {power!r}")
        return cls(**options)

    def members(self, result: Mapping[str, Any]) -> list[Member]:
        """Give the cycles of a model, the last first, behind the model itself where that is wanted.

        Args:
            result: Of the model.

        Raises:
            ConfigError: If there are fewer cycles, or a file is missing.
        """
        losses, folder = result.get("cycle_losses", ()), Path(result["path"]).parent
        numbers = list(range(len(losses) - self.patience, 0, -1))
        before = [] if self.load_cycles_only else [Member(Path(result["path"]), float(result["loss"]))]
        if before:  # the cycle that the model itself was saved at would enter twice
            numbers = [k for k in numbers if losses[k - 1] != result["loss"]]
        if len(numbers) < self.n_cycles:
            raise ConfigError(self._too_few(folder, len(losses), len(numbers)))
        cycles = [
            Member(_existing(folder / f"cycle_{k}"), float(losses[k - 1]), (n + len(before)) ** self.weighting_pwr)
            for n, k in enumerate(numbers[: self.n_cycles], 1)
        ]
        return before + cycles

    def _too_few(self, folder: Path, n_saved: int, n_left: int) -> str:
        if n_saved == 0:
            return (
                f"{folder} has no saved cycles: train with cycle_save=True, as in "
                'cb_partials=[{"name": "cycle_lr", "lr_range": (1e-4, 1e-2), "cycle_save": True}]'
            )
        return (
            f"{folder} has {n_saved} saved cycles, of which {n_left} can be taken, got n_cycles={self.n_cycles} "
            "(patience leaves out the last ones, and the cycle that is the model itself is not taken beside it); "
            "lower n_cycles"
        )


def choose_members(
    results: Results, size: int, metric: str, weighting: str, snapshot_args: Mapping[str, Any] | None
) -> list[Member]:
    """Choose the members of an ensemble; arguments as for `Ensemble.from_results`.

    Returns:
        The members, the best model first.

    Raises:
        ConfigError: As there.
    """
    if weighting not in WEIGHTINGS:
        raise ConfigError(f"weighting must be one of {', '.join(WEIGHTINGS)}, got {weighting!r}")
    chosen = results.best(size, metric)
    for result in chosen:
        _refuse_diverged(result, metric)
    members = [Member(Path(result["path"]), float(result[metric])) for result in chosen]
    if snapshot_args is not None:
        snapshots = Snapshots.from_options(snapshot_args)
        if weighting == "reciprocal" and metric != "loss":
            raise ConfigError(
                f"cycles have losses, but no {metric!r} to be weighed by: take metric='loss' or weighting='uniform'"
            )
        members = [member for result in chosen for member in snapshots.members(result)]
    return members if weighting == "uniform" else _reciprocal(members, results.direction(metric), metric)


def shares(weights: Iterable[float] | None, n_models: int) -> np.ndarray:
    """Return what each model weighs, of a sum of 1.

    Args:
        weights: One positive number a model; ``None`` for equal ones.
        n_models: Number of models.

    Raises:
        ConfigError: If they do not fit.

    Example:
        >>> from lumin_core.runs.members import shares
        >>> shares([1, 3], 2)
        array([0.25, 0.75])
    """
    given = [1.0] * n_models if weights is None else list(weights)
    try:
        raw = np.asarray(given, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raw = np.zeros(0)
    if raw.shape != (n_models,) or not (np.isfinite(raw).all() and (raw > 0).all()):
        raise ConfigError(f"weights must be {n_models} positive numbers, one a model, got {given}")
    total = raw.sum()  # 1 for those of a saved ensemble, which stay as they are to the last bit
    return raw if abs(total - 1) < 1e-12 else raw / total


def check_spread(networks: Sequence[Network], asked: Sequence[Sequence[int]]) -> None:
    """Refuse folds about which one model alone is asked, which has no spread unless it has members.

    Args:
        networks: Those of an ensemble.
        asked: The numbers of the models, for each fold.

    Raises:
        ConfigError: Naming the folds.
    """
    n_asked = [sum(networks[i].members for i in numbers) for numbers in asked]
    if folds := [fold for fold, n in enumerate(n_asked) if n < 2]:
        where = "" if len(asked) == 1 else f" for the folds {folds}"
        raise ConfigError(
            f"a spread needs at least two models, or one with members (body tabm), and there is one{where}: use "
            "predict, or more models"
        )


def not_trained_on(networks: Sequence[Network], inputs: object, numbers: Sequence[int]) -> list[list[int]]:
    """Return for each fold of the training file the networks that were not trained on it.

    Args:
        networks: Those of an ensemble.
        inputs: The `FoldYielder` of the file that they were trained on.
        numbers: Of the networks that may be asked.

    Raises:
        ConfigError: If it is something else, a model does not know its folds or was trained on
            another file, or all were trained on a fold.
    """
    if not isinstance(inputs, FoldYielder):
        raise ConfigError("out_of_fold=True needs to know each event's fold: pass the FoldYielder of the training")
    for i in numbers:
        record = networks[i].record
        if record.trn_idxs is None:
            raise ConfigError(
                f"model {i} of the ensemble does not know which folds it was trained on: it was not trained, or "
                "saved before that was noted; train it again, or leave out out_of_fold"
            )
        if not record.is_of(inputs):
            raise ConfigError(
                f"model {i} of the ensemble was trained on other data, or other folds, than those of "
                f"{inputs.foldfile.name}: pass the training file, or leave out out_of_fold for data that are new to all"
            )
    asked = [[i for i in numbers if fold not in (networks[i].record.trn_idxs or [])] for fold in range(len(inputs))]
    if seen := [fold for fold, left in enumerate(asked) if not left]:
        raise ConfigError(
            f"all {len(numbers)} models were trained on the folds {seen}, for which out_of_fold has none left: take "
            f"models that leave each fold out (train_models with n_models={len(inputs)} or more, and all of them here)"
        )
    return asked


def _refuse_diverged(result: Mapping[str, Any], metric: str) -> None:
    """Refuse a model whose loss or metric is not a number.

    One of NaN weights would make all predictions NaN.
    """
    for name in ("loss", metric):
        if name in result and not isfinite(result[name]):
            raise ConfigError(
                f"{result['path']} has {name} {result[name]}: its training went wrong, or {name} is undefined for it; "
                "take a smaller size, or train it again"
            )


def _reciprocal(members: list[Member], better: str, metric: str) -> list[Member]:
    values = [abs(member.value) if better == "zero" else member.value for member in members]
    if not all(isfinite(value) and value > 0 for value in values):
        raise ConfigError(
            f"reciprocal weights need values of {metric!r} that are all positive, got "
            f"{[member.value for member in members]}; use weighting='uniform'"
        )
    inverse = values if better == "higher" else [1 / value for value in values]
    return [attrs.evolve(member, weight=member.weight * a) for member, a in zip(members, inverse, strict=True)]


def _existing(path: Path) -> Path:
    if not (path := save_path(path)).is_file():
        raise ConfigError(
            f"there is no {path}, which the results list: bring it back, or train again (cycle_save=True)"
        )
    return path
