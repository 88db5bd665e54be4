"""Momenta that single precision finds hard."""

import torch


def hard_momenta(n=200):
    """Give 4-momenta ``(n, 4, 4)`` in single precision, forward at 3 TeV and in jets of 0.01 rad."""
    rng = torch.Generator().manual_seed(1)
    forward = 30 * torch.randn(n, 4, 3, generator=rng, dtype=torch.float64)
    forward[..., 2] = 3000
    eta, phi = (0.01 * torch.randn(2, n, 4, generator=rng, dtype=torch.float64)).unbind(0)
    pt = 5 + 200 * torch.rand(n, 4, generator=rng, dtype=torch.float64)
    narrow = torch.stack((pt * phi.cos(), pt * phi.sin(), pt * (1 + eta).sinh()), -1)
    momenta = torch.cat((forward, narrow))
    return torch.cat((momenta, (momenta.square().sum(-1, keepdim=True) + 0.01).sqrt()), -1).float()
