"""The model: a network with the loop that trains it."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, overload

from lumin_core.arguments import explained
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.data.values import check_finite
from lumin_core.display import Displayed, count
from lumin_core.errors import ConfigError
from lumin_core.training import evaluation
from lumin_core.training.asking import Question
from lumin_core.training.callback import PredHandler
from lumin_core.training.fitting import prepare_fit
from lumin_core.training.inputs import as_batches
from lumin_core.training.loop import run_fit
from lumin_core.training.model_rows import model_rows
from lumin_core.training.network import Network
from lumin_core.training.prediction import NO_SPREAD, deliver, fold_batches, predictions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import ArrayLike
    from torch import Tensor

    from lumin_core.data.batch_yielder import BatchYielder
    from lumin_core.display import Row
    from lumin_core.training.fit_params import FitParams
    from lumin_core.training.network import Events, PredCallback, Raw


class Model(Network, Displayed):
    """A network of head, body and tail, with its loss and optimiser.

    Outside of a fit it is in evaluation mode, and any number of threads may ask it; while one fits
    it, others are refused.

    Args:
        model_builder: What to build.
        device: Where to work; by default the environment variable ``LUMIN_DEVICE``, else
            cuda, mps or cpu.
        precision: ``"32"``, or mixed precision ``"bf16"`` or ``"16"``.
        compile: Whether to compile the network with ``torch.compile``.
        input_mask: Columns of the inputs that the network is given, as in a saved model; by
            default the builder's choice.
        record: What a saved model says of itself; by default that of a new one.

    Attributes:
        model: ``nn.Sequential(head, body, tail)``.
        opt: The optimiser.
        loss: The loss, per event or a `BatchLoss`.
        input_mask: Columns of the inputs that the network is given; ``None`` for all.
        fit_params: The state of the last fit, or ``None``.
        objective: ``"classification"``, ``"multiclass"`` or ``"regression"``.
        n_out: Number of outputs.
        record: What is known of the training data, see `lumin_core.model.record.ModelRecord`.

    Raises:
        ConfigError: If there is no such device or precision.

    Example:
        >>> import numpy as np
        >>> from lumin_core import Model, ModelBuilder
        >>> model = Model(ModelBuilder("classification", n_out=1, cont_feats=["pt", "eta"], seed=1))
        >>> model.predict(np.zeros((3, 2), "float32")).shape
        (3, 1)
    """

    fit_params: FitParams | None = None

    def _title(self) -> str:
        return f"{type(self).__name__} for {self.objective}, {count(self.n_out, 'output')}"

    def _rows(self) -> Iterator[Row]:
        return model_rows(self, self.fit_params)

    @explained
    def fit(
        self,
        n_epochs: int,
        fy: FoldYielder,
        bs: int,
        bulk_move: bool = True,
        train_on_weights: bool = True,
        trn_idxs: Sequence[int] | None = None,
        val_idx: int | None = None,
        cbs: object = None,
        metrics: object = None,
        cb_savepath: str | Path = "train_weights",
        visible_bar: bool = True,
        seed: int | None = None,
        resume: bool = False,
    ) -> list[Any]:
        """Train.

        Args:
            n_epochs: Number of passes over the training folds.
            fy: The training data; its features must be those of the builder.
            bs: Events in a batch.
            bulk_move: Whether a fold is moved to the device at once, rather than batch by batch.
            train_on_weights: Whether the weights of the fold file are used, in training,
                validation and metrics.
            trn_idxs: Indices of the training folds; by default all but `val_idx`.
            val_idx: Index of the validation fold; by default there is no validation.
            cbs: Callbacks, as names, dicts, classes, partials or objects; called in this order.
            metrics: Metrics, likewise.
            cb_savepath: Folder for what callbacks save; made when they do.
            visible_bar: Whether to show a progress bar.
            seed: Seed of fold order, augmentation, shuffling, dropout and callbacks; ``None`` draws
                a fresh one. Recorded.
            resume: Whether to keep a checkpoint in ``cb_savepath/checkpoint`` after every epoch,
                and to go on from the one that is there: a fit that was killed ends with bit for bit
                the weights of one that was not.

        Returns:
            The callbacks, in the order of `cbs`.

        Raises:
            ConfigError: If an option is out of range, the features are not the builder's, or
                another thread fits or asks this model.
            TrainingFailed: If another thread fits another model.
            DataError: If a fold is smaller than a batch, or holds what cannot be trained on.
            HookError: If a callback has a point that does not exist.
            KeyboardInterrupt: After Ctrl-C: the first ends the fit after the batch and saves the
                model as ``interrupted.safetensors`` in `cb_savepath`, the second ends it at once.
        """
        fit = prepare_fit(
            self,
            n_epochs,
            fy,
            bs,
            bulk_move=bulk_move,
            train_on_weights=train_on_weights,
            trn_idxs=trn_idxs,
            val_idx=val_idx,
            cbs=cbs,
            metrics=metrics,
            cb_savepath=cb_savepath,
            visible_bar=visible_bar,
            seed=seed,
            resume=resume,
        )
        self.fit_params = fit.params
        run_fit(fit)
        return list(fit.params.cbs)

    @overload
    def predict(
        self,
        inputs: Events | FoldYielder,
        as_np: bool = True,
        pred_name: str = "pred",
        pred_cb: PredCallback | None = None,
        cbs: object = None,
        bs: int | None = None,
        raw: Raw = False,
        *,
        augment: bool | None = None,
        overwrite: bool = False,
        other_preprocessing: bool = False,
        spread: Literal[True],
    ) -> tuple[np.ndarray | Tensor, np.ndarray | Tensor] | None: ...

    @overload
    def predict(
        self,
        inputs: Events | FoldYielder,
        as_np: bool = True,
        pred_name: str = "pred",
        pred_cb: PredCallback | None = None,
        cbs: object = None,
        bs: int | None = None,
        raw: Raw = False,
        *,
        augment: bool | None = None,
        overwrite: bool = False,
        other_preprocessing: bool = False,
        spread: Literal[False] = False,
    ) -> np.ndarray | Tensor | None: ...

    @explained
    def predict(
        self,
        inputs: Events | FoldYielder,
        as_np: bool = True,
        pred_name: str = "pred",
        pred_cb: PredCallback | None = None,
        cbs: object = None,
        bs: int | None = None,
        raw: Raw = False,
        *,
        augment: bool | None = None,
        overwrite: bool = False,
        other_preprocessing: bool = False,
        spread: bool = False,
    ) -> np.ndarray | Tensor | tuple[np.ndarray | Tensor, np.ndarray | Tensor] | None:
        """Predict.

        Args:
            inputs: An array or tensor ``(n, F)`` with the columns of the training data, a data
                frame, a dict of columns or an array of records (taken by column name), ``(flat,
                matrix)``, the matrix alone where there are no flat features, a `BatchYielder`, or
                a `FoldYielder`.
            as_np: Whether to return an array, or a tensor.
            pred_name: Column under which the predictions for a `FoldYielder` are saved in its file.
            pred_cb: The callback that collects the predictions, by default a fresh `PredHandler`;
                called last, and asked with ``get_preds()``.
            cbs: Further callbacks.
            bs: Events in a batch.
            raw: Whether `inputs` are as they were before the preprocessing that the training file
                records, which is then applied, category maps too, and outputs are wanted as targets
                were before theirs (``output_pipe``); with ``"inputs"`` the former alone. Of a
                `FoldYielder`: for a file that records no preprocessing.
            augment: Whether the answers are averaged over the views of each event that the model
                recorded, those of the augmentations of its training. By default a yielder that was
                opened with augmentations is asked with its own, all else plainly.
            overwrite: Whether a column may be replaced that no prediction wrote.
            other_preprocessing: Whether the file may record another preprocessing than the model.
            spread: Whether to give the standard deviation over members, too, of a model that has
                some, such as one with the body ``tabm``. It tells how far these differ, and is no
                calibrated uncertainty.

        Returns:
            Probabilities or values, shape ``(n, n_out)``; for a `FoldYielder` ``None``: they are in
            the file, averaged over test-time variants where the yielder has augmentations. With
            `spread`, that and the spread, of the same shape, in the file ``<pred_name>_spread``.

        Raises:
            DataError: If columns are missing or come twice, inputs are infinite or not numbers, or
                codes are none of the training's.
            ShapeError: If inputs have another number of columns.
            ConfigError: If `raw` or `augment` is asked for and nothing is recorded, a file records
                another preprocessing, or another thread fits it.
        """
        if spread and self.members == 1:
            raise ConfigError(NO_SPREAD)
        question = Question(
            make_handler=PredHandler if pred_cb is None else lambda: pred_cb,
            cbs=cbs,
            bs=bs,
            raw=raw,
            augment=augment,
            other_preprocessing=other_preprocessing,
            spread=spread,
        )
        names = [pred_name, *([f"{pred_name}_spread"] if spread else [])]
        answers = deliver(predictions([self], inputs, question), names, inputs, as_np=as_np, overwrite=overwrite)
        if not answers:
            return None
        return (answers[0], answers[1]) if spread else answers[0]

    @explained
    def evaluate(
        self,
        inputs: Events | FoldYielder,
        targets: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        bs: int | None = None,
        *,
        other_preprocessing: bool = False,
    ) -> float:
        """Compute the loss, as the weighted mean over all events.

        Args:
            inputs: As in `predict`, a `BatchYielder` with targets, or a `FoldYielder`, all of whose
                folds are taken as they are stored.
            targets: Shape ``(n, n_targ)`` or ``(n,)``, unless `inputs` hold them.
            weights: Shape ``(n, 1)`` or ``(n,)``, or ``None`` for one each.
            bs: Events in a batch.
            other_preprocessing: As in `predict`.

        Returns:
            The loss.

        Raises:
            DataError: If there are no targets, targets or weights are missing or not numbers, or
                the weights sum to zero.
            ConfigError: If another thread fits it.
        """
        if isinstance(inputs, FoldYielder):
            if targets is not None or weights is not None:
                raise ConfigError("a FoldYielder holds its own targets and weights: leave these out")
            parts = fold_batches(self, inputs, bs, other_preprocessing=other_preprocessing)
        else:
            parts = iter([as_batches(self, inputs, bs, targets=targets, weights=weights)])
        return evaluation.evaluate(self, chain.from_iterable(map(self._checked, parts))).loss()

    def _checked(self, by: BatchYielder) -> BatchYielder:
        """Refuse targets and weights that the loss cannot take."""
        evaluation.check_targets(by.targets, self)
        for name, values in (("targets", by.targets), ("weights", by.weights)):
            if values is not None:
                check_finite(values, [], name)
        return by
