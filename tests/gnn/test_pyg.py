"""pyg_head: batches are those of PyTorch Geometric, and its networks give in our models what they give in its own."""

import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import FoldYielder, Model, ModelBuilder
from lumin_core.errors import ConfigError, LuminError, SavedModelError, ShapeError
from lumin_plugin_gnn import Collapser, GraphLayout, PygHead, pyg2foldfile
from lumin_plugin_tabular import MultiHead

WITH_ATTR = {"GAT": {"heads": 2}, "PNA": {"aggregators": ["mean", "max"], "scalers": ["identity", "amplification"]}}
NETWORKS = ["EdgeCNN", "GAT", "GCN", "GIN", "GraphSAGE", "PNA"]
FIELDS = ("x", "edge_index", "edge_attr", "batch")


class Convolution(nn.Module):
    """A message of sender and edge to every receiver, and a norm over all nodes of the batch."""

    def __init__(self, in_channels, edge_dim, width=5, norm=True):
        super().__init__()
        self.out_channels = width
        self.own, self.message = nn.Linear(in_channels, width), nn.Linear(in_channels + edge_dim, width)
        self.norm = nn.BatchNorm1d(width) if norm else nn.Identity()

    def forward(self, x, edge_index, edge_attr=None):
        sent = x[edge_index[0]] if edge_attr is None else torch.cat((x[edge_index[0]], edge_attr), dim=1)
        return self.norm(self.own(x).index_add(0, edge_index[1], self.message(sent)).tanh())


class Pooled(Convolution):
    """One row a graph."""

    def forward(self, x, edge_index, batch, batch_size, edge_attr=None):
        nodes = super().forward(x, edge_index, edge_attr)
        return nodes.new_zeros(batch_size, self.out_channels).index_add(0, batch, nodes)


def make(layout, network=Convolution, collapser="graph_collapser", dtype=torch.float64, **options):
    torch.manual_seed(1)
    return PygHead([], layout.vecs, layout.feats_per_vec, network, collapser, **options).to(dtype)


def matrices(layout, graphs, dtype=torch.float64):
    return torch.from_numpy(layout.pack(graphs)).to(dtype)


def run(head, x):
    """Give outputs, the gradients with respect to the matrices, and those of all parameters."""
    head.zero_grad()
    x = x.clone().requires_grad_()
    out = head(x)
    (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)).sum().backward()
    return out.detach(), x.grad, [p.grad for p in head.parameters()]


def joined(graphs):
    """Put graphs one behind the other."""
    sizes = torch.tensor([len(graph.x) for graph in graphs])
    offsets = sizes.cumsum(0) - sizes
    edges = torch.cat([graph.edge_index + offset for graph, offset in zip(graphs, offsets, strict=True)], dim=1)
    attr = torch.cat([graph.edge_attr for graph in graphs])
    return torch.cat([graph.x for graph in graphs]), edges, attr, torch.arange(len(graphs)).repeat_interleave(sizes)


@pytest.mark.parametrize("sizes", [((3, 4), (2, 1), (4, 6)), ((1, 0), (0, 0), (3, 2), (0, 0)), ((2, 0),), ((0, 0),)])
def test_packed_graphs_come_back_exactly(sizes, graphs):
    data = graphs(sizes)
    layout = GraphLayout.of(data, graphs([(6, 9)]))
    head, x = make(layout), matrices(layout, data, torch.float32)
    for inputs in (x, (torch.zeros(len(data), 0), x)):
        found = head.get_graphs(inputs)
        for name, expected in zip(FIELDS, joined(data), strict=True):
            assert torch.equal(getattr(found, name), expected), name
            assert getattr(found, name).dtype == expected.dtype
        assert found.batch_size == len(data)
        assert found.edge_index.is_contiguous()


@pytest.mark.parametrize("n_attr", [0, 2])
def test_batches_of_a_fold_file_are_those_of_pytorch_geometric(n_attr, pyg, graphs, tmp_path):
    data = [pyg.data.Data(**vars(graph)) for graph in graphs(n_attr=n_attr) * 2]
    path = pyg2foldfile(data, 2, tmp_path / "g", seed=1)
    with FoldYielder(path) as fy:
        head = ModelBuilder.from_fy(fy, "classification", head={"name": "pyg_head", "network": Convolution}).get_head()
        for fold in range(2):
            expected = pyg.data.Batch.from_data_list([data[i] for i in fy.get_column("graph", fold_idx=fold)])
            found = head.get_graphs(tuple(map(torch.from_numpy, fy[fold]["inputs"])))
            for name in FIELDS[: 4 if n_attr else 2]:
                assert torch.equal(getattr(found, name), getattr(expected, name)), name
            assert torch.equal(found.batch, expected.batch)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("network", "collapser"), [(Convolution, "graph_collapser"), (Pooled, None)])
