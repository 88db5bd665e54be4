"""What expressions may say: nodes of Python's syntax tree, and nothing that is not in this list.

Python parses the text, and nothing of it is ever run as code.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import attrs

from lumin_core.errors import ConfigError
from lumin_plugin_io.functions import FUNCTIONS, Function, find_function
from lumin_plugin_io.pointing import pointed
from lumin_plugin_io.syntax import ALLOWED, DEEPEST, check_characters, too_deep

if TYPE_CHECKING:
    from collections.abc import Iterator

BRANCH = "col"
"""``col("a.b")`` is the branch of any name."""

CONSTANTS = {"pi": 3.141592653589793}

_ALLOWED = (
    ast.Constant,
    ast.Name,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.Subscript,
    ast.Call,
)
_INSTEAD: dict[type[ast.AST], str] = {
    ast.Attribute: 'a branch of that name is col("a.b"), functions are written by their names alone',
    ast.Tuple: "lists of values stand to the right of 'in' alone",
    ast.List: "lists of values stand to the right of 'in' alone",
    ast.Set: "lists of values stand to the right of 'in' alone",
    ast.Slice: "an index is one number, x[0], or a condition, x[x > 30]",
    ast.Starred: "arguments are written one by one",
    ast.Is: "write '=='",
    ast.IsNot: "write '!='",
}
_SORTS = (bool, int, float, str)
_BIT_OPERATORS = (ast.BitAnd, ast.BitOr, ast.BitXor)
_MOST_BITS = 64


@attrs.frozen(eq=False)
class Parsed:
    """An expression that is in order.

    Attributes:
        tree: Its syntax tree.
        names: The branches that it needs, in the order of their first use.
        functions: The functions that it calls, by name.
    """

    tree: ast.expr
    names: tuple[str, ...]
    functions: dict[str, Function]


def parse(text: str, what: str) -> Parsed:
    """Parse an expression.

    Args:
        text: In one line.
        what: What it is, for messages.

    Raises:
        ConfigError: If it says anything that is not allowed; pointing at the place.

    Example:
        >>> from lumin_plugin_io.grammar import parse
        >>> parse("sqrt(px**2 + py**2) > px", "selection").names
        ('px', 'py')
    """
    check_characters(text, what)
    tree = _tree(text, what)
    names: dict[str, None] = {}
    functions: dict[str, Function] = {}
    for node in _nodes(tree, what):
        if wrong := _wrong(node, text):
            raise ConfigError(pointed(f"{what}: {wrong}", text, *place_of(node, text)))
        if isinstance(node, ast.Name) and node.id not in CONSTANTS:
            names[node.id] = None
        elif branch := branch_of(node):
            names[branch] = None
        elif isinstance(node, ast.Call):
            name = name_of(node)
            functions[name] = _function(node, name, text, what)
    return Parsed(tree, tuple(names), functions)


def place_of(node: ast.AST, text: str) -> tuple[int, int]:
    """Return first character and end of a node in the text.

    Example:
        >>> import ast
        >>> from lumin_plugin_io.grammar import place_of
        >>> place_of(ast.parse("x + yy", mode="eval").body.right, "x + yy")
        (4, 6)
    """
    encoded = text.encode()
    start, stop = getattr(node, "col_offset", 0), getattr(node, "end_col_offset", None)
    return len(encoded[:start].decode()), len(encoded[:stop].decode())


def name_of(call: ast.Call) -> str:
    """Return the name of the function that is called.

    Example:
        >>> import ast
        >>> from lumin_plugin_io.grammar import name_of
        >>> name_of(ast.parse("abs(x)", mode="eval").body)
        'abs'
    """
    return call.func.id if isinstance(call.func, ast.Name) else ""


def branch_of(node: ast.AST) -> str | None:
    """Return the branch that ``col("...")`` names; ``None`` for anything else.

    Example:
        >>> import ast
        >>> from lumin_plugin_io.grammar import branch_of
        >>> branch_of(ast.parse("col('jet.pt')", mode="eval").body)
        'jet.pt'
    """
    if isinstance(node, ast.Call) and name_of(node) == BRANCH and len(node.args) == 1:
        argument = node.args[0]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            return argument.value
    return None


def _tree(text: str, what: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (RecursionError, MemoryError):
        raise too_deep(what) from None
    except SyntaxError as error:
        start = error.offset - 1 if error.offset else len(text)  # 0 says that it ends too early
        stop = (error.end_offset or 0) - 1
        message = f"{what}: this is not an expression of Python's syntax ({error.msg})"
        raise ConfigError(pointed(message, text, start, stop)) from None
    except ValueError as error:  # characters that no text has, numbers of thousands of digits
        raise ConfigError(f"{what}: this is not an expression of Python's syntax ({error})") from None


def _nodes(tree: ast.expr, what: str) -> Iterator[ast.AST]:
    """Go through all nodes in the order of the text; a chain of operators is one level."""
    waiting: list[tuple[ast.AST, int]] = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > DEEPEST:
            raise too_deep(what)
        yield node
        for child in reversed(_children(node)):
            is_chain = isinstance(node, ast.BinOp) and child is node.left and isinstance(child, ast.BinOp)
            waiting.append((child, depth if is_chain else depth + 1))


def _children(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.Call):
        return [] if name_of(node) == BRANCH else [*node.args]
    if isinstance(node, ast.Compare):
        right = zip(node.ops, node.comparators, strict=True)
        return [node.left, *(value for pair in right for value in compared_with(*pair))]
    return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]


def compared_with(kind: ast.cmpop, node: ast.expr) -> list[ast.expr]:
    """Return what a value is compared with: several for ``in``.

    Example:
        >>> import ast
        >>> from lumin_plugin_io.grammar import compared_with
        >>> len(compared_with(ast.In(), ast.parse("(1, 2)", mode="eval").body))
        2
    """
    is_list = isinstance(kind, ast.In | ast.NotIn) and isinstance(node, ast.Tuple | ast.List | ast.Set)
    return list(node.elts) if is_list and isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]


def _wrong(node: ast.AST, text: str) -> str | None:
    """Say what is wrong with a node, or None."""
    if not isinstance(node, _ALLOWED):
        return _refusal(node)
    if isinstance(node, ast.Constant):
        return _wrong_constant(node.value)
    if isinstance(node, ast.Compare):
        return _wrong_comparison(node, text)
    if isinstance(node, ast.Call):
        return _wrong_call(node)
    return None


def _refusal(node: ast.AST) -> str:
    instead = _INSTEAD.get(type(node), f"{ALLOWED}; functions are {', '.join(FUNCTIONS)}")
    return f"{_KINDS.get(type(node), 'this')} is not allowed; {instead}"


_KINDS: dict[type[ast.AST], str] = {
    ast.Attribute: "a point within a name",
    ast.Tuple: "a list",
    ast.List: "a list",
    ast.Set: "a list",
    ast.Slice: "a slice",
    ast.Is: "'is'",
    ast.IsNot: "'is not'",
}


def _wrong_constant(value: object) -> str | None:
    if type(value) not in _SORTS:
        return f"{value!r} is not allowed; constants are numbers, text, True and False"
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return "a whole number has at most 64 bits; write one with a point, 1e30"
    return None


def _wrong_call(node: ast.Call) -> str | None:
    if not isinstance(node.func, ast.Name):
        if isinstance(node.func, ast.Attribute):
            return f"functions are written by their names alone, as {node.func.attr}(x)"
        return "only functions are called, by their names"
    if node.keywords:
        return "arguments are given without their names"
    if node.func.id == BRANCH and branch_of(node) is None:
        return 'col takes the name of one branch, in quotes: col("a.b")'
    return None


def _wrong_comparison(node: ast.Compare, text: str) -> str | None:
    for kind, value in zip(node.ops, node.comparators, strict=True):
        if isinstance(kind, ast.Is | ast.IsNot):
            return _refusal(kind)
        if isinstance(kind, ast.In | ast.NotIn) and not isinstance(value, ast.Tuple | ast.List | ast.Set):
            return "'in' is followed by a list of values, x in (1, 2); for one within a jagged column write any(x == 1)"
    if any(_is_bare_bits(value, text) for value in node.comparators[:-1]):
        return "'&', '|' and '^' bind more tightly than comparisons; write brackets, (x > 1) & (y > 2), or 'and', 'or'"
    return None


def _is_bare_bits(node: ast.expr, text: str) -> bool:
    """Tell whether a node is ``x & y`` without brackets."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, _BIT_OPERATORS)):
        return False
    start, stop = place_of(node, text)
    return not (text[:start].rstrip().endswith("(") and text[stop:].lstrip().startswith(")"))


def _function(node: ast.Call, name: str, text: str, what: str) -> Function:
    try:
        function = find_function(name)
    except ConfigError as error:
        raise ConfigError(pointed(f"{what}: {error}", text, *place_of(node.func, text))) from None
    n = len(node.args)
    if n < function.least or (function.most is not None and n > function.most):
        least = f"{'' if function.most else 'at least '}{function.least} argument{'s'[: function.least != 1]}"
        message = f"{what}: {name}({function.arguments}) takes {least}, got {n}"
        raise ConfigError(pointed(message, text, *place_of(node, text)))
    return function
