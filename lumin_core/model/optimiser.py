"""Optimisers by name: torch's own, and any that is registered."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

from lumin_core import registry
from lumin_core.errors import ConfigError
from lumin_core.model.options import join

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import nn

DEFAULTS = {"opt": "core/adam", "lr": 2e-3}


def optimiser_spec(opt_args: Mapping[str, Any] | None) -> Any:
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
    spec = options.pop("opt", DEFAULTS["opt"])
    given = set(options) | set(spec if isinstance(spec, dict) else getattr(spec, "keywords", {}))
    if "lr" not in given:
        options = {"lr": DEFAULTS["lr"], **options}
    return join(spec, options, "opt_args['opt']", "opt_args")


def build_optimiser(opt_args: Mapping[str, Any] | None, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Build an optimiser over parameters, torch's fused version where the device has it.

    Args:
        opt_args: As in `optimiser_spec`.
        params: The parameters; put them on their device first.

    Returns:
        The optimiser.

    Raises:
        ConfigError: If the optimiser needs a closure, which the loop does not give, an option is
            unknown or out of range, or there is no parameter.

    Example:
        >>> import torch
        >>> from lumin_core.model.optimiser import build_optimiser
        >>> build_optimiser(
        ...     {"opt": "adamw", "lr": 1e-3}, torch.nn.Linear(2, 1).parameters()
        ... ).defaults["lr"]
        0.001
    """
    make = registry.resolve("optimiser", optimiser_spec(opt_args))
    if isinstance(make.func, type) and issubclass(make.func, torch.optim.LBFGS):
        raise ConfigError(
            "lbfgs needs a closure, which the training loop does not give; choose another optimiser, say adam"
        )
    params = list(params)
    if not params:
        raise ConfigError("the model has no parameter that could be trained; choose another body or tail")
    try:
        return _made(make, params)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"opt_args cannot be used for {make.func.__name__}: {error}") from error


def _made(make: Any, params: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Build the fused version, or where there is none for these parameters the plain one."""
    if "fused" in inspect.signature(make.func).parameters and not {"fused", "foreach"} & set(make.keywords):
        try:
            return make(params=params, fused=True)  # type: ignore[no-any-return]
        except RuntimeError:  # torch's word for "no fused version for these parameters"
            pass
    return make(params=params)  # type: ignore[no-any-return]
