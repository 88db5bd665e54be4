"""Layer-sequential unit-variance initialisation: weights set by what a batch of data makes of them.

Layer by layer, in the order in which data reach them, weights are made orthonormal and then divided
by the standard deviation of the layer's outputs, over all events and columns, until it is one.

References:
    Mishkin and Matas, "All you need is a good init", https://arxiv.org/abs/1511.06422, algorithm 1.
    Ours asks for a standard deviation within a tolerance rather than a variance, as LUMIN does, and
    leaves biases alone.
    Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks", https://arxiv.org/abs/1312.6120, for orthonormal weights.
"""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Any

import torch
from attrs import define
from torch import nn

from lumin_core import Callback, seeds
from lumin_core.checks import positive
from lumin_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from lumin_core import BatchYielder, FitParams
    from lumin_core.model import Inputs

_LAYERS = (
    nn.Linear,
    nn.Bilinear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
_log = logging.getLogger(__name__)
_RESOLUTION = 1e-6  # what single precision tells apart, relative to the outputs


class LsuvInit(Callback):
    """Initialises dense and convolutional layers to outputs of unit variance.

    It does so on a batch of training data, before the first batch is trained. It acts on a new
    model alone: one that was trained or loaded, or began with a ``pretrain_file``, is left as it
    is, which is logged. All layers that the batch reaches are initialised, also that before the
    tail's activation, as in the paper. Left alone are frozen weights, those that no data reach or
    that are not parameters of their own layer (parametrisations), and all biases. Weights that
    several layers share are set for the first of them.

    The batch is what the loop would feed to the model, after input mask and callbacks listed
    before; the network works on it in single precision and as in training, dropout and batch norms
    acting. Event weights play no part: they enter the loss, not the outputs. But for its weights
    the model stays as it is, as do all generators of random numbers.

    Args:
        needed_std: Standard deviation of the outputs of each layer.
        std_tol: By how much it may differ.
        max_attempts: How often the weights of a layer are rescaled; where that is not enough, a
            warning is logged.
        do_orthonorm: Whether to begin with orthonormal weights, rather than with those
            that there are.

    Raises:
        ConfigError: If an option is not positive.
        DataError: If the outputs of a layer do not vary, or are not finite: no weights can give
            them unit variance.

    Example:
        >>> from lumin_plugin_callbacks import LsuvInit
        >>> callbacks = [LsuvInit(), {"name": "lsuv_init", "std_tol": 0.01}]
    """

    def __init__(
        self, needed_std: float = 1.0, std_tol: float = 0.1, max_attempts: int = 10, do_orthonorm: bool = True
    ) -> None:
        for name, value in (("needed_std", needed_std), ("std_tol", std_tol)):
            if not hasattr(value, "__float__") or not value > 0:
                raise ConfigError(f"{name} must be positive, got {value!r}")
        self.needed_std = float(needed_std)
        self.std_tol = float(std_tol)
        self.max_attempts = positive(max_attempts, "max_attempts")
        self.do_orthonorm = do_orthonorm
        self._is_done = False

    def on_train_begin(self) -> None:
        """Begin anew."""
        self._is_done = False

    def on_fold_begin(self, fit_params: FitParams) -> None:
        """Initialise the model, on the first fold of the fit."""
        if self._is_done or fit_params.state != "train":
            return
        self._is_done = True
        if not fit_params.model.is_new:
            _log.warning("lsuv_init leaves the model alone: it was trained or loaded before")
            return
        model = fit_params.model.model
        with torch.no_grad(), seeds.torch_forked(fit_params.device):
            network = copy.deepcopy(model)  # modes, running means and gradients of the model's own stay as they are
            self._initialise(network, _first_inputs(fit_params.by))
            for own, new in zip(model.parameters(), network.parameters(), strict=True):
                own.copy_(new)

    def state_dict(self) -> dict[str, object]:
        """Give what a checkpoint keeps."""
        return {"is_done": self._is_done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        self._is_done = state["is_done"]

    def _initialise(self, network: nn.Module, x: Inputs) -> None:
        layers = _reached(network, x)
        if not layers:
            _log.warning(
                "lsuv_init has nothing to initialise: no dense or convolutional layer is reached and trainable"
            )
        if self.do_orthonorm:
            for layer in layers:  # drawn on the CPU, so that all devices begin with the same weights
                layer.weight.copy_(nn.init.orthogonal_(torch.empty(layer.weight.shape, device="cpu")))
        for layer in layers:
            self._rescale(network, layer, x)

    def _rescale(self, network: nn.Module, layer: _Layer, x: Inputs) -> None:
        for _ in range(self.max_attempts):
            if self._is_near(std := _output_std(network, layer, x)):
                return
            layer.weight.mul_(self.needed_std / std)
        if not self._is_near(std := _output_std(network, layer, x)):
            _log.warning(
                "lsuv_init: after %d attempts the outputs of %s have a standard deviation of %.3g, not %.3g +- %.2g",
                *(self.max_attempts, layer.name, std, self.needed_std, self.std_tol),
            )

    def _is_near(self, std: float) -> bool:
        return abs(std - self.needed_std) <= self.std_tol


@define(frozen=True)
class _Layer:
    name: str
    module: nn.Module
    weight: nn.Parameter


def _first_inputs(by: BatchYielder) -> Inputs:
    """Return the inputs of the first batch.

    The pass that follows is shuffled as if this had not been.
    """
    generator = getattr(by, "generator", None)
    state = None if generator is None else generator.get_state()
    x, *_ = next(iter(by))
    if generator is not None:
        generator.set_state(state)
    return x


def _reached(network: nn.Module, x: Inputs) -> list[_Layer]:
    """List the layers to initialise, in the order in which data reach them."""
    names: dict[nn.Module, str] = {m: name for name, m in network.named_modules() if isinstance(m, _LAYERS)}
    reached: list[nn.Module] = []
    hooks = [module.register_forward_hook(lambda module, *_: reached.append(module)) for module in names]
    _run(network, x)
    for hook in hooks:
        hook.remove()
    layers: dict[nn.Parameter, _Layer] = {}
    for module in reached:
        weight = dict(module.named_parameters(recurse=False)).get("weight")
        if weight is not None and weight.requires_grad:
            layers.setdefault(weight, _Layer(names[module], module, weight))
    return list(layers.values())


def _output_std(network: nn.Module, layer: _Layer, x: Inputs) -> float:
    """Compute the standard deviation over all outputs of a layer, over all its calls."""
    outputs: list[Tensor] = []
    hook = layer.module.register_forward_hook(lambda _, __, output: outputs.append(output.flatten()))
    _run(network, x)
    hook.remove()
    values = torch.cat(outputs).cpu().double()
    std, largest = float(values.std(correction=0)), float(values.abs().max())
    if not std > _RESOLUTION * largest:  # nor where it is NaN
        raise DataError(
            f"lsuv_init: the outputs of {layer.name} have a standard deviation of {std:.3g} on a batch (the largest is "
            f"{largest:.3g}), which no factor makes unit; look for inputs that do not vary, a layer before it that "
            "gives zeros, or a bs that is too small, or leave lsuv_init out"
        )
    return std


def _run(network: nn.Module, x: Inputs) -> None:
    """Run the batch, with the same dropout every time."""
    torch.manual_seed(torch.initial_seed())
    network(x)
