"""What a data set has: features, targets, weights, further columns, a matrix, and its provenance.

A `Schema` goes from file to yielder to builder to saved record. *Continuous features* are
``cont_feats``, the flat ones, the first columns of ``inputs`` in the file's order; what a model
takes, these and then the named elements of the matrix, is `Schema.model_feats`. What a later
version, or another program, says of a file and we do not know is kept in ``further``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from lumin_core.checks import as_list
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_KEPT = ("cont_feats", "cat_feats", "targ_feats", "matrix")


def _names(names: str | Sequence[str] | None) -> list[str]:
    return as_list(names)


def _ints(values: Sequence[int]) -> list[int]:
    with suppress(TypeError, ValueError):
        return [int(value) for value in values]
    raise ConfigError(f"the shape of one event must be whole numbers, as (3, 32, 32), got {values!r}")


@attrs.frozen(kw_only=True)
class TensorSchema:
    """The shape of a tensor of each event, and how it is stored.

    Attributes:
        shape: Of one event.
        is_sparse: Whether it is stored as COO.

    Example:
        >>> from lumin_core.data.schema import TensorSchema
        >>> TensorSchema(shape=[3, 32, 32]).shape
        [3, 32, 32]
    """

    shape: list[int] = attrs.field(converter=_ints)
    is_sparse: bool = attrs.field(default=False, converter=bool)


@attrs.frozen(kw_only=True)
class MatrixSchema(TensorSchema):
    """What the matrix of each event holds: objects and their features, or a tensor under one name.

    Attributes:
        vecs: Objects; of a tensor its name alone.
        feats_per_vec: Features of an object; of a tensor ``[""]``.
        present_feats: Columns that exist, in the order of the flattened matrix.
        missing: Which elements of the flattened matrix do not exist; empty for a tensor.
        row_wise: Whether an object is a row; ``None`` for a tensor.
        zero_padded: Whether absent objects are zeros in the file, see `lumin_core.data.matrix`.
        further: What else the file says of it.

    Example:
        >>> from lumin_core.data.schema import MatrixSchema
        >>> matrix = MatrixSchema(
        ...     shape=(2, 2),
        ...     vecs=["tau", "jet"],
        ...     feats_per_vec=["px", "m"],
        ...     present_feats=["tau_px", "jet_px", "jet_m"],
        ...     missing=[0, 1, 0, 0],
        ...     row_wise=True,
        ... )
        >>> matrix.elements, matrix.object_axis
        (['tau_px', '', 'jet_px', 'jet_m'], 1)
    """

    vecs: list[str] = attrs.field(factory=list, converter=_names)
    feats_per_vec: list[str] = attrs.field(factory=list, converter=_names)
    present_feats: list[str] = attrs.field(factory=list, converter=_names)
    missing: list[int] = attrs.field(factory=list, converter=_ints)
    row_wise: bool | None = None
    zero_padded: bool = attrs.field(default=False, converter=bool)
    further: dict[str, object] = attrs.field(factory=dict)

    @property
    def elements(self) -> list[str]:
        """Names of the elements of the flattened matrix, ``""`` for one that does not exist.

        A tensor's elements have no names.
        """
        present = iter(self.present_feats)
        return ["" if missing else next(present, "") for missing in self.missing]

    @property
    def object_axis(self) -> int:
        """The axis, in a batch, along which its objects are: 1, or -1 where they are columns."""
        return -1 if self.row_wise is False else 1


@attrs.frozen(kw_only=True)
class Schema:
    """What a data set has.

    Attributes:
        cont_feats: Continuous features, the first columns of ``inputs``.
        cat_feats: Categorical features, the columns after them.
        targ_feats: Targets, always a list.
        scalar_target: Whether targets are stored with shape ``(n,)``, as one name alone asks.
        wgt_feat: Weight, or ``None``.
        cat_maps: What the codes of a categorical feature mean:
            ``{"n_jets": {0: "none", 1: "one"}}``.
        matrix: What the matrix holds, or ``None``.
        target_tensor: Of targets that are tensors, else ``None``.
        columns: Further columns, each with its role, such as ``"key"``, ``"group"``,
            ``"variation"``, or ``""`` for none.
        preprocessing: Configurations of stored transforms by what they are for: ``inputs``,
            ``targets``, ``matrix``.
        provenance: Where the data come from: versions, seed.
        recipe: How they were made of other programs' files: the configuration of a `Converter`.
        sources: Those files in the order of their numbers, each with its ``name`` and more.
        units: Units of columns by their names, those of the matrix too: ``{"pt": "GeV"}``.
        further: What else the file says.

    Example:
        >>> from lumin_core.data.schema import Schema
        >>> schema = Schema(cont_feats=["pt", "eta"], cat_feats="n_jets", targ_feats="is_signal")
        >>> schema.input_feats, schema.without(["pt"]).cont_feats
        (['pt', 'eta', 'n_jets'], ['eta'])
    """

    cont_feats: list[str] = attrs.field(factory=list, converter=_names)
    cat_feats: list[str] = attrs.field(factory=list, converter=_names)
    targ_feats: list[str] = attrs.field(factory=list, converter=_names)
    scalar_target: bool = False
    wgt_feat: str | None = None
    cat_maps: dict[str, dict[int, object]] = attrs.field(factory=dict)
    matrix: MatrixSchema | None = None
    target_tensor: TensorSchema | None = None
    columns: dict[str, str] = attrs.field(factory=dict)
    preprocessing: dict[str, list[dict[str, object]]] = attrs.field(factory=dict)
    provenance: dict[str, object] = attrs.field(factory=dict)
    recipe: dict[str, object] = attrs.field(factory=dict)
    sources: list[dict[str, object]] = attrs.field(factory=list)
    units: dict[str, str] = attrs.field(factory=dict)
    further: dict[str, object] = attrs.field(factory=dict)

    @property
    def input_feats(self) -> list[str]:
        """All columns of ``inputs``: continuous, then categorical features."""
        return [*self.cont_feats, *self.cat_feats]

    @property
    def misc_feats(self) -> list[str]:
        """Further columns, whatever their role."""
        return list(self.columns)

    @property
    def model_feats(self) -> list[str]:
        """What a model takes as continuous features: the flat ones, then the matrix's by name."""
        return [*self.cont_feats, *([] if self.matrix is None else self.matrix.present_feats)]

    def with_role(self, role: str) -> list[str]:
        """Return the further columns that have a role."""
        return [name for name, its_role in self.columns.items() if its_role == role]

    def without(self, feats: Collection[str], *, matrix: bool = True) -> Schema:
        """Return the schema of the same data less some inputs.

        Args:
            feats: Inputs that are left out.
            matrix: Whether the matrix stays.
        """
        return attrs.evolve(
            self,
            cont_feats=[feat for feat in self.cont_feats if feat not in feats],
            cat_feats=[feat for feat in self.cat_feats if feat not in feats],
            cat_maps={feat: codes for feat, codes in self.cat_maps.items() if feat not in feats},
            matrix=self.matrix if matrix else None,
            units={name: unit for name, unit in self.units.items() if name not in feats},
        )

    def keeps(self, was: Schema) -> bool:
        """Tell whether it says what it said: codes and preprocessing may be new, but not others."""
        maps, steps = was.cat_maps.items(), was.preprocessing.items()
        kept = maps <= self.cat_maps.items() and steps <= self.preprocessing.items()
        return kept and all(getattr(self, name) == getattr(was, name) for name in _KEPT)

    def is_sparse(self, column: str) -> bool:
        """Tell whether a column of the file is stored as COO."""
        tensor = self.tensor(column)
        return tensor is not None and tensor.is_sparse

    def tensor(self, column: str) -> TensorSchema | None:
        """Return what is known of a column of the file that is a tensor, else ``None``."""
        tensors: Mapping[str, TensorSchema | None] = {"targets": self.target_tensor, "matrix_inputs": self.matrix}
        return tensors.get(column)
