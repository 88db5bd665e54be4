"""Optimisers by name: torch's own, and any that is registered.

Weight decay acts on all parameters, or with ``decay_groups="weights"`` on the weights of layers
alone: biases, norms, embeddings and scales stay out of it.
"""

from __future__ import annotations

import inspect
import math
from contextlib import contextmanager, suppress
from numbers import Real
from typing import TYPE_CHECKING, TypeGuard, cast

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from lumin_core import registry
from lumin_core.arguments import expect
from lumin_core.checks import did_you_mean
from lumin_core.errors import ConfigError
from lumin_core.model.options import copied, join, options_of, without
from lumin_core.registry.making import make
from lumin_core.registry.signature import signature_of
from lumin_core.synonyms import meant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from functools import partial

    from torch.optim import Optimizer

DEFAULT_OPT = "core/adam"
DEFAULT_LR = 2e-3

DECAY_GROUPS = ("all", "weights")
"""What weight decay acts on, the default first."""

Params = list[nn.Parameter] | list[dict[str, object]]
"""What torch's optimisers are given: parameters, or groups of them with options of their own."""

_OWN = "decay_groups"  # the option of `opt_args` that is ours, not the optimiser's

_STAY = (
    nn.Embedding,
    nn.EmbeddingBag,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.modules.batchnorm._NormBase,
)  # beside what says ``no_decay``

_BELOW = {"betas": 1, "momentum": math.inf, "weight_decay": math.inf}
"""Options of torch's optimisers that are not negative, and what they are below."""


def optimiser_spec(opt_args: Mapping[str, object] | None) -> object:
    """Join ``{"opt": ..., **options}`` into one component spec.

    The default is Adam at a learning rate of 2e-3.

    Args:
        opt_args: ``opt`` as name, dict, class or partial, and its options; ``decay_groups``,
            which is not the optimiser's, is left out.

    Returns:
        The spec.

    Raises:
        ConfigError: If an option is given twice.

    Example:
        >>> from lumin_core.model.optimiser import optimiser_spec
        >>> optimiser_spec({"opt": "sgd", "momentum": 0.9})
        {'name': 'sgd', 'lr': 0.002, 'momentum': 0.9}
    """
    options = {name: value for name, value in (opt_args or {}).items() if name != _OWN}
    if wrong := [name for name in options if meant(str(name).lower(), ["opt"])]:
        raise ConfigError(f"opt_args has no {wrong[0]!r}{did_you_mean(wrong[0], ['opt'])}")
    spec = options.pop("opt", DEFAULT_OPT)
    if "lr" not in {*options, *options_of(spec)}:
        options = {"lr": DEFAULT_LR, **options}
    return join(spec, options, "opt_args['opt']", "opt_args")


def decay_groups(opt_args: Mapping[str, object] | None) -> str:
    """Return what weight decay acts on: ``"all"`` parameters or the ``"weights"`` of layers alone.

    Args:
        opt_args: As in `optimiser_spec`.

    Raises:
        ConfigError: If it is neither.

    Example:
        >>> from lumin_core.model.optimiser import decay_groups
        >>> decay_groups({"opt": "adamw"}), decay_groups({"decay_groups": "weights"})
        ('all', 'weights')
    """
    value = (opt_args or {}).get(_OWN, DECAY_GROUPS[0])
    if value not in DECAY_GROUPS:
        raise ConfigError(
            f"opt_args['{_OWN}'] must be 'all' or 'weights', got {value!r}{did_you_mean(value, DECAY_GROUPS)}"
        )
    return str(value)


def optimiser_config(opt_args: Mapping[str, object] | None) -> dict[str, object]:
    """Write ``{"opt": ..., **options}`` as plain values.

    Args:
        opt_args: As in `optimiser_spec`.

    Example:
        >>> from lumin_core.model.optimiser import optimiser_config
        >>> optimiser_config({"opt": "sgd", "lr": 0.1})
        {'opt': 'core/sgd', 'lr': 0.1}
    """
    config = registry.to_config("optimiser", optimiser_spec(opt_args))
    chosen = decay_groups(opt_args)
    own: dict[str, object] = {} if chosen == DECAY_GROUPS[0] else {_OWN: chosen}
    return ({"opt": config} if isinstance(config, str) else {"opt": config.pop("name"), **config}) | own


def with_rate(opt_args: Mapping[str, object], lr: float) -> dict[str, object]:
    """Set the learning rate, wherever among the options it was given.

    Args:
        opt_args: As in `optimiser_spec`; not changed.
        lr: Learning rate, positive.

    Raises:
        ConfigError: If it is not positive, or not finite.

    Example:
        >>> from lumin_core.model.optimiser import with_rate
        >>> with_rate({"opt": {"name": "sgd", "lr": 0.1}}, 0.2)
        {'opt': {'name': 'sgd'}, 'lr': 0.2}
    """
    if not (_is_real(lr) and 0 < lr < math.inf):
        raise ConfigError(f"lr must be positive, got {lr!r}")
    opt = {"opt": without(opt_args["opt"], "lr")} if "opt" in opt_args else {}
    return {**opt_args, **opt, "lr": lr}


