"""What several extractors and collapsers are made of.

Dense layers on objects, and aggregation over objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from numbers import Integral
from typing import Any, cast

import torch
from torch import Tensor, nn

from lumin_core.checks import as_list, did_you_mean, is_positive
from lumin_core.errors import ConfigError
from lumin_core.model import LCBatchNorm1d, NormSpec, dense_stack


class ObjectDense(nn.Module):
    """Dense layers that work on every object alone.

    Norms take their statistics from the objects that are present.

    Args:
        widths: Features of an object that come in, and those that every layer gives.
        bn: Whether to normalise behind each activation.
        bn_class: The norm for ``(*, F)``.
        **options: Those of `lumin_core.model.layers.dense_layer`: ``act``, ``do``, ``lookup_init``,
            ``lookup_act``.

    Raises:
        ConfigError: If a width is not positive, or the dropout rate is out of range.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import ObjectDense
        >>> dense = ObjectDense([4, 8, 2], act="swish", bn=True)
        >>> dense(torch.ones(5, 3, 4), torch.ones(5, 3, dtype=torch.bool)).shape
        torch.Size([5, 3, 2])
    """

    def __init__(
        self, widths: Sequence[int], *, bn: bool = False, bn_class: NormSpec = "core/batch_norm1d", **options: Any
    ) -> None:
        super().__init__()
        self.layers = dense_stack(widths, bn=bn, bn_class=partial(LCBatchNorm1d, bn=bn_class), **options)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Turn ``(*, F)`` with mask ``(*)`` into ``(*, F')``.

        Rows of absent objects hold finite, useless values.
        """
        return self.behind_first(self.first(x), mask)

    @property
    def first(self) -> nn.Linear:
        """The linear part of the first layer."""
        return cast("nn.Sequential", self.layers[0])[0]  # type: ignore[return-value]

    def behind_first(self, x: Tensor, mask: Tensor) -> Tensor:
        """Turn what the linear part of the first layer gave, of ``widths[1]``, to ``F'``.

        The shape goes from ``(*, widths[1])`` to ``(*, F')``.
        """
        for module in [module for layer in self.layers for module in layer.children()][1:]:
            x = module(x, mask) if isinstance(module, LCBatchNorm1d) else module(x)
        return x


def only_present(x: Tensor, mask: Tensor) -> Tensor:
    """Set the rows of absent objects to 0.

    Args:
        x: Shape ``(*, F)``.
        mask: Shape ``(*)``, true = present.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.layers import only_present
        >>> only_present(torch.ones(1, 2, 1), torch.tensor([[True, False]])).flatten()
        tensor([1., 0.])
    """
    return x.masked_fill(~mask.unsqueeze(-1), 0)


def in_doubles(x: Tensor) -> Tensor:
    """Bring momenta to double precision, where the device has it: Apple's GPUs have not.

    Masses, and directions within a narrow jet, are small differences of large numbers.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.layers import in_doubles
        >>> in_doubles(torch.ones(1)).dtype
        torch.float64
    """
    return x.to(torch.float32 if x.device.type == "mps" else torch.float64)


def norm_rows(norm: nn.Module, rows: Tensor) -> Tensor:
    """Normalise rows ``(n, F)`` that all count.

    Fewer than two have no statistics, and are treated as in evaluation.

    Example:
        >>> import torch
        >>> from lumin_core.model import LCBatchNorm1d
        >>> from lumin_plugin_gnn.layers import norm_rows
        >>> norm_rows(LCBatchNorm1d(num_features=1), torch.zeros(1, 1)).shape
        torch.Size([1, 1])
    """
    alone = norm.training and len(rows) < 2
    normed: Tensor = norm(rows, torch.ones_like(rows[:, 0], dtype=torch.bool) if alone else None)
    return normed


def total(x: Tensor, mask: Tensor) -> Tensor:
    """Sum over the objects that are present; 0 for none.

    ``(*, N, F)`` and mask ``(*, N)`` give ``(*, F)``.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.layers import total
        >>> total(torch.tensor([[[1.0], [2.0], [4.0]]]), torch.tensor([[True, True, False]]))
        tensor([[3.]])
    """
    return only_present(x, mask).sum(-2)


