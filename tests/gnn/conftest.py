"""Events of objects, some of them absent, for the tests of networks on objects."""

import pytest
import torch


def draw(n_events=4, n=7, n_fpv=4, n_present=(7, 5, 1, 0), seed=1, dtype=torch.float64):
    """Give features ``(B, N, F)``, 0 for absent objects, which are anywhere, and the mask ``(B, N)``. If there are four
    features, they are momenta px, py, pz, E of light particles in GeV."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(n_events, n, dtype=torch.bool)
    for event, count in enumerate(n_present):
        mask[event, torch.randperm(n, generator=generator)[:count]] = True
    x = torch.randn(n_events, n, n_fpv, generator=generator, dtype=torch.float64)
    if n_fpv == 4:
        x = 10 * x + torch.tensor([30.0, 0.0, 10.0, 0.0])
        x[..., 3] = (x[..., :3].square().sum(-1) + 0.02).sqrt()
    return (x * mask.unsqueeze(-1)).to(dtype), mask


@pytest.fixture
def objects():
    return draw