def test_padding_changes_nothing(network, collapser, training, graphs):
    layout, longer = GraphLayout.of(graphs()), GraphLayout.of(graphs(), graphs([(9, 20)]))
    short, long = (make(each, network, collapser).train(training) for each in (layout, longer))
    a, b = run(short, matrices(layout, graphs())), run(long, matrices(longer, graphs()))
    assert torch.equal(a[0], b[0])
    assert torch.equal(a[1][:, :5], b[1][:, :5])
    assert (b[1][:, 5:9] == 0).all()
    assert all(torch.equal(p, q) for p, q in zip(a[2], b[2], strict=True))
    assert all(torch.equal(p, q) for p, q in zip(short.network.buffers(), long.network.buffers(), strict=True))


def test_the_order_of_nodes_and_edges_means_nothing(graphs):
    data, layout = graphs(), GraphLayout.of(graphs())
    head = make(layout).eval()
    out = head(matrices(layout, data))
    for graph in data:
        order = torch.randperm(len(graph.x), generator=torch.Generator().manual_seed(2))
        edges = torch.randperm(len(graph.edge_attr), generator=torch.Generator().manual_seed(2))
        graph.x, graph.edge_attr = graph.x[order], graph.edge_attr[edges]
        graph.edge_index = order.argsort()[graph.edge_index[:, edges]]
    assert torch.allclose(head(matrices(layout, data)), out, atol=1e-14)


def test_other_events_of_the_batch_mean_nothing(graphs):
    layout = GraphLayout.of(graphs())
    head, x = make(layout).eval(), matrices(layout, graphs())
    assert torch.allclose(head(x), torch.cat([head(x[i : i + 1]) for i in range(len(x))]), atol=1e-14)


def test_edges_of_a_node_that_is_taken_away_go_too(graphs):
    data = graphs([(4, 12), (3, 5)])
    layout = GraphLayout.of(data)
    x = matrices(layout, data)
    x[0, 1] = torch.nan
    graph = data[0]
    kept = (graph.edge_index != 1).all(0)
    graph.x, graph.edge_attr = graph.x[[0, 2, 3]], graph.edge_attr[kept]
    graph.edge_index = torch.tensor([0, -1, 1, 2])[graph.edge_index[:, kept]]
    head = make(layout)
    found, expected = head.get_graphs(x), head.get_graphs(matrices(layout, data))
    assert 0 < kept.sum() < 12
    assert all(torch.equal(getattr(found, name), getattr(expected, name)) for name in FIELDS)
    assert torch.allclose(head(x), head(matrices(layout, data)), atol=1e-14)


@pytest.mark.parametrize("sizes", [((3, 4), (0, 0), (1, 0)), ((2, 0), (2, 0)), ((0, 0), (0, 0)), ()])
@pytest.mark.parametrize("collapser", ["graph_collapser", "class_attention", "node_predictor"])
def test_few_nodes_and_no_edges_give_finite_values_and_gradients(collapser, sizes, graphs):
    layout = GraphLayout.of(graphs())
    head = make(layout, partial(Convolution, norm=False), collapser)
    out, grad, grads = run(head, matrices(layout, graphs(sizes)))
    assert out.shape == (len(sizes), head.get_out_size())
    assert all(values.isfinite().all() for values in (out, grad, *grads))


def test_predictions_of_nodes_stand_where_the_nodes_are(graphs):
    layout = GraphLayout.of(graphs())
    head = make(layout, collapser={"name": "node_predictor", "out_act": "linear"}).eval()
    x, edge_index, edge_attr, _ = joined(graphs())
    out, nodes = head(matrices(layout, graphs())), head.network(x.double(), edge_index, edge_attr.double())
    assert torch.allclose(
        out[head.get_graphs(matrices(layout, graphs())).mask], head.collapser.predict.layers(nodes)[:, 0]
    )
    assert (out == 0).sum() == 6 * 5 - 17


def test_frozen_heads_have_nothing_to_train(graphs):
    layout = GraphLayout.of(graphs())
    assert make(layout, freeze=True).get_param_count() == 0
    assert make(layout).get_param_count() == 5 * 4 + 5 * 6 + 10


def test_every_feature_maps_to_every_output(graphs):
    layout = GraphLayout.of(graphs())
    head = make(layout)
    assert set(head.feat_map) == set(layout.present_feats)
    assert set(map(tuple, head.feat_map.values())) == {tuple(range(10))}


