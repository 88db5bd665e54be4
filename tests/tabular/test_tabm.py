"""TabM: each member is a network of its own; what members share; how they start."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import CatEmbedder, Model, ModelBuilder, build
from lumin_core.errors import ConfigError
from lumin_core.model import build_optimiser
from lumin_plugin_tabular import ClassRegMulti, FullyConnected, IdentTail, Tabm

ARCHS = ["mini", "batch", "packed"]
FEAT_MAP = {"a": [0], "b": [1], "c": [2, 3, 4], "d": [5]}
X = torch.linspace(-2, 2, 42).reshape(7, 6).sin()


def body(k=4, seed=0, **options):
    torch.manual_seed(seed)
    return Tabm(6, FEAT_MAP, k=k, **{"depth": 3, "width": 5, **options})


def perturbed(block, seed=1):
    """Move all parameters away from where they start."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return block


def layers_of(block, m):
    """Weight and bias of each layer of member m, as the module's docstring has them."""
    for d, layer in enumerate(block.layers):
        if block.arch == "mini":
            dense = layer[0]
            yield dense.weight * dense.scale.weight[m] if d == 0 else dense.weight, dense.bias
        elif block.arch == "batch":
            r, dense, s = layer[0]
            yield s.weight[m][:, None] * dense.weight * r.weight[m], s.bias[m]
        else:
            own, shift = layer[0]
            yield own.weight[m].T, shift.bias[m]


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("k", [1, 4])
def test_each_member_is_a_network_of_its_own(arch, k):
    block = perturbed(body(k, arch=arch))
    out = block(X)
    assert block.members == k
    assert out.shape == (7, block.get_out_size()) == (7, 5 * k)
    for m in range(k):
        x = X
        for weight, bias in layers_of(block, m):
            x = (x @ weight.T + bias).relu()
        torch.testing.assert_close(out[:, 5 * m : 5 * (m + 1)], x)


@pytest.mark.parametrize(("arch", "named"), [("mini", "tabm-mini"), ("batch", "tabm"), ("packed", "tabm-packed")])
def test_it_is_what_the_authors_package_gives(arch, named):
    """With the same weights: the whole network, heads included."""
    theirs = pytest.importorskip("tabm").TabM(
        n_num_features=6, d_out=2, n_blocks=3, d_block=5, dropout=0.0, activation="ReLU", k=4, arch_type=named,
        start_scaling_init=None if arch == "packed" else "random-signs",
    )  # fmt: skip
    perturbed(theirs)
    ours, tail = Tabm(6, {}, k=4, arch=arch, width=5), ClassRegMulti(20, 2, "regression", members=4)
    blocks = theirs.backbone.blocks
    with torch.no_grad():
        for layer, block in zip(ours.layers, blocks, strict=True):
            copy_layer(arch, layer[0], block[0])
        if arch == "mini":
            ours.layers[0][0].scale.weight.copy_(theirs.backbone.affine.weight)
        tail.dense.weight.copy_(theirs.output.weight.transpose(1, 2).flatten(0, 1))
        tail.dense.bias.copy_(theirs.output.bias.flatten())
    torch.testing.assert_close(tail.of_members(ours(X)), theirs(X))


def copy_layer(arch, own, other):
    if arch == "mini":
        own.weight.copy_(other.weight)
        own.bias.copy_(other.bias)
    elif arch == "batch":
        r, dense, s = own
        for mine, value in (
            (r.weight, other.r),
            (dense.weight, other.weight),
            (s.weight, other.s),
            (s.bias, other.bias),
        ):
            mine.copy_(value)
    else:
        own[0].weight.copy_(other.weight)
        own[1].bias.copy_(other.bias)


@pytest.mark.parametrize("arch", ["mini", "batch"])
def test_scales_start_alike_for_the_columns_of_a_feature_and_differ_between_members(arch):
    block = body(64, arch=arch)
    first = block.layers[0][0].scale.weight if arch == "mini" else block.layers[0][0][0].weight
    assert set(first.flatten().tolist()) == {-1, 1}
    assert torch.equal(first[:, 2:3].expand(-1, 3), first[:, 2:5])
    for one, other in ((0, 1), (1, 2), (4, 5)):
        assert not torch.equal(first[:, one], first[:, other])
    assert 10 < len(first.unique(dim=0)) <= 16  # signs of four features
    others = [p for name, p in block.named_parameters() if p is not first and ("scale" in name or p.shape[0] == 64)]
    assert all(torch.equal(p, p.flatten()[0].expand_as(p)) for p in others)  # 1 or, of biases, 0


