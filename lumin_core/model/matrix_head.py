"""The base of heads for objects (particles, jets) that share their features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lumin_core.checks import listed
from lumin_core.data.matrix import object_mask
from lumin_core.errors import ConfigError, ShapeError
from lumin_core.model.blocks import Head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.model.blocks import Inputs


class MatrixHead(Head):
    """A head for objects (particles, jets) that share their features.

    It hands subclasses a matrix and a mask. The data come as a matrix, alone or behind the flat
    inputs, or all flat: then columns named ``{vec}_{feat}`` are gathered into the matrix, and an
    element for which there is no column is 0.

    Args:
        cont_feats: Those elements ``{vec}_{feat}`` of the matrix that exist, in the order of the
            columns of flat inputs; empty if the data always come as a matrix.
        vecs: Names of the objects.
        feats_per_vec: Names of the features of an object.
        row_wise: Whether matrices come as ``(B, N, F)``, an object a row, or as ``(B, F, N)``.
            Subclasses get ``(B, N, F)`` in either case.

    Attributes:
        matrix_feats: Names of the elements that exist: ``cont_feats``, or every element if
            those are empty.

    Raises:
        ConfigError: If a feature is no element of the matrix, or an object or a feature of objects
            has no column.

    Example:
        >>> import torch
        >>> from lumin_core.model.matrix_head import MatrixHead
        >>> class SumOfObjects(MatrixHead):
        ...     def __init__(self, cont_feats, vecs, feats_per_vec, row_wise=True):
        ...         super().__init__(cont_feats, vecs, feats_per_vec, row_wise)
        ...         self.feat_map = self.map_to_all()
        ...     def forward(self, x):
        ...         matrix, mask = self.get_matrix(x)
        ...         return matrix.sum(1)
        ...     def get_out_size(self):
        ...         return self.n_fpv
        >>> head = SumOfObjects(["tau_px", "tau_py", "met_px"], ["tau", "met"], ["px", "py"])
        >>> head(torch.tensor([[1.0, 2.0, 3.0]]))
        tensor([[4., 2.]])
    """

    def __init__(
        self, cont_feats: Sequence[str], vecs: Sequence[str], feats_per_vec: Sequence[str], row_wise: bool = True
    ) -> None:
        super().__init__(cont_feats)
        self.vecs = list(vecs)
        self.feats_per_vec = list(feats_per_vec)
        self.row_wise = row_wise
        self.n_v = len(self.vecs)
        self.n_fpv = len(self.feats_per_vec)
        elements = matrix_elements(vecs, feats_per_vec)
        self.matrix_feats = self.cont_feats or elements
        self._check_elements(elements)
        column, present = {feat: i for i, feat in enumerate(self.cont_feats)}, set(self.matrix_feats)
        missing = torch.tensor([feat not in present for feat in elements])
        self._columns: Tensor
        self._missing: Tensor
        self.register_buffer("_columns", torch.tensor([column.get(feat, 0) for feat in elements]), persistent=False)
        self.register_buffer("_missing", missing, persistent=False)

    def get_matrix(self, x: Inputs) -> tuple[Tensor, Tensor]:
        """Give the matrix, zero where nothing is, and the mask of the objects that are present.

        In a matrix an absent object is a row (column) of NaN. In flat inputs, where missing values
        are read as 0, it is one whose existing elements all are 0 or NaN.

        Args:
            x: A matrix ``(B, N, F)`` (``(B, F, N)`` unless row-wise), a pair whose second is that,
                or flat inputs ``(B, F)`` whose first columns are ``cont_feats``.

        Returns:
            The matrix ``(B, N, F)``, and the mask ``(B, N)``, true = present.

        Raises:
            ShapeError: If the inputs do not have one of these shapes.
        """
        x = x if isinstance(x, Tensor) else x[1]
        if x.dim() == 2:
            return self._from_flat(x)
        matrix = x if self.row_wise else x.transpose(-1, -2)
        if matrix.shape[1:] != (self.n_v, self.n_fpv):
            raise ShapeError(self._shape_message(x))
        return matrix.masked_fill(matrix.isnan(), 0), object_mask(matrix)

    def map_to_all(self) -> dict[str, list[int]]:
        """Give the `feat_map` of a head whose every output depends on every element."""
        return {feat: list(range(self.get_out_size())) for feat in self.matrix_feats}

    def _from_flat(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if not self.cont_feats or x.shape[1] < len(self.cont_feats):
            raise ShapeError(self._shape_message(x))
        elements = x.index_select(1, self._columns)
        matrix = elements.masked_fill(elements.isnan() | self._missing, 0).view(-1, self.n_v, self.n_fpv)
        return matrix, (matrix != 0).any(-1)

    def _shape_message(self, x: Tensor) -> str:
        axes, shape = ("(B, N, F)", (self.n_v, self.n_fpv)) if self.row_wise else ("(B, F, N)", (self.n_fpv, self.n_v))
        flat = f" or flat inputs (B, {len(self.cont_feats)})" if self.cont_feats else ""
        return (
            f"expected a matrix {axes} = (B, {shape[0]}, {shape[1]}){flat}, got shape {tuple(x.shape)}; "
            f"row_wise={not self.row_wise} takes matrices of the other orientation"
        )

    def _check_elements(self, elements: list[str]) -> None:
        known, present = set(elements), set(self.matrix_feats)
        if not elements or len(known) < len(elements):
            raise ConfigError(
                f"vecs and feats_per_vec must hold names, each once, got {self.vecs} and {self.feats_per_vec}"
            )
        if unknown := [feat for feat in self.cont_feats if feat not in known]:
            raise ConfigError(
                f"cont_feats has {listed(unknown)}, no elements {{vec}}_{{feat}} of vecs ({listed(self.vecs)}) and "
                f"feats_per_vec ({listed(self.feats_per_vec)}); use multi_head to feed flat features beside a matrix, "
                "or leave them out by ignore_feats of the FoldYielder"
            )
        by_vec = {vec: matrix_elements([vec], self.feats_per_vec) for vec in self.vecs}
        by_feat = {feat: matrix_elements(self.vecs, [feat]) for feat in self.feats_per_vec}
        for name, own in (by_vec | by_feat).items():
            if present.isdisjoint(own):
                raise ConfigError(
                    f"is {name!r} misspelt? none of {listed(own)} is among the features {listed(self.cont_feats)}"
                )


def matrix_elements(vecs: Sequence[str], feats_per_vec: Sequence[str]) -> list[str]:
    """Give the names of the elements of a matrix of objects, row by row.

    Example:
        >>> from lumin_core.model.matrix_head import matrix_elements
        >>> matrix_elements(["tau", "met"], ["px", "py"])
        ['tau_px', 'tau_py', 'met_px', 'met_py']
    """
    return [f"{vec}_{feat}" for vec in vecs for feat in feats_per_vec]
