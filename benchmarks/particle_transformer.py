"""The particle transformer: ours against weaver-core's, forward and backward in training, one thread, 64 jets.

At equal settings, dropout and class attention included, in turns in one process: of 60 constituents, all present or a
third of them absent, with the widths of the paper and those of the lite preset; then with growing numbers of
constituents, where pairs, and so the time per constituent, grow with their number. weaver-core is measured where it is
installed (``pip install --no-deps weaver-core``), else ours alone.
"""

from __future__ import annotations

import logging
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import common

common.one_thread()

import torch

from lumin_plugin_gnn import ClassAttention, ParticleTransformer
from lumin_plugin_gnn.particle_transformer import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable

N_JETS, N_FPV, N_OBJECTS, NUMBERS = 64, 7, 60, (20, 40, 80, 160)
REPETITIONS, REPETITIONS_GROWING = 15, 5
GOAL = 1.0

Pass = tuple[torch.nn.Module, "Callable[[], torch.Tensor]"]


def make_jets(n_objects: int, n_present: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Make features ``(B, N, 7)``, 4-momenta ``(B, N, 4)`` of light particles, and the mask."""
    generator = torch.Generator().manual_seed(1)
    features, momenta = (torch.randn(N_JETS, n_objects, n, generator=generator) for n in (N_FPV, 4))
    momenta = 10 * momenta + torch.tensor([50.0, 0.0, 10.0, 0.0])
    momenta[..., 3] = (momenta[..., :3].square().sum(-1) + 0.02).sqrt()
    mask = (torch.arange(n_objects) < n_present).expand(N_JETS, -1)
    return features * mask.unsqueeze(-1), momenta * mask.unsqueeze(-1), mask


def ours(preset: str, n_objects: int, n_present: int) -> Pass:
    """Build our network, and what runs it."""
    features, momenta, mask = make_jets(n_objects, n_present)
    extractor = ParticleTransformer(N_FPV, ["px", "py", "pz", "E"], preset=preset)
    collapser = ClassAttention(n_objects, extractor.get_out_size(), n_heads=PRESETS[preset]["n_heads"])
    net = torch.nn.ModuleList((extractor, collapser))
    return net, lambda: collapser(extractor(features, mask, momenta), mask)


def weavers(network: Any, preset: str, n_objects: int, n_present: int) -> Pass:
    """Build weaver-core's, whose last dimension is the constituents."""
    features, momenta, mask = make_jets(n_objects, n_present)
    settings = PRESETS[preset]
    net = network(
        N_FPV,
        embed_dims=settings["embed"],
        pair_embed_dims=settings["pair_embed"],
        num_layers=settings["n_layers"],
        num_heads=settings["n_heads"],
        fc_params=None,
        trim=False,
    )
    x, v, present = features.transpose(1, 2).contiguous(), momenta.transpose(1, 2).contiguous(), mask.unsqueeze(1)
    return net, lambda: net(x, v=v, mask=present)


def seconds(made: Pass) -> float:
    """Measure one pass."""
    net, run = made
    net.zero_grad()
    start = perf_counter()
    run().sum().backward()
    return perf_counter() - start


def compare(title: str, network: Any, setting: tuple[str, int, int], repetitions: int) -> dict[str, Any]:
    """Measure both, print, and give medians and ratios."""
    ways: dict[str, Callable[[], float]] = {"lumin-plugin-gnn": partial(seconds, ours(*setting))}
    if network is not None:
        ways["weaver-core"] = partial(seconds, weavers(network, *setting))
    results = common.ratios(common.alternate(ways, repetitions), list(ways)[-1])
    rows = [[way, 1e3 * r["median_s"], 1e3 * r["spread_s"], r["ratio"]] for way, r in results.items()]
    common.show(f"{title} (goal {GOAL})", ["", "median [ms]", "spread [ms]", "ratio"], rows)
    return results


def find_weaver() -> Any:
    """Give weaver-core's network, or None where it is not installed."""
    logging.getLogger("weaver").setLevel(logging.WARNING)
    try:
        from weaver.nn.model.ParticleTransformer import ParticleTransformer as Weavers
    except ImportError:
        print("weaver-core is not measured: pip install --no-deps weaver-core")
        return None
    return Weavers


def main() -> None:
    """Measure, print, write."""
    network, results = find_weaver(), {}
    for preset in PRESETS:
        for n_present in (N_OBJECTS, 2 * N_OBJECTS // 3):
            title = f"{preset}, {n_present} of {N_OBJECTS} constituents present"
            results[title] = compare(title, network, (preset, N_OBJECTS, n_present), REPETITIONS)
    for preset in PRESETS:
        for n in NUMBERS:
            title = f"{preset}, {n} constituents"
            results[title] = compare(title, network, (preset, n, n), REPETITIONS_GROWING)
    common.keep("particle_transformer", results)


if __name__ == "__main__":
    main()
