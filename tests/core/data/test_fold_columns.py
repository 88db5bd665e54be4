"""FoldColumns: one schema says what is yielded, another what the file has."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from written import make_file, matrix_file

from lumin_core.data.description import add_preprocessing
from lumin_core.data.fold_columns import FoldColumns
from lumin_core.data.fold_file import FoldFileWriter
from lumin_core.data.fold_reader import FoldReader
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError


def test_the_schema_is_what_is_yielded(tmp_path):
    path = matrix_file(tmp_path / "a.hdf5")
    fy = FoldYielder(path, ignore_feats=["pt"], yield_matrix=False)
    assert (fy.schema.cont_feats, fy.schema.matrix, fy.schema.model_feats) == ([], None, [])
    assert fy.file_schema.model_feats == ["pt", "a_x", "a_y", "b_x"]
    assert FoldYielder(path).schema == fy.file_schema
    assert fy.matrix_feats["vecs"] == ["a", "b"]


def test_roles_of_further_columns_are_kept(tmp_path):
    path = make_file(tmp_path / "a.hdf5", roles={"event": "key"})
    assert FoldYielder(path).schema.with_role("key") == ["event"]
    assert FoldYielder(path).schema.columns == {"event": "key"}
    assert FoldYielder(make_file(tmp_path / "b.hdf5")).schema.columns == {"event": ""}


def test_data_of_several_folds_have_ignored_features_too(path):
    columns = FoldColumns(FoldReader(path), "pt")
    data = columns.get_data(n_folds=2)
    assert {name: values.shape for name, values in data.items()} == {
        "inputs": (20, 3), "targets": (20, 1), "weights": (20, 1)
    }  # fmt: skip
    assert not np.isnan(data["inputs"]).any()
    with pytest.raises(ConfigError, match="no fold 3"):
        columns.get_data_count([0, 3])


def test_preprocessing_that_is_added_meanwhile_is_seen(path):
    fy = FoldYielder(path)
    assert fy.file_schema.preprocessing == {}
    add_preprocessing(path, input_pipe=[])
    fy.columns()
    assert fy.file_schema.preprocessing == {"inputs": []}
    assert fy.preprocessing == fy.preprocessing_config == fy.get_pipes("inputs") == []


@pytest.mark.parametrize("read", [lambda fy: fy.get_data()["inputs"], lambda fy: fy.get_column("inputs")])
def test_fault_inputs_of_many_folds_are_held_once(tmp_path, read):
    with FoldFileWriter(tmp_path / "a", cont_feats=[f"x{i}" for i in range(50)], targ_feats="y") as file:
        for i in range(10):
            file.append(i, inputs=np.full((2000, 50), i), targets=np.ones(2000))
    fy = FoldYielder(tmp_path / "a")
    tracemalloc.start()
    try:
        values = read(fy)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * values.nbytes
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(values[::2000, 7], np.arange(10))
