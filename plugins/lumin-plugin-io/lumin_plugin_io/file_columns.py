"""The columns of a fold file that follow from what a recipe says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.data import MatrixSchema, matrix_lookup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lumin_plugin_io.description import Category, MatrixTable, Sample, TrainWeight, Variation
    from lumin_plugin_io.expression import Expression

KEYS = {"file": "key", "entry": "key"}
"""Columns of every fold file that is converted: an event's file and entry, with their role."""

TRAIN_WEIGHT, WEIGHT, TARGET, SAMPLE = "train_weight", "weight", "target", "sample"


class FileColumns:
    """The columns that follow from what a recipe says; base of `Plan`, which sets the attributes.

    Attributes:
        samples: The samples.
        variables: Continuous features.
        categories: Categorical features.
        matrix: Tables of objects.
        targets: Targets beside that of the samples.
        misc: Further columns.
        variations: Systematic uncertainties.
        weights: Weight of an event.
        group_key: What keeps events together.
        train_weight: How events are weighted in the training.
        units: Units by names of columns and of the matrix's fields.

    Example:
        >>> from lumin_plugin_io.plan import Plan
        >>> Plan(sample={"data": {}}, variables={"pt": "jet_pt[0]"}).roles
        {'file': 'key', 'entry': 'key'}
    """

    samples: tuple[Sample, ...]
    variables: dict[str, Expression]
    categories: tuple[Category, ...]
    matrix: tuple[MatrixTable, ...]
    targets: dict[str, Expression]
    misc: dict[str, Expression]
    variations: tuple[Variation, ...]
    weights: Expression | None
    group_key: Expression | None
    train_weight: TrainWeight | None
    units: dict[str, str]

    @property
    def cont_feats(self) -> list[str]:
        """Continuous features."""
        return list(self.variables)

    @property
    def cat_feats(self) -> list[str]:
        """Categorical features."""
        return [category.name for category in self.categories]

    @property
    def targ_feats(self) -> list[str]:
        """Targets: that of the samples, then those of expressions; empty if there are none."""
        return [*([TARGET] if self.samples[0].target is not None else []), *self.targets]

    @property
    def scalar_target(self) -> bool:
        """Whether there is one target, so that it is stored with shape ``(n,)``."""
        return len(self.targ_feats) == 1

    @property
    def wgt_feat(self) -> str | None:
        """Name of the weight, ``None`` where neither the recipe nor a sample says one."""
        has_weights = self.weights is not None or any(s.weights or s.xsec is not None for s in self.samples)
        return WEIGHT if has_weights else None

    @property
    def roles(self) -> dict[str, str]:
        """Further columns in the file's order, with their roles; ``""`` is none."""
        group = None if self.group_key is None else self.group_key.text
        misc = {name: "group" if expression.text == group else "" for name, expression in self.misc.items()}
        varied = dict.fromkeys((name for name, *_ in self.varied()), "variation")
        return KEYS | misc | varied | ({} if self.train_weight is None else {TRAIN_WEIGHT: "weight"})

    def varied(self) -> Iterator[tuple[str, str, str]]:
        """Yield column, what it varies, and expression, of all variations."""
        for variation in self.variations:
            for direction, changes in (("up", variation.up), ("down", variation.down)):
                for name, text in changes.items():
                    yield f"{name}__{variation.name}_{direction}", name, text

    @property
    def column_units(self) -> dict[str, str]:
        """The units, a varied column having that of its variable unless it has one of its own."""
        return {column: self.units[name] for column, name, _ in self.varied() if name in self.units} | self.units

    def matrix_schema(self) -> MatrixSchema | None:
        """Return what the matrix holds: objects of all tables, with the union of their fields."""
        if not self.matrix:
            return None
        rows = {f"{table.name}_{i}": table for table in self.matrix for i in range(table.n)}
        there = [f"{row}_{field}" for row, table in rows.items() for field in table.fields]
        vecs, fields = list(rows), self.matrix_fields
        names, missing, shape = matrix_lookup(there, vecs, fields, row_wise=True)
        return MatrixSchema(
            shape=shape,
            vecs=vecs,
            feats_per_vec=fields,
            present_feats=names,
            missing=missing.tolist(),
            row_wise=True,
        )

    @property
    def matrix_fields(self) -> list[str]:
        """Fields of the objects of any table, in the order of the matrix's columns."""
        return list(dict.fromkeys(field for table in self.matrix for field in table.fields))

    @property
    def strata_names(self) -> list[str]:
        """What events can be stratified and balanced by."""
        return [SAMPLE, *self.targ_feats, *self.cat_feats, *self.misc]
