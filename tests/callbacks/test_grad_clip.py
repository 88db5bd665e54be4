import numpy as np
import pytest
import torch

from lumin_core.errors import ConfigError
from lumin_plugin_callbacks import GradClip


class Norms:
    def __init__(self):
        self.norms, self.largest = [], []

    def on_backwards_end(self, fit_params):
        gradients = torch.cat([p.grad.flatten() for p in fit_params.model.model.parameters()])
        self.norms.append(float(gradients.norm()))
        self.largest.append(float(gradients.abs().max()))


def test_the_norm_of_all_gradients_is_limited(fit):
    before, after = Norms(), Norms()
    fit([before, GradClip(0.01), after])
    assert max(before.norms) > 0.01
    assert max(after.norms) == pytest.approx(0.01, rel=1e-4)


def test_each_value_is_limited(fit):
    before, after = Norms(), Norms()
    fit([before, GradClip(0.01, clip_norm=False), after])
    assert max(before.largest) > 0.01
    assert max(after.largest) == pytest.approx(0.01)


def test_a_wide_limit_changes_nothing(fit, make_model):
    models = [make_model(), make_model()]
    for model, cbs in zip(models, ([], [GradClip(1e9)]), strict=True):
        fit(cbs, model=model)
    assert all(torch.equal(a, b) for a, b in zip(*(m.get_weights().values() for m in models), strict=True))


def test_frozen_parameters_are_left_out(fit, make_model):
    fit(GradClip(0.1), model=make_model(freeze_body=True))


@pytest.mark.parametrize("clip", [0, -1, float("nan"), "1", None])
def test_the_limit_must_be_positive(clip):
    with pytest.raises(ConfigError, match="clip must be positive"):
        GradClip(clip)


def test_numpy_numbers_are_welcome():
    assert GradClip(np.float32(0.5)).clip == 0.5
