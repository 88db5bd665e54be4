"""Weights to start from: ours, LUMIN's, and what is neither."""

import pickle
import random

import pytest
import torch
from builders import build

from lumin_core import Model
from lumin_core.errors import SavedModelError
from lumin_core.model import tensor_file
from lumin_core.model.pretrained import load_pretrained


def test_a_pretrain_file_of_any_bytes_is_refused_plainly(tmp_path, fy, make_builder):
    rng = random.Random(2)
    torch.save({"model": {"weight": torch.ones(3)}}, tmp_path / "good.h5")
    good = (tmp_path / "good.h5").read_bytes()
    contents = [
        b"",
        b"\x80",
        b"PK\x03\x04",
        b"\x80\x02}q\x00.",
        pickle.dumps([1, 2]),
        pickle.dumps({"model": {"a": 1}}),
        good[:200],
    ]
    contents += [bytes(rng.randrange(256) for _ in range(60)) for _ in range(20)]
    for _ in range(40):
        changed = bytearray(good)
        changed[rng.randrange(len(good))] = rng.randrange(256)
        contents.append(bytes(changed))
    for content in contents:
        (tmp_path / "bad.h5").write_bytes(content)
        with pytest.raises(SavedModelError):
            Model(make_builder(fy, pretrain_file=tmp_path / "bad.h5"))


def test_pretrain_file_starts_from_saved_weights(tmp_path, same_weights):
    trained = Model(build(seed=7))
    path = trained.save(tmp_path / "start")
    assert same_weights(Model(build(seed=1, pretrain_file=path)), trained)
    assert same_weights(Model(build(seed=1, pretrain_file=tmp_path / "start")), trained)
    with pytest.raises(SavedModelError, match=r"does not fit the model.*shape"):
        Model(build(pretrain_file=path, model_args={"body": {"depth": 1, "width": 5}}))
    with pytest.raises(SavedModelError, match="there is no file"):
        Model(build(pretrain_file=tmp_path / "none"))


@pytest.fixture
def network():
    return build().get_model().model


def test_a_save_of_lumin_is_read_with_its_input_mask(network, tmp_path):
    state = {key: torch.full_like(value, 0.5) for key, value in network.state_dict().items()}
    torch.save({"model": state, "opt": {"lr": 1.0}, "input_mask": None}, tmp_path / "lumin.h5")
    load_pretrained(network, tmp_path / "lumin.h5")
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    torch.save(state, tmp_path / "bare.pt")
    load_pretrained(build().get_model().model, tmp_path / "bare.pt")


def test_what_a_loss_learned_is_left_out(network, tmp_path):
    model = Model(build(seed=3))
    state = {**model.model.state_dict(), "loss.cut": torch.ones(1)}
    tensor_file.write_tensors(tmp_path / "m", "model", state, {})
    load_pretrained(network, tmp_path / "m")
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("content", [[torch.ones(1)], {"model": [1]}, {"model": {"a": 1}}, {"model": None}, 3])
def test_a_file_without_weights_is_said(network, tmp_path, content):
    before = {key: value.clone() for key, value in network.state_dict().items()}
    torch.save(content, tmp_path / "a.h5")
    with pytest.raises(SavedModelError, match="holds no weights: expected LUMIN's save, a dict with the key 'model'"):
        load_pretrained(network, tmp_path / "a.h5")
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
