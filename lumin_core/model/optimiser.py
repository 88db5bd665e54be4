"""Optimisers by name: torch's own, and any that is registered."""

from __future__ import annotations

import inspect
import math
from contextlib import contextmanager, suppress
from numbers import Real
from typing import TYPE_CHECKING, TypeGuard, cast

import torch
from torch.nn.parameter import is_lazy

from lumin_core import registry
from lumin_core.checks import did_you_mean
from lumin_core.errors import ConfigError
from lumin_core.model.options import copied, join, options_of, without
from lumin_core.registry.making import make
from lumin_core.registry.signature import signature_of
from lumin_core.synonyms import meant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from functools import partial

    from torch import nn
    from torch.optim import Optimizer

DEFAULT_OPT = "core/adam"
DEFAULT_LR = 2e-3

_BELOW = {"betas": 1, "momentum": math.inf, "weight_decay": math.inf}
"""Options of torch's optimisers that are not negative, and what they are below."""


def optimiser_spec(opt_args: Mapping[str, object] | None) -> object:
    """Join ``{"opt": ..., **options}`` into one component spec.

    The default is Adam at a learning rate of 2e-3.

    Args:
        opt_args: ``opt`` as name, dict, class or partial, and its options.

    Returns:
        The spec.

    Raises:
        ConfigError: If an option is given twice.

    Example:
        >>> from lumin_core.model.optimiser import optimiser_spec
        >>> optimiser_spec({"opt": "sgd", "momentum": 0.9})
        {'name': 'sgd', 'lr': 0.002, 'momentum': 0.9}
    """
    options = dict(opt_args or {})
    if wrong := [name for name in options if meant(str(name).lower(), ["opt"])]:
        raise ConfigError(f"opt_args has no {wrong[0]!r}{did_you_mean(wrong[0], ['opt'])}")
    spec = options.pop("opt", DEFAULT_OPT)
    if "lr" not in {*options, *options_of(spec)}:
        options = {"lr": DEFAULT_LR, **options}
    return join(spec, options, "opt_args['opt']", "opt_args")


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
    return {"opt": config} if isinstance(config, str) else {"opt": config.pop("name"), **config}


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


def build_optimiser(opt_args: Mapping[str, object] | None, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Build an optimiser over parameters, torch's fused version where the device has it.

    Args:
        opt_args: As in `optimiser_spec`.
        params: The parameters; put them on their device first.

    Returns:
        The optimiser.

    Raises:
        ConfigError: If the optimiser needs a closure, which the loop does not give, an option is
            unknown or out of range, or there is no parameter.
        BrokenPlugin: If its constructor does not call that of torch's optimisers.

    Example:
        >>> import torch
        >>> from lumin_core.model.optimiser import build_optimiser
        >>> build_optimiser(
        ...     {"opt": "adamw", "lr": 1e-3}, torch.nn.Linear(2, 1).parameters()
        ... ).defaults["lr"]
        0.001
    """
    found, params = checked_optimiser(opt_args, params)
    with _naming(found):
        return _made(found, params)


def checked_optimiser(
    opt_args: Mapping[str, object] | None, params: Iterable[nn.Parameter]
) -> tuple[partial[Optimizer], list[nn.Parameter]]:
    """Find an optimiser and look at its options, without making it: torch imports much for that.

    Args:
        opt_args: As in `optimiser_spec`.
        params: The parameters.

    Returns:
        What makes it, and the parameters.

    Raises:
        ConfigError: As `build_optimiser`, as far as it can be told.
    """
    found = registry.resolve("optimiser", copied(optimiser_spec(opt_args)))
    name = found.func.__name__
    if signature_of(cast("type[Optimizer]", found.func).step).required[1:]:  # beside self
        raise ConfigError(
            f"{name} needs a closure, which the training loop does not give; choose another optimiser, say adam"
        )
    params = list(params)
    if not params:
        raise ConfigError("the model has no parameter that could be trained; choose another body or tail")
    if any(map(is_lazy, params)):
        raise ConfigError("lazy layers, as LazyLinear, get their weights in a first batch; build them with their size")
    with _naming(found):
        _check_numbers(found.keywords)
    return found, params


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


def _made(found: partial[torch.optim.Optimizer], params: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Build the fused version, or where there is none for these parameters the plain one."""
    options, label = {**found.keywords, "params": params}, f"optimiser {found.func.__name__!r}"
    if "fused" in inspect.signature(found.func).parameters and not {"fused", "foreach"} & set(found.keywords):
        with suppress(RuntimeError):  # torch's word for "no fused version for these parameters"
            return cast("Optimizer", make(found.func, {**options, "fused": True}, label, torch.optim.Optimizer))
    return cast("Optimizer", make(found.func, options, label, torch.optim.Optimizer))
