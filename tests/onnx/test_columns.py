"""What a graph takes."""

import torch

from lumin_core import CatEmbedder, Model, ModelBuilder
from lumin_plugin_onnx.columns import Columns, columns_of


def test_columns_are_continuous_features_then_codes():
    builder = ModelBuilder("regression", 1, ["a", "b"], cat_embedder=CatEmbedder(["d"], [3]), seed=1)
    columns = columns_of(Model(builder), raw=False)
    assert columns == Columns(["a", "b"], ["d"], None, [])
    assert (columns.n_flat, columns.names) == (3, ["inputs"])


def test_examples_are_of_the_shape_and_of_codes_that_there_are():
    flat = Columns(["a", "b"], ["d"], None, []).example(4)
    assert flat.shape == (4, 3)
    assert torch.equal(flat[:, 2], torch.zeros(4))
    both = Columns(["a"], [], (3, 2), ["x"])
    assert both.names == ["inputs", "matrix"]
    assert [part.shape for part in both.example(5)] == [(5, 1), (5, 3, 2)]
    alone = Columns([], [], (3, 2), ["x"])
    assert alone.names == ["matrix"]
    assert alone.example(5).shape == (5, 3, 2)
