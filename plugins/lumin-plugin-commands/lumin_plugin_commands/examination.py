"""What is right or wrong with a fold file, a saved model or ensemble: looked at in this process.

As a module it is a process that lives for this alone, as a damaged file may end it or keep it
busy for ever. It reads paths, as JSON, from standard input, and answers in lines of JSON:
``{"at": ...}`` as it goes on, at the end ``{"right": true, "text": ...}``, or ``false`` and what is
wrong. `lumin_plugin_commands.examiner` is who asks it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lumin_core.checks import listed
from lumin_core.data import FoldReader
from lumin_core.errors import LuminError, SavedModelError
from lumin_plugin_commands.saved_header import read_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Sized

    Report = Callable[[str], None]

SUFFIX = ".safetensors"


def examine(path: Path, report: Report) -> str:
    """Look at all of a file.

    Args:
        path: A saved model or ensemble, ``.safetensors``; else a fold file.
        report: Called with the name of each part that is right.

    Returns:
        What is right.

    Raises:
        LuminError: Saying what is wrong.
    """
    return _saved(path, report) if path.suffix == SUFFIX else _fold_file(path, report)


def _fold_file(path: Path, report: Report) -> str:
    reader = FoldReader(path)
    try:
        has_sums = []
        for name, has_sum in reader.verified():
            report(name)
            has_sums.append((name, has_sum))
        for fold in reader.sizes:
            _read(reader, fold, report)
        return f"{_counted(reader.sizes, 'fold')}, {sum(reader.sizes.values()):,} events, {_about(has_sums)}"
    finally:
        reader.close()


def _read(reader: FoldReader, fold: int, report: Report) -> None:
    """Read all of a fold, as those who use it do: its values are looked at, too."""
    reader.read_fold(fold)
    for column in reader.columns:
        if reader.has(column, fold):
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
    from lumin_core.model import read_tensors  # torch is for these files alone

    tensors, _ = read_tensors(header.path, header.sort)
    for name, tensor in tensors.items():
        if tensor.isnan().any():
            raise SavedModelError(
                f"{path}: {name} holds NaN: its training went wrong, or the file was damaged; take an earlier one"
            )
    sums = "check sum right" if header.has_sum else "it has no check sum (earlier versions wrote none)"
    return f"saved {header.sort}, {header.n_values:,} weights, none of them NaN, {sums}"


def _counted(things: Sized, name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"


def _say(**words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Answer until standard input ends."""
    _say(at="the start")
    for line in sys.stdin:
        path = Path(json.loads(line))
        try:
            _say(right=True, text=examine(path, lambda part: _say(at=part)))
        except LuminError as error:
            _say(right=False, text=str(error).removeprefix(f"{path}: "))


if __name__ == "__main__":
    main()
