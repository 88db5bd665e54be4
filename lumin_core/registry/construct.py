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

from lumin_core.arguments import came
from lumin_core.checks import with_article
from lumin_core.errors import BrokenPlugin, ConfigError
from lumin_core.registry.config import component_of, named
from lumin_core.registry.hints import suggestion
from lumin_core.registry.lookup import find, find_kind
from lumin_core.registry.making import check_made, is_module, make
from lumin_core.registry.record import record
from lumin_core.registry.renaming import with_new_names
from lumin_core.registry.signature import as_called, called, numbers_of, signature_of

if TYPE_CHECKING:
    from lumin_core.registry.component import Component
    from lumin_core.registry.kind_table import Kind


class Plan(NamedTuple):
    """What a specification comes to.

    That is a constructor, the user's options for it, and its component where it has a name.

    Example:
        >>> from lumin_core.registry import find_kind
        >>> from lumin_core.registry.construct import Plan
        >>> Plan(find_kind("norm"), dict, {"a": 1}).label
        "norm 'dict'"
    """

    kind: Kind
    constructor: Callable[..., object]
    options: Mapping[str, object]
    component: Component | None = None

    @property
    def label(self) -> str:
        """What this is, for a message."""
        return f"{self.kind.singular} {self.component.qualified if self.component else called(self.constructor)!r}"


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
        BrokenPlugin: If the component cannot be imported, is no component of its kind, forgets
            the constructor of its base class, or makes no module where its kind does.
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
    made = make(plan.constructor, {**plan.options, **_checked_given(plan, given)}, plan.label, known.load_base())
    if known.makes_modules and not is_module(made):
        raise BrokenPlugin(f"the {plan.label} must make a torch.nn.Module, got {made!r}")
    return made


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
    return partial(plan.constructor, **plan.options)


def _plan(kind: Kind, spec: object) -> Plan:
    """Find the constructor and check the user's options against it."""
    plan = _parts(kind, spec)
    _check_constructor(plan)
    plan = plan._replace(options=with_new_names(plan.constructor, plan.options, plan.label))
    if plan.component:
        record(plan.component)
    _check_options(plan)
    return _of_function(plan) if kind.singular == "loss" and inspect.isroutine(plan.constructor) else plan


def _of_function(plan: Plan) -> Plan:
    """Plan to return a loss that is a plain function, with its options, instead of calling it."""
    if plan.constructor is _same:
        return plan
    loss = partial(plan.constructor, **plan.options) if plan.options else plan.constructor
    return plan._replace(constructor=_same, options={"loss": loss})


def _same(*, loss: object) -> object:
    return loss


def _parts(kind: Kind, spec: object) -> Plan:
    if isinstance(spec, str | Mapping):
        name, options = named({"name": spec} if isinstance(spec, str) else spec, kind.singular)
        component = find(kind.singular, name)
        loaded = component.load()
        if isinstance(loaded, partial):
            loaded, defaults = _unpacked(kind, loaded)
            options = {**defaults, **options}
        return Plan(kind, loaded, options, component)
    if isinstance(spec, partial):
        constructor, options = _unpacked(kind, spec)
        return Plan(kind, constructor, options, component_of(constructor, kind.singular))
    if isinstance(spec, type) or (inspect.isroutine(spec) and _takes_functions(kind)):
        return Plan(kind, spec, {}, component_of(spec, kind.singular))
    raise ConfigError(f"{with_article(kind.singular)} is given as {_allowed(kind)}; got {came(spec)}")


def _unpacked(kind: Kind, spec: partial[object]) -> tuple[Callable[..., object], dict[str, object]]:
    if spec.args:
        raise ConfigError(
            f"a functools.partial for {with_article(kind.singular)} takes keywords only, so that they can be checked; "
            f"got the positional arguments {spec.args!r} for {called(spec.func)}"
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


def _check_constructor(plan: Plan) -> None:
    """Refuse what is not a component of the kind.

    A plugin is to blame for a named one, the caller for others.
    """
    wanted = plan.kind.lacks(plan.constructor)
    if wanted is None and (missing := sorted(getattr(plan.constructor, "__abstractmethods__", ()))):
        wanted = f"a class that defines {', '.join(missing)}"
    if wanted is None:
        return
    if (component := plan.component) is not None:
        raise BrokenPlugin(f"{component.value}, the {plan.label}, is not {wanted}: {plan.constructor!r}")
    raise ConfigError(f"{with_article(plan.kind.singular)} must be {wanted}, got {plan.constructor!r}")


def _check_options(plan: Plan) -> None:
    takes = signature_of(plan.constructor)
    if takes.by_position and not inspect.isroutine(plan.constructor):
        names = ", ".join(takes.by_position)
        raise ConfigError(f"the {plan.label} takes {names} by position only, and can only be given keywords")
    for option in () if takes.is_open else plan.options:
        if option not in takes.names:
            listing = f"its options are {', '.join(takes.names)}" if takes.names else "it takes none"
            raise ConfigError(f"the {plan.label} has no option {option!r}{suggestion(option, takes.names, listing)}")
    for option in numbers_of(plan.constructor):
        if isinstance(value := plan.options.get(option), str):
            raise ConfigError(f"the option {option!r} of the {plan.label} must be a number, got {value!r}")


def _checked_given(plan: Plan, given: Mapping[str, object]) -> dict[str, object]:
    """Choose of the caller's keywords those that the signature names.

    Nothing may come twice or be missing.
    """
    takes = signature_of(plan.constructor)
    passed = {name: given[name] for name in takes.names if name in given}
    for option in plan.options:
        if option in passed:
            raise ConfigError(
                f"{option!r} of the {plan.label} comes twice: {plan.options[option]!r} in its options, and "
                f"{given[option]!r} from what builds it; leave it out of the options"
            )
    for name in takes.required:
        if name not in passed and name not in plan.options:
            raise ConfigError(f"the {plan.label} needs the option {name!r}; it is {as_called(plan.constructor)}")
    return passed
