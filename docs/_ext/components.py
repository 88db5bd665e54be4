"""The pages of the components that are installed, and of their kinds.

Components are those of the registry's entry points, as far as the distributions are ours. Contracts
of kinds are the rows of the table in ``docs/plugins.md``, which has them once.
"""

from __future__ import annotations

import inspect
import re
import sys
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click
from docstrings import Docstring, Option, as_rst, definitions, heading, indented, options, parse, rubric, section

from lumin_core.registry import components, kinds
from lumin_core.registry.known_plugins import declarer
from lumin_core.registry.names import CORE, FIRST_PARTY, short

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lumin_core.registry import Component, Kind

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "docs" / "plugins.md"
GENERATED = "docs/reference"
INTRODUCTION = """\
# Components, by kind

Each is chosen by the name that stands here, see [components and names](/docs/components.md); what a
kind asks for, and an example of each, is in [write a plugin](/docs/plugins.md). `lumin describe`
shows the same in a shell. Functions and classes besides are in [Python](python/index.md).

"""
TORCH = "https://docs.pytorch.org/docs/stable/generated/{}.html"

USES = {
    "heads": "ModelBuilder.from_fy(fy, objective, head={})",
    "bodies": "ModelBuilder.from_fy(fy, objective, body={})",
    "tails": "ModelBuilder.from_fy(fy, objective, tail={})",
    "losses": "ModelBuilder.from_fy(fy, objective, loss={})",
    "optimisers": 'ModelBuilder.from_fy(fy, objective, opt_args={{"opt": {}, "lr": 1e-3}})',
    "initialisers": "ModelBuilder.from_fy(fy, objective, lookup_init={})",
    "activations": 'ModelBuilder.from_fy(fy, objective, body={{"name": "fully_connected", "act": {}}})',
    "norms": 'ModelBuilder.from_fy(fy, objective, body={{"name": "fully_connected", "bn": True, "bn_class": {}}})',
    "conv_layers": 'ModelBuilder.from_fy(fy, objective, head={{"name": "conv1d_head", "layers": [{}]}})',
    "graph_extractors": 'ModelBuilder.from_fy(fy, objective, head={{"name": "gnn_head", "extractor": {}, ...}})',
    "graph_collapsers": 'ModelBuilder.from_fy(fy, objective, head={{"name": "gnn_head", "collapser": {}, ...}})',
    "callbacks": "train_models(..., cb_partials=[{}])",
    "metrics": "train_models(..., metric_partials=[{}])",
    "executors": "train_models(..., executor={})",
    "augmentations": "FoldYielder(path, augmentations=[{}])",
    "transforms": "fit_input_pipe(df, features, steps=[{}])",
    "live_views": 'train_models(..., cb_partials=[{{"name": "metric_logger", "view": {}}}])',
    "exporters": "model.export(path, format={})",
}
"""By kind, where a component is chosen."""


def pages() -> dict[str, str]:
    """Make all pages: their paths below the root, and their text."""
    made = {f"{GENERATED}/index.md": overview()}
    for kind in kinds():
        if found := ours(kind):
            made[f"{GENERATED}/{kind.plural}/index.md"] = kind_page(kind, found)
            made |= {f"{page_of(component)}.rst": component_page(kind, component) for component in found}
    return made


def ours(kind: Kind) -> list[Component]:
    """List the components of a kind that the core and our plugins have."""
    return [c for c in components(kind.singular) if short(c.distribution) in {CORE, *FIRST_PARTY}]


def page_of(component: Component) -> str:
    """Return where the page of a component is, without its ending."""
    plural = next(kind.plural for kind in kinds() if kind.singular == component.kind)
    return f"{GENERATED}/{plural}/{component.name}"


def docstring_of(component: Component) -> Docstring:
    """Parse what a component says of itself; torch's are described by torch."""
    loaded = component.load()
    target = loaded.func if isinstance(loaded, partial) else loaded
    if is_torchs(component):
        return Docstring(f"Torch's `{component.value.replace(':', '.')}`.", "", {})
    return parse(target.help or "" if isinstance(target, click.Command) else inspect.getdoc(target) or "")