def network_of(name):
    degrees = {"deg": [2, 5, 6, 3, 1]} if name == "PNA" else {}
    return {"name": name, "hidden_channels": 8, "num_layers": 2, **WITH_ATTR.get(name, {}), **degrees}


@pytest.mark.parametrize(
    "options", [{}, {"norm": "batch_norm", "jk": "cat", "out_channels": 6}, {"norm": "graph_norm"}]
)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_give_what_they_give_in_pytorch_geometric(name, options, pyg, graphs):
    n_attr = 2 if name in WITH_ATTR else 0
    data = [pyg.data.Data(**vars(graph)) for graph in graphs(n_attr=n_attr)]
    layout = GraphLayout.of(data)
    head = make(layout, {**network_of(name), **options}, {"name": "graph_collapser", "agg_methods": ["mean", "sum"]})
    batch = next(iter(pyg.loader.DataLoader(data, batch_size=len(data))))
    twin = type(head.network)(3, **theirs(network_of(name), n_attr), **options).double()
    twin.load_state_dict(head.network.state_dict())
    attr = {"edge_attr": batch.edge_attr.double()} if n_attr else {}
    nodes = twin(batch.x.double(), batch.edge_index, **attr, batch=batch.batch)
    expected = torch.cat(
        [pool(nodes, batch.batch) for pool in (pyg.nn.global_mean_pool, pyg.nn.global_add_pool)], dim=1
    )
    out, _, grads = run(head, matrices(layout, data))
    assert torch.allclose(out, expected, atol=1e-12)
    (expected * torch.linspace(-1, 1, expected.numel(), dtype=expected.dtype).view(expected.shape)).sum().backward()
    for ours, parameter in zip(grads, twin.parameters(), strict=True):
        assert (ours is None) == (parameter.grad is None)
        assert ours is None or torch.allclose(ours, parameter.grad, atol=1e-12)


def theirs(spec, n_attr):
    """Give the options as PyTorch Geometric takes them."""
    options = {key: torch.tensor(value) if key == "deg" else value for key, value in spec.items() if key != "name"}
    return options | ({"edge_dim": n_attr} if n_attr else {})


@pytest.fixture(scope="module")
def learnable(tmp_path_factory):
    """Give graphs, some of one node or without edges, whose class is whether edges lead to nodes of large x; a file."""
    generator, data = torch.Generator().manual_seed(3), []
    for _ in range(400):
        n_nodes, n_edges = (int(torch.randint(*limits, (1,), generator=generator)) for limits in ((1, 7), (0, 12)))
        x = torch.randn(n_nodes, 2, generator=generator)
        edges = torch.randint(n_nodes, (2, n_edges), generator=generator)
        weight = torch.rand(1, generator=generator)
        data.append(SimpleNamespace(x=x, edge_index=edges, y=float(x[edges[1], 0].sum() > 0), weight=weight))
        data[-1].high = nn.functional.pad((x[:, 0] > 0).float(), (0, 6 - n_nodes))[None]
        data[-1].met = x.sum()
    folder = tmp_path_factory.mktemp("graphs")
    common = {"n_folds": 4, "seed": 1, "wgt_feat": "weight"}
    event = pyg2foldfile(data, savename=folder / "event", targ_type="int", **common)
    nodes = pyg2foldfile(data, savename=folder / "nodes", targ_feats="high", layout=GraphLayout.of(data), **common)
    beside = pyg2foldfile(data, savename=folder / "beside", cont_feats="met", **common)
    return data, {"event": event, "nodes": nodes, "beside": beside}


@pytest.mark.parametrize("network", ["GIN", "GraphSAGE"])
def test_a_model_is_trained_by_name_saved_and_loaded(network, pyg, learnable, tmp_path):
    data, files = learnable
    head = {"name": "pyg_head", "network": {"name": network, "hidden_channels": 16, "num_layers": 2}}
    head["collapser"] = {"name": "graph_collapser", "agg_methods": ["mean", "sum"]}
    with FoldYielder(files["event"]) as fy:
        builder = ModelBuilder.from_fy(fy, "classification", head=head, seed=3, opt_args={"lr": 0.01})
        model = Model(builder)
        model.fit(6, fy, 25, val_idx=0, seed=1, visible_bar=False, metrics=["roc_auc_score"])
        history = model.fit_params.history["valid"]
        assert history["roc_auc_score"][-1] > max(0.8, history["roc_auc_score"][0])
        expected = model.predict(fy[0]["inputs"])
        loaded = Model.from_save(model.save(tmp_path / "m"))
        assert np.array_equal(loaded.predict(fy[0]["inputs"]), expected)
        assert loaded.model_builder.to_config() == builder.to_config()
        assert ModelBuilder.from_config(builder.to_config()).to_config() == builder.to_config()
        packed = GraphLayout.of(data).pack(data, fy.get_column("graph", fold_idx=0))
        assert np.array_equal(loaded.predict((np.zeros((100, 0)), packed)), expected)


