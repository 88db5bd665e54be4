"""conv, res and resnext against convolutions of each event alone, written as loops."""

import pytest
import torch
from torch import nn

from lumin_core.errors import ConfigError, ShapeError
from lumin_plugin_sequence import Conv, ConvLayer, Res, Resnext

ACTS = {
    "linear": lambda v: v,
    "relu": lambda v: v.clamp_min(0),
    "swish": lambda v: v / (1 + torch.exp(-v)),
    "selu": lambda v: 1.0507009873554805 * torch.where(v > 0, v, 1.6732632423543772 * (torch.exp(v) - 1)),
    "softmax": lambda v: torch.exp(v) / torch.exp(v).sum(),  # of an object, over its channels
}
LAYERS = [(Conv, {"out_c": 6}), (Res, {"out_c": 6}), (Res, {"out_c": 3}), (Resnext, {"out_c": 6, "inter_c": 2})]
KERNELS = [1, 2, 3, 4, 5, 8]


def channels(x):
    return x.nan_to_num(0).transpose(1, 2)


def make(layer, n=7, *, train=True, seed=1, **options):
    torch.manual_seed(seed)
    net = layer(3, n, **options).double().train(train)
    for name, values in [*net.named_parameters(), *net.named_buffers()]:
        if values.dim() == 1:  # biases, scales and running statistics of norms: as after a training
            values.data.uniform_(0.5 if "var" in name else -1, 1.5)
    return net


def padding_of(kernel_sz):
    return (kernel_sz - 1) // 2, kernel_sz // 2


