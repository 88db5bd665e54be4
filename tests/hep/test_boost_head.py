"""What holds for both Lorentz-boost heads."""

import copy

import numpy as np
import pytest
import torch
import vector
from momenta import hard_momenta

from lumin_core import FoldFileWriter, FoldYielder, Model, ModelBuilder, build
from lumin_core.errors import ConfigError, ShapeError
from lumin_plugin_hep import AutoExtractLorentzBoostNet, LorentzBoostNet
from lumin_plugin_hep.masked_norm import MaskedBatchNorm1d

NAN = float("nan")
VECS, FEATS = ["tau", "jet", "met"], ["px", "py", "pz", "E"]
ALL = [f"{vec}_{feat}" for vec in VECS for feat in FEATS]
OPTIONS = {
    "lorentz_boost_net": {"n_particles": 4},
    "auto_extract_lorentz_boost_net": {
        "n_particles": 4, "depth": 2, "width": 6, "n_singles": 2, "n_pairs": 3, "bn": True
    },
}  # fmt: skip
NAMES = list(OPTIONS)


def spec(name, **options):
    return {"name": name, "vecs": VECS, "feats_per_vec": FEATS, **OPTIONS[name], **options}


def make(name, cont_feats=(), **options):
    torch.manual_seed(1)
    return build("head", spec(name, **options), cont_feats=list(cont_feats))


