import os
import subprocess
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import Model, ModelBuilder
from lumin_core.errors import ConfigError
from lumin_plugin_hep import LorentzBoostNet
from lumin_plugin_hep.four_momentum import pair_cosines
from lumin_plugin_hep.lorentz_boost import momenta_and_cosines

VECS, FEATS = ["a", "b", "c"], ["px", "py", "pz", "E"]


def make(n_particles=3, **options):
    torch.manual_seed(1)
    return LorentzBoostNet([], VECS, FEATS, n_particles, **options)


def events(n=10):
    vectors = torch.randn(n, 3, 3, generator=torch.Generator().manual_seed(2)) * 40
    return torch.cat((vectors, (vectors.square().sum(-1, keepdim=True) + 100).sqrt()), -1)


def energies(momenta):
    return momenta[..., 3]


class Learned(nn.Module):
    """Features of all components."""

    def __init__(self, n_particles, width=2):
        super().__init__()
        self.norm = nn.BatchNorm1d(4 * n_particles)
        self.linear = nn.Linear(4 * n_particles, width)

    def forward(self, momenta):
        return self.linear(self.norm(momenta.flatten(1)))


def test_features_are_momenta_then_cosines_of_pairs():
    head = make(bn=False)
    momenta, _ = head.get_boosted(events())
    y = head(events())
    assert head.get_out_size() == 4 * 3 + 3
    torch.testing.assert_close(y[:, :12].view(10, 3, 4), momenta)
    torch.testing.assert_close(y[:, 12:], pair_cosines(momenta))
    first, second = momenta[:, 0, :3], momenta[:, 2, :3]
    torch.testing.assert_close(y[:, 13], torch.cosine_similarity(first, second))


def test_batch_norm_is_behind_the_features():
    y = make()(events())
    torch.testing.assert_close(y.mean(0), torch.zeros(15), atol=1e-5, rtol=0)
    torch.testing.assert_close(y[:, :12].var(0, correction=0), torch.ones(12), atol=1e-3, rtol=0)


def test_without_batch_norm_there_are_the_weights_alone():
    assert set(make(bn=False).state_dict()) == {"weight"}
    assert make(bn=False).get_param_count() == 2 * 3 * 3


def test_an_empty_event_without_batch_norm_is_zero():
    assert make(bn=False)(torch.full((2, 3, 4), float("nan"))).abs().max() == 0


def test_one_particle_has_no_cosines():
    assert make(1)(events()).shape == (10, 4)


@pytest.mark.parametrize("extractor", [energies, partial(torch.sum, dim=1), lambda momenta: momenta.flatten(1)])
def test_a_function_extracts_features(extractor):
    head = make(feat_extractor=extractor, bn=False)
    expected = extractor(head.get_boosted(events())[0])
    assert head.get_out_size() == expected.shape[1]
    torch.testing.assert_close(head(events()), expected)


@pytest.mark.parametrize(("extractor", "width"), [(Learned, 2), (partial(partial(Learned), width=5), 5)])
def test_a_class_or_partial_of_a_module_is_constructed_for_each_head(extractor, width):
    head, other = make(feat_extractor=extractor), make(feat_extractor=extractor)
    assert head.get_out_size() == width
    assert head(events()).shape == (10, width)
    assert head.feat_extractor is not other.feat_extractor
    assert head.feat_extractor.training
    assert head.feat_extractor.linear.weight.requires_grad
    assert make(feat_extractor=extractor, freeze=True).get_param_count() == 0


def test_the_look_at_an_extractor_leaves_its_statistics():
    assert make(feat_extractor=Learned).feat_extractor.norm.num_batches_tracked == 0


def test_a_model_with_an_own_extractor_loads_with_its_builder(tmp_path):
    head = {"name": "lorentz_boost_net", "vecs": VECS, "feats_per_vec": FEATS, "n_particles": 3}
    feats = [f"{vec}_{feat}" for vec in VECS for feat in FEATS]
    builder = ModelBuilder("regression", 1, feats, head={**head, "feat_extractor": Learned}, seed=1)
    model = Model(builder, device="cpu")
    loaded = Model.from_save(model.save(tmp_path / "m"), model_builder=builder, device="cpu")
    x = events().flatten(1).numpy()
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_an_extractor_that_is_no_such_thing_is_refused():
    with pytest.raises(ConfigError, match=r"module's class or partial, .* all models would share, got Learned"):
        make(feat_extractor=Learned(3))
    with pytest.raises(ConfigError, match="got 'energies'"):
        make(feat_extractor="energies")


@pytest.mark.parametrize(
    ("extractor", "got"),
    [
        (lambda momenta: momenta, r"shape \(2, 3, 4\)"),
        (lambda momenta: momenta.sum((1, 2)), r"shape \(2,\)"),
        (lambda momenta: momenta.flatten(0, 1), r"shape \(6, 4\)"),
        (lambda momenta: momenta.flatten(1)[:, :0], r"shape \(2, 0\)"),
        (lambda momenta: None, "None"),
    ],
)
def test_an_extractor_that_gives_other_shapes_is_refused(extractor, got):
    with pytest.raises(ConfigError, match=rf"momenta \(B, 3, 4\) into features \(B, F\), got {got}"):
        make(feat_extractor=extractor)


def test_default_features_of_one_event():
    momenta = torch.tensor([[[3.0, 0, 0, 3], [0, 0, 1, 2], [1, 0, 1, 2]]])
    expected = [[3.0, 0, 0, 3, 0, 0, 1, 2, 1, 0, 1, 2, 0, 0.5**0.5, 0.5**0.5]]
    torch.testing.assert_close(momenta_and_cosines(momenta), torch.tensor(expected))


LUMIN = """
import sys, numpy as np, torch
from lumin.nn.models.blocks.head import LorentzBoostNet
given = np.load(sys.argv[1])
vecs, feats = ["a", "b", "c"], ["px", "py", "pz", "E"]
head = LorentzBoostNet([f"{v}_{f}" for v in vecs for f in feats], vecs, feats, given["weight"].shape[1], bn=False)
with torch.no_grad():
    for wgts, weight in zip((head.part_wgts, head.rf_wgts), torch.from_numpy(given["weight"])):
        wgts.copy_(weight[:, None, :, None])
    np.save(sys.argv[2], head(torch.from_numpy(given["x"])).numpy())
"""


def test_features_are_lumins_where_those_are_finite(tmp_path):
    python = os.environ.get("LUMIN_PYTHON")
    if not python:
        pytest.skip("LUMIN_PYTHON does not name an interpreter that has lumin==0.9.1")
    head, x = make(bn=False), events()
    x[0] = 0
    np.savez(tmp_path / "given.npz", weight=head.weight.detach().numpy(), x=x.numpy())
    command = [python, "-W", "ignore", "-c", LUMIN, tmp_path / "given.npz", tmp_path / "features.npy"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    lumins, ours = np.load(tmp_path / "features.npy"), head(x).detach().numpy()
    np.testing.assert_allclose(ours[1:], lumins[1:], rtol=1e-4, atol=1e-3)
    assert np.isnan(lumins[0]).any()
    assert np.isfinite(ours).all()
