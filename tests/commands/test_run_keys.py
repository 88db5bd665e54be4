"""Keys of run files: their types are read from annotations, not from text."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Optional, Union

import pytest

from lumin_core import train_models
from lumin_core.errors import BrokenPlugin, ConfigError
from lumin_plugin_commands import Key, keys_of
from lumin_plugin_commands.run_keys import check_of


def convert(
    source: Union[str, Path],  # noqa: UP007
    tree: Optional[str],  # noqa: UP045
    /,
    *columns: str,
    sizes: "Sequence[int] | int" = 3,
    options: Mapping[str, float] | None = None,
    anything=None,
    **others: int,
) -> None: ...


def test_keys_are_the_named_arguments_with_types_and_defaults():
    keys = keys_of(convert, ["tree"])
    assert keys == {
        "source": Key("source", (str, Path), inspect.Parameter.empty),
        "sizes": Key("sizes", (Sequence[int], int), 3),
        "options": Key("options", (Mapping[str, float], NoneType), None),
        "anything": Key("anything", (Any,), None),
    }
    assert keys["source"].is_required
    assert keys["source"].is_path
    assert not keys["sizes"].is_path


def test_names_that_modules_import_for_type_checkers_alone_are_known():
    """``Sequence`` of `train_models` is one."""
    assert keys_of(train_models)["excl_idxs"].types == (Sequence[int], int, NoneType)


def test_annotations_that_cannot_be_read_are_their_authors_to_repair():
    def broken(x: "NoSuchType") -> None: ...  # noqa: F821

    with pytest.raises(BrokenPlugin, match=r"broken cannot be read: name 'NoSuchType' is not defined; import what"):
        keys_of(broken)


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (bool, [True], [1, "true"]),
        (int, [3], [True, 3.0, "3"]),
        (float, [3, 3.5], [False, "3"]),
        (str, ["a", Path("a")], [3]),
        (Path, ["a", Path("a")], [3]),
        (Sequence[int], [[1, 2], (), []], [["a"], [True], 1]),
        (Sequence[str], [["a"]], ["a", [1]]),
        (Mapping, [{}], [[], "a"]),
        (Mapping[str, int], [{"a": 1}], [3]),
    ],
)
def test_values_are_of_the_type_or_not(kind, right, wrong):
    _, fits = check_of(kind)
    assert all(map(fits, right))
    assert not any(map(fits, wrong))


@pytest.mark.parametrize("types", [(Any,), (int, Any), (object, int), (bytes,), (Sequence[Any], NoneType)])
def test_what_the_file_knows_nothing_of_is_left_to_the_component(types):
    Key("key", types).check(object(), "run.toml")


def test_other_types_are_refused_with_all_that_would_do():
    with pytest.raises(ConfigError, match=r"run\.toml: clip must be a number or text, got \[\]"):
        Key("clip", (float, str, Path, NoneType), None).check([], "run.toml")
