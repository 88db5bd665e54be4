"""The interfaces of what a model is built of: heads, bodies and tails.

::

    inputs (B, F), or flat and matrix  ->  head  (B, head width)
                                       ->  body  (B, body width)
                                       ->  tail  (B, n_out)

A block is a `torch.nn.Module` that knows the width of what it gives. Its constructor names what it
wants of what the builder offers, and its other arguments are the user's options:

====  ===========================================================
head  ``cont_feats, cat_embedder, lookup_init, lookup_act, freeze``
body  ``n_in, feat_map, lookup_init, lookup_act, freeze``
tail  ``n_in, n_out, objective, members, lookup_init, freeze``
====  ===========================================================

A constructor that takes ``freeze`` ends with ``if freeze: self.freeze_layers()``.

A body may be several networks in one, its members, see `lumin_core.model.members`: it says how many
and gives their outputs side by side, and the tail is told.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

from torch import Tensor, nn

from lumin_core.errors import ConfigError
from lumin_core.model.objective import OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.model.embedding import CatEmbedder


Inputs = Tensor | tuple[Tensor, Tensor]
"""What a head is given: flat features, ``(B, n_cont + n_cat)``, or these and a matrix."""


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

    _is_frozen: bool = False
    _mode: bool = True  # as it was last asked for

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
        """Keep every parameter, and the statistics of norms, as they are in training.

        The block stays in evaluation mode, without dropout.
        """
        set_frozen(self, frozen=True)

    def unfreeze_layers(self) -> None:
        """Let every parameter be trained again."""
        set_frozen(self, frozen=False)

    def train(self, mode: bool = True) -> Self:
        """Set the mode; what is frozen stays in evaluation mode.

        That is a block after `freeze_layers`, and any part of one all of whose parameters are held.

        Args:
            mode: Whether it is that of training.
        """
        self._mode = mode
        super().train(mode)
        for part in filter(_is_frozen, self.modules()):
            for inner in part.modules():
                inner.training = False  # not eval(), which would be asked for
        return self


def set_frozen(module: nn.Module, *, frozen: bool) -> None:
    """Hold all parameters of a module, and what else moves in training, or let them go.

    Args:
        module: A block, or what has blocks inside.
        frozen: Whether they are held.

    Example:
        >>> from torch import nn
        >>> from lumin_core.model.blocks import Body, set_frozen
        >>> class Norm(Body):
        ...     def __init__(self):
        ...         super().__init__(2, {"a": [0], "b": [1]})
        ...         self.norm = nn.BatchNorm1d(2)
        ...     def forward(self, x):
        ...         return self.norm(x)
        ...     def get_out_size(self):
        ...         return 2
        >>> body = Norm()
        >>> set_frozen(body, frozen=True)
        >>> body.train().norm.training
        False
    """
    module.requires_grad_(not frozen)
    blocks = [part for part in module.modules() if isinstance(part, Block)]
    for block in blocks:
        block._is_frozen = frozen
    for block in blocks:
        block.train(block._mode)


def as_held(module: nn.Module) -> None:
    """Take blocks for frozen or not as their parameters say, which were set one by one.

    Args:
        module: A block, or what has blocks inside.

    Example:
        >>> from lumin_core import ModelBuilder
        >>> from lumin_core.model.blocks import as_held
        >>> body = ModelBuilder("regression", 1, ["pt"]).build_model()[1]
        >>> body.freeze_layers()
        >>> for parameter in body.parameters():
        ...     _ = parameter.requires_grad_()
        >>> as_held(body)
        >>> body.train().training
        True
    """
    for block in (part for part in module.modules() if isinstance(part, Block)):
        if any(parameter.requires_grad for parameter in block.parameters()):
            block._is_frozen = False
    module.train(module.training)


def _is_frozen(module: nn.Module) -> bool:
    held = [not parameter.requires_grad for parameter in module.parameters()]
    return (isinstance(module, Block) and module._is_frozen) or (bool(held) and all(held))


class Head(Block):
    """Takes the inputs as they come from the data to a tensor of shape ``(B, get_out_size())``.

    A subclass sets `feat_map`: for every input feature the columns of the output that depend on it,
    none for one that it does not use. It is looked at when a model is built.

    Args:
        cont_feats: Names of the continuous features, in the order of the first columns
            of the inputs.
        cat_embedder: Names and cardinalities of the categorical features, the columns behind those.

    Attributes:
        feat_map: Feature to output columns.
        missing: What it takes for missing values of inputs: ``"zero"``, or ``"keep"`` for NaN.
        any_scale: Whether it takes inputs as they are, far from 0 and of any spread.

    Example:
        >>> import torch
        >>> from lumin_core.model.blocks import Head
        >>> class FirstOnly(Head):
        ...     def __init__(self, cont_feats):
        ...         super().__init__(cont_feats)
        ...         self.feat_map = dict.fromkeys(cont_feats, []) | {cont_feats[0]: [0]}
        ...     def forward(self, x):
        ...         return x[:, :1]
        ...     def get_out_size(self):
        ...         return 1
        >>> FirstOnly(["pt", "eta"])(torch.tensor([[30.0, 1.2]]))
        tensor([[30.]])
    """

    kind: ClassVar[str] = "head"
    missing: str = "zero"
    any_scale: bool = False

    def __init__(self, cont_feats: Sequence[str], cat_embedder: CatEmbedder | None = None) -> None:
        super().__init__()
        self.cont_feats = list(cont_feats)
        self.cat_embedder = cat_embedder
        self.feat_map: dict[str, list[int]] = {}

    @classmethod
    def prepare(cls, fy: FoldYielder, columns: Sequence[str]) -> dict[str, object]:
        """Return options that only data can tell, such as bins; by default there are none.

        It is asked once for all models of a training, before the first is built. What it returns
        is given to the constructor and saved with the model; what the user gives wins.

        An override may name further arguments, with defaults: options of the constructor, which
        it is given as far as the user set them, and ``folds``, the numbers of the folds that may
        be looked at (``None`` for all).

        Args:
            fy: The data; `FoldYielder.training_folds` gives folds with NaN where values are
                missing.
            columns: Names of the continuous features, of which a model may be given a part.

        Returns:
            Options of the constructor, as plain values; ``{}`` where nothing is to be asked.
        """
        return {}

    @property
    def cat_feats(self) -> list[str]:
        """Names of the categorical features."""
        return [] if self.cat_embedder is None else list(self.cat_embedder.cat_names)


class Body(Block):
    """The main part of a model: ``(B, n_in)`` to ``(B, get_out_size())``.

    Args:
        n_in: Number of columns of the head's output.
        feat_map: Input feature to columns of the head's output.

    Attributes:
        members: Number of networks that it is. More than one stand side by side in its output,
            member by member: ``get_out_size()`` is members times the width of each.

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
    members: int = 1

    def __init__(self, n_in: int, feat_map: Mapping[str, Sequence[int]]) -> None:
        super().__init__()
        self.n_in = n_in
        self.feat_map = {feat: list(columns) for feat, columns in feat_map.items()}


