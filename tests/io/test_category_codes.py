import numpy as np
import pytest

from lumin_core.errors import DataError
from lumin_plugin_io import Category
from lumin_plugin_io.category_codes import CodeTable, code_of_number, map_of

FLAVOUR = {"11": "e", "-11": "e", "13": "mu"}


def test_values_of_one_name_share_a_code():
    category = Category(name="f", value="id", map=FLAVOUR)
    assert map_of(category) == {0: "e", 1: "mu"}
    assert CodeTable(category, "a.root").numbers(np.array([13, -11, 11])).tolist() == [1, 0, 0]


@pytest.mark.parametrize("values", [np.array([15, 11]), np.ma.array([11, 11], mask=[True, False])])
def test_what_has_no_code_is_refused_unless_unknown_is_one(values):
    with pytest.raises(DataError, match=r"a\.root: \[categories\] f .*unknown = true"):
        CodeTable(Category(name="f", value="id", map=FLAVOUR), "a.root").numbers(values)
    table = CodeTable(Category(name="f", value="id", map=FLAVOUR, unknown=True), "a.root")
    assert table.numbers(values).tolist() == [2, 0]


@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_codes_of_values_that_were_found_do_not_depend_on_pieces(pieces):
    values = np.ma.array(["b", "c", "a", "b", "c", "c"], mask=[0, 0, 0, 0, 1, 0])
    category = Category(name="f", value="id", unknown=True)
    table = CodeTable(category, "a.root")
    step = 6 // pieces
    numbers = np.concatenate([table.numbers(values[begin : begin + step]) for begin in range(0, 6, step)])
    meanings = map_of(category, ["c", "b"])
    assert meanings == {0: "b", 1: "c", 2: "<unknown>"}
    codes = code_of_number(category, table.values, meanings, "a.root")
    assert codes[numbers].tolist() == [0, 1, 2, 0, 2, 1]


def test_numbers_and_text_are_not_one_category():
    with pytest.raises(DataError, match=r"\[categories\] f is text in some files, as 'x', and numbers in others, as 3"):
        map_of(Category(name="f", value="id"), [3, "x"])
