"""What the graph takes: the columns of ``inputs``, and the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from attrs import define

from lumin_core.errors import ConfigError
from lumin_core.model import MatrixHead
from lumin_core.training import InputReader

if TYPE_CHECKING:
    from lumin_core.model import Inputs
    from lumin_core.training import Network


@define(frozen=True)
class Columns:
    """The inputs of the graph.

    Attributes:
        cont_feats: Continuous features, the first columns of ``inputs``.
        cat_feats: Categorical features, whose codes are the others.
        matrix_shape: Shape of an event's matrix, or ``None``.
        matrix_feats: Names of its elements.

    Example:
        >>> from lumin_plugin_onnx.columns import Columns
        >>> columns = Columns(["pt", "eta"], ["charge"], (3, 2), [])
        >>> columns.names, [part.shape for part in columns.example(4)]
        (['inputs', 'matrix'], [torch.Size([4, 3]), torch.Size([4, 3, 2])])
    """

    cont_feats: list[str]
    cat_feats: list[str]
    matrix_shape: tuple[int, int] | None
    matrix_feats: list[str]

    @property
    def n_flat(self) -> int:
        """Number of columns of ``inputs``."""
        return len(self.cont_feats) + len(self.cat_feats)

    @property
    def names(self) -> list[str]:
        """Names of the graph's inputs."""
        return ["inputs"] * (self.n_flat > 0) + ["matrix"] * (self.matrix_shape is not None)

    def example(self, n: int) -> Inputs:
        """Make inputs of ``n`` events, codes 0."""
        rng = torch.Generator().manual_seed(n)
        cont = torch.rand(n, len(self.cont_feats), generator=rng)
        flat = torch.cat((cont, torch.zeros(n, len(self.cat_feats))), dim=1)
        if self.matrix_shape is None:
            return flat
        matrix = torch.rand(n, *self.matrix_shape, generator=rng)
        return (flat, matrix) if self.n_flat else matrix


def columns_of(model: Network, *, raw: bool) -> Columns:
    """Return what the graph of a model takes.

    Args:
        model: The model.
        raw: Whether the recorded preprocessing is inside.

    Raises:
        ConfigError: If `raw` is asked for, and the model takes a matrix.

    Example:
        >>> from lumin_core import Model, ModelBuilder
        >>> from lumin_plugin_onnx.columns import columns_of
        >>> model = Model(ModelBuilder("regression", n_out=1, cont_feats=["pt", "eta"], seed=1))
        >>> columns_of(model, raw=False).cont_feats
        ['pt', 'eta']
    """
    reader, features = InputReader(model.model_builder, model.record), model.record.features
    heads = [module for module in model.head.modules() if isinstance(module, MatrixHead)]
    in_matrix = [feat for head in heads for feat in head.matrix_feats]
    flat = features.get("cont_feats", [feat for feat in reader.cont_feats if feat not in in_matrix])
    if not heads or set(in_matrix) <= set(flat):  # also where training was on the features of the matrix, but flat
        feats = features.get("file_feats", reader.cont_feats) if raw else reader.cont_feats
        return Columns(feats, reader.cat_feats, None, [])
    if raw:
        raise ConfigError("raw=True takes flat inputs alone, and the model takes a matrix: export without it")
    shape = (heads[0].n_v, heads[0].n_fpv) if heads[0].row_wise else (heads[0].n_fpv, heads[0].n_v)
    return Columns([feat for feat in reader.cont_feats if feat in flat], reader.cat_feats, shape, in_matrix)
