"""Write the lists of checks and of expected failures in docs/testing.md, from the checks and our components."""

from __future__ import annotations

import re
from pathlib import Path

from lumin_core import registry
from lumin_core.testing import Subject, checks_of

PAGE = Path(__file__).parents[1] / "docs" / "testing.md"


def lists_of_checks() -> str:
    """List the checks of each kind: those of all kinds and of all blocks once."""
    common = checks_of("plugin")
    groups = {"All kinds": common}
    own = {kind.singular: [one for one in checks_of(kind.singular) if one not in common] for kind in registry.kinds()}
    own["kind"] = [one for one in checks_of("kind") if one not in common]
    groups["Heads, bodies and tails"] = [one for one in own["head"] if one in own["body"]]
    for kind, checks in own.items():
        title = kind.replace("_", " ").capitalize()
        groups[title] = [one for one in checks if one not in groups["Heads, bodies and tails"]]
    parts = []
    for title, checks in groups.items():
        rows = [f"| `{one.name}`{' (slow)' if one.is_slow else ''} | {one.promise} |" for one in checks]
        if rows:
            parts.append("\n".join([f"### {title}", "", "| check | promise |", "| --- | --- |", *rows, ""]))
    return "\n".join(parts)


def expected_failures() -> str:
    """List what components of ours say that they do not hold."""
    ours = [one for one in registry.components() if one.distribution.startswith("lumin-")]
    rows = [
        f"| `{subject.name}` | `{name}` | {why} |"
        for subject in (Subject(one.kind, one) for one in ours)
        for name, why in subject.expected_failures.items()
    ]
    return "\n".join(["| component | check | reason |", "| --- | --- | --- |", *rows, ""])


def filled(text: str) -> str:
    """Fill both lists into the page.

    Args:
        text: The page.
    """
    for name, content in (("checks", lists_of_checks()), ("expected failures", expected_failures())):
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        text = between.sub(lambda found, content=content: f"{found[1]}\n{content}\n{found[2]}", text)
    return text


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
