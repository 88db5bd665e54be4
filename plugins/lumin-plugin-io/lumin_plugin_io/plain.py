"""What a recipe says as plain values, as JSON and TOML hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from lumin_plugin_io.description import Sample
    from lumin_plugin_io.expression import Expression

NOTHING: tuple[object, ...] = (None, (), [], {})
"""What a key says that might as well be left out."""


def without_files(sample: Sample) -> dict[str, Any]:
    """Return what a sample says beside its name and its files.

    Example:
        >>> from lumin_plugin_io import Sample
        >>> from lumin_plugin_io.plain import without_files
        >>> without_files(Sample(name="ttbar", files=("tt.root",), tree=("Events",), target=0.0))
        {'tree': ['Events'], 'target': 0.0}
    """
    friends = [plain(attrs.evolve(friend, files=())) for friend in sample.friends]
    return plain(attrs.evolve(sample, files=(), friends=())) | ({"friends": friends} if friends else {})


def plain(description: attrs.AttrsInstance) -> dict[str, Any]:
    """Return what a description says beside its name.

    Example:
        >>> from lumin_plugin_io import Split
        >>> from lumin_plugin_io.plain import plain
        >>> plain(Split(by=("run", "event")))
        {'parts': {'train': 1.0}, 'by': ['run', 'event'], 'salt': 0}
    """
    found = attrs.asdict(description, filter=lambda field, value: field.name != "name")
    return {key: listed(value) for key, value in found.items() if value is not False and value not in NOTHING}


def listed(value: Any) -> Any:
    """Return a value with lists in the place of tuples, at any depth.

    Example:
        >>> from lumin_plugin_io.plain import listed
        >>> listed({"mass": (0.0, 50.0)})
        {'mass': [0.0, 50.0]}
    """
    if isinstance(value, dict):
        return {key: listed(entry) for key, entry in value.items()}
    return [listed(entry) for entry in value] if isinstance(value, tuple | list) else value


def text(value: Expression | dict[str, Expression] | None) -> Any:
    """Return the text of an expression, or of several by name.

    Example:
        >>> from lumin_plugin_io import Expression
        >>> from lumin_plugin_io.plain import text
        >>> text({"ht": Expression.parse("sum(Jet_pt)", "ht")})
        {'ht': 'sum(Jet_pt)'}
    """
    if isinstance(value, dict):
        return {name: expression.text for name, expression in value.items()}
    return None if value is None else value.text
