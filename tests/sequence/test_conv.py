"""conv1d_head and its layers against torch on each sequence alone."""

from functools import partial

import pytest
import torch
from torch import nn

from lumin_core import registry
from lumin_core.errors import ConfigError
from lumin_plugin_sequence import (
    AdaptiveAvgMaxConcatPool1d,
    AdaptiveAvgMaxConcatPool2d,
    AdaptiveAvgMaxConcatPool3d,
    AvgMaxPool,
    Conv,
    Conv1dHead,
    Res,
    Resnext,
    SEBlock1d,
    SEBlock2d,
    SEBlock3d,
    SqueezeExcitation,
)

FEATS = ["x", "y", "z"]
LAYERS = sorted(c.name for c in registry.components("conv_layer"))
NEEDED = {"conv": {"out_c": 6}, "res": {"out_c": 6}, "resnext": {"out_c": 6}}


def vecs(n):
    return [f"v{i}" for i in range(n)]


def channels(x):
    return x.nan_to_num(0).transpose(1, 2)


def make(layer, n=7, seed=1, **options):
    torch.manual_seed(seed)
    return layer(3, n, **options).double()


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel_sz", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("act", ["relu", "selu", "swish"])
@pytest.mark.parametrize(("layer", "options"), [(Conv, {}), (Res, {}), (Resnext, {"inter_c": 2})])
def test_fault_any_kernel_keeps_the_length(layer, options, act, kernel_sz, stride, sequences):
    x, mask = sequences(n_present=(7,) * 5)
    net = make(layer, out_c=6, kernel_sz=kernel_sz, stride=stride, act=act, bn=True, **options)
    out, out_mask = net(channels(x), mask)
    assert out.shape == (5, 6, -(-7 // stride)) == (5, *net.get_out_size())
    assert out_mask.shape == (5, out.shape[2])
    assert out_mask.all()
    out.sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize(("kernel_sz", "stride"), [(1, 1), (2, 1), (3, 2), (5, 2), (4, 3)])
def test_whole_sequences_are_convolved_as_by_torch(kernel_sz, stride, padding, sequences):
    x, mask = sequences(n_present=(7,) * 5)
    net = make(Conv, out_c=6, kernel_sz=kernel_sz, stride=stride, padding=padding, groups=3, act="swish")
    conv = net.step.conv
    expected = nn.functional.conv1d(channels(x), conv.weight, conv.bias, stride, padding, groups=3)
    out, out_mask = net(channels(x), mask)
    assert out.shape[1:] == net.get_out_size()
    kept = out_mask.unsqueeze(1).expand_as(out)
    assert torch.allclose(out[kept], nn.functional.silu(expected)[kept])
    for o in range(out.shape[2]):  # an output counts where the object at the kernel's centre is one
        centre = o * stride - padding + (kernel_sz - 1) // 2
        assert out_mask[0, o] == (0 <= centre < 7)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel_sz", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    ("layer", "options"), [(Conv, {"out_c": 6}), (Res, {"out_c": 6}), (Resnext, {"out_c": 6}), (Res, {"out_c": 3})]
)
def test_fault_absent_objects_at_the_end_change_nothing(layer, options, kernel_sz, stride, sequences):
    x, mask = sequences(at_the_end=True)
    net = make(layer, kernel_sz=kernel_sz, stride=stride, act="swish", **options)
    out, out_mask = net(channels(x), mask)
    for e, count in enumerate((7, 5, 3, 1)):
        alone, _ = net(channels(x)[e : e + 1, :, :count], mask[e : e + 1, :count])
        n = alone.shape[2]
        assert out_mask[e].sum() == n
        assert torch.allclose(out[e, :, :n], alone[0], atol=1e-12)
        assert (out[e, :, n:] == 0).all()
    assert (out[4] == 0).all()


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("training", [True, False])
def test_fault_padding_changes_no_result(name, training, sequences):
    x, mask = sequences(at_the_end=True)
    longer = torch.cat((x, torch.full((5, 4, 3), torch.nan, dtype=x.dtype)), dim=1)
    spec = {"name": name, **NEEDED.get(name, {})}
    torch.manual_seed(1)
    short = Conv1dHead([], vecs(7), FEATS, [spec, "avg_max_pool"], bn=True).double().train(training)
    long = Conv1dHead([], vecs(11), FEATS, [spec, "avg_max_pool"], bn=True).double().train(training)
    long.load_state_dict(short.state_dict())
    assert torch.allclose(short(x), long(longer), atol=1e-11)
    assert all(
        torch.allclose(a.double(), b.double())
        for a, b in zip(short.buffers(), long.buffers(), strict=True)
        if a.shape == b.shape
    )
    assert mask.any()


@pytest.mark.parametrize("name", LAYERS)
def test_few_objects_give_finite_values_and_gradients(name, sequences):
    for n_present in ((7, 5, 3, 1, 0), (1, 0, 0, 0, 0), (0,) * 5):
        x, _ = sequences(n_present=n_present)
        head = Conv1dHead([], vecs(7), FEATS, [{"name": name, **NEEDED.get(name, {})}], bn=True).double()
        x.requires_grad_()
        out = head(x)
        out.sum().backward()
        assert out.isfinite().all()
        assert x.grad.nan_to_num(0).isfinite().all()
        assert all(p.grad is None or p.grad.isfinite().all() for p in head.parameters())
        assert head(x[:0]).shape == (0, head.get_out_size())


def test_norms_see_present_objects_only(sequences):
    x, mask = sequences()
    net = make(Conv, out_c=6, act="linear", bn=True)
    out, _ = net(channels(x), mask)
    rows = out.transpose(1, 2)[mask]
    assert torch.allclose(rows.mean(0), torch.zeros(6).double(), atol=1e-12)
    assert torch.allclose(rows.var(0, unbiased=False), torch.ones(6).double(), atol=1e-3)


def test_a_residual_block_is_what_it_says(sequences):
    x, mask = sequences(n_present=(7,) * 5)
    net = make(Res, out_c=6, stride=2, act="swish")
    first, second = (step.conv for step in net.steps)
    silu = nn.functional.silu
    inner = nn.functional.conv1d(silu(channels(x)), first.weight, first.bias, 2, 1)
    outer = nn.functional.conv1d(silu(inner), second.weight, second.bias, 1, 1)
    short = nn.functional.conv1d(channels(x), net.shortcut.weight, net.shortcut.bias, 2)
    assert torch.allclose(net(channels(x), mask)[0], short + outer)
    assert make(Res, out_c=3).shortcut is None
    grouped = make(Resnext, out_c=6, inter_c=2, cardinality=3)
    assert [step.conv.weight.shape for step in grouped.steps] == [(6, 3, 1), (6, 2, 3), (6, 6, 1)]


@pytest.mark.parametrize("sz", [1, 2, 3, 7])
def test_pools_are_those_of_torch_for_whole_sequences_and_skip_absent_objects(sz, sequences):
    x, mask = sequences(n_present=(7,) * 5)
    out, out_mask = AvgMaxPool(3, 7, sz)(channels(x), mask)
    assert torch.allclose(out, AdaptiveAvgMaxConcatPool1d(sz)(channels(x)))
    assert out_mask.all()
    x, mask = sequences()
    out, out_mask = AvgMaxPool(3, 7, sz)(channels(x), mask)
    for e in range(5):
        for part in range(sz):
            begin, end = part * 7 // sz, -(-(part + 1) * 7 // sz)
            present = x[e, begin:end][mask[e, begin:end]]
            assert out_mask[e, part] == bool(len(present))
            expected = torch.cat((present.max(0).values, present.mean(0))) if len(present) else torch.zeros(6)
            assert torch.allclose(out[e, :, part], expected.double())


@pytest.mark.parametrize(
    ("pool", "shape"),
    [(AdaptiveAvgMaxConcatPool1d, (4,)), (AdaptiveAvgMaxConcatPool2d, (4, 6)), (AdaptiveAvgMaxConcatPool3d, (4, 6, 2))],
)
def test_pools_give_maxima_and_means_in_any_dimension(pool, shape):
    x = torch.rand(2, 3, *shape)
    pooled = pool()(x).flatten(1)
    assert torch.allclose(pooled, torch.cat((x.flatten(2).amax(-1), x.flatten(2).mean(-1)), dim=1))


@pytest.mark.parametrize(("block", "shape"), [(SEBlock1d, (4,)), (SEBlock2d, (4, 6)), (SEBlock3d, (4, 6, 2))])
@pytest.mark.parametrize(("n_in", "r", "between"), [(8, 2, 4), (3, 16, 2)])
def test_channels_are_scaled_by_what_their_means_say(block, shape, n_in, r, between):
    x = torch.rand(2, n_in, *shape)
    se = block(n_in, r)
    assert se.squeeze[0][0].out_features == between
    hidden = torch.relu(se.squeeze[0][0](x.flatten(2).mean(-1)))
    factors = torch.sigmoid(se.excite[0][0](hidden))
    assert torch.allclose(se(x), x * factors.view(2, n_in, *[1] * len(shape)))


def test_squeeze_excitation_sees_present_objects_only(sequences):
    x, mask = sequences(n_present=(7, 5, 3, 1, 2))
    se = SqueezeExcitation(3, 7).double()
    out, _ = se(channels(x), mask)
    for e in range(5):
        alone = se.block(x[e][mask[e]].T[None])
        assert torch.allclose(out[e][:, mask[e]], alone[0])


class Doubled(Conv1dHead):
    """As a user would write it."""

    def get_layers(self):
        return [{"name": "conv", "out_c": 2 * self.n_fpv}, partial(AvgMaxPool, sz=2)]


def test_users_give_layers_of_their_own(sequences):
    x, _ = sequences()
    head = Doubled([], vecs(7), FEATS, act="swish").double()
    assert head(x).shape == (5, 24) == (5, head.get_out_size())
    assert isinstance(head.layers[0].step.act, nn.SiLU)


def test_layers_prevail_over_the_head(sequences):
    specs = [
        {"name": "conv", "out_c": 4, "act": "selu"},
        {"name": "conv", "out_c": 4, "bn": False},
        Res,
        "avg_max_pool",
    ]
    head = Conv1dHead([], vecs(7), FEATS, specs[:2] + specs[3:], act="swish", bn=True).double()
    first, second = head.layers[0].step, head.layers[1].step
    assert isinstance(first.act, nn.SELU)
    assert first.norm is not None
    assert isinstance(second.act, nn.SiLU)
    assert second.norm is None
    x, _ = sequences()
    flat = Conv1dHead([f"{v}_{f}" for v in vecs(7) for f in FEATS], vecs(7), FEATS, "avg_max_pool", freeze=True)
    assert torch.allclose(
        flat(x.float().nan_to_num(0).flatten(1)), Conv1dHead([], vecs(7), FEATS, "avg_max_pool")(x.float())
    )


@pytest.mark.parametrize("layers", [["conv"], [], [Conv(3, 7, out_c=2)], [{"name": "conv", "out_c": 4, "kernel": 3}],
                                    [{"name": "cnv", "out_c": 4}]])  # fmt: skip
def test_wrong_layers_are_refused(layers):
    with pytest.raises((ConfigError, LookupError), match=r"out_c|at least one|is given as|did you mean"):
        Conv1dHead([], vecs(7), FEATS, layers)


@pytest.mark.parametrize(
    ("layer", "options", "words"),
    [
        (Conv, {"out_c": 0}, "positive numbers, got out_c=0"),
        (Conv, {"out_c": 4, "groups": 2}, "groups must divide"),
        (Conv, {"out_c": 4, "padding": -1}, "padding must be"),
        (Conv, {"out_c": 4, "padding": "same"}, "padding must be"),
        (Conv, {"out_c": 4, "kernel_sz": 9, "padding": 0}, "leaves nothing"),
        (Resnext, {"out_c": 4, "cardinality": 0}, "positive"),
        (AvgMaxPool, {"sz": 0}, "between 1 and the length 7"),
        (AvgMaxPool, {"sz": 8}, "between 1 and the length 7"),
        (SqueezeExcitation, {"r": 0}, "positive"),
    ],
)
def test_options_are_checked(layer, options, words):
    with pytest.raises(ConfigError, match=words):
        layer(3, 7, **options)


def test_models_are_built_by_name_trained_saved_and_loaded(trained_and_saved):
    layers = [
        {"name": "conv", "out_c": 8},
        {"name": "res", "out_c": 8, "stride": 2},
        "squeeze_excitation",
        "avg_max_pool",
    ]
    trained_and_saved({"name": "conv1d_head", "layers": layers, "bn": True})
    trained_and_saved("conv1d_head")


def test_it_works_beside_flat_features(trained_and_saved):
    matrix = {"name": "conv1d_head", "vecs": vecs(5), "feats_per_vec": ["x", "y"]}
    model = trained_and_saved({"name": "multi_head", "matrix_head": matrix}, flat=["a"])
    assert model.head.feat_map["a"] == [0]
    assert model.head.feat_map["v0_x"] == list(range(1, 65))
