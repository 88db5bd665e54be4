"""Events of objects, some of them absent, and graphs, for the tests of networks on objects."""

import warnings
from types import SimpleNamespace

import pytest
import torch


def draw(n_events=4, n=7, n_fpv=4, n_present=(7, 5, 1, 0), seed=1, dtype=torch.float64):
    """Give features ``(B, N, F)``, 0 for absent objects, which are anywhere, and the mask ``(B, N)``. If there are four
    features, they are momenta px, py, pz, E of light particles in GeV."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(n_events, n, dtype=torch.bool)
    for event, count in enumerate(n_present):
        mask[event, torch.randperm(n, generator=generator)[:count]] = True
    x = torch.randn(n_events, n, n_fpv, generator=generator, dtype=torch.float64)
    if n_fpv == 4:
        x = 10 * x + torch.tensor([30.0, 0.0, 10.0, 0.0])
        x[..., 3] = (x[..., :3].square().sum(-1) + 0.02).sqrt()
    return (x * mask.unsqueeze(-1)).to(dtype), mask


@pytest.fixture
def objects():
    return draw


def draw_graphs(sizes=((3, 4), (2, 1), (4, 6), (1, 0), (5, 3), (2, 0)), n_attr=2, seed=1):
    """Give graphs of so many nodes and edges: 3 features of a node, ``n_attr`` of an edge, loops and double edges."""
    generator = torch.Generator().manual_seed(seed)
    graphs = []
    for i, (n_nodes, n_edges) in enumerate(sizes):
        graph = SimpleNamespace(x=torch.randn(n_nodes, 3, generator=generator), y=float(i % 2))
        graph.edge_index = torch.randint(max(n_nodes, 1), (2, n_edges), generator=generator)
        graph.edge_attr = torch.randn(n_edges, n_attr, generator=generator) if n_attr else None
        graphs.append(graph)
    return graphs


@pytest.fixture
def graphs():
    return draw_graphs


@pytest.fixture(scope="session")
def pyg():
    """Give PyTorch Geometric, if it is there."""
    with warnings.catch_warnings():  # it compiles at import what newer torch deprecates
        warnings.filterwarnings("ignore", "`torch.jit.script", DeprecationWarning)
        return pytest.importorskip(
            "torch_geometric", reason="torch_geometric is not installed: pip install 'lumin-plugin-gnn[pyg]'"
        )
