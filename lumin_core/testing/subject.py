"""Subjects: a component that is looked at, and how to make one."""

from __future__ import annotations

import copy
import inspect
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

from lumin_core import registry, seeds
from lumin_core.checks import did_you_mean, listed
from lumin_core.errors import BrokenPlugin, ConfigError, LuminError, UnknownComponent
from lumin_core.model.head_data import needs_data, prepared_head
from lumin_core.model.objective import OBJECTIVES
from lumin_core.model.options import options_of
from lumin_core.registry.config import component_of
from lumin_core.registry.names import canonical, snake_case
from lumin_core.registry.signature import Signature, signature_of
from lumin_core.testing import samples
from lumin_core.testing.outcome import CheckFailed, NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lumin_core.registry import Kind


class Subject:
    """A component that is looked at: what it is, and how to make one.

    Args:
        kind: Its kind, ``"head"``.
        thing: The component: what the registry knows of it, a class, a function, a partial, or
            an instance.
        expected_failures: Name of a check to the reason why it fails, for what has no class of its
            own to say it.

    Attributes:
        name: The qualified name, or that of the class.
        distribution: The distribution that it is of, or None.
        problem: Why it must not be imported in this process, or None: that would end it, say.
        failed: What was wrong to the check that said so first.

    Example:
        >>> from lumin_core.registry import find
        >>> from lumin_core.testing import Subject
        >>> Subject("activation", find("activation", "prelu")).make(init=0.1)
        PReLU(num_parameters=1)
    """

    def __init__(self, kind: str, thing: object, expected_failures: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self.component = thing if isinstance(thing, registry.Component) else component_of(_maker(thing), kind)
        self.name = _name(thing) if self.component is None else self.component.qualified
        is_known = self.component is not None and self.component.distribution != "session"
        self.distribution = self.component.distribution if is_known and self.component else None
        self.problem: str | None = None
        self.failed: dict[str, str] = {}
        self._thing = thing
        self._expected = dict(expected_failures or {})

    def __repr__(self) -> str:
        """Show kind and name."""
        return f"Subject({self.kind!r}, {self.name!r})"

    @property
    def label(self) -> str:
        """What it is, for a message: ``head 'mine/my_head'``."""
        return f"{self.kind} {self.name!r}"

    @cached_property
    def target(self) -> Any:
        """Its class or function, or the finished object where no class is given; it is imported.

        Raises:
            BrokenPlugin: If it cannot be imported.
        """
        if self.problem is not None:
            raise BrokenPlugin(self.problem)
        loaded = self._loaded()
        return loaded.func if isinstance(loaded, partial) else loaded

    @property
    def is_instance(self) -> bool:
        """Whether the finished object was given, which cannot be made anew with other options."""
        return not (isinstance(self.target, type) or inspect.isroutine(self.target)) and self.component is None

    @property
    def known_kind(self) -> Kind:
        """What the registry knows of its kind."""
        return registry.find_kind(self.kind)

    @cached_property
    def signature(self) -> Signature:
        """What its constructor takes; of a loss that is a plain function, its options."""
        found = signature_of(self.target)
        if self.kind != "loss" or not inspect.isroutine(self.target):
            return found
        called_with = found.names[:2]  # y_pred, y
        return found._replace(
            names=found.names[2:], required=[name for name in found.required if name not in called_with]
        )

    @property
    def said_options(self) -> dict[str, object]:
        """The options that it says itself, ``example_options``, and for a matrix its objects."""
        told = samples.objects(self.signature.names) if self.kind == "head" else {}
        return {**told, **copy.deepcopy(dict(getattr(self.target, "example_options", {})))}

    @property
    def options(self) -> dict[str, object]:
        """The options of the examples, with what a head learns from the samples by ``prepare``."""
        return copy.deepcopy(self._options)

    @cached_property
    def _options(self) -> dict[str, object]:
        said = self.said_options
        if self.kind != "head" or self.is_instance or not needs_data(self._loaded()):
            return said
        return said | prepared(self._spec(said))

    @property
    def objectives(self) -> tuple[str, ...]:
        """What a loss or a metric is asked about: its ``example_objectives``, or all there are.

        Raises:
            CheckFailed: If it names others.
        """
        said = getattr(self.target, "example_objectives", OBJECTIVES)
        said = (said,) if isinstance(said, str) else tuple(said)
        if unknown := [name for name in said if name not in OBJECTIVES]:
            hint = did_you_mean(unknown[0], OBJECTIVES)
            raise CheckFailed(f"example_objectives should be of {listed(OBJECTIVES)}, got {unknown[0]!r}{hint}")
        return said

    @property
    def expected_failures(self) -> dict[str, str]:
        """Name of a check to the reason why it fails, as the component says, and whoever asks."""
        try:
            said = getattr(self.target, "expected_failures", {})
        except LuminError:  # it cannot be imported, which a check says
            said = {}
        return {**said, **self._expected}

    def offered(self) -> dict[str, object]:
        """Return what the builder offers to a constructor of its kind, for the samples.

        A kind that a plugin declares says so in its base class: ``example_offered``, a mapping, or
        a static method that returns one.
        """
        found = getattr(self.known_kind.load_base(), "example_offered", None)
        said = found() if callable(found) else found
        return dict(said or {}) | samples.offered(self.kind, self.said_options)

    def missing(self) -> list[str]:
        """List the options without default that nobody gives."""
        has = {*self.options, *self.offered(), *getattr(self._loaded(), "keywords", {})}
        return [name for name in self.signature.required if name not in has]

    def make(self, *, seed: int = 1, offered: Mapping[str, object] | None = None, **options: object) -> Any:
        """Make a fresh one; torch's generator is seeded for it, and restored.

        Args:
            seed: The seed.
            offered: What the builder offers in addition, or instead of what it offers otherwise.
            **options: The user's options, in addition to ``example_options`` of its class.

        Returns:
            The object; of one that was given finished, a copy.

        Raises:
            NotApplicable: If it cannot be made so: options without default have no example, which
                `check_signature` says, or it was given finished and other options are asked for.
        """
        if self.is_instance:
            if options or offered:
                raise NotApplicable("a finished object was given, not its class")
            return copy.deepcopy(self.target)
        if missing := [name for name in self.missing() if name not in options and name not in (offered or {})]:
            raise NotApplicable(f"it cannot be made: {listed(missing)} has no value, see check_signature")
        given = {**self.offered(), **(offered or {})}
        chosen = {**self.options, **options}
        given = {key: value for key, value in given.items() if key not in chosen}
        with seeds.torch_seeded(seed), _needed():
            return registry.build(self.kind, self._spec(chosen), **given)

    def spec(self, **options: object) -> object:
        """Return its specification with the options of the examples, for builders and `build`."""
        if self.is_instance:
            raise NotApplicable("a finished object was given, not its class")
        offered = self.offered()
        return self._spec({key: value for key, value in {**self.options, **options}.items() if key not in offered})

    def _spec(self, options: Mapping[str, object]) -> object:
        if self.component is not None:
            return {"name": self.component.qualified, **options}
        loaded = self._loaded()
        return partial(loaded, **options) if options else loaded

    def _loaded(self) -> Any:
        return self._thing.load() if isinstance(self._thing, registry.Component) else self._thing


def prepared(head: object) -> dict[str, object]:
    """Return the options of a head's spec, with what it learns from the samples.

    Args:
        head: The spec.
    """
    with samples.fold_yielder() as fy:
        told = options_of(prepared_head(cast("Any", head), fy, samples.CONT_FEATS))
    return {name: value for name, value in told.items() if name != "name"}


@contextmanager
def _needed() -> Iterator[None]:
    """Take what is not installed for a reason to look at nothing."""
    try:
        yield
    except (ImportError, LuminError) as error:
        lacking = error if isinstance(error, ImportError) else error.__cause__
        if isinstance(lacking, ModuleNotFoundError):
            raise NotApplicable(f"it needs the package {lacking.name}, which is not installed") from error
        raise


def installed(distribution: str) -> list[Subject]:
    """List the components of an installed distribution; nothing is imported.

    Args:
        distribution: Its name, ``"lumin-plugin-tabular"``.

    Raises:
        UnknownComponent: If it is not installed, or has no component.

    Example:
        >>> from lumin_core.testing import installed
        >>> installed("lumin-core")[0]
        Subject('activation', 'core/gelu')
    """
    known = [component for component in registry.components() if component.distribution != "session"]
    name = canonical(distribution)
    if found := [Subject(component.kind, component) for component in known if component.distribution == name]:
        return found
    names = sorted({component.distribution for component in known})
    raise UnknownComponent(
        f"there is no component of a distribution {distribution!r}{did_you_mean(name, names)}; installed are "
        f"{listed(names)}; after a change of entry points, install again: pip install --no-deps -e ."
    )


def subject_of(thing: object, kind: str | None = None, expected_failures: Mapping[str, str] | None = None) -> Subject:
    """Make a subject of a class, a function, a partial or an instance.

    Args:
        thing: The component.
        kind: Its kind, where nothing says it: the base class or the registration.
        expected_failures: Name of a check to the reason why it fails.

    Raises:
        ConfigError: If the kind is not known.

    Example:
        >>> from torch import nn
        >>> from lumin_core.testing import subject_of
        >>> subject_of(nn.ReLU, "activation")
        Subject('activation', 'core/relu')
    """
    found = registry.find_kind(kind).singular if kind is not None else _kind_of(_maker(thing))
    if found is None:
        raise ConfigError(f"nothing says of what kind {thing!r} is: give it, kind='loss', or derive from a base class")
    return Subject(found, thing, expected_failures)


def _kind_of(maker: object) -> str | None:
    """Return the kind that the base class says, or a registration."""
    for kind in registry.kinds():
        base = kind.load_base()
        if base is not None and isinstance(maker, type) and issubclass(maker, base):
            return kind.singular
    found = [kind.singular for kind in registry.kinds() if component_of(maker, kind.singular)]
    return found[0] if len(found) == 1 else None


def _maker(thing: object) -> Callable[..., object]:
    if isinstance(thing, partial):
        return thing.func
    return thing if isinstance(thing, type) or inspect.isroutine(thing) else type(thing)


def _name(thing: object) -> str:
    maker: Any = _maker(thing)
    return snake_case(maker.__name__) if isinstance(maker, type) else maker.__name__
