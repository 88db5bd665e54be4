"""Models: the blocks that they are built of, the builder, losses, optimisers and saved files."""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "blocks": ["Block", "Body", "Head", "Inputs", "Tail"],
    "builder": ["ModelBuilder"],
    "category_dropout": ["CategoryDropout"],
    "check_sum": ["split_sum", "tensor_sum"],
    "embedding": ["CatEmbedder"],
    "endcap": ["Endcap"],
    "head_data": ["prepared_head"],
    "layers": ["LCBatchNorm1d", "NormSpec", "dense_layer", "dense_stack"],
    "features": ["count_outputs"],
    "initialisers": ["normal_initialiser", "uniform_initialiser"],
    "lookups": [
        "LookupAct",
        "LookupInit",
        "act_by_bare_name",
        "act_name",
        "by_bare_name",
        "canonical_act",
        "lookup_act",
    ],
    "loss": ["BatchLoss", "build_loss", "event_loss", "weighted_loss"],
    "matrix_head": ["MatrixHead", "matrix_elements"],
    "members": ["loss_of_members", "mean_of_members"],
    "module_hooks": ["BackwardHook", "ForwardHook"],
    "objective": ["OBJECTIVES", "objective_of"],
    "options": ["Spec"],
    "optimiser": ["build_optimiser"],
    "record": ["ModelRecord"],
    "tensor_file": ["State", "read_tensors", "save_path", "staged", "write_tensors"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
