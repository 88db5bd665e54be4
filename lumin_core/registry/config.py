"""Specifications as plain values, for configs that are saved.

Qualified names stand instead of classes.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from lumin_core.checks import with_article
from lumin_core.errors import BrokenPlugin, ConfigError
from lumin_core.registry.lookup import components, find, find_kind, qualified
from lumin_core.registry.renaming import now_named

if TYPE_CHECKING:
    from lumin_core.registry.component import Component


class UnnamedComponent(ConfigError):
    """Something in a specification has no registered name, so that a config cannot hold it.

    Example:
        >>> from lumin_core.registry import UnnamedComponent, to_config
        >>> class Mine: ...
        >>> try:
        ...     to_config("callback", Mine)
        ... except UnnamedComponent as error:
        ...     print(str(error).partition(";")[0])
        Mine has no registered name
    """


class UnsavableOption(UnnamedComponent):
    """An option of a component is a value that no config can hold: a path, a function, an array.

    Example:
        >>> from lumin_core.registry import UnsavableOption, to_config
        >>> try:
        ...     to_config("activation", {"name": "prelu", "init": lambda: 0.1})
        ... except UnsavableOption as error:
        ...     print(str(error).partition(",")[0])
        the option 'init' of the activation 'core/prelu' is the function <lambda>
    """


def component_of(obj: object, kind: str | None = None) -> Component | None:
    """Find the component that an object is.

    No other package than the object's own is imported.

    Args:
        obj: A class or a function.
        kind: Where to look; None for every kind.

    Example:
        >>> import torch
        >>> from lumin_core.registry.config import component_of
        >>> component_of(torch.optim.Adam).qualified
        'core/adam'
    """
    for component in components(kind):
        if component.problem is None and _is(component, obj):
            return component
    return None


def title(kind: str, obj: object) -> str:
    """Say in a message what an object is: its kind, and its component's name or its class.

    Args:
        kind: The kind, in the singular.
        obj: An object that was built, or a function.

    Example:
        >>> import torch
        >>> from lumin_core.registry.config import title
        >>> title("loss", torch.nn.MSELoss())
        "the loss 'core/mse_loss'"
    """
    made_of = obj if inspect.isroutine(obj) else type(obj)
    component = component_of(made_of, kind)
    return f"the {kind} {component.qualified if component else made_of.__qualname__!r}"


def _is(component: Component, obj: object) -> bool:
    if component.obj is not None:
        return component.obj is obj
    module, _, attribute = component.value.partition(":")
    same_package = module.partition(".")[0] == str(getattr(obj, "__module__", "")).partition(".")[0]
    if module not in sys.modules and not (same_package and attribute == getattr(obj, "__qualname__", None)):
        return False
    try:
        return component.load() is obj
    except BrokenPlugin:  # another component's trouble: nobody asked for that one
        return False


def qualified_name(cls: object) -> str | None:
    """Return the qualified name of a class or function, or None if it is not registered.

    Example:
        >>> import torch
        >>> from lumin_core.registry import qualified_name
        >>> qualified_name(torch.nn.ReLU), qualified_name(torch.nn.Linear)
        ('core/relu', None)
    """
    component = component_of(cls)
    return component.qualified if component else None


def name_of(kind: str, spec: object) -> str | None:
    """Return the qualified name of the component that a specification names, however it does.

    Args:
        kind: The kind, ``"head"`` or ``"heads"``.
        spec: As for `build`.

    Returns:
        The name; ``None`` for what is not registered, or no specification.

    Raises:
        UnknownComponent: If there is no component of that kind and name.
        AmbiguousComponent: If several distributions have the name.

    Example:
        >>> from functools import partial
        >>> import torch
        >>> from lumin_core.registry import name_of
        >>> name_of("optimiser", "Adam"), name_of("optimiser", partial(torch.optim.Adam, lr=0.1))
        ('core/adam', 'core/adam')
    """
    known = find_kind(kind).singular
    name = spec.get("name") if isinstance(spec, Mapping) else spec
    if isinstance(name, str):
        return find(known, name).qualified
    component = component_of(spec, known)
    if component is None and isinstance(spec, partial):
        component = component_of(spec.func, known)
    return component.qualified if component else None


def to_config(kind: str, spec: object) -> str | dict[str, object]:
    """Write a specification as plain values, which JSON and TOML hold.

    Args:
        kind: The kind, ``"head"`` or ``"heads"``.
        spec: As for `build`; not changed.

    Returns:
        The qualified name, or a dict with it under ``name`` beside the options. Classes and
        partials among the options become names and dicts, tuples lists, numpy's scalars Python's.

    Raises:
        UnnamedComponent: If something has no registered name: an instance, a class of the user's.
        UnsavableOption: If an option has no plain form: a path, a function, an array.
        UnknownComponent: If there is no component of that kind and name.
        AmbiguousComponent: If several distributions have the name.

    Example:
        >>> from functools import partial
        >>> import torch
        >>> from lumin_core.registry import to_config
        >>> to_config("optimiser", partial(torch.optim.Adam, betas=(0.9, 0.99)))
        {'name': 'core/adam', 'betas': [0.9, 0.99]}
    """
    known = find_kind(kind).singular
    if isinstance(spec, str):
        return find(known, spec).qualified
    if isinstance(spec, Mapping):
        bare, options = named(spec, known)
        component = find(known, bare)
        place = _Place(f"the {known} {component.qualified!r}")
        return {"name": component.qualified, **_plain_mapping(now_named(component, options), place)}
    return _plain_component(spec, known, _Place(""))


def named(spec: Mapping[Any, object], kind: str) -> tuple[str, dict[str, object]]:
    """Take a specification that is a mapping apart, into a component's name and the options.

    Args:
        spec: The specification; not changed.
        kind: The kind, in the singular, for the message.

    Raises:
        ConfigError: If it has no name, or an option that is not named by text.

    Example:
        >>> from lumin_core.registry.config import named
        >>> named({"name": "adam", "lr": 0.1}, "optimiser")
        ('adam', {'lr': 0.1})
    """
    options = dict(spec)
    name = options.pop("name", None)
    if not isinstance(name, str) or not all(isinstance(key, str) for key in options):
        raise ConfigError(
            f"{with_article(kind)} as a dict has its name under 'name', and options by name; got {spec!r}"
        )
    return name, options


class _Place(NamedTuple):
    """Where a value stands: whose option it is, and the keys that lead there."""

    owner: str
    keys: tuple[str, ...] = ()

    def at(self, key: object) -> _Place:
        return _Place(self.owner, (*self.keys, str(key)))

    def __str__(self) -> str:
        return f"the option {'.'.join(self.keys)!r} of {self.owner}"


def _plain_component(spec: object, kind: str | None, place: _Place) -> str | dict[str, object]:
    """Write a class, a function or a partial; a registered partial has a name of its own."""
    if component := component_of(spec, kind):
        return component.qualified
    if isinstance(spec, partial):
        if spec.args:
            raise ConfigError(f"a functools.partial in a config takes keywords only, got {spec!r}")
        inner = _plain_component(spec.func, kind, place)
        name = inner if isinstance(inner, str) else inner["name"]
        options = _plain_mapping(spec.keywords, place if place.owner else _Place(f"the {kind} {name!r}"))
        return {"name": inner, **options} if isinstance(inner, str) else {**inner, **options}
    if place.keys and not isinstance(spec, type):
        raise UnsavableOption(f"{place} is {_described(spec)}")
    name = getattr(spec, "__qualname__", None) or repr(spec)
    reason = f"{name} has no registered name; register it, or put it into a plugin, to save it by name"
    raise UnnamedComponent(f"{place}: {reason}" if place.keys else reason)


def _described(value: object) -> str:
    """Say what a value is that no config holds, and what to give instead."""
    if isinstance(value, os.PathLike):
        return f"a path, {value!r}, which a saved model does not hold; give it as text, {os.fspath(value)!r}"
    if inspect.isroutine(value):
        name = getattr(value, "__qualname__", repr(value))
        return f"the function {name}, which a saved model does not hold; register it, and give its name"
    if getattr(value, "shape", ()) and hasattr(value, "tolist"):
        return f"an array, {value!r:.60}, which a saved model does not hold; give a list, as from its tolist()"
    plain = "give text, numbers, lists and dicts with text as keys, or names of components"
    return f"{value!r:.80}, which a saved model does not hold; {plain}"


def _plain_mapping(options: Mapping[Any, object], place: _Place) -> dict[str, object]:
    for key in options:
        if not isinstance(key, str):
            where = f"{place}: " if place.keys else ""
            raise UnsavableOption(f"{where}the keys of a config are text, got {key!r} in {dict(options)!r}")
    return {key: _plain(value, place.at(key)) for key, value in options.items()}


def _plain(value: object, place: _Place) -> object:
    """Write one option, recursively."""
    if value is None or type(value) in (bool, int, float):
        return value
    if isinstance(value, str):
        return qualified(value)
    for plain in (int, float):  # numpy's float64 is a subclass
        if isinstance(value, plain):
            return plain(value)
    if isinstance(value, Mapping):
        return _plain_mapping(_of_component(value), place)
    if isinstance(value, list | tuple):
        return [_plain(element, place.at(i)) for i, element in enumerate(value)]
    item = _number(value)
    return _plain_component(value, None, place) if item is None else item


def _of_component(value: Mapping[Any, object]) -> Mapping[Any, object]:
    """Return options with the names of now, where they are of a component inside of an option."""
    asked = getattr(value.get("name"), "asked", None)
    return value if asked is None else now_named(find(*asked), value)


def _number(value: Any) -> bool | int | float | str | None:
    """Return what a scalar of numpy or torch holds, ``None`` for what is neither number nor text.

    A date in nanoseconds would be a number, too.
    """
    item = getattr(value, "item", None)
    if getattr(value, "shape", None) != () or not callable(item) or getattr(value.dtype, "kind", "") in ("m", "M"):
        return None
    held = item()
    return held if isinstance(held, bool | int | float | str) else None
