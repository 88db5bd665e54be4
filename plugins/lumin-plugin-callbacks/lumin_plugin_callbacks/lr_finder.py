r"""The learning-rate range test.

It shows how the loss goes while the learning rate rises from batch to batch. Batch :math:`i` of
:math:`n` is trained at

.. math:: \eta_i = \eta_\mathrm{low} \, (\eta_\mathrm{high} / \eta_\mathrm{low})^{i / (n - 1)}

The rate suggested is that at which the mean loss over the repeats, smoothed over :math:`\ln \eta`,
falls most steeply before its minimum. The window of this smoothing is symmetric, so that the
suggestion does not lag.

References:
    L. Smith, "Cyclical Learning Rates for Training Neural Networks",
    https://arxiv.org/abs/1506.01186, sect. 3.3 (the test; our rates rise exponentially rather
    than linearly).

    S. Gugger, "How Do You Find A Good Learning Rate" (2018),
    https://sgugger.github.io/how-do-you-find-a-good-learning-rate.html (exponential rise, the
    steepest descent, the stop at four times the lowest smoothed loss).
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import torch
from attrs import frozen

from lumin_core import Callback, Model, ModelBuilder, hookimpl, registry, seeds
from lumin_core.checks import as_list, positive
from lumin_core.errors import ConfigError
from lumin_core.training import check_batch_size, choose_folds
from lumin_plugin_callbacks.schedule import check_alone, check_range

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from lumin_core import BatchYielder, FitParams, FoldYielder

    Rates = NDArray[np.float64]

_DIVERGED = 4.0  # times the lowest smoothed loss
_LOOK_EVERY = 10  # batches: a look waits for the device
_WINDOW = 1 / 40  # of all rates


@frozen(eq=False, repr=False)
class LRFindResult:
    """What a range test found.

    Args:
        lr: The learning rates, ascending, shape ``(n,)``.
        losses: Objective of the batch at each rate, a row a repeat, shape ``(n_repeats, n)``; NaN
            from where a repeat had diverged.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_callbacks import LRFindResult
        >>> lr = np.geomspace(1e-6, 1, 601)
        >>> loss = 1 / (1 + (lr / 1e-3) ** 2)  # over ln(lr) it falls most steeply at 1e-3
        >>> result = LRFindResult(lr, np.stack([loss + 0.01, loss - 0.01]))
        >>> round(result.suggestion, 4)
        0.001
        >>> result.get_df().columns.tolist()
        ['lr', 'mean_loss', 'spread', 'smoothed_loss', 'loss_0', 'loss_1']
    """

    lr: Rates
    losses: Rates

    @property
    def mean_loss(self) -> Rates:
        """The mean over repeats, shape ``(n,)``; NaN from where the first had diverged."""
        mean: Rates = self.losses.mean(axis=0)
        return mean

    @property
    def spread(self) -> Rates:
        """The standard deviation over repeats, shape ``(n,)``.

        It is NaN for a single one, which cannot tell.
        """
        if len(self.losses) == 1:
            return np.full(len(self.lr), np.nan)
        spread: Rates = self.losses.std(axis=0, ddof=1)
        return spread

    @property
    def smoothed_loss(self) -> Rates:
        """The mean loss, smoothed with a Gaussian of a fortieth of all rates, shape ``(n,)``."""
        mean = self.mean_loss
        known = np.isfinite(mean)
        smoothed = np.full(len(mean), np.nan)
        if known.any():
            smoothed[known] = _smooth(mean[known], width=_WINDOW * len(mean))
        return smoothed

    @property
    def suggestion(self) -> float | None:
        """The learning rate of the steepest descent before the minimum.

        It is ``None`` where the loss never falls.
        """
        smoothed = self.smoothed_loss
        smoothed = smoothed[np.isfinite(smoothed)]
        if len(smoothed) < 3:
            return None
        slope = np.gradient(smoothed)[: int(np.argmin(smoothed)) + 1]
        steepest = int(np.argmin(slope))
        return float(self.lr[steepest]) if slope[steepest] < 0 else None

    def get_df(self) -> pd.DataFrame:
        """Return a table with a row for each rate.

        It has ``lr``, ``mean_loss``, ``spread``, ``smoothed_loss`` and the repeats' ``loss_<i>``.
        """
        columns = {name: getattr(self, name) for name in ("lr", "mean_loss", "spread", "smoothed_loss")}
        return pd.DataFrame({**columns, **{f"loss_{i}": row for i, row in enumerate(self.losses)}})

    def __repr__(self) -> str:
        """Show what was tested and what is suggested."""
        repeats = f"{len(self.losses)} repeat{'s' if len(self.losses) > 1 else ''}"
        tested = f"LRFindResult: {repeats}, {len(self.lr)} rates from {self.lr[0]:.3g} to {self.lr[-1]:.3g}"
        known = np.isfinite(self.mean_loss)
        if not known.any():
            return f"{tested}; diverged at once"
        lowest = int(np.nanargmin(self.smoothed_loss))
        found = "the loss never falls" if self.suggestion is None else f"suggested lr {self.suggestion:.2g}"
        ended = "" if known.all() else f", diverged at {self.lr[known][-1]:.2g}"
        return f"{tested}; {found}, lowest loss {self.smoothed_loss[lowest]:.4g} at {self.lr[lowest]:.2g}{ended}"


class LRFinder(Callback):
    """The learning-rate range test.

    Raises the learning rate from batch to batch, and notes the loss. The test ends the training: at
    the upper bound, or where the loss diverges, which every tenth batch is looked for (the smoothed
    loss is four times its lowest, or a loss is not finite). Then weights, optimiser and rate are
    put back as they were.

    Args:
        lr_bounds: First and last learning rate.
        nb: Number of batches from one to the other; by default all batches of the fit.

    Attributes:
        finished: Whether the test is over.

    Raises:
        ConfigError: If an option is out of range; when the fit begins, if it has fewer
            than two batches.

    Example:
        >>> from lumin_plugin_callbacks import LRFinder
        >>> # model.fit(1, fy, bs=256, cbs=finder), then finder.result
        >>> finder = LRFinder(lr_bounds=(1e-5, 1))
        >>> finder.finished
        False

    References:
        See the module `lumin_plugin_callbacks.lr_finder`.
    """

    scheduled = ("lr",)
    finished: bool
    _batch: int
    _losses: list[float]
    _pending: list[Tensor]
    _average: float
    _lowest: float
    _kept: Mapping[str, object] | None

    def __init__(self, lr_bounds: Sequence[float] = (1e-7, 10), nb: int | None = None) -> None:
        self.lr_bounds = check_range(lr_bounds, "lr_bounds")
        if not 0 < self.lr_bounds[0] < self.lr_bounds[1]:
            raise ConfigError(f"lr_bounds must be (first, last) with 0 < first < last, got {lr_bounds!r}")
        self.nb = None if nb is None else _check_nb(nb)
        self._rates = np.empty(0)
        self._reset()

    @property
    def result(self) -> LRFindResult:
        """What was found, as one repeat.

        Raises:
            ConfigError: If there was no fit yet.
        """
        if not len(self._rates):
            raise ConfigError("there is nothing found yet: fit a model with this callback first")
        losses = np.full((1, len(self._rates)), np.nan)
        losses[0, : len(self._losses)] = self._losses
        return LRFindResult(self._rates, losses)

    def check_fit(self, fit_params: FitParams) -> None:
        """Refuse a second callback that sets the learning rate."""
        check_alone(self, fit_params.cbs)

    def on_train_begin(self, fit_params: FitParams) -> None:
        """Begin anew, and keep the model as it is."""
        nb = self.nb or _check_nb(fit_params.n_epochs * fit_params.batches_per_epoch)
        self._rates = np.geomspace(*self.lr_bounds, nb)
        self._reset()
        self._kept = copy.deepcopy(fit_params.model.training_state())

    def spans(self, n_epochs: int) -> bool:
        """Tell whether the rates are spread over the whole fit, however long that is."""
        return self.nb is None

    @hookimpl(wrapper=True)
    def on_fold_begin(self, fit_params: FitParams) -> Generator[None, object, object]:
        """Let the batches end with the test, whoever provides them.

        The loop looks at ``stop`` only between folds.
        """
        result = yield
        if fit_params.state == "train":
            fit_params.by = cast("BatchYielder", _Batches(fit_params.by, self))
        return result

    def on_batch_begin(self, fit_params: FitParams) -> None:
        """Set the learning rate."""
        if fit_params.state == "train":
            fit_params.model.set_lr(float(self._rates[self._batch]))
            self._batch += 1

    def on_batch_end(self, fit_params: FitParams) -> None:
        """Note the loss; look every tenth batch whether it diverges."""
        if fit_params.state != "train":
            return
        self._pending.append(fit_params.loss_val.detach())
        at_end = self._batch == len(self._rates)
        if at_end or len(self._pending) == _LOOK_EVERY:
            self._look()
            self.finished = self.finished or at_end

    def on_fold_end(self, fit_params: FitParams) -> None:
        """End the training with the test, before anything is validated or saved."""
        if fit_params.state == "train" and (self.finished or fit_params.failed is not None):
            self._look()
            self._end(fit_params)

    def on_train_end(self, fit_params: FitParams) -> None:
        """Put back the model after a test that something else has ended."""
        self._look()
        self._end(fit_params)

    def state_dict(self) -> dict[str, object]:
        """Give what a resumed fit goes on from."""
        return {
            "batch": self._batch,
            "losses": list(self._losses),
            "pending": list(self._pending),
            "average": self._average,
            "lowest": self._lowest,
            "finished": self.finished,
            "kept": self._kept,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._batch = state["batch"]
        self._losses = list(state["losses"])
        self._pending = list(state["pending"])
        self._average = state["average"]
        self._lowest = state["lowest"]
        self.finished = state["finished"]
        self._kept = state["kept"]

    def _end(self, fit_params: FitParams) -> None:
        fit_params.stop = self.finished = True
        fit_params.failed = None  # a test may diverge
        if self._kept is not None:
            fit_params.model.load_training_state(self._kept)
            self._kept = None

    def _look(self) -> None:
        """Read the losses since the last look, and see whether they diverge.

        They are read up to the first that is not finite.
        """
        if not self._pending:
            return
        losses, self._pending = torch.stack(self._pending).tolist(), []
        for loss in losses:
            if not math.isfinite(loss):
                self.finished = True
                return
            self._losses.append(loss)
            self._average += (loss - self._average) / min(len(self._losses), max(5, _WINDOW * len(self._rates)))
        if self._average > self._lowest + (_DIVERGED - 1) * abs(self._lowest):
            self.finished = True
        self._lowest = min(self._lowest, self._average)

    def _reset(self) -> None:
        self._batch = 0
        self.finished = False
        self._losses = []
        self._pending = []
        self._average = 0.0
        self._lowest = math.inf
        self._kept = None


class _Batches:
    """The batches of a fold, until the test is over; all else is the fold's."""

    def __init__(self, by: BatchYielder, finder: LRFinder) -> None:
        self._by = by
        self._finder = finder

    def __len__(self) -> int:
        return len(self._by)

    def __iter__(self) -> Iterator[object]:
        for batch in self._by:
            yield batch
            if self._finder.finished:
                return

    def __getattr__(self, name: str) -> object:
        return getattr(self._by, name)


