"""What an ensemble shows of itself: what its models weigh, how good they are, what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.checks import listed
from lumin_core.training.model_rows import network_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lumin_core.display import Row
    from lumin_core.training.network import Network

_MOST = 20  # numbers that are listed


def ensemble_rows(
    models: Sequence[Network], weights: Iterable[float], scores: tuple[str, Sequence[float]]
) -> Iterator[Row]:
    """Give the rows of an ensemble.

    Args:
        models: The models.
        weights: What they weigh.
        scores: By what they were chosen, and its value for each; no values where it is not known.
    """
    metric, values = scores
    yield "weights", listed((f"{weight:.3g}" for weight in weights), _MOST)
    if values:
        yield metric, listed((f"{value:.5g}" for value in values), _MOST)
    others = [dict(network_rows(model)) for model in models[1:]]
    for label, text in network_rows(models[0]):
        alike = all(rows.get(label) == text for rows in others)
        yield label, text if alike else f"{text} (of the first; they differ)"
    if len(models) > 1:
        yield "in all", f"{sum(model.get_param_count(trainable=False) for model in models):,} parameters"
