"""Expressions: what selections and variables are in terms of the branches of a file."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, Self

import attrs
import numpy as np

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_io import conditions, elements
from lumin_plugin_io.columns import Columns, column_of, joined
from lumin_plugin_io.grammar import CONSTANTS, Parsed, branch_of, compared_with, name_of, parse, place_of
from lumin_plugin_io.list_functions import indexed
from lumin_plugin_io.pointing import pointed
from lumin_plugin_io.values import Misfit, Tree, Values, element_wise, leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lumin_core.data import Column

BLOCK = 1 << 16
"""Events of flat columns that are worked out together: what comes in between stays in the cache."""

_UNARY: dict[type[ast.unaryop], Callable[[Values], Values]] = {
    ast.Not: conditions.opposite,
    ast.USub: elements.negative,
    ast.UAdd: elements.positive,
    ast.Invert: elements.inverse,
}


@attrs.frozen(eq=False)
class Expression:
    """A selection or a variable, worked out for many events at once.

    Python's syntax is parsed against a list of what is allowed, and never run as code:

    * operators ``+ - * / // % **``, comparisons, chained ones too, ``and or not``,
      ``x in (1, 2)``, and ``& | ^ ~ << >>``, all element by element;
    * ``x[0]``, ``x[-1]`` of the values that an event has, and those of which a condition is true,
      ``x[x > 30]``;
    * functions of each element, ``abs sqrt log exp sin cos tan sinh cosh atan2 hypot where
      isfinite``, ``min(x, y)``, ``max(x, y)``, and those that plugins bring (``delta_phi``);
    * functions over the last axis, ``sum any all len argmin argmax first last sort``, ``min(x)``,
      ``max(x)``;
    * numbers, text, ``True``, ``False``, ``pi``, and branches: by name, or as ``col("a.b")``.

    Numbers are worked out as float64; whole numbers stay whole, and exact. An index out of range is
    missing, so is the largest value of none, and a whole number that 64 bits cannot hold. Whatever
    is worked out from a missing value is missing; a comparison with one is false.

    Attributes:
        text: As it was written, in one line.
        what: What it is, for messages.
        names: The branches that it needs, in the order of their first use.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io import Expression
        >>> selection = Expression.parse("nJet >= 2 and met > 30", "selection")
        >>> selection.names
        ('nJet', 'met')
        >>> selection({"nJet": np.array([1, 2]), "met": np.array([40.0, 50.0])}, 2)
        array([False,  True])
    """

    text: str
    what: str
    names: tuple[str, ...]
    _parsed: Parsed = attrs.field(repr=False)

    @classmethod
    def parse(cls, text: str, what: str) -> Self:
        """Parse an expression.

        Args:
            text: The expression; line breaks are spaces.
            what: What it is, for messages: ``"selection"``, ``"variable 'mjj'"``.

        Raises:
            ConfigError: If it is no text, or says what is not allowed; pointing at the place.
        """
        if not isinstance(text, str):
            raise ConfigError(f"{what}: an expression is needed, as text, got {text!r}")
        line = " ".join(text.splitlines()).strip()
        parsed = parse(line, what)
        return cls(line, what, parsed.names, parsed)

    def __reduce__(self) -> tuple[Callable[[str, str], Expression], tuple[str, str]]:
        """Pickle as the text, which is parsed anew."""
        return type(self).parse, (self.text, self.what)

    def __call__(self, columns: Mapping[str, Column] | Columns, n: int) -> Column:
        """Work it out.

        Args:
            columns: Columns by name, each with one entry per event; `Columns` prepares each just
                once for several expressions.
            n: Number of events.

        Returns:
            One entry per event, shape ``(n,)``: float64 (NaN is missing), int64, uint64, bool or
            text, masked where some are missing; or an array of awkward where there are lists.

        Raises:
            DataError: If a column is not there, or values cannot be combined as they should be;
                pointing at the place.
        """
        prepared = columns if isinstance(columns, Columns) else Columns(columns, n)
        tree = self._parsed.tree
        if n <= BLOCK or isinstance(tree, ast.Name) or not prepared.are_flat(self.names):
            return column_of(_Evaluation(self, prepared).value(tree), n)
        pieces = (prepared.piece(self.names, start, min(start + BLOCK, n)) for start in range(0, n, BLOCK))
        return column_of(joined((leaves(_Evaluation(self, piece).value(tree)) for piece in pieces), n), n)


class _Evaluation:
    """One walk over the tree."""

    def __init__(self, expression: Expression, columns: Columns) -> None:
        self.expression = expression
        self.columns = columns

    def value(self, node: ast.expr) -> Tree:
        """Return what a part of the expression is."""
        try:
            return _WAYS[type(node)](self, node)
        except Misfit as error:
            raise self._located(error, node) from None

    def constant(self, node: ast.Constant) -> Tree:
        """Return a constant."""
        value = node.value
        if type(value) is int:
            return Values(np.array(value, np.int64 if value <= np.iinfo(np.int64).max else np.uint64))
        return Values(np.array(value))

    def name(self, node: ast.Name) -> Tree:
        """Return the values of a branch, or a constant of nature."""
        return Values(np.array(CONSTANTS[node.id])) if node.id in CONSTANTS else self.columns[node.id]

    def binary(self, node: ast.BinOp) -> Tree:
        """Apply operators; a chain of them, a + b + c, is gone along rather than down."""
        chain: list[ast.BinOp] = [node]
        while isinstance(chain[-1].left, ast.BinOp):
            chain.append(chain[-1].left)
        value = self.value(chain[-1].left)
        for step in reversed(chain):
            right = self.value(step.right)
            try:
                value = element_wise(partial(elements.operate, type(step.op)), value, right)
            except Misfit as error:
                raise self._located(error, step) from None
        return value

    def unary(self, node: ast.UnaryOp) -> Tree:
        """Apply a sign, ``~`` or ``not``."""
        return element_wise(_UNARY[type(node.op)], self.value(node.operand))

    def logical(self, node: ast.BoolOp) -> Tree:
        """Combine conditions."""
        function = conditions.all_true if isinstance(node.op, ast.And) else conditions.any_true
        return element_wise(function, *map(self.value, node.values))

    def comparison(self, node: ast.Compare) -> Tree:
        """Compare, each value with the next."""
        results, left = [], self.value(node.left)
        for kind, right in zip(node.ops, node.comparators, strict=True):
            others = [self.value(other) for other in compared_with(kind, right)]
            results.append(element_wise(_comparing(kind), left, *others))
            left = others[-1] if others else left
        return results[0] if len(results) == 1 else element_wise(conditions.all_true, *results)

    def subscript(self, node: ast.Subscript) -> Tree:
        """Return elements of lists."""
        return indexed(self.value(node.value), self.value(node.slice))

    def call(self, node: ast.Call) -> Tree:
        """Call a function, or return a branch."""
        branch = branch_of(node)
        if branch is not None:
            return self.columns[branch]
        function = self.expression._parsed.functions[name_of(node)]
        return function.apply(*map(self.value, node.args))

    def _located(self, error: Misfit, node: ast.expr) -> DataError:
        text = self.expression.text
        return DataError(pointed(f"{self.expression.what}: {error}", text, *place_of(node, text)))


_WAYS: dict[type[ast.expr], Callable[..., Tree]] = {
    ast.Constant: _Evaluation.constant,
    ast.Name: _Evaluation.name,
    ast.BinOp: _Evaluation.binary,
    ast.UnaryOp: _Evaluation.unary,
    ast.BoolOp: _Evaluation.logical,
    ast.Compare: _Evaluation.comparison,
    ast.Subscript: _Evaluation.subscript,
    ast.Call: _Evaluation.call,
}


def _comparing(kind: ast.cmpop) -> Callable[..., Values]:
    if isinstance(kind, ast.In):
        return conditions.is_among
    if isinstance(kind, ast.NotIn):
        return conditions.is_not_among
    return partial(conditions.compare, type(kind))
