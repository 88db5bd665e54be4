"""Models as modules: they give what `predict` gives, before anything is exported."""

import numpy as np
import pytest
import torch

from lumin_core import Ensemble, Model
from lumin_plugin_onnx.modules import WeightedMean, WholeModel


@pytest.fixture
def models(fy, make_builder):
    return [Model(make_builder(fy, seed=seed, cont_subsample_rate=0.7)) for seed in (1, 2)]


def test_the_mean_of_models_is_the_ensembles(models, fy):
    x = fy.get_fold(0)["inputs"]
    mean = WeightedMean([WholeModel(model, raw=False) for model in models], [1, 3])
    with torch.no_grad():
        preds = mean(torch.as_tensor(x)).numpy()
    np.testing.assert_allclose(preds, Ensemble(models, [1, 3]).predict(x), rtol=1e-6)


def test_missing_values_are_zero_as_on_reading(models):
    whole = WholeModel(models[0], raw=False)
    x = torch.zeros(2, 4)
    x[0, 0] = torch.nan
    with torch.no_grad():
        preds = whole(x)
    assert torch.equal(preds[0], preds[1])


def test_the_network_is_a_copy(models):
    whole = WholeModel(models[0], raw=False)
    assert not any(module.training for module in whole.network.modules())
    assert whole.network is not models[0].model
