import pytest

from lumin_core.errors import ConfigError
from lumin_plugin_io import toml_values


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (toml_values.as_text, 3, "k must be text, got 3"),
        (toml_values.as_text, "  ", "k must be text, got '  '"),
        (toml_values.as_expression, True, "k must be text, got True"),
        (toml_values.as_number, "1", "k must be a number, got '1'"),
        (toml_values.as_number, True, "k must be a number, got True"),
        (toml_values.as_number, float("inf"), "k must be a number, got inf"),
        (toml_values.as_whole, 1.5, "k must be a whole number, at least 0, got 1.5"),
        (toml_values.as_whole, -1, "k must be a whole number, at least 0, got -1"),
        (toml_values.as_flag, "true", "k must be true or false, got 'true'"),
        (toml_values.as_table, ["a"], r"k must be a table, got \['a'\]"),
        (toml_values.as_texts, ["a", 1], "k must be text, got 1"),
        (toml_values.as_texts, {"a": "b"}, "k must be text, got {'a': 'b'}"),
    ],
)
def test_what_is_of_another_type_is_refused_with_its_key(read, value, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        read(value, "k")


def test_numbers_are_expressions_and_text_loses_its_blanks():
    assert toml_values.as_expressions({"a": 1, "b": 0.5, "c": " x + 1 "}, "t.") == {"a": "1", "b": "0.5", "c": "x + 1"}


def test_a_positive_number_is_asked_for():
    with pytest.raises(ConfigError, match="lumi must be a positive number, got 0"):
        toml_values.as_number(0, "lumi", positive=True)


def test_a_list_of_branches_names_each_after_itself():
    assert toml_values.as_expressions(["met", "pt"], "[variables] ") == {"met": "met", "pt": "pt"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["jet_pt[0]"], r"\[variables\]: what is computed needs a name: { name = 'jet_pt\[0\]' }, in a table"),
        (["a.b"], r"a branch of such a name does, too: { name = .col\('a.b'\). }"),
        (["met", "met"], r"\[variables\].*'met'"),
        ([1], r"\[variables\] must be text, got 1"),
    ],
)
def test_a_list_of_anything_else_is_refused(value, message):
    with pytest.raises(ConfigError, match=message):
        toml_values.as_expressions(value, "[variables] ")
