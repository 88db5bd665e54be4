"""Graphs of PyTorch Geometric as matrices.

A fold holds arrays, no lists of different lengths. So a graph becomes a matrix with a row for every
node and every edge, and NaN where there is none, the form in which all of lumin-core takes objects
that may be absent::

             x_0   x_1   sender  receiver  edge_attr_0
    node_0   1.5   0.2     .        .          .
    node_1   0.3   0.1     .        .          .          elements that never exist
    node_2   NaN   NaN     .        .          .          are marked by dots
    edge_0    .     .      0        1         0.7

Yielders, loop, callbacks, metrics and ensembles then need to know nothing of graphs, and the edges
are those of the data set: `pyg_head` makes of a batch of such matrices the
``x, edge_index, edge_attr, batch`` of PyTorch Geometric.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import torch

from lumin_core.checks import as_list, check_names
from lumin_core.data import matrix_entry
from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

ENDS = ["sender", "receiver"]
HINTS = {
    "x": "give its nodes features, if need be a constant",
    "edge_index": "give it edges, or leave them out by GraphLayout.of(..., with_edges=False)",
}


@attrs.frozen
class GraphLayout:
    """How graphs stand in a matrix: the features' names, and room for how many nodes and edges.

    Attributes:
        node_feats: Names of the features of a node.
        n_nodes: Room for nodes.
        edge_feats: Names of the features of an edge.
        n_edges: Room for edges; 0 leaves edges out.

    Raises:
        ConfigError: If names come twice, or there is no room.

    Example:
        >>> from lumin_plugin_gnn import GraphLayout
        >>> layout = GraphLayout(["pt"], n_nodes=2, edge_feats=["dr"], n_edges=1)
        >>> layout.vecs, layout.feats_per_vec
        (['node_0', 'node_1', 'edge_0'], ['pt', 'sender', 'receiver', 'dr'])
    """

    node_feats: list[str] = attrs.field(converter=as_list)
    n_nodes: int
    edge_feats: list[str] = attrs.field(factory=list, converter=as_list)
    n_edges: int = 0

    def __attrs_post_init__(self) -> None:
        """Check names and room."""
        check_names("features of nodes and edges", self.feats_per_vec)
        if not self.node_feats or self.n_nodes < 1 or self.n_edges < 0 or (self.edge_feats and not self.n_edges):
            msg = f"a layout needs node_feats, n_nodes, and n_edges where it has edge_feats, got {self}"
            raise ConfigError(msg)

    @classmethod
    def of(
        cls,
        *datasets: Sequence[object],
        node_feats: Sequence[str] | None = None,
        edge_feats: Sequence[str] | None = None,
        with_edges: bool = True,
    ) -> GraphLayout:
        """Find the layout into which all graphs of data sets fit.

        Args:
            *datasets: Lists of ``Data``, or data sets: those to train on, and those to predict.
            node_feats: Names of the columns of ``x``; by default ``x_0, x_1, ...``.
            edge_feats: Names of the columns of ``edge_attr``, by default ``edge_attr_0, ...``;
                ``[]`` leaves them out.
            with_edges: Whether edges are kept. Without, the file is for `gnn_head` and other
                heads for objects.

        Raises:
            DataError: If there is no graph, or one has no ``x`` or, where edges are kept, no
                ``edge_index``.
            ShapeError: If these have wrong shapes, or not as many columns as there are names.

        Example:
            >>> from types import SimpleNamespace
            >>> import torch
            >>> from lumin_plugin_gnn import GraphLayout
            >>> graph = SimpleNamespace(
            ...     x=torch.ones(3, 2), edge_index=torch.tensor([[0, 1], [1, 2]])
            ... )
            >>> GraphLayout.of([graph])
            GraphLayout(node_feats=['x_0', 'x_1'], n_nodes=3, edge_feats=[], n_edges=2)
        """
        wanted = {"with_edges": with_edges, "with_attr": edge_feats is None or len(edge_feats) > 0}
        shapes = [_shapes(data[i], f"graph {i}", **wanted) for data in datasets for i in range(len(data))]
        if not shapes:
            raise DataError("there is no graph: the data set is empty")
        n_nodes, node_widths, n_edges, edge_widths = zip(*shapes, strict=True)
        layout = cls(_named("x", set(node_widths), node_feats), max(1, *n_nodes))
        if not with_edges:
            return layout
        widths = {width for n, width in zip(n_edges, edge_widths, strict=True) if n}
        return attrs.evolve(layout, edge_feats=_named("edge_attr", widths, edge_feats), n_edges=max(1, *n_edges))

    @classmethod
    def from_names(cls, vecs: Sequence[str], feats_per_vec: Sequence[str]) -> GraphLayout:
        """Find the layout that has these names, those of a fold file.

        Args:
            vecs: Names of the rows of the matrix.
            feats_per_vec: Names of its columns.

        Raises:
            ConfigError: If they are not those of graphs.

        Example:
            >>> from lumin_plugin_gnn import GraphLayout
            >>> layout = GraphLayout(["pt"], n_nodes=2, edge_feats=["dr"], n_edges=1)
            >>> GraphLayout.from_names(layout.vecs, layout.feats_per_vec) == layout
            True
        """
        feats, n_edges = list(feats_per_vec), sum(vec.startswith("edge_") for vec in vecs)
        n = feats.index(ENDS[0]) if n_edges and ENDS[0] in feats else len(feats)
        if n and n_edges < len(vecs):
            layout = cls(feats[:n], len(vecs) - n_edges, feats[n + 2 :], n_edges)
            if layout.vecs == list(vecs) and layout.feats_per_vec == feats:
                return layout
        raise ConfigError(
            f"a matrix of graphs has vecs 'node_0', ..., 'edge_0', ... and feats_per_vec with {ENDS} behind the nodes' "
            f"features, as pyg2foldfile writes it; got {[*list(vecs)[:3], '...']} and {feats}"
        )

    @property
    def vecs(self) -> list[str]:
        """Names of the rows."""
        return [*(f"node_{i}" for i in range(self.n_nodes)), *(f"edge_{i}" for i in range(self.n_edges))]

    @property
    def feats_per_vec(self) -> list[str]:
        """Names of the columns."""
        return [*self.node_feats, *([*ENDS, *self.edge_feats] if self.n_edges else [])]

    @property
    def exists(self) -> NDArray[np.bool_]:
        """Which elements exist, shape ``(n_rows, n_columns)``.

        Nodes have features of nodes, edges those of edges.
        """
        is_node = np.arange(self.n_nodes + self.n_edges)[:, None] < self.n_nodes
        exists: NDArray[np.bool_] = is_node == (np.arange(len(self.feats_per_vec)) < len(self.node_feats))
        return exists

    @property
    def present_feats(self) -> list[str]:
        """Names of the elements that exist, row by row."""
        node = [f"node_{i}_{feat}" for i in range(self.n_nodes) for feat in self.node_feats]
        return node + [f"edge_{i}_{feat}" for i in range(self.n_edges) for feat in [*ENDS, *self.edge_feats]]

    @property
    def matrix_feats(self) -> dict[str, Any]:
        """The entry of the meta data of a fold file."""
        missing = ~self.exists
        return matrix_entry(
            self.present_feats, self.vecs, missing.reshape(-1), self.feats_per_vec, row_wise=True, shape=missing.shape
        )

    def pack(self, graphs: Sequence[object], idxs: Iterable[int] | None = None) -> np.ndarray:
        """Pack graphs into matrices, which a model predicts: ``model.predict((flat, matrices))``.

        Args:
            graphs: A list of ``Data``, or a data set.
            idxs: Which of them; by default all.

        Returns:
            Shape ``(n, n_nodes + n_edges, n_columns)``, float32, NaN where nothing is.

        Raises:
            DataError: If a graph is too large, holds NaN, or its edges have nodes that it has not.
            ShapeError: If a graph has another number of features.

        Example:
            >>> from types import SimpleNamespace
            >>> import torch
            >>> from lumin_plugin_gnn import GraphLayout
            >>> graph = SimpleNamespace(
            ...     x=torch.tensor([[5.0], [7.0]]), edge_index=torch.tensor([[0], [1]])
            ... )
            >>> GraphLayout(["pt"], n_nodes=2, n_edges=1).pack([graph])[0].tolist()
            [[5.0, nan, nan], [7.0, nan, nan], [nan, 0.0, 1.0]]
        """
        idxs = list(range(len(graphs)) if idxs is None else idxs)
        packed = np.full((len(idxs), *self.exists.shape), np.nan, dtype=np.float32)
        for matrix, i in zip(packed, idxs, strict=True):
            self._fill(matrix, graphs[i], f"graph {i}")
        return packed

    def _fill(self, matrix: np.ndarray, graph: object, where: str) -> None:
        nodes, ends, attr = _read(graph, where, with_edges=self.n_edges > 0, with_attr=len(self.edge_feats) > 0)
        _check_fit(f"{where}: x", nodes, self.node_feats, self.n_nodes)
        matrix[: len(nodes), : nodes.shape[1]] = nodes
        if len(ends):
            _check_fit(f"{where}: edge_attr", attr, self.edge_feats, self.n_edges)
            matrix[self.n_nodes :][: len(ends), nodes.shape[1] :] = np.concatenate((ends, attr), axis=1)


def get_attribute(graph: object, name: str, where: str) -> torch.Tensor:
    """Give an attribute of a graph as a tensor on the CPU.

    Args:
        graph: Of PyTorch Geometric, or anything with its attributes.
        name: Which one.
        where: What graph this is, for the message.

    Raises:
        DataError: If it has none, or None.

    Example:
        >>> from types import SimpleNamespace
        >>> from lumin_plugin_gnn.pyg_layout import get_attribute
        >>> get_attribute(SimpleNamespace(y=1), "y", "graph 0")
        tensor(1)
    """
    value = getattr(graph, name, None)
    if value is None:
        raise DataError(f"{where} has no {name!r}; {HINTS.get(name, 'set it on every graph, or leave the name out')}")
    return torch.as_tensor(value).detach().cpu()


def _read(graph: object, where: str, *, with_edges: bool, with_attr: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features of nodes, edges and their features, checked.

    Shapes are ``(n_nodes, F)``, ``(n_edges, 2)`` and ``(n_edges, E)``.
    """
    nodes = _table(graph, "x", where)
    ends = _ends(graph, len(nodes), where) if with_edges else np.zeros((0, 2))
    has_attr = with_attr and len(ends) > 0 and getattr(graph, "edge_attr", None) is not None
    attr = _table(graph, "edge_attr", where) if has_attr else np.zeros((len(ends), 0))
    if len(attr) != len(ends):
        raise ShapeError(f"{where}: edge_attr must have a row for each of the {len(ends)} edges, got {attr.shape}")
    return nodes, ends, attr


