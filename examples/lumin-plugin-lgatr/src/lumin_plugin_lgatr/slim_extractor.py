"""L-GATr-slim: the same idea with vectors and scalars alone, which is several times as fast.

References:
    Petitjean et al. (Economical jet taggers), https://arxiv.org/abs/2512.17011; the network is that
    of https://pypi.org/project/lgatr/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from lgatr import LGATrSlim, extract_vector
from torch import Tensor

from lumin_core.checks import check_positive
from lumin_plugin_lgatr.transformer import BeamSpurion, EquivariantTransformer, dropout_of, spurions_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_plugin_lgatr.momenta import Coordinates

BEAMS: list[BeamSpurion] = ["lightlike", "spacelike", "timelike", None]


class LgatrSlim(EquivariantTransformer):
    """Computes scalars of objects by L-GATr-slim, which knows of vectors and scalars alone.

    Momenta and other features are those that `Lgatr` takes. Without spurions nothing changes with
    rotations, boosts and reflections, with ``time_spurion`` alone with rotations and reflections,
    with beams and time with rotations about z and reflections across it.

    Args:
        n_fpv: Number of features of an object, which are not looked at.
        feats_per_vec: Names of the features that the head was given.
        coords: ``"cartesian"``: momenta are ``E, px, py, pz``; ``"collider"``: they are
            ``pt, eta, phi, mass``; in GeV and rad.
        unit: What momenta are divided by, in GeV, to be of order one.
        n_blocks: Number of blocks.
        n_vectors: Number of vectors of an object inside.
        n_scalars: Number of scalars of an object inside.
        n_heads: Number of heads of attention.
        width: Number of scalars of an object that come out.
        dropout: Dropout rate.
        beam_spurion: What stands for the beams, a vector along each: ``"lightlike"``,
            ``"spacelike"`` or ``"timelike"``; or ``None``.
        time_spurion: Whether the time axis of the detector is given, too.

    Raises:
        ConfigError: If an option is out of range, or a component of the momenta is missing.

    Example:
        >>> import torch
        >>> from lumin_plugin_lgatr import LgatrSlim
        >>> jets = torch.tensor([[[50.0, 0.1, 3.0, 0.14], [0.0, 0.0, 0.0, 0.0]]])  # one absent
        >>> net = LgatrSlim(4, ["pt", "eta", "phi", "mass"], coords="collider", n_blocks=1, width=2)
        >>> net(jets, torch.tensor([[True, False]]), jets)[0, 1]
        tensor([0., 0.], grad_fn=<SelectBackward0>)

    References:
        Petitjean et al., https://arxiv.org/abs/2512.17011
    """

    example_options: ClassVar[Mapping[str, object]] = {
        "n_blocks": 1,
        "n_vectors": 4,
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
        n_vectors: int = 32,
        n_scalars: int = 96,
        n_heads: int = 8,
        width: int = 32,
        dropout: float = 0.0,
        beam_spurion: BeamSpurion = "lightlike",
        time_spurion: bool = True,
    ) -> None:
        check_positive(n_blocks=n_blocks, n_vectors=n_vectors, n_scalars=n_scalars, n_heads=n_heads)
        spurions = spurions_of(beam_spurion, BEAMS, time=time_spurion)
        super().__init__(feats_per_vec, n_fpv, coords=coords, unit=unit, width=width, spurions=spurions)
        self.net = LGATrSlim(
            num_blocks=n_blocks,
            in_v_channels=1 + len(spurions),
            out_v_channels=0,
            hidden_v_channels=n_vectors,
            in_s_channels=self.n_scalars_in,
            out_s_channels=width,
            hidden_s_channels=n_scalars,
            num_heads=n_heads,
            dropout_prob=dropout_of(dropout),
        )

    def scalars_of(self, momenta: Tensor, scalars: Tensor, attn_mask: Tensor) -> Tensor:
        """Run the network, see `EquivariantTransformer`."""
        spurions = extract_vector(self._spurions).to(momenta.dtype).expand(*momenta.shape[:2], -1, -1)
        vectors = torch.cat((momenta.unsqueeze(-2), spurions), dim=-2)  # (B, N, 1 + S, 4)
        _, found = self.net(vectors, scalars, attn_mask=attn_mask)
        result: Tensor = found
        return result
