"""Attention layers against loops over objects."""

from math import sqrt

import pytest
import torch

from lumin_core.errors import ConfigError
from lumin_plugin_gnn import OffsetSelfAttention, SelfAttention
from lumin_plugin_gnn.transformer_block import TransformerBlock, absent_bias


def self_by_loops(net, x, mask):
    out = torch.zeros_like(x)
    for e in range(len(x)):
        present = [i for i in range(x.shape[1]) if mask[e, i]]
        for i in present:
            logits = torch.stack([net.q(x[e, i]) @ net.k(x[e, j]) / sqrt(net.n_a) for j in present])
            weights = logits.exp() / logits.exp().sum()
            attended = sum(w * net.v(x[e, j]) for w, j in zip(weights, present, strict=True))
            out[e, i] = x[e, i] + net.out.layers(attended)
    return out


def offset_by_loops(net, x, mask):
    out = torch.zeros_like(x)
    for e in range(len(x)):
        present = [i for i in range(x.shape[1]) if mask[e, i]]
        if not present:
            continue
        logits = torch.stack([torch.stack([net.q(x[e, i]) @ net.k(x[e, j]) for j in present]) for i in present])
        by_receiver = logits.exp() / logits.exp().sum(0)
        weights = by_receiver / by_receiver.sum(1, keepdim=True)
        for row, i in zip(weights, present, strict=True):
            attended = sum(w * net.v(x[e, j]) for w, j in zip(row, present, strict=True))
            out[e, i] = x[e, i] + net.out.layers(x[e, i] - attended)
    return out


def gradients(function, net, x):
    net.zero_grad()
    x = x.clone().requires_grad_()
    out = function(x)
    (out * torch.linspace(-1, 1, out.numel(), dtype=x.dtype).view(out.shape)).sum().backward()
    return [out.detach(), x.grad, *(p.grad.clone() for p in net.parameters())]


@pytest.mark.parametrize("n_a", [None, 1, 5])
@pytest.mark.parametrize(("layer", "loops"), [(SelfAttention, self_by_loops), (OffsetSelfAttention, offset_by_loops)])
def test_values_and_gradients_are_those_of_loops(layer, loops, n_a, objects):
    x, mask = objects(n_fpv=3)
    net = layer(3, n_a=n_a, act="swish").double()
    found = gradients(lambda x: net(x, mask, x), net, x)
    expected = gradients(lambda x: loops(net, x, mask), net, x)
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("layer", [SelfAttention, OffsetSelfAttention])
def test_more_axes_are_more_events(layer, objects):
    x, mask = objects(n_fpv=3)
    net = layer(3).double()
    nested = net(x.view(2, 2, 7, 3), mask.view(2, 2, 7), x)
    assert torch.allclose(nested.view(4, 7, 3), net(x, mask, x), atol=1e-12)


@pytest.mark.parametrize("layer", [SelfAttention, OffsetSelfAttention])
@pytest.mark.parametrize("n_fpv", [1, 2, 3, 8])
def test_fault_few_features_give_finite_attention(layer, n_fpv, objects):
    x, mask = objects(n_fpv=n_fpv)
    net = layer(n_fpv).double()
    assert net.n_a == max(1, n_fpv // 4)
    assert all(value.isfinite().all() for value in gradients(lambda x: net(x, mask, x), net, x))


def test_attention_survives_large_logits(objects):
    x, mask = objects(n_fpv=3, dtype=torch.float32)
    for layer in (SelfAttention, OffsetSelfAttention):
        net = layer(3)
        assert all(value.isfinite().all() for value in gradients(lambda x, net=net: net(1e3 * x, mask, x), net, x))


@pytest.mark.parametrize("n_a", [0, -1])
def test_the_width_must_be_positive(n_a):
    with pytest.raises(ConfigError, match="n_a"):
        SelfAttention(3, n_a=n_a)


def test_a_transformer_block_is_attention_and_two_layers_as_written_out(objects):
    x, mask = objects(n_fpv=6, n_present=(7, 5, 1, 2))
    torch.manual_seed(1)
    block = TransformerBlock(6, n_heads=2).double()
    for param in block.parameters():
        torch.nn.init.normal_(param)
    pairs = torch.randn(4, 2, 7, 7, dtype=torch.float64)
    out = block(x, x, absent_bias(mask, x.dtype) + pairs)
    for e in range(4):
        present = [i for i in range(7) if mask[e, i]]
        normed = block.norm_in(x[e])
        query, key_value = block.queries(normed), block.keys_values(normed)
        key, value = key_value[:, :6], key_value[:, 6:]
        for i in present:
            heads = []
            for h, part in enumerate((slice(0, 3), slice(3, 6))):
                logits = [query[i, part] @ key[j, part] / sqrt(3) + pairs[e, h, i, j] for j in present]
                weights = torch.stack(logits).softmax(0)
                attended = sum(w * value[j, part] for w, j in zip(weights, present, strict=True))
                heads.append(block.head_scale[h] * attended)
            y = x[e, i] + block.norm_attended(block.out(torch.cat(heads)))
            inner = block.norm_inner(torch.nn.functional.gelu(block.inner(block.norm_dense(y))))
            assert torch.allclose(out[e, i], block.residual_scale * y + block.outer(inner), atol=1e-10)


def test_heads_must_divide_the_width():
    with pytest.raises(ConfigError, match="n_heads must divide the width, got 4 heads for 6 features"):
        TransformerBlock(6, n_heads=4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layer", [SelfAttention, OffsetSelfAttention])
def test_gradients_are_finite_in_mixed_precision_where_objects_are_absent(layer, dtype, objects):
    x, mask = objects(dtype=torch.float32)
    net, x = layer(4), x / 10
    with torch.autocast("cpu", dtype):
        out = net(x, mask, x)
    out.float().square().sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())
    assert net.q.weight.grad.abs().sum() > 0
