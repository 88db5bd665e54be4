from math import sqrt

import pytest
import torch
from torch import nn

from lumin_core.errors import ShapeError
from lumin_core.model.initialisers import normal_initialiser, uniform_initialiser

VARIANCES = [("relu", 2 / 80), ("swish", 2 / 80), ("selu", 1 / 80), ("sigmoid", 2 / 120), ("linear", 2 / 120)]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("initialiser", [normal_initialiser, uniform_initialiser])
@pytest.mark.parametrize(("act", "variance"), VARIANCES)
def test_initialisers_draw_with_the_variance_of_the_activation(initialiser, act, variance):
    weight = torch.cat([initialiser(act)(torch.empty(40, 80)) for _ in range(20)])
    assert weight.var().item() == pytest.approx(variance, rel=0.03)
    assert abs(weight.mean().item()) < 0.01


def test_uniform_initialiser_stays_in_its_range():
    weight = uniform_initialiser("relu")(torch.empty(40, 80))
    assert weight.abs().max().item() <= sqrt(6 / 80)


def test_normal_initialiser_draws_as_torch_does():
    ours = normal_initialiser("relu")(torch.empty(40, 80))
    torch.manual_seed(0)
    assert torch.equal(ours, nn.init.kaiming_normal_(torch.empty(40, 80), nonlinearity="relu"))


def test_initialisers_count_the_kernel_of_a_convolution():
    weight = torch.cat([normal_initialiser("relu")(torch.empty(10, 8, 5)) for _ in range(50)])
    assert weight.var().item() == pytest.approx(2 / 40, rel=0.05)


def test_initialisers_take_the_numbers_of_inputs_and_outputs_that_are_given():
    weight = normal_initialiser("linear", fan_in=10, fan_out=30)(torch.empty(200, 200))
    assert weight.var().item() == pytest.approx(2 / 40, rel=0.03)


@pytest.mark.parametrize("shape", [(3,), (0, 4), (4, 0)])
def test_initialisers_refuse_what_is_no_weight(shape):
    with pytest.raises(ShapeError, match=r"\(n_out, n_in, \.\.\.\)"):
        normal_initialiser("relu")(torch.empty(shape))
