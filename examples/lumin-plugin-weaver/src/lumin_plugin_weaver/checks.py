"""What a network of the kind ``weaver_networks`` must hold; see `lumin_core.testing`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad

from lumin_core.errors import SavedModelError
from lumin_core.testing import Check, CheckFailed, Subject

if TYPE_CHECKING:
    from lumin_plugin_weaver.network import WeaverNetwork

TOLERANCE = 1e-5
MASKED = "leave absent particles out by the mask"

Jets = tuple[dict[str, Tensor], Tensor]


def jets_for(network: WeaverNetwork, n_jets: int = 6, n: int = 5) -> Jets:
    """Return inputs and mask of jets, of which every second lacks its last particle.

    Example:
        >>> from lumin_plugin_weaver import ParticleNet
        >>> from lumin_plugin_weaver.checks import jets_for
        >>> inputs, mask = jets_for(ParticleNet({"points": 2, "features": 3}, k=2, widths=[[4]]))
        >>> inputs["features"].shape, mask[1]
        (torch.Size([6, 5, 3]), tensor([ True,  True,  True,  True, False]))
    """
    generator = torch.Generator().manual_seed(1)
    mask = torch.ones(n_jets, n, dtype=torch.bool)
    mask[1::2, -1] = False
    drawn = {role: torch.randn(n_jets, n, size, generator=generator) for role, size in network.n_vars.items()}
    return {role: values * mask.unsqueeze(-1) for role, values in drawn.items()}, mask


def answer(network: WeaverNetwork, jets: Jets) -> Tensor:
    """Ask a network in evaluation."""
    with torch.no_grad():
        found: Tensor = network.eval()(*jets)
        return found


def part(jets: Jets, events: slice) -> Jets:
    """Return some of the jets."""
    return {role: values[events] for role, values in jets[0].items()}, jets[1][events]


def expect_near(found: Tensor, expected: Tensor, what: str, way_out: str) -> None:
    """Fail where two answers differ."""
    if not torch.allclose(found, expected, atol=TOLERANCE):
        far = float((found - expected).abs().max())
        raise CheckFailed(f"{what} changes the answer by {far:.2g}, expected at most {TOLERANCE}; {way_out}")


def check_weaver_network_shape(subject: Subject) -> None:
    """It turns jets into ``(B, get_out_size())``, for one, two and seven of them."""
    network: WeaverNetwork = subject.make()
    for n_jets in (1, 2, 7):
        shape = tuple(answer(network, jets_for(network, n_jets)).shape)
        if shape != (n_jets, network.get_out_size()):
            raise CheckFailed(
                f"expected ({n_jets}, {network.get_out_size()}), got {shape}; say in get_out_size what forward gives"
            )


def check_weaver_network_padding(subject: Subject) -> None:
    """Room for more particles, which are absent, changes nothing."""
    network: WeaverNetwork = subject.make()
    inputs, mask = jets = jets_for(network)
    wide = {role: pad(values, (0, 0, 0, 3)) for role, values in inputs.items()}, pad(mask, (0, 3))
    expect_near(answer(network, wide), answer(network, jets), "room for three more particles", MASKED)


def check_weaver_network_absent(subject: Subject) -> None:
    """A jet without particles has a finite answer, and does not change the others."""
    network: WeaverNetwork = subject.make()
    inputs, mask = jets = jets_for(network)
    keep = torch.arange(len(mask)).ne(0)
    empty = {role: values * keep[:, None, None] for role, values in inputs.items()}, mask & keep[:, None]
    found = answer(network, empty)
    if not found.isfinite().all():
        raise CheckFailed(f"a jet without particles gives an answer that is not finite; {MASKED}")
    expect_near(found[1:], answer(network, jets)[1:], "a jet without particles beside the others", MASKED)


def check_weaver_network_alone(subject: Subject) -> None:
    """In evaluation the answer for a jet does not depend on the other jets."""
    network: WeaverNetwork = subject.make()
    jets = jets_for(network)
    found = torch.cat([answer(network, part(jets, slice(i, i + 1))) for i in range(len(jets[1]))])
    expect_near(found, answer(network, jets), "a batch of one jet", "take no statistics of the batch in evaluation")


def check_weaver_network_gradient(subject: Subject) -> None:
    """Every trainable parameter gets a gradient that is finite, and not zero."""
    network: WeaverNetwork = subject.make().train()
    network(*jets_for(network)).square().sum().backward()
    for name, parameter in network.named_parameters():
        gradient = parameter.grad
        if parameter.requires_grad and (gradient is None or not gradient.isfinite().all() or not gradient.any()):
            raise CheckFailed(f"expected a gradient of {name}, got {gradient}; use it in forward, or do not make it")


def check_weaver_network_convert(subject: Subject) -> None:
    """A ``state_dict`` of another network is refused by `SavedModelError`."""
    try:
        subject.make().convert({"of_another.weight": torch.ones(1)})
    except SavedModelError:
        return
    raise CheckFailed("convert should raise SavedModelError for weights that are not its own, got an answer")


CHECKS = tuple(
    Check(function)
    for function in (
        check_weaver_network_shape,
        check_weaver_network_padding,
        check_weaver_network_absent,
        check_weaver_network_alone,
        check_weaver_network_gradient,
        check_weaver_network_convert,
    )
)
