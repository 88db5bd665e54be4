"""Joining a component's spec with options that stand beside it.

Also checks of keys and numbers among options.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


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
