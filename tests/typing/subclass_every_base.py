"""What users write, as type checkers see it: a subclass of every base, and the types of the first names met."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, assert_type

import numpy as np
import pandas as pd
from torch import Tensor

from lumin_core import (
    Augmentation,
    BatchLoss,
    Body,
    Callback,
    CyclicCallback,
    Endcap,
    Ensemble,
    EvalMetric,
    FitParams,
    FoldYielder,
    Head,
    LossCallback,
    MatrixHead,
    Model,
    ModelBuilder,
    Results,
    Tail,
    Transform,
    train_models,
)
from lumin_core.data import Column, ExpressionFunction, Fold, Reader
from lumin_core.model import Inputs


class First(Head):
    def forward(self, x: Inputs) -> Tensor:
        flat = x if isinstance(x, Tensor) else x[0]
        return flat[:, :1]

    def get_out_size(self) -> int:
        return len(self.cont_feats)


class Summed(MatrixHead):
    def forward(self, x: Inputs) -> Tensor:
        matrix, mask = self.get_matrix(x)
        assert_type(mask, Tensor)
        return matrix.sum(1)

    def get_out_size(self) -> int:
        return self.n_fpv


class Doubled(Body):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x

    def get_out_size(self) -> int:
        return self.n_in


class Mean(Tail):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1, keepdim=True)


class Magnitude(Endcap):
    def func(self, y_pred: Tensor) -> Tensor:
        return y_pred.abs()

    def get_out_size(self) -> int:
        return 1


class Bias(BatchLoss):
    def forward(self, y_pred: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
        return (y_pred - y).mean().abs()


class HalveTheLoss(Callback):
    def on_forwards_end(self, fit_params: FitParams) -> None:
        assert_type(fit_params.loss_val, Tensor)
        assert_type(fit_params.state == "train", bool)
        fit_params.loss_val = fit_params.loss_val / 2


class Warmup(Callback):
    cycle_count = 0
    cycle_end = False
    cycle_save = False
    cycle_losses: list[float] = []  # noqa: RUF012

    def delays_stopping(self) -> bool:
        return self.cycle_count == 0


class Average(Callback):
    label = "average"

    def get_values(self) -> Mapping[str, float] | None:
        return None

    def get_module(self) -> None:
        return None


class AbsoluteBias(EvalMetric):
    better = "lower"

    def evaluate(
        self, preds: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, columns: Mapping[str, np.ndarray]
    ) -> float:
        return float(np.average(np.abs(preds - targets), weights=weights))


class FlipZ(Augmentation):
    n_test = 2

    def train(self, fold: Fold, rng: np.random.Generator) -> Fold:
        assert_type(fold.flat, np.ndarray)
        return fold

    def test(self, fold: Fold, idx: int) -> Fold:
        return fold


class Scale(Transform):
    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def transform(self, x: np.ndarray) -> np.ndarray:
        return x * self.factor

    def inverse_transform(self, x: np.ndarray) -> np.ndarray:
        return x / self.factor

    def to_config(self) -> dict[str, Any]:
        return {"factor": self.factor}


def protocols(warmup: Warmup, average: Average) -> tuple[CyclicCallback, LossCallback]:
    return warmup, average


def from_file_to_results(callbacks: Sequence[Callback], df: pd.DataFrame) -> None:
    fy = FoldYielder("train.hdf5")
    assert_type(fy, FoldYielder)
    assert_type(len(fy), int)
    assert_type(fy.cont_feats, list[str])
    builder = ModelBuilder.from_fy(fy, "classification")
    assert_type(builder, ModelBuilder)
    model = Model(builder)
    assert_type(model, Model)
    model.fit(3, fy, bs=256, cbs=callbacks)
    preds: np.ndarray | Tensor | None = model.predict(df)
    assert_type(model.evaluate(df, np.ones((len(df), 1))), float)
    assert_type(Model.from_save("best"), Model)
    results = train_models(fy, 3, 256, builder, 3, metric_partials=[AbsoluteBias], seed=1)
    assert_type(results, Results)
    assert_type(results.get_df(), pd.DataFrame)
    ensemble = Ensemble.from_results(results, 3)
    assert_type(ensemble, Ensemble)
    assert_type(len(ensemble), int)
    preds = ensemble.predict(df)
    assert preds is not None


class Nothing(Reader):
    suffixes = (".nothing",)

    def columns(self) -> dict[str, str]:
        return {}

    def count(self) -> int:
        return 0

    def chunks(
        self, columns: Sequence[str], step: int, start: int = 0, stop: int | None = None
    ) -> Iterator[dict[str, Column]]:
        yield from ()


class Twice(ExpressionFunction):
    arguments = ("x",)

    def __call__(self, *values: np.ndarray) -> np.ndarray:
        doubled: np.ndarray = 2 * values[0]
        return doubled
