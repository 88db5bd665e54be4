"""A body of several bodies, each of which sees some of the features."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor, nn

from lumin_core.checks import did_you_mean
from lumin_core.errors import ConfigError
from lumin_core.model import Body, dense_layer, lookup_act, normal_initialiser
from lumin_core.registry import build

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lumin_core.model import LookupAct, LookupInit, Spec


class MultiBlock(Body):
    """Gives each block its features, and the outputs of all blocks side by side.

    With a bottleneck, each block is also given a few learned combinations of the features that
    it does not see.

    Args:
        n_in: Number of columns of the head's output.
        feat_map: Input feature to columns of the head's output.
        blocks: The bodies, by name, dict, class or partial.
        feats_per_block: For each block its features, by name or by a pattern such as ``"jet_*"``. A
            feature may go to several blocks.
        bottleneck_sz: Number of combinations for each block; 0 for none.
        bottleneck_act: Their activation; linear by default.
        lookup_init: Gives the initialiser of the weights for an activation; the blocks get it.
        lookup_act: Gives the activation layer by its name; the blocks get it.
        freeze: Whether the parameters of blocks and bottlenecks stay as they are.

    Raises:
        ConfigError: If a name or pattern fits no feature, a block has none, or a feature is in no
            block and there is no bottleneck to see it; if there is a bottleneck beside a block that
            sees all features; if a block has members.

    Example:
        >>> import torch
        >>> from lumin_plugin_tabular import MultiBlock
        >>> body = MultiBlock(
        ...     3,
        ...     {"tau_pt": [0], "tau_eta": [1], "met": [2]},
        ...     blocks=[{"name": "fully_connected", "depth": 1, "width": 8}, "ident_body"],
        ...     feats_per_block=[["tau_*"], ["met"]],
        ... )
        >>> body(torch.ones(5, 3)).shape
        torch.Size([5, 9])
    """

    example_options: ClassVar[Mapping[str, object]] = {
        "blocks": ["tabular/ident_body", {"name": "tabular/fully_connected", "depth": 1, "width": 3}],
        "feats_per_block": [["tau_*"], ["jet_*", "met_*", "channel", "n_jets"]],
    }

    def __init__(
        self,
        n_in: int,
        feat_map: Mapping[str, Sequence[int]],
        blocks: Sequence[Spec],
        feats_per_block: Sequence[Sequence[str]],
        bottleneck_sz: int = 0,
        bottleneck_act: Spec | None = None,
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
        freeze: bool = False,
    ) -> None:
        super().__init__(n_in, feat_map)
        _check(blocks, feats_per_block, bottleneck_sz, bottleneck_act)
        self.feats_per_block = [_matching(patterns, list(self.feat_map)) for patterns in feats_per_block]
        seen = [self._columns(feats) for feats in self.feats_per_block]
        rest = [[i for i in self._columns(self.feat_map) if i not in columns] for columns in seen]
        self._check_unseen(rest, bottleneck_sz)
        given: dict[str, Any] = {"lookup_init": lookup_init, "lookup_act": lookup_act}
        self.masks = nn.ModuleList(map(_Columns, seen))
        self.blocks = nn.ModuleList(
            build("body", block, n_in=len(i) + bottleneck_sz, feat_map=self._places(feats), freeze=freeze, **given)
            for block, i, feats in zip(blocks, seen, self.feats_per_block, strict=True)
        )
        act, rest = bottleneck_act or "linear", rest if bottleneck_sz else []
        self.bottleneck_masks = nn.ModuleList(map(_Columns, rest))
        self.bottleneck_blocks = nn.ModuleList(dense_layer(len(i), bottleneck_sz, act=act, **given) for i in rest)
        _check_members(self.blocks)
        self.n_out = sum(block.get_out_size() for block in cast("Iterable[Body]", self.blocks))
        if freeze:
            self.freeze_layers()

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(B, n_in)`` into the outputs of all blocks, ``(B, get_out_size())``."""
        inputs = [mask(x) for mask in self.masks]
        if self.bottleneck_blocks:
            rest = zip(self.bottleneck_blocks, self.bottleneck_masks, strict=True)
            learned = [bottleneck(mask(x)) for bottleneck, mask in rest]
            inputs = [torch.cat(pair, dim=1) for pair in zip(inputs, learned, strict=True)]
        return torch.cat([block(x_i) for block, x_i in zip(self.blocks, inputs, strict=True)], dim=1)

    def get_out_size(self) -> int:
        """Give the widths of all blocks together."""
        return self.n_out

    def _columns(self, feats: Iterable[str]) -> list[int]:
        """Give the columns of features, each once: those of a matrix may share theirs."""
        return sorted({i for feat in feats for i in self.feat_map[feat]})

    def _places(self, feats: Sequence[str]) -> dict[str, list[int]]:
        """Give the feature map of a block, in the columns that it is given."""
        columns = self._columns(feats)
        return {feat: [columns.index(i) for i in self.feat_map[feat]] for feat in feats}

    def _check_unseen(self, rest: Sequence[Sequence[int]], bottleneck_sz: int) -> None:
        in_a_block = {feat for feats in self.feats_per_block for feat in feats}
        unseen = [feat for feat in self.feat_map if feat not in in_a_block]
        if unseen and not bottleneck_sz:
            msg = f"multi_block gives {unseen} to no block: add them to feats_per_block, set bottleneck_sz, "
            msg += "or leave them out of the model's features"
            raise ConfigError(msg)
        for i, columns in enumerate(rest):
            if bottleneck_sz and not columns:
                msg = f"block {i} of multi_block sees every feature, so that nothing is left for its bottleneck: "
                msg += "set bottleneck_sz=0, or give the block fewer features"
                raise ConfigError(msg)


