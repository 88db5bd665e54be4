"""What a fold file is made of: columns are found by name, and what does not go together is refused."""

from __future__ import annotations

import numpy as np
import pytest

from lumin_core.data.schema import MatrixSchema, Schema
from lumin_core.data.source import Source
from lumin_core.errors import ConfigError, DataError, ShapeError

FRAME = {"pt": [30.0, 50.0], "n": [0, 1], "y": [1, 0], "w": [1.0, 2.0], "jet_px": [3.0, 4.0], "run": [7, 8]}
IMAGES = np.ones((2, 3, 3))


def test_columns_are_taken_as_the_schema_says():
    matrix = MatrixSchema(shape=(1, 2), present_feats=["jet_px"], missing=[0, 1], row_wise=True)
    source = Source.of(FRAME, None, None)
    columns = source.columns(Schema(cont_feats="pt", cat_feats="n", targ_feats="y", wgt_feat="w", matrix=matrix))
    assert columns["inputs"].tolist() == [[30.0, 0.0], [50.0, 1.0]]
    assert columns["inputs"].dtype == np.float32
    assert (columns["targets"].tolist(), columns["weights"].tolist()) == ([[1], [0]], [[1.0], [2.0]])
    np.testing.assert_array_equal(columns["matrix_inputs"], [[[3.0, np.nan]], [[4.0, np.nan]]])
    assert source.further("run")["run"].tolist() == [7, 8]
    assert source.names == list(FRAME)


def test_tensors_need_no_data_frame():
    source = Source.of(None, IMAGES, IMAGES)
    tensor = source.tensor(None, is_sparse=False)
    assert (tensor.shape, tensor.vecs) == ([3, 3], ["tensor"])
    assert source.target_tensor(is_sparse=True) == {"shape": (3, 3), "is_sparse": True}
    columns = source.columns(Schema(matrix=tensor, targ_feats=["y"]))
    assert columns["inputs"].shape == (2, 0)
    assert columns["matrix_inputs"] is columns["targets"] is IMAGES
    for asked in ({"cont_feats": "pt"}, {"wgt_feat": "w"}):
        with pytest.raises(ConfigError, match="there is no data frame; pass df"):
            source.columns(Schema(**asked))


def test_what_does_not_go_together_is_refused():
    with pytest.raises(ConfigError, match="both tensor_data and tensor_target are needed"):
        Source.of(None, IMAGES, None)
    with pytest.raises(ShapeError, match=r"same number of events, got {'df': 2, 'tensor_data': 1}"):
        Source.of(FRAME, IMAGES[:1], None)
    with pytest.raises(DataError, match="no event"):
        Source.of(None, IMAGES[:0], IMAGES[:0])
    with pytest.raises(ConfigError, match="leave one out"):
        Source.of(FRAME, IMAGES, None).tensor(None, is_sparse=False, beside=["jet"])
    source = Source.of(FRAME, None, None)
    with pytest.raises(ConfigError, match="tensor_data, which is not given"):
        source.tensor("image", is_sparse=False)
    with pytest.raises(ConfigError, match="tensor_target, which is not given"):
        source.target_tensor(is_sparse=True)
    with pytest.raises(DataError, match="wgt_feat: the data frame has no column 'ww'; did you mean 'w'"):
        source.columns(Schema(wgt_feat="ww"))
    with pytest.raises(ConfigError, match="misc_feats names 'run' twice"):
        source.further(["run", "run"])