def events(n=16, seed=1, n_objects=3):
    """Make jets of 10 GeV, shape (n, n_objects, 4)."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(0, 40, (n, n_objects, 3))
    energies = np.sqrt((vectors**2).sum(-1, keepdims=True) + 100)
    return torch.tensor(np.concatenate((vectors, energies), -1), dtype=torch.float32)


def some_absent(n=16):
    x = events(n)
    x[::2, 1] = NAN
    x[1::4, 2] = NAN
    return x


def train_step(head, x):
    head.train().zero_grad()
    y = head(x)
    y.square().mean().backward()
    return y


def assert_finite(head, *tensors):
    assert all(tensor.isfinite().all() for tensor in tensors)
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())
    assert all(value.isfinite().all() for value in head.state_dict().values())


EXTREME = {
    "massless": [[30.0, 0, 40, 50], [0, 3, 4, 5], [0, 0, 7, 7]],
    "massless collinear": [[0.0, 3, 4, 5], [0, 6, 8, 10], [0, 3000, 4000, 5000]],
    "forward at 3 TeV": [[1.0, 2, 3000, 3000.001], [0.1, 0, 3000, 3000], [1, 0, -3000, 3000.0002]],
    "back to back": [[0.0, 0, 3000, 3000], [0, 0, -3000, 3000], [0, 0, 0, 0]],
    "at rest": [[0.0, 0, 0, 91], [0, 0, 0, 5], [0, 0, 0, 125]],
    "one object": [[30.0, 0, 40, 50], [NAN] * 4, [NAN] * 4],
    "no object": [[NAN] * 4] * 3,
    "zeros": [[0.0] * 4] * 3,
    "no energy": [[30.0, 0, 40, 0], [3, 4, 0, 0], [10, 10, 0, 0]],
    "standardised": [[-1.0, 2, 0.3, -2], [0.5, 0.5, 0, 0], [0, 0, 1, 0.2]],
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", EXTREME)
def test_values_and_gradients_are_finite(name, case):
    head, x = make(name), events()
    x[3] = torch.tensor(EXTREME[case])
    x.requires_grad_()
    y = train_step(head, x)
    assert_finite(head, y, x.grad, head.eval()(x))


@pytest.mark.parametrize("name", NAMES)
def test_fault_massless_collinear_particles_are_finite(name):
    head, x = make(name), torch.tensor(EXTREME["massless collinear"]) * torch.rand(16, 1, 1)
    assert_finite(head, train_step(head, x), head.eval()(x))


@pytest.mark.parametrize("name", NAMES)
def test_fault_an_empty_event_leaves_the_others_and_the_running_statistics(name):
    x, with_empty = events(), torch.cat((events(), torch.full((3, 3, 4), NAN)))
    alone, beside = make(name), make(name)
    expected, y = train_step(alone, x), train_step(beside, with_empty)
    torch.testing.assert_close(y[:16], expected, rtol=1e-5, atol=1e-5)
    assert_finite(beside, y)
    for (key, value), other in zip(alone.state_dict().items(), beside.state_dict().values(), strict=True):
        torch.testing.assert_close(other, value, rtol=1e-5, atol=1e-5, msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_fault_freeze_leaves_nothing_trainable(name):
    head = make(name, freeze=True)
    assert head.get_param_count() == 0
    assert head.get_param_count(trainable=False) > 0
    head.unfreeze_layers()
    assert head.get_param_count() == head.get_param_count(trainable=False)


@pytest.mark.parametrize("name", NAMES)
def test_batches_of_empty_events_alone_are_finite(name):
    head = make(name)
    assert_finite(head, train_step(head, torch.full((4, 3, 4), NAN)), head.eval()(torch.full((1, 3, 4), NAN)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [0, 1])
def test_short_batches_are_taken(name, n):
    head, x = make(name, ALL), events(n).flatten(1)
    y = train_step(head, x)
    assert y.shape == head.eval()(x).shape == (n, head.get_out_size())
    assert all(value.isfinite().all() for value in (y, *head.state_dict().values()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_padding_changes_nothing(name, dtype):
    x = some_absent()
    padded = torch.cat((x[:, :1], torch.full((16, 2, 4), NAN), x[:, 1:]), 1).to(dtype)
    head, wide = make(name).to(dtype), make(name, vecs=["tau", "none", "nil", "jet", "met"]).to(dtype)
    with torch.no_grad():
        wide.load_state_dict({**head.state_dict(), "weight": wide.weight})
        wide.weight[..., [0, 3, 4]] = head.weight
    expected, y = head(x.to(dtype)), wide(padded)
    torch.testing.assert_close(y, expected, rtol=1e-6, atol=1e-6 * expected.abs().max().item())


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_an_absent_object_get_no_gradient(name):
    head, x = make(name), events()
    x[:, 1] = NAN
    train_step(head, x)
    assert head.weight.grad[..., 1].abs().max() == 0
    assert (head.weight.grad[0, :, [0, 2]] != 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_particles_and_frames_are_positive_combinations_boosted_as_by_vector(name):
    head, x = make(name).double(), events().double()
    momenta, present = head.get_boosted(x)
    weights = head.weight.detach().abs().numpy()
    assert present.all()
    for i in range(head.n_particles):
        particle, frame = (np.einsum("n,bnc->bc", w[i], x.numpy()) for w in weights)
        as_vector = [vector.array(dict(zip(FEATS, p.T, strict=True))) for p in (particle, frame)]
        expected = as_vector[0].boostCM_of_p4(as_vector[1])
        for column, feat in enumerate(FEATS):
            np.testing.assert_allclose(momenta[:, i, column].detach(), expected[feat], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_equal_particle_and_frame_are_at_rest(name):
    head = make(name).double()
    with torch.no_grad():
        head.weight[1] = -3 * head.weight[0]
    momenta, _ = head.get_boosted(events().double())
    assert momenta[..., :3].abs().max() < 1e-9
    assert momenta[..., 3].min() > 0


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_the_derivatives(name):
    head, x = make(name).double(), events(3).double()
    parameters = dict(head.named_parameters())

    def run(x, *values):
        return torch.func.functional_call(head, dict(zip(parameters, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x.requires_grad_(), *parameters.values()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("order", [["E", "px", "py", "pz"], ["pz", "E", "py", "px"]])
def test_features_are_found_by_name(name, order):
    head, x = make(name), some_absent()
    other = make(name, feats_per_vec=order)
    torch.testing.assert_close(other(x[..., [FEATS.index(feat) for feat in order]]), head(x))


@pytest.mark.parametrize("name", NAMES)
def test_flat_row_wise_and_column_wise_inputs_give_the_same(name):
    x = some_absent()
    expected = make(name)(x)
    torch.testing.assert_close(make(name, row_wise=False)(x.transpose(1, 2)), expected)
    torch.testing.assert_close(make(name, ALL[::-1])(x.nan_to_num().flatten(1).flip(1)), expected)
    torch.testing.assert_close(make(name)((torch.ones(16, 2), x)), expected)


@pytest.mark.parametrize("name", NAMES)
def test_objects_without_energies_are_massless(name):
    x = events()
    x[..., 3] = x[..., :3].norm(dim=-1)
    expected = make(name)(x)
    torch.testing.assert_close(make(name, feats_per_vec=FEATS[:3])(x[..., :3]), expected)
    met_less = [feat for feat in ALL if feat != "met_E"]
    torch.testing.assert_close(make(name, met_less)(x.flatten(1)[:, :-1]), expected)


@pytest.mark.parametrize("name", NAMES)
def test_absent_columns_are_zero(name):
    x = events()
    x[:, 2, 2:] = 0
    no_met_pz = [feat for feat in ALL if feat not in ("met_pz", "met_E")]
    torch.testing.assert_close(make(name, no_met_pz)(x.flatten(1)[:, :-2]), make(name)(x))


@pytest.mark.parametrize("name", NAMES)
def test_every_output_depends_on_every_feature(name):
    assert make(name).feat_map == {feat: list(range(make(name).get_out_size())) for feat in ALL}
    assert set(make(name, ALL[:-1]).feat_map) == set(ALL[:-1])


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_not_changed(name):
    x = some_absent()
    before = x.clone()
    make(name)(x)
    torch.testing.assert_close(x, before, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", NAMES)
def test_mixed_precision_boosts_in_float32(name):
    head, x = make(name), 30 * events()
    with torch.autocast("cpu", torch.bfloat16):
        momenta, _ = head.get_boosted(x)
        y = head(x)
    assert momenta.equal(head.get_boosted(x)[0])
    torch.testing.assert_close(y.float(), make(name)(x), rtol=0.1, atol=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_no_weights(name):
    assert not [key for key in make(name).state_dict() if key.startswith("_")]


def builder(name, **given):
    return ModelBuilder("regression", 1, body={"name": "fully_connected", "depth": 1, "width": 5}, seed=1, **given)


@pytest.mark.parametrize("name", NAMES)
def test_models_save_and_load_by_name(name, tmp_path):
    model = Model(builder(name, cont_feats=ALL, head=spec(name)), device="cpu")
    x = some_absent().nan_to_num().flatten(1).numpy()
    model.head.train()(torch.from_numpy(x))  # running statistics are saved too
    loaded = Model.from_save(model.save(tmp_path / "model"), device="cpu")
    assert loaded.model_builder.to_config()["head"]["name"] == f"hep/{name}"
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


@pytest.mark.parametrize("name", NAMES)
def test_fault_single_events_are_not_trained_on(name, tmp_path):
    """The norm gave 0 for every event, and the head never learned."""
    with FoldFileWriter(tmp_path / "a", cont_feats=ALL, targ_feats="y") as file:
        for fold in range(2):
            file.append(fold, inputs=events(4, fold).flatten(1).numpy(), targets=np.ones(4))
    with FoldYielder(tmp_path / "a.hdf5") as fy:
        with pytest.raises(ConfigError, match=r"bs=1 does not go with batch norm.*MaskedBatchNorm1d gives any"):
            Model(builder(name, cont_feats=ALL, head=spec(name, bn=True))).fit(1, fy, 1, seed=1)
        Model(builder(name, cont_feats=ALL, head=spec(name, bn=True), freeze_head=True)).fit(1, fy, 1, seed=1)


@pytest.mark.parametrize("name", NAMES)
def test_serves_in_a_multi_head(name):
    head = {"name": "multi_head", "matrix_head": spec(name), "flat_head": "cat_emb_head"}
    model = Model(builder(name, cont_feats=["mt", *ALL], head=head), device="cpu")
    x, mt = some_absent(), torch.ones(16, 1)
    flat = torch.cat((mt, x.nan_to_num().flatten(1)), 1).numpy()
    np.testing.assert_allclose(model.predict(flat), model.predict((mt.numpy(), x.numpy())), rtol=1e-5)
    assert model.head.feat_map["tau_E"] == list(range(1, 1 + model.head.matrix_head.get_out_size()))


@pytest.mark.parametrize("name", NAMES)
def test_exports_to_onnx(name, tmp_path):
    for package in ("onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'lumin-core[onnx]' onnxruntime")
    import onnxruntime

    model = Model(builder(name, cont_feats=ALL, head=spec(name)), device="cpu")
    session = onnxruntime.InferenceSession(str(model.export_onnx(tmp_path / "m")), providers=["CPUExecutionProvider"])
    x = some_absent()
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(y, model.predict(x.nan_to_num().flatten(1).numpy()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_training_lowers_the_loss(name):
    head, x = make(name), some_absent(64)
    net = torch.nn.Sequential(head, torch.nn.Linear(head.get_out_size(), 1))
    total = x.nan_to_num().sum(1)
    y = (total[:, 3].square() - total[:, :3].square().sum(1)).clamp_min(0).sqrt().unsqueeze(1) / 100
    optimiser, losses = torch.optim.Adam(net.parameters(), lr=0.01), []
    for _ in range(60):
        optimiser.zero_grad()
        losses.append((net(x) - y).square().mean())
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.3 * losses[0]


def test_seeds_decide_the_weights():
    assert make("lorentz_boost_net").weight.equal(make("lorentz_boost_net").weight)


@pytest.mark.parametrize("name", NAMES)
def test_other_features_are_refused(name):
    with pytest.raises(ConfigError, match=r"px, py, pz and E of an object, got 'pt'.*event_to_cartesian"):
        make(name, feats_per_vec=["pt", "eta", "phi", "E"])
    with pytest.raises(ConfigError, match=r"got 'energy'.*multi_head"):
        make(name, feats_per_vec=["px", "py", "pz", "energy"])
    with pytest.raises(ConfigError, match=r"feats_per_vec lacks pz: .* got \['px', 'py', 'E'\]"):
        make(name, feats_per_vec=["px", "py", "E"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [0, -1, 2.5, True])
def test_other_numbers_of_particles_are_refused(name, n):
    with pytest.raises(ConfigError, match=f"n_particles must be a positive integer, got {n!r}"):
        make(name, n_particles=n)


@pytest.mark.parametrize("name", NAMES)
def test_text_as_number_of_particles_is_refused(name):
    with pytest.raises(
        ConfigError, match=f"the option 'n_particles' of the head 'hep/{name}' must be a number, got '3'"
    ):
        make(name, n_particles="3")


@pytest.mark.parametrize("name", NAMES)
def test_other_shapes_are_refused(name):
    with pytest.raises(ShapeError, match=r"\(B, 3, 4\)"):
        make(name)(torch.ones(5, 4, 3))


@pytest.mark.parametrize("head", [LorentzBoostNet, AutoExtractLorentzBoostNet])
def test_norms_of_the_heads_have_the_mask(head):
    options = OPTIONS["lorentz_boost_net" if head is LorentzBoostNet else "auto_extract_lorentz_boost_net"]
    norms = [m for m in head(ALL, VECS, FEATS, **options).modules() if "Norm" in type(m).__name__]
    assert norms
    assert {type(norm) for norm in norms} == {MaskedBatchNorm1d}


@pytest.mark.parametrize("name", NAMES)
def test_fault_forward_and_collimated_particles_are_boosted_as_in_double_precision(name):
    """The mass of a frame is a small difference of large squares: features were off by a factor of 34."""
    x = hard_momenta()
    head = make(name, vecs=["a", "b", "c", "d"], bn=False).eval()
    with torch.no_grad():
        found = head(x).double()
        expected = copy.deepcopy(head).double()(x.double())
    scale = torch.maximum(expected.abs(), expected.abs().median(0).values).clamp_min(1e-3)
    assert ((found - expected).abs() / scale).max() < 1e-3
