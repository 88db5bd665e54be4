"""Momenta for the tests of kinematics."""

import numpy as np
import pytest
import torch

PI_32 = np.float32(np.pi)


def draw(n, dtype="float64", seed=1):
    """Give ``(px, py, pz, mass)``, shape ``(4, n)``, that float32 and float64 hold alike: from 1 MeV to 3 TeV, to
    abs(eta) 10, and first the edges: along the beam, at phi = +-pi, at rest, nothing at all, 3 TeV forward."""
    rng = np.random.default_rng(seed)
    pt, phi = 10 ** rng.uniform(-3, 3.5, n), rng.uniform(-np.pi, np.pi, n)
    eta = np.where(rng.random(n) < 0.2, rng.choice([-1, 1], n) * rng.uniform(5, 10, n), rng.uniform(-5, 5, n))
    eta = np.clip(eta, -np.arcsinh(3000 / pt), np.arcsinh(3000 / pt))
    mass = np.where(rng.random(n) < 0.3, 0, 10 ** rng.uniform(-4, 2.3, n))
    edges = np.array(
        [
            [0, 0, 5, 0], [0, 0, -5, 1.8], [-0.0, 0, 0, 0], [0, 0, 0, 91.2], [-3, 0.0, 1, 0], [-3, -0.0, 1, 0],
            [3, -0.0, 0, 1], [0, 4, 0, 0], [0, -4, 1e-6, 0], [0.5, 0.1, 3000, 1.777], [-0.1, 0.1, -3000, 0],
            [1e-18, 0, 3000, 0], [1e-3, 1e-3, -1e-3, 173],
        ]
    )  # fmt: skip
    momenta = np.stack((pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), mass))
    momenta[:, : len(edges)] = edges.T[:, :n]
    return momenta.astype("float32").astype(dtype)


@pytest.fixture
def momenta():
    return draw


@pytest.fixture(params=["array", "tensor"])
def library(request):
    """Give what makes an array, or a tensor, of numbers."""
    return np.asarray if request.param == "array" else torch.as_tensor
