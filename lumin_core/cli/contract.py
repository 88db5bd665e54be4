"""``lumin describe KIND``: what a kind asks of its components, and by which checks that is held."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from lumin_core.cli.contracts import CONTRACTS
from lumin_core.cli.plain_text import plain_text, without_markup
from lumin_core.display import as_text, counted, width, wrapped
from lumin_core.registry import components, find_kind
from lumin_core.testing.cases import checks_of

if TYPE_CHECKING:
    from lumin_core.display import Row
    from lumin_core.registry import Kind


def contract_of(kind: str) -> str:
    """Write what a kind asks for.

    Args:
        kind: The kind, ``"head"`` or ``"heads"``.

    Raises:
        UnknownComponent: If there is none.
        BrokenPlugin: If its base class cannot be imported.

    Example:
        >>> from lumin_core.cli.contract import contract_of
        >>> contract_of("body").splitlines()[0]
        'bodies'
    """
    known = find_kind(kind)
    base = known.load_base()
    is_ours = base is not None and not str(known.base).startswith("torch.")  # whose docstring says other things
    docstring = inspect.getdoc(base) if is_ours else None
    parts = [as_text(known.plural, _rows(known)), plain_text(docstring, width()) if docstring else "", _checks(known)]
    return "\n\n".join(part for part in parts if part)


def _rows(kind: Kind) -> list[Row]:
    contract = CONTRACTS.get(kind.plural)
    said = (
        [("base", kind.base or "any callable")]
        if contract is None
        else [("base", contract.base), ("offered", contract.offered), ("has", contract.asks)]
    )
    names = [component.name for component in components(kind.singular)]
    rows: list[Row] = [("kind", kind.singular), ("entry points", f"lumin.{kind.plural}")]
    rows += [(title, without_markup(text)) for title, text in said]
    rows += [("there are", counted(names, 12) if names else "none yet")]
    return [*rows, ("begin with", f"lumin new-plugin NAME --kind {kind.singular}")]


def _checks(kind: Kind) -> str:
    """List the checks that hold the contract."""
    lines = [
        line
        for check in checks_of(kind.singular)
        for line in wrapped(f"{check.name}: {without_markup(check.promise)}", width(), "  ")
    ]
    return "\n".join(["Checks of lumin_core.testing", *lines])