def lr_find(
    fy: FoldYielder,
    model_builder: ModelBuilder,
    bs: int,
    n_epochs: int = 1,
    train_on_weights: bool = True,
    n_repeats: int = -1,
    lr_bounds: Sequence[float] = (1e-7, 10),
    cb_partials: object = None,
    seed: int | None = None,
    bulk_move: bool = True,
    visible_bar: bool = True,
    *,
    device: str | torch.device | None = None,
    precision: str = "32",
    compile: bool = False,
) -> LRFindResult:
    """Repeat the learning-rate range test with fresh models, each of which leaves out another fold.

    All repeats take the same rates, as many as the one with the fewest batches has.

    Args:
        fy: The training data.
        model_builder: What to build; its seed is overridden by one of `seed`'s for each repeat.
        bs: Events in a batch.
        n_epochs: Length of a test.
        train_on_weights: Whether the file's weights are used.
        n_repeats: Number of repeats, at most one a fold; -1 for one a fold.
        lr_bounds: First and last learning rate.
        cb_partials: Further callbacks, as names, dicts, classes or partials: each
            repeat gets its own.
        seed: Seed of everything; ``None`` draws a fresh one.
        bulk_move: Whether a fold is moved to the device at once.
        visible_bar: Whether to show a progress bar.
        device: As for `lumin_core.Model`.
        precision: As for `lumin_core.Model`.
        compile: As for `lumin_core.Model`.

    Returns:
        The rates, the losses and what they suggest.

    Raises:
        ConfigError: If an option is out of range, a callback is an instance or sets the
            learning rate too.
        DataError: If a fold is smaller than a batch.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder, ModelBuilder
        >>> from lumin_plugin_callbacks import lr_find
        >>> path, rng = tempfile.mkdtemp() + "/train.hdf5", np.random.default_rng(1)
        >>> with FoldFileWriter(path, cont_feats=["pt", "eta"], targ_feats="is_signal") as file:
        ...     for fold in range(3):
        ...         file.append(
        ...             fold, inputs=rng.normal(size=(640, 2)), targets=rng.integers(0, 2, size=640)
        ...         )
        >>> fy = FoldYielder(path)
        >>> found = lr_find(
        ...     fy, ModelBuilder.from_fy(fy, "classification"), bs=32, lr_bounds=(1e-5, 1), seed=1
        ... )
        >>> found.losses.shape, found.lr[[0, -1]].tolist()
        ((3, 40), [1e-05, 1.0])
    """
    bs, seed = positive(bs, "bs"), seeds.check(seed)
    callbacks = [registry.resolve("callback", spec) for spec in as_list(cb_partials)]
    folds = [choose_folds(fy, None, i)[0] for i in range(_check_repeats(n_repeats, len(fy)))]
    for trn_idxs in folds:
        check_batch_size(fy, trn_idxs, bs)
    n_batches = min(sum(fy.get_data_count(j) // bs for j in trn_idxs) for trn_idxs in folds)
    finders = [LRFinder(lr_bounds, positive(n_epochs, "n_epochs") * n_batches) for _ in folds]
    for i, (trn_idxs, finder) in enumerate(zip(folds, finders, strict=True)):
        init, fit = (seeds.seed_of(seed, purpose, i) for purpose in ("initialisation", "fit"))
        Model(ModelBuilder.from_model_builder(model_builder, seed=init), device, precision, compile).fit(
            n_epochs,
            fy,
            bs,
            bulk_move=bulk_move,
            train_on_weights=train_on_weights,
            trn_idxs=trn_idxs,
            cbs=[*(make() for make in callbacks), finder],
            visible_bar=visible_bar,
            seed=fit,
        )
    return LRFindResult(finders[0].result.lr, np.concatenate([finder.result.losses for finder in finders]))


def _check_repeats(n_repeats: int, available: int) -> int:
    if n_repeats == -1:
        return available
    if positive(n_repeats, "n_repeats") > available:
        raise ConfigError(
            f"n_repeats must be at most {available}, the folds of the file, or -1 for all, got {n_repeats}"
        )
    return int(n_repeats)


def _check_nb(nb: int) -> int:
    if positive(nb, "nb") < 2:
        raise ConfigError(f"a range test takes at least 2 batches, got {nb}; take a smaller bs or more epochs")
    return int(nb)


def _smooth(values: Rates, width: float) -> Rates:
    """Smooth with a Gaussian; at the ends, with what there is of it."""
    half = math.ceil(3 * width)
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / width) ** 2)
    inner = slice(half, half + len(values))
    smoothed: Rates = np.convolve(values, kernel)[inner] / np.convolve(np.ones(len(values)), kernel)[inner]
    return smoothed
