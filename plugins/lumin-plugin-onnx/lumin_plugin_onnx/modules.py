r"""Models as modules from all columns to predictions, which torch can trace.

.. math:: y(x) = \frac{\sum_i a_i \, t(f_i(m_i(p(x))))}{\sum_i a_i}

of networks :math:`f_i`, their input masks :math:`m_i`, what makes predictions of outputs :math:`t`
(for multiclass :math:`\exp`) and, with ``raw=True``, the preprocessing :math:`p`.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from lumin_plugin_onnx.affine import Affine, output_steps_of, steps_of
from lumin_plugin_onnx.columns import columns_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.model import Inputs
    from lumin_core.training import Network


class WholeModel(nn.Module):
    """A model from all its columns to predictions, on the CPU and in evaluation mode.

    Args:
        model: The model; a copy of its network is taken.
        raw: Whether the recorded preprocessing comes first, and that of the targets is undone last;
            with ``"inputs"`` the former alone.

    Example:
        >>> import torch
        >>> from lumin_core import Model, ModelBuilder
        >>> from lumin_plugin_onnx.modules import WholeModel
        >>> model = Model(ModelBuilder("classification", n_out=1, cont_feats=["pt", "eta"], seed=1))
        >>> WholeModel(model, raw=False)(torch.zeros(3, 2)).shape
        torch.Size([3, 1])
    """

    def __init__(self, model: Network, *, raw: bool | Literal["inputs"]) -> None:
        super().__init__()
        columns = columns_of(model, raw=bool(raw))
        steps = steps_of(model, len(columns.cont_feats)) if raw else []
        self.network = copy.deepcopy(model.model).cpu().eval()
        self.to_prediction = model.to_prediction
        self.has_flat = columns.n_flat > 0
        self.n_cont = len(columns.cont_feats)
        self.steps = nn.ModuleList(steps)
        self.output_steps = nn.ModuleList(output_steps_of(model) if raw is True else [])
        self.keeps_missing = all(step.keeps_missing for step in steps)
        self.is_kept = model.head.missing == "keep"
        self.columns: Tensor
        picked = _picked(model, columns.cont_feats, len(columns.cat_feats), steps)
        self.register_buffer("columns", torch.as_tensor(picked))

    def forward(self, x: Inputs) -> Tensor:
        """Return predictions, shape ``(events, n_out)``.

        Args:
            x: Shape ``(events, F)``, the matrix, or both.
        """
        y_pred = self.to_prediction(self.network(self.prepare(x)))
        for step in self.output_steps:
            y_pred = step(y_pred)
        if self.keeps_missing:
            return y_pred
        flat = x if isinstance(x, Tensor) else x[0]
        return y_pred.masked_fill(flat[:, : self.n_cont].isnan().any(1, keepdim=True), float("nan"))

    def prepare(self, x: Inputs) -> Inputs:
        """Preprocess flat inputs, put 0 for NaN unless the head keeps it, and pick columns.

        Args:
            x: As for `forward`.
        """
        if not self.has_flat:
            return x
        flat, *matrix = (x,) if isinstance(x, Tensor) else x
        cont = flat[:, : self.n_cont]
        for step in self.steps:
            cont = step(cont)
        flat = torch.cat((cont, flat[:, self.n_cont :]), dim=1) if len(self.steps) else flat
        flat = flat if self.is_kept else flat.masked_fill(flat.isnan(), 0)
        flat = flat.index_select(1, self.columns)
        return (flat, matrix[0]) if matrix else flat


def _picked(model: Network, feats: list[str], n_cats: int, steps: Sequence[Affine]) -> np.ndarray:
    """Return the columns that the network is given, of those behind the preprocessing."""
    width = steps[-1].n_out if steps else len(feats)
    wanted = [feat for feat in model.model_builder.cont_feats if feat in feats]
    cont = [feats.index(feat) for feat in wanted] if width == len(feats) else range(width)
    columns = np.array([*cont, *range(width, width + n_cats)], dtype=np.int64)
    return columns if model.input_mask is None else columns[model.input_mask]


class WeightedMean(nn.Module):
    """The weighted mean of models.

    Args:
        models: The models.
        weights: A positive number for each; they are divided by their sum.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from lumin_plugin_onnx.modules import WeightedMean
        >>> WeightedMean([nn.Identity(), nn.ReLU()], [1, 3])(torch.tensor([-1.0, 1.0]))
        tensor([-0.2500,  1.0000])
    """

    def __init__(self, models: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)
        self.weights = [float(weight) / sum(map(float, weights)) for weight in weights]

    def forward(self, x: Inputs) -> Tensor:
        """Return the mean of predictions, shape ``(events, n_out)``.

        Args:
            x: As for `WholeModel.forward`.
        """
        parts: list[Tensor] = [weight * model(x) for weight, model in zip(self.weights, self.models, strict=True)]
        return sum(parts[1:], start=parts[0])