def test_columns_of_several_features_have_scales_of_their_own():
    torch.manual_seed(0)
    scale = Tabm(3, {"a": [0, 1, 2], "b": [0, 1, 2]}, k=64, width=4).layers[0][0].scale.weight
    assert len(scale.unique(dim=0)) == 8


def test_normal_scales():
    scale = body(500, start="normal").layers[0][0].scale.weight
    assert abs(scale.mean()) < 0.05
    assert abs(scale.std() - 1) < 0.05
    assert torch.equal(scale[:, 2], scale[:, 4])


@pytest.mark.parametrize("arch", ARCHS)
def test_scales_and_biases_do_not_decay(arch):
    block = body(arch=arch)
    optimiser = build_optimiser({"opt": "adamw", "weight_decay": 0.1, "decay_groups": "weights"}, block)
    decaying = {id(p) for p in optimiser.param_groups[0]["params"]}
    names = [name for name, p in block.named_parameters() if id(p) in decaying]
    middle = {"mini": "weight", "batch": "1.weight", "packed": "0.weight"}[arch]
    assert names == [f"layers.{d}.0.{middle}" for d in range(3)]


@pytest.mark.parametrize("arch", ARCHS)
def test_weights_start_as_lookup_init_says(arch):
    seen = []

    def lookup_init(act, n_in, n_out):
        seen.append((act, n_in, n_out))
        return lambda weight: nn.init.constant_(weight, 0.5)

    block = body(2, arch=arch, lookup_init=lookup_init)
    assert set(seen) == {("relu", 6, 5), ("relu", 5, 5)}
    assert all((weight.abs() == 0.5).all() for weight, _ in layers_of(block, 0))
    assert not any(bias.any() for _, bias in layers_of(block, 0))


@pytest.mark.parametrize("arch", ARCHS)
def test_dropout_differs_between_members_and_is_off_in_evaluation(arch):
    block = body(2, arch=arch, do=0.5, width=50, depth=1)
    out = block.train()(X).unflatten(1, (2, 50))
    assert not torch.equal(out[:, 0] == 0, out[:, 1] == 0)
    assert torch.equal(block.eval()(X), block(X))


@pytest.mark.parametrize("arch", ARCHS)
def test_an_event_does_not_know_of_the_others(arch):
    model = Model(ModelBuilder("classification", 1, list("abcdef"), body={"name": "tabm", "arch": arch}, seed=1))
    x = np.random.default_rng(0).normal(size=(100, 6)).astype("float32")
    assert np.array_equal(model.predict(x)[:3], model.predict(x[:3]))
    assert np.array_equal(model.predict(x, bs=7, spread=True)[1], model.predict(x, spread=True)[1])


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_it_learns(arch, precision):
    builder = ModelBuilder(
        "regression", 1, list("abcdef"), body={"name": "tabm", "k": 3, "arch": arch, "width": 8}, seed=1
    )
    model = Model(builder, precision=precision)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(64, 6)).astype("float32"))
    y = x[:, :1] - x[:, 1:2]
    losses = []
    model.set_mode(training=True)
    for _ in range(100):
        model.opt.zero_grad()
        loss = (model.outputs(x) - y[:, None]).square().mean()
        loss.backward()
        model.opt.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]
    assert all(p.grad is not None for p in model.model.parameters())


def test_embedded_categories_and_unused_columns():
    embedder = CatEmbedder(["e"], [5])
    model = Model(ModelBuilder("multiclass", 3, ["a", "b"], cat_embedder=embedder, body="tabm", seed=1))
    scale = model.body.layers[0][0].scale.weight
    assert torch.equal(scale[:, 2], scale[:, -1])
    assert model.predict(np.array([[0.1, 0.2, 4]])).sum() == pytest.approx(1)


def test_frozen_it_stays_as_it_is():
    block = body(freeze=True)
    assert block.get_param_count() == 0
    assert not block.train().training


def test_a_copy_is_independent():
    block = body()
    other = perturbed(copy.deepcopy(block))
    assert not torch.equal(block(X), other(X))


