"""What is known of events beside their inputs: targets, weights, further columns, who is with whom.

New data that are to be scored have none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from lumin_plugin_io import strata
from lumin_plugin_io.expression import Expression
from lumin_plugin_io.file_columns import SAMPLE, TARGET, WEIGHT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lumin_plugin_io.description import Sample
    from lumin_plugin_io.event_values import EventValues
    from lumin_plugin_io.plan import Plan
    from lumin_plugin_io.selected import Selected


class Truth:
    """Adds to selected events what a recipe says of them beside inputs.

    Args:
        recipe: What is wanted.
        sample: Which the events are of.
        factor: What weights are multiplied with.

    Example:
        See `EventMaker`, which uses it.
    """

    def __init__(self, recipe: Plan, sample: Sample, factor: float) -> None:
        self._recipe = recipe
        self._sample = sample
        self._factor = factor
        self._weight = recipe.weights
        if sample.weights is not None:
            self._weight = Expression.parse(sample.weights, f"[sample.{sample.name}] weights")
        self._varied = [
            (column, name == WEIGHT, Expression.parse(text, f"[variations] {column}"))
            for column, name, text in recipe.varied()
        ]
        self._split = [Expression.parse(text, "[split] by") for text in recipe.split.by]

    def used(self) -> Iterator[Expression]:
        """Yield all expressions."""
        yield from self._recipe.targets.values()
        yield from () if self._weight is None else (self._weight,)
        yield from self._recipe.misc.values()
        yield from (expression for *_, expression in self._varied)
        yield from self._split
        yield from () if self._recipe.group_key is None else (self._recipe.group_key,)

    def added(self, events: Selected, values: EventValues) -> Selected:
        """Return events with all that is known of them.

        Args:
            events: With their inputs.
            values: Of expressions for these events.
        """
        split = [values.keys(expression) for expression in self._split]
        group = self._recipe.group_key
        return attrs.evolve(
            events,
            targets=self._targets(values),
            weights=self._weights(values),
            misc=self._misc(values),
            split_keys=np.stack(split, axis=1) if split else None,
            strata=strata.combined(
                [strata.codes_of(self._labels(name, events, values)) for name in self._recipe.strata]
            ),
            group=None if group is None else values.keys(group),
        )

    def _targets(self, values: EventValues) -> np.ndarray | None:
        columns = [] if self._sample.target is None else [np.full(len(values.entries), self._sample.target)]
        columns += [values.finite(expression) for expression in self._recipe.targets.values()]
        return np.stack(columns, axis=1) if columns else None

    def _weights(self, values: EventValues) -> np.ndarray | None:
        if self._recipe.wgt_feat is None:
            return None
        if self._weight is None:
            return np.full(len(values.entries), self._factor)
        return self._factor * values.finite(self._weight)

    def _misc(self, values: EventValues) -> dict[str, np.ndarray]:
        found = {name: values.exact(expression) for name, expression in self._recipe.misc.items()}
        for column, is_weight, expression in self._varied:
            varied = self._factor * values.finite(expression) if is_weight else values.inputs(expression)
            found[column] = varied.astype(np.float32)
        return found

    def _labels(self, name: str, events: Selected, values: EventValues) -> np.ndarray:
        """Return what events are stratified by, of one name."""
        if name == SAMPLE:
            return np.full(len(values.entries), self._recipe.samples.index(self._sample))
        if name in events.categories:
            return events.categories[name]
        if name == TARGET and self._sample.target is not None:
            return values.from_floats(np.full(len(values.entries), self._sample.target), "strata: target")
        return values.labels(self._recipe.targets.get(name) or self._recipe.misc[name])
