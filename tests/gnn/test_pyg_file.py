"""Data sets of graphs as fold files."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lumin_core import FoldYielder
from lumin_core.errors import ConfigError, DataError, FoldFileError, LuminError, ShapeError
from lumin_plugin_gnn import GraphLayout, pyg2foldfile


@pytest.fixture
def data(graphs):
    data = graphs()
    for i, one in enumerate(data):
        one.mass = torch.tensor([[float(i), 10.0 * i]])
        one.weight = torch.tensor(0.5 + i)
        one.met = 100.0 + i
    return data


def test_every_graph_is_once_in_the_file_with_all_that_belongs_to_it(data, tmp_path):
    path = pyg2foldfile(
        data, 3, tmp_path / "g", targ_feats=["y", "mass"], cont_feats="met", wgt_feat="weight", seed=1
    )  # fmt: skip
    packed = GraphLayout.of(data).pack(data)
    with FoldYielder(path) as fy:
        assert fy.targ_feats == ["y", "mass_0", "mass_1"]
        assert fy.cont_feats == ["met"]
        assert fy.wgt_feat == "weight"
        assert sorted(fy.get_column("graph")) == list(range(6))
        assert fy.get_column("graph").tolist() != list(range(6))
        for fold in range(3):
            i = fy.get_column("graph", fold_idx=fold)
            flat, matrix = fy[fold]["inputs"]
            assert np.array_equal(np.nan_to_num(matrix), np.nan_to_num(packed[i]))
            assert flat[:, 0].tolist() == (100 + i).tolist()
            assert fy[fold]["targets"].tolist() == np.stack((i % 2, i, 10 * i), axis=1).tolist()
            assert fy[fold]["weights"][:, 0].tolist() == (0.5 + i).tolist()


def test_seed_and_order(data, tmp_path):
    files = [pyg2foldfile(data, 2, tmp_path / str(i), seed=seed) for i, seed in enumerate((1, 1, 2))]
    orders = [FoldYielder(file).get_column("graph").tolist() for file in files]
    assert orders[0] == orders[1] != orders[2]
    path = pyg2foldfile(data, 2, tmp_path / "ordered", shuffle=False)
    assert FoldYielder(path).get_column("graph").tolist() == list(range(6))


def test_graphs_of_one_event_stay_in_one_fold(data, tmp_path):
    for i, graph in enumerate(data):
        graph.event = torch.tensor([i // 3])
    fy = FoldYielder(pyg2foldfile(data, 2, tmp_path / "g", group_key="event", seed=1))
    assert sorted(fy.get_column("graph", fold_idx=i).tolist() for i in range(2)) == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ShapeError, match="group_key must name one number a graph, 'mass' has 2"):
        pyg2foldfile(data, 2, tmp_path / "h", group_key="mass")


def test_one_target_is_stored_as_by_df2foldfile(data, tmp_path):
    fy = FoldYielder(pyg2foldfile(data, 2, tmp_path / "a", targ_type="int", shuffle=False))
    assert fy.get_column("targets").tolist() == [0, 1, 0, 1, 0, 1]
    assert fy.get_column("targets").dtype.kind == "i"
    assert fy.cont_feats == []
    assert fy[0]["weights"] is None


def test_layout_of_several_data_sets_serves_each(data, graphs, tmp_path):
    more = graphs([(9, 20), (2, 2)])
    layout = GraphLayout.of(data, more)
    shapes = {
        FoldYielder(pyg2foldfile(graphs, 2, tmp_path / str(len(graphs)), layout=layout))[0]["inputs"][1].shape[1:]
        for graphs in (data, more)
    }
    assert shapes == {(29, 7)}


def test_features_of_objects_alone_are_for_other_heads(tmp_path):
    clouds = [SimpleNamespace(x=torch.ones(n, 2), y=1.0) for n in (1, 3)]
    layout = GraphLayout.of(clouds, with_edges=False)
    fy = FoldYielder(pyg2foldfile(clouds, 1, tmp_path / "a", layout=layout, shuffle=False))
    assert fy.matrix_feats["vecs"] == ["node_0", "node_1", "node_2"]
    assert np.isnan(fy[0]["inputs"][1]).any(-1).tolist() == [[False, True, True], [False, False, False]]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"targ_feats": "label"}, DataError, "graph 0 has no 'label'; set it on every graph"),
        ({"targ_feats": "x"}, ShapeError, r"graph 0: 'x' must be a number or of shape \(1, n\).*padded with 0"),
        ({"targ_feats": "odd"}, ShapeError, r"'odd' must have as many values in every graph, got \[1, 2\]"),
        ({"targ_feats": ["y", "y"]}, ConfigError, "twice"),
        ({"targ_type": "int", "targ_feats": "half"}, DataError, "choose another targ_type"),
        ({"cont_feats": "infinite"}, DataError, "column 'infinite'"),
        ({"wgt_feat": "mass"}, ShapeError, "weights must be"),
        ({"n_folds": 7}, DataError, "cannot fill 7 folds"),
        ({"layout": GraphLayout(["a", "b", "c"], 2, ["d", "e"], 9)}, DataError, "room for 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_refused_and_leaves_no_file(options, error, words, data, tmp_path):
    for i, one in enumerate(data):
        one.odd, one.half, one.infinite = torch.ones(1, 1 + i % 2), 0.5, float("inf")
    with pytest.raises(error, match=words) as caught:
        pyg2foldfile(data, **{"n_folds": 2, "savename": tmp_path / "a", **options})
    assert isinstance(caught.value, LuminError)
    assert list(tmp_path.iterdir()) == []


def test_an_infinite_feature_is_named(data, tmp_path):
    data[2].x[1, 2] = torch.inf
    with pytest.raises(DataError, match="column 'node_1_x_2' has once an infinite value"):
        pyg2foldfile(data, 1, tmp_path / "a")


def test_a_file_is_not_replaced_unasked(data, tmp_path):
    pyg2foldfile(data, 2, tmp_path / "a")
    with pytest.raises(FoldFileError, match="overwrite=True"):
        pyg2foldfile(data, 2, tmp_path / "a")
    pyg2foldfile(data, 2, tmp_path / "a", overwrite=True)


def test_data_sets_of_pytorch_geometric_are_written(pyg, graphs, tmp_path):
    class Drawn(pyg.data.InMemoryDataset):
        def __init__(self):
            super().__init__()
            self.data, self.slices = self.collate([pyg.data.Data(**vars(one)) for one in graphs()])

    files = [pyg2foldfile(data, 2, tmp_path / name, seed=1) for name, data in {"a": Drawn(), "b": graphs()}.items()]
    ours, plain = (FoldYielder(file) for file in files)
    assert np.array_equal(ours[1]["inputs"][1], plain[1]["inputs"][1], equal_nan=True)
    assert np.array_equal(ours[1]["targets"], plain[1]["targets"])
