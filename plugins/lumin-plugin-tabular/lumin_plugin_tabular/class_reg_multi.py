r"""The tail for classification and regression.

.. math:: z = W x + b, \qquad y = \begin{cases}
    \sigma(z) & \text{classification} \\
    \log \mathrm{softmax}(z) & \text{multiclass} \\
    z & \text{regression} \\
    (y_\mathrm{max} - y_\mathrm{min})\, \sigma(z) + y_\mathrm{min} &
        \text{regression with y\_range} \\
    y_\mathrm{std}\, z + y_\mathrm{mean} & \text{regression with y\_mean, y\_std}
    \end{cases}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lumin_core.errors import ConfigError
from lumin_core.model import Tail, mean_of_members, normal_initialiser

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from lumin_core.model import LookupInit

    Numbers = float | Sequence[float] | np.ndarray


class ClassRegMulti(Tail):
    """Dense layer to the outputs, with the activation that the objective asks for.

    Args:
        n_in: Number of columns of the body's output.
        n_out: Number of outputs: targets, or classes for multiclass.
        objective: ``"classification"`` (binary and multi-label), ``"multiclass"`` or
            ``"regression"``.
        y_range: Lowest and highest value of the targets: ``(low, high)`` for all outputs, or one
            such pair an output, ``(n_out, 2)``. Leave some room: the ends are reached at
            infinity only.
        bias_init: First value of the biases; by default 0, for multiclass ``1 / n_out``.
        y_mean: Mean of the targets, for all outputs or one each; together with ``y_std``.
        y_std: Standard deviation of the targets, for all outputs or one each.
        lookup_init: Gives the initialiser of the weights for an activation.
        freeze: Whether the parameters stay as they are.
        members: Number of members of the body, which the builder gives: each has a dense layer of
            its own.

    Raises:
        ConfigError: If the rescaling does not fit the objective or the outputs, is given
            twice or by half.

    Example:
        >>> import torch
        >>> from lumin_plugin_tabular import ClassRegMulti
        >>> tail = ClassRegMulti(10, 1, "regression", y_range=(0, 200))
        >>> tail(torch.zeros(2, 10))
        tensor([[100.],
                [100.]], grad_fn=<AddBackward0>)
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        objective: str,
        y_range: Sequence[float] | Sequence[Sequence[float]] | np.ndarray | None = None,
        bias_init: float | None = None,
        y_mean: Numbers | None = None,
        y_std: Numbers | None = None,
        lookup_init: LookupInit = normal_initialiser,
        freeze: bool = False,
        *,
        members: int = 1,
    ) -> None:
        super().__init__(n_in, n_out, objective)
        self._check(y_range, bias_init, y_mean, y_std)
        self.members = members
        width = n_in // members
        self.dense = nn.Linear(width, members * n_out)  # of members the layers one below the other
        act, self.act = self._activation(y_range is not None)
        for weight in self.dense.weight.detach().split(n_out):
            lookup_init(act, width, n_out)(weight)
        nn.init.constant_(self.dense.bias, self._first_bias() if bias_init is None else bias_init)
        self.scale: Tensor | None
        self.offset: Tensor | None
        scale, offset = (None, None) if y_range is None else self._from_range(y_range)
        if y_mean is not None and y_std is not None:
            scale, offset = self._numbers(y_std, "y_std"), self._numbers(y_mean, "y_mean")
            if not (scale > 0).all():
                msg = f"y_std must be positive, got {y_std}"
                raise ConfigError(msg)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("offset", offset, persistent=False)
        if freeze:
            self.freeze_layers()

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(B, n_in)`` into predictions ``(B, n_out)``.

        For multiclass these are logarithms of probabilities. With members, in training, it is what
        `of_members` gives.
        """
        if self.members == 1:
            return self._activated(self.dense(x))
        outputs = self.of_members(x)
        return outputs if self.training else mean_of_members(outputs, self.objective)

    def of_members(self, x: Tensor) -> Tensor:
        """Turn ``(B, n_in)`` into the predictions of each member, ``(B, members, n_out)``."""
        x = x.unflatten(1, (self.members, -1)).transpose(0, 1)  # (members, B, width)
        weight = self.dense.weight.unflatten(0, (self.members, -1)).transpose(1, 2)
        bias = self.dense.bias.view(self.members, 1, -1)
        outputs = torch.baddbmm(bias, x, weight).transpose(0, 1)
        return self._activated(outputs.contiguous())  # else a sigmoid is rounded by the number of events

    def _activated(self, x: Tensor) -> Tensor:
        x = x.to(torch.promote_types(x.dtype, torch.float32))  # 16 bits round a sigmoid of 7 to 1, whose loss is 100
        if self.act is not None:
            x = self.act(x)
        return x if self.scale is None or self.offset is None else self.scale * x + self.offset

    def _activation(self, ranged: bool) -> tuple[str, nn.Module | None]:
        if self.objective == "multiclass":
            return "softmax", nn.LogSoftmax(dim=-1)
        if self.objective == "classification" or ranged:
            return "sigmoid", nn.Sigmoid()
        return "linear", None

    def _first_bias(self) -> float:
        return 1 / self.n_out if self.objective == "multiclass" else 0

    def _check(self, y_range: object, bias_init: object, y_mean: object, y_std: object) -> None:
        if self.objective == "multiclass" and self.n_out < 2:
            msg = f"multiclass needs at least 2 outputs, got n_out={self.n_out}; one output is a classification"
            raise ConfigError(msg)
        if (y_mean is None) != (y_std is None):
            msg = f"y_mean and y_std go together, got y_mean={y_mean} and y_std={y_std}"
            raise ConfigError(msg)
        if y_range is None and y_mean is None:
            return
        if y_range is not None and y_mean is not None:
            msg = "y_range and y_mean with y_std both rescale the outputs: give one of them"
            raise ConfigError(msg)
        if self.objective != "regression":
            msg = f"y_range, y_mean and y_std rescale a regression, the objective is {self.objective}: leave them out"
            raise ConfigError(msg)
        if y_mean is not None and bias_init is not None:
            msg = "bias_init would shift y_mean: leave out one of them"
            raise ConfigError(msg)

    def _from_range(self, y_range: object) -> tuple[Tensor, Tensor]:
        try:
            ends = torch.as_tensor(y_range, dtype=torch.float64)
        except (TypeError, ValueError):  # text, None, complex, ends of several lengths
            ends = torch.empty(0)
        fits = ends.shape in {(2,), (self.n_out, 2)} and bool(ends.isfinite().all())
        if not fits or not (ends[..., 0] < ends[..., 1]).all():
            msg = f"y_range must be (low, high) or {self.n_out} such pairs, low < high, got {y_range!r}"
            raise ConfigError(msg)
        low, high = ends.unbind(-1)
        return (high - low).float(), low.float()

    def _numbers(self, values: object, name: str) -> Tensor:
        numbers = torch.as_tensor(values, dtype=torch.float32)
        if numbers.shape not in {(), (1,), (self.n_out,)} or not numbers.isfinite().all():
            msg = f"{name} must be one finite number or {self.n_out}, one an output, got {values}"
            raise ConfigError(msg)
        return numbers
