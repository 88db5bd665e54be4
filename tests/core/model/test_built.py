"""What a builder hands over."""

import pytest
import torch
from torch import nn

from lumin_core import CatEmbedder, ModelBuilder
from lumin_core.errors import ConfigError
from lumin_core.model.blocks import Body, Head, Tail
from lumin_core.model.built import BuiltModel


def test_a_builder_hands_over_network_optimiser_loss_mask_seed_and_components():
    builder = ModelBuilder(
        "regression", 2, ["a", "b"], cat_embedder=CatEmbedder(["k"], [3]), cont_subsample_rate=0.5, seed=7
    )
    model, opt, loss, input_mask, seed, components = built = builder.get_model()
    assert isinstance(built, BuiltModel)
    assert [isinstance(block, base) for block, base in zip(model, (Head, Body, Tail), strict=True)] == [True] * 3
    assert sum(p.numel() for group in opt.param_groups for p in group["params"]) == sum(
        p.numel() for p in model.parameters()
    )
    assert (type(opt), type(loss)) == (torch.optim.Adam, nn.MSELoss)
    assert (len(input_mask), input_mask[-1], seed) == (2, 2, 7)
    used = [component.qualified for component in components]
    assert {"tabular/cat_emb_head", "tabular/fully_connected", "core/mse_loss", "core/adam"} <= set(used)
    assert len(used) == len(set(used))


def test_without_a_seed_every_model_has_its_own():
    builder = ModelBuilder("regression", 1, ["a"])
    assert builder.get_model().seed != builder.get_model().seed
    assert ModelBuilder("regression", 1, ["a"], seed=3).get_model(input_mask=[0]).input_mask.tolist() == [0]


def test_parts_are_those_of_the_model_without_its_optimiser_which_is_looked_at():
    builder = ModelBuilder("regression", 1, ["a"], seed=3)
    parts, built = builder.get_parts(), builder.get_model()
    assert parts._fields == tuple(name for name in built._fields if name != "opt")
    assert [part.qualified for part in parts.components] == [part.qualified for part in built.components]
    assert "core/adam" in [part.qualified for part in parts.components]
    for one, other in zip(parts.model.parameters(), built.model.parameters(), strict=True):
        assert one.equal(other)
    with pytest.raises(ConfigError, match="lr must not be negative"):
        ModelBuilder("regression", 1, ["a"], opt_args={"lr": -1.0}).get_parts()
