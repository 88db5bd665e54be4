"""The sources of an installed distribution: the files of the modules that its entry points name."""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from lumin_core.registry.lookup import components
from lumin_core.registry.names import canonical


def modules_of(distribution: str) -> list[str]:
    """List the modules and packages with a distribution's components, by their first names.

    An entry point may name what another distribution has: ``torch.optim:Adam`` is not of the core.

    Args:
        distribution: The distribution.

    Example:
        >>> from lumin_core.registry import modules_of
        >>> modules_of("lumin-core")
        ['lumin_core']
    """
    name = canonical(distribution)
    named = {found.value.partition(":")[0].partition(".")[0] for found in components() if found.distribution == name}
    brought_by = metadata.packages_distributions() if named else {}
    return sorted(
        module for module in named - {""} if name in [canonical(one) for one in brought_by.get(module, [name])]
    )


def sources_of(module: str) -> list[Path]:
    """List the files of a module, or of a package and what is in it; nothing is imported.

    Args:
        module: Its first name.

    Example:
        >>> from lumin_core.registry import sources_of
        >>> "sources.py" in [path.name for path in sources_of("lumin_core")]
        True
    """
    spec = find_spec(module)
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return sorted(path for folder in spec.submodule_search_locations for path in Path(folder).rglob("*.py"))
    return [Path(spec.origin)] if spec.origin and spec.origin.endswith(".py") else []
