"""A file with a component, such as a cell of a notebook, read as text: nothing of it is run.

It is taken whole, with its imports and helpers. What a session registers in it (``@register``) is
left out, since the entry point does that. What would not work in a package is said: names that the
file does not define, and statements that would run whenever it is imported.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from lumin_core.checks import with_article
from lumin_core.errors import ConfigError
from lumin_core.registry import find_kind, kinds, snake_case
from lumin_plugin_commands.cell_names import imported, running, undefined
from lumin_plugin_commands.template import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lumin_core.registry import Kind

Definition = ast.ClassDef | ast.FunctionDef


class Cell(NamedTuple):
    """What a file has.

    Attributes:
        parts: Its components.
        remarks: What its author should look at.

    Example:
        >>> from lumin_plugin_commands.cell import Cell
        >>> Cell([], ["line 3: 'np' is not defined in the file"]).remarks
        ["line 3: 'np' is not defined in the file"]
    """

    parts: list[Part]
    remarks: list[str]


def read_cell(path: Path, kind: Kind | None = None) -> Cell:
    r"""Find the components in a file.

    Args:
        path: The file.
        kind: The kind, where the file does not say it.

    Raises:
        ConfigError: If it cannot be read, is not Python, or has no component of a kind that can be
            told.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_plugin_commands.cell import read_cell
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "cell.py"
        >>> text = "from lumin_core import Body\nclass Sum(Body):\n    width = WIDTH\n"
        >>> _ = path.write_text(text)
        >>> read_cell(path)[1]
        ["line 3: 'WIDTH' is not defined in the file"]
    """
    text = _text(path)
    tree = _parsed(text, path)
    registered = dict(_registrations(tree))
    found = _components(tree, registered, kind)
    if not found:
        raise ConfigError(_without(path, tree, kind))
    source = _unregistered(text, tree)
    module = _module(path, found)
    parts = [
        Part(
            its_kind, (registered.get(node.name) or (None, None))[1] or snake_case(node.name), node.name, module, source
        )
        for node, its_kind in found
    ]
    return Cell(parts, [*undefined(source), *running(source)])


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}; give a file of Python, in UTF-8") from error


def _parsed(text: str, path: Path) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = text.splitlines()[error.lineno - 1].strip() if isinstance(error, SyntaxError) and error.lineno else ""
        magic = "; take the notebook's magics out" if line.startswith(("%", "!", "?")) else ""
        raise ConfigError(f"{path} is not Python: {error} {line!r}{magic}") from error


def _registrations(tree: ast.Module) -> Iterator[tuple[str, tuple[Kind, str | None]]]:
    """Find what the session registers: the object's name, with kind and name as registered."""
    for node in tree.body:
        for call in filter(_registers, _calls(node)):
            texts = [part.value for part in call.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            keywords = {word.arg: word.value for word in call.keywords}
            given = call.args[2] if len(call.args) > 2 else keywords.get("obj")
            name = node.name if isinstance(node, Definition) else getattr(given, "id", "")
            if texts and name:
                yield name, (find_kind(texts[0]), texts[1] if len(texts) > 1 else None)


def _calls(node: ast.stmt) -> list[ast.expr]:
    """Return the decorators of a definition, or what a statement is but a value."""
    if isinstance(node, Definition):
        return node.decorator_list
    return [node.value] if isinstance(node, ast.Expr) else []


def _registers(node: ast.expr) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "register"


def _unregistered(text: str, tree: ast.Module) -> str:
    """Leave out decorators and statements that register, and the import of what does so."""
    calls = [call for node in tree.body for call in filter(_registers, _calls(node))]
    left = _replaced(text, {node: "" for node in calls})
    return _replaced(left, _less_of_it(ast.parse(left))) if calls else left


def _less_of_it(tree: ast.Module) -> dict[ast.AST, str]:
    """Return the imports of ``register``, where nothing uses it, with what stays of them."""
    if any(isinstance(node, ast.Name) and node.id == "register" for node in ast.walk(tree)):
        return {}
    less: dict[ast.AST, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and any(alias.name == "register" for alias in node.names):
            names = [alias for alias in node.names if alias.name != "register"]
            less[node] = ast.unparse(ast.ImportFrom(node.module, names, node.level)) if names else ""
    return less


def _replaced(text: str, instead: Mapping[Any, str]) -> str:
    """Put other text in place of the lines of statements."""
    lines: list[str | None] = list(text.splitlines())
    for node, new in instead.items():
        lines[node.lineno - 1 : node.end_lineno] = [new or None, *[None] * (node.end_lineno - node.lineno)]
    return "\n".join(line for line in lines if line is not None).rstrip() + "\n"


def _components(
    tree: ast.Module, registered: Mapping[str, tuple[Kind, str | None]], kind: Kind | None
) -> list[tuple[Definition, Kind]]:
    """Find the components with their kinds: as registered, else by their bases, else as said."""
    definitions = [node for node in tree.body if isinstance(node, Definition)]
    if kind is not None and not registered:
        chosen = [node for node in definitions if _kind_of(node, tree) == kind]
        return [(node, kind) for node in chosen or definitions[-1:]]
    known = [(node, registered[node.name][0]) for node in definitions if node.name in registered]
    told = [(node, its_kind) for node in definitions if (its_kind := _kind_of(node, tree)) is not None]
    return known or [(node, its_kind) for node, its_kind in told if not _is_base(node, tree)]


def _is_base(node: Definition, tree: ast.Module) -> bool:
    """Tell whether another class of the file derives from this one."""
    others = [other for other in tree.body if isinstance(other, ast.ClassDef)]
    return any(getattr(base, "id", None) == node.name for other in others for base in other.bases)


def _kind_of(node: Definition, tree: ast.Module) -> Kind | None:
    """Tell the kind of a definition: by the class that it derives from, or by its methods."""
    if isinstance(node, ast.FunctionDef):
        decorators = {ast.unparse(part).partition("(")[0] for part in node.decorator_list}
        return find_kind("command") if decorators & {"click.command", "command"} else None
    methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
    for base in _bases(node, tree):
        for kind in kinds():
            if kind.base is not None and isinstance(wanted := kind.load_base(), type) and issubclass(base, wanted):
                return kind
        if base.__name__ == "BatchLoss":
            return find_kind("loss")
    forward = methods.get("forward")
    if forward is not None and [part.arg for part in forward.args.args][1:3] == ["y_pred", "y"]:
        return find_kind("loss")
    return find_kind("callback") if any(name.startswith("on_") for name in methods) else None


def _bases(node: ast.ClassDef, tree: ast.Module) -> Iterator[type]:
    """Find the classes of libraries that one derives from, through classes of the file."""
    classes = {other.name: other for other in tree.body if isinstance(other, ast.ClassDef) and other is not node}
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in classes:
            yield from _bases(classes[base.id], tree)
        elif isinstance(found := imported(ast.unparse(base), tree), type):
            yield found


def _module(path: Path, found: Sequence[tuple[Definition, Kind]]) -> str:
    """Return the name of the module: the file's, where a module may be called so."""
    stem = snake_case(re.sub(r"\W", "_", path.stem))
    names = {node.name for node, _ in found}
    return stem if stem.isidentifier() and stem not in names else found[0][1].singular


def _without(path: Path, tree: ast.Module, kind: Kind | None) -> str:
    names = [node.name for node in tree.body if isinstance(node, Definition)]
    if not names:
        what = with_article(kind.singular) if kind is not None else "a component"
        way_out = "; of a notebook save the cell alone, as a .py file" if path.suffix == ".ipynb" else ""
        return f"{path} defines neither a class nor a function that could be {what}{way_out}"
    return f"{path} does not say of which kind {', '.join(names)} is; say it with --kind, such as --kind activation"
