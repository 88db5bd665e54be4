"""What both extractors share: momenta and scalars go in, absent objects are masked, scalars come out."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

import torch
from lgatr import get_spurions
from torch import Tensor

from lumin_core.checks import check_positive, did_you_mean, is_number, listed
from lumin_core.errors import ConfigError
from lumin_plugin_gnn import Extractor
from lumin_plugin_gnn.layers import only_present
from lumin_plugin_lgatr.momenta import Coordinates, Momenta

if TYPE_CHECKING:
    from collections.abc import Sequence

BeamSpurion = Literal["xyplane", "lightlike", "spacelike", "timelike"] | None


class EquivariantTransformer(Extractor):
    """Base of extractors that are networks of lgatr's.

    Args:
        feats_per_vec: Names of the features that the head was given.
        n_fpv: Number of features of an object, which are not looked at.
        coords: How momenta are given, see `lumin_plugin_lgatr.momenta.Momenta`.
        unit: What momenta are divided by, in GeV.
        width: Number of scalars of an object that come out.
        spurions: Directions that break the symmetry, which every object is given, ``(S, 16)``.

    Raises:
        ConfigError: If an option is out of range, or a component of the momenta is missing.
    """

    reads_matrix_alone = True

    def __init__(
        self,
        feats_per_vec: Sequence[str],
        n_fpv: int,
        *,
        coords: Coordinates,
        unit: float,
        width: int,
        spurions: Tensor,
    ) -> None:
        super().__init__(n_fpv)
        check_positive(width=width)
        self.width = width
        self.momenta = Momenta(feats_per_vec, coords, unit)
        self.n_scalars_in = self.momenta.n_others or 1
        self._spurions: Tensor
        self.register_buffer("_spurions", spurions, persistent=False)

    @abstractmethod
    def scalars_of(self, momenta: Tensor, scalars: Tensor, attn_mask: Tensor) -> Tensor:
        """Run the network.

        Args:
            momenta: ``E, px, py, pz``, shape ``(B, N, 4)``.
            scalars: Shape ``(B, N, n_scalars_in)``.
            attn_mask: Which objects are looked at, shape ``(B, 1, 1, N)``.

        Returns:
            Shape ``(B, N, width)``.
        """

    def forward(self, x: Tensor, mask: Tensor, matrix: Tensor) -> Tensor:
        """Turn the matrix ``(B, N, F)`` into scalars ``(B, N, width)``.

        They are 0 for absent objects, whatever ``x``.
        """
        momenta, others = self.momenta(matrix)
        scalars = others if self.momenta.n_others else torch.ones_like(momenta[..., :1])
        looked_at = mask | ~mask.any(1, keepdim=True)  # attention to nothing would be NaN
        return only_present(self.scalars_of(momenta, scalars, looked_at[:, None, None, :]), mask)

    def get_out_size(self) -> int:
        """Give the number of scalars of an object."""
        return self.width


def spurions_of(beam: BeamSpurion, known: Sequence[BeamSpurion], *, time: bool) -> Tensor:
    """Return the directions that break the symmetry.

    Args:
        beam: Which stand for the beams.
        known: Those that the network can take.
        time: Whether the time axis of the detector is one, too.

    Returns:
        As multivectors, shape ``(S, 16)``.

    Raises:
        ConfigError: If there is no such beam.

    Example:
        >>> from lumin_plugin_lgatr.transformer import spurions_of
        >>> spurions_of("xyplane", ["xyplane", None], time=True).shape
        torch.Size([2, 16])
    """
    if beam not in known:
        names = [name for name in known if name is not None]
        hint = did_you_mean(str(beam), names)
        raise ConfigError(f"beam_spurion must be one of {listed(names)} or None, got {beam!r}{hint}")
    spurions: Tensor = get_spurions(beam_spurion=beam, add_time_spurion=time)
    return spurions


def dropout_of(rate: float) -> float | None:
    """Return a dropout rate as lgatr takes it.

    Raises:
        ConfigError: If it is not in [0, 1).

    Example:
        >>> from lumin_plugin_lgatr.transformer import dropout_of
        >>> dropout_of(0.1), dropout_of(0.0)
        (0.1, None)
    """
    if not (is_number(rate) and 0 <= rate < 1):
        raise ConfigError(f"dropout must be in [0, 1), got {rate!r}")
    return float(rate) or None
