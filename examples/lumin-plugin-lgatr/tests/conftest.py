"""Events of objects, some of them absent, and frames of reference."""

import pytest
import torch


def draw(n_present=(6, 3, 1, 0), n=6, seed=1):
    """Give momenta ``(B, N, 4)`` of light particles as ``px, py, pz, E``, 0 for absent ones, and the mask."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(len(n_present), n, dtype=torch.bool)
    for event, count in enumerate(n_present):
        mask[event, torch.randperm(n, generator=generator)[:count]] = True
    momenta = 10 * torch.randn(len(n_present), n, 4, generator=generator, dtype=torch.float64)
    momenta[..., 0] += 30
    momenta[..., 3] = (momenta[..., :3].square().sum(-1) + 0.02).sqrt()
    return momenta * mask.unsqueeze(-1), mask


@pytest.fixture
def objects():
    return draw()


def boost(x=0.0, y=0.0, z=0.0):
    """Give the boost of ``px, py, pz, E`` by a rapidity of the length of ``(x, y, z)``, along it."""
    generator = torch.zeros(4, 4, dtype=torch.float64)
    generator[3, :3] = generator[:3, 3] = torch.tensor([x, y, z], dtype=torch.float64)
    return torch.linalg.matrix_exp(generator)


def rotation(x=0.0, y=0.0, z=0.0):
    """Give the rotation about ``(x, y, z)`` by an angle of its length."""
    generator = torch.zeros(4, 4, dtype=torch.float64)
    generator[:3, :3] = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    return torch.linalg.matrix_exp(generator)


FRAMES = {
    "boost along z": boost(z=0.8),
    "boost": boost(0.4, -0.5, 0.3),
    "rotation about z": rotation(z=2.0),
    "rotation": rotation(0.4, 1.0, -2.0),
}


@pytest.fixture(params=FRAMES)
def frame(request):
    """Give the name of a change of frame, and its matrix."""
    return request.param, FRAMES[request.param]
