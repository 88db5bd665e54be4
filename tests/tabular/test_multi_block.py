import pytest
import torch
from torch import nn

from lumin_core import build
from lumin_core.errors import ConfigError
from lumin_plugin_tabular import FullyConnected, IdentBody, MultiBlock

MAP = {"tau_pt": [0], "tau_eta": [1], "met": [2], "channel": [3, 4]}
SMALL = {"name": "fully_connected", "depth": 1, "width": 4}


def block(blocks=("ident_body", "ident_body"), feats=(["tau_pt", "met"], ["tau_eta", "channel"]), **options):
    torch.manual_seed(0)
    return MultiBlock(5, MAP, list(blocks), list(feats), **options)


def test_each_block_is_given_its_features():
    x = torch.arange(5.0)[None]
    assert block()(x).tolist() == [[0, 2, 1, 3, 4]]


def test_features_come_in_the_order_of_the_feature_map():
    x = torch.arange(5.0)[None]
    assert block(feats=(["met", "tau_pt"], ["channel", "tau_eta"]))(x).tolist() == [[0, 2, 1, 3, 4]]


def test_a_feature_may_go_to_several_blocks():
    x = torch.arange(5.0)[None]
    assert block(feats=(["tau_pt", "met"], ["tau_*", "channel"]))(x).tolist() == [[0, 2, 0, 1, 3, 4]]


def test_patterns_choose_features():
    assert block(feats=(["tau_*"], ["met", "ch*"])).feats_per_block == [["tau_pt", "tau_eta"], ["met", "channel"]]


def test_a_name_with_signs_of_patterns_is_a_name():
    body = MultiBlock(2, {"jet[0]": [0], "jet0": [1]}, ["ident_body"] * 2, [["jet[0]"], ["jet0"]])
    assert body.feats_per_block == [["jet[0]"], ["jet0"]]


def test_blocks_come_by_name_dict_and_class():
    body = block([SMALL, FullyConnected], freeze=False)
    assert [type(part) for part in body.blocks] == [FullyConnected] * 2
    assert body.get_out_size() == 104
    assert body(torch.randn(6, 5)).shape == (6, 104)


def test_outputs_of_a_block_depend_on_its_features_alone():
    body, x = block([SMALL, SMALL]), torch.randn(6, 5, requires_grad=True)
    grad = torch.autograd.grad(body(x)[:, :4].sum(), x)[0]
    assert (grad != 0).any(0).tolist() == [True, False, True, False, False]


@pytest.mark.parametrize("act", [None, "swish"])
def test_bottleneck_learns_from_what_a_block_does_not_see(act):
    body, x = block([SMALL, SMALL], bottleneck_sz=2, bottleneck_act=act), torch.randn(32, 5, requires_grad=True)
    assert body.blocks[0].n_in == 2 + 2
    grad = torch.autograd.grad(body(x)[:, :4].sum(), x)[0]
    assert (grad != 0).any(0).all()
    assert [layer[0].in_features for layer in body.bottleneck_blocks] == [3, 2]


def test_fault_freeze_holds_blocks_and_bottlenecks():
    body = block([SMALL, SMALL], bottleneck_sz=2, freeze=True)
    assert body.get_param_count() == 0
    body.unfreeze_layers()
    assert body.get_param_count() == sum(parameter.numel() for parameter in body.parameters())


def test_fault_a_feature_in_no_block_is_refused():
    with pytest.raises(ConfigError, match=r"multi_block gives \['met'\] to no block"):
        block(feats=(["tau_pt"], ["tau_eta", "channel"]))


def test_a_feature_in_no_block_reaches_the_bottlenecks():
    body = block(feats=(["tau_pt"], ["tau_eta", "channel"]), bottleneck_sz=1)
    assert body(torch.randn(6, 5)).shape == (6, 1 + 1 + 3 + 1)


def test_nested_blocks_find_their_features():
    inner = {"name": "multi_block", "blocks": ["ident_body", "ident_body"], "feats_per_block": [["met"], ["channel"]]}
    body = block([inner, "ident_body"], (["met", "channel"], ["tau_*"]))
    assert body(torch.arange(5.0)[None]).tolist() == [[2, 3, 4, 0, 1]]


def test_features_that_share_columns_are_passed_once():
    shared = {"met": [0], "jet_px": [1, 2], "jet_py": [1, 2]}
    body = MultiBlock(3, shared, [IdentBody, IdentBody], [["met"], ["jet_*"]], bottleneck_sz=1)
    assert body.blocks[1].n_in == 2 + 1
    assert body.blocks[1].feat_map == {"jet_px": [0, 1], "jet_py": [0, 1]}


def test_masks_are_no_weights():
    assert not [key for key in block([SMALL, SMALL]).state_dict() if "mask" in key]


def test_lookups_reach_the_blocks():
    body = block([SMALL, SMALL], lookup_init=lambda *_: nn.init.ones_, lookup_act=lambda _: nn.Tanh())
    assert body.blocks[0].layers[0][0].weight.eq(1).all()
    assert isinstance(body.blocks[1].layers[0][1], nn.Tanh)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"feats": (["tau_pt", "met"],)}, "2 blocks and 1 lists"),
        ({"blocks": (), "feats": ()}, "at least one block"),
        ({"feats": (["tau_pt", "mett"], ["tau_eta", "channel"])}, "did you mean 'met'"),
        ({"feats": (["jet_*"], ["tau_eta", "channel"])}, "'jet_\\*'"),
        ({"feats": ([], ["*"])}, "at least one feature"),
        ({"feats": ("met", ["*"])}, r"write \['met'\]"),
        ({"feats": (["*"], ["met"]), "bottleneck_sz": 1}, "block 0 of multi_block sees every feature"),
        ({"bottleneck_act": "relu"}, "bottleneck_sz=0 and bottleneck_act='relu'"),
        ({"bottleneck_sz": -1}, "bottleneck_sz=-1"),
        ({"blocks": ({"name": "ident_body", "n_in": 3}, "ident_body")}, "n_in"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        block(**options)


def test_is_built_by_name():
    spec = {"name": "multi_block", "blocks": [SMALL, SMALL], "feats_per_block": [["tau_*", "met"], ["channel"]]}
    assert build("body", spec, n_in=5, feat_map=MAP, freeze=False).get_out_size() == 8
