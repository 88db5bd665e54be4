r"""Convolutions along a sequence of objects, alone and as residual blocks.

References:
    He et al. (residual networks), https://arxiv.org/abs/1512.03385, and with norm and activation in
    front, https://arxiv.org/abs/1603.05027; Xie et al. (ResNeXt), https://arxiv.org/abs/1611.05431
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from torch import Tensor, nn

from lumin_core.checks import check_positive
from lumin_core.model import lookup_act, normal_initialiser
from lumin_plugin_sequence.checks import check_axes
from lumin_plugin_sequence.conv_step import ConvStep, zero_bias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lumin_core.model import LookupAct, LookupInit, NormSpec, Spec


class ConvLayer(nn.Module, ABC):
    """A layer of a `conv1d_head`: works along a sequence of objects.

    Its constructor names what it wants of what the head offers
    (``in_c, length, act, bn, bn_class, lookup_init, lookup_act``); its other arguments are options,
    and so are ``act``, ``bn`` and ``bn_class``.

    Args:
        in_c: Number of channels: features of an object.
        length: Length of the sequence: number of objects.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import ConvLayer
        >>> class EverySecond(ConvLayer):
        ...     def forward(self, x, mask):
        ...         return x[..., ::2], mask[:, ::2]
        ...     def get_out_size(self):
        ...         return self.in_c, (self.length + 1) // 2
        >>> EverySecond(in_c=4, length=5).get_out_size()
        (4, 3)
    """

    kind: ClassVar[str] = "conv_layer"
    example_offered: ClassVar[Mapping[str, object]] = {"in_c": 4, "length": 6}

    def __init__(self, in_c: int, length: int) -> None:
        super().__init__()
        self.in_c = in_c
        self.length = length

    @abstractmethod
    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Turn ``(B, C, N)`` and mask ``(B, N)`` into such a pair of another shape.

        Absent objects are 0.
        """

    @abstractmethod
    def get_out_size(self) -> tuple[int, int]:
        """Give the number of channels and the length of the output."""

    def trace(self, places: Tensor, channels: Tensor) -> tuple[Tensor, Tensor]:
        """Tell what the output depends on, for the head's `feat_map`.

        It is everything, unless a subclass knows better.

        Args:
            places: Which objects of the head's input each place of the sequence depends on, shape
                ``(N, length)``, true = depends.
            channels: Which of their features each channel depends on, shape ``(F, in_c)``.

        Returns:
            The same of the output's places and channels.
        """
        out_c, length = self.get_out_size()
        return places.any(1, keepdim=True).expand(-1, length), channels.any(1, keepdim=True).expand(-1, out_c)


