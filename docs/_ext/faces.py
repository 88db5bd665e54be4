"""The pages of the public modules: faces of the core and of plugins, and the ground floor.

What has a page as a component is linked, and so is what a floor's face shares with the core's.
"""

from __future__ import annotations

import ast
import inspect
import itertools
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from components import ROOT, as_line, by_object, toctree
from docstrings import heading, indented, parse

import lumin_core

if TYPE_CHECKING:
    from types import ModuleType

INTRODUCTION = """\
# Python

The public modules. What users need is in `lumin_core`; what authors of plugins need besides, by
floor; the rest of the core is private. Classes of components are described [by kind](../index.md).

| module | what it holds |
| --- | --- |
"""


def pages(folder: str) -> dict[str, str]:
    """Make the pages, by their paths."""
    made = {f"{folder}/{module}.rst": face_page(module) for module in modules()}
    return made | {f"{folder}/index.md": overview()}


def modules() -> list[str]:
    """List the public modules: the core's, then the faces of the plugins."""
    found = sorted(path.parent.name for path in ROOT.glob("plugins/*/*/__init__.py"))
    return ["lumin_core", *(f"lumin_core.{module}" for module in lumin_core._MODULES), *found]


def overview() -> str:
    """Write the page of all public modules."""
    says = {name: parse(import_module(name).__doc__ or "").summary for name in modules()}
    rows = [f"| [`{name}`]({name}.rst) | {as_line(summary)} |" for name, summary in says.items()]
    return INTRODUCTION + "\n".join([*rows, toctree(says)])


def face_page(name: str) -> str:
    """Write the page of a module's public names; those that have a page elsewhere are linked."""
    module = import_module(name)
    names = public_names(module)
    linked = {each: home for each in names if (home := elsewhere(module, each))}
    listed = ", ".join(linked.get(each, f":py:obj:`~{name}.{each}`") for each in names)
    blocks = [heading(name), inspect.cleandoc(module.__doc__ or ""), f"**Names:** {listed}."]
    blocks += [autodoc(module, each) for each in names if each not in linked]
    return "\n\n".join(blocks) + "\n"


def public_names(module: ModuleType) -> list[str]:
    """List the names of a face, or those that a module of the ground floor defines itself."""
    if listed := getattr(module, "__all__", None):
        return [name for name in listed if not inspect.ismodule(getattr(module, name)) and name != "__version__"]
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def elsewhere(module: ModuleType, name: str) -> str | None:
    """Say where a name is described, if not here: as a component, or on the core's face."""
    value = getattr(module, name)
    if id(value) in by_object():
        return f":py:obj:`{name}`"
    core = import_module("lumin_core")
    is_above = module is not core and name in core.__all__ and getattr(core, name) is value
    return f":py:obj:`~lumin_core.{name}`" if is_above else None


def autodoc(module: ModuleType, name: str) -> str:
    """Write the directive that describes a name."""
    value, full = getattr(module, name), f"{module.__name__}.{name}"
    if inspect.isclass(value):
        return f".. autoclass:: {full}\n    :members:"
    if inspect.isroutine(value):
        return f".. autofunction:: {full}"
    return f".. py:data:: {full}\n\n{indented(doc_of_constant(module, name))}"


def doc_of_constant(module: ModuleType, name: str) -> str:
    """Return the text below a constant or a type, in the module that a face has it from."""
    homes = {each: home for home, names in module._HOMES.items() for each in names}
    home = import_module(f"{module.__name__}.{homes[name]}") if name in homes else module
    path = Path(str(home.__file__))
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for statement, after in itertools.pairwise(body):
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        if any(getattr(target, "id", None) == name for target in targets):
            text = getattr(getattr(after, "value", None), "value", None)
            return inspect.cleandoc(text) if isinstance(text, str) else f"``{ast.unparse(statement)}``"
    raise LookupError(f"{path} does not define {name}")
