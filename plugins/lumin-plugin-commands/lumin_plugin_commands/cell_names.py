"""The names of a file that is read and not run: what they mean, and which it does not define."""

from __future__ import annotations

import ast
import builtins
import symtable
from importlib import import_module
from typing import TYPE_CHECKING

from lumin_core.registry import kinds

if TYPE_CHECKING:
    from collections.abc import Iterator


def imported(dotted: str, tree: ast.Module) -> object:
    """Return what a name means by the imports of a file, as far as libraries with bases go.

    These are imported; what else the file imports is not.

    Args:
        dotted: The name.
        tree: The file.

    Example:
        >>> import ast
        >>> from lumin_plugin_commands.cell_names import imported
        >>> imported("lc.Head", ast.parse("import lumin_core as lc")).__name__
        'Head'
    """
    first, _, rest = dotted.partition(".")
    parts = [*_imports(tree).get(first, first).split("."), *filter(None, rest.split("."))]
    libraries = {"lumin_core", "torch", *(kind.base.partition(".")[0] for kind in kinds() if kind.base)}
    if parts[0] not in libraries:
        return None
    found: object = import_module(parts[0])
    for place, part in enumerate(parts[1:], 1):
        if not hasattr(found, part):
            try:
                import_module(".".join(parts[: place + 1]))
            except ImportError:
                return None
        found = getattr(found, part, None)
    return found


def _imports(tree: ast.Module) -> dict[str, str]:
    """Return the names that a file imports, and what they are names of."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def undefined(source: str) -> list[str]:
    r"""Say which names a module uses and does not define.

    Args:
        source: The module.

    Example:
        >>> from lumin_plugin_commands.cell_names import undefined
        >>> undefined("def f(x):\n    return np.abs(x)")
        ["line 2: 'np' is not defined in the file"]
    """
    top = symtable.symtable(source, "cell", "exec")
    defined = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    defined |= {table.get_name() for table in top.get_children()} | set(dir(builtins)) | {"__file__", "__name__"}
    used = {symbol.get_name() for table in _tables(top) for symbol in table.get_symbols() if _is_global(symbol, table)}
    lines = {node.id: node.lineno for node in reversed(list(ast.walk(ast.parse(source)))) if isinstance(node, ast.Name)}
    missing = sorted((used - defined) & set(lines), key=lambda name: lines[name])
    return [f"line {lines[name]}: {name!r} is not defined in the file" for name in missing]


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)


def _is_global(symbol: symtable.Symbol, table: symtable.SymbolTable) -> bool:
    return symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module")


def running(source: str) -> list[str]:
    r"""Say which statements run whenever a module is imported.

    Args:
        source: The module.

    Example:
        >>> from lumin_plugin_commands.cell_names import running
        >>> running("import math\nprint(math.pi)")
        ['line 2: print(math.pi) runs at every import']
    """
    found = [node for node in ast.parse(source).body if _runs(node)]
    return [f"line {node.lineno}: {ast.unparse(node).splitlines()[0]:.60} runs at every import" for node in found]


def _runs(node: ast.stmt) -> bool:
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    return is_call or isinstance(node, ast.For | ast.While | ast.With)
