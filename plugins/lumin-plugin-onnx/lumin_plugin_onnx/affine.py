r"""Steps of the preprocessing as parts of the graph.

Each must be affine, and is written around a centre :math:`c` near its data, so that single
precision does: :math:`p(x) = p(c) + (x - c) A`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from lumin_core.data import chain_from_config
from lumin_core.errors import ConfigError
from lumin_core.training import output_steps

if TYPE_CHECKING:
    from lumin_core.data import Pipe
    from lumin_core.training import Network

_ODD = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
_PROBE = 1024.0  # far enough from 0 that the difference of two values holds the slope


class Affine(nn.Module):
    """A step of the preprocessing, found by asking it for values.

    It is asked at 0, at unit vectors, and at random points.

    Args:
        step: The step.
        n_in: Its number of columns.

    Attributes:
        n_out: Number of columns behind it.
        keeps_missing: Whether a missing value stays one, in its own column.

    Raises:
        ConfigError: If the step is not affine, or fails.

    Example:
        >>> import numpy as np, torch
        >>> from lumin_plugin_onnx.affine import Affine
        >>> from lumin_plugin_tabular import StandardScaler
        >>> scaler = StandardScaler().fit(np.array([[1.0, 10.0], [3.0, 30.0]]))
        >>> Affine(scaler, 2)(torch.tensor([[3.0, 10.0]]))
        tensor([[ 1., -1.]])
    """

    def __init__(self, step: Pipe, n_in: int) -> None:
        super().__init__()
        try:
            with np.errstate(all="ignore"):
                matrix, centre, offset = _probe(step, n_in)
                passes_nan = _passes_nan(step, n_in)
        except _ODD as error:
            raise ConfigError(
                f"the preprocessing step {type(step).__name__} cannot be put into an ONNX file: {error}; export with "
                "raw=False, and preprocess what the file is given"
            ) from error
        self.is_diagonal = matrix.shape == (n_in, n_in) and not np.count_nonzero(matrix - np.diag(np.diag(matrix)))
        self.keeps_missing = self.is_diagonal and passes_nan
        self.n_out = matrix.shape[1]
        self.centre: Tensor
        self.slope: Tensor
        self.offset: Tensor
        self.register_buffer("centre", _single(centre))
        self.register_buffer("slope", _single(np.diag(matrix) if self.is_diagonal else matrix))
        self.register_buffer("offset", _single(offset))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the step.

        Args:
            x: Shape ``(events, n_in)``.

        Returns:
            Shape ``(events, n_out)``.
        """
        x = x - self.centre
        return (x * self.slope if self.is_diagonal else x @ self.slope) + self.offset


def _single(values: np.ndarray) -> Tensor:
    return torch.as_tensor(values.astype(np.float32))


def _probe(step: Pipe, n_in: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return slope, centre and the value there of an affine step."""
    at_zero = step.transform(np.zeros((1, n_in)))
    matrix = (step.transform(_PROBE * np.eye(n_in)) - at_zero) / _PROBE
    rng = np.random.default_rng(1)
    x = rng.choice([-1.0, 1.0], (100, n_in)) * 10 ** rng.uniform(-3, 6, (100, n_in))
    tolerance = 1e-5 * (abs(x) @ abs(matrix) + abs(at_zero))
    if not (abs(step.transform(x) - at_zero - x @ matrix) <= tolerance).all():
        raise ConfigError("its output is no affine function of its input")
    centre = np.linalg.lstsq(matrix.T, -at_zero[0], rcond=None)[0].astype(np.float32)  # where the output is about 0
    return matrix, centre, step.transform(centre[None].astype(np.float64))[0]


def _passes_nan(step: Pipe, n_in: int) -> bool:
    """Tell whether missing values stay missing; else the step refuses them.

    One that fills them in is not affine.
    """
    try:
        values = step.transform(np.full((1, n_in), np.nan))
    except ValueError:
        return False
    if not np.isnan(values).all():
        raise ConfigError("it fills in missing values")
    return True


class _Undone:
    """A step backwards, as if it were one forwards."""

    def __init__(self, step: Pipe) -> None:
        self.transform = step.inverse_transform
        self.inverse_transform = step.transform


def output_steps_of(model: Network) -> list[Affine]:
    """Make the steps that undo the preprocessing of the targets; none for probabilities.

    Args:
        model: The model.

    Raises:
        ConfigError: If a step is not affine, or could not be recorded.
    """
    return [Affine(_Undone(step), model.n_out) for step in reversed(output_steps(model))]


def steps_of(model: Network, n_in: int) -> list[Affine]:
    """Make the steps of the preprocessing that a model recorded.

    Args:
        model: The model.
        n_in: Number of continuous features before the preprocessing.

    Raises:
        ConfigError: If nothing is recorded, or a step is not affine.

    Example:
        >>> from lumin_core import Model, ModelBuilder
        >>> from lumin_plugin_onnx.affine import steps_of
        >>> try:
        ...     steps_of(Model(ModelBuilder("regression", n_out=1, cont_feats=["pt"], seed=1)), 1)
        ... except ValueError as error:
        ...     print(str(error).partition(",")[0])
        raw=True needs a recorded preprocessing
    """
    configs = model.describe()["preprocessing"]  # refuses what serves in memory alone
    if not configs and not model.record.cat_maps and not model.record.target_preprocessing:
        raise ConfigError("raw=True needs a recorded preprocessing, but the training data recorded none; leave it out")
    steps: list[Affine] = []
    for step in chain_from_config(configs):
        steps.append(Affine(step, steps[-1].n_out if steps else n_in))
    return steps
