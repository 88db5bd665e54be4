"""The plan of a fit: for each point, the callbacks' methods in the order listed.

pluggy validates and introspects; per fit its implementations are compiled once into plain tuples,
so that an empty point costs nothing. Only where a point has a wrapper
(``@lumin_core.hookimpl(wrapper=True)``) does pluggy's own loop run it.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from inspect import getattr_static
from typing import TYPE_CHECKING

import pluggy

from lumin_core.checks import did_you_mean, listed
from lumin_core.errors import HookError
from lumin_core.training.callback import CyclicCallback, LossCallback
from lumin_core.training.hookspecs import POINTS, LuminSpec, hookimpl
from lumin_core.training.metric import constructor_names

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from lumin_core.training.fit_params import FitParams

    Call = Callable[[FitParams], object]
    Calls = Mapping[str, tuple[Call, ...]]

_NOTE = "raised by the callback"
_AGREEMENTS = (CyclicCallback, LossCallback)
_ASKED = {"check_fit": (0, 1), "spans": (1,), "set_model": (1,), "state_dict": (0,), "load_state_dict": (1,)}
_COMMON = {"label"}  # a member that many have, and that by itself claims nothing


class HookPlan:
    """The compiled points of a list of callbacks.

    ``calls[point]`` is a tuple of functions of `fit_params`.

    Args:
        callbacks: Objects with ``on_*`` methods, in the order of calls. Wrappers
            enclose all others.

    Raises:
        HookError: If a method is no point or has another signature, a callback has no points or is
            listed twice, or it has some members of `CyclicCallback` or `LossCallback`, but not all.

    Example:
        >>> from lumin_core.training.hook_plan import HookPlan
        >>> class Typo:
        ...     def on_epoch_edn(self, fit_params): ...
        >>> HookPlan([Typo()])
        Traceback (most recent call last):
        lumin_core.errors.HookError: Typo.on_epoch_edn ...; did you mean 'on_epoch_end'...
    """

    def __init__(self, callbacks: Sequence[object]) -> None:
        self.manager = pluggy.PluginManager("lumin")
        self.manager.add_hookspecs(LuminSpec)
        if len({id(callback) for callback in callbacks}) < len(callbacks):
            raise HookError(f"a callback is listed twice in {list(callbacks)}; list it once, or make a second one")
        # pluggy calls last in first out: registered in reverse, the listed order holds for it too.
        for callback in reversed(callbacks):
            self.manager.register(_Points(callback), name=f"{_name(callback)} {id(callback)}")
        self.calls: Calls = {point: self._compile(point) for point in POINTS}

    def _compile(self, point: str) -> tuple[Call, ...]:
        hook = getattr(self.manager.hook, point)
        impls = hook.get_hookimpls()
        if any(impl.wrapper for impl in impls):
            return (lambda fit_params: hook(fit_params=fit_params),)
        # pluggy lists implementations in the reverse of the order of calls.
        return tuple(impl.function for impl in reversed(impls))


def acting(callbacks: Iterable[object], *points: str) -> str:
    """Name the callbacks that act at some points, for a message.

    Args:
        callbacks: Those of the fit.
        points: The points.

    Example:
        >>> from lumin_core import PredHandler
        >>> from lumin_core.training.hook_plan import acting
        >>> acting([PredHandler()], "on_pred_begin"), acting([PredHandler()], "on_fold_begin")
        ('PredHandler', 'none')
    """
    return listed(_name(callback) for callback in callbacks if any(hasattr(callback, point) for point in points))


def problem_of(callback: object) -> str | None:
    """Say why what a class builds cannot be a callback, or None.

    Args:
        callback: The class; what a function builds is not known.

    Example:
        >>> from lumin_core.training.hook_plan import problem_of
        >>> class Typo:
        ...     def on_epoch_edn(self): ...
        >>> print(problem_of(Typo))
        Typo.on_epoch_edn is no callback point; did you mean 'on_epoch_end' or 'on_epoch_begin'?
    """
    if not isinstance(callback, type) or _makes_points(callback):
        return None
    unbuilt = type(callback.__name__, (), {name: getattr_static(callback, name) for name in _points_in(callback)})()
    try:
        for point in _checked_points(unbuilt):
            _is_wrapper(getattr(unbuilt, point), f"{callback.__name__}.{point}")
    except HookError as error:
        return str(error)
    return _half_a_state(callback)


def _points_in(cls: type) -> list[str]:
    return [name for name in dir(cls) if name.startswith("on_")]


def _makes_points(cls: type) -> bool:
    """Tell whether points may be there only when an object is built."""
    named = constructor_names(cls)
    computed = any(isinstance(getattr_static(cls, name), property) for name in _points_in(cls))
    return computed or hasattr(cls, "__getattr__") or "setattr" in named or not named.isdisjoint(POINTS)


def _half_a_state(cls: type) -> str | None:
    halves = [name for name in ("state_dict", "load_state_dict") if callable(getattr(cls, name, None))]
    if len(halves) != 1:
        return None
    (other,) = {"state_dict", "load_state_dict"} - set(halves)
    return f"{cls.__name__} has {halves[0]}, but not {other}: a fit that goes on could not give its state back"


class _Points:
    """The points of one callback as pluggy takes them: checked, marked, and saying who raised."""

    def __init__(self, callback: object) -> None:
        for point in _checked_points(callback):
            method = getattr(callback, point)
            is_wrapper = _is_wrapper(method, f"{_name(callback)}.{point}")
            noted = _noting_wrapper if is_wrapper else noting
            setattr(self, point, hookimpl(noted(method, callback, point), wrapper=is_wrapper))
        for agreement in _AGREEMENTS:
            _check_members(callback, agreement)
        for name, numbers in _ASKED.items():
            _check_arguments(callback, name, numbers)


def _is_wrapper(method: Callable[..., object], place: str) -> bool:
    """Tell whether a point is a wrapper; other options of ``hookimpl`` are refused."""
    options = getattr(method, "lumin_impl", None) or {}
    if options.get("tryfirst") or options.get("trylast") or options.get("hookwrapper"):
        raise HookError(f"{place}: callbacks run in the order listed; of hookimpl's options only wrapper=True is taken")
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        raise HookError(f"{place}: it would never run, as the loop awaits nothing; write def in place of async def")
    is_wrapper = bool(options.get("wrapper"))
    if is_wrapper != inspect.isgeneratorfunction(method):
        raise HookError(
            f"{place}: a wrapper is marked @lumin_core.hookimpl(wrapper=True) "
            "and yields once, another callback does neither"
        )
    return is_wrapper


def _checked_points(callback: object) -> list[str]:
    """List the points of a callback.

    An unknown point, another signature, and an object without any are refused.
    """
    if isinstance(callback, type):
        raise HookError(
            f"{callback.__name__} is a class where a callback object was expected; pass {callback.__name__}(...)"
        )
    points = [name for name in dir(callback) if name.startswith("on_") and callable(getattr(callback, name))]
    for name in points:
        if name not in POINTS:
            raise HookError(f"{_name(callback)}.{name} is no callback point{did_you_mean(name, POINTS)}")
        parameters = _parameters(getattr(callback, name))
        names = [str(p.replace(annotation=p.empty)) for p in parameters]
        if names not in ([], ["fit_params"]) or any(p.kind is p.KEYWORD_ONLY for p in parameters):
            raise HookError(
                f"{_name(callback)}.{name} must take (self) or (self, fit_params), got ({', '.join(['self', *names])})"
            )
    if not points:
        raise HookError(f"{callback!r} has no callback point; a callback has at least one of {', '.join(POINTS)}")
    return points


def _check_members(callback: object, agreement: type) -> None:
    """Refuse a callback that has a part of an agreement: others would silently pass it over."""
    members = sorted(name for name in {*vars(agreement), *agreement.__annotations__} if not name.startswith("_"))
    there = [name for name in members if hasattr(callback, name)]
    if len(there) == len(members) or set(there) <= _COMMON:
        return
    lacking = [name for name in members if name not in there]
    raise HookError(
        f"{_name(callback)} has {', '.join(there)} of lumin_core.{agreement.__name__}, but lacks {', '.join(lacking)}, "
        "so that other callbacks would pass it over; add these, or rename those"
    )


def _check_arguments(callback: object, name: str, numbers: Sequence[int]) -> None:
    """Refuse a method beside the points that does not take as many arguments as it is handed."""
    method = getattr(callback, name, None)
    if not callable(method):
        return
    for number in numbers:
        with suppress(TypeError):
            inspect.signature(method).bind(*[None] * number)
            return
    raise HookError(
        f"{_name(callback)}.{name} must take {' or '.join(map(str, numbers))} argument(s) after self, got "
        f"{inspect.signature(method)}"
    )


def noting(method: Callable[..., object], callback: object, point: str) -> Call:
    """Add to any exception which callback raised it, and where."""
    takes_it = bool(_parameters(method))

    def call(fit_params: FitParams) -> None:
        try:
            method(fit_params) if takes_it else method()
        except Exception as error:
            error.add_note(f"{_NOTE} {_name(callback)} in {point}")
            raise
        except SystemExit as error:
            raise _exited(callback, point) from error

    return call


def _exited(callback: object, point: str) -> HookError:
    return HookError(
        f"the callback {_name(callback)} called sys.exit in {point}; raise an error that says why, or set "
        "fit_params.stop = True to end the training"
    )


def _noting_wrapper(
    method: Callable[..., Generator[None, object, object]], callback: object, point: str
) -> Callable[[FitParams], Generator[None, object, object]]:
    """Do the same for a wrapper.

    Exceptions of others pass through it too: these have their note.
    """
    takes_it = bool(_parameters(method))

    def call(fit_params: FitParams) -> Generator[None, object, object]:
        try:
            return (yield from (method(fit_params) if takes_it else method()))
        except Exception as error:
            if not any(note.startswith(_NOTE) for note in getattr(error, "__notes__", ())):
                error.add_note(f"{_NOTE} {_name(callback)} in {point}")
            raise
        except SystemExit as error:
            raise _exited(callback, point) from error

    return call


def _parameters(method: Callable[..., object]) -> list[inspect.Parameter]:
    return list(inspect.signature(method).parameters.values())


def _name(callback: object) -> str:
    return type(callback).__name__
