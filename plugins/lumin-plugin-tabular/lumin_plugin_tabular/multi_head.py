"""A head for flat inputs beside a head for a matrix of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from lumin_core.errors import ConfigError, ShapeError
from lumin_core.model import Head, lookup_act, matrix_elements, normal_initialiser, prepared_head
from lumin_core.registry import build, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core import FoldYielder
    from lumin_core.model import CatEmbedder, Inputs, LookupAct, LookupInit, Spec


class MultiHead(Head):
    """Gives the output of a head for flat inputs and, behind it, that of a head for a matrix.

    The inputs are flat and matrix, or all flat: continuous features, those of the matrix among
    them, then categories. A feature goes to one of the two: to the matrix head if it is an element
    ``{vec}_{feat}`` of its matrix. Each is given missing values as it asks for them (`missing`).

    Args:
        cont_feats: Names of all continuous features; those of the matrix may be left out if it
            always comes as one.
        matrix_head: The head for the matrix, with its options ``vecs`` and ``feats_per_vec``; as
            dict or partial.
        flat_head: The head for the flat inputs, by name, dict, class or partial.
        cat_embedder: The categorical features; the flat head gets it.
        lookup_init: Gives the initialiser of the weights for an activation; both heads get it.
        lookup_act: Gives the activation layer by its name; both heads get it.
        freeze: Whether the parameters of both stay as they are.

    Raises:
        ConfigError: If the matrix head lacks ``vecs`` or ``feats_per_vec``.

    Example:
        >>> import torch
        >>> from functools import partial
        >>> from lumin_core.model import MatrixHead
        >>> from lumin_plugin_tabular import MultiHead
        >>> # with the gnn plugin: {"name": "gnn_head", "vecs": ...}
        >>> class SumOfObjects(MatrixHead):
        ...     def __init__(self, cont_feats, vecs, feats_per_vec):
        ...         super().__init__(cont_feats, vecs, feats_per_vec)
        ...         self.feat_map = self.map_to_all()
        ...     def forward(self, x):
        ...         return self.get_matrix(x)[0].sum(1)
        ...     def get_out_size(self):
        ...         return self.n_fpv
        >>> head = MultiHead(
        ...     ["met"], partial(SumOfObjects, vecs=["tau", "jet"], feats_per_vec=["px", "py"])
        ... )
        >>> head((torch.tensor([[10.0]]), torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])))
        tensor([[10.,  4.,  6.]])
    """

    example_options: ClassVar[Mapping[str, object]] = {
        "matrix_head": {"name": "gnn/gnn_head", "vecs": ["tau", "jet"], "feats_per_vec": ["px", "py", "pz", "E"]}
    }

    def __init__(
        self,
        cont_feats: Sequence[str],
        matrix_head: Spec,
        flat_head: Spec = "tabular/cat_emb_head",
        cat_embedder: CatEmbedder | None = None,
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
        freeze: bool = False,
    ) -> None:
        super().__init__(cont_feats, cat_embedder)
        elements = _elements(matrix_head)
        n_cont, n_all = len(self.cont_feats), len(self.cont_feats) + len(self.cat_feats)
        in_matrix = [i for i, feat in enumerate(self.cont_feats) if feat in elements]
        flat = [i for i in range(n_all) if i not in in_matrix]
        given = {"lookup_init": lookup_init, "lookup_act": lookup_act, "freeze": freeze}
        flat_feats = [self.cont_feats[i] for i in flat if i < n_cont]
        self.flat_head = build("head", flat_head, cont_feats=flat_feats, cat_embedder=cat_embedder, **given)
        self.matrix_head = build("head", matrix_head, cont_feats=[self.cont_feats[i] for i in in_matrix], **given)
        asked = [self.flat_head.missing, self.matrix_head.missing]
        self.missing = next((missing for missing in asked if missing != "zero"), "zero")
        self.n_in = n_all
        self.n_in_matrix = len(in_matrix)
        self._flat_columns: Tensor
        self._matrix_columns: Tensor
        self.register_buffer("_flat_columns", torch.tensor(flat, dtype=torch.long), persistent=False)
        self.register_buffer("_matrix_columns", torch.tensor(in_matrix, dtype=torch.long), persistent=False)
        offset = self.flat_head.get_out_size()
        self.feat_map = dict(self.flat_head.feat_map)
        self.feat_map |= {feat: [offset + i for i in out] for feat, out in self.matrix_head.feat_map.items()}
        if freeze:
            self.freeze_layers()

    @classmethod
    def prepare(
        cls,
        fy: FoldYielder,
        columns: Sequence[str],
        matrix_head: Spec | None = None,
        flat_head: Spec = "tabular/cat_emb_head",
        folds: Sequence[int] | None = None,
    ) -> dict[str, object]:
        """Ask both heads what they need to know of data.

        Args:
            fy: The data.
            columns: Names of all continuous features.
            matrix_head: See the constructor.
            flat_head: See the constructor.
            folds: Numbers of the folds that may be looked at; ``None`` for all.

        Returns:
            The heads that need to know something, with that among their options.
        """
        if matrix_head is None:
            return {}
        elements = _elements(matrix_head)
        flat = [feat for feat in columns if feat not in elements]
        in_matrix = [feat for feat in columns if feat in elements]
        asked = {"flat_head": (flat_head, flat), "matrix_head": (matrix_head, in_matrix)}
        told = {name: prepared_head(spec, fy, feats, folds) for name, (spec, feats) in asked.items()}
        return {name: spec for name, spec in told.items() if spec is not asked[name][0]}

    def forward(self, x: Inputs) -> Tensor:
        """Turn flat inputs, or flat and matrix, into ``(B, get_out_size())``.

        Inputs are ``(flat, matrix)``, or all flat ``(B, n_cont + n_cat)``.

        Raises:
            ShapeError: If flat inputs do not have that many columns, or lack the matrix.
        """
        flat, matrix = self._split(x) if isinstance(x, Tensor) else x
        if self.missing != "zero":
            flat, matrix = self._as_asked(flat, matrix)
        return torch.cat((self.flat_head(flat), self.matrix_head(matrix)), dim=1)

    def get_out_size(self) -> int:
        """Give the widths of both heads together."""
        return int(self.flat_head.get_out_size() + self.matrix_head.get_out_size())

    def _as_asked(self, flat: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """Fill missing values for the head that takes zeros where the other keeps them.

        Objects that are absent stay so.
        """
        if self.flat_head.missing == "zero":
            flat = flat.masked_fill(flat.isnan(), 0)
        if self.matrix_head.missing == "zero":
            gaps = matrix.isnan()
            if matrix.dim() == 3:
                gaps = gaps & ~gaps.all(2 if getattr(self.matrix_head, "row_wise", True) else 1, keepdim=True)
            matrix = matrix.masked_fill(gaps, 0)
        return flat, matrix

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.dim() != 2 or x.shape[1] != self.n_in or self.n_in_matrix == 0:
            msg = f"multi_head takes a pair (flat, matrix), or flat inputs (B, {self.n_in}) that hold the matrix's "
            msg += f"features ({self.n_in_matrix} of cont_feats are such), got shape {tuple(x.shape)}"
            raise ShapeError(msg)
        return x.index_select(1, self._flat_columns), x.index_select(1, self._matrix_columns)


def _elements(matrix_head: Spec) -> set[str]:
    options = resolve("head", matrix_head).keywords
    if missing := [name for name in ("vecs", "feats_per_vec") if not options.get(name)]:
        msg = f"multi_head needs to know the matrix: give matrix_head its {' and '.join(missing)}, "
        msg += 'as in {"name": "gnn_head", "vecs": ["tau"], "feats_per_vec": ["px", "py"]}'
        raise ConfigError(msg)
    return set(matrix_elements(options["vecs"], options["feats_per_vec"]))