def is_torchs(component: Component) -> bool:
    """Tell whether a component is a class of torch as it is."""
    return component.value.startswith("torch.")


def overview() -> str:
    """Write the page of all kinds."""
    found = {kind.plural: ours(kind) for kind in kinds()}
    lines = [
        f"* [{plural}]({plural}/index.md): {', '.join(f'[`{c.name}`]({plural}/{c.name}.rst)' for c in members)}"
        for plural, members in found.items()
        if members
    ]
    tree = toctree(f"{plural}/index" for plural, members in found.items() if members)
    return INTRODUCTION + "\n".join([*lines, tree])


def toctree(names: Iterable[str]) -> str:
    """Write what puts pages into the navigation."""
    return "\n".join(["\n```{toctree}\n:hidden:\n", *names, "```\n"])


def kind_page(kind: Kind, found: list[Component]) -> str:
    """Write the page of a kind: its contract, and its components, with a line about each."""
    blocks = [f"# {title(kind.plural)}\n", contract(kind)]
    for name in sorted({component.distribution for component in found}):
        blocks.append(f"\n**{_package(name)}**\n")
        members = [component for component in found if component.distribution == name]
        blocks += [f"* [`{c.name}`]({c.name}.rst): {as_line(docstring_of(c).summary)}" for c in members]
    return "\n".join([*blocks, toctree(component.name for component in found)])


def title(plural: str) -> str:
    """Write a kind as a title."""
    return plural.replace("_", " ").capitalize()


def as_line(summary: str) -> str:
    """Write the first sentence of a docstring as one line of Markdown."""
    text = " ".join(summary.split())
    return re.sub(r":math:`([^`]*)`", r"{math}`\1`", text).replace("``", "`")


def _package(name: str) -> str:
    return f"[{name}](/README.md)" if short(name) == CORE else f"[{name}](/plugins/{name}/README.md)"


def contract(kind: Kind) -> str:
    """Write what a kind asks for, and where to read on."""
    row = contracts().get(kind.plural)
    if row is None:
        module, _, base = (kind.base or "").partition(":")
        package = module.split(".")[0]
        plugin = declarer(kind.plural) or package.replace("_", "-")
        face = f"{package}.data" if short(package) == CORE else package
        return f"A kind that {_package(plugin)} declares, and describes. **Base class:** `{face}.{base}`.\n"
    base, offered, asks = row
    return "\n".join(
        [
            f"**Base class or protocol:** {base}.\n",
            f"**Offered to the constructor**, as far as it names it: {offered}.\n",
            f"**Contract:** {asks}.\n",
            f"To write one: [rules](/docs/plugins.md#rules), [example](/docs/plugins.md#{example_of(kind)}), and",
            "[the table of all kinds](/docs/plugins.md#the-kinds-and-what-each-asks-for).\n",
        ]
    )


@cache
def contracts() -> dict[str, tuple[str, str, str]]:
    """Read the table of the kinds: base, what is offered, what is asked for, as Markdown."""
    lines = PLUGINS.read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if line.startswith("| `")]
    return {kind.strip("`"): (base, offered, _from_root(asks)) for kind, base, offered, asks in cells}


def _from_root(text: str) -> str:
    return re.sub(r"\]\((\w+\.md)", r"](/docs/\1", text)


def example_of(kind: Kind) -> str:
    """Return the anchor of a kind's example; the first of the page is that of bodies."""
    titles = re.findall(r"^### (.+)$", PLUGINS.read_text(encoding="utf-8"), re.MULTILINE)
    found = next((each for each in titles if kind.plural in each.lower()), "Write a plugin")
    return re.sub(r"[^\w -]", "", found.lower()).replace(" ", "-")


