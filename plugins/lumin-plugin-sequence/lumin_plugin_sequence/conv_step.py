r"""A convolution with activation and norm, in which absent objects count for nothing.

Absent objects are zeros on the way in and out, as the padding at the ends is. With kernel
:math:`k`, stride :math:`s` and :math:`l` and :math:`r` zeros in front and behind, the output at
:math:`o` covers the places :math:`os - l` to :math:`os - l + k - 1`. It counts, and is not 0, if

- one of its own objects is present: under the kernel, the :math:`s` ones from its centre on, which
  are no other output's own;
- the event would have it without the absent objects behind its last: its kernel ends at most
  :math:`r` places behind.

So a sequence gives what it gives without absent objects behind it, and with a stride no object
between absent ones is lost, as long as a kernel reaches it from its centre
(:math:`s \le \lfloor k/2 \rfloor + 1`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lumin_core.checks import check_positive
from lumin_core.errors import ConfigError, ShapeError
from lumin_core.model import LCBatchNorm1d, by_bare_name, canonical_act
from lumin_plugin_sequence.checks import check_axes, check_padding

if TYPE_CHECKING:
    from lumin_core.model import LookupAct, LookupInit, NormSpec, Spec


def zero_bias(layer: nn.Conv1d) -> None:
    """Set the bias of a convolution to zero, if it has one."""
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


class ConvStep(nn.Module):
    """Convolution, activation, norm, in this order.

    With ``first`` it is norm, activation, convolution.
    """

    def __init__(
        self,
        in_c: int,
        out_c: int,
        kernel_sz: int,
        *,
        stride: int = 1,
        padding: int | Literal["auto"] = "auto",
        groups: int = 1,
        first: bool = False,
        act: Spec,
        bn: bool,
        bn_class: NormSpec,
        lookup_init: LookupInit,
        lookup_act: LookupAct,
    ) -> None:
        super().__init__()
        check_positive(in_c=in_c, out_c=out_c, kernel_sz=kernel_sz, stride=stride, groups=groups)
        if in_c % groups or out_c % groups:
            raise ConfigError(f"groups must divide the channels, got groups={groups} for {in_c} and {out_c} channels")
        check_padding(padding)
        self.first = first
        self.kernel_sz = kernel_sz
        self.stride = stride
        self.groups = groups
        self.padding = ((kernel_sz - 1) // 2, kernel_sz // 2) if padding == "auto" else (padding, padding)
        self.conv = nn.Conv1d(in_c, out_c, kernel_sz, stride=stride, groups=groups)
        by_bare_name(lookup_init)(act, in_c // groups * kernel_sz, out_c // groups * kernel_sz)(self.conv.weight)
        zero_bias(self.conv)
        self.act = None if canonical_act(act) == "linear" else by_bare_name(lookup_act)(act)
        self.norm = LCBatchNorm1d(bn_class, in_c if first else out_c) if bn else None

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Turn ``(B, C, N)`` with mask ``(B, N)`` into such of ``out_c`` channels.

        Raises:
            ShapeError: If the channels or the mask do not fit.
        """
        check_axes(x, 1, self.conv.in_channels)
        if mask.shape != (x.shape[0], x.shape[2]):  # len() would fix it in an exported graph
            raise ShapeError(f"the mask of {tuple(x.shape)} has shape (B, N), got {tuple(mask.shape)}")
        if self.first:
            return self._convolve(self._activate(self._normalise(x, mask), mask), mask)
        x, mask = self._convolve(x, mask)
        return self._normalise(self._activate(x, mask), mask), mask

    def get_out_length(self, length: int) -> int:
        """Give the length of the output.

        Raises:
            ConfigError: If the kernel is longer than sequence and padding.
        """
        left = (length + sum(self.padding) - self.kernel_sz) // self.stride + 1
        if left < 1:
            msg = f"a kernel of {self.kernel_sz} leaves nothing of a sequence of {length} with {self.padding[0]} zeros "
            raise ConfigError(f"{msg}at either end: give it more padding, or 'auto'")
        return left

    def trace(self, places: Tensor, channels: Tensor) -> tuple[Tensor, Tensor]:
        """As `ConvLayer.trace`."""
        groups = channels.unflatten(1, (self.groups, -1)).any(2)
        under_kernel = pad(places, self.padding).unfold(1, self.kernel_sz, self.stride).any(-1)
        return under_kernel, groups.repeat_interleave(self.conv.out_channels // self.groups, dim=1)

    def _convolve(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv(pad(x, self.padding))
        mask = self._counts(mask, x.shape[2])
        return x.masked_fill(~mask.unsqueeze(1), 0), mask

    def _counts(self, mask: Tensor, n_out: int) -> Tensor:
        """Tell which outputs count, ``(B, n_out)``; see the module's text."""
        n, (before, behind) = mask.shape[1], self.padding
        own, centre = min(self.stride, self.kernel_sz // 2 + 1), (self.kernel_sz - 1) // 2 - before
        end = centre + (n_out - 1) * self.stride + own
        has_own = pad(mask, (-centre, end - n)).unfold(1, own, self.stride).any(-1)
        event_ends = (mask * torch.arange(1, n + 1, device=mask.device)).amax(1, keepdim=True)
        kernel_ends = torch.arange(n_out, device=mask.device) * self.stride - before + self.kernel_sz
        return has_own & (kernel_ends <= event_ends + behind)

    def _activate(self, x: Tensor, mask: Tensor) -> Tensor:
        if self.act is None:
            return x
        activated: Tensor = self.act(x.transpose(1, 2)).transpose(1, 2)  # a softmax is one over channels
        return activated.masked_fill(~mask.unsqueeze(1), 0)

    def _normalise(self, x: Tensor, mask: Tensor) -> Tensor:
        if self.norm is None:
            return x
        normed: Tensor = self.norm(x.transpose(1, 2), mask)
        return normed.transpose(1, 2)
