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
from lumin_core.registry.hints import suggestion
from lumin_core.registry.lookup import find, find_kind
from lumin_core.registry.making import check_made, make
from lumin_core.registry.names import with_article
from lumin_core.registry.record import record

if TYPE_CHECKING:
    from lumin_core.registry.component import Component
    from lumin_core.registry.kind_table import Kind

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Plan(NamedTuple):
    """What a specification comes to.

    That is a constructor, the user's options for it, and its component where it has a name.

    Example:
        >>> from lumin_core.registry.construct import Plan
        >>> Plan(dict, {"a": 1}).options
        {'a': 1}
    """

    constructor: Callable[..., object]
    options: Mapping[str, object]
    component: Component | None = None

    def label(self, kind: Kind) -> str:
        """Say in a message what this is."""
        return f"{kind.singular} {self.component.qualified if self.component else _name_of(self.constructor)!r}"


def build(kind: str, spec: object, /, **given: object) -> object:
    """Turn a specification into an object.

    Args:
        kind: The kind, ``"head"`` or ``"heads"``.
        spec: ``"name"``, ``{"name": ..., **options}``, a class, a `functools.partial` with
            keywords, or, for augmentations, callbacks, losses, metrics and a plugin's kind whose
            base class says ``allows_instances = True``, an instance, which is returned as it is.
        **given: What the caller offers; only what the constructor's signature names is passed on.

    Returns:
        The object. A loss that is a plain function is not called but returned, with its
        options as a partial.

    Raises:
        ConfigError: If the specification is none, or options are unknown, missing or given twice.
        UnknownComponent: If there is no component of that kind and name.
        AmbiguousComponent: If several distributions have the name.
        BrokenPlugin: If the component cannot be imported, is no component of its kind, or forgets
            the constructor of its base class.
        IncompatiblePlugin: If its plugin asks for another version of lumin-core.

    Example:
        >>> from lumin_core import build
        >>> build("activation", {"name": "prelu", "init": 0.1})
        PReLU(num_parameters=1)
    """
    known = find_kind(kind)
    if _is_instance(known, spec):
        check_made(spec, f"{known.singular} {type(spec).__name__!r}", known.load_base())
        return spec
    plan = _plan(known, spec)
    if _is_loss_function(known, plan.constructor):
        return _loss(plan)
    options = {**plan.options, **_checked_given(plan, plan.label(known), given)}
    return make(plan.constructor, options, plan.label(known), known.load_base())


def resolve(kind: str, spec: object, /) -> partial[Any]:
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


def _same(*, loss: object) -> object:
    return loss


def _plan(kind: Kind, spec: object) -> Plan:
    """Find the constructor and check the user's options against it."""
    plan = _parts(kind, spec)
    _check_constructor(kind, plan)
    if plan.component:
        record(plan.component)
    _check_options(plan, plan.label(kind))
    return plan


def _parts(kind: Kind, spec: object) -> Plan:
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
        return Plan(constructor, options, component_of(constructor, kind.singular))
    if isinstance(spec, type) or (inspect.isroutine(spec) and _takes_functions(kind)):
        return Plan(spec, {}, component_of(spec, kind.singular))
    raise ConfigError(f"{with_article(kind.singular)} is given as {_allowed(kind)}; got {spec!r}")


def _named(kind: Kind, name: str, options: dict[str, object]) -> Plan:
    component = find(kind.singular, name)
    loaded = component.load()
    if isinstance(loaded, partial):
        loaded, defaults = _unpacked(kind, loaded)
        options = {**defaults, **options}
    return Plan(loaded, options, component)


def _unpacked(kind: Kind, spec: partial[object]) -> tuple[Callable[..., object], dict[str, object]]:
    if spec.args:
        raise ConfigError(
            f"a functools.partial for {with_article(kind.singular)} takes keywords only, so that they can be checked; "
            f"got the positional arguments {spec.args!r} for {_name_of(spec.func)}"
        )
    return spec.func, dict(spec.keywords)


def _allowed(kind: Kind) -> str:
    forms = "a name, a dict with 'name' and options, a class, a functools.partial with keywords"
    if kind.allows_instances():
        return f"{forms}, or an instance"
    return f"{forms}, or a function" if _takes_functions(kind) else forms


def _takes_functions(kind: Kind) -> bool:
    return kind.base is None and not kind.instances


def _is_instance(kind: Kind, spec: object) -> bool:
    """Tell whether the specification is the finished object.

    That is for the kind's base class, or callable losses.
    """
    if isinstance(spec, str | Mapping | type | partial) or not kind.allows_instances():
        return False
    if kind.singular == "loss":
        return callable(spec)
    base = kind.load_base()
    if base is None:
        return type(spec).__module__ != "builtins"  # numbers, lists, functions
    return isinstance(spec, base)


