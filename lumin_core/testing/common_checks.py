"""What a component of any kind must hold."""

from __future__ import annotations

import copy
import inspect
import json
import re
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lumin_core import registry
from lumin_core.checks import listed
from lumin_core.errors import BrokenPlugin, ConfigError, LuminError
from lumin_core.registry import inspection
from lumin_core.registry.config import UnnamedComponent
from lumin_core.registry.names import snake_case
from lumin_core.registry.signature import called
from lumin_core.testing import fresh
from lumin_core.testing.outcome import Advice, CheckFailed, NotApplicable
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumin_core.testing.subject import Subject

_NAME = re.compile("[a-z][a-z0-9_]*")
_NOT_BUILT = {"kind": "the declaration of a kind", "plugin": "a whole distribution", "command": "a command"}
_FATAL = ("ends the process", "takes more than")
_OF_FILES = ("reader", "writer", "converter")
_PLAIN = (int, float, str, bool, type(None), list, tuple, dict)
_BY_NAME = "name"  # the key that holds the name


def check_entry_point(subject: Subject) -> None:
    """The entry point is in a kind's group and names what can be used, as its class is named."""
    if (component := subject.component) is None:
        raise NotApplicable("it is not registered")
    if subject.problem is None and component.problem is None:
        _expect_loaded(component)
    if problem := subject.problem or registry.check(component):
        raise CheckFailed(f"{component.value or component.distribution} cannot be used: {problem}")
    if not _NAME.fullmatch(component.name):
        raise CheckFailed(f"a name is of small letters, digits and '_', like 'my_head'; got {component.name!r}")
    found = component.load()
    if isinstance(found, type) and _is_own(subject) and snake_case(found.__name__) != component.name:
        if subject.kind in _NOT_BUILT:
            return
        meant = snake_case(found.__name__)
        raise Advice(
            f"the class {found.__name__} is called {component.name!r}, and readers look for {meant!r}: name the one "
            "after the other, the entry point in pyproject.toml included"
        )


def _expect_loaded(component: registry.Component) -> None:
    """Refuse what cannot be loaded, in the words of all that need it: they are one cause."""
    try:
        component.load()
    except LuminError as error:
        raise CheckFailed(str(error)) from error


def check_import(subject: Subject) -> None:
    """Importing it takes its time, prints and changes nothing, and imports no other plugin."""
    if subject.distribution is None or (component := subject.component) is None:
        raise NotApplicable("it is not installed")
    if not component.value:
        raise NotApplicable(f"it is {_NOT_BUILT[subject.kind]}")
    problem = component.problem or _imported(subject.distribution).get((component.kind, component.name))
    if problem is not None and not problem.startswith("importing"):
        raise NotApplicable("it cannot be used, see check_entry_point")
    if problem is not None:
        subject.problem = problem if any(word in problem for word in _FATAL) else None
        raise CheckFailed(f"in a fresh process: {problem}; let the import define things, and nothing else")


@cache
def _imported(distribution: str) -> Mapping[tuple[str, str], str | None]:
    """Ask a fresh process what importing the components of a distribution does; once for all."""
    found: dict[tuple[str, str], str | None] = fresh.ask(problems_of, distribution)
    return found


def problems_of(distribution: str) -> dict[tuple[str, str], str | None]:
    """Import the components of a distribution, and say what is wrong: what a fresh process does.

    Args:
        distribution: The distribution.

    Returns:
        What is wrong, or None, by kind and name.
    """
    found = [component for component in registry.components() if component.distribution == distribution]
    problems = inspection.check_apart(found, fresh.LIMIT / 2)
    return {(one.kind, one.name): problem for one, problem in zip(found, problems, strict=True)}


def check_signature(subject: Subject) -> None:
    """The constructor names its options; all without default are given by builder or example."""
    _expect_built(subject)
    if subject.is_instance or not _is_own(subject):
        raise NotApplicable("its constructor is of another package")
    if missing := subject.missing():
        raise CheckFailed(
            f"{listed(missing)} of {called(subject.target)} has no default and nobody gives it: give it a default, or "
            "a value in example_options: ClassVar[Mapping[str, object]] = {...}, and explain it under Args"
        )
    if not subject.signature.names and not subject.signature.is_open:
        return
    for parameter in inspect.signature(subject.target).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD and subject.signature.is_open and _refuses(subject):
            continue
        _check_parameter(parameter)


def _check_parameter(parameter: inspect.Parameter) -> None:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
        raise CheckFailed(f"the constructor takes {stars}{parameter.name}, which hides misspelt options: name them")
    if parameter.name == _BY_NAME:
        raise CheckFailed("an option cannot be called 'name', which holds the component's name: call it otherwise")
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise CheckFailed(f"{parameter.name} is taken by position only, and options come by keyword: take out the '/'")
    if isinstance(parameter.default, list | dict | set):
        raise CheckFailed(
            f"the default of {parameter.name} is {parameter.default!r}, which all that are built share: use a tuple, "
            "or None and make it in the constructor"
        )


