"""conv1d_head: its layers, what it makes of absent objects, what its columns depend on."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import Model, ModelBuilder, registry
from lumin_core.errors import ConfigError, LuminError, ShapeError, UnknownComponent
from lumin_plugin_sequence import AvgMaxPool, Conv, Conv1dHead, ConvLayer, Res
from lumin_plugin_tabular import MultiHead

FEATS = ["x", "y", "z"]
LAYERS = sorted(c.name for c in registry.components("conv_layer"))
NEEDED = {"conv": {"out_c": 6}, "res": {"out_c": 6}, "resnext": {"out_c": 6}}


def vecs(n):
    return [f"v{i}" for i in range(n)]


def spec(name, **options):
    return {"name": name, **NEEDED.get(name, {}), **options}


def make(layers, n=7, *, seed=1, **options):
    torch.manual_seed(seed)
    return Conv1dHead([], vecs(n), FEATS, layers, **options).double()


def test_layers_run_one_behind_the_other(sequences, agree):
    x, mask = sequences()
    head = make([spec("conv"), spec("res", stride=2), "avg_max_pool"], act="swish")

    def by_hand(x):
        y = x.nan_to_num(0).transpose(1, 2)
        first, second, third = head.layers
        y, left = first(y, mask)
        y, left = second(y, left)
        return third(y, left)[0].flatten(1)

    agree(head, by_hand, x, head.parameters())
    assert head(x).shape == (5, head.get_out_size()) == (5, 12)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", [{}, {"act": "softmax"}, {"kernel_sz": 4, "stride": 2}, {"padding": 0}, {"sz": 3}])
@pytest.mark.parametrize("name", LAYERS)
def test_fault_padding_changes_no_result(name, options, training, sequences):
    taken = registry.resolve("conv_layer", name).func.__init__.__annotations__
    options = {key: value for key, value in options.items() if key in taken}
    x, _ = sequences(at_the_end=True)
    longer = torch.cat((x, torch.full((5, 4, 3), torch.nan, dtype=x.dtype)), dim=1)
    layers = [spec(name, **options), {"name": "avg_max_pool", "sz": 1 if name == "avg_max_pool" else 2}]
    layers = layers[: 1 if "sz" in options else 2]
    short, long = (make(layers, n, bn=True).train(training) for n in (7, 11))
    long.load_state_dict(short.state_dict())
    assert torch.allclose(short(x), long(longer), atol=1e-11)
    buffers = zip(short.named_buffers(), long.named_buffers(), strict=True)
    assert all(torch.allclose(a, b) for (name, a), (_, b) in buffers if "running" in name)


@pytest.mark.parametrize("place", range(6))
def test_one_object_is_seen_wherever_it_is(place):
    """By the default layers, one of which has a stride."""
    torch.manual_seed(1)
    head = Conv1dHead([], vecs(6), FEATS, act="swish")
    x = torch.full((2, 6, 3), torch.nan)
    x[:, place] = torch.tensor([[1.0, 2.0, 3.0], [3.0, -1.0, 2.0]])
    out = head(x)
    assert (out[0] - out[1]).abs().max() > 0.1


@pytest.mark.parametrize("name", LAYERS)
def test_few_objects_give_finite_values_and_gradients(name, sequences):
    for n_present in ((7, 5, 3, 1, 0), (1, 0, 0, 0, 0), (0,) * 5):
        x, mask = sequences(n_present=n_present)
        head = make([spec(name)], bn=True)
        x.requires_grad_()
        out = head(x)
        out.sum().backward()
        assert out.isfinite().all()
        assert (out[~mask.any(1)] == 0).all()
        assert x.grad.nan_to_num(0).isfinite().all()
        assert all(p.grad is None or p.grad.isfinite().all() for p in head.parameters())
        assert head(x[:1]).isfinite().all()
        assert head(x[:0]).shape == (0, head.get_out_size())
        assert torch.allclose(head.eval()(x[:1]), head(x)[:1])


@pytest.mark.parametrize("layers", [
    [spec("conv")],
    [spec("conv", groups=3)],
    [spec("conv", groups=3, kernel_sz=2, stride=2, padding=1), spec("conv", groups=3, kernel_sz=1)],
    [spec("conv", kernel_sz=1, stride=2)],
    [spec("res")],
    [spec("res", out_c=3, kernel_sz=2, stride=2)],
    [spec("resnext", stride=2)],
    ["squeeze_excitation"],
    ["avg_max_pool"],
    [spec("avg_max_pool", sz=2), spec("conv", groups=2, kernel_sz=1)],
    [spec("conv"), spec("res"), "squeeze_excitation", "avg_max_pool"],
])  # fmt: skip
def test_fault_features_are_mapped_to_the_columns_that_they_reach(layers, sequences, depends):
    """And to no other, such as those of a kernel that does not come there."""
    x, _ = sequences(n_events=40, n_present=(7,) * 20 + (4,) * 13 + (7,) * 7)
    x[-7:][~torch.eye(7, dtype=torch.bool)] = torch.nan  # each alone
    head = make(layers, act="swish", bn=True)
    for name, values in head.named_buffers():
        if name.endswith("running_var"):
            values.fill_(0.7)
    assert head.feat_map == depends(head, x)


def test_missing_elements_are_not_mapped():
    feats = ["v0_x", "v1_x", "v2_y"]
    head = Conv1dHead(feats, vecs(3), ["x", "y"], [{"name": "conv", "out_c": 1}])
    assert head.feat_map == {"v0_x": [0, 1], "v1_x": [0, 1, 2], "v2_y": [1, 2]}


def test_fault_the_map_of_multi_head_is_right():
    feats = [f"{vec}_{feat}" for vec in vecs(4) for feat in FEATS]
    mixed = [*feats[5:], "a", *feats[:5], "b"]
    layers = [{"name": "conv", "out_c": 2, "kernel_sz": 2}]
    head = MultiHead(mixed, partial(Conv1dHead, vecs=vecs(4), feats_per_vec=FEATS, layers=layers, act="swish")).double()
    x = torch.randn(4, len(mixed), dtype=torch.float64)
    gradient = torch.autograd.functional.jacobian(lambda x: head(x).sum(0), x).abs().sum(1)
    assert set(head.feat_map) == set(mixed)
    for i, feat in enumerate(mixed):
        assert sorted(head.feat_map[feat]) == gradient[:, i].nonzero().flatten().tolist()


class Doubled(Conv1dHead):
    """As a user would write it."""

    def get_layers(self):
        return [{"name": "conv", "out_c": 8 * self.n_fpv}, AvgMaxPool]


class EveryOther(ConvLayer):
    """A layer of a user's own, without a name."""

    def forward(self, x, mask):
        return x[..., ::2], mask[:, ::2]

    def get_out_size(self):
        return self.in_c, (self.length + 1) // 2


