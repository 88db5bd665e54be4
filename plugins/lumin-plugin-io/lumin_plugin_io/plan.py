"""What a recipe says, parsed and checked as a whole.

Its keys, and their defaults, are described at `lumin_plugin_io.Recipe`.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core import seeds
from lumin_core.arguments import came, explained
from lumin_core.data import UNKNOWN_CATEGORY
from lumin_core.errors import ConfigError
from lumin_plugin_io import tables, toml_values
from lumin_plugin_io.expression import Expression
from lumin_plugin_io.file_columns import KEYS, SAMPLE, TRAIN_WEIGHT, WEIGHT, FileColumns
from lumin_plugin_io.plain import NOTHING, listed, plain, text, without_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_TAKEN = ("inputs", "targets", "weights", "matrix_inputs", *KEYS, WEIGHT, TRAIN_WEIGHT, SAMPLE)
_COMPRESSIONS = ("lzf", "gzip")


class Plan(FileColumns):
    """What a recipe says; arguments and attributes as those of `lumin_plugin_io.Recipe`.

    Raises:
        ConfigError: With the key as it stands in the file, what was expected, and what came.

    Example:
        >>> from lumin_plugin_io.plan import Plan
        >>> plan = Plan(sample={"ttbar": {"target": 0}}, variables={"pt": "jet_pt[0]"})
        >>> plan.cont_feats, plan.targ_feats, plan.scalar_target
        (['pt'], ['target'], True)
    """

    @explained
    def __init__(
        self,
        *,
        sample: Mapping[str, object],
        variables: Mapping[str, str] | Sequence[str] | None = None,
        categories: Mapping[str, object] | None = None,
        matrix: Mapping[str, object] | None = None,
        targets: Mapping[str, str] | Sequence[str] | None = None,
        misc: Mapping[str, str] | Sequence[str] | None = None,
        tree: str | Sequence[str] | None = None,
        lumi: float | None = None,
        weights: str | None = None,
        selection: str | None = None,
        variations: Mapping[str, object] | None = None,
        split: Mapping[str, object] | None = None,
        train_weight: Mapping[str, object] | None = None,
        targ_type: str = "float32",
        n_folds: int = 10,
        strata: str | Sequence[str] = (SAMPLE,),
        group_key: str | None = None,
        scaling: str | Mapping[str, object] | None = "tabular/standard_scaler",
        compression: str | None = None,
        seed: int = 0,
        units: Mapping[str, str] | None = None,
        folder: str | Path | None = None,
    ) -> None:
        self.folder = Path() if folder is None else Path(folder)
        self.samples = tables.samples(sample)
        self.tree = toml_values.as_texts(tree, "tree")
        self.lumi = None if lumi is None else toml_values.as_number(lumi, "lumi", positive=True)
        self.weights = _parsed(weights, "weights")
        self.selection = _parsed(selection, "selection")
        self.variables = _all_parsed(variables, "[variables] ")
        self.categories = tables.categories(categories)
        self.matrix = tables.matrix(matrix)
        self.targets = _all_parsed(targets, "targets.")
        self.misc = _all_parsed(misc, "[misc] ")
        self.variations = tables.variations(variations)
        self.split = tables.split(split)
        self.train_weight = tables.train_weight(train_weight)
        self.targ_type = _dtype(targ_type)
        self.n_folds = toml_values.as_whole(n_folds, "n_folds", least=1)
        self.strata = toml_values.as_texts(strata, "strata")
        self.group_key = _parsed(group_key, "group_key")
        self.scaling = _scaling(scaling)
        self.compression = _compression(compression)
        self.seed = seeds.check(toml_values.as_whole(seed, "seed"))
        self.units = toml_values.as_labels(units, "[units]")
        self._check()

    # What is stored

    def to_config(self) -> dict[str, Any]:
        """Return the keys that say something as plain values, without files.

        It is the recipe's normal form: two recipes whose forms are the same text (JSON) make the
        same columns of the same files.
        """
        named = {
            "sample": {sample.name: without_files(sample) for sample in self.samples},
            "categories": {category.name: plain(category) for category in self.categories},
            "matrix": {table.name: plain(table) for table in self.matrix},
            "variations": {variation.name: plain(variation) for variation in self.variations},
            "split": plain(self.split),
            "train_weight": None if self.train_weight is None else plain(self.train_weight),
        }
        expressions = ("weights", "selection", "variables", "targets", "misc", "group_key")
        others = ("tree", "lumi", "targ_type", "n_folds", "strata", "compression", "seed", "units")
        config = {**named, **{name: text(getattr(self, name)) for name in expressions}}
        config |= {name: listed(getattr(self, name)) for name in others}
        return {**{name: value for name, value in config.items() if value not in NOTHING}, "scaling": self.scaling}

    def normal_form(self) -> str:
        """Return `to_config` as one text, for comparisons and hashes."""
        return json.dumps(self.to_config())

    def stored_config(self, cat_maps: Mapping[str, Mapping[int, object]]) -> dict[str, Any]:
        """Return `to_config` with the categories that were found, so that others get their codes.

        Args:
            cat_maps: What the codes of a feature mean.
        """
        config = self.to_config()
        for category in self.categories:
            if not category.map and category.name in cat_maps:
                found = [str(m) for m in cat_maps[category.name].values() if m != UNKNOWN_CATEGORY]
                config["categories"][category.name]["map"] = {value: value for value in found}
        return config

    def check_files(self) -> None:
        """Refuse a recipe whose samples have no files, as one that is stored.

        Raises:
            ConfigError: Naming the sample.
        """
        for sample in self.samples:
            if not sample.files:
                raise ConfigError(f"[sample.{sample.name}] needs files, such as files = ['{sample.name}_*.root']")
            for i, friend in enumerate(sample.friends):
                if not friend.files:
                    raise ConfigError(f"[sample.{sample.name}] friends[{i}] needs files")

    # What must be so of the whole

    def _check(self) -> None:
        if not (self.variables or self.categories or self.matrix):
            raise ConfigError("a recipe needs inputs: [variables], [categories] or [matrix.<name>]")
        self._check_samples()
        self._check_names()
        self._parse_all()
        if not self.strata:
            raise ConfigError(f"strata must name one of {', '.join(self.strata_names)}, or more, got none")
        toml_values.check_known(self.strata, self.strata_names, "strata", "stratum")
        columns = [*self.cont_feats, *self.cat_feats, *self.targ_feats, *self.roles, *self._matrix_names()]
        toml_values.check_known(self.units, columns, "[units]", "column")
        for variation in self.variations:
            known = [*self.variables, *([WEIGHT] if self.wgt_feat else [])]
            for direction, changes in (("up", variation.up), ("down", variation.down)):
                toml_values.check_known(changes, known, f"[variations.{variation.name}] {direction}", "variable")
        if (train_weight := self.train_weight) is not None:
            balance, to = ([name] if name else [] for name in (train_weight.balance, train_weight.to))
            toml_values.check_known(balance, self.strata_names, "[train_weight] balance", "stratum")
            toml_values.check_known(to, [sample.name for sample in self.samples], "[train_weight] to", "sample")
            binned = [*self.variables, *self.targ_feats, *self.misc]
            toml_values.check_known(train_weight.flat, binned, "[train_weight] flat", "variable")

    def _matrix_names(self) -> list[str]:
        """Return columns of the matrix, and the fields that stand for them."""
        schema = self.matrix_schema()
        return [] if schema is None else [*schema.present_feats, *schema.feats_per_vec]

    def _check_samples(self) -> None:
        for sample in self.samples:
            place = f"[sample.{sample.name}]"
            if bool(sample.files) != bool(self.samples[0].files):
                self.check_files()
            if (sample.target is None) != (self.samples[0].target is None):
                names = ", ".join(f"[sample.{each.name}]" for each in self.samples if each.target is None)
                raise ConfigError(f"some samples have a target and some have none: give one to {names}, too")
            if (sample.xsec is None) != (sample.sum_of_weights is None):
                has, lacks = ("xsec", "sum_of_weights") if sample.xsec is not None else ("sum_of_weights", "xsec")
                raise ConfigError(f"{place} has {has}, but lacks {lacks}: weight = xsec * lumi * w / sum_of_weights")
            if sample.xsec is not None and self.lumi is None:
                raise ConfigError(f"{place} has xsec, but there is no lumi at the top: lumi = 139000.0")
        if self.lumi is not None and all(sample.xsec is None for sample in self.samples):
            raise ConfigError(
                "there is lumi, but no [sample.<name>] has xsec and sum_of_weights: leave it out, or add them"
            )

    def _check_names(self) -> None:
        """Refuse names that come twice in the file, or are those of its own columns."""
        schema = self.matrix_schema()
        places = {
            "[variables]": self.cont_feats,
            "[categories]": self.cat_feats,
            "[matrix]": [] if schema is None else schema.present_feats,
            "targets": list(self.targets),
            "[misc]": list(self.misc),
            "[variations]": [column for column, *_ in self.varied()],
        }
        for place, names in places.items():
            for name in names:
                if name in _TAKEN:
                    raise ConfigError(f"{place} {name}: the name is taken in fold files; choose another")
                if set("/\0") & set(name) or not name.strip("."):
                    raise ConfigError(f"{place} {name!r} cannot be a column's name: it must be without '/'")
        self._check_twice(places | {"[sample.<name>] target": self.targ_feats[: -len(self.targets) or None]})

    def _check_twice(self, places: Mapping[str, Iterable[str]]) -> None:
        counts = Counter(name for names in places.values() for name in names)
        for name, n in counts.items():
            if n > 1:
                where = [place for place, names in places.items() if name in names]
                raise ConfigError(f"{name!r} is a name in {' and in '.join(where)}; choose another for one of them")

    def _parse_all(self) -> None:
        """Refuse what is not an expression, wherever it stands."""
        for sample in self.samples:
            _parsed(sample.weights, f"[sample.{sample.name}] weights")
            _parsed(sample.selection, f"[sample.{sample.name}] selection")
        for category in self.categories:
            _parsed(category.value, f"[categories] {category.name}")
        for table in self.matrix:
            _all_parsed(table.fields, f"[matrix.{table.name}] fields.")
        for variation in self.variations:
            _all_parsed(variation.up, f"[variations.{variation.name}] up.")
            _all_parsed(variation.down, f"[variations.{variation.name}] down.")
        for key in self.split.by:
            _parsed(key, "[split] by")


def _parsed(text: object, where: str) -> Expression | None:
    return None if text is None else Expression.parse(toml_values.as_expression(text, where), where)


def _all_parsed(table: object, prefix: str) -> dict[str, Expression]:
    texts = toml_values.as_expressions(table, prefix)
    return {name: Expression.parse(text, f"{prefix}{name}") for name, text in texts.items()}


def _dtype(value: object) -> str:
    try:
        dtype = np.dtype(toml_values.as_text(value, "targ_type"))
    except TypeError as error:
        raise ConfigError(f"targ_type must be a numpy dtype such as 'float32' or 'int64', got {value!r}") from error
    if dtype.kind not in "biuf":
        raise ConfigError(f"targ_type must be a dtype of numbers, such as 'float32' or 'int64', got {value!r}")
    return dtype.name


def _scaling(value: object) -> str | dict[str, Any]:
    """Return a transform's name, with options or without; ``""`` for none."""
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return value
    table = toml_values.as_table(value, "scaling")
    if "name" not in table:
        raise ConfigError(f"scaling must be the name of a transform, or a table with one, got {came(value)}")
    return table


def _compression(value: object) -> str | None:
    if value is not None and value not in _COMPRESSIONS:
        raise ConfigError(
            f"compression must be {' or '.join(map(repr, _COMPRESSIONS))}, or left out, got {came(value)}"
        )
    return None if value is None else str(value)
