"""From a specification to an object: the one place where components are built.

A component is given as a name, a mapping with a ``name``, a class, a `functools.partial`, or, for
some kinds, an instance. The user's options must all be options of the constructor; of what the
caller offers, the constructor takes what its signature names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from lumin_core.errors import BrokenPlugin, ConfigError
from lumin_core.registry.config import component_of
from lumin_core.registry.hints import near_hint
from lumin_core.registry.lookup import find, find_kind
from lumin_core.registry.names import with_article
from lumin_core.registry.record import record

if TYPE_CHECKING:
    from lumin_core.registry.component import Component
    from lumin_core.registry.kind_table import Kind

INSTANCE_KINDS = frozenset({"augmentation", "callback", "loss", "metric"})
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Plan(NamedTuple):
    """What a specification comes to.

    That is a constructor, the user's options for it, and what to call it in messages.

    Example:
        >>> from lumin_core.registry.construct import Plan
        >>> Plan("loss 'Mine'", dict, {"a": 1}).options
        {'a': 1}
    """

    label: str
    constructor: Callable[..., Any]
    options: Mapping[str, Any]


def build(kind: str, spec: Any, /, **given: Any) -> Any:
    """Turn a specification into an object.

    Args:
        kind: The kind, ``"head"`` or ``"heads"``.
        spec: ``"name"``, ``{"name": ..., **options}``, a class, a `functools.partial` with
            keywords, or, for augmentations, callbacks, losses and metrics, an instance, which is
            returned as it is.
        **given: What the caller offers; only what the constructor's signature names is passed on.

    Returns:
        The object. A loss that is a plain function is not called but returned, with its
        options as a partial.

    Raises:
        ConfigError: If the specification is none, or options are unknown, missing or given twice.
        UnknownComponent: If there is no component of that kind and name.
        AmbiguousComponent: If several distributions have the name.
        BrokenPlugin: If the component cannot be imported, or is no component of its kind.
        IncompatiblePlugin: If its plugin asks for another version of lumin-core.

    Example:
        >>> from lumin_core import build
        >>> build("activation", {"name": "prelu", "init": 0.1})
        PReLU(num_parameters=1)
    """
    known = find_kind(kind)
    if _is_instance(known, spec):
        return spec
    plan = _plan(known, spec)
    if _is_loss_function(known, plan.constructor):
        return _loss(plan)
    return plan.constructor(**plan.options, **_checked_given(plan, given))


def resolve(kind: str, spec: Any, /) -> partial[Any]:
    """Check a specification as `build` does, without building.

    This checks what can be known before the caller's part is known.

    Returns:
        A partial that builds a new object at each call; it is a specification, too.

    Raises:
        ConfigError: As `build`; also for an instance, which several models would share.
        UnknownComponent: As `build`, and so for the other errors of plugins.

    Example:
        >>> from lumin_core.registry import resolve
        >>> resolve("optimiser", {"name": "adam", "lr": 0.1}).keywords
        {'lr': 0.1}
    """
    known = find_kind(kind)
    if _is_instance(known, spec):
        raise ConfigError(
            f"an instance would be shared between models, got {spec!r} as {known.singular}; "
            "give its name, a dict with its name, its class or a functools.partial"
        )
    plan = _plan(known, spec)
    if _is_loss_function(known, plan.constructor):
        return partial(_same, loss=_loss(plan))
    return partial(plan.constructor, **plan.options)


def _same(*, loss: Any) -> Any:
    return loss


def _plan(kind: Kind, spec: Any) -> Plan:
    """Find the constructor and check the user's options against it."""
    constructor, options, component = _parts(kind, spec)
    label = f"{kind.singular} {component.qualified if component else _name_of(constructor)!r}"
    _check_constructor(kind, constructor, component)
    if component:
        record(component)
    plan = Plan(label, constructor, options)
    _check_options(plan)
    return plan


def _parts(kind: Kind, spec: Any) -> tuple[Callable[..., Any], dict[str, Any], Component | None]:
    if isinstance(spec, str):
        return _named(kind, spec, {})
    if isinstance(spec, Mapping):
        options = dict(spec)
        name = options.pop("name", None)
        if not isinstance(name, str) or not all(isinstance(key, str) for key in options):
            raise ConfigError(
                f"{with_article(kind.singular)} as a dict has its name under 'name', and options by name; got {spec!r}"
            )
        return _named(kind, name, options)
    if isinstance(spec, partial):
        constructor, options = _unpacked(kind, spec)
        return constructor, options, component_of(constructor, kind.singular)
    if isinstance(spec, type) or (inspect.isroutine(spec) and _takes_functions(kind)):
        return spec, {}, component_of(spec, kind.singular)
    raise ConfigError(f"{with_article(kind.singular)} is given as {_allowed(kind)}; got {spec!r}")


