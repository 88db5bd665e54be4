import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import build
from lumin_core.errors import ConfigError
from lumin_plugin_tabular import ClassRegMulti, IdentBody, IdentTail


def tail(n_out=2, objective="regression", **options):
    torch.manual_seed(0)
    return ClassRegMulti(5, n_out, objective, **options)


X = torch.linspace(-3, 3, 35).reshape(7, 5)


def test_classification_gives_probabilities():
    block = tail(objective="classification")
    torch.testing.assert_close(block(X), block.dense(X).sigmoid())


def test_multiclass_gives_logarithms_of_probabilities():
    block = tail(3, "multiclass")
    torch.testing.assert_close(block(X).exp().sum(1), torch.ones(7))
    torch.testing.assert_close(block(X), nn.functional.log_softmax(block.dense(X), 1))


def test_regression_is_linear():
    block = tail()
    assert torch.equal(block(X), block.dense(X))


@pytest.mark.parametrize("y_range", [[(-1, 1), (50, 60)], np.array([[-1, 1], [50, 60]])])
def test_range_of_each_output_is_kept(y_range):
    block = tail(y_range=y_range)
    low, high = torch.tensor([-1.0, 50]), torch.tensor([1.0, 60])
    torch.testing.assert_close(block(X), low + (high - low) * block.dense(X).sigmoid())
    nn.init.constant_(block.dense.weight, 1)
    torch.testing.assert_close(block(torch.full((1, 5), 1e4)), high[None])
    torch.testing.assert_close(block(torch.full((1, 5), -1e4)), low[None])


def test_one_range_serves_all_outputs():
    block = tail(3, y_range=(10, 20))
    torch.testing.assert_close(block(X), 10 + 10 * block.dense(X).sigmoid())


@pytest.mark.parametrize(("mean", "std"), [(125, 15), ([125], [15]), ([1, 2], np.array([3.0, 4.0])), (1, [2, 3])])
def test_mean_and_deviation_rescale(mean, std):
    block = tail(y_mean=mean, y_std=std)
    torch.testing.assert_close(block(X), torch.as_tensor(std).float() * block.dense(X) + torch.as_tensor(mean).float())


@pytest.mark.parametrize(("objective", "bias"), [("classification", 0), ("multiclass", 0.5), ("regression", 0)])
def test_biases_start_by_objective_or_as_told(objective, bias):
    assert tail(objective=objective).dense.bias.tolist() == [bias, bias]
    assert tail(objective=objective, bias_init=-2.5).dense.bias.tolist() == [-2.5, -2.5]


@pytest.mark.parametrize(
    ("objective", "options", "act"),
    [
        ("classification", {}, "sigmoid"),
        ("multiclass", {}, "softmax"),
        ("regression", {}, "linear"),
        ("regression", {"y_range": (0, 1)}, "sigmoid"),
        ("regression", {"y_mean": 0, "y_std": 1}, "linear"),
    ],
)
def test_weights_start_as_the_activation_asks(objective, options, act):
    told = []

    def lookup_init(*arguments):
        told.append(arguments)
        return nn.init.ones_

    assert tail(objective=objective, lookup_init=lookup_init, **options).dense.weight.eq(1).all()
    assert told == [(act, 5, 2)]


def test_rescaling_is_no_weight_but_moves_with_the_module():
    block = tail(y_range=(0, 1))
    assert set(block.state_dict()) == {"dense.weight", "dense.bias"}
    assert block.to("meta").scale.device.type == "meta"


def test_freeze_and_unfreeze():
    block = tail(freeze=True)
    assert block.get_param_count() == 0
    block.unfreeze_layers()
    assert block.get_param_count() == 12
    assert block.get_out_size() == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_out": 1, "objective": "multiclass"}, "at least 2 outputs"),
        ({"objective": "multiclassifier"}, "must be one of"),
        ({"y_mean": 1}, "go together"),
        ({"y_std": 1}, "go together"),
        ({"y_range": (0, 1), "y_mean": 0, "y_std": 1}, "give one of them"),
        ({"y_range": (0, 1), "objective": "classification"}, "rescale a regression"),
        ({"y_mean": 0, "y_std": 1, "bias_init": 1}, "bias_init would shift"),
        ({"y_range": (1, 0)}, "low < high"),
        ({"y_range": (0, 0)}, "low < high"),
        ({"y_range": (0, float("inf"))}, "low < high"),
        ({"y_range": [(0, 1)] * 3}, "or 2 such pairs"),
        ({"y_range": 1}, "or 2 such pairs"),
        ({"y_mean": [1, 2, 3], "y_std": 1}, "y_mean must be one finite number or 2"),
        ({"y_mean": 1, "y_std": 0}, "y_std must be positive"),
        ({"y_mean": 1, "y_std": float("nan")}, "y_std must be one finite number"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        tail(**options)


def test_ident_tail_and_ident_body_give_their_input_itself():
    assert IdentTail(5, 5, "regression")(X) is X
    assert IdentBody(5, {})(X) is X
    assert IdentBody(5, {}).get_out_size() == IdentTail(5, 5, "multiclass").get_out_size() == 5


def test_ident_tail_refuses_a_body_of_another_width():
    with pytest.raises(ConfigError, match=r"100 columns.*n_out=1"):
        IdentTail(100, 1, "classification")


@pytest.mark.parametrize("name", ["class_reg_multi", "ident_tail"])
def test_tails_are_built_by_name_with_what_the_builder_offers(name):
    given = {"n_in": 2, "n_out": 2, "objective": "regression", "freeze": True}
    assert build("tail", name, **given).get_param_count() == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_probabilities_are_single_precision_in_mixed_precision(dtype):
    """A sigmoid of 7 in 16 bits is 1, and so the loss of an event of the other class 100."""
    tail = ClassRegMulti(1, 1, "classification")
    torch.nn.init.ones_(tail.dense.weight)
    with torch.autocast("cpu", dtype):
        pred = tail(torch.tensor([[7.0]]))
    assert pred.dtype == torch.float32
    assert 0.9990 < pred.item() < 0.9992
    assert tail.double()(torch.ones(1, 1, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("y_range", [3, "0-1", (0, 1, 2), (1, 0), (None, 1), (0, 1j), [(0, 1), (0,)]])
def test_a_range_of_another_shape_or_sort_is_refused(y_range):
    with pytest.raises(ConfigError, match=r"y_range must be \(low, high\) or 1 such pairs, low < high, got "):
        ClassRegMulti(2, 1, "regression", y_range=y_range)
