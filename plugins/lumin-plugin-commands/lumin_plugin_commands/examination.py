"""What is right or wrong with a fold file, a saved model or ensemble.

A damaged file may end the process or keep it busy for ever: `lumin_plugin_commands.examiner` has
this done in another one.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from lumin_core.checks import listed
from lumin_core.data import FoldReader
from lumin_core.errors import SavedModelError
from lumin_core.looks import SAVED, look_at
from lumin_core.model import tensor_sum
from lumin_plugin_commands.data_summary import DataSummary
from lumin_plugin_commands.saved_header import read_arrays, read_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lumin_core.display import Row

    Report = Callable[[str], None]
    Found = tuple[str, list[Row]]

SUFFIX = ".safetensors"
WAY_OUT = "bring back a copy, or train it again"


def examine(path: Path, report: Report) -> Found:
    """Look at all of a file.

    Args:
        path: A saved model or ensemble, or a fold file.
        report: Called with the name of each part that is right.

    Returns:
        What is right, and of a fold file what is in it.

    Raises:
        LuminError: Saying what is wrong.
    """
    is_saved = path.suffix == SUFFIX or look_at(path).kind in SAVED
    return (_saved(path, report), []) if is_saved else _fold_file(path, report)


def _fold_file(path: Path, report: Report) -> Found:
    with closing(FoldReader(path)) as reader:
        has_sums = []
        for name, has_sum in reader.verified():
            report(name)
            has_sums.append((name, has_sum))
        summary = DataSummary(reader.schema)
        for fold in reader.sizes:
            _read(reader, fold, report, summary)
        folds = f"{len(reader.sizes)} fold{'s' * (len(reader.sizes) != 1)}"
        said = f"{folds}, {sum(reader.sizes.values()):,} events, {_about(has_sums)}"
        return said, list(summary.rows())


def _read(reader: FoldReader, fold: int, report: Report, summary: DataSummary) -> None:
    """Read all of a fold, as those who use it do: its values are looked at, too."""
    read = reader.read_fold(fold)
    summary.add(read, reader.read_matrix(fold) if reader.has("matrix_inputs", fold) else None)
    for column in reader.columns:
        if reader.has(column, fold):
            if column not in read:
                reader.read(column, fold)
            report(f"fold_{fold}/{column}")


def _about(has_sums: Sequence[tuple[str, bool]]) -> str:
    without = [name for name, has_sum in has_sums if not has_sum]
    if len(without) == len(has_sums):
        return "all can be read; it has no check sums (LUMIN and earlier versions write none)"
    return f"all check sums right{f', none for {listed(without)}' if without else ''}"


def _saved(path: Path, report: Report) -> str:
    header = read_header(path)
    report("its header")
    arrays = read_arrays(header)
    report("its weights")
    found = tensor_sum(header.text, ((name, str(a.dtype), a.shape, a) for name, a in arrays.items()))
    if header.sum not in (None, found):
        raise SavedModelError(
            f"its values are not those that were saved, by their check sum: it was damaged; {WAY_OUT}"
        )
    for name, array in arrays.items():
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise SavedModelError(f"{name} holds NaN: its training went wrong, or it was damaged; take an earlier one")
    sums = "check sum right" if header.sum else "it has no check sum (earlier versions wrote none)"
    return f"saved {header.sort}, {header.n_values:,} weights, none of them NaN, {sums}"