class Wrong(EveryOther):
    def get_out_size(self):
        return self.in_c, self.length


def test_users_override_get_layers_and_the_width_is_found(sequences):
    x, _ = sequences()
    head = Doubled([], vecs(7), FEATS, act="swish").double()
    assert head(x).shape == (5, 48) == (5, head.get_out_size())
    assert isinstance(head.layers[0].step.act, nn.SiLU)


def test_users_write_layers_of_their_own(sequences):
    x, _ = sequences(n_present=(7,) * 5)
    head = make([EveryOther, partial(Conv, out_c=5), EveryOther])
    assert head(x).shape == (5, head.get_out_size()) == (5, 10)
    assert torch.equal(make(EveryOther)(x), x[:, ::2].transpose(1, 2).flatten(1))
    assert head.feat_map["v1_x"] == list(range(10))  # the layer does not say that it is left out
    with pytest.raises(ShapeError, match=r"Wrong gave channels and places \(3, 4\), its get_out_size says \(3, 7\)"):
        make([Wrong])(x)


def test_a_head_of_a_users_own_is_registered_trained_saved_and_loaded(trained_and_saved):
    with registry.temporary():
        registry.register("head", "doubled")(Doubled)
        trained_and_saved("doubled")


@pytest.mark.parametrize("layers", ["avg_max_pool", {"name": "conv", "out_c": 3}, AvgMaxPool, partial(Conv, out_c=3)])
def test_a_single_layer_needs_no_list(layers, sequences):
    x, _ = sequences()
    assert torch.equal(make(layers)(x), make([layers])(x))


def test_layers_prevail_over_the_head():
    layers = [{"name": "conv", "out_c": 4, "act": "selu"}, {"name": "conv", "out_c": 4, "bn": False}, "avg_max_pool"]
    head = make(layers, act="swish", bn=True)
    first, second = head.layers[0].step, head.layers[1].step
    assert isinstance(first.act, nn.SELU)
    assert first.norm is not None
    assert isinstance(second.act, nn.SiLU)
    assert second.norm is None
    assert layers[0] == {"name": "conv", "out_c": 4, "act": "selu"}


class OwnNorm(nn.BatchNorm1d):
    """As a user would derive it."""


def test_look_ups_and_norm_reach_every_layer():
    asked = {"init": set(), "act": set()}

    def lookup_act(act):
        asked["act"].add(act)
        return nn.Tanh()

    def lookup_init(act, fan_in=None, fan_out=None):
        asked["init"].add((act, fan_in, fan_out))
        return nn.init.ones_

    layers = [spec(name) for name in LAYERS if name != "avg_max_pool"]
    head = make(layers, act="mish", bn=True, bn_class=OwnNorm, lookup_act=lookup_act, lookup_init=lookup_init)
    norms = [module.bn for module in head.modules() if hasattr(module, "bn")]
    assert len(norms) == 1 + 2 + 3
    assert {type(norm) for norm in norms} == {OwnNorm}
    assert asked["act"] == {"mish", "sigmoid"}
    assert sum(isinstance(module, nn.Tanh) for module in head.modules()) == 1 + 2 + 3 + 2
    assert {("mish", 9, 18), ("mish", 12, 12), ("sigmoid", 2, 6)} <= asked["init"]  # 4 channels a group, 3 places
    kernels = [m.weight for m in head.modules() if isinstance(m, nn.Conv1d | nn.Linear)]
    assert all((weight == 1).all() for weight in kernels)


