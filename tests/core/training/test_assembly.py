"""Blocks, loss and optimiser of a model: parts by name, rates, weights, masks."""

import numpy as np
import pytest
import torch

from lumin_core import Model
from lumin_core.errors import ConfigError, SavedModelError


@pytest.fixture
def model(make_builder, fy):
    return Model(make_builder(fy))


def test_parts_are_had_by_name_and_number(model):
    for number, name in enumerate(("head", "body", "tail")):
        assert model[number] is model[name] is getattr(model, name) is model.model[number]
    with pytest.raises(ConfigError, match="a model has head, body and tail, got 'neck'"):
        model["neck"]


@pytest.mark.parametrize("opt", [{"opt": "sgd", "momentum": 0.5}, {"opt": "adam", "betas": (0.5, 0.999)}])
def test_rate_and_momentum_are_set_for_all_groups(make_builder, fy, opt):
    model = Model(make_builder(fy, opt_args={**opt, "lr": 0.1}))
    assert (model.get_lr(), model.get_mom()) == (0.1, 0.5)
    model.set_lr(0.2)
    model.set_mom(0.75)
    assert (model.get_lr(), model.get_mom()) == (0.2, 0.75)
    assert all(group["lr"] == 0.2 for group in model.opt.param_groups)


def test_an_optimiser_without_momentum_says_so(make_builder, fy):
    model = Model(make_builder(fy, opt_args={"opt": "adagrad", "lr": 0.1}))
    for ask in (model.get_mom, lambda: model.set_mom(0.5)):
        with pytest.raises(ConfigError, match="Adagrad has no momentum"):
            ask()


def test_weights_are_copies_and_must_fit(model):
    weights = model.get_weights()
    for value in weights.values():
        value.zero_()
    assert any(value.any() for value in model.model.state_dict().values())
    model.set_weights(weights)
    assert not any(value.any() for value in model.model.state_dict().values())
    with pytest.raises(SavedModelError, match="what was given does not fit"):
        model.set_weights(dict(list(weights.items())[1:]))


def test_a_training_state_brings_back_weights_and_optimiser(make_builder, fy, same_weights):
    import copy

    model = Model(make_builder(fy, opt_args={"opt": "adam", "lr": 0.1}))
    model.fit(1, fy, 8, seed=1)
    state = copy.deepcopy(model.training_state())
    model.fit(1, fy, 8, seed=2)
    after = model.get_weights()
    model.load_training_state(state)
    model.fit(1, fy, 8, seed=2)
    assert same_weights(model, after)


@pytest.mark.parametrize(
    ("mask", "indices"), [([2, 0], [2, 0]), ([True, False, True, False], [0, 2]), ([], []), (None, None)]
)
def test_masks_are_indices_or_booleans(model, mask, indices):
    for form in (mask, None if mask is None else np.array(mask)):
        model.set_input_mask(form)
        assert (None if model.input_mask is None else model.input_mask.tolist()) == indices
    assert model.input_mask is None or model.input_mask.dtype == np.int64


def test_freezing_and_counting(model):
    n = model.get_param_count()
    model.freeze_layers()
    assert (model.get_param_count(), model.get_param_count(trainable=False)) == (0, n)
    model.unfreeze_layers()
    assert model.get_param_count() == n
    assert model.get_out_size() == 1


def test_multiclass_predictions_are_probabilities(make_fy, make_builder, tmp_path):
    model = Model(make_builder(make_fy(tmp_path / "a.hdf5", objective="multiclass"), "multiclass"))
    log_probabilities = torch.log_softmax(torch.randn(4, 3, generator=torch.Generator().manual_seed(1)), 1)
    assert torch.allclose(model.to_prediction(log_probabilities).sum(1), torch.ones(4))
