r"""Convolutions along a sequence of objects, alone and as residual blocks.

Absent objects are zeros on the way in and out of every layer, as the padding at the ends is: a sequence with absent
objects behind it gives what it gives without them. Norms take their statistics from the present ones.

References:
    He et al. (residual networks), https://arxiv.org/abs/1512.03385, and with norm and activation in front,
    https://arxiv.org/abs/1603.05027; Xie et al. (ResNeXt), https://arxiv.org/abs/1611.05431
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch import Tensor, nn
from torch.nn.functional import pad

from lumin_core.errors import ConfigError
from lumin_core.model.layers import LCBatchNorm1d
from lumin_core.model.lookups import canonical_act, lookup_act, normal_initialiser

if TYPE_CHECKING:
    from lumin_core.model.layers import NormSpec
    from lumin_core.model.lookups import LookupAct, LookupInit


class ConvLayer(nn.Module, ABC):
    """A layer of a `conv1d_head`: works along a sequence of objects.

    Its constructor names what it wants of what the head offers (``in_c, length, act, bn, bn_class, lookup_init,
    lookup_act``); its other arguments are options, and so are ``act``, ``bn`` and ``bn_class``.

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

    def __init__(self, in_c: int, length: int) -> None:
        super().__init__()
        self.in_c, self.length = in_c, length

    @abstractmethod
    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Turn ``(B, C, N)``, 0 for absent objects, and mask ``(B, N)`` into such a pair of another shape."""

    @abstractmethod
    def get_out_size(self) -> tuple[int, int]:
        """Give the number of channels and the length of the output."""


class _Step(nn.Module):
    """A convolution with activation and norm, behind it or (``first``) in front: norm, activation, weights."""

    def __init__(
        self, in_c: int, out_c: int, kernel_sz: int, *, stride: int = 1, padding: int | Literal["auto"] = "auto",
        groups: int = 1, first: bool = False, act: str, bn: bool, bn_class: NormSpec, lookup_init: LookupInit,
        lookup_act: LookupAct,
    ) -> None:  # fmt: skip
        super().__init__()
        _check(in_c, out_c, kernel_sz, stride, padding, groups)
        self.first, self.stride = first, stride
        self.padding = ((kernel_sz - 1) // 2, kernel_sz // 2) if padding == "auto" else (padding, padding)
        self.conv = nn.Conv1d(in_c, out_c, kernel_sz, stride=stride, groups=groups)
        lookup_init(act, in_c // groups * kernel_sz, out_c // groups * kernel_sz)(self.conv.weight)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]
        self.act = None if canonical_act(act) == "linear" else lookup_act(act)
        self.norm = LCBatchNorm1d(bn_class, in_c if first else out_c) if bn else None

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        if self.first:
            x, mask = self._convolve(self._activate(self._normalise(x, mask), mask), mask)
        else:
            x, mask = self._convolve(x, mask)
            x = self._normalise(self._activate(x, mask), mask)
        return x, mask

    def _convolve(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv(pad(x, self.padding))
        centre = self.conv.kernel_size[0] - 1 - self.conv.kernel_size[0] // 2  # of the first kernel, if it were padded
        begin = centre - self.padding[0]
        mask = mask[:, begin :: self.stride] if begin >= 0 else pad(mask, (-begin, 0))[:, :: self.stride]
        mask = pad(mask, (0, x.shape[-1] - mask.shape[1]))
        return x.masked_fill(~mask.unsqueeze(1), 0), mask

    def _activate(self, x: Tensor, mask: Tensor) -> Tensor:
        return x if self.act is None else self.act(x).masked_fill(~mask.unsqueeze(1), 0)

    def _normalise(self, x: Tensor, mask: Tensor) -> Tensor:
        if self.norm is None:
            return x
        normed: Tensor = self.norm(x.transpose(1, 2), mask)
        return normed.transpose(1, 2)


class Conv(ConvLayer):
    """A convolution, activation and norm, in this order.

    Args:
        in_c: Number of channels that come in.
        length: Length of the sequence.
        out_c: Number of channels that come out.
        kernel_sz: Length of the kernel.
        stride: Step of the kernel.
        padding: Zeros at either end; ``"auto"`` keeps the length at stride 1, for even kernels by one more at the end.
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

    def __init__(
        self,
        in_c: int,
        length: int,
        out_c: int,
        kernel_sz: int = 3,
        stride: int = 1,
        padding: int | Literal["auto"] = "auto",
        groups: int = 1,
        act: str = "relu",
        bn: bool = False,
        bn_class: NormSpec = "batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        super().__init__(in_c, length)
        self.out_c = out_c
        self.step = _Step(
            in_c, out_c, kernel_sz, stride=stride, padding=padding, groups=groups, act=act, bn=bn, bn_class=bn_class,
            lookup_init=lookup_init, lookup_act=lookup_act,
        )  # fmt: skip
        self.out_length = _length(length, self.step)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Turn ``(B, C, N)`` with mask ``(B, N)`` into such of ``out_c`` channels."""
        result: tuple[Tensor, Tensor] = self.step(x, mask)
        return result

    def get_out_size(self) -> tuple[int, int]:
        """Give the number of channels and the length of the output."""
        return self.out_c, self.out_length


class _Residual(ConvLayer):
    """What `steps` give is added to the input, which a convolution of length 1 brings to the same shape if need be."""

    def __init__(self, in_c: int, length: int, out_c: int, stride: int, steps: list[_Step], init: Any) -> None:
        super().__init__(in_c, length)
        self.out_c, self.stride = out_c, stride
        self.steps = nn.ModuleList(steps)
        self.shortcut: nn.Conv1d | None = None
        if stride != 1 or in_c != out_c:
            self.shortcut = nn.Conv1d(in_c, out_c, 1, stride=stride)
            init("linear", in_c, out_c)(self.shortcut.weight)
            nn.init.zeros_(self.shortcut.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Turn ``(B, C, N)`` with mask ``(B, N)`` into such of ``out_c`` channels."""
        short = x if self.shortcut is None else self.shortcut(x)
        for step in self.steps:
            x, mask = step(x, mask)
        return (short + x).masked_fill(~mask.unsqueeze(1), 0), mask

    def get_out_size(self) -> tuple[int, int]:
        """Give the number of channels and the length of the output."""
        return self.out_c, -(-self.length // self.stride)


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
        He et al., https://arxiv.org/abs/1603.05027
    """

    def __init__(
        self,
        in_c: int,
        length: int,
        out_c: int,
        kernel_sz: int = 3,
        stride: int = 1,
        act: str = "relu",
        bn: bool = False,
        bn_class: NormSpec = "batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        options: dict[str, Any] = {"act": act, "bn": bn, "bn_class": bn_class}
        options |= {"lookup_init": lookup_init, "lookup_act": lookup_act, "first": True}
        steps = [
            _Step(in_c, out_c, kernel_sz, stride=stride, **options),
            _Step(out_c, out_c, kernel_sz, **options),
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
        stride: Step of the first convolution.
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
        act: str = "relu",
        bn: bool = False,
        bn_class: NormSpec = "batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        options: dict[str, Any] = {"act": act, "bn": bn, "bn_class": bn_class}
        options |= {"lookup_init": lookup_init, "lookup_act": lookup_act, "first": True}
        between = inter_c * cardinality
        steps = [
            _Step(in_c, between, 1, stride=stride, **options),
            _Step(between, between, kernel_sz, groups=cardinality, **options),
            _Step(between, out_c, 1, **options),
        ]
        super().__init__(in_c, length, out_c, stride, steps, lookup_init)


def _check(in_c: int, out_c: int, kernel_sz: int, stride: int, padding: int | str, groups: int) -> None:
    numbers = {"in_c": in_c, "out_c": out_c, "kernel_sz": kernel_sz, "stride": stride, "groups": groups}
    if wrong := [f"{name}={number}" for name, number in numbers.items() if number < 1]:
        raise ConfigError(f"a convolution needs positive numbers, got {', '.join(wrong)}")
    if in_c % groups or out_c % groups:
        raise ConfigError(f"groups must divide the channels, got groups={groups} for {in_c} and {out_c} channels")
    if padding != "auto" and (isinstance(padding, str) or padding < 0):
        raise ConfigError(f"padding must be 'auto' or a number of zeros, got {padding!r}")


def _length(length: int, step: _Step) -> int:
    """Give the length that a convolution leaves."""
    kernel = step.conv.kernel_size[0]
    left = (length + sum(step.padding) - kernel) // step.stride + 1
    if left < 1:
        raise ConfigError(f"a kernel of {kernel} leaves nothing of a sequence of {length}: give it more padding")
    return left