def test_flat_inputs_columns_and_freezing(sequences):
    x, _ = sequences()
    layers = [spec("conv"), "avg_max_pool"]
    head = make(layers, act="swish")
    feats = [f"{vec}_{feat}" for vec in vecs(7) for feat in FEATS]
    flat = Conv1dHead(feats, vecs(7), FEATS, layers, act="swish", freeze=True).double()
    flat.load_state_dict(head.state_dict())
    assert list(head.state_dict()) == ["layers.0.step.conv.weight", "layers.0.step.conv.bias"]
    assert torch.equal(flat(x.nan_to_num(0).flatten(1)), head(x))
    assert torch.equal(head((torch.zeros(5, 2), x)), head(x))
    assert flat.get_param_count() == 0
    flat.unfreeze_layers()
    assert flat.get_param_count() == flat.get_param_count(trainable=False) == 60
    columns = make(layers, act="swish", row_wise=False)
    assert torch.equal(columns(x.transpose(1, 2)), head(x))
    assert set(flat.feat_map) == set(feats)


@pytest.mark.parametrize(
    ("layers", "error", "words"),
    [
        (["conv"], ConfigError, "out_c"),
        ([], ConfigError, "at least one"),
        (None, ConfigError, "is given as a name.*got None"),
        ([Conv(3, 7, out_c=2)], ConfigError, "is given as a name"),
        ([nn.ReLU], ConfigError, "must be a subclass of"),
        ([{"name": "conv", "out_c": 4, "kernel": 3}], ConfigError, "no option 'kernel'; did you mean 'kernel_sz'"),
        ([{"name": "res", "out_c": 4, "padding": 0}], ConfigError, "no option 'padding'"),
        ([{"name": "cnv", "out_c": 4}], UnknownComponent, "did you mean 'conv'"),
        ([{"name": "conv", "out_c": 4, "kernel_sz": 9, "padding": 0}], ConfigError, "leaves nothing"),
        ([{"name": "avg_max_pool", "sz": 8}], ConfigError, "the length 7, got 8"),
        (["avg_max_pool", Res], ConfigError, "out_c"),
    ],
)
def test_wrong_layers_are_refused(layers, error, words):
    assert issubclass(error, LuminError)
    with pytest.raises(error, match=words):
        make(layers)


def test_wrong_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"\(B, 7, 3\), got shape \(2, 7, 4\)"):
        make("avg_max_pool")(torch.zeros(2, 7, 4))


@pytest.mark.parametrize("row_wise", [True, False])
def test_models_are_built_by_name_trained_saved_and_loaded(row_wise, trained_and_saved):
    layers = [
        {"name": "conv", "out_c": 8},
        {"name": "res", "out_c": 8, "stride": 2},
        {"name": "resnext", "out_c": 8},
        "squeeze_excitation",
        "avg_max_pool",
    ]
    trained_and_saved({"name": "conv1d_head", "layers": layers, "bn": True}, row_wise=row_wise)


def test_models_of_default_layers_train_in_any_precision(trained_and_saved):
    trained_and_saved("conv1d_head")
    trained_and_saved({"name": "conv1d_head", "bn": True}, precision="bf16")


@pytest.mark.parametrize("flat", [["a"], []])
def test_it_works_in_multi_head_with_and_without_flat_features(flat, trained_and_saved):
    matrix = {"name": "conv1d_head", "vecs": vecs(5), "feats_per_vec": ["x", "y"]}
    model = trained_and_saved({"name": "multi_head", "matrix_head": matrix}, flat=flat)
    assert model.head.get_out_size() == 64 + len(flat)
    assert model.head.feat_map["v0_x"] == list(range(len(flat), 64 + len(flat)))
    assert all(model.head.feat_map[feat] == [0] for feat in flat)


def test_it_exports_to_onnx(sequences, tmp_path):
    for package in ("onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'lumin-core[onnx]' onnxruntime")
    import onnxruntime

    vecs, feats = [f"v{i}" for i in range(7)], ["x", "y", "z"]
    head = {"name": "conv1d_head", "vecs": vecs, "feats_per_vec": feats}
    cont_feats = [f"{vec}_{feat}" for vec in vecs for feat in feats]
    model = Model(ModelBuilder("classification", 1, cont_feats, head=head, seed=1), device="cpu")
    session = onnxruntime.InferenceSession(str(model.export_onnx(tmp_path / "m")), providers=["CPUExecutionProvider"])
    x, _ = sequences(dtype=torch.float32)
    for n in (1, 5):
        matrix = x[:n].numpy()
        (preds,) = session.run(None, {"matrix": matrix})
        np.testing.assert_allclose(preds, model.predict((np.zeros((n, 0), "float32"), matrix)), atol=1e-5)


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "avg_max_pool"])
def test_fault_an_activation_has_options(name):
    act = {"name": "prelu", "init": 0.1}
    for head in (make([spec("conv"), spec(name, act=act)]), make([spec("conv"), spec(name)], act=act)):
        assert any(isinstance(module, nn.PReLU) for module in head.layers[1].modules())
