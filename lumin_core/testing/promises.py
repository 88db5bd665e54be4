"""A check: a promise, and the function that looks whether it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lumin_core.testing.subject import Subject


@dataclass(frozen=True, slots=True)
class Check:
    """A promise of a kind, and the function that looks at it.

    Attributes:
        function: Takes a subject, and raises `CheckFailed` or `NotApplicable`.
        since: The version of the checks with which it came, see ``lumin_core.PLUGIN_API``.
        is_slow: Whether it is run only where all is asked for.

    Example:
        >>> from lumin_core.testing import Check
        >>> def check_dish_is_hot(subject):
        ...     "A dish is hot."
        >>> check = Check(check_dish_is_hot)
        >>> check.name, check.promise
        ('check_dish_is_hot', 'A dish is hot.')
    """

    function: Callable[[Subject], None]
    since: int = 1
    is_slow: bool = False

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.function.__name__

    @property
    def promise(self) -> str:
        """What a component promises, in a line: the docstring of the function."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]
