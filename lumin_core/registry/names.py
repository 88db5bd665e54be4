"""Names of components, distributions and kinds, and when two of them are the same.

What our own plugins have is in ``first_party.json``, so that an error can say which one to install:
a plugin that is not installed has no metadata to read. ``python .ci/first_party.py`` writes that
file from the plugins' metadata. It is read at need, and not by a plain listing.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NotRequired, TypedDict

FIRST_PARTY_PREFIX = "lumin-plugin-"
FIRST_PARTY = (
    "callbacks",
    "commands",
    "explain",
    "farm",
    "gnn",
    "hep",
    "io",
    "losses",
    "metrics",
    "onnx",
    "plots",
    "sequence",
    "tabular",
    "track",
)
CORE = "core"
SEAMS = ("aliases", "checks", "templates")
"""Groups ``lumin.*`` that hold no components but what is said of them, or of a kind."""

SESSION = "session"

_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_VALID = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class Contents(TypedDict):
    """What a plugin has.

    Attributes:
        summary: What it is, in a line.
        url: Where more is said of it, where that is not the index.
        install: How it is installed, where that is not ``pip install`` and its name.
        kinds: The kinds that it declares, in the plural.
        components: The names of its components by kind, in the singular.
        helps: Its commands, and what each does in a line.
    """

    summary: NotRequired[str]
    url: NotRequired[str]
    install: NotRequired[str]

    kinds: list[str]
    components: dict[str, list[str]]
    helps: dict[str, str]


class FirstParty(TypedDict):
    """What our own plugins have.

    Attributes:
        plugins: The contents by distribution.
        moved: By kind, the qualified names that were, with those that hold now.
    """

    plugins: dict[str, Contents]
    moved: dict[str, dict[str, str]]


@cache
def first_party() -> FirstParty:
    """Read what our own plugins have.

    Example:
        >>> from lumin_core.registry.names import first_party
        >>> first_party()["plugins"]["lumin-plugin-gnn"]["components"]["head"]
        ['gnn_head', 'pyg_head']
    """
    import json

    found: FirstParty = json.loads(Path(__file__).with_name("first_party.json").read_text(encoding="utf-8"))
    return found


def moved_to(kind: str, qualified: str) -> str | None:
    """Return the qualified name that holds now for one that did once.

    Args:
        kind: The kind, in the singular.
        qualified: The name, as it was written.

    Example:
        >>> from lumin_core.registry.names import moved_to
        >>> moved_to("executor", "lumin-core/Processes"), moved_to("head", "gnn/gnn_head")
        ('farm/processes', None)
    """
    moved = first_party()["moved"].get(kind, {})
    return next((now for was, now in moved.items() if _compared(was) == _compared(qualified)), None)


def _compared(qualified: str) -> tuple[str, str]:
    origin, _, bare = qualified.rpartition("/")
    return short(origin), normalise(bare)


def normalise(name: str) -> str:
    """Give the form in which names are compared: lower case, without ``-`` and ``_``.

    Example:
        >>> from lumin_core.registry.names import normalise
        >>> normalise("CatEmbHead") == normalise("cat_emb_head") == normalise("cat-emb-head")
        True
    """
    return name.replace("-", "").replace("_", "").lower()


def snake_case(class_name: str) -> str:
    """Give a class's name as components are named.

    Example:
        >>> from lumin_core.registry.names import snake_case
        >>> snake_case("GNNHead"), snake_case("RunningBatchNorm1d")
        ('gnn_head', 'running_batch_norm1d')
    """
    return _WORD_STARTS.sub("_", class_name.strip("_")).lower()


def is_valid(name: str) -> bool:
    """Tell whether a component may have this name; ``name`` itself is the key that holds it.

    Example:
        >>> from lumin_core.registry.names import is_valid
        >>> is_valid("my_head"), is_valid("my head"), is_valid("name")
        (True, False, False)
    """
    return _VALID.fullmatch(name) is not None and normalise(name) != "name"


@cache
def canonical(distribution: str) -> str:
    """Give a distribution's name as package indices compare it.

    Example:
        >>> from lumin_core.registry.names import canonical
        >>> canonical("Lumin_Plugin.GNN")
        'lumin-plugin-gnn'

    References:
        Python packaging user guide, "Names and normalization",
        https://packaging.python.org/en/latest/specifications/name-normalization/
    """
    return re.sub(r"[-_.]+", "-", distribution).lower()


@cache
def short(distribution: str) -> str:
    """Return the prefix of qualified names.

    It is ``core``, the first-party plugin's short name, or the whole name.

    Example:
        >>> from lumin_core.registry.names import short
        >>> short("lumin-core"), short("lumin-plugin-gnn"), short("my-blocks")
        ('core', 'gnn', 'my-blocks')
    """
    name = canonical(distribution)
    if name == "lumin-core":
        return CORE
    stem = name.removeprefix(FIRST_PARTY_PREFIX)
    return stem if stem in FIRST_PARTY else name


def is_reserved(distribution: str) -> bool:
    """Tell whether a stranger's distribution has the name of one of our prefixes.

    Example:
        >>> from lumin_core.registry.names import is_reserved
        >>> is_reserved("gnn"), is_reserved("lumin-plugin-gnn")
        (True, False)
    """
    return canonical(distribution) in {CORE, SESSION, *FIRST_PARTY}


def singular(plural: str) -> str:
    """Give the singular of a kind's plural.

    Example:
        >>> from lumin_core.registry.names import singular
        >>> [singular(plural) for plural in ("heads", "bodies", "losses", "matches")]
        ['head', 'body', 'loss', 'match']
    """
    if plural.endswith("ies"):
        return plural[:-3] + "y"
    return plural[:-2] if plural.endswith(("sses", "shes", "tches", "nches")) else plural.removesuffix("s")
