"""The functions that expressions call: those of this table, and those that plugins bring.

Others come through the registry, as components of the kind ``expression_functions``: ``delta_phi``
of lumin-plugin-hep, or what a session registers.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs
import numpy as np

from lumin_core import registry
from lumin_core.checks import nearest
from lumin_core.errors import ConfigError, DataError, UnknownComponent
from lumin_plugin_io import elements, list_functions
from lumin_plugin_io.sorts import as_floats
from lumin_plugin_io.values import Tree, Values, element_wise

if TYPE_CHECKING:
    from collections.abc import Callable

    from lumin_core.data import ExpressionFunction

KIND = "expression_function"


@attrs.frozen
class Function:
    """What a name in an expression calls.

    Attributes:
        apply: From values to values.
        least: How many arguments it takes at least.
        most: How many at most; ``None`` for any number.
        arguments: What they are called, for messages.
    """

    apply: Callable[..., Tree]
    least: int
    most: int | None
    arguments: str


def _of_floats(ufunc: np.ufunc) -> Callable[..., Values]:
    def apply(*values: Values) -> Values:
        with np.errstate(all="ignore"):
            return Values(np.asarray(ufunc(*map(as_floats, values))))

    return apply


def _elements(function: Callable[..., Values], n: int, arguments: str) -> Function:
    return Function(partial(element_wise, function), n, n, arguments)


def _list(function: Callable[..., Tree]) -> Function:
    return Function(partial(list_functions.over_last_axis, function), 1, 1, "values")


def _extreme(of_elements: Callable[..., Values], of_lists: Callable[..., Tree]) -> Function:
    """Make ``min`` and ``max``: of one argument over the last axis, else of each element."""

    def apply(*trees: Tree) -> Tree:
        if len(trees) == 1:
            return list_functions.over_last_axis(of_lists, trees[0])
        return element_wise(of_elements, *trees)

    return Function(apply, 1, None, "values, or x, y")


FUNCTIONS: dict[str, Function] = {
    "abs": _elements(elements.absolute, 1, "x"),
    **{name: _elements(_of_floats(getattr(np, name)), 1, "x") for name in ("sqrt", "log", "exp", "sin", "cos", "tan")},
    **{name: _elements(_of_floats(getattr(np, name)), 1, "x") for name in ("sinh", "cosh")},
    "atan2": _elements(_of_floats(np.arctan2), 2, "y, x"),
    "hypot": _elements(_of_floats(np.hypot), 2, "x, y"),
    "where": _elements(elements.where, 3, "condition, x, y"),
    "isfinite": _elements(elements.is_finite, 1, "x"),
    "min": _extreme(elements.least, list_functions.smallest),
    "max": _extreme(elements.greatest, list_functions.largest),
    "sum": _list(list_functions.total),
    "any": _list(list_functions.any_of),
    "all": _list(list_functions.all_of),
    "len": _list(list_functions.length_of),
    "argmin": _list(list_functions.place_of_smallest),
    "argmax": _list(list_functions.place_of_largest),
    "first": _list(list_functions.first),
    "last": _list(list_functions.last),
    "sort": _list(list_functions.ordered),
}
"""By name: those of each element, then those over the last axis."""

_SPELLED_ELSEWHERE = {
    "fabs": "abs(x)",
    "pow": "x**y",
    "power": "x**y",
    "ln": "log(x)",
    "log10": "log(x) / log(10)",
    "log2": "log(x) / log(2)",
    "arctan2": "atan2(y, x)",
    "isnan": "not isfinite(x)",
    "size": "len(x)",
    "mean": "sum(x) / len(x)",
}


def find_function(name: str) -> Function:
    """Return the function of a name.

    Args:
        name: As it is called.

    Raises:
        ConfigError: If there is none; with did-you-mean, and what to install.

    Example:
        >>> from lumin_plugin_io.functions import find_function
        >>> find_function("hypot").arguments
        'x, y'
    """
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    try:
        component = registry.find(KIND, name)
    except UnknownComponent:
        raise ConfigError(f"there is no function {name!r}; {_hint(name)}") from None
    function = registry.build(KIND, component.qualified)
    n = len(function.arguments)
    return _elements(partial(_apply, function, name), n, ", ".join(function.arguments))


def _hint(name: str) -> str:
    """Say what was meant, or which of our plugins has it."""
    if name in _SPELLED_ELSEWHERE:
        return f"write {_SPELLED_ELSEWHERE[name]}"
    if plugins := registry.not_installed(KIND, name):
        return "; ".join(plugins)
    names = [*FUNCTIONS, *(component.name for component in registry.components(KIND))]
    near = nearest(name, names)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(names)}"


def _apply(function: ExpressionFunction, name: str, *values: Values) -> Values:
    arrays = np.broadcast_arrays(*map(as_floats, values))
    with np.errstate(all="ignore"):
        result = np.asarray(function(*arrays), np.float64)
    if result.shape != arrays[0].shape:
        raise DataError(
            f"the function {name!r} must give as many values as it gets, {arrays[0].shape}, got {result.shape}"
        )
    return Values(result)
