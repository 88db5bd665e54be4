"""Graphs as matrices and back, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lumin_core import object_mask
from lumin_core.data.entries import matrix_from_entry
from lumin_core.data.matrix import mark_absent
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_gnn import GraphLayout


def graph(x=((1.0,), (2.0,)), edge_index=((0,), (1,)), **more):
    return SimpleNamespace(x=torch.tensor(x), edge_index=torch.tensor(edge_index), **more)


def test_layout_is_that_of_its_names():
    for layout in (GraphLayout(["a", "b"], 3, ["c"], 2), GraphLayout("a", 1, [], 4), GraphLayout(["a"], 2)):
        assert GraphLayout.from_names(layout.vecs, layout.feats_per_vec) == layout


def test_layout_has_room_for_the_largest_of_all_data_sets(graphs):
    few, many = graphs([(2, 5)]), graphs([(4, 0), (3, 1)])
    layout = GraphLayout.of(few, many)
    assert (layout.n_nodes, layout.n_edges) == (4, 5)
    assert layout.node_feats == ["x_0", "x_1", "x_2"]
    assert layout.edge_feats == ["edge_attr_0", "edge_attr_1"]


def test_names_are_ours_to_choose(graphs):
    layout = GraphLayout.of(graphs(), node_feats=["pt", "eta", "phi"], edge_feats=["dr", "mass"])
    assert layout.feats_per_vec == ["pt", "eta", "phi", "sender", "receiver", "dr", "mass"]
    assert GraphLayout.of(graphs(), edge_feats=[]).feats_per_vec == ["x_0", "x_1", "x_2", "sender", "receiver"]


def test_graphs_without_edges_need_no_edge_index(graphs):
    assert GraphLayout.of(graphs([(2, 0)])).n_edges == 1
    layout = GraphLayout.of([SimpleNamespace(x=torch.ones(3, 2))], with_edges=False)
    assert layout == GraphLayout(["x_0", "x_1"], 3)
    assert layout.pack([SimpleNamespace(x=torch.ones(3, 2))]).tolist() == [[[1, 1]] * 3]


def test_entry_says_which_elements_exist(graphs):
    layout = GraphLayout.of(graphs())
    entry = layout.matrix_feats
    names = [f"{vec}_{feat}" for vec in layout.vecs for feat in layout.feats_per_vec]
    assert [name for name, missing in zip(names, entry["missing"], strict=True) if not missing] == layout.present_feats
    assert entry["present_feats"] == layout.present_feats
    assert "node_0_x_0" in layout.present_feats
    assert "node_0_sender" not in layout.present_feats


@pytest.mark.parametrize("n_attr", [0, 2])
def test_packed_graphs_hold_all_of_them_and_nothing_else(n_attr, graphs):
    data = graphs(n_attr=n_attr)
    layout = GraphLayout.of(data)
    for matrix, one in zip(layout.pack(data), data, strict=True):
        nodes, edges = matrix[: layout.n_nodes], matrix[layout.n_nodes :]
        n_nodes, n_edges = len(one.x), one.edge_index.shape[1]
        assert (nodes[:n_nodes, :3] == one.x.numpy()).all()
        assert (edges[:n_edges, 3:5] == one.edge_index.numpy().T).all()
        assert n_attr == 0 or (edges[:n_edges, 5:] == one.edge_attr.numpy()).all()
        assert np.isfinite(matrix).sum() == n_nodes * 3 + n_edges * (2 + n_attr)


def test_what_yielders_give_has_the_same_nodes_and_edges(graphs):
    """They set to 0 what never exists, unless the whole row is absent."""
    layout = GraphLayout.of(graphs())
    packed = layout.pack(graphs())
    read = mark_absent(packed.copy(), matrix_from_entry(layout.matrix_feats))
    assert (object_mask(packed) == object_mask(read)).all()
    assert (np.nan_to_num(packed) == np.nan_to_num(read)).all()
    assert not np.isnan(read[object_mask(read)]).any()


def test_some_of_a_data_set_are_packed(graphs):
    layout = GraphLayout.of(graphs())
    assert np.array_equal(layout.pack(graphs(), [4, 1]), layout.pack(graphs())[[4, 1]], equal_nan=True)


def test_integers_and_a_feature_alone_are_features():
    data = [SimpleNamespace(x=torch.tensor([3, 4]), edge_index=torch.tensor([[0], [1]]), edge_attr=torch.tensor([5]))]
    assert GraphLayout.of(data).pack(data)[0].tolist()[2][1:] == [0, 1, 5]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: GraphLayout([], 1), ConfigError, "needs node_feats"),
        (lambda: GraphLayout(["a"], 0), ConfigError, "needs node_feats, n_nodes"),
        (lambda: GraphLayout(["a"], 1, ["b"]), ConfigError, "n_edges where it has edge_feats"),
        (lambda: GraphLayout(["a", "sender"], 1, [], 1), ConfigError, "names 'sender' twice"),
        (lambda: GraphLayout.from_names(["jet_0"], ["pt"]), ConfigError, "as pyg2foldfile writes it; got .'jet_0'"),
        (lambda: GraphLayout.from_names(["node_0", "edge_0"], ["pt"]), ConfigError, "with .'sender', 'receiver'."),
        (lambda: GraphLayout.from_names(["edge_0"], ["sender", "receiver"]), ConfigError, "as pyg2foldfile"),
        (lambda: GraphLayout.of([]), DataError, "there is no graph"),
        (lambda: GraphLayout.of([SimpleNamespace(x=None)]), DataError, "graph 0 has no 'x'; give its nodes features"),
        (lambda: GraphLayout.of([SimpleNamespace(x=torch.ones(1, 1))]), DataError, "with_edges=False"),
        (lambda: GraphLayout.of([graph(((1.0, 2.0),), ((0,), (0,))), graph()]), ShapeError, "got 1 and 2 columns"),
        (lambda: GraphLayout.of([graph()], node_feats=["a", "b"]), ShapeError, "the columns .'a', 'b'., got 1"),
        (lambda: GraphLayout.of([graph()], edge_feats=["a"]), ShapeError, "the columns .'a'., got 0"),
        (lambda: GraphLayout.of([graph(torch.ones(1, 1, 1).tolist())]), ShapeError, "a row of features"),
        (lambda: GraphLayout.of([graph(((float("nan"),),), ((0,), (0,)))]), DataError, "x holds NaN"),
        (lambda: GraphLayout.of([graph(edge_index=((0,), (2,)))]), DataError, "from 0 to 2, but there are 2 nodes"),
        (lambda: GraphLayout.of([graph(edge_index=((0,), (-1,)))]), DataError, "from -1 to 0"),
        (lambda: GraphLayout.of([graph(edge_index=((0.0,), (1.0,)))]), ShapeError, "must hold integers"),
        (lambda: GraphLayout.of([graph(edge_index=((0, 1),))]), ShapeError, r"shape \(2, n_edges\), got torch.int64"),
        (lambda: GraphLayout.of([graph(edge_attr=torch.ones(3, 1))]), ShapeError, "a row for each of the 1 edges"),
        (lambda: GraphLayout(["a"], 1, [], 1).pack([graph()]), DataError, "x has 2 rows, .* room for 1; give Graph"),
        (lambda: GraphLayout(["a", "b"], 2, [], 1).pack([graph()]), ShapeError, "graph 0: x must have the columns"),
        (lambda: GraphLayout(["a"], 2, ["b"], 1).pack([graph()]), ShapeError, "edge_attr must have the columns"),
    ],
)  # fmt: skip
def test_what_is_no_graph_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_layout_of_pytorch_geometric_is_that_of_any_graph(pyg, graphs):
    data = [pyg.data.Data(**vars(one)) for one in graphs()]
    assert GraphLayout.of(data) == GraphLayout.of(graphs())
    assert np.array_equal(GraphLayout.of(data).pack(data), GraphLayout.of(graphs()).pack(graphs()), equal_nan=True)
