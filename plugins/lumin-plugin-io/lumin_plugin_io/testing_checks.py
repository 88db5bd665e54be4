"""Checks of readers, writers, expression functions and converters, for `lumin_core.testing`.

A reader is asked about a file that an installed writer of the same ending has written; where there
is none, its class says how such a file comes about: ``write_example(path, columns)``, a static
method, columns by name, each ``(n,)``.
"""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core import registry
from lumin_core.errors import ConfigError, LuminError
from lumin_core.testing import Check, CheckFailed, NotApplicable, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lumin_core.data import Reader
    from lumin_core.testing import Subject

_COLUMNS = {"pt": np.array([31.5, 40.25, 52.0, 22.5, 75.0, 61.5, 28.0]), "n_jets": np.array([2, 3, 2, 4, 5, 2, 3])}
_STEP = 3


def check_reader_suffixes(subject: Subject) -> None:
    """`suffixes` are the endings of its files, with the dot, in small letters."""
    _check_suffixes(subject)


def check_writer_suffixes(subject: Subject) -> None:
    """`suffixes` are the endings of its files, with the dot, in small letters."""
    _check_suffixes(subject)


def check_reader_columns(subject: Subject) -> None:
    """`columns` gives every column by name with its type, and `count` the number of events."""
    with _reader(subject) as reader:
        columns, n = reader.columns(), reader.count()
    if list(columns) != list(_COLUMNS) or not all(isinstance(said, str) for said in columns.values()):
        raise CheckFailed(f"expected the columns {', '.join(_COLUMNS)}, each with its type as text, got {columns!r}")
    if n != len(_COLUMNS["pt"]):
        raise CheckFailed(f"expected count() to be {len(_COLUMNS['pt'])}, got {n!r}")


def check_reader_chunks(subject: Subject) -> None:
    """Pieces of `step` events together are all events, the last, shorter piece too."""
    with _reader(subject) as reader:
        pieces = list(reader.chunks(list(_COLUMNS), _STEP))
    sizes = [len(piece["pt"]) for piece in pieces]
    if sizes != [3, 3, 1]:
        raise CheckFailed(
            f"expected pieces of 3, 3 and 1 events of 7, got {sizes}; the last may be shorter, not left out"
        )
    for name, values in _COLUMNS.items():
        read = np.concatenate([np.asarray(piece[name]) for piece in pieces])
        if not np.array_equal(read, values):
            raise CheckFailed(f"expected the column {name} as it was written, {values}, got {read}")


def check_reader_range(subject: Subject) -> None:
    """`start` and `stop` choose the events, whatever the step."""
    with _reader(subject) as reader:
        for start, stop in ((2, 6), (5, None), (0, 3)):
            pieces = list(reader.chunks(["pt"], _STEP, start, stop))
            read = np.concatenate([np.asarray(piece["pt"]) for piece in pieces])
            if not np.array_equal(read, _COLUMNS["pt"][start:stop]):
                raise CheckFailed(
                    f"expected chunks(columns, step, start={start}, stop={stop}) to give {_COLUMNS['pt'][start:stop]}, "
                    f"got {read}; stop is the event after the last, None all"
                )


def check_reader_unknown_column(subject: Subject) -> None:
    """An unknown column is a ConfigError that names it."""
    with _reader(subject) as reader:
        try:
            list(reader.chunks(["no_such_column"], _STEP))
        except ConfigError as error:
            if "no_such_column" in str(error):
                return
            raise CheckFailed(f"expected an error that names the column no_such_column, got: {error}") from error
        except Exception as error:
            raise CheckFailed(
                f"expected a ConfigError for a column that is not there, got {type(error).__name__}: {error}; see "
                "lumin_core.checks.check_names and did_you_mean"
            ) from error
    raise CheckFailed("expected a ConfigError for a column that is not there, got none")