def test_pretrained_weights_are_taken(tmp_path):
    options = {"body": {"name": "tabm", "k": 3, "width": 4}, "seed": 1}
    first = Model(ModelBuilder("regression", 1, ["a", "b"], **options))
    path = first.save(tmp_path / "model")
    second = Model(ModelBuilder("regression", 1, ["a", "b"], **options | {"seed": 2}, pretrain_file=path))
    x = np.ones((2, 2), "float32")
    assert np.array_equal(first.predict(x), second.predict(x))
    with pytest.raises(Exception, match="layers"):
        ModelBuilder(
            "regression", 1, ["a", "b"], body={"name": "tabm", "k": 2, "width": 4}, pretrain_file=path
        ).build_model()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k": 0}, "k must be a positive integer"),
        ({"depth": 0}, "depth must be a positive integer"),
        ({"width": 0}, "width must be a positive integer"),
        ({"do": 1.0}, "dropout rate"),
        ({"arch": "maxi"}, "tabm has arch 'mini', 'batch', 'packed' .* got arch='maxi'"),
        ({"start": "ones"}, "start 'random-signs', 'normal', got arch='mini' and start='ones'"),
    ],
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        body(**options)


def test_multi_block_refuses_members():
    blocks = [{"name": "tabm", "k": 2}, "ident_body"]
    with pytest.raises(ConfigError, match="block 0 of multi_block has 2 members"):
        build("body", {"name": "multi_block", "blocks": blocks, "feats_per_block": [["a"], ["b"]]}, n_in=2,
              feat_map={"a": [0], "b": [1]})  # fmt: skip


# Tails


@pytest.mark.parametrize("objective", ["classification", "multiclass", "regression"])
def test_class_reg_multi_has_a_layer_for_each_member(objective):
    torch.manual_seed(0)
    block, x = ClassRegMulti(12, 2, objective, members=3), torch.randn(7, 12)
    assert block.dense.weight.shape == (6, 4)
    outputs = block.train()(x)
    for m in range(3):
        alone = ClassRegMulti(4, 2, objective)
        alone.load_state_dict({name: value[2 * m : 2 * m + 2] for name, value in block.state_dict().items()})
        torch.testing.assert_close(outputs[:, m], alone(x[:, 4 * m : 4 * m + 4]))
    values = outputs.exp() if objective == "multiclass" else outputs
    mean = block.eval()(x)
    torch.testing.assert_close(mean.exp() if objective == "multiclass" else mean, values.mean(1))
    assert torch.equal(block.of_members(x), outputs)


@pytest.mark.parametrize("scale", [{"y_range": [(-1, 1), (50, 60)]}, {"y_mean": [1, 50], "y_std": [2, 5]}])
def test_rescaled_outputs_of_members(scale):
    torch.manual_seed(0)
    block, x = ClassRegMulti(12, 2, "regression", members=3, **scale).eval(), torch.randn(7, 12)
    torch.testing.assert_close(block(x), block.of_members(x).mean(1))
    assert (block(x)[:, 1] > 40).all()


def test_each_member_starts_with_weights_of_its_own_and_the_variance_of_one():
    torch.manual_seed(0)
    weight = ClassRegMulti(400 * 20, 1, "classification", members=20).dense.weight
    assert not torch.equal(weight[0], weight[1])
    assert weight.std().item() == pytest.approx((2 / 401) ** 0.5, rel=0.05)


def test_one_member_is_the_tail_of_before():
    torch.manual_seed(0)
    before = ClassRegMulti(5, 2, "regression")
    torch.manual_seed(0)
    now = ClassRegMulti(5, 2, "regression", members=1)
    assert list(now.state_dict()) == ["dense.weight", "dense.bias"]
    assert torch.equal(before(X[:, :5]), now(X[:, :5]))


def test_ident_tail_gives_the_mean_of_members():
    block, x = IdentTail(6, 2, "regression", members=3), torch.arange(6.0)[None]
    assert block.train()(x).tolist() == [[[0, 1], [2, 3], [4, 5]]]
    assert block.eval()(x).tolist() == [[2, 3]]
    with pytest.raises(ConfigError, match="what the body gives, 2 columns, but the model has n_out=3"):
        IdentTail(6, 3, "regression", members=3)


def test_one_member_is_as_good_as_none():
    """With scales of 1 it is the network of fully_connected, with its weights."""
    block, plain = body(1), FullyConnected(6, FEAT_MAP, depth=3, width=5)
    with torch.no_grad():
        block.layers[0][0].scale.weight.fill_(1)
        for mine, theirs in zip(block.layers, plain.layers, strict=True):
            theirs[0].weight.copy_(mine[0].weight)
            theirs[0].bias.copy_(mine[0].bias)
    torch.testing.assert_close(block(X), plain(X))
