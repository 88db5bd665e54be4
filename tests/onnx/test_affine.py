"""Steps of the preprocessing as affine parts: what they give, and which are refused."""

import numpy as np
import pytest
import torch

from lumin_core import Transform
from lumin_core.errors import ConfigError
from lumin_plugin_onnx.affine import Affine
from lumin_plugin_tabular import PCA, StandardScaler


@pytest.fixture
def data():
    """Make correlated columns, far from 0."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(500, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0.3], [0, 0, 1]]) * [1e4, 0.01, 3] + [1e6, 100, 0]


@pytest.mark.parametrize("step", [StandardScaler(), PCA(n_components=2), PCA(whiten=True)], ids=repr)
def test_an_affine_step_is_found_in_single_precision(step, data):
    step.fit(data)
    affine = Affine(step, 3)
    x = data.astype("float32")
    expected = step.transform(x.astype("float64"))
    assert affine.n_out == expected.shape[1]
    np.testing.assert_allclose(affine(torch.as_tensor(x)), expected, rtol=1e-4, atol=1e-5 * abs(expected).max())


def test_scaling_keeps_missing_values_in_their_column_and_components_do_not(data):
    scaler = Affine(StandardScaler().fit(data), 3)
    assert (scaler.is_diagonal, scaler.keeps_missing) == (True, True)
    assert scaler(torch.tensor([[float("nan"), 100, 0]])).isnan().tolist() == [[True, False, False]]
    assert not Affine(PCA().fit(data), 3).keeps_missing


class Step(Transform):
    def __init__(self, function):
        self.function = function

    def transform(self, x):
        return self.function(x)

    def inverse_transform(self, x):
        return x

    def to_config(self):
        return {}


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: np.clip(x, -5, 5), "no affine function"),
        (np.square, "no affine function"),
        (np.nan_to_num, "fills in missing values"),
        (lambda x: x[:, 7], "out of bounds"),
    ],
)
def test_others_are_refused_with_the_cause(function, words):
    with pytest.raises(ConfigError, match=f"the preprocessing step Step cannot be put into an ONNX file: .*{words}"):
        Affine(Step(function), 2)