def _named(kind: Kind, name: str, options: dict[str, Any]) -> tuple[Callable[..., Any], dict[str, Any], Component]:
    component = find(kind.singular, name)
    loaded = component.load()
    if isinstance(loaded, partial):
        constructor, defaults = _unpacked(kind, loaded)
        return constructor, {**defaults, **options}, component
    return loaded, options, component


def _unpacked(kind: Kind, spec: partial[Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    if spec.args:
        raise ConfigError(
            f"a functools.partial for {with_article(kind.singular)} takes keywords only, so that they can be checked; "
            f"got the positional arguments {spec.args!r} for {_name_of(spec.func)}"
        )
    return spec.func, dict(spec.keywords)


def _allowed(kind: Kind) -> str:
    forms = "a name, a dict with 'name' and options, a class, a functools.partial with keywords"
    if kind.singular in INSTANCE_KINDS:
        return f"{forms}, or an instance"
    return f"{forms}, or a function" if _takes_functions(kind) else forms


def _takes_functions(kind: Kind) -> bool:
    return kind.base is None and kind.singular not in INSTANCE_KINDS


def _is_instance(kind: Kind, spec: Any) -> bool:
    """Tell whether the specification is the finished object.

    That is for the kind's base class, or callable losses.
    """
    if kind.singular not in INSTANCE_KINDS or isinstance(spec, str | Mapping | type | partial):
        return False
    if kind.singular == "loss":
        return callable(spec)
    base = kind.load_base()
    if base is None:
        return type(spec).__module__ != "builtins"  # numbers, lists, functions
    return isinstance(spec, base)


def _is_loss_function(kind: Kind, constructor: Any) -> bool:
    return kind.singular == "loss" and inspect.isroutine(constructor) and constructor is not _same


def _loss(plan: Plan) -> Any:
    return partial(plan.constructor, **plan.options) if plan.options else plan.constructor


def _check_constructor(kind: Kind, constructor: Any, component: Component | None) -> None:
    """Refuse what is not a component of the kind.

    A plugin is to blame for a named one, the caller for others.
    """
    base = kind.load_base()
    if base is None:
        wanted, right = "a class or a function", isinstance(constructor, type) or inspect.isroutine(constructor)
    else:
        wanted, right = f"a subclass of {kind.base}", isinstance(constructor, type) and issubclass(constructor, base)
    if right:
        return
    if component is not None:
        raise BrokenPlugin(
            f"{component.value}, the {kind.singular} {component.qualified!r}, is not {wanted}: {constructor!r}"
        )
    raise ConfigError(f"{with_article(kind.singular)} must be {wanted}, got {constructor!r}")


def _parameters(constructor: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    """Return the parameters by name, or None where Python does not know them.

    It does not for some functions written in C.
    """
    if getattr(getattr(constructor, "__init__", None), "__module__", None) == "torch.nn.modules.module":
        return {}  # torch's own constructor of modules says (*args, **kwargs), and takes none
    try:
        return inspect.signature(constructor).parameters
    except ValueError:
        return None


def _options_of(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    return [name for name, parameter in parameters.items() if parameter.kind in _NAMED]


def _check_options(plan: Plan) -> None:
    parameters = _parameters(plan.constructor)
    if parameters is None:
        return
    positional = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
    if positional and not inspect.isroutine(plan.constructor):
        raise ConfigError(
            f"the {plan.label} takes {', '.join(positional)} by position only, and can only be given keywords"
        )
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    known = _options_of(parameters)
    for option in plan.options:
        if option not in known:
            listing = f"its options are {', '.join(known)}" if known else "it takes none"
            raise ConfigError(f"the {plan.label} has no option {option!r}{near_hint(option, known) or ';'} {listing}")


def _checked_given(plan: Plan, given: Mapping[str, Any]) -> dict[str, Any]:
    """Choose of the caller's keywords those that the signature names.

    Nothing may come twice or be missing.
    """
    parameters = _parameters(plan.constructor)
    if parameters is None:
        return {}
    for option in plan.options:
        if option in given and option in parameters:
            raise ConfigError(
                f"{option!r} of the {plan.label} comes twice: {plan.options[option]!r} in its options, and "
                f"{given[option]!r} from what builds it; leave it out of the options"
            )
    passed = {name: given[name] for name in _options_of(parameters) if name in given}
    for name in _options_of(parameters):
        if parameters[name].default is inspect.Parameter.empty and name not in passed and name not in plan.options:
            raise ConfigError(f"the {plan.label} needs the option {name!r}; it is {_signature(plan.constructor)}")
    return passed


def _signature(constructor: Callable[..., Any]) -> str:
    """Give the signature without annotations, as one would call it."""
    full = inspect.signature(constructor)
    bare = [parameter.replace(annotation=parameter.empty) for parameter in full.parameters.values()]
    return f"{_name_of(constructor)}{full.replace(parameters=bare, return_annotation=full.empty)}"


def _name_of(constructor: Any) -> str:
    return str(getattr(constructor, "__qualname__", None) or repr(constructor))
