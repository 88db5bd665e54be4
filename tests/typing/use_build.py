"""What `build` and `resolve` give is known by the kind that they are asked for."""

from functools import partial
from typing import assert_type

from torch import nn, optim

from lumin_core import Augmentation, Body, EvalMetric, Head, Tail, Transform, build
from lumin_core.registry import resolve

assert_type(build("head", "cat_emb_head", cont_feats=["pt"]), Head)
assert_type(build("body", {"name": "fully_connected", "depth": 2}, n_in=1, feat_map={}), Body)
assert_type(build("tail", "class_reg_multi", n_in=1, n_out=1, objective="regression"), Tail)
assert_type(build("callback", "early_stopping", patience=3), object)  # any object may be one
assert_type(build("metric", "roc_auc_score"), EvalMetric)
assert_type(build("augmentation", "phi_rotation"), Augmentation)
assert_type(build("transform", "standard_scaler"), Transform)
assert_type(resolve("head", "cat_emb_head"), partial[Head])
assert_type(resolve("metric", "roc_auc_score"), partial[EvalMetric])

activation: nn.Module = build("activation", "relu")
optimiser: optim.Optimizer = build("optimiser", "adam", params=[])
