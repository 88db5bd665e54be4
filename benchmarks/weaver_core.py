"""Networks on constituents: ours against weaver-core's, forward and backward in training, one thread, 64 jets.

The edge convolutions of ParticleNet, then a mean over constituents, and the particle transformer with class attention
and dropout, each at equal settings and in turns in one process: of 60 constituents, all present or a third of them
absent, with the widths of the papers and those of the lite presets; then with growing numbers of constituents. A fusion
of blocks and a norm of the inputs, which weaver-core puts around its edge convolutions, are switched off there.
weaver-core is measured where it is installed (``pip install --no-deps weaver-core``), else ours alone.
``python benchmarks/weaver_core.py edge_conv`` takes one network.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import common

common.one_thread()

import torch

from lumin_plugin_gnn import ClassAttention, EdgeConv, GraphCollapser, ParticleTransformer, edge_conv
from lumin_plugin_gnn import particle_transformer as transformer

if TYPE_CHECKING:
    from collections.abc import Callable

N_JETS, N_FPV, N_OBJECTS, NUMBERS = 64, 7, 60, (20, 40, 80, 160)
REPETITIONS, REPETITIONS_GROWING = 15, 5
GOAL = 1.0
PRESETS = {"edge_conv": edge_conv.PRESETS, "particle_transformer": transformer.PRESETS}

Pass = tuple[torch.nn.Module, "Callable[[], torch.Tensor]"]


def make_jets(n_objects: int, n_present: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Make features ``(B, N, 7)``, 4-momenta ``(B, N, 4)`` of light particles, and the mask."""
    generator = torch.Generator().manual_seed(1)
    features, momenta = (torch.randn(N_JETS, n_objects, n, generator=generator) for n in (N_FPV, 4))
    momenta = 10 * momenta + torch.tensor([50.0, 0.0, 10.0, 0.0])
    momenta[..., 3] = (momenta[..., :3].square().sum(-1) + 0.02).sqrt()
    mask = (torch.arange(n_objects) < n_present).expand(N_JETS, -1)
    return features * mask.unsqueeze(-1), momenta * mask.unsqueeze(-1), mask


def ours(network: str, preset: str, n_objects: int, n_present: int) -> Pass:
    """Build our network, and what runs it."""
    features, momenta, mask = make_jets(n_objects, n_present)
    extractor: torch.nn.Module
    collapser: torch.nn.Module
    if network == "edge_conv":
        extractor = EdgeConv(N_FPV, preset=preset)
        collapser = GraphCollapser(n_objects, extractor.get_out_size(), agg_methods="mean")
    else:
        extractor = ParticleTransformer(N_FPV, ["px", "py", "pz", "E"], preset=preset)
        collapser = ClassAttention(n_objects, extractor.get_out_size(), n_heads=PRESETS[network][preset]["n_heads"])
    net = torch.nn.ModuleList((extractor, collapser))
    return net, lambda: collapser(extractor(features, mask, momenta), mask)


def weavers(networks: dict[str, Any], network: str, preset: str, n_objects: int, n_present: int) -> Pass:
    """Build weaver-core's, whose last dimension is the constituents."""
    features, momenta, mask = make_jets(n_objects, n_present)
    settings = PRESETS[network][preset]
    x, v, present = features.transpose(1, 2).contiguous(), momenta.transpose(1, 2).contiguous(), mask.unsqueeze(1)
    if network == "edge_conv":
        blocks = [(settings["k"], widths) for widths in settings["widths"]]
        net = networks[network](
            N_FPV, 1, conv_params=blocks, fc_params=[(1, 0)], use_fusion=False, use_fts_bn=False, trim=False
        )
        return net, lambda: net(x[:, :2], x, mask=present)
    net = networks[network](
        N_FPV,
        embed_dims=settings["embed"],
        pair_embed_dims=settings["pair_embed"],
        num_layers=settings["n_layers"],
        num_heads=settings["n_heads"],
        fc_params=None,
        trim=False,
    )
    return net, lambda: net(x, v=v, mask=present)


def seconds(made: Pass) -> float:
    """Measure one pass."""
    net, run = made
    net.zero_grad()
    start = perf_counter()
    run().sum().backward()
    return perf_counter() - start


def compare(title: str, theirs: dict[str, Any], setting: tuple[str, str, int, int], repetitions: int) -> dict[str, Any]:
    """Measure both, print, and give medians and ratios."""
    ways: dict[str, Callable[[], float]] = {"lumin-plugin-gnn": partial(seconds, ours(*setting))}
    if theirs:
        ways["weaver-core"] = partial(seconds, weavers(theirs, *setting))
    results = common.ratios(common.alternate(ways, repetitions), list(ways)[-1])
    rows = [[way, 1e3 * r["median_s"], 1e3 * r["spread_s"], r["ratio"]] for way, r in results.items()]
    common.show(f"{title} (goal {GOAL})", ["", "median [ms]", "spread [ms]", "ratio"], rows)
    return results


def find_weaver() -> dict[str, Any]:
    """Give weaver-core's networks by our names, or none where it is not installed."""
    logging.getLogger("weaver").setLevel(logging.WARNING)
    try:
        from weaver.nn.model import ParticleNet, ParticleTransformer
    except ImportError:
        print("weaver-core is not measured: pip install --no-deps weaver-core")
        return {}
    return {"edge_conv": ParticleNet.ParticleNet, "particle_transformer": ParticleTransformer.ParticleTransformer}


def main() -> None:
    """Measure, print, write."""
    theirs, results = find_weaver(), {}
    for network in sys.argv[1:] or PRESETS:
        for preset in PRESETS[network]:
            for n_present in (N_OBJECTS, 2 * N_OBJECTS // 3):
                title = f"{network} ({preset}), {n_present} of {N_OBJECTS} constituents present"
                results[title] = compare(title, theirs, (network, preset, N_OBJECTS, n_present), REPETITIONS)
        for preset in PRESETS[network]:
            for n in NUMBERS:
                title = f"{network} ({preset}), {n} constituents"
                results[title] = compare(title, theirs, (network, preset, n, n), REPETITIONS_GROWING)
    common.keep("weaver_core", results)


if __name__ == "__main__":
    main()
