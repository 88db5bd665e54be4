r"""Ensembles: several models asked as one.

.. math:: y(x) = \frac{\sum_i a_i \, y_i(x)}{\sum_i a_i}
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError, SavedModelError
from lumin_core.model import saving
from lumin_core.training.fitting import check_features
from lumin_core.training.model import Model
from lumin_core.training.prediction import predict_folds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torch import Tensor

    from lumin_core.model.builder import ModelBuilder
    from lumin_core.training.runs import Results

WEIGHTINGS = ("reciprocal", "uniform")


class Ensemble:
    """Models and their weights, asked as one.

    Args:
        models: The models; all with the same outputs.
        weights: One positive number a model; they are divided by their sum. By default all are equal.

    Attributes:
        models: The models.
        weights: Their weights, summing to 1.

    Raises:
        ConfigError: If there are no models, they differ in outputs or objective, or weights do not fit.

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
        self.weights = raw / raw.sum()

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

        Args:
            results: What `train_models` gave.
            size: Number of models, the best by `metric`.
            metric: ``"loss"``, or the label of a metric of the run.
            weighting: ``"reciprocal"`` (1/value where lower is better, the value where higher is) or ``"uniform"``.
            snapshot_args: Not available yet: see the changelog.
            model_builder: Needed only where a component had no name to be saved under.

        Returns:
            The ensemble.

        Raises:
            ConfigError: If there are too few models, no such metric, or reciprocal weights of values that are not all
                positive.
        """
        if snapshot_args is not None:
            raise ConfigError("snapshot_args is not available in lumin-core 0.1: no callback saves cycles yet")
        if weighting not in WEIGHTINGS:
            raise ConfigError(f"weighting must be one of {', '.join(WEIGHTINGS)}, got {weighting!r}")
        chosen = results.best(size, metric)
        weights = None
        if weighting == "reciprocal":
            weights = _reciprocal([float(result[metric]) for result in chosen], results.direction(metric), metric)
        return cls([Model.from_save(result["path"], model_builder) for result in chosen], weights)

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

        Returns:
            As `Model.predict`.

        Example:
            >>> import numpy as np
            >>> from lumin_core import Ensemble, Model, ModelBuilder
            >>> model = Model(ModelBuilder("classification", 1, ["pt"], seed=1))
            >>> x = np.ones((1, 1), "float32")
            >>> np.allclose(Ensemble([model, model]).predict(x), model.predict(x))
            True
        """

        def ask(question: Callable[[Model], Any]) -> np.ndarray:
            answers: Any = (
                model.predict(question(model), pred_cb=None if pred_cb is None else pred_cb(), cbs=cbs, bs=bs, raw=raw)
                for model in self.models
            )
            total: Any = sum(weight * answer for weight, answer in zip(self.weights, answers, strict=True))
            return total.astype(np.float32)  # type: ignore[no-any-return]

        if isinstance(inputs, FoldYielder):
            if raw:
                raise ConfigError("raw=True is for arrays and data frames; a fold file holds what was preprocessed")
            for model in self.models:
                check_features(model.model_builder, inputs)
            predict_folds(inputs, pred_name, lambda fold: ask(lambda model: model.batches(fold, bs)))
            return None
        preds = ask(lambda _: inputs)
        return preds if as_np else torch.from_numpy(preds)

    def save(self, name: str | Path) -> Path:
        """Save all models to one ``.safetensors`` file, keys ``<i>.<parameter>``.

        Args:
            name: The file; ``.safetensors`` is added where it is missing. An existing file is replaced, no other
                is touched.

        Returns:
            The path.
        """
        state = {f"{i}.{key}": value for i, m in enumerate(self.models) for key, value in m.state_dict().items()}
        content = {"models": [model.describe() for model in self.models], "weights": self.weights.tolist()}
        return saving.write(name, "ensemble", state, content)

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
        state, content = saving.read(name, "ensemble")
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


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _reciprocal(values: Sequence[float], better: str, metric: str) -> list[float]:
    if not all(value > 0 for value in values):
        raise ConfigError(
            f"reciprocal weights need values of {metric!r} that are all positive, got {values}; use weighting='uniform'"
        )
    if better == "zero":
        return [1 / abs(value) for value in values]
    return list(values) if better == "higher" else [1 / value for value in values]