def component_page(kind: Kind, component: Component) -> str:
    """Write the page of a component."""
    doc = docstring_of(component)
    loaded = component.load()
    blocks = [heading(component.name), doc.summary, facts(kind, component)]
    if isinstance(loaded, click.Command):
        context = click.Context(loaded, info_name=f"lumin {component.name}", max_content_width=80)
        blocks += [".. code-block:: text\n\n" + indented(loaded.get_help(context))]
    else:
        found = options(loaded, doc.arguments)
        blocks += [use(kind, component, found), doc.body, parameters(kind, found), as_rst(doc, section)]
        blocks += [background(component)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def facts(kind: Kind, component: Component) -> str:
    """Write what a component is, and where it is from."""
    package = component.distribution
    where = f"``{package}``" if short(package) == CORE else f":doc:`{package} </plugins/{package}/README>`"
    module, _, name = component.value.partition(":")
    face = module.split(".")[0]
    is_public = hasattr(import_module(face), name) and not is_torchs(component)
    home = f":doc:`{face} </{GENERATED}/python/{face}>`" if is_public else f"``{module}``"
    lines = [
        f":Kind: :doc:`{title(kind.plural).lower()} <index>`",
        f":Name: ``{component.name}``, qualified ``{component.qualified}``",
        f":Package: {where}",
        f":Python: ``{name}`` of {home}",
    ]
    if is_torchs(component):
        lines.append(f":Described: {TORCH.format(f'{module}.{name}')}")
    return "\n".join(lines)


def use(kind: Kind, component: Component, found: list[Option]) -> str:
    """Show how a component is chosen, with the options that it must be given."""
    if kind.plural not in USES:
        return ""
    needed = "".join(f', "{o.name}": ...' for o in found if o.default is None and o.name not in offered(kind))
    spec = f'{{"name": "{component.name}"{needed}}}' if needed else f'"{component.name}"'
    return ".. code-block:: python\n\n" + indented(USES[kind.plural].format(spec))


def parameters(kind: Kind, found: list[Option]) -> str:
    """Write the user's options, then what the core gives."""
    given = offered(kind)
    groups = {
        "Options": [option for option in found if option.name not in given],
        "Given by the core": [option for option in found if option.name in given],
    }
    return "\n\n".join(
        f"{section(name)}\n\n{definitions([_entry(option) for option in group])}"
        for name, group in groups.items()
        if group
    )


def _entry(option: Option) -> tuple[str, str]:
    default = "" if option.default is None else f" = {option.default}"
    kind = f": {option.annotation}" if option.annotation else ""
    return f"``{option.name}{kind}{default}``", option.text or r"\ "


def offered(kind: Kind) -> set[str]:
    """Return the names that are given to constructors of a kind.

    Of a plugin's kind they are those of its base, and what heads hand on.
    """
    if row := contracts().get(kind.plural):
        return {name for text in re.findall(r"`([^`]+)`", row[1]) for name in text.split(", ")}
    base = kind.load_base()
    return {*inspect.signature(base).parameters, "lookup_init", "lookup_act"} if base else set()


def background(component: Component) -> str:
    """Write what the module of a component says: the idea, its equations and sources."""
    module = sys.modules.get(component.value.partition(":")[0])
    if is_torchs(component) or module is None or module.__name__.count(".") < 1:
        return ""
    doc = parse(module.__doc__ or "")
    if not doc.body and not doc.sections:
        return ""
    return "\n\n".join([section("Background"), doc.summary, doc.body, as_rst(doc, rubric, skip=("Example",))])


@cache
def by_object() -> dict[int, Component]:
    """Return our components by the identity of what they are."""
    found = [component for kind in kinds() for component in ours(kind)]
    return {id(component.load()): component for component in found}


@cache
def by_name() -> dict[str, Component]:
    """Return our components by their names and those of their classes.

    Commands and tables are left out: their names are plain words.
    """
    found = [component for component in by_object().values() if component.kind not in {"command", "run_table"}]
    names = [(name, component) for component in found for name in (component.name, component.value.partition(":")[2])]
    return {name: component for name, component in names if not is_torchs(component)}
