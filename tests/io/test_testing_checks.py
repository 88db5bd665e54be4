"""Mistakes in readers, writers and expression functions: each fails in the check of its name, with what to do."""

import json

import numpy as np
import pytest

from lumin_core.data import ExpressionFunction, Reader, Writer
from lumin_core.errors import ConfigError
from lumin_core.files import Staged
from lumin_core.testing import Case, checks_of, subject_of


class GoodReader(Reader):
    """Reads columns as JSON."""

    suffixes = (".json",)

    @staticmethod
    def write_example(path, columns):
        path.write_text(json.dumps({name: values.tolist() for name, values in columns.items()}))

    def _data(self):
        if not self.path.exists():
            raise ConfigError(f"there is no file {self.path}")
        return {name: np.array(values) for name, values in json.loads(self.path.read_text()).items()}

    def columns(self):
        return {name: str(values.dtype) for name, values in self._data().items()}

    def count(self):
        return len(next(iter(self._data().values())))

    def chunks(self, columns, step, start=0, stop=None):
        data = self._data()
        if missing := [name for name in columns if name not in data]:
            raise ConfigError(f"{self.path} has no column {missing[0]}")
        stop = self.count() if stop is None else stop
        for first in range(start, stop, step):
            yield {name: data[name][first : min(first + step, stop)] for name in columns}


class SkipsTheLastPiece(GoodReader):
    def chunks(self, columns, step, start=0, stop=None):
        yield from (piece for piece in super().chunks(columns, step, start, stop) if len(piece["pt"]) == step)


class IgnoresStop(GoodReader):
    def chunks(self, columns, step, start=0, stop=None):
        return super().chunks(columns, step, start)


class KeyErrors(GoodReader):
    def chunks(self, columns, step, start=0, stop=None):
        data = self._data()
        yield {name: data[name] for name in columns}


class WithoutExample(GoodReader):
    write_example = None
    suffixes = (".nobody_writes_this",)


class GoodWriter(Writer):
    """Writes columns as JSON.

    Args:
        path: The file.
        tree: Of no meaning.
        overwrite: Whether it may be replaced.
    """

    suffixes = (".json",)

    def __init__(self, path, tree=None, *, overwrite=False):
        if path.exists() and not overwrite:
            raise ConfigError(f"{path} is there; give overwrite=True")
        self.path, self.pieces = path, []

    def append(self, columns):
        self.pieces.append(columns)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is None:
            joined = {name: np.concatenate([piece[name] for piece in self.pieces]).tolist() for name in self.pieces[0]}
            with Staged(self.path) as part:
                part.write_text(json.dumps(joined))


class WritesAtOnce(GoodWriter):
    def append(self, columns):
        super().append(columns)
        self.path.write_text("{}")


class Overwrites(GoodWriter):
    def __init__(self, path, tree=None, *, overwrite=False):
        super().__init__(path, tree, overwrite=True)


class GoodFunction(ExpressionFunction):
    """Rapidity, of energy and momentum along z."""

    arguments = ("energy", "pz")

    def __call__(self, *values):
        return np.hypot(*values)


class FillsMissing(GoodFunction):
    def __call__(self, *values):
        return np.nan_to_num(np.hypot(*values))


class LessTheMean(GoodFunction):
    def __call__(self, *values):
        return np.hypot(*values) - np.nanmean(values[0])


class InPlace(GoodFunction):
    def __call__(self, *values):
        values[0][:] *= 2
        return np.hypot(*values)


MISTAKES = {
    SkipsTheLastPiece: ("check_reader_chunks", r"got \[3, 3\]; the last may be shorter, not left out"),
    IgnoresStop: ("check_reader_range", "stop is the event after the last"),
    KeyErrors: ("check_reader_unknown_column", "got KeyError: .*did_you_mean"),
    WithoutExample: ("check_reader_columns", "static method write_example"),
    WritesAtOnce: ("check_writer_whole_or_not", "rename it then"),
    Overwrites: ("check_writer_overwrite", "got none, and it is lost"),
    FillsMissing: ("check_expression_function_missing", "expected NaN for the element whose arguments are"),
    LessTheMean: ("check_expression_function_elements", "compute nothing over all"),
    InPlace: ("check_expression_function_inputs_unchanged", "work on a copy"),
}


@pytest.mark.parametrize("good", [GoodReader, GoodWriter, GoodFunction])
def test_what_is_right_passes(good):
    outcomes = [Case(subject_of(good), check).run() for check in checks_of(good.kind) if good.kind in check.name]
    assert [outcome for outcome in outcomes if outcome.state == "failed"] == []
    assert sum(outcome.state == "passed" for outcome in outcomes) > 2


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda cls: cls.__name__)
def test_a_mistake_fails_in_the_check_of_its_name(mistake):
    name, message = MISTAKES[mistake]
    (check,) = [check for check in checks_of(mistake.kind) if check.name == name]
    outcome = Case(subject_of(mistake), check).run()
    assert outcome.state == "failed"
    with pytest.raises(AssertionError, match=f"(?s){message}"):
        raise outcome.error
