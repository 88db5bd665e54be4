"""Columns of structs, of what may be missing, and of what cannot be read."""

import numpy as np
import pytest

ak = pytest.importorskip("awkward")
uproot = pytest.importorskip("uproot")

from lumin_core.errors import DataError  # noqa: E402
from lumin_plugin_io import RootReader  # noqa: E402
from lumin_plugin_io.root_types import columns_of, type_of_name  # noqa: E402


@pytest.fixture
def reader(tmp_path):
    data = {
        "hit": ak.Array([{"x": 1.5, "ids": [1]}, {"x": 2.5, "ids": []}, {"x": 3.5, "ids": [2, 3]}]),
        "jets": ak.Array([[{"pt": 1.5, "n": 1}], [], [{"pt": 2.5, "n": 2}, {"pt": 3.5, "n": 3}]]),
        "n": ak.Array([1, None, 3]),
        "x": ak.Array([None, 2.5, 3.5]),
        "any": ak.Array(ak.contents.UnionArray.simplified(
            ak.index.Index8(np.array([0, 1, 0], "i1")), ak.index.Index64(np.array([0, 0, 1])),
            [ak.contents.NumpyArray(np.array([1.0, 2.0])), ak.to_layout(ak.Array([[1]]))],
        )),
    }  # fmt: skip
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mkrntuple("T", data)
    with RootReader(tmp_path / "a.root") as reader:
        yield reader


def test_structs_are_columns_and_what_may_be_missing_is_masked_or_nan(reader):
    assert reader.columns() == {
        "hit.x": "float64", "hit.ids": "int64[]", "jets.pt": "float64[]", "jets.n": "int64[]", "n": "int64",
        "x": "float64", "any": "std::variant<double,std::vector<std::int64_t>>",
    }  # fmt: skip
    (piece,) = reader.chunks([name for name in reader.columns() if name != "any"], 5)
    assert piece["hit.x"].tolist() == [1.5, 2.5, 3.5]
    assert piece["hit.ids"].to_list() == [[1], [], [2, 3]]
    assert piece["jets.pt"].to_list() == [[1.5], [], [2.5, 3.5]]
    assert piece["n"].tolist() == [1, None, 3]
    np.testing.assert_array_equal(piece["x"], [np.nan, 2.5, 3.5])
    (piece,) = reader.chunks(["jets.n"], 5)
    assert piece["jets.n"].to_list() == [[1], [], [2, 3]]


def test_what_cannot_be_read_is_refused_by_name(reader):
    with pytest.raises(DataError, match=r"branch 'any' in the tree 'T' in .*a.root is a std::variant<.*cannot be read"):
        reader.chunks(["any"], 5)


@pytest.mark.parametrize(
    ("form", "types"),
    [
        ({"class": "NumpyArray", "primitive": "float32", "inner_shape": [2, 3]}, {"": "float32[2][3]"}),
        ({"class": "NumpyArray", "primitive": "complex128"}, {"": "TBranch"}),
        (
            {"class": "RecordArray", "fields": ["@size", "p"], "contents": [
                "int32", {"class": "RecordArray", "fields": ["x"], "contents": ["float64"]}]},
            {"p.x": "float64"},
        ),
    ],
)  # fmt: skip
def test_forms_have_types(form, types):
    found = columns_of("b", ak.forms.from_dict(form), "TBranch")
    assert {".".join(column.inner): column.type for column in found} == types


@pytest.mark.parametrize(
    ("typename", "type_"),
    [
        ("std::uint8_t", "uint8"), ("double", "float64"), ("std::string", "text"),
        ("ROOT::VecOps::RVec<bool>", "bool[]"), ("MyJet", None),
        ("std::vector<std::vector<float>>", "float32[][]"), ("std::array<std::vector<char>,2>", "int8[2][]"),
        ("ROOT::RNTupleCardinality<std::uint32_t>", "int64"), ("std::vector<std::pair<int,int>>", None),
    ],
)  # fmt: skip
def test_names_of_types(typename, type_):
    assert type_of_name(typename) == type_
