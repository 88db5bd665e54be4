"""What users of Keras, torch, scikit-learn and LUMIN call what has another name here.

Whoever suggests names for one that is not known looks here first, see `lumin_core.checks.nearest`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

_OURS = {
    "bs": "batch_size batch minibatch_size",
    "n_epochs": "epochs epoch max_epochs num_epochs nepochs",
    "n_models": "n_ensemble ensemble_size n_nets n_networks num_models n_estimators",
    "n_folds": "folds k_folds n_splits num_folds cv",
    "lr": "learning_rate",
    "opt": "optimizer optimiser solver",
    "opt_args": "lr learning_rate optimizer optimiser opt opt_kwargs optimizer_args",
    "model_builder": "builder model net network model_args",
    "fy": "data dataset train_fy fold_yielder trn_fy train_data training_data",
    "foldfile": "path file filename filepath fname data dataset fold_file",
    "cbs": "callbacks callback cb cb_partials",
    "cb_partials": "callbacks callback cbs cb",
    "metrics": "metric metric_partials eval_metrics",
    "metric_partials": "metrics metric eval_metrics",
    "val_idx": "validation_data validation_fold val_fold valid_idx val_id validation_split",
    "trn_idxs": "train_idxs training_folds trn_ids train_folds",
    "excl_idxs": "exclude exclude_folds excl_folds",
    "seed": "random_state random_seed rng rseed",
    "visible_bar": "verbose progress bar show_progress plots",
    "savepath": "path folder outdir output_dir save_dir savename dir log_dir",
    "savename": "filename path file savepath fname out_file outfile name",
    "cb_savepath": "savepath path folder outdir output_dir save_dir",
    "patience": "early_stopping early_stopping_rounds",
    "executor": "n_jobs workers n_workers num_workers processes parallel",
    "cont_feats": "features feats inputs columns continuous cont_features train_feats feature_names",
    "cat_feats": "categorical categories cat_features cats cat_names categorical_features",
    "targ_feats": "target targets label labels targ_feat target_feats",
    "wgt_feat": "weight weights sample_weight wgt weight_feat wgt_feats weight_col",
    "misc_feats": "extra_feats other_feats misc keep",
    "strat_key": "stratify strat stratify_by",
    "targ_type": "dtype target_type",
    "ignore_feats": "ignore drop exclude drop_feats",
    "augmentations": "augment augmentation transforms aug",
    "input_pipe": "pipe pipeline scaler transform preprocessing",
    "objective": "task problem mode",
    "n_out": "n_outputs out_size output_size n_classes num_classes",
    "pretrain_file": "pretrained weights checkpoint load_from",
    "loss": "loss_func criterion loss_fn",
    "inputs": "data fy df x_test",
    "pred_name": "name column prediction_name",
    "targets": "y_true labels target",
    "weights": "sample_weight weight sample_weights",
    "preds": "y_pred y_score predictions pred scores",
    "wgt_name": "weight weights sample_weight weight_name wgt",
    "train_on_weights": "use_weights weighted",
    "size": "n_models n_ensemble ensemble_size",
    "width": "hidden_size hidden_dim n_hidden units hidden hidden_units n_neurons",
    "depth": "n_layers num_layers layers n_hidden_layers",
    "do": "dropout dropout_rate drop",
    "act": "activation nonlinearity activ",
    "bn": "batch_norm batchnorm use_bn",
    "bce_loss": "binary_crossentropy bce binary_cross_entropy bcewithlogitsloss",
    "nll_loss": "categorical_crossentropy cross_entropy crossentropy sparse_categorical_crossentropy",
    "mse_loss": "mse mean_squared_error",
    "l1_loss": "mae mean_absolute_error",
    "roc_auc_score": "auc roc_auc auroc roc",
    "binary_accuracy": "accuracy acc",
    "one_cycle": "onecycle onecyclelr",
    "swish": "silu",
    "fully_connected": "mlp dense dnn",
    "classification": "binary binary_classification",
    "multiclass": "multi_class_classification categorical",
}

MEANT: dict[str, list[str]] = {}
"""Our names by those of others, in lower case without ``-`` and ``_``."""

for _name, _others in _OURS.items():
    for _other in dict.fromkeys(_others.replace("_", "").split()):
        MEANT.setdefault(_other, []).append(_name)


def meant(name: str, known: Container[str]) -> list[str]:
    """Return what a name of others is called here, of the names that there are.

    Args:
        name: The name that came, in lower case without ``-`` and ``_``.
        known: The names that there are.

    Example:
        >>> from lumin_core.synonyms import meant
        >>> meant("batchsize", ["bs", "n_epochs"]), meant("batchsize", ["depth"])
        (['bs'], [])
    """
    return [ours for ours in MEANT.get(name, ()) if ours in known]
