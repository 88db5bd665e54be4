"""A builder's arguments as plain values, and back."""

from functools import partial

import numpy as np
import pytest
import torch
from builders import FEATS, build
from torch import nn

from lumin_core import CatEmbedder, Model, ModelBuilder, registry
from lumin_core.errors import ConfigError
from lumin_core.model.blocks import Head
from lumin_core.registry import UnnamedComponent


def full_builder(**options):
    return ModelBuilder(
        **{
            "objective": "multiclass",
            "n_out": 3,
            "cont_feats": FEATS,
            "cat_embedder": CatEmbedder(["k"], [4]),
            "body": {
                "name": "multi_block",
                "blocks": [{"name": "fully_connected", "depth": 1, "width": 3}, "ident_body"],
                "feats_per_block": [["a", "b"], ["c", "d", "e", "k"]],
            },
            "opt_args": {"opt": partial(torch.optim.AdamW, betas=(0.8, 0.9)), "lr": np.float32(0.5)},
            "loss": {"name": "weighted_cce", "class_weights": [1.0, 2.0, 0.5]},
            "seed": 3,
            "freeze_tail": True,
            **options,
        }
    )


def test_config_goes_to_and_from_dicts_json_and_toml(tmp_path):
    import json

    import tomli_w

    builder = full_builder()
    config = builder.to_config()
    assert config["head"] == "tabular/cat_emb_head"
    assert config["loss"] == {"name": "losses/weighted_cce", "class_weights": [1.0, 2.0, 0.5]}
    assert config["opt_args"] == {"opt": "core/adamw", "betas": [0.8, 0.9], "lr": 0.5}
    (tmp_path / "model.toml").write_text(tomli_w.dumps(config))
    sources = [config, json.loads(json.dumps(config)), tmp_path / "model.toml", str(tmp_path / "model.toml")]
    x = np.random.default_rng(1).integers(0, 4, (3, 6)).astype("float32")
    for source in sources:
        other = ModelBuilder.from_config(source)
        assert other.to_config() == config
        assert np.array_equal(Model(other).predict(x), Model(builder).predict(x))


def test_config_of_one_part_missing_or_unknown_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="needs n_out"):
        ModelBuilder.from_config({"objective": "regression"})
    with pytest.raises(ConfigError, match="did you mean 'n_out'"):
        ModelBuilder.from_config({"objective": "regression", "nout": 1})
    with pytest.raises(ConfigError, match=r"cannot read the config .*TOML"):
        ModelBuilder.from_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = = 3")
    with pytest.raises(ConfigError, match="is no TOML file"):
        ModelBuilder.from_config(tmp_path / "bad.toml")


def test_unnamed_components_cannot_be_written_as_config():
    class Mine(Head):
        def __init__(self, **given):
            super().__init__(**given)
            self.feat_map = {feat: [i] for i, feat in enumerate(self.cont_feats)}

        def forward(self, x):
            return x

        def get_out_size(self):
            return len(self.cont_feats)

    builder = build(head=Mine)
    assert Model(builder).predict(np.ones((2, 5))).shape == (2, 1)
    with pytest.raises(UnnamedComponent, match=r"Mine.* has no registered name; register it"):
        builder.to_config()
    with pytest.raises(UnnamedComponent, match="lookup_act is a function without a name"):
        build(lookup_act=lambda name: nn.ReLU()).to_config()
    with registry.temporary():
        registry.register("head", "mine", Mine)
        assert builder.to_config()["head"] == "session/mine"


def test_config_has_its_keys_in_one_order_and_only_what_was_given():
    builder = build("regression", 2, ["a", "b"], model_args={"body": {"depth": 1}}, seed=None)
    assert list(builder.to_config().items()) == [
        ("objective", "regression"),
        ("n_out", 2),
        ("cont_feats", ["a", "b"]),
        ("head", "tabular/cat_emb_head"),
        ("body", {"name": "tabular/fully_connected", "depth": 1}),
        ("tail", "tabular/class_reg_multi"),
        ("opt_args", {"opt": "core/adam", "lr": 0.002}),
        ("loss", "auto"),
        ("lookup_init", "core/normal"),
    ]
    full = full_builder(cont_subsample_rate=np.float32(0.5), pretrain_file="start.safetensors", freeze_head=True)
    assert list(full.to_config())[9:] == [
        "cat_embedder",
        "cont_subsample_rate",
        "guaranteed_feats",
        "seed",
        "freeze_head",
        "freeze_tail",
        "pretrain_file",
    ]


def test_config_of_the_embedder_is_a_table_of_its_arguments():
    config = {"objective": "regression", "n_out": 1, "cat_embedder": {"cat_names": ["k"], "cat_sz": [3]}}
    with pytest.raises(ConfigError, match=r"cat_embedder has no 'cat_sz'.*did you mean 'cat_szs'"):
        ModelBuilder.from_config(config)
    assert "cat_embedder" in config
    config["cat_embedder"] = {"cat_names": ["k"], "cat_szs": [3]}
    assert list(ModelBuilder.from_config(config).cat_embedder) == [("k", 3, 2)]
    assert isinstance(config["cat_embedder"], dict)


def test_optimisers_without_a_name_are_said():
    class Mine(torch.optim.SGD):
        pass

    with pytest.raises(UnnamedComponent, match="Mine has no registered name"):
        build(opt_args={"opt": Mine}).to_config()
