"""Activations and weight initialisers, looked up by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from torch import Tensor, nn

from lumin_core.errors import ConfigError
from lumin_core.model.options import Spec, options_of
from lumin_core.registry import build, normalise, qualified_name, resolve
from lumin_core.registry.making import blamed
from lumin_core.registry.signature import called

LookupAct = Callable[[Spec], nn.Module]
LookupInit = Callable[..., Callable[[Tensor], object]]

T = TypeVar("T")


def lookup_act(name: Spec) -> nn.Module:
    """Give a new activation layer by its registered name, or what else says a component.

    Args:
        name: A component of the kind ``activations``: its name, a dict with options, a class or a
            partial.

    Returns:
        The layer; it keeps the shape of what it is given.

    Raises:
        UnknownComponent: If there is no activation of that name.
        ConfigError: If it is none of these, or an option is unknown.

    Example:
        >>> from lumin_core.model.lookups import lookup_act
        >>> lookup_act("swish"), lookup_act({"name": "prelu", "init": 0.1}).weight.item()
        (SiLU(), 0.10000000149011612)
    """
    layer: nn.Module = build("activation", name)
    return layer


def bare_name(name: str) -> str:
    """Return a component's name without the distribution's.

    Args:
        name: As it was given.

    Example:
        >>> from lumin_core.model.lookups import bare_name
        >>> bare_name("core/relu"), bare_name("relu")
        ('relu', 'relu')
    """
    return name.rpartition("/")[2]


def act_name(act: Spec) -> str:
    """Return the bare name of an activation, however it is given.

    Args:
        act: Its name, a dict with it, a class or a partial; of a class without a registered name
            it is that of the class.

    Raises:
        ConfigError: If it is none of these.

    Example:
        >>> import torch
        >>> from lumin_core.model.lookups import act_name
        >>> act_name({"name": "core/prelu", "init": 0.1}), act_name(torch.nn.SELU)
        ('prelu', 'selu')
    """
    what: object = act.func if isinstance(act, partial) else act
    name: object = what.get("name") if isinstance(what, Mapping) else what
    if isinstance(name, str):
        return bare_name(name)
    if isinstance(what, Mapping) or not callable(what):
        raise ConfigError(
            f"an activation is given as a name, a dict with 'name' and options, a class or a partial; got {act!r}"
        )
    return bare_name(qualified_name(what) or str(getattr(what, "__name__", what)))


def by_bare_name(lookup: Callable[..., T]) -> Callable[..., T]:
    """Let a function that looks up by an activation's name be handed the bare name.

    Our defaults are qualified names, ``core/relu``; a function of the user's knows ``relu``.

    Args:
        lookup: A `LookupInit`, or a function from names to layers; see `act_by_bare_name`.

    Returns:
        A function that is called likewise, with any form of an activation in the name's place;
        `lookup_act` itself stays as it is.

    Example:
        >>> from lumin_core.model.lookups import by_bare_name
        >>> by_bare_name({"relu": 2, "tanh": 1}.__getitem__)("core/relu")
        2
    """
    return lookup if lookup is lookup_act else partial(_by_bare_name, lookup)


def initialiser(spec: Spec | LookupInit) -> LookupInit:
    """Return what gives the initialisers of weights, by its registered name or what else says one.

    Args:
        spec: A component of the kind ``initialisers``.

    Returns:
        A function from an activation, in any form, and numbers of inputs and outputs.

    Raises:
        ConfigError: From that function, if what is looked up does not fill weights.

    Example:
        >>> import torch
        >>> from lumin_core.model.lookups import initialiser
        >>> initialiser("normal")("core/relu")(torch.zeros(2, 2)).shape
        torch.Size([2, 2])
    """
    return partial(_initialiser, resolve("initialiser", spec))


def act_by_bare_name(lookup: Callable[[str], nn.Module] | LookupAct) -> LookupAct:
    """Let a function that gives layers by their bare names serve wherever an activation is chosen.

    It is not asked for what is more than a name: options, classes and partials are the registry's.

    Args:
        lookup: The function; it has no name for what is not a text.

    Returns:
        A `LookupAct`; `lookup_act` itself stays as it is.

    Example:
        >>> import torch
        >>> from lumin_core.model.lookups import act_by_bare_name
        >>> lookup = act_by_bare_name({"relu": torch.nn.ReLU6()}.__getitem__)
        >>> lookup("core/relu"), lookup({"name": "prelu", "init": 0.1})
        (ReLU6(), PReLU(num_parameters=1))
    """
    return lookup if lookup is lookup_act else partial(_act_by_bare_name, lookup)


def softmax() -> nn.Module:
    """Give a softmax over the last axis: shape ``(*, K)`` to ``(*, K)``, each row adding up to one.

    Example:
        >>> import torch
        >>> from lumin_core.model.lookups import softmax
        >>> softmax()(torch.zeros(1, 4))
        tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """
    return nn.Softmax(dim=-1)


def log_softmax() -> nn.Module:
    """Give the logarithm of a softmax over the last axis: shape ``(*, K)`` to ``(*, K)``.

    Example:
        >>> import torch
        >>> from lumin_core.model.lookups import log_softmax
        >>> log_softmax()(torch.zeros(1, 4)).exp()
        tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """
    return nn.LogSoftmax(dim=-1)


def canonical_act(name: Spec) -> str:
    """Return the spelling of an activation's name that tables use.

    It has no prefix, is in lower case, and has neither ``-`` nor ``_``.

    Args:
        name: The activation in any form that `act_name` takes.

    Example:
        >>> from lumin_core.model.lookups import canonical_act
        >>> canonical_act("core/Log_Softmax")
        'logsoftmax'
    """
    return normalise(act_name(name))


def _by_bare_name(lookup: Callable[..., T], act: Spec, *args: object, **options: object) -> T:
    with blamed(_who(lookup)):
        return lookup(act_name(act), *args, **options)


def _initialiser(lookup: Callable[..., object], act: Spec, *args: object, **options: object) -> Callable[..., object]:
    fill = _by_bare_name(lookup, act, *args, **options)
    if not callable(fill):
        raise ConfigError(f"{_who(lookup)} must return a function that fills a weight, got {fill!r} for {act!r}")
    return fill


def _who(lookup: object) -> str:
    return called(lookup.func) if isinstance(lookup, partial) else called(lookup)


def _act_by_bare_name(lookup: Callable[[str], nn.Module], act: Spec) -> nn.Module:
    is_name = isinstance(act, str) or (isinstance(act, Mapping) and options_of(act).keys() == {"name"})
    if not is_name:
        return lookup_act(act)
    layer: object = _by_bare_name(lookup, act)
    if not isinstance(layer, nn.Module):
        raise ConfigError(f"{_who(lookup)} must return a torch.nn.Module for {act_name(act)!r}, got {layer!r}")
    return layer