def convolve(conv, event, mask, padding):
    """Convolve an event ``(C, N)`` as if nothing came behind its last object; give outputs ``{place: vector}``."""
    (before, behind), (k,), (s,), groups = padding, conv.kernel_size, conv.stride, conv.groups
    present = [i for i in range(len(mask)) if mask[i]]
    n = present[-1] + 1 if present else 0
    n_in, n_out = conv.in_channels // groups, conv.out_channels // groups
    outputs = {}
    for o in range((n + before + behind - k) // s + 1):
        centre = o * s - before + (k - 1) // 2
        if not any(i in present for i in range(centre, centre + min(s, k // 2 + 1))):
            continue
        values = []
        for c in range(conv.out_channels):
            value, group = conv.bias[c], c // n_out
            for j in range(k):
                if (place := o * s - before + j) in present:
                    for d in range(n_in):
                        value = value + conv.weight[c, d, j] * event[group * n_in + d, place]
            values.append(value)
        outputs[o] = torch.stack(values)
    return outputs


def normalise(norm, events):
    """Normalise ``[{place: vector}]`` by all vectors, or by the running statistics."""
    if norm is None:
        return events
    vectors = [v for event in events for v in event.values()]
    mean, var = norm.bn.running_mean, norm.bn.running_var
    if norm.training and len(vectors) > 1:
        mean = sum(vectors) / len(vectors)
        var = sum((v - mean) ** 2 for v in vectors) / len(vectors)
    scale = norm.bn.weight / (var + norm.bn.eps) ** 0.5
    return [{place: (v - mean) * scale + norm.bn.bias for place, v in event.items()} for event in events]


def to_events(x, mask):
    return [{i: x[e, :, i] for i in range(x.shape[2]) if mask[e, i]} for e in range(len(x))]


def from_events(events, n_channels, n, like):
    rows = [[event.get(i, torch.zeros(n_channels, dtype=like.dtype)) for i in range(n)] for event in events]
    return torch.stack([torch.stack(row, dim=1) for row in rows]), torch.tensor(
        [[i in e for i in range(n)] for e in events]
    )


def step_of(step, events, n, padding, act):
    def convolved(events):
        results = []
        for event in events:
            dense, mask = from_events([event], step.conv.in_channels, n, step.conv.weight)
            results.append(convolve(step.conv, dense[0], mask[0], padding))
        return results

    def activated(events):
        return [{place: ACTS[act](v) for place, v in event.items()} for event in events]

    if step.first:
        return convolved(activated(normalise(step.norm, events)))
    return normalise(step.norm, activated(convolved(events)))


def reference(net, x, mask, act, padding=None):
    """What a layer gives: ``(B, C, N)``, and its mask."""
    residual = not isinstance(net, Conv)
    events, n = to_events(x, mask), x.shape[2]
    for step in net.steps if residual else [net.step]:
        events = step_of(step, events, n, padding or padding_of(step.conv.kernel_size[0]), act)
        n = net.get_out_size()[1] if step.conv.stride[0] > 1 or not residual else n
    out_c, length = net.get_out_size()
    if residual:
        for e, event in enumerate(events):
            for place, vector in event.items():
                short = x[e, :, place * net.stride] * mask[e, place * net.stride]
                if net.shortcut is not None:
                    short = net.shortcut.weight[:, :, 0] @ short + net.shortcut.bias
                event[place] = vector + short
    return from_events(events, out_c, length, x)


def of_present(net, mask):
    """The values of a layer as a function of inputs whose absent objects are made 0, as a head does."""
    return lambda x: net(x.masked_fill(~mask.unsqueeze(1), 0), mask)[0]


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    ("kernel_sz", "stride", "act"),
    [(k, s, "swish") for k in (1, 2, 3, 4) for s in (1, 2, 3)] + [(3, 2, act) for act in ACTS if act != "swish"],
)
@pytest.mark.parametrize(("layer", "options"), LAYERS)
def test_layers_are_what_loops_give(layer, options, kernel_sz, stride, act, train, sequences, agree):
    """Absent objects anywhere, with and without norms: values and gradients, and the objects that are left."""
    x, mask = sequences()
    norm = {"bn": act != "linear"}
    net = make(layer, kernel_sz=kernel_sz, stride=stride, act=act, train=train, **norm, **options)
    running = {name: values.clone() for name, values in net.named_buffers()}
    assert torch.equal(net(channels(x), mask)[1], reference(net, channels(x), mask, act)[1])
    net.load_state_dict(running, strict=False)
    agree(of_present(net, mask), lambda x: reference(net, x, mask, act)[0], channels(x), net.parameters())


@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize(("kernel_sz", "stride"), [(1, 1), (2, 1), (3, 1), (3, 2), (5, 2), (4, 3)])
def test_any_padding_and_groups_are_what_loops_give(kernel_sz, stride, padding, sequences, agree):
    x, mask = sequences()
    net = make(Conv, out_c=6, kernel_sz=kernel_sz, stride=stride, padding=padding, groups=3, act="swish")
    pads = (padding, padding)
    assert torch.equal(net(channels(x), mask)[1], reference(net, channels(x), mask, "swish", pads)[1])
    agree(of_present(net, mask), lambda x: reference(net, x, mask, "swish", pads)[0], channels(x), net.parameters())


@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize(("kernel_sz", "stride"), [(1, 1), (2, 1), (3, 2), (5, 2), (4, 3)])
def test_whole_sequences_are_convolved_as_by_torch(kernel_sz, stride, padding, sequences):
    x, mask = sequences(n_present=(7,) * 5)
    net = make(Conv, out_c=6, kernel_sz=kernel_sz, stride=stride, padding=padding, groups=3, act="swish")
    conv = net.step.conv
    expected = nn.functional.silu(nn.functional.conv1d(channels(x), conv.weight, conv.bias, stride, padding, groups=3))
    out, out_mask = net(channels(x), mask)
    assert out.shape == expected.shape == (5, *net.get_out_size())
    assert torch.allclose(out, expected.masked_fill(~out_mask.unsqueeze(1), 0))
    assert out_mask[:, padding : out.shape[2] - padding].all()  # others may see nothing but zeros


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel_sz", KERNELS)
@pytest.mark.parametrize(("layer", "options"), LAYERS)
def test_fault_even_kernels_keep_the_length(layer, options, kernel_sz, stride, sequences):
    x, mask = sequences(n_present=(7,) * 5)
    net = make(layer, kernel_sz=kernel_sz, stride=stride, bn=True, **options)
    out, out_mask = net(channels(x), mask)
    assert out.shape == (5, options["out_c"], -(-7 // stride)) == (5, *net.get_out_size())
    assert out_mask.shape == (5, out.shape[2])
    assert out_mask.all()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel_sz", [2, 4, 8])
@pytest.mark.parametrize(("layer", "options"), LAYERS[1:])
def test_fault_residual_blocks_with_even_kernels_do_not_crash(layer, options, kernel_sz, stride, sequences):
    x, mask = sequences(at_the_end=True)
    net = make(layer, kernel_sz=kernel_sz, stride=stride, act="swish", bn=True, **options)
    out, _ = net(channels(x), mask)
    out.sum().backward()
    assert out.isfinite().all()
    assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(("layer", "options"), LAYERS)
def test_fault_selu_works(layer, options, sequences):
    """Its initialiser keeps the variance: 1 over the number of inputs of an output."""
    x, mask = sequences()
    net = make(layer, act="selu", **options)
    assert net(channels(x), mask)[0].isfinite().all()
    wide = Conv(100, 7, out_c=200, kernel_sz=5, act="selu")
    assert isinstance(wide.step.act, nn.SELU)
    assert wide.step.conv.weight.var().item() == pytest.approx(1 / 500, rel=0.05)


@pytest.mark.parametrize("padding", ["auto", 0, 1, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel_sz", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("layer", "options"), LAYERS)
def test_fault_absent_objects_at_the_end_change_nothing(layer, options, kernel_sz, stride, padding, sequences):
    if padding != "auto" and layer is not Conv:
        return
    options = {**options, "padding": padding} if layer is Conv else options
    x, mask = sequences(at_the_end=True)
    net = make(layer, kernel_sz=kernel_sz, stride=stride, act="swish", **options)
    out, out_mask = net(channels(x), mask)
    for e, count in enumerate((7, 5, 3, 1)):
        if padding != "auto" and count + 2 * padding < kernel_sz:
            assert not out_mask[e].any()  # alone, it is refused
            continue
        alone, alone_mask = net(channels(x)[e : e + 1, :, :count], mask[e : e + 1, :count])
        n = alone.shape[2]
        assert torch.equal(out_mask[e, :n], alone_mask[0])
        assert torch.allclose(out[e, :, :n], alone[0], atol=1e-12)
        assert (out[e, :, n:] == 0).all()
    assert (out[4] == 0).all()


@pytest.mark.parametrize("place", range(7))
@pytest.mark.parametrize(("layer", "options"), LAYERS)
def test_an_object_between_absent_ones_is_not_lost_by_a_stride(layer, options, place, sequences):
    x, _ = sequences()
    x[:] = torch.nan
    x[:, place] = torch.arange(15.0).view(5, 3)
    net = make(layer, act="swish", stride=2, **options)
    out, out_mask = net(channels(x), ~x[..., 0].isnan())
    assert (out_mask.sum(1) == 1).all()
    assert out.flatten(1).std(0).max() > 0.1


def test_a_stride_of_resnext_leaves_no_object_out(sequences):
    """The paper has it at the middle kernel; at a convolution of length 1 every second object would be lost."""
    x, mask = sequences(n_present=(7,) * 5)
    net = make(Resnext, out_c=6, act="swish", stride=2)
    inputs = channels(x).requires_grad_()
    net(inputs, mask)[0].sum().backward()
    assert (inputs.grad.abs().sum((0, 1)) > 0).all()
    assert [step.conv.stride for step in net.steps] == [(1,), (2,), (1,)]


def test_blocks_have_the_parts_that_the_papers_say():
    assert make(Res, out_c=3).shortcut is None
    assert make(Res, out_c=6).shortcut.weight.shape == (6, 3, 1)
    assert make(Res, out_c=3, stride=2).shortcut.stride == (2,)
    grouped = make(Resnext, out_c=6, inter_c=2, cardinality=3)
    assert [step.conv.weight.shape for step in grouped.steps] == [(6, 3, 1), (6, 2, 3), (6, 6, 1)]


def test_norms_see_present_objects_only(sequences):
    x, mask = sequences()
    torch.manual_seed(1)
    out, _ = Conv(3, 7, out_c=6, act="linear", bn=True).double()(channels(x), mask)
    rows = out.transpose(1, 2)[mask]
    assert torch.allclose(rows.mean(0), torch.zeros(6).double(), atol=1e-12)
    assert torch.allclose(rows.var(0, unbiased=False), torch.ones(6).double(), atol=1e-3)


@pytest.mark.parametrize(
    ("layer", "options", "words"),
    [
        (Conv, {"out_c": 0}, "positive whole numbers are needed, got out_c=0"),
        (Conv, {"out_c": 4, "kernel_sz": 3.0}, "kernel_sz=3.0"),
        (Conv, {"out_c": 4, "kernel_sz": "3"}, "kernel_sz='3'"),
        (Res, {"out_c": 4, "stride": 0}, "stride=0"),
        (Conv, {"out_c": 4, "groups": 2}, "groups must divide"),
        (Conv, {"out_c": 4, "padding": -1}, "padding must be 'auto' or a number of zeros, got -1"),
        (Conv, {"out_c": 4, "padding": "same"}, "got 'same'"),
        (Conv, {"out_c": 4, "padding": 1.5}, "got 1.5"),
        (Conv, {"out_c": 4, "kernel_sz": 9, "padding": 0}, "a kernel of 9 leaves nothing of a sequence of 7"),
        (Resnext, {"out_c": 4, "cardinality": 0}, "cardinality=0"),
        (Resnext, {"out_c": 4, "inter_c": -1}, "inter_c=-1"),
    ],
)
def test_options_are_checked(layer, options, words):
    with pytest.raises(ConfigError, match=words):
        layer(3, 7, **options)


@pytest.mark.parametrize(("layer", "options"), LAYERS)
def test_shapes_are_checked(layer, options):
    net = make(layer, **options)
    mask = torch.ones(2, 7, dtype=torch.bool)
    with pytest.raises(ShapeError, match=r"\(B, C, N\) with C = 3, got \(2, 4, 7\)"):
        net(torch.ones(2, 4, 7).double(), mask)
    with pytest.raises(ShapeError, match=r"mask .* has shape \(B, N\), got \(2, 6\)"):
        net(torch.ones(2, 3, 7).double(), mask[:, :6])


def test_a_layer_depends_on_everything_unless_it_says_otherwise():
    class Mine(ConvLayer):
        def forward(self, x, mask):
            return x.mean(2, keepdim=True), mask.any(1, keepdim=True)

        def get_out_size(self):
            return self.in_c, 1

    places, channels = Mine(3, 7).trace(torch.eye(7, dtype=torch.bool), torch.eye(3, dtype=torch.bool))
    assert places.shape == (7, 1)
    assert channels.shape == (3, 3)
    assert places.all()
    assert channels.all()
