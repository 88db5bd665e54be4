"""The default blocks of lumin-core for columnar data, running batch norms, and preprocessing.

Example:
    >>> from lumin_plugin_tabular import FullyConnected
    >>> FullyConnected(3, {}, depth=2, width=10).get_out_size()
    10
"""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "boosted": ["BoostedTree"],
    "boosting": ["boosted_tree"],
    "cat_emb_head": ["CatEmbHead"],
    "categories": ["ProcessedCats", "proc_cats"],
    "class_reg_multi": ["ClassRegMulti"],
    "fully_connected": ["FullyConnected"],
    "ident_body": ["IdentBody"],
    "ident_tail": ["IdentTail"],
    "multi_block": ["MultiBlock"],
    "multi_head": ["MultiHead"],
    "num_emb_head": ["NumEmbHead"],
    "preprocessing": ["Chain", "fit_input_pipe", "fit_output_pipe", "from_sklearn", "get_pre_proc_pipes", "load_pipe"],
    "ranges": ["MinMaxScaler", "QuantileTransformer", "RobustScaler"],
    "recipe": ["Strong", "strong"],
    "running_batch_norm": ["RunningBatchNorm1d", "RunningBatchNorm2d", "RunningBatchNorm3d"],
    "samples": ["ids2unique", "subsample_df"],
    "scaling": ["PCA", "StandardScaler"],
    "signed_log": ["SignedLog"],
    "tabm": ["Tabm"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