class Tail(Block):
    """The end of a model: ``(B, n_in)`` to predictions ``(B, n_out)``.

    One for bodies with members takes ``members`` and sets it, and defines `of_members`, so that
    ``forward`` can give that in training, and in evaluation its `mean_of_members`.

    Args:
        n_in: Number of columns of the body's output, of all members together.
        n_out: Number of outputs.
        objective: ``"classification"`` (binary and multi-label), ``"multiclass"`` or
            ``"regression"``.

    Attributes:
        members: Number of networks whose outputs it takes, those of the body.

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
    members: int = 1

    def __init__(self, n_in: int, n_out: int, objective: str) -> None:
        super().__init__()
        self.n_in = n_in
        self.n_out = n_out
        self.objective = objective
        if objective not in OBJECTIVES:
            raise ConfigError(f"objective must be one of {', '.join(OBJECTIVES)}, got {objective!r}")

    def get_out_size(self) -> int:
        """Give the number of outputs."""
        return self.n_out

    def of_members(self, x: Tensor) -> Tensor:
        """Turn ``(B, n_in)`` into the predictions of each member, ``(B, members, n_out)``.

        That is in any mode; it is asked only where there is more than one.
        """
        raise NotImplementedError(f"{type(self).__name__} has members = {self.members} and must define of_members(x)")

    def train(self, mode: bool = True) -> Self:
        """Set the mode, which tells a tail with members whether these are wanted, or their mean.

        So one that is frozen has it too, unlike what it is made of.

        Args:
            mode: Whether it is that of training.
        """
        super().train(mode)
        if self.members > 1:
            self.training = mode
        return self