def _check_members(blocks: Iterable[nn.Module]) -> None:
    for i, block in enumerate(cast("Iterable[Body]", blocks)):
        if block.members > 1:
            msg = f"block {i} of multi_block has {block.members} members, which are networks of their own, up to the "
            msg += "tail: give it a body of one network, or use that body alone"
            raise ConfigError(msg)


class _Columns(nn.Module):
    """Takes columns of its input."""

    def __init__(self, columns: Sequence[int]) -> None:
        super().__init__()
        self.index: Tensor
        self.register_buffer("index", torch.tensor(columns), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x.index_select(1, self.index)


def _check(
    blocks: Sequence[Spec], feats_per_block: Sequence[object], bottleneck_sz: int, bottleneck_act: Spec | None
) -> None:
    if not blocks or len(blocks) != len(feats_per_block):
        msg = "multi_block needs at least one block and a list of features for each, "
        msg += f"got {len(blocks)} blocks and {len(feats_per_block)} lists"
        raise ConfigError(msg)
    if bottleneck_sz < 0 or (bottleneck_act is not None and bottleneck_sz == 0):
        msg = "multi_block needs a bottleneck_sz of at least 0, and at least 1 with a bottleneck_act, "
        msg += f"got bottleneck_sz={bottleneck_sz} and bottleneck_act={bottleneck_act!r}"
        raise ConfigError(msg)


def _matching(patterns: Sequence[str], feats: list[str]) -> list[str]:
    """Give the features, in the order of the feature map, that are named or fit a pattern."""
    if isinstance(patterns, str):
        msg = f"feats_per_block holds a list of features for each block, got {patterns!r}: write [{patterns!r}]"
        raise ConfigError(msg)
    chosen: set[str] = set()
    for pattern in patterns:
        found = [pattern] if pattern in feats else [feat for feat in feats if fnmatchcase(feat, pattern)]
        if not found:
            msg = f"feats_per_block names {pattern!r}, which is no input feature{did_you_mean(pattern, feats)}; "
            msg += "with subsampled features use a pattern, as 'jet_*', that fits at least one"
            raise ConfigError(msg)
        chosen.update(found)
    if not chosen:
        msg = "each list of feats_per_block must name at least one feature, got an empty one"
        raise ConfigError(msg)
    return [feat for feat in feats if feat in chosen]
