r"""The interaction network: every object gets a message from every other one.

.. math:: y_i = f_O\Big(x_i, \sum_{j \neq i} f_R(x_i, x_j)\Big)

over the present objects :math:`j`. The first layer of :math:`f_R` is linear in both objects, so its
two parts are computed for objects and added for pairs; what follows is worked through in pieces.

References:
    Battaglia et al., https://arxiv.org/abs/1612.00222; Moreno et al. (jets),
    https://arxiv.org/abs/1908.05318
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import linear

from lumin_core.model import lookup_act, normal_initialiser
from lumin_plugin_gnn.blocks import Extractor
from lumin_plugin_gnn.layers import ObjectDense, layer_widths, only_present
from lumin_plugin_gnn.pairs import sum_over_senders, sum_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.model import LookupAct, LookupInit, NormSpec, Spec


class InteractionNet(Extractor):
    """Computes features of every object from its own and the summed messages of all others.

    Args:
        n_fpv: Number of features of an object.
        intfunc_outs: Widths of the layers that compute a message.
        outfunc_outs: Widths of the layers that compute the new features.
        do: Dropout rate.
        bn: Whether to normalise behind each activation. The statistics of messages are over all
            pairs, which are then held in memory at once.
        act: Activation.
        bn_class: The norm.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Raises:
        ConfigError: If there are no layers, or a width is not positive.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import InteractionNet
        >>> x, mask = torch.rand(2, 5, 4), torch.ones(2, 5, dtype=torch.bool)
        >>> InteractionNet(4, intfunc_outs=[32, 16], outfunc_outs=[32, 16])(x, mask, x).shape
        torch.Size([2, 5, 16])

    References:
        Battaglia et al., https://arxiv.org/abs/1612.00222
    """

    def __init__(
        self,
        n_fpv: int,
        intfunc_outs: int | Sequence[int] = (60, 30, 20),
        outfunc_outs: int | Sequence[int] = (60, 30, 24),
        do: float = 0,
        bn: bool = False,
        act: Spec = "core/relu",
        bn_class: NormSpec = "core/batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        super().__init__(n_fpv)
        messages, outputs = (layer_widths(outs, "interaction_net") for outs in (intfunc_outs, outfunc_outs))
        self.bn = bn
        self.n_out = outputs[-1]
        given = {"lookup_init": lookup_init, "lookup_act": lookup_act}
        self.fr = ObjectDense([2 * n_fpv, *messages], act=act, do=do, bn=bn, bn_class=bn_class, **given)
        self.fo = ObjectDense([n_fpv + messages[-1], *outputs], act=act, do=do, bn=bn, bn_class=bn_class, **given)

    def forward(self, x: Tensor, mask: Tensor, matrix: Tensor) -> Tensor:
        """Turn features ``(B, N, n_fpv)`` into ``(B, N, outfunc_outs[-1])``.

        Absent objects get 0.
        """
        return only_present(self.fo(torch.cat((x, self._messages(x, mask)), dim=-1), mask), mask)

    def get_out_size(self) -> int:
        """Give the width of the last layer."""
        return self.n_out

    def _messages(self, x: Tensor, mask: Tensor) -> Tensor:
        """Sum the messages for every object, ``(B, N, intfunc_outs[-1])``."""
        first = self.fr.first
        receivers = linear(x, first.weight[:, : self.n_fpv], first.bias)
        senders = linear(x, first.weight[:, self.n_fpv :])
        others = ~torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
        pairs = mask.unsqueeze(2) & mask.unsqueeze(1) & others
        valid = pairs.to(receivers.dtype)
        if (self.bn and self.training) or torch.compiler.is_compiling():
            return sum_whole(lambda rows: self.fr.behind_first(rows, pairs), receivers, senders, valid)
        later = [p for p in self.fr.parameters() if p is not first.weight and p is not first.bias]
        return sum_over_senders(self._rows, receivers, senders, valid, later)

    def _rows(self, rows: Tensor) -> Tensor:
        return self.fr.behind_first(rows, torch.ones(rows.shape[:-1], dtype=torch.bool, device=rows.device))