def mean(x: Tensor, mask: Tensor) -> Tensor:
    """Average over the objects that are present; 0 for none.

    ``(*, N, F)`` and mask ``(*, N)`` give ``(*, F)``.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.layers import mean
        >>> mean(torch.tensor([[[1.0], [2.0], [4.0]]]), torch.tensor([[True, True, False]]))
        tensor([[1.5000]])
    """
    return total(x, mask) / mask.sum(-1, keepdim=True).clamp_min(1)


def maximum(x: Tensor, mask: Tensor) -> Tensor:
    """Find the largest of the objects that are present; 0 for none.

    ``(*, N, F)`` and mask ``(*, N)`` give ``(*, F)``.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.layers import maximum
        >>> maximum(torch.tensor([[[-1.0], [-2.0], [0.0]]]), torch.tensor([[True, True, False]]))
        tensor([[-1.]])
    """
    largest = x.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(-2)
    return largest.masked_fill(~mask.any(-1, keepdim=True), 0)


def abs_maximum(x: Tensor, mask: Tensor) -> Tensor:
    """Find the largest absolute value of objects; 0 for none.

    ``(*, N, F)`` and mask ``(*, N)`` give ``(*, F)``.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.layers import abs_maximum
        >>> abs_maximum(
        ...     torch.tensor([[[-1.0], [-2.0], [4.0]]]), torch.tensor([[True, True, False]])
        ... )
        tensor([[2.]])
    """
    return maximum(x.abs(), mask)


Aggregation = Callable[[Tensor, Tensor], Tensor]
AGGREGATIONS: dict[str, Aggregation] = {"mean": mean, "max": maximum, "absmax": abs_maximum, "sum": total}
"""How features of objects become those of an event, or those of neighbours an object's."""


def aggregation_names(names: str | Sequence[str]) -> list[str]:
    """Give names of aggregations as a list.

    Args:
        names: One or several of ``"mean"``, ``"max"``, ``"absmax"``, ``"sum"``.

    Raises:
        ConfigError: For another name, or none.

    Example:
        >>> from lumin_plugin_gnn.layers import aggregation_names
        >>> aggregation_names("mean")
        ['mean']
    """
    names = [names] if isinstance(names, str) else list(names)
    if unknown := [name for name in names if name not in AGGREGATIONS]:
        hint = did_you_mean(str(unknown[0]), AGGREGATIONS)
        raise ConfigError(f"agg_methods must be of {', '.join(AGGREGATIONS)}, got {unknown[0]!r}{hint}")
    if not names:
        raise ConfigError(f"agg_methods must name at least one of {', '.join(AGGREGATIONS)}")
    return names


def preset_of(name: str, presets: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Give the settings of a preset.

    Args:
        name: ``"paper"`` or ``"lite"``.
        presets: The settings by name.

    Raises:
        ConfigError: If there is no such preset.

    Example:
        >>> from lumin_plugin_gnn.layers import preset_of
        >>> preset_of("lite", {"paper": {"k": 16}, "lite": {"k": 7}})
        {'k': 7}
    """
    if name not in presets:
        raise ConfigError(f"preset must be one of {', '.join(presets)}, got {name!r}{did_you_mean(name, presets)}")
    return presets[name]


def layer_widths(outs: object, who: str) -> list[int]:
    """Give the widths of layers as a list.

    Args:
        outs: One or several.
        who: Whose they are, for the message.

    Raises:
        ConfigError: If there is none, or one is not positive.

    Example:
        >>> from lumin_plugin_gnn.layers import layer_widths
        >>> layer_widths(32, "interaction_net")
        [32]
    """
    listed: list[int] = as_list(outs)
    if not listed or not all(map(is_positive, listed)):
        raise ConfigError(f"{who} needs the positive widths of its layers, as in [32, 16]; got {outs!r}")
    return listed


def column_list(columns: object, n_fpv: int) -> list[int]:
    """Give columns of the features of an object as a list.

    Args:
        columns: Which.
        n_fpv: How many there are.

    Raises:
        ConfigError: If there is none, or one is no column.

    Example:
        >>> from lumin_plugin_gnn.layers import column_list
        >>> column_list((0, 1), 7)
        [0, 1]
    """
    listed = list(columns) if isinstance(columns, Iterable) else []
    if not listed or not all(isinstance(column, Integral) and 0 <= int(column) < n_fpv for column in listed):
        raise ConfigError(f"coords must be columns of the {n_fpv} features of an object, as in [0, 1]; got {columns!r}")
    return listed
