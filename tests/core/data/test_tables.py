"""Data frames are taken themselves, dicts and records are converted, other frames say how."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from lumin_core.data import as_frame
from lumin_core.data.tables import is_frame
from lumin_core.errors import DataError, ShapeError

MASK = [False, True]


def test_a_data_frame_is_returned_itself():
    df = pd.DataFrame({"a": [1]})
    assert as_frame(df) is df


RECORDS = np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i8"), ("b", "f4")])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"a": np.array([1, 3]), "b": torch.tensor([2.5, 4.5])}, {"a": [1, 3], "b": [2.5, 4.5]}),
        ({"a": pd.Series([1, 3], index=[7, 8]), "b": ["x", "y"]}, {"a": [1, 3], "b": ["x", "y"]}),
        ({"a": np.ma.masked_array([1, 3], MASK)}, {"a": [1, None]}),
        ({"a": np.ma.masked_array(["x", "y"], MASK)}, {"a": ["x", None]}),
        ({"a": np.array([b"x", b"y"]), "b": ["u", "v\0"]}, {"a": ["x", "y"], "b": ["u", "v\0"]}),
        ({"a": np.array([1, 3], dtype=">i4")}, {"a": [1, 3]}),
        (RECORDS, {"a": [1, 3], "b": [2.5, 4.5]}),
        (RECORDS.view(np.recarray), {"a": [1, 3], "b": [2.5, 4.5]}),
        (np.ma.masked_array(RECORDS, mask=[(False, False), (True, False)]), {"a": [1, None], "b": [2.5, 4.5]}),
    ],
)
def test_columns_by_name_are_taken(values, expected):
    assert is_frame(values)
    df = as_frame(values)
    assert {name: [None if pd.isna(v) else v for v in df[name]] for name in df} == expected


@pytest.mark.parametrize(
    ("home", "way_out"),
    [
        ("polars.dataframe.frame", r"pass data.to_pandas\(\)"),
        ("pyarrow.lib", r"pass data.to_pandas\(\)"),
        ("awkward.highlevel", r"pass ak.to_dataframe\(data\)"),
        ("dask.dataframe", r"pass data.compute\(\)"),
        ("some.where", r"pass pd.DataFrame\(data\)"),
    ],
)
def test_other_frames_are_refused_with_the_line_that_converts_them(home, way_out):
    other = type("Table", (), {"__module__": home})()
    assert not is_frame(other)
    with pytest.raises(DataError, match=f"^data must be a data frame of pandas, .*, got Table; {way_out}"):
        as_frame(other, "data")


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.ones((2, 1)), DataError, r"got an array of shape \(2, 1\); pass pd.DataFrame\(df, columns="),
        (pd.Series([1]), DataError, r"got Series; pass df.to_frame\(\)"),
        ({"a": [1, 2], "b": [1]}, ShapeError, "one length, got {'a': 2, 'b': 1}"),
        ({"a": np.ones((2, 2))}, ShapeError, r"df\['a'\] must have one value an event, got shape \(2, 2\)"),
        ({"a": 1.0}, ShapeError, "one value an event"),
        ({"a": [[1, 2], [3]]}, DataError, r"df\['a'\] must be numbers in an array of one shape"),
    ],
)
def test_what_has_no_named_columns_is_refused(values, error, message):
    with pytest.raises(error, match=message):
        as_frame(values)
