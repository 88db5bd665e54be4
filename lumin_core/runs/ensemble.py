r"""Ensembles: several models asked as one, and how far they differ.

.. math:: y(x) = \frac{\sum_i a_i \, y_i(x)}{\sum_i a_i}, \qquad
    \delta(x)^2 = \frac{\sum_i a_i \, (y_i(x) - y(x))^2}{\sum_i a_i}

The spread :math:`\delta` tells what initialisation and choice of training folds make of the answer;
it knows nothing of what all models share: their data, their architecture.

References:
    Lakshminarayanan et al. (spread as uncertainty), https://arxiv.org/abs/1612.01474; Huang et al.
    (snapshots), https://arxiv.org/abs/1704.00109; Garipov et al. (fast geometric ensembles),
    https://arxiv.org/abs/1802.10026
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from attrs import define

from lumin_core import registry
from lumin_core.checks import positive
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError, SavedModelError
from lumin_core.model import tensor_file
from lumin_core.model.record import fold_ids
from lumin_core.runs.members import WEIGHTINGS, choose_members
from lumin_core.training.fitting import check_features
from lumin_core.training.model import Model
from lumin_core.training.prediction import predict_folds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torch import Tensor

    from lumin_core.model.builder import ModelBuilder
    from lumin_core.runs.results import Results

    Answer = np.ndarray | Tensor


__all__ = ["WEIGHTINGS", "Ensemble"]


class Ensemble:
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
        self.models = list(models)
        if not self.models:
            raise ConfigError("an ensemble needs at least one model")
        if len({(model.objective, model.n_out) for model in self.models}) > 1:
            raise ConfigError("the models of an ensemble must have one objective and number of outputs")
        given = [1.0] * len(self.models) if weights is None else list(weights)
        try:
            raw = np.asarray(given, dtype=float)
        except (TypeError, ValueError, OverflowError):
            raw = np.zeros(0)
        if raw.shape != (len(self.models),) or not (np.isfinite(raw).all() and (raw > 0).all()):
            raise ConfigError(f"weights must be {len(self.models)} positive numbers, one a model, got {given}")
        total = raw.sum()  # 1 for those of a saved ensemble, which stay as they are to the last bit
        self.weights = raw if abs(total - 1) < 1e-12 else raw / total

    @classmethod
    def from_models(cls, models: Sequence[Model], weights: Iterable[float] | None = None) -> Ensemble:
        """Make an ensemble of models; arguments as for the class."""
        return cls(models, weights)

    @classmethod
    def from_results(
        cls,
        results: Results,
        size: int,
        metric: str = "loss",
        weighting: str = "reciprocal",
        snapshot_args: Mapping[str, Any] | None = None,
        model_builder: ModelBuilder | None = None,
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

        Returns:
            The ensemble.

        Raises:
            ConfigError: If there are too few models or cycles, no such metric or option, a model
                whose loss or metric is no finite number, or reciprocal weights of values that are
                not all positive.
        """
        members = choose_members(results, size, metric, weighting, snapshot_args)
        return cls([Model.from_save(m.path, model_builder) for m in members], [m.weight for m in members])

    def __len__(self) -> int:
        """Number of models."""
        return len(self.models)

    def predict(
        self,
        inputs: Any,
        as_np: bool = True,
        pred_name: str = "pred",
        pred_cb: Callable[[], Any] | None = None,
        cbs: Any = None,
        bs: int | None = None,
        raw: bool = False,
        *,
        n_models: int | None = None,
        out_of_fold: bool = False,
    ) -> np.ndarray | Tensor | None:
        """Predict: the weighted mean over the models.

        Args:
            inputs: As for `Model.predict`.
            as_np: As there.
            pred_name: As there.
            pred_cb: A class or function that makes the collecting callback, one for each model.
            cbs: As there.
            bs: As there.
            raw: As there.
            n_models: Ask the first so many models alone, in an ensemble of results the best.
            out_of_fold: Whether each event of a `FoldYielder` over the training file is predicted
                by those models alone that were not trained on its fold, as if all were new data.

        Returns:
            As `Model.predict`.

        Raises:
            ConfigError: If there are fewer models; for `out_of_fold`, if `inputs` are no
                `FoldYielder`, a model was trained on another file or does not know its folds, or
                all were trained on a fold.

        Example:
            >>> import numpy as np
            >>> from lumin_core import Ensemble, Model, ModelBuilder
            >>> model = Model(ModelBuilder("classification", 1, ["pt"], seed=1))
            >>> x = np.ones((1, 1), "float32")
            >>> np.allclose(Ensemble([model, model]).predict(x), model.predict(x))
            True
        """
        question = _Question(pred_cb, cbs, bs, raw)
        if isinstance(inputs, FoldYielder):
            self._predict_folds(inputs, [pred_name], question, n_models, out_of_fold=out_of_fold)
            return None
        return self._predict(inputs, question, n_models, as_np=as_np, out_of_fold=out_of_fold)[0]

    def predict_with_spread(
        self,
        inputs: Any,
        as_np: bool = True,
        pred_name: str = "pred",
        pred_cb: Callable[[], Any] | None = None,
        cbs: Any = None,
        bs: int | None = None,
        raw: bool = False,
        *,
        n_models: int | None = None,
        out_of_fold: bool = False,
    ) -> tuple[Answer, Answer] | None:
        """Predict: the weighted mean over the models, and its uncertainty.

        The uncertainty is their weighted standard deviation.

        Args:
            inputs: As for `predict`.
            as_np: As there.
            pred_name: As there; the spread is saved as ``<pred_name>_spread``.
            pred_cb: As there.
            cbs: As there.
            bs: As there.
            raw: As there.
            n_models: As there.
            out_of_fold: As there.

        Returns:
            Mean and spread, each as from `predict`; ``None`` for a `FoldYielder`: they
            are in the file.

        Raises:
            ConfigError: As from `predict`; and if an event is predicted by one model alone, which
                has no spread.

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
        question = _Question(pred_cb, cbs, bs, raw)
        if isinstance(inputs, FoldYielder):
            names = [pred_name, f"{pred_name}_spread"]
            self._predict_folds(inputs, names, question, n_models, out_of_fold=out_of_fold)
            return None
        _check_spread([self._first(n_models)])
        return self._predict(inputs, question, n_models, as_np=as_np, out_of_fold=out_of_fold)

    def export(self, path: str | Path, format: str = "onnx", raw: bool = False) -> Path:
        """Write the weighted mean of the models as one file for other programs.

        Args:
            path: The file; the suffix is added where it is missing. An existing file is replaced.
            format: Name of an exporter: ``"onnx"`` of the plugin lumin-plugin-onnx, or another's.
            raw: Whether the recorded preprocessing is inside.

        Returns:
            The path.

        Raises:
            UnknownComponent: If there is no such exporter, with what to install.
            ConfigError: If a block cannot be exported, `raw` is asked for and cannot be, or the
                models differ in their features.
        """
        exporter = registry.build("exporter", format)
        written: Path = exporter.write(self.models, self.weights.tolist(), Path(path), raw=raw)
        return written

    def export_onnx(self, path: str | Path, raw: bool = False) -> Path:
        """Write an ONNX file: the short form of ``export(path, "onnx")``.

        Args:
            path: As for `export`.
            raw: As for `export`.

        Returns:
            The path.
        """
        return self.export(path, "onnx", raw=raw)

    def save(self, name: str | Path) -> Path:
        """Save all models to one ``.safetensors`` file, keys ``<i>.<parameter>``.

        Args:
            name: The file; ``.safetensors`` is added where it is missing. An existing file is
                replaced, no other is touched.

        Returns:
            The path.
        """
        state = {f"{i}.{key}": value for i, m in enumerate(self.models) for key, value in m.state_dict().items()}
        content = {"models": [model.describe() for model in self.models], "weights": self.weights.tolist()}
        return tensor_file.write_tensors(name, "ensemble", state, content)

    @classmethod
    def from_save(
        cls, name: str | Path, model_builder: ModelBuilder | None = None, device: str | torch.device | None = None
    ) -> Ensemble:
        """Load a saved ensemble.

        Args:
            name: The file.
            model_builder: Needed only where a component had no name to be saved under.
            device: As for `Model`.

        Returns:
            The ensemble.

        Raises:
            SavedModelError: If it is no saved ensemble, or is damaged.
        """
        state, content = tensor_file.read_tensors(name, "ensemble")
        if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in ("models", "weights")):
            raise SavedModelError(f"{name} is damaged: its header lists no models and weights")
        models = [
            Model.from_record(record, _part(state, f"{i}."), Path(name), model_builder, device)
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
        self, inputs: Any, question: _Question, n_models: int | None, *, as_np: bool, out_of_fold: bool
    ) -> tuple[Answer, Answer]:
        """Give mean and spread for an array or the like."""
        if out_of_fold:
            raise ConfigError("out_of_fold=True needs to know each event's fold: pass the FoldYielder of the training")
        chosen = self._first(n_models)
        mean, spread = _combine((question.ask(self.models[i], inputs) for i in chosen), self.weights[chosen])
        return (mean, spread) if as_np else (torch.from_numpy(mean), torch.from_numpy(spread))

    def _predict_folds(
        self, fy: FoldYielder, names: Sequence[str], question: _Question, n_models: int | None, *, out_of_fold: bool
    ) -> None:
        """Save mean and, if there is a name for it, spread for all folds.

        Of test-time variants, each model's mean is taken.
        """
        if question.raw:
            raise ConfigError("raw=True is for arrays and data frames; a fold file holds what was preprocessed")
        chosen = self._first(n_models)
        for model in self.models:
            check_features(model.model_builder, fy)
        asked = self._not_trained_on(fy, chosen) if out_of_fold else [chosen] * len(fy)
        if len(names) > 1:
            _check_spread(asked)
        predict_folds(
            fy,
            names,
            lambda fold, inputs: [question.ask_fold(self.models[i], inputs) for i in asked[fold]],
            lambda fold, answers: _combine(answers, self.weights[asked[fold]]),
        )

    def _not_trained_on(self, fy: FoldYielder, chosen: Sequence[int]) -> list[list[int]]:
        """Give for each fold the models that were not trained on it."""
        folds = fold_ids(fy)
        for i in chosen:
            record = self.models[i].record
            if record.trn_idxs is None:
                raise ConfigError(
                    f"model {i} of the ensemble does not know which folds it was trained on: it was not trained, or "
                    "saved before that was noted; train it again, or leave out out_of_fold"
                )
            if record.folds != folds:
                raise ConfigError(
                    f"model {i} of the ensemble was trained on other data, or other folds, than those of "
                    f"{fy.foldfile.name}: pass the training file, or leave out out_of_fold for data that are new to all"
                )
        asked = [[i for i in chosen if fold not in (self.models[i].record.trn_idxs or [])] for fold in range(len(fy))]
        if seen := [fold for fold, numbers in enumerate(asked) if not numbers]:
            raise ConfigError(
                f"all {len(chosen)} models were trained on the folds {seen}, for which out_of_fold has none left: take "
                f"models that leave each fold out (train_models with n_models={len(fy)} or more, and all of them here)"
            )
        return asked


@define(frozen=True)
class _Question:
    """What every model is asked with; see `Ensemble.predict`."""

    pred_cb: Callable[[], Any] | None
    cbs: Any
    bs: int | None
    raw: bool

    def ask(self, model: Model, inputs: Any) -> np.ndarray:
        handler = None if self.pred_cb is None else self.pred_cb()
        return np.asarray(model.predict(inputs, pred_cb=handler, cbs=self.cbs, bs=self.bs, raw=self.raw))

    def ask_fold(self, model: Model, inputs: Any) -> np.ndarray:
        return self.ask(model, model.batches(inputs, self.bs))


def _combine(answers: Iterable[np.ndarray], weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute weighted mean and standard deviation, answer by answer.

    By West's recurrence one answer is held at a time.

    References:
        West, Communications of the ACM 22 (1979) 532, https://doi.org/10.1145/359146.359153
    """
    total, mean, squares = 0.0, np.zeros(()), np.zeros(())
    for weight, answer in zip(weights, answers, strict=True):
        total += weight
        change = answer.astype(np.float64) - mean
        mean = mean + change * (weight / total)
        squares = squares + weight * change * (answer - mean)
    return mean.astype(np.float32), np.sqrt(squares / total).astype(np.float32)


def _check_spread(asked: Sequence[Sequence[int]]) -> None:
    if any(len(numbers) < 2 for numbers in asked):
        folds = [fold for fold, numbers in enumerate(asked) if len(numbers) < 2]
        where = "" if len(asked) == 1 else f" for the folds {folds}"
        raise ConfigError(f"a spread needs at least two models, and there is one{where}: use predict, or more models")


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
