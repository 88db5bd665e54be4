"""Data sets of PyTorch Geometric as fold files.

`lumin_plugin_gnn.pyg_layout` says how graphs stand in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core import seeds
from lumin_core.checks import as_list
from lumin_core.data import FoldFileWriter, split_events
from lumin_core.errors import ShapeError
from lumin_plugin_gnn.pyg_layout import GraphLayout, get_attribute

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def pyg2foldfile(
    dataset: Sequence[object],
    n_folds: int,
    savename: str | Path,
    *,
    layout: GraphLayout | None = None,
    targ_feats: str | Sequence[str] = "y",
    targ_type: str | type = "float32",
    cont_feats: str | Sequence[str] = (),
    wgt_feat: str | None = None,
    shuffle: bool = True,
    group_key: str | None = None,
    seed: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a data set of PyTorch Geometric as a fold file.

    Every graph takes the room of the largest. The file's column ``graph`` holds the place of a
    graph in the data set. Features are stored as they are: scale ``x`` and ``edge_attr`` before, by
    a transform of the data set.

    Args:
        dataset: A list of ``Data``, or a data set, whose graphs have ``x`` of shape
            ``(n_nodes, F)``, ``edge_index`` and perhaps ``edge_attr``.
        n_folds: Number of folds.
        savename: Of the file; ``.hdf5`` is added where it is missing, folders are made.
        layout: How graphs stand in the matrix; by default that of all of the data set. Files for
            one model need one layout: ``GraphLayout.of(train, test)``.
        targ_feats: Attribute or attributes of a graph that are its targets: a number, or shape
            ``(1, n_targ)``. Targets of nodes, for `node_predictor`, are of shape
            ``(1, layout.n_nodes)``, 0 behind the last node.
        targ_type: Dtype of the targets.
        cont_feats: Attributes that become flat inputs, likewise; `multi_head` takes them
            beside the graph.
        wgt_feat: Attribute that is the weight, a number.
        shuffle: Whether graphs are distributed at random; else folds are contiguous, in the order
            of the data set.
        group_key: Attribute that is a number, such as that of the event, the same for all graphs
            that stay together in one fold.
        seed: Of the distribution; by default fresh, and recorded in the file.
        overwrite: Whether a file of that name may be replaced.

    Returns:
        Path of the file.

    Raises:
        DataError: If a graph lacks something, is too large, or holds what cannot be stored.
        ShapeError: If something has a wrong shape, or another one than in the other graphs.
        ConfigError: If arguments contradict each other.
        FoldFileError: If the file exists, or cannot be written.

    Example:
        >>> import tempfile
        >>> from types import SimpleNamespace
        >>> import torch
        >>> from lumin_core import FoldYielder
        >>> from lumin_plugin_gnn import pyg2foldfile
        >>> ring = torch.tensor([[0, 1, 2], [1, 2, 0]])
        >>> graphs = [
        ...     SimpleNamespace(x=torch.ones(3, 2), edge_index=ring, y=float(i % 2))
        ...     for i in range(4)
        ... ]
        >>> path = pyg2foldfile(
        ...     graphs, n_folds=2, savename=tempfile.mkdtemp() + "/graphs", shuffle=False
        ... )
        >>> FoldYielder(path)[1]["inputs"][1].shape, FoldYielder(path).get_column("graph").tolist()
        ((2, 6, 4), [0, 1, 2, 3])
    """
    layout = GraphLayout.of(dataset) if layout is None else layout
    seed = seeds.fresh() if seed is None else seed
    groups = None if group_key is None else _groups(dataset, group_key)
    folds = split_events(len(dataset), n_folds, shuffle=shuffle, seed=seed, groups=groups)
    targ_names, targets = _columns(dataset, targ_feats)
    flat_names, flat = _columns(dataset, cont_feats)
    _, weights = _columns(dataset, wgt_feat)
    with FoldFileWriter(
        savename,
        cont_feats=flat_names,
        targ_feats=targ_names[0] if len(targ_names) == 1 else targ_names,
        targ_type=targ_type,
        wgt_feat=wgt_feat,
        matrix_feats=layout.matrix_feats,
        seed=seed,
        overwrite=overwrite,
    ) as file:
        for i, idxs in enumerate(folds):
            file.append(
                i,
                inputs=flat[idxs],
                targets=targets[idxs],
                weights=None if wgt_feat is None else weights[idxs],
                matrix_inputs=layout.pack(dataset, idxs),
                misc={"graph": idxs},
            )
    return file.path


def _columns(dataset: Sequence[object], attributes: str | Sequence[str] | None) -> tuple[list[str], np.ndarray]:
    """Give attributes of the graphs as columns ``(n, n_columns)``, and their names."""
    names: list[str] = []
    blocks = [np.zeros((len(dataset), 0))]
    for name in as_list(attributes):
        rows = [_values(dataset[i], name, f"graph {i}") for i in range(len(dataset))]
        if len(found := {len(row) for row in rows}) > 1:
            raise ShapeError(f"{name!r} must have as many values in every graph, got {sorted(found)}")
        names += [name] if len(rows[0]) == 1 else [f"{name}_{k}" for k in range(len(rows[0]))]
        blocks.append(np.stack(rows))
    return names, np.concatenate(blocks, axis=1)


def _groups(dataset: Sequence[object], group_key: str) -> np.ndarray:
    """Give the group of each graph, shape ``(n,)``."""
    _, values = _columns(dataset, group_key)
    if values.shape[1] != 1:
        raise ShapeError(f"group_key must name one number a graph, {group_key!r} has {values.shape[1]}")
    return values[:, 0]


def _values(graph: object, name: str, where: str) -> np.ndarray:
    """Give the values of an attribute of a graph, shape ``(n,)``."""
    values: np.ndarray = get_attribute(graph, name, where).double().numpy()
    if values.size != 1 and (values.ndim != 2 or len(values) != 1):
        raise ShapeError(
            f"{where}: {name!r} must be a number or of shape (1, n), the same n in every graph, got {values.shape}; "
            "targets of nodes are padded with 0 to shape (1, layout.n_nodes), features of nodes and edges belong into "
            "x and edge_attr"
        )
    return values.reshape(-1)