@pytest.mark.parametrize("network", ["GAT", "PNA"])
def test_networks_with_options_of_many_kinds_are_saved_and_loaded(network, pyg, graphs, tmp_path):
    data = graphs() * 4
    path = pyg2foldfile(data, 2, tmp_path / "g", seed=1)
    with FoldYielder(path) as fy:
        model = Model(
            ModelBuilder.from_fy(fy, "classification", head={"name": "pyg_head", "network": network_of(network)})
        )
        model.fit(1, fy, 4, val_idx=0, visible_bar=False)
        loaded = Model.from_save(model.save(tmp_path / "m"))
        assert np.array_equal(loaded.predict(fy[0]["inputs"]), model.predict(fy[0]["inputs"]))


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_networks_of_ones_own_are_trained_and_loaded_with_their_builder(precision, learnable, tmp_path):
    head = {"name": "pyg_head", "network": partial(Pooled, width=8, norm=False), "collapser": None}
    with FoldYielder(learnable[1]["event"]) as fy:
        builder = ModelBuilder.from_fy(fy, "classification", head=head, seed=3, opt_args={"lr": 0.01})
        model = Model(builder, device="cpu", precision=precision)
        model.fit(6, fy, 25, val_idx=0, seed=1, visible_bar=False, metrics=["roc_auc_score"])
        assert model.fit_params.history["valid"]["roc_auc_score"][-1] > 0.8
        path = model.save(tmp_path / "m")
        with pytest.raises(SavedModelError, match="model_builder"):
            Model.from_save(path)
        loaded = Model.from_save(path, model_builder=builder)
        exact = Model(builder, device="cpu", precision=precision)  # as a loaded model is
        exact.set_weights(model.get_weights())
        assert np.allclose(loaded.predict(fy[0]["inputs"]), exact.predict(fy[0]["inputs"]), atol=1e-6)


def test_nodes_are_predicted(learnable):
    head = {"name": "pyg_head", "network": partial(Convolution, width=8), "collapser": "node_predictor"}
    with FoldYielder(learnable[1]["nodes"]) as fy:
        options = {"body": "ident_body", "tail": "ident_tail", "seed": 1, "opt_args": {"lr": 0.02}}
        model = Model(ModelBuilder.from_fy(fy, "classification", head=head, **options))
        model.fit(6, fy, 25, val_idx=0, seed=1, visible_bar=False)
        preds, targets = model.predict(fy[0]["inputs"]), fy[0]["targets"]
        absent = np.isnan(fy[0]["inputs"][1][:, :6]).any(-1)
        assert preds.shape == targets.shape == (100, 6)
        assert (preds[absent] == 0).all()
        assert ((preds > 0.5) == (targets > 0.5))[~absent].mean() > 0.9


def test_it_works_beside_flat_features(learnable):
    layout = GraphLayout.of(learnable[0])
    names = {"vecs": layout.vecs, "feats_per_vec": layout.feats_per_vec}
    head = {"name": "multi_head", "matrix_head": {"name": "pyg_head", "network": Convolution, **names}}
    with FoldYielder(learnable[1]["beside"]) as fy:
        model = Model(ModelBuilder.from_fy(fy, "classification", head=head, seed=1))
        model.fit(1, fy, 25, val_idx=0, seed=1, visible_bar=False)
        assert isinstance(model.head, MultiHead)
        assert model.head.get_out_size() == 1 + 10
        assert model.predict(fy[0]["inputs"]).shape == (100, 1)


def test_pytorch_geometric_is_loaded_only_for_its_own_networks():
    code = """
        import sys
        from lumin_plugin_gnn import GraphLayout, PygHead, pyg2foldfile
        from torch import nn
        class Mine(nn.Module):
            out_channels = 1
            def forward(self, x):
                return x[:, :1]
        PygHead([], ["node_0", "edge_0"], ["pt", "sender", "receiver"], Mine)
        sys.exit("torch_geometric" in sys.modules)
    """
    code = "\n".join(line.removeprefix("        ") for line in code.splitlines())
    subprocess.run([sys.executable, "-c", code], check=True)


