r"""Features of pairs of particles, and how they enter attention.

For two particles, with rapidity :math:`y`, azimuth :math:`\phi` and transverse momentum,

.. math::
    \ln \Delta, \quad \ln k_T = \ln\left(\min(p_{T,a}, p_{T,b})\, \Delta\right), \quad
    \ln z = \ln \frac{\min(p_{T,a}, p_{T,b})}{p_{T,a} + p_{T,b}}, \quad
    \ln m^2 = \ln (p_a + p_b)^2, \qquad
    \Delta = \sqrt{(y_a - y_b)^2 + (\phi_a - \phi_b)^2}

in GeV and rad. Where the argument of a logarithm is below :math:`10^{-8}`, it counts as that, and
has no gradient.

References:
    Qu, Li and Qian, https://arxiv.org/abs/2202.03772; Dreyer and Qu (LundNet),
    https://arxiv.org/abs/2012.08526
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lumin_core.model import LCBatchNorm1d, by_bare_name
from lumin_plugin_gnn.constituent_features import SMALL, asinh, pt_eta_phi, wrapped
from lumin_plugin_gnn.layers import in_doubles, norm_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.model import LookupAct, LookupInit, NormSpec, Spec


def pair_features(a: Tensor, b: Tensor) -> Tensor:
    """Compute the four features of pairs of particles.

    Args:
        a: 4-momenta ``(*, 4)``: px, py, pz, E in GeV.
        b: The others, of the same shape.

    Returns:
        Shape ``(*, 4)``, finite for any momenta.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.pair_features import pair_features
        >>> pair_features(torch.tensor([3.0, 4.0, 0.0, 5.0]), torch.tensor([5.0, 0.0, 0.0, 5.0]))
        tensor([-0.0755,  1.5340, -0.6931,  2.9957])
    """
    return _of_pairs(_with_coordinates(a), _with_coordinates(b), a.dtype)


def _with_coordinates(p: Tensor) -> Tensor:
    """Append transverse momentum, rapidity and azimuth, all in double precision.

    Once for each particle, for they cost more than all of a pair.
    """
    p = in_doubles(p)
    pt, _, phi = pt_eta_phi(p)
    pz, energy = p[..., 2], p[..., 3]
    transverse_mass2 = torch.maximum((energy - pz) * (energy + pz), pt.square())  # rounding makes masses imaginary
    rapidity = asinh(pz / transverse_mass2.sqrt())
    return torch.cat((p, torch.stack((pt, rapidity, phi), dim=-1)), dim=-1)


def _of_pairs(a: Tensor, b: Tensor, dtype: torch.dtype) -> Tensor:
    """Compute the features, the logarithms alone in the precision of the result."""
    both = a[..., :4] + b[..., :4]
    mass2 = both[..., 3].square() - both[..., :3].square().sum(-1)
    (pt_a, y_a, phi_a), (pt_b, y_b, phi_b) = a[..., 4:].unbind(-1), b[..., 4:].unbind(-1)
    distance2 = (y_a - y_b).square() + wrapped(phi_a - phi_b).square()  # without a root, whose slope is infinite at 0
    smaller = torch.minimum(pt_a, pt_b)
    arguments = (
        distance2.clamp_min(SMALL**2),
        (smaller.square() * distance2).clamp_min(SMALL**2),
        (smaller / (pt_a + pt_b)).clamp_min(SMALL),
        mass2.clamp_min(SMALL),
    )
    logs = torch.stack(arguments, dim=-1).to(dtype).log()
    return logs * logs.new_tensor((0.5, 0.5, 1, 1))


class PairEmbedding(nn.Module):
    """Turns the features of pairs into a number for each pair and attention head.

    A pair and its mirror image have the same features, so only one of them is computed. Norms take
    their statistics from pairs of present particles, a particle with itself included.

    Args:
        widths: Widths of the layers; the last is the number of heads.
        act: Activation, behind each layer but the last.
        bn_class: The norm.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Example:
        >>> import torch
        >>> from lumin_core.model import lookup_act, normal_initialiser
        >>> from lumin_plugin_gnn.pair_features import PairEmbedding
        >>> embedding = PairEmbedding(
        ...     [16, 8], "gelu", "batch_norm1d", normal_initialiser, lookup_act
        ... )
        >>> embedding(torch.rand(2, 5, 4), torch.ones(2, 5, dtype=torch.bool)).shape
        torch.Size([2, 8, 5, 5])

    References:
        Qu, Li and Qian, https://arxiv.org/abs/2202.03772
    """

    def __init__(
        self, widths: Sequence[int], act: Spec, bn_class: NormSpec, lookup_init: LookupInit, lookup_act: LookupAct
    ) -> None:
        super().__init__()
        ins = [4, *widths[:-1]]
        self.norms = nn.ModuleList(LCBatchNorm1d(bn_class, width) for width in [4, *widths])
        linears = [nn.Linear(a, b) for a, b in zip(ins, widths, strict=True)]
        for linear in linears:
            by_bare_name(lookup_init)(act, linear.in_features, linear.out_features)(linear.weight)
            nn.init.zeros_(linear.bias)
        self.linears = nn.ModuleList(linears)
        self.act = by_bare_name(lookup_act)(act)

    def forward(self, momenta: Tensor, mask: Tensor) -> Tensor:
        """Turn 4-momenta ``(B, N, 4)`` in GeV with mask ``(B, N)`` into ``(B, heads, N, N)``."""
        n = momenta.shape[1]
        one, other = torch.tril_indices(n, n, device=momenta.device)
        with torch.autocast(momenta.device.type, enabled=False):  # 16 bits are too coarse for differences of momenta
            particles = _with_coordinates(momenta)
            one_s, other_s = particles.index_select(1, one), particles.index_select(1, other)
            features = _of_pairs(one_s, other_s, torch.promote_types(momenta.dtype, torch.float32))
        if self.training:  # only present pairs may enter statistics
            places = (mask.index_select(1, one) & mask.index_select(1, other)).flatten().nonzero().squeeze(1)
            rows = self._embed(features.flatten(0, 1).index_select(0, places))
            pairs = rows.new_zeros(mask.shape[0] * len(one), rows.shape[1]).index_copy(0, places, rows)
            pairs = pairs.view(mask.shape[0], len(one), -1)
        else:
            pairs = self._embed(features)
        by_head = pairs.transpose(1, 2).index_select(2, _places(n, momenta.device).flatten())
        by_pair: Tensor = by_head.unflatten(2, (n, n))
        return by_pair

    def _embed(self, x: Tensor) -> Tensor:
        x = norm_rows(self.norms[0], x)
        for i, (linear, norm) in enumerate(zip(self.linears, self.norms[1:], strict=True)):
            x = norm_rows(norm, linear(x if i == 0 else self.act(x)))
        return x


def _places(n: int, device: torch.device) -> Tensor:
    """Return where among ``tril_indices`` the pair of two objects is, ``(N, N)``.

    The two may come in any order.
    """
    i = torch.arange(n, device=device)
    larger, smaller = torch.maximum(i, i.unsqueeze(1)), torch.minimum(i, i.unsqueeze(1))
    return larger * (larger + 1) // 2 + smaller
