r"""One block of LorentzNet, and the invariants of pairs of 4-momenta that it is fed.

The formulas are in `lorentz_net`.

References:
    Gong et al., https://arxiv.org/abs/2201.08187
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from lumin_core.model import LCBatchNorm1d, by_bare_name
from lumin_plugin_gnn.layers import norm_rows

if TYPE_CHECKING:
    from lumin_core.model import LookupAct, LookupInit, NormSpec, Spec
    from lumin_plugin_gnn.ordered_pairs import OrderedPairs


def product(a: Tensor, b: Tensor) -> Tensor:
    r"""Return the Minkowski product of two 4-momenta.

    It is :math:`\langle a, b \rangle = E_a E_b - \vec{p}_a \cdot \vec{p}_b`. Its terms are added in
    a fixed order, so that the rounding is the same wherever a pair stands.

    Args:
        a: 4-momenta ``(*, 4)``: px, py, pz, E in GeV.
        b: The others.

    Returns:
        In GeV², shape ``(*)``.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.lorentz_block import product
        >>> product(torch.tensor([0.0, 0.0, 3.0, 5.0]), torch.tensor([0.0, 0.0, -3.0, 5.0]))
        tensor(34.)
    """
    (ax, ay, az, ae), (bx, by, bz, be) = a.unbind(-1), b.unbind(-1)
    return ae * be - ax * bx - ay * by - az * bz


def psi(z: Tensor) -> Tensor:
    r"""Give :math:`\psi(z) = \mathrm{sgn}(z) \ln(|z| + 1)`, whose slope at 0 is 1.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.lorentz_block import psi
        >>> psi(torch.tensor([-1.0, 0.0, 1e6]))
        tensor([-0.6931,  0.0000, 13.8155])
    """
    sign = torch.where(z < 0, -1, 1)
    return sign * torch.log1p(sign * z)


def invariants(a: Tensor, b: Tensor) -> Tensor:
    r"""Give :math:`\psi(\|a - b\|^2)` and :math:`\psi(\langle a, b \rangle)`.

    Args:
        a: 4-momenta ``(*, 4)``: px, py, pz, E in GeV.
        b: The others.

    Returns:
        Shape ``(*, 2)``.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.lorentz_block import invariants
        >>> # of -36 and 34
        >>> invariants(torch.tensor([0.0, 0.0, 3.0, 5.0]), torch.tensor([0.0, 0.0, -3.0, 5.0]))
        tensor([-3.6109,  3.5553])
    """
    difference = a - b
    return psi(torch.stack((product(difference, difference), product(a, b)), dim=-1))


def dense(n_in: int, n_out: int, act: Spec, lookup_init: LookupInit, *, bias: bool = True) -> nn.Linear:
    """Give a linear layer, initialised for the activation behind it.

    Example:
        >>> from lumin_core.model import normal_initialiser
        >>> from lumin_plugin_gnn.lorentz_block import dense
        >>> dense(3, 2, "relu", normal_initialiser)
        Linear(in_features=3, out_features=2, bias=True)
    """
    layer = nn.Linear(n_in, n_out, bias=bias)
    by_bare_name(lookup_init)(act, n_in, n_out)(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class LorentzBlock(nn.Module):
    """One block of LorentzNet.

    Args:
        width: Number of scalars of an object, and width of all layers.
        c: The factor of the change of momenta; with 0 they stay, and what only they
            need is not there.
        act: Activation.
        bn_class: The norm.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Example:
        >>> import torch
        >>> from lumin_core.model import lookup_act, normal_initialiser
        >>> from lumin_plugin_gnn.lorentz_block import LorentzBlock
        >>> from lumin_plugin_gnn.ordered_pairs import ListedPairs
        >>> given = {"lookup_init": normal_initialiser, "lookup_act": lookup_act}
        >>> block = LorentzBlock(8, 5e-3, act="relu", bn_class="batch_norm1d", **given)
        >>> mask = torch.ones(2, 5, dtype=torch.bool)
        >>> h, momenta = block(torch.rand(2, 5, 8), torch.rand(2, 5, 4), mask, ListedPairs(mask))
        >>> h.shape, momenta.shape
        (torch.Size([2, 5, 8]), torch.Size([2, 5, 4]))
    """

    def __init__(
        self, width: int, c: float, *, act: Spec, bn_class: NormSpec, lookup_init: LookupInit, lookup_act: LookupAct
    ) -> None:
        super().__init__()
        self.width = width
        self.c = c
        self.act = by_bare_name(lookup_act)(act)
        # without biases, which the norms behind would take away again
        self.first_e = dense(2 * width + 2, width, act, lookup_init, bias=False)
        self.first_h = dense(2 * width, width, act, lookup_init, bias=False)
        self.norm_e = LCBatchNorm1d(bn_class, width)
        self.norm_h = LCBatchNorm1d(bn_class, width)
        self.last_e = dense(width, width, act, lookup_init)
        self.last_h = dense(width, width, "linear", lookup_init)
        self.phi_m = nn.Sequential(dense(width, 1, "sigmoid", lookup_init), nn.Sigmoid())
        self.phi_x: nn.Sequential | None = None
        if c:
            inner = dense(width, width, act, lookup_init)
            self.phi_x = nn.Sequential(
                inner, by_bare_name(lookup_act)(act), dense(width, 1, "linear", lookup_init, bias=False)
            )

    def forward(self, h: Tensor, x: Tensor, mask: Tensor, pairs: OrderedPairs) -> tuple[Tensor, Tensor]:
        """Update scalars ``(B, N, width)`` and 4-momenta ``(B, N, 4)``.

        Absent objects get finite, useless values.

        Args:
            h: Scalars.
            x: 4-momenta: px, py, pz, E in GeV.
            mask: Shape ``(B, N)``, true = present.
            pairs: The pairs of present objects.
        """
        messages = self._messages(h, x, pairs)
        if self.phi_x is not None:
            x = x + self.c * pairs.total(self.phi_x(messages).to(x.dtype) * pairs.senders(x))
        received = pairs.total(self.phi_m(messages) * messages)
        hidden = self.norm_h(self.first_h(torch.cat((h, received), dim=-1)), mask)
        return h + self.last_h(self.act(hidden)), x

    def _messages(self, h: Tensor, x: Tensor, pairs: OrderedPairs) -> Tensor:
        """Give a message for every pair, ``(*, width)``."""
        receiver, sender, pair = self.first_e.weight.split((self.width, self.width, 2), dim=1)
        rows = pairs.receivers(linear(h, receiver)) + pairs.senders(linear(h, sender))
        rows = rows + linear(invariants(pairs.receivers(x), pairs.senders(x)).to(h.dtype), pair)
        messages: Tensor = self.act(self.last_e(self.act(norm_rows(self.norm_e, rows))))
        return messages