def check_reader_missing_file(subject: Subject) -> None:
    """A file that is not there is an error of ours, with its name."""
    path = samples.folder() / f"missing{subject.target.suffixes[0]}"
    try:
        with subject.make(path=path) as reader:
            reader.columns()
    except LuminError as error:
        if path.name in str(error):
            return
        raise CheckFailed(f"expected an error that names {path.name}, got: {error}") from error
    except Exception as error:
        raise CheckFailed(f"expected a ConfigError for a missing file, got {type(error).__name__}: {error}") from error
    raise CheckFailed("expected a ConfigError for a missing file, got none")


def check_writer_round_trip(subject: Subject) -> None:
    """What is appended in pieces is read back as it was, by the reader of that ending."""
    path = _written(subject, samples.folder() / f"events{subject.target.suffixes[0]}")
    readers = [found for found in registry.components("reader") if path.suffix in found.load().suffixes]
    if not readers:
        raise NotApplicable(f"nothing that is installed reads {path.suffix}")
    with registry.build("reader", readers[0].qualified, path=path) as reader:
        (piece,) = reader.chunks(list(_COLUMNS), len(_COLUMNS["pt"]))
    for name, values in _COLUMNS.items():
        if not np.array_equal(np.asarray(piece[name]), values):
            raise CheckFailed(f"expected the column {name} as it was written, {values}, got {np.asarray(piece[name])}")


def check_writer_whole_or_not(subject: Subject) -> None:
    """The file is there at the end of the `with` block, and not at all if that raises."""
    folder = samples.folder()
    path = folder / f"events{subject.target.suffixes[0]}"
    try:
        with subject.make(path=path) as writer:
            writer.append(_COLUMNS)
            if path.exists():
                raise CheckFailed(
                    "expected the file at the end of the with block, but it is there before; rename it then"
                )
            raise KeyError
    except KeyError:
        pass
    if left := sorted(found.name for found in folder.iterdir()):
        raise CheckFailed(
            f"expected nothing after an error in the block, got {', '.join(left)}; see lumin_core.files.Staged"
        )


def check_writer_overwrite(subject: Subject) -> None:
    """An existing file is refused without `overwrite=True`."""
    path = samples.folder() / f"events{subject.target.suffixes[0]}"
    path.write_bytes(b"older")
    try:
        _written(subject, path)
    except LuminError:
        return
    finally:
        kept = path.read_bytes() == b"older"
    raise CheckFailed(f"expected an error for a file that is there, got none{'' if kept else ', and it is lost'}")


def check_expression_function_arguments(subject: Subject) -> None:
    """`arguments` names what it takes."""
    names = subject.target.arguments
    if not isinstance(names, tuple | list) or not names or not all(isinstance(name, str) for name in names):
        raise CheckFailed(f"expected arguments = ('eta_0', 'eta_1') or such names, got {names!r}")


def check_expression_function_values(subject: Subject) -> None:
    """It gives a finite float for each element."""
    given = _arguments(subject)
    out = subject.make()(*given)
    if not isinstance(out, np.ndarray) or out.shape != given[0].shape or not np.isfinite(out).all():
        raise CheckFailed(f"expected a finite number for each of {len(given[0])} elements, got {out!r}")


def check_expression_function_elements(subject: Subject) -> None:
    """Each element is computed by itself: order and number of the others change nothing."""
    given, function = _arguments(subject), subject.make()
    whole = function(*given)
    alone = np.concatenate([function(*(values[i : i + 1] for values in given)) for i in range(len(whole))])
    if not np.allclose(whole, alone):
        raise CheckFailed(
            f"expected each element as it is alone, {alone[:3]}, got {whole[:3]}; compute nothing over all"
        )


def check_expression_function_missing(subject: Subject) -> None:
    """Where an argument is missing (NaN) the value is too, without a warning, and no other is."""
    given = _arguments(subject)
    for values in given:
        values[1] = np.nan
    with np.errstate(all="raise"):
        missing = np.isnan(subject.make()(*given))
    if missing.tolist() != [i == 1 for i in range(len(missing))]:
        raise CheckFailed(
            f"expected NaN for the element whose arguments are, and nowhere else, got it at {missing.nonzero()}"
        )


