"""Specifications of components and the options inside of them: joined, copied, read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from lumin_core.errors import ConfigError
from lumin_core.registry.record import changed

Spec = str | Mapping[str, object] | type[object] | partial[Any]
"""A component by name, as ``{"name": ..., **options}``, as class or as partial with keywords."""


def options_of(spec: object) -> Mapping[str, object]:
    """Return the options that stand inside of a specification.

    Args:
        spec: A `Spec`, or an object, which has none.

    Example:
        >>> from lumin_core.model.options import options_of
        >>> options_of({"name": "sgd", "lr": 0.1})
        {'name': 'sgd', 'lr': 0.1}
        >>> options_of("sgd")
        {}
    """
    if isinstance(spec, Mapping):
        return spec
    return spec.keywords if isinstance(spec, partial) else {}


def join(spec: object, options: Mapping[str, object], spec_place: str, options_place: str) -> object:
    """Add options to a component's spec.

    Args:
        spec: ``"name"``, ``{"name": ..., **options}``, a class or a partial.
        options: More options, none of them in `spec`.
        spec_place: Where `spec` was given, for the message.
        options_place: Where `options` were given.

    Returns:
        One spec; neither argument is changed.

    Raises:
        ConfigError: If an option is given in both places.

    Example:
        >>> from lumin_core.model.options import join
        >>> join("fully_connected", {"depth": 2}, "body", "model_args['body']")
        {'name': 'fully_connected', 'depth': 2}
    """
    if twice := sorted(set(options_of(spec)) & set(options)):
        raise ConfigError(
            f"{', '.join(map(repr, twice))} is given in {spec_place} and in {options_place}; keep one of them"
        )
    return with_options(spec, options)


def with_options(spec: object, options: Mapping[str, object]) -> object:
    """Return a spec with further options, which replace those of the same name.

    Args:
        spec: The spec; it is not changed.
        options: The options.

    Example:
        >>> from lumin_core.model.options import with_options
        >>> with_options({"name": "sgd", "lr": 0.1}, {"lr": 0.2})
        {'name': 'sgd', 'lr': 0.2}
    """
    if not options:
        return spec
    if isinstance(spec, str):
        return {"name": spec, **options}
    if isinstance(spec, Mapping):
        return {**spec, **options}
    return partial(spec, **options) if callable(spec) else spec  # what is neither is refused where it is built


def without(spec: object, option: str) -> object:
    """Return a spec that does not have an option.

    Args:
        spec: The spec; it is not changed.
        option: The option's name.

    Example:
        >>> from lumin_core.model.options import without
        >>> without({"name": "sgd", "lr": 0.1}, "lr")
        {'name': 'sgd'}
    """
    left = {key: value for key, value in options_of(spec).items() if key != option}
    if isinstance(spec, partial):
        return partial(spec.func, *spec.args, **left)
    return left if isinstance(spec, Mapping) else spec


def copied(value: Any) -> Any:
    """Copy the containers of options at every depth, so that no side sees another's changes.

    Args:
        value: Options, or one of them. Lists, dicts and sets are copied, also in tuples and in the
            keywords of a partial; what they hold is not.

    Example:
        >>> from lumin_core.model.options import copied
        >>> options = {"widths": [3, 4]}
        >>> copied(options)["widths"].pop(), options
        (4, {'widths': [3, 4]})
    """
    return changed(value, lambda entry: set(entry) if isinstance(entry, set) else entry)
