"""Components: what the registry knows of one before it is imported, and those of the session.

They are dataclasses and not attrs classes: importing attrs would cost a fifth of the start-up of
``lumin list-plugins``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lumin_core.errors import BrokenPlugin, LuminError
from lumin_core.lazy import imported
from lumin_core.registry.names import normalise

_FOR_USERS = "repair or uninstall that distribution, or switch it off with LUMIN_DISABLE_PLUGINS"
_FOR_AUTHORS = "mend the module, or the entry point in pyproject.toml, and install again: pip install -e ."


@dataclass(frozen=True, slots=True)
class Component:
    """One named thing that can be built: from a plugin's metadata, or registered in the session.

    Attributes:
        kind: Its kind in the singular, ``"head"``; ``"kind"`` for a plugin's declaration of a kind,
            ``"plugin"`` for a distribution whose metadata cannot be read, or what stands in a group
            that there is not.
        name: The name in its distribution, in snake case.
        qualified: The name with its origin, ``"tabular/cat_emb_head"``; no other component of
            the kind has it.
        distribution: Name of the distribution, ``"lumin-plugin-tabular"``; ``"session"`` for a
            registered one.
        version: The distribution's version.
        value: Where it lives, ``"module:attribute"``.
        problem: Why it cannot be used, or None.

    Example:
        >>> from lumin_core.registry import find
        >>> find("optimiser", "adam").value
        'torch.optim:Adam'
    """

    kind: str
    name: str
    qualified: str
    distribution: str
    version: str | None
    value: str
    problem: str | None = None
    error: type[LuminError] = field(default=BrokenPlugin, repr=False, compare=False)
    obj: object = field(default=None, repr=False, compare=False)

    @property
    def key(self) -> str:
        """The form of the name in which it is compared."""
        return normalise(self.name)

    def load(self) -> Any:
        """Import the component and return what its entry point names.

        That is a class, a function or a partial.

        Raises:
            BrokenPlugin: If the module cannot be imported or has no such attribute; chained.
            IncompatiblePlugin: If the plugin asks for another version of lumin-core.

        Example:
            >>> from lumin_core.registry import find
            >>> find("optimiser", "adam").load().__name__
            'Adam'
        """
        if self.problem is not None:
            raise self.error(f"the {self.kind} {self.qualified!r} cannot be used: {self.problem}")
        if self.obj is not None:
            return self.obj
        return load_object(self.value, f"the {self.kind} {self.qualified!r} of {self.distribution} {self.version}")


_session: dict[tuple[str, str], Component] = {}


def session() -> dict[tuple[str, str], Component]:
    """Return the session's registrations by kind and compared name.

    Example:
        >>> from lumin_core.registry.component import session
        >>> ("head", "nosuchhead") in session()
        False
    """
    return _session


def load_object(value: str, what: str) -> object:
    """Import ``"module:attribute"``.

    Args:
        value: Where the object is.
        what: What it is, for the message.

    Raises:
        BrokenPlugin: If the module cannot be imported, would end the process, or has no such
            attribute; chained.

    Example:
        >>> from lumin_core.registry.component import load_object
        >>> load_object("math:pi", "a number")
        3.141592653589793
    """
    module, _, attributes = value.partition(":")
    try:
        found: object = imported(module)
        for attribute in attributes.split("."):
            found = getattr(found, attribute)
    except KeyboardInterrupt:  # which may be the user's Ctrl-C
        raise
    except BaseException as error:  # not only Exceptions are raised: sys.exit(), pytest.skip()
        raise BrokenPlugin(f"{what} cannot be loaded from {value}: {_cause(error)}; {_FOR_USERS}") from error
    return found


def for_authors(text: str) -> tuple[str, str]:
    """Say to the author of a plugin, rather than to its user, what to do where it cannot be loaded.

    Args:
        text: What is said to the user.

    Returns:
        What is wrong, and what the author does; nothing where the text is of something else.

    Example:
        >>> from lumin_core.registry import for_authors
        >>> for_authors("it is too wide")
        ('it is too wide', '')
    """
    cause, found, _ = text.partition(f"; {_FOR_USERS}")
    return cause, _FOR_AUTHORS if found else ""


def _cause(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"its module calls sys.exit({'' if error.code is None else repr(error.code)}) when it is imported"
    return f"{type(error).__name__}: {error}"
