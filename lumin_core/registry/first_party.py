"""What our own plugins have, so that an error can say which one to install where it is missing.

A static table, because a plugin that is not installed has no metadata to read; a test holds it
against the plugins.
"""

from __future__ import annotations

FIRST_PARTY_KINDS = {
    "conv_layers": "lumin-plugin-sequence",
    "graph_collapsers": "lumin-plugin-gnn",
    "graph_extractors": "lumin-plugin-gnn",
    "live_views": "lumin-plugin-plots",
    "report_sections": "lumin-plugin-plots",
}

FIRST_PARTY_COMPONENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "lumin-plugin-callbacks": {
        "callback": (
            "binary_label_smooth",
            "bootstrap_resample",
            "cycle_lr",
            "cycle_mom",
            "cycle_step",
            "early_stopping",
            "ema",
            "epoch_saver",
            "grad_clip",
            "lr_finder",
            "lsuv_init",
            "metric_logger",
            "one_cycle",
            "parametrised_prediction",
            "pivot_training",
            "save_best",
            "swa",
            "targ_replace",
            "weight_data",
        ),
    },
    "lumin-plugin-farm": {
        "executor": ("processes",),
    },
    "lumin-plugin-gnn": {
        "head": ("gnn_head", "pyg_head"),
        "graph_collapser": ("class_attention", "graph_collapser", "node_predictor"),
        "graph_extractor": (
            "constituent_features",
            "deep_sets",
            "edge_conv",
            "grav_net",
            "interaction_net",
            "lorentz_net",
            "offset_self_attention",
            "particle_transformer",
            "self_attention",
        ),
    },
    "lumin-plugin-hep": {
        "augmentation": ("axis_reflection", "phi_rotation", "z_boost"),
        "head": ("auto_extract_lorentz_boost_net", "lorentz_boost_net"),
        "loss": ("disco", "significance_loss"),
        "metric": ("ams", "multi_ams"),
    },
    "lumin-plugin-io": {
        "command": ("convert",),
    },
    "lumin-plugin-losses": {
        "loss": (
            "weighted_binned_huber",
            "weighted_cce",
            "weighted_fractional_binned_huber",
            "weighted_fractional_mse",
            "weighted_mae",
            "weighted_mse",
        ),
    },
    "lumin-plugin-metrics": {
        "metric": (
            "background_rejection",
            "binary_accuracy",
            "log_loss",
            "multi_accuracy",
            "r2",
            "reg_as_proxy_pull",
            "reg_pull",
            "roc_auc_score",
            "signal_efficiency",
        ),
    },
    "lumin-plugin-plots": {
        "command": ("report",),
    },
    "lumin-plugin-sequence": {
        "conv_layer": ("avg_max_pool", "conv", "res", "resnext", "squeeze_excitation"),
        "head": ("conv1d_head", "recurrent_head"),
    },
    "lumin-plugin-tabular": {
        "body": ("fully_connected", "ident_body", "multi_block"),
        "head": ("cat_emb_head", "multi_head"),
        "norm": ("running_batch_norm1d", "running_batch_norm2d", "running_batch_norm3d"),
        "tail": ("class_reg_multi", "ident_tail"),
        "transform": ("pca", "standard_scaler"),
    },
}


def owners(kind: str, key: str) -> list[tuple[str, str]]:
    """List the first-party components of a kind whose name has this compared form.

    Each is given as ``(distribution, name)``.

    Example:
        >>> from lumin_core.registry.first_party import owners
        >>> owners("head", "gnnhead")
        [('lumin-plugin-gnn', 'gnn_head')]
    """
    return [
        (distribution, name)
        for distribution, kinds in FIRST_PARTY_COMPONENTS.items()
        for name in kinds.get(kind, ())
        if name.replace("_", "") == key
    ]
