"""What a model shows of itself: its builder's rows, sizes, and how far it is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.display import component, count
from lumin_core.model.builder_rows import input_rows, training_rows
from lumin_core.model.optimiser import with_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from lumin_core.display import Row
    from lumin_core.training.fit_params import FitParams
    from lumin_core.training.network import Network


def model_rows(network: Network, fit_params: FitParams | None) -> Iterator[Row]:
    """Give the rows of a model.

    Args:
        network: The model.
        fit_params: The state of its last fit, if there was one.
    """
    yield from network_rows(network)
    yield "device", ", ".join(_place(network))
    yield "trained", _trained(network, fit_params)


def network_rows(network: Network) -> Iterator[Row]:
    """Give the rows of inputs, blocks, loss and optimiser: what the models of an ensemble share."""
    builder = network.model_builder
    yield from input_rows(builder)
    if network.input_mask is not None:
        yield "input mask", f"{count(len(network.input_mask), 'column')} of these"
    for part, block in zip(builder.specs, (network.head, network.body, network.tail), strict=True):
        size = f"{component(builder.specs[part])}; {count(block.get_out_size(), 'column')}"
        yield part, f"{size}, {count(_size(block), 'parameter')}"
    yield "parameters", _parameters(network)
    yield from training_rows(builder, with_rate(builder.opt_args, network.get_lr()))


def _size(block: nn.Module) -> int:
    return sum(parameter.numel() for parameter in block.parameters())


def _parameters(network: Network) -> str:
    n_all, n_trained = network.get_param_count(trainable=False), network.get_param_count()
    return f"{n_all:,}" if n_trained == n_all else f"{n_all:,}, of which {n_trained:,} are trained"


def _place(network: Network) -> Iterator[str]:
    yield str(network.device)
    if network.precision != "32":
        yield f"precision {network.precision}"
    if network.compile:
        yield "compiled"


def _trained(network: Network, fit_params: FitParams | None) -> str:
    if fit_params is None:
        return "no" if network.is_new else "not here: its weights were loaded or set"
    epochs = f"{fit_params.epoch} of {count(fit_params.n_epochs, 'epoch')}"
    if fit_params.failed is not None:
        return f"{epochs}, failed: {fit_params.failed}"
    if values := fit_params.reached():
        return f"{epochs}, validation " + ", ".join(f"{name} {value:.5g}" for name, value in values.items())
    losses = fit_params.history["train"]["loss"][-len(fit_params.trn_idxs) :]
    return f"{epochs}, training loss {sum(losses) / len(losses):.5g}" if losses else epochs