def check_expression_function_inputs_unchanged(subject: Subject) -> None:
    """The arrays that it is given stay as they are."""
    given = _arguments(subject)
    subject.make()(*given)
    if not all(np.array_equal(now, before) for now, before in zip(given, _arguments(subject), strict=True)):
        raise CheckFailed("expected the arguments unchanged, but they are changed in place; work on a copy")


def check_converter_methods(subject: Subject) -> None:
    """`from_config` is a class method, and `score` takes its options by keyword."""
    if not inspect.ismethod(subject.target.from_config):
        raise CheckFailed("expected from_config to be a class method, from plain values to a converter")
    keywords = inspect.signature(subject.target.score).parameters
    if lacks := [name for name in ("name", "output", "keys", "overwrite") if name not in keywords]:
        raise CheckFailed(
            f"expected score(files, ask, *, name, output, keys, ..., overwrite), got no {', '.join(lacks)}"
        )


def check_converter_config(subject: Subject) -> None:
    """`to_config` is plain values, from which `from_config` builds one with the same."""
    config = subject.make().to_config()
    stored: Mapping[str, Any] = json.loads(json.dumps(config))
    again = type(subject.make()).from_config({key: value for key, value in stored.items() if key != "name"}).to_config()
    if again != config:
        raise CheckFailed(f"expected from_config(to_config()) to be the same converter, got {again!r} of {config!r}")


def _check_suffixes(subject: Subject) -> None:
    suffixes = subject.target.suffixes
    is_plain = isinstance(suffixes, tuple | list) and all(
        isinstance(suffix, str) and suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes
    )
    if not is_plain or not suffixes:
        raise CheckFailed(f"expected suffixes = ('.its_ending',), got {suffixes!r}; set it in the class")


def _reader(subject: Subject) -> Reader:
    """Return a reader of a file of the columns."""
    path = samples.folder() / f"events{subject.target.suffixes[0]}"
    if (write := getattr(subject.target, "write_example", None)) is not None:
        write(path, _COLUMNS)
    else:
        _written_by_writer(path)
    reader: Reader = subject.make(path=path)
    return reader


def _written_by_writer(path: Path) -> None:
    writers = [found for found in registry.components("writer") if path.suffix in found.load().suffixes]
    if not writers:
        raise CheckFailed(
            f"expected to know how a file {path.name} comes about, but nothing writes {path.suffix}; add to the class a "
            "static method write_example(path, columns), columns by name"
        )
    with registry.build("writer", writers[0].qualified, path=path) as writer:
        writer.append(_COLUMNS)


def _written(subject: Subject, path: Path) -> Path:
    with subject.make(path=path) as writer:
        for rows in (slice(0, 3), slice(3, None)):
            writer.append({name: values[rows] for name, values in _COLUMNS.items()})
    return path


def _arguments(subject: Subject) -> list[np.ndarray]:
    """Return values that angles, momenta and masses can have."""
    return [np.linspace(0.1 + 0.2 * i, 2.5 - 0.3 * i, 5) for i in range(len(subject.target.arguments))]


def _checks(*functions: Callable[[Subject], None]) -> tuple[Check, ...]:
    return tuple(map(Check, functions))


READER_CHECKS = _checks(
    check_reader_suffixes,
    check_reader_columns,
    check_reader_chunks,
    check_reader_range,
    check_reader_unknown_column,
    check_reader_missing_file,
)
WRITER_CHECKS = _checks(
    check_writer_suffixes, check_writer_round_trip, check_writer_whole_or_not, check_writer_overwrite
)
EXPRESSION_FUNCTION_CHECKS = _checks(
    check_expression_function_arguments,
    check_expression_function_values,
    check_expression_function_elements,
    check_expression_function_missing,
    check_expression_function_inputs_unchanged,
)
CONVERTER_CHECKS = _checks(check_converter_methods, check_converter_config)
