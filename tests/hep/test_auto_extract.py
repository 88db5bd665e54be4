from itertools import pairwise

import pytest
import torch
from torch import nn

from lumin_core import build
from lumin_core.errors import ConfigError, LuminError
from lumin_core.model.initialisers import uniform_initialiser
from lumin_plugin_hep import AutoExtractLorentzBoostNet
from lumin_plugin_hep.masked_norm import MaskedBatchNorm1d

VECS, FEATS = ["a", "b", "c"], ["px", "py", "pz", "E"]
SIZES = {"depth": 2, "width": 7, "n_singles": 2, "n_pairs": 3}


def make(n_particles=4, **options):
    torch.manual_seed(1)
    return AutoExtractLorentzBoostNet([], VECS, FEATS, n_particles, **{**SIZES, **options})


def events(n=10):
    vectors = torch.randn(n, 3, 3, generator=torch.Generator().manual_seed(2)) * 40
    return torch.cat((vectors, (vectors.square().sum(-1, keepdim=True) + 100).sqrt()), -1)


@pytest.mark.parametrize(
    ("n_singles", "n_pairs", "width"), [(2, 3, 4 * 2 + 6 * 3), (2, 0, 8), (0, 3, 18), (1, 1, 10)]
)  # fmt: skip
def test_width_counts_particles_and_pairs(n_singles, n_pairs, width):
    head = make(n_singles=n_singles, n_pairs=n_pairs)
    assert head.get_out_size() == width
    assert head(events()).shape == (10, width)


def test_features_are_those_of_every_particle_then_of_every_pair():
    head = make().eval()
    momenta, present = head.get_boosted(events())
    normed = head.pre_bn(momenta.flatten(1), present).view(10, 4, 4)
    singles = [head.single_nn(normed[:, i]) for i in range(4)]
    couples = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    pairs = [head.pair_nn(torch.cat((normed[:, i], normed[:, j]), 1)) for i, j in couples]
    torch.testing.assert_close(head(events()), torch.cat((*singles, *pairs), 1))


def test_momenta_are_normalised_with_and_without_bn():
    for bn in (False, True):
        head = make(bn=bn)
        seen = []
        head.single_nn[0][0].register_forward_hook(lambda module, inputs, output, seen=seen: seen.append(inputs[0]))
        head(events())
        torch.testing.assert_close(seen[0].mean(0), torch.zeros(4, 4), atol=1e-5, rtol=0)


def test_bn_stands_behind_every_layer():
    norms = [m for m in make(bn=True).modules() if isinstance(m, MaskedBatchNorm1d)]
    assert [norm.num_features for norm in norms] == [16, 7, 2, 7, 3]
    assert [m.num_features for m in make().modules() if isinstance(m, MaskedBatchNorm1d)] == [16]


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_depth_counts_the_last_layer(depth):
    head = make(depth=depth)
    for network, n_in, n_out in ((head.single_nn, 4, 2), (head.pair_nn, 8, 3)):
        linears = [m for m in network.modules() if isinstance(m, nn.Linear)]
        sizes = [n_in] + [7] * (depth - 1) + [n_out]
        assert [(m.in_features, m.out_features) for m in linears] == list(pairwise(sizes))


def test_activation_and_dropout_are_the_users():
    head = make(act="selu", do=0.25)
    kinds = [type(m) for m in head.single_nn.modules()]
    assert kinds.count(nn.SELU) == kinds.count(nn.AlphaDropout) == 2
    torch.manual_seed(3)
    assert not head(events()).equal(head(events()))
    assert head.eval()(events()).equal(head(events()))


def test_networks_take_the_lookups():
    class Marked(nn.Identity):
        pass

    def initialise(act, n_in, n_out):
        assert act == "swish"
        return uniform_initialiser("linear", n_in, n_out)

    head = make(lookup_act=lambda name: Marked(), lookup_init=initialise, width=50)
    assert sum(isinstance(m, Marked) for m in head.modules()) == 4
    assert head.single_nn[0][0].weight.abs().max() <= (6 / 54) ** 0.5


def test_exchanging_two_particles_exchanges_their_features():
    head, other = make().eval(), make().eval()
    with torch.no_grad():
        other.weight.copy_(other.weight[:, [1, 0, 2, 3]])
    y, swapped = head(events())[:, :8], other(events())[:, :8]
    torch.testing.assert_close(swapped.view(10, 4, 2)[:, [1, 0, 2, 3]], y.view(10, 4, 2))


@pytest.mark.parametrize("sizes", [{"n_singles": 0, "n_pairs": 0}, {"n_singles": -1}, {"n_singles": 3, "n_pairs": -1}])
def test_nothing_to_extract_is_refused(sizes):
    with pytest.raises(ConfigError, match="give n_singles, n_pairs or both"):
        make(**sizes)


def test_by_default_the_user_has_to_say_what_to_extract():
    with pytest.raises(ConfigError, match="got 0 and 0"):
        AutoExtractLorentzBoostNet([], VECS, FEATS, 4, depth=1, width=1)


def test_a_pair_needs_two_particles():
    assert make(1, n_pairs=0)(events()).shape == (10, 2)
    with pytest.raises(ConfigError, match="n_particles of at least 2"):
        make(1)


@pytest.mark.parametrize("wrong", [{"depth": 0}, {"width": 0}, {"width": 2.5}, {"do": 1.0}, {"act": "no_such"}])
def test_other_sizes_are_refused(wrong):
    with pytest.raises(LuminError, match=r"positive integer|dropout rate|no_such"):
        make(**wrong)


def test_misspelt_options_are_refused():
    spec = {"name": "auto_extract_lorentz_boost_net", "vecs": VECS, "feats_per_vec": FEATS, "n_particles": 2}
    with pytest.raises(ConfigError, match="n_singles"):
        build("head", {**spec, "depth": 1, "width": 1, "n_single": 1}, cont_feats=[])


def test_fault_an_activation_has_options():
    head = make(act={"name": "prelu", "init": 0.1})
    assert any(isinstance(module, nn.PReLU) for module in head.single_nn.modules())
