r"""L-GATr: a transformer whose tokens are multivectors of the geometric algebra of space-time.

The momentum of an object is the vector part of a multivector,

.. math:: x = p^\mu \gamma_\mu, \qquad \gamma_\mu \gamma_\nu + \gamma_\nu \gamma_\mu = 2 g_{\mu\nu},

and linear maps, attention by the inner product, geometric product and norm all turn with the frame
of reference. What comes out here are scalars, which do not change.

References:
    Brehmer et al., https://arxiv.org/abs/2411.00446; Spinner et al.,
    https://arxiv.org/abs/2405.14806; the network is that of https://pypi.org/project/lgatr/
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, ClassVar

import torch
from lgatr import LGATr, embed_vector
from torch import Tensor

from lumin_core.checks import check_positive
from lumin_plugin_lgatr.transformer import BeamSpurion, EquivariantTransformer, dropout_of, spurions_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_plugin_lgatr.momenta import Coordinates

BEAMS: list[BeamSpurion] = ["xyplane", "lightlike", "spacelike", "timelike", None]


class Lgatr(EquivariantTransformer):
    """Computes scalars of objects by the Lorentz-equivariant geometric algebra transformer.

    Momenta are read as the head was given them, in GeV, changed by no preprocessing. All other
    features of the objects must not depend on the frame of reference, such as charges, and be of
    order one. No extractor stands in front.

    What the scalars do not change with is chosen by the spurions:

    ================  ================  ====================================
    ``beam_spurion``  ``time_spurion``  nothing changes with
    ================  ================  ====================================
    ``None``          false             rotations and boosts
    ``None``          true              rotations
    ``"xyplane"``     false             rotations about z and boosts along z
    ``"xyplane"``     true              rotations about z
    ================  ================  ====================================

    The defaults are those of the authors for tagging. Weights start as lgatr starts them.

    Args:
        n_fpv: Number of features of an object, which are not looked at.
        feats_per_vec: Names of the features that the head was given.
        coords: ``"cartesian"``: momenta are ``E, px, py, pz``; ``"collider"``: they are
            ``pt, eta, phi, mass``; in GeV and rad.
        unit: What momenta are divided by, in GeV, to be of order one.
        n_blocks: Number of blocks.
        n_multivectors: Number of multivectors of an object inside.
        n_scalars: Number of scalars of an object inside.
        n_heads: Number of heads of attention.
        width: Number of scalars of an object that come out.
        dropout: Dropout rate.
        beam_spurion: What stands for the beams: ``"xyplane"``, the plane across them;
            ``"lightlike"``, ``"spacelike"`` or ``"timelike"``, a vector along each; or ``None``.
        time_spurion: Whether the time axis of the detector is given, too.

    Raises:
        ConfigError: If an option is out of range, or a component of the momenta is missing.

    Example:
        >>> import torch
        >>> from lumin_plugin_lgatr import Lgatr
        >>> momenta = torch.tensor([[[60.0, 50.0, 0.0, 10.0], [20.0, 10.0, 5.0, 3.0]]])
        >>> mask = torch.ones(1, 2, dtype=torch.bool)
        >>> small = {"n_blocks": 1, "n_multivectors": 2, "n_scalars": 8, "n_heads": 2}
        >>> net = Lgatr(4, ["E", "px", "py", "pz"], width=3, time_spurion=False, **small)
        >>> rapidity = torch.tensor(1.0)  # of a boost along the beams
        >>> boosted = momenta.clone()
        >>> boosted[..., 0] = momenta[..., 0] * rapidity.cosh() + momenta[..., 3] * rapidity.sinh()
        >>> boosted[..., 3] = momenta[..., 3] * rapidity.cosh() + momenta[..., 0] * rapidity.sinh()
        >>> torch.allclose(net(momenta, mask, momenta), net(boosted, mask, boosted), atol=1e-4)
        True

    References:
        Brehmer et al., https://arxiv.org/abs/2411.00446
    """

    example_options: ClassVar[Mapping[str, object]] = {
        "n_blocks": 1,
        "n_multivectors": 4,
        "n_scalars": 8,
        "n_heads": 2,
        "width": 4,
    }

    def __init__(
        self,
        n_fpv: int,
        feats_per_vec: Sequence[str],
        coords: Coordinates = "cartesian",
        unit: float = 20.0,
        n_blocks: int = 12,
        n_multivectors: int = 16,
        n_scalars: int = 32,
        n_heads: int = 8,
        width: int = 32,
        dropout: float = 0.0,
        beam_spurion: BeamSpurion = "xyplane",
        time_spurion: bool = True,
    ) -> None:
        check_positive(n_blocks=n_blocks, n_multivectors=n_multivectors, n_scalars=n_scalars, n_heads=n_heads)
        spurions = spurions_of(beam_spurion, BEAMS, time=time_spurion)
        super().__init__(feats_per_vec, n_fpv, coords=coords, unit=unit, width=width, spurions=spurions)
        with warnings.catch_warnings():  # of torch, about the multivectors that do not come out
            warnings.filterwarnings("ignore", "Initializing zero-element tensors is a no-op", UserWarning)
            self.net = LGATr(
                num_blocks=n_blocks,
                in_mv_channels=1 + len(spurions),
                out_mv_channels=0,
                hidden_mv_channels=n_multivectors,
                in_s_channels=self.n_scalars_in,
                out_s_channels=width,
                hidden_s_channels=n_scalars,
                attention={"num_heads": n_heads},
                mlp={},
                dropout_prob=dropout_of(dropout),
            )
        self.net.linear_in.mvs2s.weight.requires_grad_(False)  # of scalar parts, which momenta and spurions have not

    def scalars_of(self, momenta: Tensor, scalars: Tensor, attn_mask: Tensor) -> Tensor:
        """Run the network, see `EquivariantTransformer`."""
        vectors = embed_vector(momenta).unsqueeze(-2)  # (B, N, 1, 16)
        spurions = self._spurions.to(momenta.dtype).expand(*momenta.shape[:2], -1, -1)
        _, found = self.net(torch.cat((vectors, spurions), dim=-2), scalars, attn_mask=attn_mask)
        result: Tensor = found
        return result
