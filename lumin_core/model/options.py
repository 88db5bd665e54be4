"""Joining a component's spec with options that stand beside it, and checks of keys and numbers among options."""

from __future__ import annotations

from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any

from lumin_core.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def join(spec: Any, options: Mapping[str, Any], spec_place: str, options_place: str) -> Any:
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
    inside = spec if isinstance(spec, dict) else getattr(spec, "keywords", {})
    if twice := sorted(set(inside) & set(options)):
        raise ConfigError(
            f"{', '.join(map(repr, twice))} is given in {spec_place} and in {options_place}; keep one of them"
        )
    if not options:
        return spec
    if isinstance(spec, str):
        return {"name": spec, **options}
    if isinstance(spec, dict):
        return {**spec, **options}
    return partial(spec, **options) if callable(spec) else spec  # what is neither is refused where it is built


def check_keys(given: Iterable[str], known: Iterable[str], place: str) -> None:
    """Refuse keys that are not known.

    Args:
        given: The keys that came.
        known: The keys that there are.
        place: Where they were given, for the message.

    Raises:
        ConfigError: With did-you-mean, and the known keys.

    Example:
        >>> from lumin_core.model.options import check_keys
        >>> check_keys(["haed"], ["head", "body", "tail"], "model_args")
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: model_args has no 'haed'; did you mean 'head'?
    """
    known = list(known)
    for key in given:
        if key not in known:
            raise ConfigError(f"{place} has no {key!r}{did_you_mean(key, known)}")


def check_positive(**numbers: object) -> None:
    """Refuse what is no positive whole number.

    Args:
        **numbers: The numbers by the names of the options.

    Raises:
        ConfigError: With names and values.

    Example:
        >>> from lumin_core.model.options import check_positive
        >>> check_positive(depth=4, width=0)
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: positive whole numbers are needed, got width=0
    """
    if wrong := [f"{name}={n!r}" for name, n in numbers.items() if not is_positive(n)]:
        raise ConfigError(f"positive whole numbers are needed, got {', '.join(wrong)}")


def is_positive(n: object) -> bool:
    """Tell whether something is a positive whole number.

    Example:
        >>> from lumin_core.model.options import is_positive
        >>> is_positive(4), is_positive(0), is_positive(2.5), is_positive("4")
        (True, False, False, False)
    """
    return isinstance(n, Integral) and int(n) >= 1
