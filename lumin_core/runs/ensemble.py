"""Ensembles: several models asked as one, and how far they differ.

Mean and spread are those of `lumin_core.training.prediction`. The spread tells what initialisation
and choice of training folds make of the answer; it knows nothing of what all models share: their
data, their architecture. It is no calibrated uncertainty.

References:
    Lakshminarayanan et al. (spread as uncertainty), https://arxiv.org/abs/1612.01474; Huang et al.
    (snapshots), https://arxiv.org/abs/1704.00109; Garipov et al. (fast geometric ensembles),
    https://arxiv.org/abs/1802.10026
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from lumin_core.arguments import expect, explained
from lumin_core.checks import as_list, positive
from lumin_core.display import Displayed, count
from lumin_core.errors import ConfigError, SavedModelError
from lumin_core.model import tensor_file
from lumin_core.runs.ensemble_rows import ensemble_rows
from lumin_core.runs.members import check_spread, choose_members, not_trained_on, shares
from lumin_core.runs.results import Results
from lumin_core.training.asking import Question
from lumin_core.training.model import Model
from lumin_core.training.network import write_export
from lumin_core.training.prediction import deliver, predictions
from lumin_core.training.recorded import check_alike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    import torch
    from torch import Tensor

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.display import Row
    from lumin_core.model.builder import ModelBuilder
    from lumin_core.training.network import Events, PredCallback, Raw
    from lumin_core.training.prediction import Prediction

    Answer = np.ndarray | Tensor


class Ensemble(Displayed):
    """Models and their weights, asked as one.

    Args:
        models: The models; all with the same outputs.
        weights: One positive number a model; they are divided by their sum. By default
            all are equal.

    Attributes:
        models: The models.
        weights: Their weights, summing to 1.

    Raises:
        ConfigError: If there are no models, they differ in outputs or objective, or
            weights do not fit.

    Example:
        >>> import numpy as np
        >>> from lumin_core import Ensemble, Model, ModelBuilder
        >>> models = [Model(ModelBuilder("regression", 1, ["pt"], seed=seed)) for seed in (1, 2)]
        >>> Ensemble.from_models(models).predict(np.ones((3, 1), "float32")).shape
        (3, 1)
    """

    def __init__(self, models: Sequence[Model], weights: Iterable[float] | None = None) -> None:
        self.models: list[Model] = as_list(models)
        for model in self.models:
            expect(model, Model, "a member of an ensemble")
        if not self.models:
            raise ConfigError("an ensemble needs at least one model")
        if len({(model.objective, model.n_out) for model in self.models}) > 1:
            raise ConfigError("the models of an ensemble must have one objective and number of outputs")
        self.weights = shares(weights, len(self.models))
        self._scores: tuple[str, list[float]] = ("loss", [])  # by which the models were chosen, where that is known

    @classmethod
    def from_models(cls, models: Sequence[Model], weights: Iterable[float] | None = None) -> Ensemble:
        """Make an ensemble of models; arguments as for the class."""
        return cls(models, weights)

    @classmethod
    @explained
    def from_results(
        cls,
        results: Results,
        size: int,
        metric: str = "loss",
        weighting: str = "reciprocal",
        snapshot_args: Mapping[str, Any] | None = None,
        model_builder: ModelBuilder | None = None,
        *,
        device: str | torch.device | None = None,
        precision: str | None = None,
        compile: bool | None = None,
    ) -> Ensemble:
        """Make an ensemble of the best models of a run.

        With `snapshot_args` it also, or instead, has the models that were saved as
        ``cycle_<k>.safetensors`` at the ends of learning-rate cycles (``cycle_save=True`` of
        ``cycle_lr``, ``one_cycle``, ...):

        ``n_cycles``
            How many of each model: the last ones.
        ``load_cycles_only``
            Whether the cycles are taken instead of the model, rather than beside it (``False``).
            Beside it, a cycle with its very loss is the model itself, and is passed over.
        ``weighting_pwr``
            Power ``p`` of their weights (0): counted from the last backwards the cycles weigh 1,
            2^p, 3^p, ..., beside the model, which weighs 1, they weigh 2^p, 3^p, ...: a negative
            power favours the latest. As in LUMIN.
        ``patience``
            How many cycles at the end are left out (0), as those in which early stopping
            waited in vain.

        Args:
            results: What `train_models` gave.
            size: Number of models, the best by `metric`, the best first.
            metric: ``"loss"``, or the label of a metric of the run.
            weighting: ``"uniform"``, or ``"reciprocal"``: 1/value where lower is better, the value
                where higher is, 1/abs(value) where closest to zero is; of a cycle, 1/loss.
            snapshot_args: See above.
            model_builder: Needed only where a component had no name to be saved under.
            device: As for `Model`.
            precision: As for `Model`; by default as each was saved.
            compile: As for `Model`; by default as each was saved.

        Returns:
            The ensemble.

        Raises:
            ConfigError: If there are too few models or cycles, no such metric or option, a model
                whose loss or metric is no finite number, or reciprocal weights of values that are
                not all positive.
        """
        expect(results, Results, "results")
        members = choose_members(results, size, metric, weighting, snapshot_args)
        models = [
            Model.from_save(member.path, model_builder, device, precision=precision, compile=compile)
            for member in members
        ]
        ensemble = cls(models, [member.weight for member in members])
        ensemble._scores = metric, [member.value for member in members]
        return ensemble

    def _title(self) -> str:
        first = self.models[0]
        outputs = count(first.n_out, "output")
        return f"{type(self).__name__} of {count(len(self), 'model')} for {first.objective}, {outputs}"

    def _rows(self) -> Iterator[Row]:
        return ensemble_rows(self.models, self.weights, self._scores)

    def __len__(self) -> int:
        """Number of models."""
        return len(self.models)

    @overload
    def predict(
        self,
        inputs: Events | FoldYielder,
        as_np: bool = True,
        pred_name: str = "pred",
        pred_cb: Callable[[], PredCallback] | None = None,
        cbs: object = None,
        bs: int | None = None,
        raw: Raw = False,
        *,
        n_models: int | None = None,
        out_of_fold: bool = False,
        augment: bool | None = None,
        overwrite: bool = False,
        other_preprocessing: bool = False,
        spread: Literal[True],
    ) -> tuple[Answer, Answer] | None: ...

    @overload
    def predict(
        self,
        inputs: Events | FoldYielder,
        as_np: bool = True,
        pred_name: str = "pred",
        pred_cb: Callable[[], PredCallback] | None = None,
        cbs: object = None,
        bs: int | None = None,
        raw: Raw = False,
        *,
        n_models: int | None = None,
        out_of_fold: bool = False,
        augment: bool | None = None,
        overwrite: bool = False,
        other_preprocessing: bool = False,
        spread: Literal[False] = False,
    ) -> Answer | None: ...

    @explained
    def predict(
        self,
        inputs: Events | FoldYielder,
        as_np: bool = True,
        pred_name: str = "pred",
        pred_cb: Callable[[], PredCallback] | None = None,
        cbs: object = None,
        bs: int | None = None,
        raw: Raw = False,
        *,
        n_models: int | None = None,
        out_of_fold: bool = False,
        augment: bool | None = None,
        overwrite: bool = False,
        other_preprocessing: bool = False,
        spread: bool = False,
    ) -> Answer | tuple[Answer, Answer] | None:
        """Predict: the weighted mean over the models.

        Arguments are those of `Model.predict`, and others:

        ``pred_cb``
            A class or function that makes the collecting callback, one for each model.
        ``n_models``
            Ask the first so many models alone, in an ensemble of results the best.
        ``out_of_fold``
            Whether each event of a `FoldYielder` over the training file is predicted by those
            models alone that were not trained on its fold, as if all were new data.
        ``spread``
            Whether to give the spread, too, as `predict_with_spread` does.

        With ``raw`` and ``augment`` it is the mean of what the models give with these. Models that
        record different preprocessing, or codes, need ``raw=True``.

        Returns:
            As `Model.predict`.

        Raises:
            ConfigError: If there are fewer models, or they differ so; for ``out_of_fold``, if
                ``inputs`` are not a `FoldYielder`, a model was trained on another file or does not
                know its folds, or all were trained on a fold.

        Example:
            >>> import numpy as np
            >>> from lumin_core import Ensemble, Model, ModelBuilder
            >>> model = Model(ModelBuilder("classification", 1, ["pt"], seed=1))
            >>> x = np.ones((1, 1), "float32")
            >>> np.allclose(Ensemble([model, model]).predict(x), model.predict(x))
            True
        """
        question = Question.for_many(
            pred_cb, cbs=cbs, bs=bs, raw=raw, augment=augment, other_preprocessing=other_preprocessing, spread=spread
        )
        found = self._predict(inputs, question, n_models, out_of_fold=out_of_fold)
        names = [pred_name, *([f"{pred_name}_spread"] if spread else [])]
        answers = deliver(found, names, inputs, as_np=as_np, overwrite=overwrite)
        if not answers:
            return None
        return (answers[0], answers[1]) if spread else answers[0]

    def predict_with_spread(
        self,
        inputs: Events | FoldYielder,
        as_np: bool = True,
        pred_name: str = "pred",
        pred_cb: Callable[[], PredCallback] | None = None,
        cbs: object = None,
        bs: int | None = None,
        raw: Raw = False,
        *,
        n_models: int | None = None,
        out_of_fold: bool = False,
        augment: bool | None = None,
        overwrite: bool = False,
        other_preprocessing: bool = False,
    ) -> tuple[Answer, Answer] | None:
        """Predict: the weighted mean over the models, and their weighted standard deviation.

        Arguments are those of `predict`; the spread is saved as ``<pred_name>_spread``. Of models
        with members it is that over all members of all models.

        Returns:
            Mean and spread, each as from `predict`.

        Raises:
            ConfigError: As there; and if an event is predicted by one model, which has no spread
                unless it has members.

        Example:
            >>> import numpy as np
            >>> from lumin_core import Ensemble, Model, ModelBuilder
            >>> model = Model(ModelBuilder("classification", 1, ["pt"], seed=1))
            >>> mean, spread = Ensemble([model, model]).predict_with_spread(
            ...     np.ones((1, 1), "float32")
            ... )
            >>> spread
            array([[0.]], dtype=float32)
        """
        return self.predict(
            inputs,
            as_np,
            pred_name,
            pred_cb,
            cbs,
            bs,
            raw,
            n_models=n_models,
            out_of_fold=out_of_fold,
            augment=augment,
            overwrite=overwrite,
            other_preprocessing=other_preprocessing,
            spread=True,
        )

    def export(
        self, path: str | Path, format: str = "onnx/onnx", raw: Raw = False, *, augment: bool | None = None
    ) -> Path:
        """Write the weighted mean of the models as one file for other programs.

        Args:
            path: The file; the suffix is added where it is missing. An existing file is replaced.
            format: Name of an exporter: ``"onnx"`` of the plugin lumin-plugin-onnx, or another's.
            raw: As for `Model.export`.
            augment: As for `Model.export`.

        Returns:
            The path.

        Raises:
            UnknownComponent: If there is no such exporter, with what to install.
            ConfigError: If a block cannot be exported, `raw` is asked for and cannot be, or the
                models differ in their features, in what codes mean, or without ``raw=True`` in the
                preprocessing that they record.
        """
        check_alike(self.models, raw=raw, codes=True)
        return write_export(self.models, self.weights.tolist(), path, format, raw=raw, augment=augment)

    def export_onnx(self, path: str | Path, raw: Raw = False, *, augment: bool | None = None) -> Path:
        """Write an ONNX file: the short form of ``export(path, "onnx")``."""
        return self.export(path, "onnx/onnx", raw=raw, augment=augment)

    def save(self, name: str | Path) -> Path:
        """Save all models to one ``.safetensors`` file, keys ``<i>.<parameter>``.

        Args:
            name: The file; ``.safetensors`` is added where it is missing. An existing one is
                replaced, no other is touched.
        """
        state = {f"{i}.{key}": value for i, m in enumerate(self.models) for key, value in m.state_dict().items()}
        content = {"models": [model.describe() for model in self.models], "weights": self.weights.tolist()}
        return tensor_file.write_tensors(name, "ensemble", state, content)

    @classmethod
    def from_save(
        cls,
        name: str | Path,
        model_builder: ModelBuilder | None = None,
        device: str | torch.device | None = None,
        *,
        precision: str | None = None,
        compile: bool | None = None,
    ) -> Ensemble:
        """Load a saved ensemble.

        Args:
            name: The file.
            model_builder: Needed only where a component had no name to be saved under.
            device: As for `Model`.
            precision: As for `Model`; by default as each was saved.
            compile: As for `Model`; by default as each was saved.

        Raises:
            SavedModelError: If it is not a saved ensemble, or is damaged.
        """
        state, content = tensor_file.read_tensors(name, "ensemble")
        if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in ("models", "weights")):
            raise SavedModelError(f"{name} is damaged: its header lists no models and weights")
        models = [
            Model.from_record(
                record, _part(state, f"{i}."), Path(name), model_builder, device, precision=precision, compile=compile
            )
            for i, record in enumerate(content["models"])
        ]
        try:
            return cls(models, content["weights"])
        except ConfigError as error:
            raise SavedModelError(f"{name} is damaged: {error}") from error

    load = from_save

    def _first(self, n_models: int | None) -> list[int]:
        n = len(self) if n_models is None else positive(n_models, "n_models")
        if n > len(self):
            raise ConfigError(f"the ensemble has {len(self)} models, from which {n} cannot be asked")
        return list(range(n))

    def _predict(
        self,
        inputs: Events | FoldYielder,
        question: Question,
        n_models: int | None,
        *,
        out_of_fold: bool,
    ) -> Iterator[Prediction]:
        """Choose the models that are asked about each fold, and ask them."""
        first = self._first(n_models)
        asked = not_trained_on(self.models, inputs, first) if out_of_fold else [first]
        if question.spread:
            check_spread(self.models, asked)
        return predictions(
            self.models, inputs, question, weights=self.weights, chosen=lambda fold: asked[fold if out_of_fold else 0]
        )


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
