"""Predictions for every object instead of the event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lumin_core.checks import check_positive
from lumin_core.model import lookup_act, normal_initialiser
from lumin_plugin_gnn.blocks import Collapser
from lumin_plugin_gnn.graph_collapser import Reviser
from lumin_plugin_gnn.layers import ObjectDense, only_present

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lumin_core.model import LookupAct, LookupInit, NormSpec, Spec


class NodePredictor(Collapser):
    """Predicts ``n_out`` values for every object.

    Columns are objects first, then values, or the other way round. Behind it belong
    ``body="ident_body"`` and ``tail="ident_tail"``; the targets are a column per object and value.
    Predictions for absent objects are 0: give them the target 0, and they add nothing to a squared
    or absolute error.

    Args:
        n_v: Number of objects.
        n_fpv: Number of features of an object.
        n_out: Number of values per object.
        out_act: Activation of the predictions, for instance ``"sigmoid"`` or ``"linear"``.
        transpose_out: Whether columns are values first, then objects.
        f_initial_outs: Widths of dense layers on every object, in front of the attention.
        n_sa_layers: Number of attention layers, each of which works on what the last one gave; all
            outputs are kept.
        sa_width: Width of their queries and keys; by default a quarter of the features.
        f_final_outs: Widths of dense layers on every object, behind the attention, in front of the
            predicting layer.
        global_feat_vec: Whether every object gets the means over all objects as further features in
            front of the first of these networks.
        do: Dropout rate.
        bn: Whether to normalise behind each activation.
        act: Activation of the inner layers.
        bn_class: The norm.
        sa_class: The attention layer, a component of the kind ``graph_extractors``.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Raises:
        ConfigError: If ``n_out`` is not positive, or
            ``global_feat_vec`` has no network to go to.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import NodePredictor
        >>> predictor = NodePredictor(n_v=3, n_fpv=4, out_act="sigmoid", f_initial_outs=[8])
        >>> mask = torch.tensor([[True, True, False]])
        >>> predictor(torch.rand(1, 3, 4), mask)[0, 2]  # of the absent object
        tensor(0., grad_fn=<SelectBackward0>)

    References:
        Strong, https://github.com/GilesStrong/lumin
    """

    any_order = False  # it gives a value for each object, in their order

    def __init__(
        self,
        n_v: int,
        n_fpv: int,
        n_out: int = 1,
        out_act: Spec = "core/sigmoid",
        transpose_out: bool = False,
        f_initial_outs: int | Sequence[int] | None = None,
        n_sa_layers: int = 0,
        sa_width: int | None = None,
        f_final_outs: int | Sequence[int] | None = None,
        global_feat_vec: bool = False,
        do: float = 0,
        bn: bool = False,
        act: Spec = "core/relu",
        bn_class: NormSpec = "core/batch_norm1d",
        sa_class: object = "gnn/self_attention",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        super().__init__(n_v, n_fpv)
        check_positive(n_out=n_out)
        self.n_out = n_out
        self.transpose_out = transpose_out
        self.revise = Reviser(
            n_fpv,
            f_initial_outs,
            n_sa_layers,
            sa_width,
            f_final_outs,
            global_feat_vec,
            sa_class,
            do=do,
            bn=bn,
            act=act,
            bn_class=bn_class,
            lookup_init=lookup_init,
            lookup_act=lookup_act,
        )
        given: dict[str, Any] = {"lookup_init": lookup_init, "lookup_act": lookup_act}
        self.predict = ObjectDense([self.revise.n_out, n_out], act=out_act, **given)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Turn features ``(B, N, n_fpv)``, mask ``(B, N)`` into ``(B, N * n_out)``.

        Absent objects get 0.
        """
        values = only_present(self.predict(self.revise(x, mask), mask), mask)
        return (values.transpose(1, 2) if self.transpose_out else values).flatten(1)

    def get_out_size(self) -> int:
        """Give the number of columns of the output."""
        return self.n_v * self.n_out