def build_optimiser(opt_args: Mapping[str, object] | None, module: nn.Module) -> torch.optim.Optimizer:
    """Build an optimiser of a module's parameters, torch's fused version where the device has it.

    Args:
        opt_args: As in `optimiser_spec`. With ``decay_groups="weights"`` there are two groups of
            parameters: weight decay acts on those of at least two axes that are called no ``bias``
            and are in no norm, no embedding and no module that says ``no_decay = True``; it is 0
            for all others.
        module: What is trained; put it on its device first.

    Returns:
        The optimiser.

    Raises:
        ConfigError: If the optimiser needs a closure, which the loop does not give, an option is
            unknown or out of range, or there is no parameter.
        BrokenPlugin: If its constructor does not call that of torch's optimisers.

    Example:
        >>> import torch
        >>> from lumin_core.model.optimiser import build_optimiser
        >>> opt_args = {"opt": "adamw", "weight_decay": 0.1, "decay_groups": "weights"}
        >>> opt = build_optimiser(opt_args, torch.nn.Linear(2, 1))
        >>> [(group["weight_decay"], len(group["params"])) for group in opt.param_groups]
        [(0.1, 1), (0.0, 1)]
    """
    found, params = checked_optimiser(opt_args, module)
    with _naming(found):
        return _made(found, params)


def checked_optimiser(opt_args: Mapping[str, object] | None, module: nn.Module) -> tuple[partial[Optimizer], Params]:
    """Find an optimiser and look at its options, without making it: torch imports much for that.

    Args:
        opt_args: As in `build_optimiser`.
        module: What is trained.

    Returns:
        What makes it, and the parameters, in groups where there are several.

    Raises:
        ConfigError: As `build_optimiser`, as far as it can be told.
    """
    expect(module, nn.Module, "module")
    found = registry.resolve("optimiser", copied(optimiser_spec(opt_args)))
    name = found.func.__name__
    if signature_of(cast("type[Optimizer]", found.func).step).required[1:]:  # beside self
        raise ConfigError(
            f"{name} needs a closure, which the training loop does not give; choose another optimiser, say adam"
        )
    params = list(module.parameters())
    if not params:
        raise ConfigError("the model has no parameter that could be trained; choose another body or tail")
    if any(map(is_lazy, params)):
        raise ConfigError("lazy layers, as LazyLinear, get their weights in a first batch; build them with their size")
    with _naming(found):
        _check_numbers(found.keywords)
    return found, params if decay_groups(opt_args) == DECAY_GROUPS[0] else _in_groups(module, found)


def _in_groups(module: nn.Module, found: partial[Optimizer]) -> list[dict[str, object]]:
    """Part the parameters into those that decay and the others."""
    if "weight_decay" not in inspect.signature(found.func).parameters:
        raise ConfigError(f"{found.func.__name__} has no weight_decay, which opt_args['{_OWN}'] is for; leave it out")
    stay = set(map(id, _without_decay(module)))
    decaying = [parameter for parameter in module.parameters() if id(parameter) not in stay]
    others = [parameter for parameter in module.parameters() if id(parameter) in stay]
    groups: list[dict[str, object]] = [{"params": decaying}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _without_decay(module: nn.Module) -> Iterator[nn.Parameter]:
    """Give the parameters that do not decay: in one module, even if they do in another."""
    if isinstance(module, _STAY) or getattr(module, "no_decay", False) is True:
        yield from module.parameters()
        return
    for name, parameter in module.named_parameters(recurse=False):
        if parameter.ndim < 2 or name == "bias":
            yield parameter
    for part in module.children():
        yield from _without_decay(part)


@contextmanager
def _naming(found: partial[Optimizer]) -> Iterator[None]:
    """Name the optimiser where its options are wrong."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ConfigError(f"opt_args cannot be used for {found.func.__name__}: {error}") from error


def _check_numbers(options: Mapping[str, object]) -> None:
    """Refuse a learning rate that is no number, what is not finite, and what torch would refuse."""
    if "lr" in options and not isinstance(options["lr"], torch.Tensor) and not _is_real(options["lr"]):
        raise ValueError(f"lr must be a finite number, got {options['lr']!r}; say 1e-3")
    if _is_real(lr := options.get("lr")) and lr < 0:
        raise ValueError(f"lr must not be negative, got {lr!r}; say 1e-3")
    for name, value in options.items():
        if _is_real(value) and not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, got {value!r}")
    for name, below in _BELOW.items():
        values = options.get(name)
        for value in values if isinstance(values, list | tuple) else [values]:
            if _is_real(value) and not 0 <= value < below:
                raise ValueError(f"{name} must be at least 0 and below {below}, got {values!r}")


def _is_real(value: object) -> TypeGuard[float]:
    return isinstance(value, Real) and not isinstance(value, bool)


def _made(found: partial[torch.optim.Optimizer], params: Params) -> torch.optim.Optimizer:
    """Build the fused version, or where there is none for these parameters the plain one."""
    options, label = {**found.keywords, "params": params}, f"optimiser {found.func.__name__!r}"
    if "fused" in inspect.signature(found.func).parameters and not {"fused", "foreach"} & set(found.keywords):
        with suppress(RuntimeError):  # torch's word for "no fused version for these parameters"
            return cast("Optimizer", make(found.func, {**options, "fused": True}, label, torch.optim.Optimizer))
    return cast("Optimizer", make(found.func, options, label, torch.optim.Optimizer))
