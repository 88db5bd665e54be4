"""Models from checkpoints give the logits that weaver-core gave, for the same jets."""

import numpy as np
import pytest
import torch

from lumin_core import Model, ModelBuilder
from lumin_core.errors import ConfigError
from lumin_plugin_weaver import WeaverScaling, from_weaver

NETWORKS = {
    "paper_like": {"name": "particle_net", "k": 4},
    "fused": {"name": "particle_net", "k": [5, 3]},
}
BOTH = pytest.mark.parametrize("network", NETWORKS)


def start(network, fixtures, data, fy, changes=(), **options):
    spec = {**NETWORKS[network], **dict(changes)}
    return from_weaver(fixtures / f"{network}.pt", data, fy, spec, device="cpu", **options)


def matrix_of(fy):
    return np.concatenate([fy[i]["inputs"][1] for i in range(len(fy))])


def logits_of(model, matrix):
    """Give what the last dense layer gives."""
    head, _, tail = model.model
    with torch.no_grad():
        return tail.dense(head(torch.from_numpy(matrix))).numpy()


@BOTH
def test_logits_are_those_of_weaver(network, fixtures, data, logits, write):
    fy = write()
    model = start(network, fixtures, data, fy)
    found, expected = logits_of(model, matrix_of(fy)), logits[network]
    assert np.abs(found - expected).max() < 1e-5
    assert expected.std(0).min() > 0.3  # they differ from jet to jet
    shifted = expected - expected.max(1, keepdims=True)
    probabilities = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
    assert np.abs(model.predict((np.zeros((32, 0)), matrix_of(fy))) - probabilities).max() < 1e-5


@BOTH
def test_a_jet_of_few_particles_and_one_of_many_are_among_them(network, particles, data):
    counts = np.isfinite(particles["part_deta"]).sum(1)
    assert set(counts[:4]) == {0, 1, 3, 24}
    assert data.length == 20


@BOTH
def test_only_what_is_read_counts(network, fixtures, data, particles, logits, write):
    """A narrower or wider matrix, and particles behind the last that is read, change nothing."""
    wide = {name: np.pad(values, ((0, 0), (0, 8)), constant_values=np.nan) for name, values in particles.items()}
    for fy in (write(n=20), write(wide, n=32, name="wide")):
        assert np.abs(logits_of(start(network, fixtures, data, fy), matrix_of(fy)) - logits[network]).max() < 1e-5


def test_a_matrix_with_fewer_particles_than_neighbours(fixtures, data, particles, logits, write):
    few = np.isfinite(particles["part_deta"]).sum(1) <= 3
    assert few.sum() >= 3
    fy = write({name: values[few] for name, values in particles.items()}, n=3)
    found = logits_of(start("paper_like", fixtures, data, fy), matrix_of(fy))
    assert np.abs(found - logits["paper_like"][few]).max() < 1e-5


@pytest.mark.parametrize("options", [{"k": 3}, {"k": 5}])
def test_another_number_of_neighbours_is_another_network(options, fixtures, data, logits, write):
    fy = write()
    model = start("paper_like", fixtures, data, fy, changes=options)
    assert np.abs(logits_of(model, matrix_of(fy)) - logits["paper_like"]).max() > 1e-3


def test_training_starts_from_the_very_network(fixtures, data, logits, write):
    """In training, without dropout, it answers as the checkpoint does, unless statistics are taken anew."""
    fy = write()
    for keep, is_same in ((True, True), (False, False)):
        model = start("paper_like", fixtures, data, fy, changes={"dropout": 0.0, "keep_statistics": keep})
        model.model.train()
        found = np.abs(logits_of(model, matrix_of(fy)) - logits["paper_like"]).max()
        assert (found < 1e-5) == is_same


@BOTH
def test_it_is_trained_further_saved_and_loaded_by_name(network, fixtures, data, write, tmp_path):
    fy = write()
    model = start(network, fixtures, data, fy, seed=1)
    before, statistics = model.evaluate(fy), model.get_weights()["0.network.input_norm.bn.running_mean"]
    model.fit(3, fy, bs=8, visible_bar=False, seed=1, cb_savepath=tmp_path)
    assert model.evaluate(fy) < before
    assert torch.equal(model.get_weights()["0.network.input_norm.bn.running_mean"], statistics)
    loaded = Model.from_save(model.save(tmp_path / "tuned"), device="cpu")
    inputs = fy[0]["inputs"]
    assert np.array_equal(loaded.predict(inputs), model.predict(inputs))
    assert loaded.model_builder.specs["head"]["name"] == "lumin-plugin-weaver/weaver_head"
    assert loaded.record.matrix_preprocessing[0]["name"] == "lumin-plugin-weaver/weaver_scaling"


def test_other_classes_get_a_new_last_layer(fixtures, data, logits, write):
    fy = write()
    model = start("paper_like", fixtures, data, fy, objective="classification", n_out=1, seed=1)
    assert model.predict(fy[0]["inputs"]).shape == (16, 1)
    same = start("paper_like", fixtures, data, fy, seed=2)
    assert all(
        torch.equal(tensor, same.get_weights()[name]) for name, tensor in model.get_weights().items() if name[0] == "0"
    )


def test_the_scaling_is_recorded_at_once_and_other_data_are_refused(fixtures, data, write, tmp_path):
    model = start("paper_like", fixtures, data, write())
    loaded = Model.from_save(model.save(tmp_path / "start"), device="cpu")
    other = WeaverScaling(**{**data.scaling().to_config(), "scale": [None, None, 0.9, 0.7, 4.0, None, 1]})
    with pytest.raises(ConfigError, match="records another preprocessing than the model was trained with"):
        loaded.evaluate(write(name="other", preprocessing={"matrix": other}))


def test_many_models_start_from_it(fixtures, data, write, tmp_path):
    fy = write()
    model = start("paper_like", fixtures, data, fy)
    path = model.save(tmp_path / "start")
    builder = ModelBuilder.from_model_builder(model.model_builder, pretrain_file=path, seed=1)
    assert np.array_equal(Model(builder, device="cpu").predict(fy[0]["inputs"]), model.predict(fy[0]["inputs"]))
