"""gnn_head, and what must hold of every extractor and collapser that is installed."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lumin_core import FoldYielder, Model, ModelBuilder, df2foldfile, registry
from lumin_core.errors import ConfigError
from lumin_plugin_gnn import Extractor, GNNHead, InteractionNet
from lumin_plugin_tabular import MultiHead

MOMENTUM = ["px", "py", "pz", "E"]
EXTRACTORS = sorted(c.name for c in registry.components("graph_extractor"))
COLLAPSERS = sorted(c.name for c in registry.components("graph_collapser"))
ALONE = {"constituent_features", "lorentz_net"}  # nothing may stand in front of them
NORMS = {"edge_conv", "lorentz_net", "particle_transformer"}  # they have norms by default
SMALL = {
    "edge_conv": {"preset": "lite", "k": 3, "widths": [[8, 8], [8, 6]]},
    "grav_net": {"k": 4, "n_out": [6, 5], "n_lr": 8, "cat_means": True},
    "interaction_net": {"intfunc_outs": [8, 6], "outfunc_outs": [7]},
    "lorentz_net": {"width": 8, "n_layers": 2, "bn_class": {"name": "batch_norm1d", "momentum": 0.5}},
    "particle_transformer": {"preset": "lite", "embed": [16], "pair_embed": [8], "n_layers": 2, "n_heads": 2, "do": 0},
    "deep_sets": {"widths": [8, 6]},
}


def vecs(n):
    return [f"v{i}" for i in range(n)]


def make(extractor, collapser="graph_collapser", n=7, seed=1, dtype=torch.float64, **options):
    if isinstance(extractor, str):
        extractor = {"name": extractor, **SMALL.get(extractor, {})}
    torch.manual_seed(seed)
    return GNNHead([], vecs(n), MOMENTUM, extractor, collapser, **options).to(dtype)


def with_nan(x, mask):
    return x.masked_fill(~mask.unsqueeze(-1), torch.nan)


def run(head, x, mask):
    """Give outputs, the gradients with respect to the objects, and those of all parameters."""
    head.zero_grad()
    x = with_nan(x, mask).requires_grad_()
    out = head(x)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
    (out * weights).sum().backward()
    return out.detach(), x.grad.nan_to_num(0), [p.grad for p in head.parameters() if p.grad is not None]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", EXTRACTORS)
def test_fault_padding_changes_no_result(name, training, objects):
    x, mask = objects()
    longer_x = torch.cat((x[:, :2], torch.zeros(4, 3, 4, dtype=x.dtype), x[:, 2:]), dim=1)
    longer_mask = torch.cat((mask[:, :2], torch.zeros(4, 3, dtype=torch.bool), mask[:, 2:]), dim=1)
    options = {"use_in_bn": name not in NORMS | ALONE, "cat_means": name == "deep_sets"}
    short, long = (make(name, n=n, **options).train(training) for n in (7, 10))
    long.load_state_dict(short.state_dict())
    out, grad, grads = run(short, x, mask)
    padded_out, padded_grad, padded_grads = run(long, longer_x, longer_mask)
    assert torch.allclose(out, padded_out, atol=1e-12, rtol=1e-9)
    assert torch.allclose(grad[mask], padded_grad[longer_mask], atol=1e-11, rtol=1e-9)
    assert len(grads) == len(padded_grads)
    assert all(torch.allclose(a, b, atol=1e-10, rtol=1e-8) for a, b in zip(grads, padded_grads, strict=True))
    for a, b in zip(short.buffers(), long.buffers(), strict=True):  # the norms' running statistics
        assert a.shape != b.shape or torch.allclose(a.double(), b.double())


@pytest.mark.parametrize("collapser", COLLAPSERS)
def test_fault_padding_changes_no_collapsed_result(collapser, objects):
    x, mask = objects()
    if collapser == "node_predictor":
        pytest.skip("it gives a column for every object")
    longer_x = torch.cat((x, torch.zeros(4, 3, 4, dtype=x.dtype)), dim=1)
    longer_mask = torch.cat((mask, torch.zeros(4, 3, dtype=torch.bool)), dim=1)
    short, long = (make("deep_sets", collapser, n=n) for n in (7, 10))
    long.load_state_dict(short.state_dict())
    for a, b in zip(run(short, x, mask)[2], run(long, longer_x, longer_mask)[2], strict=True):
        assert torch.allclose(a, b, atol=1e-11)
    assert torch.allclose(run(short, x, mask)[0], run(long, longer_x, longer_mask)[0], atol=1e-12)


@pytest.mark.parametrize("name", EXTRACTORS)
def test_fault_padding_changes_no_result_in_single_precision(name, objects):
    x, mask = objects(dtype=torch.float32)
    short, long = (make(name, n=n, dtype=torch.float32).eval() for n in (7, 12))
    long.load_state_dict(short.state_dict())
    longer = torch.cat((with_nan(x, mask), torch.full((4, 5, 4), torch.nan)), dim=1)
    out, padded = short(with_nan(x, mask)), long(longer)
    assert torch.allclose(out, padded, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", EXTRACTORS)
def test_permuted_objects_give_permuted_features_and_the_same_event(name, objects):
    x, mask = objects()
    head = make(name).eval()
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    assert torch.allclose(head(with_nan(x, mask)), head(with_nan(x, mask)[:, order]), atol=1e-11)
    feats = head.extractors[0](x, mask, x)
    permuted = head.extractors[0](x[:, order], mask[:, order], x[:, order])
    assert torch.allclose(feats[:, order], permuted, atol=1e-11)
    assert (feats[~mask] == 0).all()


@pytest.mark.parametrize("collapser", COLLAPSERS)
@pytest.mark.parametrize("name", EXTRACTORS)
def test_events_of_few_objects_give_finite_values_and_gradients(name, collapser, objects):
    for n_present in ((7, 5, 1, 0), (1, 0, 0, 0), (0, 0, 0, 0)):
        x, mask = objects(n_present=n_present)
        head = make(name, collapser, use_in_bn=name not in ALONE)
        out, grad, grads = run(head, x, mask)
        assert out.shape == (4, head.get_out_size())
        assert out.isfinite().all()
        assert grad.isfinite().all()
        assert all(g.isfinite().all() for g in grads)
        assert all(b.isfinite().all() for b in head.buffers() if b.is_floating_point())


@pytest.mark.parametrize("collapser", COLLAPSERS)
@pytest.mark.parametrize("name", EXTRACTORS)
def test_no_events_are_no_events(name, collapser):
    head = make(name, collapser).eval()
    assert head(torch.zeros(0, 7, 4, dtype=torch.float64)).shape == (0, head.get_out_size())


@pytest.mark.parametrize("name", EXTRACTORS)
def test_flat_inputs_and_column_wise_matrices_are_the_same_objects(name, objects):
    x, mask = objects(dtype=torch.float32)
    head = make(name, dtype=torch.float32).eval()
    out = head(with_nan(x, mask))
    feats = [f"{vec}_{feat}" for vec in vecs(7) for feat in MOMENTUM]
    spec = {"name": name, **SMALL.get(name, {})}
    flat = GNNHead(feats[::-1], vecs(7), MOMENTUM, spec).eval()
    flat.load_state_dict(head.state_dict())
    assert torch.allclose(flat(x.flatten(1).flip(1)), out, atol=1e-6)
    columns = GNNHead([], vecs(7), MOMENTUM, spec, row_wise=False).eval()
    columns.load_state_dict(head.state_dict())
    assert torch.equal(columns(with_nan(x, mask).transpose(1, 2)), out)
    assert torch.equal(head((torch.zeros(4, 2), with_nan(x, mask))), out)


@pytest.fixture(scope="module")
def fold_file(tmp_path_factory):
    """Give events whose class is that of their summed momentum, with absent objects and two flat features."""
    rng = np.random.default_rng(1)
    p = rng.normal(size=(400, 5, 3)) * 20 + np.array([40.0, 0.0, 0.0])
    label = (p[..., 0].sum(1) > 200).astype(int)
    momenta = np.concatenate((p, np.sqrt((p**2).sum(-1, keepdims=True) + 0.02)), axis=-1)
    momenta[rng.random((400, 5)) < 0.2] = np.nan
    columns = [f"{vec}_{feat}" for vec in vecs(5) for feat in MOMENTUM]
    df = pd.DataFrame(momenta.reshape(400, -1), columns=columns)
    df = df.assign(a=rng.normal(size=400) + label, b=0.5, label=label)
    objects = {"matrix_vecs": vecs(5), "matrix_feats_per_vec": MOMENTUM, "matrix_row_wise": True}
    folder = tmp_path_factory.mktemp("objects")
    both = df2foldfile(df, 4, ["a", "b"], [], "label", folder / "both", "int", seed=1, **objects)
    alone = df2foldfile(df, 4, [], [], "label", folder / "alone", "int", seed=1, **objects)
    return alone, both


@pytest.mark.parametrize("collapser", ["graph_collapser", "class_attention"])
@pytest.mark.parametrize("name", EXTRACTORS)
def test_models_are_built_by_name_trained_saved_and_loaded(name, collapser, fold_file, tmp_path):
    chain = [] if name in ALONE else ["constituent_features"]
    spec = [*chain, {"name": name, **SMALL.get(name, {})}]
    with FoldYielder(fold_file[0]) as fy:
        options = {"head": "gnn_head", "model_args": {"head": {"extractor": spec, "collapser": collapser}}}
        builder = ModelBuilder.from_fy(
            fy, "classification", body={"name": "fully_connected", "depth": 1}, seed=3, **options
        )
        model = Model(builder)
        model.fit(4, fy, 20, val_idx=0, seed=1, visible_bar=False)
        losses = model.fit_params.history["valid"]["loss"]
        assert losses[-1] < losses[0]
        inputs = fy[0]["inputs"]
        loaded = Model.from_save(model.save(tmp_path / "m"))
        assert np.array_equal(model.predict(inputs), loaded.predict(inputs))
        assert loaded.model_builder.to_config() == builder.to_config()


def test_it_works_beside_flat_features(fold_file):
    with FoldYielder(fold_file[1]) as fy:
        matrix = {"name": "gnn_head", "vecs": vecs(5), "feats_per_vec": MOMENTUM, "extractor": "deep_sets"}
        head = {"name": "multi_head", "matrix_head": matrix}
        model = Model(ModelBuilder.from_fy(fy, "classification", head=head, seed=1))
        model.fit(2, fy, 20, val_idx=0, seed=1, visible_bar=False)
        width = model.head.get_out_size()
        assert isinstance(model.head, MultiHead)
        assert model.head.feat_map["b"] == [1]
        assert model.head.feat_map["v3_pz"] == list(range(2, width))
        assert width == 2 + 2 * 256
        assert model.predict(fy[0]["inputs"]).shape == (100, 1)


def test_only_what_a_feature_maps_to_depends_on_it(objects):
    head = MultiHead(
        ["a"], partial(GNNHead, vecs=vecs(7), feats_per_vec=MOMENTUM, extractor="interaction_net")
    ).double()
    x, _mask = objects()
    flat = torch.ones(4, 1, dtype=torch.float64)
    changed = head((flat + 1, x)) != head((flat, x))
    assert {int(i) for i in changed.any(0).nonzero()} == set(head.feat_map["a"]) == {0}


@pytest.mark.parametrize(
    "extractor",
    [InteractionNet, partial(InteractionNet, outfunc_outs=[3]), "interaction_net", {"name": "interaction_net"}],
)
def test_fault_extractors_are_given_as_class_partial_or_name(extractor, objects):
    x, _ = objects(dtype=torch.float32)
    assert GNNHead([], vecs(7), MOMENTUM, extractor)(x).shape[0] == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"extractor": {"name": "interaction_net", "intfunc_out": [3]}}, "did you mean 'intfunc_outs'"),
        ({"extractor": "interactionet"}, "did you mean 'interaction_net'"),
        ({"collapser": {"name": "graph_collapser", "flaten": True}}, "did you mean 'flatten'"),
        ({"extractor": []}, "must name at least one"),
        ({"extractor": InteractionNet(4)}, "graph_extractor"),
    ],
)  # fmt: skip
def test_fault_misspelt_options_are_refused(options, words):
    if isinstance(options.get("extractor"), nn.Module):
        with pytest.raises(ConfigError, match=words):
            registry.resolve("graph_extractor", options["extractor"])
        return
    with pytest.raises((ConfigError, LookupError), match=words):
        GNNHead([], vecs(3), MOMENTUM, **options)


def test_frozen_parts_have_nothing_to_train():
    assert make("interaction_net", freeze=True).get_param_count() == 0
    assert make("interaction_net").get_param_count() > 0


@pytest.mark.parametrize("name", EXTRACTORS)
def test_the_same_seed_gives_the_same_weights(name):
    first, second, other = (make(name, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    weights = [key for key in first if key.endswith("weight") and first[key].dim() > 1 and "extractors" in key]
    assert all(not torch.equal(first[key], other[key]) for key in weights)


def test_means_and_norms_in_front_see_present_objects_only(objects):
    class Same(Extractor):
        def forward(self, x, mask, matrix):
            return x

        def get_out_size(self):
            return self.n_fpv

    x, mask = objects()
    head = GNNHead([], vecs(7), MOMENTUM, Same, {"name": "graph_collapser", "flatten": True}, cat_means=True).double()
    feats = head(with_nan(x, mask)).view(4, 7, 8)
    for event in range(4):
        for i in range(7):
            expected = torch.cat((x[event, i], x[event][mask[event]].mean(0))) if mask[event, i] else torch.zeros(8)
            assert torch.allclose(feats[event, i], expected.double())
    head = GNNHead([], vecs(7), MOMENTUM, Same, {"name": "graph_collapser", "flatten": True}, use_in_bn=True).double()
    normed = head(with_nan(x, mask)).view(4, 7, 4)
    present = x[mask]
    expected = (present - present.mean(0)) / (present.var(0, unbiased=False) + 1e-5).sqrt()
    assert torch.allclose(normed[mask], expected)
    assert (normed[~mask] == 0).all()


def test_mixed_precision_trains(objects):
    x, mask = objects(dtype=torch.float32)
    for name in EXTRACTORS:
        head = make(name, dtype=torch.float32)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = head(with_nan(x, mask))
        if head.get_param_count():
            out.float().sum().backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in head.parameters())


@pytest.mark.parametrize(
    ("extractor", "options"),
    [
        (["interaction_net", "constituent_features"], {}),
        (["constituent_features", {"name": "lorentz_net", "preset": "lite"}], {}),
        (["constituent_features"], {"use_in_bn": True}),
        (["constituent_features", "deep_sets"], {"cat_means": True}),
    ],
)
def test_nothing_without_effect_stands_in_front(extractor, options):
    with pytest.raises(ConfigError, match="no effect: name it first"):
        make(extractor, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"extractor": {"name": "deep_sets", "widths": "32"}},
        {"extractor": {"name": "grav_net", "k": 2.5}},
        {"extractor": {"name": "interaction_net", "intfunc_outs": [2.5]}},
        {"extractor": {"name": "lorentz_net", "width": 2.5}},
        {"extractor": {"name": "particle_transformer", "preset": "lite", "n_layers": 0}},
        {"extractor": {"name": "particle_transformer", "preset": "lite", "ffn_ratio": 0}},
        {"extractor": {"name": "particle_transformer", "preset": "lite", "do": 2}},
        {"extractor": {"name": "particle_transformer", "preset": "lite", "n_heads": 3}},
        {"collapser": {"name": "graph_collapser", "f_initial_outs": "8"}},
        {"collapser": {"name": "graph_collapser", "n_sa_layers": -1}},
        {"collapser": {"name": "class_attention", "depth": 0}},
        {"collapser": {"name": "node_predictor", "n_out": 0}},
    ],
)
def test_numbers_out_of_range_are_refused_when_a_head_is_built(options):
    with pytest.raises(ConfigError, match=r"got \S"):
        make(**{"extractor": "deep_sets", **options})


ACT = {"name": "prelu", "init": 0.1}


@pytest.mark.parametrize(
    "name", [name for name in EXTRACTORS if name not in ("constituent_features", "particle_transformer")]
)
def test_fault_an_activation_of_an_extractor_has_options(name):
    head = make(
        {"name": name, **SMALL.get(name, {}), "act": ACT}, {"name": "graph_collapser", "f_final_outs": 4, "act": ACT}
    )
    parts = [head.extractors, head.collapser]
    assert all(any(isinstance(module, nn.PReLU) for module in part.modules()) for part in parts)


def test_fault_activations_of_a_node_predictor_have_options():
    head = make("interaction_net", {"name": "node_predictor", "out_act": ACT, "f_initial_outs": 4, "act": nn.PReLU})
    assert sum(isinstance(module, nn.PReLU) for module in head.collapser.modules()) == 2
