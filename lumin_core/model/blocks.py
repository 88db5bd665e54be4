"""The interfaces of what a model is built of: heads, bodies, tails and endcaps.

::

    inputs (B, F), or flat and matrix  ->  head  (B, head width)
                                       ->  body  (B, body width)
                                       ->  tail  (B, n_out)
    predictions (B, n_out)             ->  endcap  (B, *)

A block is a `torch.nn.Module` that knows the width of what it gives. Its constructor names what it wants of what the
builder offers, and its other arguments are the user's options:

====  ===========================================================
head  ``cont_feats, cat_embedder, lookup_init, lookup_act, freeze``
body  ``n_in, feat_map, lookup_init, lookup_act, freeze``
tail  ``n_in, n_out, objective, lookup_init, freeze``
====  ===========================================================

A constructor that takes ``freeze`` ends with ``if freeze: self.freeze_layers()``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from lumin_core.data.matrix import object_mask
from lumin_core.errors import ConfigError, ShapeError, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from lumin_core.model.embedding import CatEmbedder

Inputs = Tensor | tuple[Tensor, Tensor]
"""What a head is given: all features flat, ``(B, n_cont + n_cat)``, or such a tensor and a matrix."""


class Block(nn.Module, ABC):
    """A part of a model that knows the width of its output and can be frozen.

    Example:
        >>> import torch
        >>> from lumin_core.model.blocks import Block
        >>> class Double(Block):
        ...     def forward(self, x):
        ...         return 2 * x
        ...     def get_out_size(self):
        ...         return 3
        >>> Double()(torch.ones(1, 3))
        tensor([[2., 2., 2.]])
        >>> Double().get_param_count()
        0
    """

    @abstractmethod
    def forward(self, x: Any) -> Tensor:
        """Turn the inputs into a tensor of shape ``(B, get_out_size())``."""

    @abstractmethod
    def get_out_size(self) -> int:
        """Give the number of columns of the output."""

    def get_param_count(self, trainable: bool = True) -> int:
        """Count the parameters.

        Args:
            trainable: Count only those that are trained, so none of a frozen block.
        """
        return sum(p.numel() for p in self.parameters() if p.requires_grad or not trainable)

    def freeze_layers(self) -> None:
        """Keep every parameter as it is in training."""
        self.requires_grad_(False)

    def unfreeze_layers(self) -> None:
        """Let every parameter be trained again."""
        self.requires_grad_(True)


class Head(Block):
    """Takes the inputs as they come from the data to a tensor of shape ``(B, get_out_size())``.

    A subclass sets `feat_map`: for every input feature the columns of the output that depend on it.

    Args:
        cont_feats: Names of the continuous features, in the order of the first columns of the inputs.
        cat_embedder: Names and cardinalities of the categorical features, the columns behind those.

    Attributes:
        feat_map: Feature to output columns.

    Example:
        >>> import torch
        >>> from lumin_core.model.blocks import Head
        >>> class FirstOnly(Head):
        ...     def __init__(self, cont_feats):
        ...         super().__init__(cont_feats)
        ...         self.feat_map = {cont_feats[0]: [0]}
        ...     def forward(self, x):
        ...         return x[:, :1]
        ...     def get_out_size(self):
        ...         return 1
        >>> FirstOnly(["pt", "eta"])(torch.tensor([[30.0, 1.2]]))
        tensor([[30.]])
    """

    kind: ClassVar[str] = "head"

    def __init__(self, cont_feats: Sequence[str], cat_embedder: CatEmbedder | None = None) -> None:
        super().__init__()
        self.cont_feats = list(cont_feats)
        self.cat_embedder = cat_embedder
        self.feat_map: dict[str, list[int]] = {}

    @property
    def cat_feats(self) -> list[str]:
        """Names of the categorical features."""
        return [] if self.cat_embedder is None else list(self.cat_embedder.cat_names)


class MatrixHead(Head):
    """A head for objects (particles, jets) that share their features: hands subclasses a matrix and a mask.

    The data come as a matrix, alone or behind the flat inputs, or all flat: then columns named ``{vec}_{feat}`` are
    gathered into the matrix, and an element for which there is no column is 0.

    Args:
        cont_feats: Those elements ``{vec}_{feat}`` of the matrix that exist, in the order of the columns of flat
            inputs; empty if the data always come as a matrix.
        vecs: Names of the objects.
        feats_per_vec: Names of the features of an object.
        row_wise: Whether matrices come as ``(B, N, F)``, an object a row, or as ``(B, F, N)``. Subclasses get
            ``(B, N, F)`` in either case.

    Attributes:
        matrix_feats: Names of the elements that exist: ``cont_feats``, or every element if those are empty.

    Raises:
        ConfigError: If a feature is no element of the matrix, or an object or a feature of objects has no column.

    Example:
        >>> import torch
        >>> from lumin_core.model.blocks import MatrixHead
        >>> class SumOfObjects(MatrixHead):
        ...     def __init__(self, cont_feats, vecs, feats_per_vec, row_wise=True):
        ...         super().__init__(cont_feats, vecs, feats_per_vec, row_wise)
        ...         self.feat_map = self.map_to_all()
        ...     def forward(self, x):
        ...         matrix, mask = self.get_matrix(x)
        ...         return matrix.sum(1)
        ...     def get_out_size(self):
        ...         return self.n_fpv
        >>> head = SumOfObjects(["tau_px", "tau_py", "met_px"], ["tau", "met"], ["px", "py"])
        >>> head(torch.tensor([[1.0, 2.0, 3.0]]))
        tensor([[4., 2.]])
    """

    def __init__(
        self, cont_feats: Sequence[str], vecs: Sequence[str], feats_per_vec: Sequence[str], row_wise: bool = True
    ) -> None:
        super().__init__(cont_feats)
        self.vecs, self.feats_per_vec, self.row_wise = list(vecs), list(feats_per_vec), row_wise
        self.n_v, self.n_fpv = len(self.vecs), len(self.feats_per_vec)
        elements = matrix_elements(vecs, feats_per_vec)
        self.matrix_feats = self.cont_feats or elements
        self._check_elements(elements)
        column, present = {feat: i for i, feat in enumerate(self.cont_feats)}, set(self.matrix_feats)
        missing = torch.tensor([feat not in present for feat in elements])
        self._columns: Tensor
        self._missing: Tensor
        self.register_buffer("_columns", torch.tensor([column.get(feat, 0) for feat in elements]), persistent=False)
        self.register_buffer("_missing", missing, persistent=False)

    def get_matrix(self, x: Inputs) -> tuple[Tensor, Tensor]:
        """Give the matrix, zero where nothing is, and the mask of the objects that are present.

        In a matrix an absent object is a row (column) of NaN. In flat inputs, where missing values are read as 0, it
        is one whose existing elements all are 0 or NaN.

        Args:
            x: A matrix ``(B, N, F)`` (``(B, F, N)`` unless row-wise), a pair whose second is that, or flat inputs
                ``(B, F)`` whose first columns are ``cont_feats``.

        Returns:
            The matrix ``(B, N, F)``, and the mask ``(B, N)``, true = present.

        Raises:
            ShapeError: If the inputs do not have one of these shapes.
        """
        x = x if isinstance(x, Tensor) else x[1]
        if x.dim() == 2:
            return self._from_flat(x)
        matrix = x if self.row_wise else x.transpose(-1, -2)
        if matrix.shape[1:] != (self.n_v, self.n_fpv):
            raise ShapeError(self._shape_message(x))
        return matrix.masked_fill(matrix.isnan(), 0), object_mask(matrix)

    def map_to_all(self) -> dict[str, list[int]]:
        """Give the `feat_map` of a head whose every output depends on every element."""
        return {feat: list(range(self.get_out_size())) for feat in self.matrix_feats}

    def _from_flat(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if not self.cont_feats or x.shape[1] < len(self.cont_feats):
            raise ShapeError(self._shape_message(x))
        elements = x.index_select(1, self._columns)
        matrix = elements.masked_fill(elements.isnan() | self._missing, 0).view(-1, self.n_v, self.n_fpv)
        return matrix, (matrix != 0).any(-1)

    def _shape_message(self, x: Tensor) -> str:
        axes, shape = ("(B, N, F)", (self.n_v, self.n_fpv)) if self.row_wise else ("(B, F, N)", (self.n_fpv, self.n_v))
        flat = f" or flat inputs (B, {len(self.cont_feats)})" if self.cont_feats else ""
        return (
            f"expected a matrix {axes} = (B, {shape[0]}, {shape[1]}){flat}, got shape {tuple(x.shape)}; "
            f"row_wise={not self.row_wise} takes matrices of the other orientation"
        )

    def _check_elements(self, elements: list[str]) -> None:
        known, present = set(elements), set(self.matrix_feats)
        if not elements or len(known) < len(elements):
            msg = f"vecs and feats_per_vec must hold names, each once, got {self.vecs} and {self.feats_per_vec}"
            raise ConfigError(msg)
        if unknown := [feat for feat in self.cont_feats if feat not in known]:
            msg = (
                f"cont_feats has {listed(unknown)}, no elements {{vec}}_{{feat}} of vecs ({listed(self.vecs)}) and "
                f"feats_per_vec ({listed(self.feats_per_vec)}); use multi_head to feed flat features beside a matrix, "
                "or leave them out by ignore_feats of the FoldYielder"
            )
            raise ConfigError(msg)
        for name, own in self._owners().items():
            if present.isdisjoint(own):
                msg = f"is {name!r} misspelt? none of {listed(own)} is among the features {listed(self.cont_feats)}"
                raise ConfigError(msg)

    def _owners(self) -> Mapping[str, list[str]]:
        by_vec = {vec: matrix_elements([vec], self.feats_per_vec) for vec in self.vecs}
        return by_vec | {feat: matrix_elements(self.vecs, [feat]) for feat in self.feats_per_vec}


def matrix_elements(vecs: Sequence[str], feats_per_vec: Sequence[str]) -> list[str]:
    """Give the names of the elements of a matrix of objects, row by row.

    Example:
        >>> from lumin_core.model.blocks import matrix_elements
        >>> matrix_elements(["tau", "met"], ["px", "py"])
        ['tau_px', 'tau_py', 'met_px', 'met_py']
    """
    return [f"{vec}_{feat}" for vec in vecs for feat in feats_per_vec]


class Body(Block):
    """The main part of a model: ``(B, n_in)`` to ``(B, get_out_size())``.

    Args:
        n_in: Number of columns of the head's output.
        feat_map: Input feature to columns of the head's output.

    Example:
        >>> import torch
        >>> from lumin_core.model.blocks import Body
        >>> class Sum(Body):
        ...     def forward(self, x):
        ...         return x.sum(1, keepdim=True)
        ...     def get_out_size(self):
        ...         return 1
        >>> Sum(2, {"pt": [0], "eta": [1]})(torch.tensor([[3.0, 4.0]]))
        tensor([[7.]])
    """

    kind: ClassVar[str] = "body"

    def __init__(self, n_in: int, feat_map: Mapping[str, Sequence[int]]) -> None:
        super().__init__()
        self.n_in = n_in
        self.feat_map = {feat: list(columns) for feat, columns in feat_map.items()}


class Tail(Block):
    """The end of a model: ``(B, n_in)`` to predictions ``(B, n_out)``.

    Args:
        n_in: Number of columns of the body's output.
        n_out: Number of outputs.
        objective: ``"classification"`` (binary and multi-label), ``"multiclass"`` or ``"regression"``.

    Raises:
        ConfigError: If the objective is none of these.

    Example:
        >>> import torch
        >>> from lumin_core.model.blocks import Tail
        >>> class Mean(Tail):
        ...     def forward(self, x):
        ...         return x.mean(1, keepdim=True)
        >>> Mean(2, 1, "regression")(torch.tensor([[3.0, 4.0]]))
        tensor([[3.5000]])
    """

    kind: ClassVar[str] = "tail"

    def __init__(self, n_in: int, n_out: int, objective: str) -> None:
        super().__init__()
        if objective not in OBJECTIVES:
            msg = f"objective must be one of {', '.join(OBJECTIVES)}, got {objective!r}"
            raise ConfigError(msg)
        self.n_in, self.n_out, self.objective = n_in, n_out, objective

    def get_out_size(self) -> int:
        """Give the number of outputs."""
        return self.n_out


OBJECTIVES = ("classification", "multiclass", "regression")
"""What a model can be trained for, as tails see it."""


class Endcap(Block):
    """Computes further on the predictions of a trained model, for instance a mass from predicted momenta.

    A subclass gives `func` and `get_out_size`.

    Args:
        model: The trained model, or whatever has its ``predict``.

    Example:
        >>> import torch
        >>> from lumin_core.model.blocks import Endcap
        >>> class Magnitude(Endcap):
        ...     def func(self, y_pred):
        ...         return y_pred.norm(dim=1, keepdim=True)
        ...     def get_out_size(self):
        ...         return 1
        >>> class Trained:
        ...     def predict(self, inputs, as_np=True):
        ...         return torch.as_tensor(inputs)
        >>> Magnitude(Trained()).predict(torch.tensor([[3.0, 4.0]]))
        array([[5.]], dtype=float32)
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    @abstractmethod
    def func(self, y_pred: Tensor) -> Tensor:
        """Turn predictions ``(B, n_out)`` into ``(B, get_out_size())``."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply `func` to predictions ``(B, n_out)``."""
        return self.func(x)

    def predict(self, inputs: Any, as_np: bool = True) -> np.ndarray | Tensor:
        """Predict with the model and compute further.

        Args:
            inputs: What the model's ``predict`` takes and answers directly: an array, a data frame, a tensor,
                ``(flat, matrix)``.
            as_np: Whether to give an array or a tensor.

        Returns:
            Shape ``(n, get_out_size())``.

        Raises:
            ConfigError: For a `FoldYielder`, whose predictions would be saved without the endcap.
        """
        if hasattr(inputs, "save_fold_pred"):
            msg = "an endcap predicts arrays: pass fy.get_fold(i)['inputs'], and save with fy.save_fold_pred"
            raise ConfigError(msg)
        with torch.no_grad():
            result = self.func(self.model.predict(inputs, as_np=False))
        return result.cpu().numpy() if as_np else result
