"""What is expected of single layers: activations, norms, and parts of heads."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lumin_core.testing.outcome import CheckFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn


def expect_finite(layer: nn.Module, x: Tensor) -> None:
    """Refuse values or gradients that are not finite."""
    given = x.clone().requires_grad_()
    out = layer(given)
    if not out.isfinite().all():
        raise CheckFailed(f"expected finite values for inputs up to {x.abs().max():g}, got {out.flatten().tolist()}")
    if not out.requires_grad:
        raise CheckFailed("expected an output with a gradient, got one without; leave out detach() and numpy")
    (gradient,) = torch.autograd.grad(out.sum(), given)
    if not gradient.isfinite().all():
        where = x[~gradient.isfinite()].tolist()
        raise CheckFailed(f"expected finite gradients, but not where the inputs are {where[:5]}; clamp or shift there")


def expect_same_rows(layer: nn.Module, x: Tensor) -> None:
    """Refuse a layer that in evaluation depends on order or number of the events."""
    layer = layer.eval()
    with torch.no_grad():
        whole, again, backwards = layer(x.clone()), layer(x.clone()), layer(x.flip(0).clone()).flip(0)
        alone = torch.cat([layer(row[None].clone()) for row in x])
    for what, other in (("asked again", again), ("in another order", backwards), ("asked alone", alone)):
        if not torch.allclose(whole, other, rtol=1e-5, atol=1e-6):
            raise CheckFailed(
                f"expected the same for each event in evaluation, {_row(whole)}, got {_row(other)} {what}; use nothing "
                "of the other events, and no random numbers, unless self.training"
            )


def expect_unchanged_streams(
    run: Callable[[], object],
    instead: str = "torch's generator alone, which the seed of the model sets",
    way_out: str = "torch.rand, torch.randn or nn.init",
) -> None:
    """Refuse random numbers from the global generators of numpy and random.

    Args:
        run: What may draw.
        instead: From where it should.
        way_out: How.
    """
    with fixed_streams() as before:
        run()
        after = streams()
    if changed := [name for name, state in before.items() if after[name] != state]:
        raise CheckFailed(
            f"expected random numbers from {instead}, but the global generator of {' and '.join(changed)} was drawn "
            f"from; use {way_out}"
        )


class fixed_streams:
    """Restore the global generators of numpy and random behind a block."""

    def __enter__(self) -> dict[str, object]:
        """Keep the states, and return them."""
        self._states = np.random.get_state(), random.getstate()
        return streams()

    def __exit__(self, *_: object) -> None:
        """Put them back."""
        np.random.set_state(self._states[0])
        random.setstate(self._states[1])


def streams() -> dict[str, object]:
    """Return the states of numpy's and random's global generators, by name, to be compared."""
    numpy_state: Any = np.random.get_state()
    return {"numpy": (numpy_state[1].tobytes(), *numpy_state[2:]), "random": random.getstate()}


def _row(values: Tensor) -> list[float]:
    return [round(value, 5) for value in values[0].flatten().tolist()[:4]]
