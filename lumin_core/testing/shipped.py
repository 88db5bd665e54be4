"""What a distribution says of its checks: ``lumin-checks.json``, which its wheel may ship.

It is shipped as data of the package, where the author's build takes it along. It is what the author
says, of the versions and the sources that stand in it; nothing is run for it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lumin_core import registry
from lumin_core.display import count

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "lumin-checks.json"


def shipped_checks(distribution: str, kind: str, name: str) -> str | None:
    """Say in a line what a distribution says of the checks of a component.

    Args:
        distribution: The distribution.
        kind: Kind of the component.
        name: Its qualified name.

    Returns:
        The line; None where it ships no such file, or the file does not speak of the component.

    Example:
        >>> from lumin_core.testing.shipped import shipped_checks
        >>> shipped_checks("numpy", "head", "numpy/my_head") is None
        True
    """
    said, what = _said(distribution), f"{kind} {name}"
    passed = _of(said, "passed", what)
    if not passed:
        return None
    failures = _of(said, "expected_failures", what)
    versions = said.get("versions")
    core = versions.get("lumin-core", "?") if isinstance(versions, dict) else "?"
    reasons = "".join(f"; {check} fails: {why}" for check, why in dict(failures).items()) if failures else ""
    since = "" if _is_current(said, distribution) else "; its sources are others now"
    return f"{count(len(passed), 'check')} passed with lumin-core {core}, says its {FILE}{since}{reasons}"


def is_of_these_sources(distribution: str) -> bool:
    """Tell whether what a distribution says of its checks is of the sources that are installed.

    So it is where it says nothing of sources, or nothing at all.

    Args:
        distribution: The distribution.

    Example:
        >>> from lumin_core.testing.shipped import is_of_these_sources
        >>> is_of_these_sources("numpy")
        True
    """
    return _is_current(_said(distribution), distribution)


def digest_of_sources(distribution: str) -> str | None:
    """Return a digest of the modules with a distribution's components; None where it has none.

    Ends of lines do not count, which git may change.

    Args:
        distribution: The distribution.

    Example:
        >>> from lumin_core.testing.shipped import digest_of_sources
        >>> digest_of_sources("numpy") is None
        True
    """
    sources, digest = _sources(distribution), sha256()
    for path in sources:
        digest.update(b"%s %s" % (path.name.encode(), path.read_bytes().replace(b"\r\n", b"\n")))
    return digest.hexdigest() if sources else None


def _is_current(said: dict[str, Any], distribution: str) -> bool:
    sources = said.get("sources")
    return sources is None or sources == digest_of_sources(distribution)


def _of(said: dict[str, Any], key: str, what: str) -> Any:
    found = said.get(key)
    return found.get(what) if isinstance(found, dict) else None


def _said(distribution: str) -> dict[str, Any]:
    """Read the file; nothing where there is none, or it cannot be read."""
    for path in _places(distribution):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return found if isinstance(found, dict) else {}
    return {}


def _places(distribution: str) -> Iterator[Path]:
    """Give the file as it is installed, and beside the sources of an editable install."""
    with suppress(metadata.PackageNotFoundError):
        files = metadata.files(distribution) or []
        yield from (Path(file.locate()) for file in files if file.name == FILE)
        if not any(file.name == "__init__.py" for file in files):
            yield from (path.with_name(FILE) for path in _sources(distribution) if path.name == "__init__.py")


def _sources(distribution: str) -> list[Path]:
    return [path for module in registry.modules_of(distribution) for path in registry.sources_of(module)]
