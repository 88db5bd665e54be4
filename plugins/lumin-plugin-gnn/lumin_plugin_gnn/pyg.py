r"""A head that hands graphs to a network of PyTorch Geometric.

::

    matrices (B, N + M, F + 2 + E)
        ->  x (n_nodes, F), edge_index (2, n_edges), edge_attr (n_edges, E), batch (n_nodes,)
        ->  network  (n_nodes, F')  ->  (B, N, F')  ->  collapser  (B, width)

The nodes of a batch stand one behind the other, only those that are present; ``batch`` says to
which event a node belongs. `lumin_plugin_gnn.pyg_layout` says how graphs stand in a matrix.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from lumin_core.checks import nearest
from lumin_core.errors import ConfigError, ShapeError
from lumin_core.model import LookupAct, LookupInit, MatrixHead, lookup_act, normal_initialiser
from lumin_core.registry import build
from lumin_plugin_gnn.pyg_layout import GraphLayout

if TYPE_CHECKING:
    from lumin_core.model import Inputs

NETWORKS = ("GCN", "GraphSAGE", "GIN", "GAT", "PNA", "EdgeCNN")
OFFERED = ("x", "edge_index", "edge_attr", "batch", "batch_size")


class Graphs(NamedTuple):
    """A batch of graphs as PyTorch Geometric has it.

    Attributes:
        x: Features of the nodes that are present, ``(n_nodes, F)``.
        edge_index: Sender and receiver of the edges that are present, rows of ``x``;
            ``(2, n_edges)``, int64.
        edge_attr: Features of the edges, ``(n_edges, E)``.
        batch: Event of a node, ``(n_nodes,)``, int64.
        batch_size: Number of events, B.
        place: Where a node stands among all that there is room for, ``(n_nodes,)``: event * N +
            row.
        mask: Which nodes are present, ``(B, N)``.
    """

    x: Tensor
    edge_index: Tensor
    edge_attr: Tensor
    batch: Tensor
    batch_size: int
    place: Tensor
    mask: Tensor


class PygHead(MatrixHead):
    """Computes features of nodes and of the graph by a network of PyTorch Geometric.

    Those of the graph come from those of its nodes. Graphs come as `pyg2foldfile` writes them, and
    keep their edges; an edge of an absent node is absent. ``ModelBuilder.from_fy`` reads ``vecs``
    and ``feats_per_vec`` from the file.

    Args:
        cont_feats: Those elements of the matrix that exist, or none; for flat features
            use `multi_head`.
        vecs: Names of the rows of the matrix, nodes and edges.
        feats_per_vec: Names of its columns.
        network: One of PyTorch Geometric's ``GCN GraphSAGE GIN GAT PNA EdgeCNN`` as dict,
            ``{"name": "GIN", "hidden_channels": 32, "num_layers": 2}``; or a module of your own as
            class or partial: it has an attribute ``out_channels``, the width of what it gives, and
            its ``forward`` names what it takes of ``x, edge_index, edge_attr, batch, batch_size``.
            Where the constructor names ``in_channels`` or ``edge_dim``, it is told the number of
            features of a node or an edge. It initialises itself.
        collapser: What computes the features of the graph from those of the nodes, a component of
            the kind ``graph_collapsers``; ``None`` if the network pools by itself and gives
            a row a graph.
        lookup_init: Gives the initialiser of the weights for an activation; the collapser gets it.
        lookup_act: Gives the activation layer by its name; the collapser gets it.
        freeze: Whether the parameters stay as they are.

    Raises:
        ConfigError: If the matrix has no edges, PyTorch Geometric is not installed and the network
            is one of its own, the network cannot be built or is unknown, or it takes something
            else, or not the features of edges.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import PygHead
        >>> class SumOfNeighbours(torch.nn.Module):  # with PyTorch Geometric: {"name": "GCN", ...}
        ...     def __init__(self, in_channels):
        ...         super().__init__()
        ...         self.out_channels = in_channels
        ...     def forward(self, x, edge_index):
        ...         return torch.zeros_like(x).index_add(0, edge_index[1], x[edge_index[0]])
        >>> collapser = {"name": "graph_collapser", "agg_methods": "max"}
        >>> head = PygHead(
        ...     [],
        ...     ["node_0", "node_1", "edge_0"],
        ...     ["pt", "sender", "receiver"],
        ...     SumOfNeighbours,
        ...     collapser,
        ... )
        >>> nan = float("nan")
        >>> head(torch.tensor([[[5.0, nan, nan], [7.0, nan, nan], [nan, 1.0, 0.0]]]))
        tensor([[7.]])

    References:
        Fey and Lenssen, https://arxiv.org/abs/1903.02428
    """

    example_options: ClassVar[Mapping[str, object]] = {
        "cont_feats": [],
        "vecs": ["node_0", "node_1", "node_2", "edge_0", "edge_1"],
        "feats_per_vec": ["pt", "sender", "receiver"],
        "network": {"name": "GraphSAGE", "hidden_channels": 4, "num_layers": 2, "out_channels": 4},
    }
    expected_failures: ClassVar[Mapping[str, str]] = {
        "check_block_export": "the number of edges of a batch depends on its values",
        "check_block_onnx": "the number of edges of a batch depends on its values",
    }

    def __init__(
        self,
        cont_feats: Sequence[str],
        vecs: Sequence[str],
        feats_per_vec: Sequence[str],
        network: object,
        collapser: object = "gnn/graph_collapser",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
        freeze: bool = False,
    ) -> None:
        layout = GraphLayout.from_names(vecs, feats_per_vec)
        super().__init__(cont_feats or layout.present_feats, vecs, feats_per_vec)
        if not layout.n_edges:
            raise ConfigError("the matrix has no edges: use gnn_head, or write the file with edges")
        self.layout, n_edge_feats = layout, len(layout.edge_feats)
        self.network = _built(network, len(layout.node_feats), n_edge_feats)
        self.takes = _taken(self.network, n_edge_feats)
        self.width = _width(self.network)
        self.collapser = None
        if collapser is not None:
            given = {"n_v": layout.n_nodes, "n_fpv": self.width, "lookup_init": lookup_init, "lookup_act": lookup_act}
            self.collapser = build("graph_collapser", collapser, **given)
        self.feat_map = self.map_to_all()
        if freeze:
            self.freeze_layers()

    @staticmethod
    def example_inputs(n: int, seed: int) -> Tensor:
        """Return matrices for ``example_options``: 0 -> 1 -> 2; every second lacks node 2.

        Args:
            n: Number of graphs.
            seed: Seed.

        Returns:
            Shape ``(n, 5, 3)``.
        """
        matrix = torch.full((n, 5, 3), torch.nan)
        matrix[:, :3, 0] = torch.randn((n, 3), generator=torch.Generator().manual_seed(seed))
        matrix[:, 3:, 1:] = torch.tensor([[0.0, 1.0], [1.0, 2.0]])
        matrix[1::2, [2, 4]] = torch.nan
        return matrix

    def forward(self, x: Inputs) -> Tensor:
        """Turn matrices ``(B, N + M, F + 2 + E)`` into ``(B, get_out_size())``.

        They come alone or behind flat inputs.

        Raises:
            ShapeError: If the inputs, or what the network gives, have another shape.
        """
        graphs = self.get_graphs(x)
        out: Tensor = self.network(**{name: getattr(graphs, name) for name in self.takes})
        n_rows = graphs.batch_size if self.collapser is None else len(graphs.x)
        if out.shape != (n_rows, self.width):
            who = "graph, since it has no collapser" if self.collapser is None else "node"
            raise ShapeError(f"network must give {(n_rows, self.width)}, a row a {who}, got shape {tuple(out.shape)}")
        if self.collapser is None:
            return out
        padded = out.new_zeros(graphs.mask.numel(), self.width).index_copy(0, graphs.place, out)
        collapsed: Tensor = self.collapser(padded.view(*graphs.mask.shape, self.width), graphs.mask)
        return collapsed

    def get_graphs(self, x: Inputs) -> Graphs:
        """Give the graphs of a batch as PyTorch Geometric has them.

        Args:
            x: Matrices ``(B, N + M, F + 2 + E)``, alone or behind flat inputs.

        Raises:
            ShapeError: If they have another shape; flat inputs, too, where an absent node is not
                told from one of zeros.

        Example:
            >>> import torch
            >>> from lumin_plugin_gnn import PygHead
            >>> class Sum(torch.nn.Module):
            ...     out_channels = 1
            ...     def forward(self, x):
            ...         return x.sum(1, keepdim=True)
            >>> head = PygHead(
            ...     [], ["node_0", "node_1", "edge_0"], ["pt", "sender", "receiver"], Sum
            ... )
            >>> nan = float("nan")
            >>> graphs = head.get_graphs(
            ...     torch.tensor([[[5.0, nan, nan], [7.0, nan, nan], [nan, 1.0, 0.0]]])
            ... )
            >>> graphs.x.tolist(), graphs.edge_index.tolist(), graphs.batch.tolist()
            ([[5.0], [7.0]], [[1], [0]], [0, 0])
        """
        matrix = x if isinstance(x, Tensor) else x[1]
        if matrix.dim() != 3:
            expected, found = (self.n_v, self.n_fpv), tuple(matrix.shape)
            raise ShapeError(f"expected matrices (B, *{expected}), as GraphLayout.pack gives them, got shape {found}")
        matrix, mask = self.get_matrix(matrix)
        n, width = self.layout.n_nodes, len(self.layout.node_feats)
        nodes, ends = mask[:, :n], matrix[:, n:, width : width + 2].long()  # (B, N), (B, M, 2)
        rows = (nodes.flatten().cumsum(0) - 1).view_as(nodes).masked_fill(~nodes, -1)  # of x, (B, N)
        ends = rows.gather(1, ends.flatten(1)).view(-1, 2)  # (B * M, 2)
        edges = (mask[:, n:].flatten() & (ends >= 0).all(1)).nonzero().squeeze(1)  # (n_edges,)
        place = nodes.flatten().nonzero().squeeze(1)  # (n_nodes,)
        return Graphs(
            x=matrix[:, :n, :width].flatten(0, 1).index_select(0, place),
            edge_index=ends.index_select(0, edges).T.contiguous(),
            edge_attr=matrix[:, n:, width + 2 :].flatten(0, 1).index_select(0, edges),
            batch=place // n,
            batch_size=len(matrix),
            place=place,
            mask=nodes,
        )

    def get_out_size(self) -> int:
        """Give the number of columns of the output."""
        return self.width if self.collapser is None else int(self.collapser.get_out_size())


def _built(network: object, n_node_feats: int, n_edge_feats: int) -> nn.Module:
    """Build the network, which is told the numbers of features if it asks for them."""
    constructor, options = _named(network) if isinstance(network, str | Mapping) else _own(network)
    told, asks = {"in_channels": n_node_feats, "edge_dim": n_edge_feats}, inspect.signature(constructor).parameters
    wanted = ["edge_dim"] if n_edge_feats and getattr(constructor, "supports_edge_attr", False) else []
    told = {name: n for name, n in told.items() if name in asks or name in wanted}
    if twice := sorted(told.keys() & options):
        raise ConfigError(f"the network is told {', '.join(twice)} by the head; leave it out of the options")
    try:
        return constructor(**options, **told)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the network {constructor.__name__} cannot be built with {options}: {error}") from error


def _named(network: str | Mapping[str, Any]) -> tuple[type[nn.Module], dict[str, Any]]:
    """Find a network of PyTorch Geometric, which is imported here and nowhere else."""
    options: dict[str, Any] = {"name": network} if isinstance(network, str) else dict(network)
    name = options.pop("name", None)
    if name not in NETWORKS:
        hint = "a network of your own is given as class or functools.partial"
        raise ConfigError(f"network must have a name of {', '.join(NETWORKS)}, got {name!r}{_near(name)}; {hint}")
    try:
        from torch_geometric import nn as networks
    except ImportError as error:
        hint = "pip install 'lumin-plugin-gnn[pyg]'"
        raise ConfigError(f"the network {name!r} is PyTorch Geometric's, which is missing ({error}): {hint}") from error
    if "deg" in options:  # of PNA: a tensor, of which a config holds the list
        options["deg"] = torch.as_tensor(options["deg"])
    constructor: type[nn.Module] = getattr(networks, name)
    return constructor, options


def _near(name: object) -> str:
    return f", did you mean {' or '.join(map(repr, near))}?" if (near := nearest(name, NETWORKS)) else ""


def _own(network: object) -> tuple[type[nn.Module], dict[str, Any]]:
    constructor, args, options = network, (), {}
    if isinstance(network, partial):
        constructor, args, options = network.func, network.args, network.keywords
    if not (isinstance(constructor, type) and issubclass(constructor, nn.Module)) or args:
        raise ConfigError(
            "network must be a dict with the name of one of PyTorch Geometric's, or a subclass of torch.nn.Module, as "
            f"class or as functools.partial with keywords: it is built anew for every model; got {network!r}"
        )
    return constructor, options


def _taken(network: nn.Module, n_edge_feats: int) -> list[str]:
    """Find what ``forward`` of the network takes of the graphs."""
    parameters = inspect.signature(network.forward).parameters
    offered = [name for name in OFFERED if n_edge_feats or name != "edge_attr"]
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters.values() if p.default is p.empty and p.kind not in variable]
    if "x" not in parameters or not set(needed) <= set(offered):
        what = f"the forward of {type(network).__name__} must take x, and needs no more than {', '.join(offered)}"
        raise ConfigError(f"{what}; it takes ({', '.join(parameters)})")
    if n_edge_feats and not ("edge_attr" in parameters and getattr(network, "supports_edge_attr", True)):
        raise ConfigError(
            f"the network {type(network).__name__} takes no features of edges, of which the matrix has {n_edge_feats}: "
            "choose one that does (GAT, PNA), or write the file with GraphLayout.of(..., edge_feats=[])"
        )
    return [name for name in offered if name in parameters]


def _width(network: nn.Module) -> int:
    width = getattr(network, "out_channels", None)
    if not isinstance(width, int) or width < 1:
        what = f"the network {type(network).__name__} must have an attribute out_channels, the width of what it gives"
        raise ConfigError(f"{what}; it is {width!r}")
    return width
