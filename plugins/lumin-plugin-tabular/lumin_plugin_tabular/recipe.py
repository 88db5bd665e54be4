"""The strong recipe: a network for tabular events that needs no tuning.

Embeddings of numbers and categories, three layers behind them, strong weight decay of weights
alone, and a learning rate that rises shortly and falls to zero along a cosine. What it gives is
arguments of `ModelBuilder.from_fy` and `train_models`; each was chosen on validation events of two
samples, see docs/which_network.md.

References:
    Y. Gorishniy, I. Rubachev, A. Babenko, "On embeddings for numerical features in tabular deep
    learning", https://arxiv.org/abs/2203.05556
    D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by default: strong pre-tuned MLPs and
    boosted trees on tabular data", https://arxiv.org/abs/2407.04491
"""

from __future__ import annotations

from functools import partial
from math import inf, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from lumin_core.checks import did_you_mean, is_number, listed, positive
from lumin_core.errors import ConfigError
from lumin_core.model import objective_of
from lumin_core.runs import Preset, preset_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumin_core import FoldYielder

LR = 4e-3  # in batches of 256 and more
WEIGHT_DECAY = 1.0  # of AdamW, so that weights fall to a twentieth in the epochs of the recipe, but for gradients


class Budget(NamedTuple):
    """What a training may cost: epochs at 30,000 events, and the width of layers."""

    epochs: int
    width: int


BUDGETS = {"quick": Budget(5, 128), "normal": Budget(12, 192)}


class Strong(Preset):
    """The strong recipe as a preset: ``preset = "tabular/strong"`` in a run file.

    Args:
        budget: ``"normal"``, or ``"quick"``: fewer epochs of a narrower network.
        n_epochs: The epochs that the user gives, over which the learning rate falls; by default
            more for few events than for many.
        bs: The batch size that the user gives; by default 32 to 1024, by the number of events.
        opt_args: Options of the optimiser that the user gives; ``lr`` is the schedule's highest, by
            default 4e-3, less for batches below 256.

    Raises:
        ConfigError: If there is no such budget, or a learning rate is none.

    Example:
        >>> from lumin_plugin_tabular import Strong
        >>> Strong(budget="slow")
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: budget must be one of quick, normal, ...
    """

    version = 2

    def __init__(
        self,
        budget: str = "normal",
        n_epochs: int | None = None,
        bs: int | None = None,
        opt_args: Mapping[str, Any] | None = None,
    ) -> None:
        if str(budget) not in BUDGETS:
            raise ConfigError(f"budget must be one of {listed(BUDGETS)}, got {budget!r}{did_you_mean(budget, BUDGETS)}")
        self.budget = BUDGETS[str(budget)]
        self.n_epochs = n_epochs
        self.bs = bs
        self.lr = _checked_rate(opt_args["lr"]) if opt_args and "lr" in opt_args else None

    def arguments(self, fy: FoldYielder, objective: str, n_out: int | None = None) -> dict[str, Any]:
        """Return head, body, optimiser, callbacks, batch size and epochs for the data."""
        sizes = list(fy.fld_szs.values())
        bs = _batch(sizes) if self.bs is None else positive(self.bs, "bs")
        lr = _rate(bs) if self.lr is None else self.lr
        n_epochs = _epochs(sum(sizes), self.budget) if self.n_epochs is None else positive(self.n_epochs, "n_epochs")
        return {
            "head": {
                "name": "tabular/num_emb_head",
                "width": 16,
                "n_bins": 48,
                "activation": True,
                "with_value": True,
                "cat_init_scale": 0.1,
            },
            "body": {"name": "tabular/fully_connected", "depth": 3, "width": self.budget.width, "do": 0.1},
            "opt_args": {"opt": "core/adamw", "lr": lr, "weight_decay": WEIGHT_DECAY, "decay_groups": "weights"},
            "cb_partials": [*_balance(fy, objective_of(objective)), _schedule(n_epochs, lr)],
            "bs": bs,
            "n_epochs": n_epochs,
        }


def _checked_rate(lr: Any) -> float:
    if not is_number(lr) or not 0 < lr < inf:
        raise ConfigError(f"the learning rate, lr, must be a positive number, got {lr!r}")
    return float(lr)


def _epochs(n_events: int, budget: Budget) -> int:
    """Choose epochs, 3 to 60: those of the budget at 30,000 events, half at four times as many."""
    return round(min(60.0, max(3.0, budget.epochs * sqrt(30_000 / max(n_events, 1)))))


def _batch(fold_sizes: list[int]) -> int:
    """Choose a batch size: the power of two next to a 120th of the events, at most a fold."""
    share = sum(fold_sizes) / 120
    found = next((size for size in (32, 64, 128, 256, 512) if share < 1.5 * size), 1024)
    return max(1, min(found, *fold_sizes))


def _rate(bs: int) -> float:
    """Choose the learning rate: less for small batches, which are noisy, by the square root."""
    return LR * sqrt(min(1.0, bs / 256))


def _balance(fy: FoldYielder, objective: str) -> list[str]:
    """Weight classes alike where events have weights: in yields, a class may all but vanish."""
    is_one_of_classes = len(fy.targ_feats) == 1 and objective != "regression"
    return ["callbacks/balance_classes"] if fy.wgt_feat is not None and is_one_of_classes else []


def _schedule(n_epochs: int, lr: float) -> dict[str, object]:
    """Let the rate rise over a twentieth of the epochs, and fall to zero along a cosine."""
    lengths = [0.05 * n_epochs, 0.95 * n_epochs]
    return {"name": "callbacks/one_cycle", "lengths": lengths, "lr_range": [0.04 * lr, lr], "mom_range": [0.9, 0.9]}


def strong(
    fy: FoldYielder, objective: str, budget: str = "normal", n_out: int | None = None, **given: Any
) -> dict[str, Any]:
    """Return the arguments of `train_models` that need no tuning, for some data.

    Args:
        fy: The training data, flat features.
        objective: ``classification``, ``multiclass`` or ``regression``.
        budget: See `Strong`.
        n_out: Number of outputs; by default that of the targets, or classes.
        **given: Arguments of `ModelBuilder.from_fy` and of `train_models`, which take the place of
            the recipe's: a component (``body``, ``cb_partials``) with all its options, options
            alone (``opt_args={"lr": 2e-3}``) those of their names. The schedule follows `lr`.

    Returns:
        ``model_builder``, ``bs``, ``n_epochs``, ``cb_partials`` and what is given.

    Raises:
        ConfigError: If an argument is unknown or out of range.
        UnknownComponent: If lumin-plugin-callbacks, which has the schedule, is not installed.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder, train_models
        >>> from lumin_plugin_tabular import strong
        >>> folder, rng = tempfile.mkdtemp(), np.random.default_rng(1)
        >>> with FoldFileWriter(folder + "/train", cont_feats=["pt"], targ_feats="is_tau") as file:
        ...     for fold in range(2):
        ...         pt = rng.exponential(30.0, size=(64, 1))
        ...         file.append(fold, inputs=pt, targets=pt[:, 0] > 30)
        >>> fy = FoldYielder(folder + "/train.hdf5")
        >>> arguments = strong(fy, "classification", budget="quick", n_epochs=2)
        >>> results = train_models(
        ...     fy, n_models=2, savepath=folder + "/run", seed=1, visible_bar=False, **arguments
        ... )
        >>> arguments["bs"], len(results)
        (32, 2)
    """
    return preset_arguments(partial(Strong, budget=budget), fy, objective, n_out, **given)