class Conv(ConvLayer):
    """A convolution, activation and norm, in this order.

    Args:
        in_c: Number of channels that come in.
        length: Length of the sequence.
        out_c: Number of channels that come out.
        kernel_sz: Length of the kernel.
        stride: Step of the kernel.
        padding: Zeros at either end; ``"auto"`` keeps the length at stride 1, for even kernels by
            one more at the end.
        groups: Number of groups of channels that do not mix.
        act: Activation.
        bn: Whether to normalise.
        bn_class: The norm.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Raises:
        ConfigError: If a number is out of range, or nothing is left of the sequence.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import Conv
        >>> x, mask = torch.rand(2, 4, 10), torch.ones(2, 10, dtype=torch.bool)
        >>> Conv(in_c=4, length=10, out_c=16, stride=2)(x, mask)[0].shape
        torch.Size([2, 16, 5])
    """

    example_options: ClassVar[Mapping[str, object]] = {"out_c": 6}

    def __init__(
        self,
        in_c: int,
        length: int,
        out_c: int,
        kernel_sz: int = 3,
        stride: int = 1,
        padding: int | Literal["auto"] = "auto",
        groups: int = 1,
        act: Spec = "core/relu",
        bn: bool = False,
        bn_class: NormSpec = "core/batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        super().__init__(in_c, length)
        self.out_c = out_c
        self.step = ConvStep(
            in_c,
            out_c,
            kernel_sz,
            stride=stride,
            padding=padding,
            groups=groups,
            act=act,
            bn=bn,
            bn_class=bn_class,
            lookup_init=lookup_init,
            lookup_act=lookup_act,
        )
        self.out_length = self.step.get_out_length(length)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Turn ``(B, C, N)`` with mask ``(B, N)`` into such of ``out_c`` channels."""
        result: tuple[Tensor, Tensor] = self.step(x, mask)
        return result

    def get_out_size(self) -> tuple[int, int]:
        """Give the number of channels and the length of the output."""
        return self.out_c, self.out_length

    def trace(self, places: Tensor, channels: Tensor) -> tuple[Tensor, Tensor]:
        """Follow the kernel and the groups; see `ConvLayer.trace`."""
        return self.step.trace(places, channels)


class _Residual(ConvLayer):
    """What `steps` give is added to the input.

    A convolution of length 1 brings the input to the same shape if need be.
    """

    example_options: ClassVar[Mapping[str, object]] = {"out_c": 6}

    def __init__(
        self, in_c: int, length: int, out_c: int, stride: int, steps: list[ConvStep], init: LookupInit
    ) -> None:
        super().__init__(in_c, length)
        self.out_c = out_c
        self.stride = stride
        self.steps = nn.ModuleList(steps)
        self.shortcut: nn.Conv1d | None = None
        if stride != 1 or in_c != out_c:
            self.shortcut = nn.Conv1d(in_c, out_c, 1, stride=stride)
            init("linear", in_c, out_c)(self.shortcut.weight)
            zero_bias(self.shortcut)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Turn ``(B, C, N)`` with mask ``(B, N)`` into such of ``out_c`` channels."""
        check_axes(x, 1, self.in_c)
        short = x if self.shortcut is None else self.shortcut(x)
        for step in self.steps:
            x, mask = step(x, mask)
        return (short + x).masked_fill(~mask.unsqueeze(1), 0), mask

    def get_out_size(self) -> tuple[int, int]:
        """Give the number of channels and the length of the output."""
        return self.out_c, -(-self.length // self.stride)

    def trace(self, places: Tensor, channels: Tensor) -> tuple[Tensor, Tensor]:
        """Follow the kernels, under which is whatever the shortcut adds; see `ConvLayer.trace`."""
        for step in cast("Iterable[ConvStep]", self.steps):
            places, channels = step.trace(places, channels)
        return places, channels


class Res(_Residual):
    """Two convolutions with norm and activation in front of each, added to the input.

    Args:
        in_c: Number of channels that come in.
        length: Length of the sequence.
        out_c: Number of channels that come out.
        kernel_sz: Length of the kernels.
        stride: Step of the first kernel.
        act: Activation.
        bn: Whether to normalise.
        bn_class: The norm.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Raises:
        ConfigError: If a number is out of range.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import Res
        >>> x, mask = torch.rand(2, 4, 10), torch.ones(2, 10, dtype=torch.bool)
        >>> Res(in_c=4, length=10, out_c=16, stride=2)(x, mask)[0].shape
        torch.Size([2, 16, 5])

    References:
        He et al., https://arxiv.org/abs/1512.03385, and with norm and activation in front,
        https://arxiv.org/abs/1603.05027
    """

    def __init__(
        self,
        in_c: int,
        length: int,
        out_c: int,
        kernel_sz: int = 3,
        stride: int = 1,
        act: Spec = "core/relu",
        bn: bool = False,
        bn_class: NormSpec = "core/batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        options: dict[str, Any] = {"act": act, "bn": bn, "bn_class": bn_class}
        options |= {"lookup_init": lookup_init, "lookup_act": lookup_act, "first": True}
        steps = [
            ConvStep(in_c, out_c, kernel_sz, stride=stride, **options),
            ConvStep(out_c, out_c, kernel_sz, **options),
        ]
        super().__init__(in_c, length, out_c, stride, steps, lookup_init)


class Resnext(_Residual):
    """A residual block whose middle convolution works in groups of channels.

    Args:
        in_c: Number of channels that come in.
        length: Length of the sequence.
        out_c: Number of channels that come out.
        inter_c: Number of channels of a group.
        cardinality: Number of groups.
        kernel_sz: Length of the middle kernel.
        stride: Step of the middle kernel, as in the paper: no object is left out where it is longer
            than the step.
        act: Activation.
        bn: Whether to normalise.
        bn_class: The norm.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Raises:
        ConfigError: If a number is out of range.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import Resnext
        >>> x, mask = torch.rand(2, 4, 10), torch.ones(2, 10, dtype=torch.bool)
        >>> Resnext(in_c=4, length=10, out_c=16, inter_c=4, cardinality=4)(x, mask)[0].shape
        torch.Size([2, 16, 10])

    References:
        Xie et al., https://arxiv.org/abs/1611.05431
    """

    def __init__(
        self,
        in_c: int,
        length: int,
        out_c: int,
        inter_c: int = 4,
        cardinality: int = 4,
        kernel_sz: int = 3,
        stride: int = 1,
        act: Spec = "core/relu",
        bn: bool = False,
        bn_class: NormSpec = "core/batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        options: dict[str, Any] = {"act": act, "bn": bn, "bn_class": bn_class}
        options |= {"lookup_init": lookup_init, "lookup_act": lookup_act, "first": True}
        check_positive(inter_c=inter_c, cardinality=cardinality)
        between = inter_c * cardinality
        steps = [
            ConvStep(in_c, between, 1, **options),
            ConvStep(between, between, kernel_sz, stride=stride, groups=cardinality, **options),
            ConvStep(between, out_c, 1, **options),
        ]
        super().__init__(in_c, length, out_c, stride, steps, lookup_init)
