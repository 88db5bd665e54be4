"""Names of components, distributions and kinds, and when two of them are the same."""

from __future__ import annotations

import re

FIRST_PARTY_PREFIX = "lumin-plugin-"
FIRST_PARTY = ("callbacks", "explain", "farm", "gnn", "hep", "io", "losses", "metrics", "plots", "sequence", "tabular")
CORE = "core"
SESSION = "session"

_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_VALID = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


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


def with_article(kind: str) -> str:
    """Give a kind with its article, for messages.

    Example:
        >>> from lumin_core.registry.names import with_article
        >>> with_article("head"), with_article("optimiser")
        ('a head', 'an optimiser')
    """
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def singular(plural: str) -> str:
    """Give the singular of a kind's plural.

    Example:
        >>> from lumin_core.registry.names import singular
        >>> singular("heads"), singular("bodies"), singular("losses")
        ('head', 'body', 'loss')
    """
    if plural.endswith("ies"):
        return plural[:-3] + "y"
    return plural[:-2] if plural.endswith("sses") else plural.removesuffix("s")