def _is_loss_function(kind: Kind, constructor: object) -> bool:
    return kind.singular == "loss" and inspect.isroutine(constructor) and constructor is not _same


def _loss(plan: Plan) -> object:
    return partial(plan.constructor, **plan.options) if plan.options else plan.constructor


def _check_constructor(kind: Kind, plan: Plan) -> None:
    """Refuse what is not a component of the kind.

    A plugin is to blame for a named one, the caller for others.
    """
    wanted = kind.lacks(plan.constructor)
    if wanted is None:
        return
    if (component := plan.component) is not None:
        what = f"{component.value}, the {kind.singular} {component.qualified!r}"
        raise BrokenPlugin(f"{what}, is not {wanted}: {plan.constructor!r}")
    raise ConfigError(f"{with_article(kind.singular)} must be {wanted}, got {plan.constructor!r}")


def _parameters(constructor: Callable[..., object]) -> Mapping[str, inspect.Parameter] | None:
    """Return the parameters by name, or None where Python does not know them.

    It does not for some functions written in C.
    """
    if getattr(getattr(constructor, "__init__", None), "__module__", None) == "torch.nn.modules.module":
        return {}  # torch's own constructor of modules says (*args, **kwargs), and takes none
    try:
        parameters = inspect.signature(constructor).parameters
    except ValueError:
        return None
    return _through_bases(constructor, parameters) if isinstance(constructor, type) else parameters


def _through_bases(cls: type, parameters: Mapping[str, inspect.Parameter]) -> Mapping[str, inspect.Parameter]:
    """Add what bases take where a constructor hands its ``**options`` on to them.

    It may give them some itself, so that none of these is required.
    """
    found = {name: parameter for name, parameter in parameters.items() if parameter.kind in _NAMED}
    bases = [base for base in cls.__mro__ if "__init__" in vars(base)][1:]
    for base in bases if any(map(_is_open, parameters.values())) else ():
        if base is object or base.__module__ == "torch.nn.modules.module":
            break
        _, *theirs = inspect.signature(vars(base)["__init__"]).parameters.values()
        named = [parameter for parameter in theirs if parameter.kind in _NAMED and parameter.name not in found]
        found |= {parameter.name: parameter.replace(default=None) for parameter in named}
        if not any(map(_is_open, theirs)):
            return found
    return parameters


def _is_open(parameter: inspect.Parameter) -> bool:
    return parameter.kind is parameter.VAR_KEYWORD


def _options_of(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    return [name for name, parameter in parameters.items() if parameter.kind in _NAMED]


def _check_options(plan: Plan, label: str) -> None:
    parameters = _parameters(plan.constructor)
    if parameters is None:
        return
    positional = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
    if positional and not inspect.isroutine(plan.constructor):
        raise ConfigError(f"the {label} takes {', '.join(positional)} by position only, and can only be given keywords")
    if any(map(_is_open, parameters.values())):
        return
    known = _options_of(parameters)
    for option in plan.options:
        if option not in known:
            listing = f"its options are {', '.join(known)}" if known else "it takes none"
            raise ConfigError(f"the {label} has no option {option!r}{suggestion(option, known, listing)}")


def _checked_given(plan: Plan, label: str, given: Mapping[str, object]) -> dict[str, object]:
    """Choose of the caller's keywords those that the signature names.

    Nothing may come twice or be missing.
    """
    parameters = _parameters(plan.constructor)
    if parameters is None:
        return {}
    for option in plan.options:
        if option in given and option in parameters:
            raise ConfigError(
                f"{option!r} of the {label} comes twice: {plan.options[option]!r} in its options, and "
                f"{given[option]!r} from what builds it; leave it out of the options"
            )
    passed = {name: given[name] for name in _options_of(parameters) if name in given}
    for name in _options_of(parameters):
        if parameters[name].default is inspect.Parameter.empty and name not in passed and name not in plan.options:
            raise ConfigError(f"the {label} needs the option {name!r}; it is {_signature(plan.constructor)}")
    return passed


def _signature(constructor: Callable[..., object]) -> str:
    """Return the signature without annotations, as one would call it."""
    full = inspect.signature(constructor)
    bare = [parameter.replace(annotation=parameter.empty) for parameter in full.parameters.values()]
    return f"{_name_of(constructor)}{full.replace(parameters=bare, return_annotation=full.empty)}"


def _name_of(constructor: object) -> str:
    return str(getattr(constructor, "__qualname__", None) or repr(constructor))