def _ends(graph: object, n_nodes: int, where: str) -> np.ndarray:
    ends = get_attribute(graph, "edge_index", where)
    if ends.dim() != 2 or ends.shape[0] != 2 or ends.is_floating_point():
        found = f"{ends.dtype}, {tuple(ends.shape)}"
        raise ShapeError(f"{where}: edge_index must hold integers, shape (2, n_edges), got {found}")
    array: np.ndarray = ends.numpy().T
    if array.size and not 0 <= array.min() <= array.max() < n_nodes:
        raise DataError(f"{where}: edge_index goes from {array.min()} to {array.max()}, but there are {n_nodes} nodes")
    return array


def _table(graph: object, name: str, where: str) -> np.ndarray:
    values: np.ndarray = get_attribute(graph, name, where).float().numpy()
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2:
        raise ShapeError(f"{where}: {name} must have a row of features for each, got shape {values.shape}")
    if np.isnan(values).any():
        raise DataError(f"{where}: {name} holds NaN, which stands for what is absent; replace it by a number")
    return values


def _check_fit(what: str, values: np.ndarray, feats: Sequence[str], room: int) -> None:
    if values.shape[1] != len(feats):
        raise ShapeError(f"{what} must have the columns {list(feats)}, got shape {values.shape}")
    if len(values) > room:
        raise DataError(
            f"{what} has {len(values)} rows, but the layout has room for {room}; "
            "give GraphLayout.of all data sets that go with a model"
        )


def _shapes(graph: object, where: str, **wanted: bool) -> tuple[int, int, int, int]:
    nodes, _, attr = _read(graph, where, **wanted)
    return *nodes.shape, *attr.shape


def _named(what: str, widths: set[int], names: Sequence[str] | None) -> list[str]:
    """Return the names of the columns that all graphs have.

    Of what no graph has, there may be any number.
    """
    if len(widths) > 1 or (names is not None and widths - {len(names)}):
        expected = "as many columns in every graph" if names is None else f"the columns {list(names)}"
        raise ShapeError(f"{what} must have {expected}, got {' and '.join(map(str, sorted(widths)))} columns")
    return [f"{what}_{k}" for k in range(max(widths, default=0))] if names is None else list(names)