def check_docstring(subject: Subject) -> None:
    """It has a docstring of its own, which names every option of a constructor of its own."""
    _expect_built(subject)
    if subject.is_instance or not _is_own(subject):
        raise NotApplicable("it is described by another package")
    own = vars(subject.target).get("__doc__") if isinstance(subject.target, type) else subject.target.__doc__
    text = inspect.cleandoc(own or "")
    if not text:
        raise CheckFailed(
            f"{called(subject.target)} has no docstring: say in a line what it does, and name its options"
        )
    if isinstance(subject.target, type) and "__init__" not in vars(subject.target):
        return  # whoever wrote the constructor describes its options
    offered = {*subject.offered(), *_WITHOUT_WORDS}
    names = [name for name in subject.signature.names if name not in offered and subject.kind != "loss"]
    if missing := [name for name in names if not re.search(rf"\b{name}\b", text)]:
        raise CheckFailed(f"the docstring does not name {listed(missing)}: a line each, under Args")


_WITHOUT_WORDS = ("lookup_init", "lookup_act", "freeze")


def check_init(subject: Subject) -> None:
    """It can be built, and the constructor of its base class ran."""
    _expect_built(subject)
    try:
        subject.make()
    except BrokenPlugin as error:
        raise CheckFailed(str(error)) from error


def check_options(subject: Subject) -> None:
    """Options go through JSON and back, are not changed, and an unknown one is refused."""
    _expect_built(subject)
    if subject.component is None:
        raise NotApplicable("it is not registered")
    spec = _spec(subject)
    kept = copy.deepcopy(spec)
    one, other = subject.make(), subject.make()
    if spec != kept or subject.spec() != kept:
        raise CheckFailed(f"building it changes its options to {subject.spec()}: copy what you change")
    _expect_alike(one, other, "two built alike")
    config = _config(subject, spec)
    back = json.loads(json.dumps(config))
    if back != config:
        raise CheckFailed(f"the options come back from JSON as {back}, and were {config}: text is the only kind of key")
    taken = {key: value for key, value in back.items() if key != _BY_NAME} if isinstance(back, dict) else {}
    _expect_alike(subject.make(**taken), one, "one built from its config")
    if _is_own(subject) and not _refuses(subject):
        raise CheckFailed("it takes an option 'no_such_option' without a word: name all options, without **kwargs")


def _spec(subject: Subject) -> Any:
    try:
        return subject.spec()
    except NotApplicable:
        raise
    except ConfigError as error:
        raise CheckFailed(str(error)) from error


def _config(subject: Subject, spec: object) -> Any:
    try:
        return registry.to_config(subject.kind, spec)
    except UnnamedComponent as error:
        raise CheckFailed(f"its options are no plain values: {error}") from error


def _refuses(subject: Subject) -> bool:
    """Tell whether an unknown option is refused, here or by a constructor that takes any."""
    try:
        subject.make(no_such_option=1)
    except (LuminError, TypeError):
        return True
    return False


def _expect_alike(one: object, other: object, what: str) -> None:
    """Refuse two that differ in their state: of a module, or the plain attributes of an object."""
    first, second = (_state(thing) for thing in (one, other))
    for name in {**first, **second}:
        if name not in first or name not in second or not _same(first[name], second[name]):
            raise CheckFailed(
                f"{what} differ in {name}: draw from torch's generator alone, keep nothing outside of the object, and "
                "take options as they come from JSON, lists instead of tuples"
            )


def _state(thing: object) -> dict[str, object]:
    if isinstance(thing, nn.Module):
        return dict(thing.state_dict())
    return {name: value for name, value in getattr(thing, "__dict__", {}).items() if isinstance(value, _PLAIN)}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, list | tuple | dict):
        return repr(one) == repr(other) or json.dumps(one, default=str) == json.dumps(other, default=str)
    return bool(one == other) or (one != one and other != other)  # NaN


def _expect_built(subject: Subject) -> None:
    if (what := _NOT_BUILT.get(subject.kind)) is not None:
        raise NotApplicable(f"it is {what}, and not built")
    if subject.kind in _OF_FILES:
        raise NotApplicable("it is built on a file, which the checks of its kind do")


def _is_own(subject: Subject) -> bool:
    """Tell whether it is written in the distribution that offers it, and not torch's, say."""
    module = str(getattr(subject.target, "__module__", ""))
    if subject.component is None or subject.distribution is None:
        return not module.startswith("torch.")
    return not isinstance(subject.component.load(), partial) and (
        module.partition(".")[0] == subject.component.value.partition(":")[0].partition(".")[0] != "torch"
    )


CHECKS = (
    Check(check_import),  # first: what it finds here must not be imported in this process
    Check(check_entry_point),
    Check(check_signature),
    Check(check_docstring),
    Check(check_init),
    Check(check_options),
)
