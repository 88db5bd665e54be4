"""Units of columns: what a file says of them, for labels; nothing is converted by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from lumin_core.checks import check_keys
from lumin_core.data.check_sums import names_in
from lumin_core.data.hdf5 import rewriting
from lumin_core.data.meta import read_schema, update_entry
from lumin_core.data.structure import fold_name, fold_numbers
from lumin_core.data.values import RESERVED
from lumin_core.errors import ConfigError, FoldFileError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lumin_core.data.schema import MatrixSchema, Schema


def checked_units(units: object) -> dict[str, str]:
    """Refuse units that are not text by name.

    Args:
        units: What was given, ``None`` for none.

    Raises:
        ConfigError: If they are something else.

    Example:
        >>> from lumin_core.data.units import checked_units
        >>> checked_units({"pt": "GeV"})
        {'pt': 'GeV'}
    """
    if units is None:
        return {}
    if not isinstance(units, Mapping):
        raise ConfigError(f"units must be a dict of columns to units, as {{'pt': 'GeV'}}, got {units!r}")
    for name, unit in units.items():
        if not (isinstance(unit, str) and unit.strip()):
            raise ConfigError(f"the unit of {name!r} must be text, as 'GeV', got {unit!r}; without one, leave it out")
    return dict(units)


def with_column_units(schema: Schema, further: Iterable[str] = ()) -> Schema:
    """Return a schema whose units are those of columns.

    The name of a field of the matrix stands for the columns of this field, those aside that have
    a unit of their own.

    Args:
        schema: Whose units are by the names of columns or fields.
        further: Columns that the schema does not know.

    Raises:
        ConfigError: If a name is that of neither; with did-you-mean.

    Example:
        >>> from lumin_core.data.schema import Schema
        >>> from lumin_core.data.units import with_column_units
        >>> with_column_units(Schema(cont_feats=["jet_pt"], units={"jet_pT": "GeV"}))
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: units: the file has no 'jet_pT'; did you mean 'jet_pt'?
    """
    if not schema.units:
        return schema
    fields = {} if schema.matrix is None else _columns_by_field(schema.matrix)
    columns = [*schema.model_feats, *schema.cat_feats, *schema.targ_feats, *schema.misc_feats, *further]
    check_keys(schema.units, dict.fromkeys([*columns, *fields]), "units: the file")
    of_fields = {column: unit for name, unit in schema.units.items() for column in fields.get(name, ())}
    of_columns = {name: unit for name, unit in schema.units.items() if name in columns}
    return attrs.evolve(schema, units=of_fields | of_columns)


def _columns_by_field(matrix: MatrixSchema) -> dict[str, list[str]]:
    """Return the columns of each field of a matrix; a tensor has none."""
    present = set(matrix.present_feats)
    return {
        field: [column for vec in matrix.vecs if (column := f"{vec}_{field}") in present]
        for field in matrix.feats_per_vec
        if field
    }


def add_units(foldfile: str | Path, units: Mapping[str, str]) -> None:
    """Store in an existing fold file the units of its columns, beside those that it has.

    Args:
        foldfile: The file; it is replaced as a whole, safely.
        units: Units of columns by their names, as they are written at an axis:
            ``{"jet_pt": "GeV"}``. The name of a field of the matrix stands for its columns. What
            a file of LUMIN holds further, and predictions, may have units, too.

    Raises:
        ConfigError: If a name is not that of a column, or a unit is not text.
        FoldFileError: If the file cannot be written, or has no meta data.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder, add_units
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="is_signal") as file:
        ...     file.append(0, inputs=np.ones((2, 1)), targets=np.ones(2))
        >>> add_units(path, {"pt": "GeV"})
        >>> FoldYielder(path).units
        {'pt': 'GeV'}
    """
    given = checked_units(units)
    with rewriting(foldfile) as file:
        schema = read_schema(file)
        if schema is None:
            raise FoldFileError(f"{foldfile} has no meta data: write them with add_meta_data, which takes units=")
        folds = fold_numbers(file)[:1]
        further = [name for i in folds for name in names_in(file[fold_name(i)]) if name not in RESERVED]
        update_entry(file, "units", **with_column_units(attrs.evolve(schema, units=given), further).units)
