import pytest
import torch
from torch import nn

from lumin_core import CatEmbedder
from lumin_core.errors import ConfigError
from lumin_core.model.blocks import Block, Body, Head, Tail, set_frozen
from lumin_core.model.endcap import Endcap
from lumin_core.model.matrix_head import MatrixHead


class TwoLayers(Block):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.second(self.first(x))

    def get_out_size(self):
        return 2


def test_block_counts_and_freezes_its_parameters():
    block = TwoLayers()
    assert block.get_param_count() == block.get_param_count(trainable=False) == 3 * 4 + 4 + 4 * 2 + 2
    block.freeze_layers()
    assert (block.get_param_count(), block.get_param_count(trainable=False)) == (0, 26)
    block.unfreeze_layers()
    assert all(parameter.requires_grad for parameter in block.parameters())


@pytest.mark.parametrize("base", [Block, Head, MatrixHead, Body, Tail, Endcap])
def test_bases_are_abstract(base):
    with pytest.raises(TypeError, match="abstract"):
        base()


@pytest.mark.parametrize("objective", ["classifier", "Regression", "", None])
def test_tail_refuses_unknown_objectives(objective):
    class Ident(Tail):
        def forward(self, x):
            return x

    assert Ident(2, 2, "multiclass").get_out_size() == 2
    with pytest.raises(ConfigError, match="classification, multiclass, regression"):
        Ident(2, 2, objective)


def test_head_names_its_features():
    class First(Head):
        def forward(self, x):
            return x

        def get_out_size(self):
            return 1

    names = ["pt"]
    head = First(names, CatEmbedder(["k", "l"], [2, 3]))
    names.append("eta")
    assert (head.cont_feats, head.cat_feats, head.feat_map) == (["pt"], ["k", "l"], {})
    assert First([]).cat_feats == []


class Normed(Body):
    """A norm with parameters, one without, dropout, and a block inside of it, if there is one."""

    def __init__(self, inner=None):
        super().__init__(2, {"a": [0], "b": [1]})
        self.layers = nn.Sequential(
            nn.Linear(2, 2), nn.BatchNorm1d(2), nn.BatchNorm1d(2, affine=False), nn.Dropout(0.5)
        )
        self.inner = inner

    def forward(self, x):
        return self.layers(x if self.inner is None else self.inner(x))

    def get_out_size(self):
        return 2


def moved(block, x):
    """Tell which buffers a pass in training moves."""
    before = {name: values.clone() for name, values in block.named_buffers()}
    block(x)
    return {name for name, values in block.named_buffers() if not torch.equal(values, before[name])}


def test_fault_a_frozen_block_keeps_its_statistics_in_training():
    x = torch.randn(8, 2, generator=torch.Generator().manual_seed(1))
    network = nn.Sequential(Normed(Normed()), nn.Linear(2, 1))
    network[0].freeze_layers()
    network.train()
    assert network[1].training
    assert moved(network, x) == set()
    assert torch.equal(network(x), network(x))  # without dropout
    network[0].unfreeze_layers()
    assert all(module.training for module in network.modules())
    assert len(moved(network, x)) == 12


def test_fault_what_is_held_by_hand_is_frozen_too():
    network = Normed(Normed())
    network.layers[1].requires_grad_(False)
    network.inner.requires_grad_(False)
    assert not {name for name in moved(network.train(), torch.randn(8, 2)) if "layers.2" not in name or "inner" in name}
    assert network.layers[2].training
    assert network.layers[3].training
    network.requires_grad_(True)
    assert all(module.training for module in network.train().modules())


def test_a_frozen_block_without_parameters_keeps_its_statistics():
    class Scaled(Normed):
        def __init__(self):
            super().__init__()
            self.layers = nn.BatchNorm1d(2, affine=False)

    body = Scaled()
    body.freeze_layers()
    assert moved(body.train(), torch.randn(8, 2)) == set()
    set_frozen(nn.Sequential(body), frozen=False)
    assert moved(body, torch.randn(8, 2))


def test_unfreezing_brings_back_the_mode_that_was_asked_for():
    body = Normed(Normed())
    for mode in (False, True):
        body.freeze_layers()
        body.train(mode)
        body.unfreeze_layers()
        assert {module.training for module in body.modules()} == {mode}