def test_where_it_is_missing_the_message_says_what_to_install(monkeypatch, graphs):
    monkeypatch.setitem(sys.modules, "torch_geometric", None)
    with pytest.raises(ConfigError, match=r"'GIN' is PyTorch Geometric's, .*pip install 'lumin-plugin-gnn\[pyg\]'"):
        make(GraphLayout.of(graphs()), {"name": "GIN", "hidden_channels": 8, "num_layers": 2})


class NoWidth(nn.Module):
    def forward(self, x):
        return x


class Width(NoWidth):
    out_channels = 3


class Asks(Width):
    def forward(self, x, positions):
        return x


class TakesNone(Width):
    def forward(self, *inputs):
        return inputs


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("GNI", "got 'GNI', did you mean 'GIN' or 'GCN'.; a network of your own is given as class"),
        ({"hidden_channels": 8}, "must have a name of GCN, GraphSAGE, GIN, GAT, PNA, EdgeCNN, got None"),
        (Convolution(3, 2), "built anew for every model; got Convolution"),
        (partial(Convolution, 3), "with keywords"),
        (len, "subclass of torch.nn.Module"),
        (partial(Convolution, in_channels=3), "told in_channels by the head; leave it out"),
        (partial(Convolution, widht=3), "Convolution cannot be built with .'widht': 3.: .*widht"),
        (NoWidth, "NoWidth must have an attribute out_channels.*; it is None"),
        (Asks, r"Asks must take x, and needs no more than x, edge_index, .*it takes \(x, positions\)"),
        (TakesNone, r"TakesNone must take x.*it takes \(inputs\)"),
    ],
)  # fmt: skip
def test_networks_that_cannot_work_are_refused(network, words, graphs):
    layout = GraphLayout.of(graphs(), edge_feats=[])
    with pytest.raises(ConfigError, match=words):
        make(layout, network)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"name": "GIN", "hidden_channels": 8, "num_layers": 2}, "GIN takes no features of edges, .* has 2: choose"),
        ({"name": "GAT", "hidden_channels": 8}, "GAT cannot be built with .*num_layers"),
        ({"name": "GAT", "hidden_channels": 8, "num_layers": 2, "edge_dim": 2}, "told edge_dim by the head"),
        ({"name": "GAT", "hidden_channels": 8, "num_layers": 2, "haeds": 2}, "cannot be built with .*haeds"),
        (Width, "Width takes no features of edges.*edge_feats=..."),
    ],
)  # fmt: skip
def test_networks_of_pytorch_geometric_that_cannot_work_are_refused(network, words, pyg, graphs):
    with pytest.raises(ConfigError, match=words):
        make(GraphLayout.of(graphs()), network)


def test_edges_and_names_of_graphs_are_needed(graphs):
    with pytest.raises(ConfigError, match="the matrix has no edges: use gnn_head"):
        make(GraphLayout.of(graphs(), with_edges=False))
    with pytest.raises(ConfigError, match="a matrix of graphs has vecs 'node_0'"):
        PygHead([], ["jet_0", "jet_1"], ["pt", "eta"], Convolution)
    layout = GraphLayout.of(graphs())
    with pytest.raises(ConfigError, match="use multi_head"):
        PygHead(["met", *layout.present_feats], layout.vecs, layout.feats_per_vec, Convolution)
    with pytest.raises(LookupError, match="did you mean 'graph_collapser'"):
        make(layout, collapser="graph_colapser")


class WrongShape(Width):
    def forward(self, x, edge_attr):
        return x[:1]


def test_shapes_are_checked(graphs):
    layout = GraphLayout.of(graphs())
    x = matrices(layout, graphs())
    for wrong in (x[:, :-1], x[0], torch.zeros(6, len(layout.present_feats))):
        with pytest.raises(ShapeError, match=r"got shape \(") as caught:
            make(layout)(wrong)
        assert isinstance(caught.value, LuminError)
    with pytest.raises(ShapeError, match=r"must give \(17, 3\), a row a node, got shape \(1, 3\)"):
        make(layout, WrongShape)(x)
    with pytest.raises(ShapeError, match=r"must give \(6, 3\), a row a graph, since it has no collapser"):
        make(layout, WrongShape, None)(x)


def test_collapsers_of_ones_own_get_nodes_and_mask(graphs):
    class Count(Collapser):
        def forward(self, x, mask):
            assert (x[~mask] == 0).all()
            return mask.sum(1, keepdim=True)

        def get_out_size(self):
            return 1

    layout = GraphLayout.of(graphs())
    assert make(layout, collapser=Count)(matrices(layout, graphs())).flatten().tolist() == [3, 2, 4, 1, 5, 2]
