r"""What the weights of a sample are multiplied with, so that they sum to what is expected in data.

.. math:: \sigma L / \textstyle\sum w

The sum is of all events that were generated, which a selection may have removed from the files: it
is given as a number, or is kept in another tree of them, as NanoAOD's ``Runs:genEventSumw``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lumin_core.data import as_numbers
from lumin_core.display import count
from lumin_core.errors import DataError, LuminError
from lumin_plugin_io.opening import open_reader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lumin_plugin_io.description import Sample

_STEP = 100_000  # entries that are read at a time


def factor_of(sample: Sample, lumi: float | None, paths: Iterable[str | Path]) -> float:
    """Return what the weights of a sample are multiplied with.

    Args:
        sample: The sample.
        lumi: Luminosity, in the inverse of the cross section's unit.
        paths: Its files.

    Returns:
        The factor; 1 for a sample without a cross section.

    Raises:
        LuminError: As of `sum_of_weights`.

    Example:
        >>> from lumin_plugin_io.description import Sample
        >>> from lumin_plugin_io.normalisation import factor_of
        >>> factor_of(Sample(name="tt", files=(), xsec=2.0, sum_of_weights=100.0), 50.0, [])
        1.0
    """
    if sample.xsec is None or lumi is None:
        return 1.0
    return sample.xsec * lumi / sum_of_weights(sample, paths)


def sum_of_weights(sample: Sample, paths: Iterable[str | Path]) -> float:
    """Return the sum of weights of all generated events of a sample.

    Args:
        sample: The sample.
        paths: Its files; each counts once, whatever trees of it are read.

    Raises:
        LuminError: If a file has no such tree or column, with those that there are.
        DataError: If the sum is not positive.
    """
    given = sample.sum_of_weights
    if not isinstance(given, str):
        return 1.0 if given is None else given
    tree, _, column = given.rpartition(":")
    files = list(dict.fromkeys(paths))
    try:
        total = math.fsum(_sum(path, tree, column) for path in files)
    except LuminError as error:
        raise type(error)(f"[sample.{sample.name}] sum_of_weights = '{given}': {error}") from error
    if not total > 0 or math.isinf(total):
        raise DataError(
            f"[sample.{sample.name}] sum_of_weights: {given} of {count(len(files), 'file')} sums to {total:g}, and "
            "must be positive; give another column, or the number"
        )
    return total


def _sum(path: str | Path, tree: str, column: str) -> float:
    what = f"{path}, tree {tree}: {column}"
    with open_reader(path, tree) as reader:
        chunks = reader.chunks([column], _STEP)
        return math.fsum(float(np.sum(as_numbers(chunk[column], what), dtype=np.float64)) for chunk in chunks)
