import pytest
import torch
from torch import nn

from lumin_core.errors import ConfigError
from lumin_core.model.endcap import Endcap


class Trained:
    def predict(self, inputs, as_np=True):
        assert not as_np
        return torch.as_tensor(inputs) + 1


class Mass(Endcap):
    def func(self, y_pred):
        return y_pred.norm(dim=1, keepdim=True)

    def get_out_size(self):
        return 1


def test_endcap_computes_on_predictions():
    x = torch.tensor([[2.0, 3.0]])
    assert Mass(Trained()).predict(x).tolist() == [[5]]
    assert Mass(Trained()).predict(x, as_np=False).equal(torch.tensor([[5.0]]))
    assert Mass(Trained())(torch.tensor([[3.0, 4.0]])).item() == 5


def test_endcap_gives_arrays_of_a_model_that_is_a_module():
    linear = nn.Linear(2, 2)
    linear.predict = lambda inputs, as_np: linear(inputs)
    assert Mass(linear).get_param_count() == 6
    assert Mass(linear).predict(torch.ones(3, 2)).shape == (3, 1)


def test_endcap_refuses_a_fold_yielder():
    class Yielder:
        def save_fold_pred(self):
            raise AssertionError

    with pytest.raises(ConfigError, match=r"pass fy\.get_fold"):
        Mass(Trained()).predict(Yielder())
