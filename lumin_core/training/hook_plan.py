"""The plan of a fit: for each point, the callbacks' methods in the order listed.

pluggy validates and introspects; per fit its implementations are compiled once into plain tuples, so that an empty point
costs nothing. Only where a point has a wrapper (``@lumin_core.hookimpl(wrapper=True)``) does pluggy's own loop run it.
"""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Any

import pluggy

from lumin_core.errors import HookError
from lumin_core.training.hookspecs import POINTS, LuminSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lumin_core.training.fit_params import FitParams

    Call = Callable[[FitParams], Any]


class HookPlan:
    """The compiled points of a list of callbacks.

    ``calls[point]`` is a tuple of functions of `fit_params`.

    Args:
        callbacks: Objects with ``on_*`` methods, in the order in which they are to be called. Wrappers enclose all others.

    Raises:
        HookError: If a method is no point or has another signature, or a callback has no points, or is listed twice.

    Example:
        >>> from lumin_core.training.hook_plan import HookPlan
        >>> class Typo:
        ...     def on_epoch_edn(self, fit_params): ...
        >>> HookPlan([Typo()])
        Traceback (most recent call last):
        lumin_core.errors.HookError: Typo.on_epoch_edn is no callback point; did you mean on_epoch_end?
    """

    def __init__(self, callbacks: Sequence[Any]) -> None:
        self.manager = pluggy.PluginManager("lumin")
        self.manager.add_hookspecs(LuminSpec)
        if len({id(callback) for callback in callbacks}) < len(callbacks):
            raise HookError(f"a callback is listed twice in {list(callbacks)}; list it once, or make a second one")
        # pluggy calls last in first out: registered in reverse, the listed order holds for it too.
        for callback in reversed(callbacks):
            self.manager.register(_Points(callback), name=f"{_name(callback)} {id(callback)}")
        self.calls: dict[str, tuple[Call, ...]] = {point: self._compile(point) for point in POINTS}

    def _compile(self, point: str) -> tuple[Call, ...]:
        hook = getattr(self.manager.hook, point)
        impls = hook.get_hookimpls()
        if any(impl.wrapper for impl in impls):
            return (lambda fit_params: hook(fit_params=fit_params),)
        # pluggy lists implementations in the reverse of the order of calls.
        return tuple(impl.function for impl in reversed(impls))


class _Points:
    """The points of one callback as pluggy takes them: checked, marked, and saying who raised."""

    def __init__(self, callback: Any) -> None:
        for point in _checked_points(callback):
            method = getattr(callback, point)
            options = getattr(method, "lumin_impl", None) or {}
            if options.get("tryfirst") or options.get("trylast") or options.get("hookwrapper"):
                raise HookError(
                    f"{_name(callback)}.{point}: callbacks run in the order listed; "
                    "of hookimpl's options only wrapper=True is taken"
                )
            setattr(self, point, method if options.get("wrapper") else hookimpl(_noting(method, callback, point)))


def _checked_points(callback: Any) -> list[str]:
    """List the points of a callback; refuse what is no callback: an unknown point, another signature, no point at all."""
    if isinstance(callback, type):
        raise HookError(f"{callback.__name__} is a class where a callback object was expected; pass {callback.__name__}(...)")
    points = [name for name in dir(callback) if name.startswith("on_") and callable(getattr(callback, name))]
    for name in points:
        if name not in POINTS:
            close = difflib.get_close_matches(name, POINTS, 1)
            hint = f"did you mean {close[0]}?" if close else f"the points are {', '.join(POINTS)}"
            raise HookError(f"{_name(callback)}.{name} is no callback point; {hint}")
        names = [str(p) for p in inspect.signature(getattr(callback, name)).parameters.values()]
        if [n.split(":")[0].strip() for n in names] not in ([], ["fit_params"]):
            raise HookError(
                f"{_name(callback)}.{name} must take (self) or (self, fit_params), got ({', '.join(['self', *names])})"
            )
    if not points:
        raise HookError(f"{callback!r} has no callback point; a callback has at least one of {', '.join(POINTS)}")
    return points


def _noting(method: Any, callback: Any, point: str) -> Call:
    """Add to any exception which callback raised it, and where."""
    takes_params = bool(inspect.signature(method).parameters)

    def call(fit_params: FitParams) -> None:
        try:
            if takes_params:
                method(fit_params)
            else:
                method()
        except Exception as error:
            error.add_note(f"raised by the callback {_name(callback)} in {point}")
            raise

    return call


def _name(callback: Any) -> str:
    return type(callback).__name__
