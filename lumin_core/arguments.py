"""Arguments of the functions that users call: unknown, missing, or of another sort."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from lumin_core.checks import nearest, with_article
from lumin_core.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_LONGEST = 80  # characters of what is shown itself

_P = ParamSpec("_P")
_R = TypeVar("_R")

_WAYS_OUT = {
    "FoldYielder": "FoldYielder(path) opens a fold file; df2foldfile(df, ...) writes a data frame as one",
    "ModelBuilder": "ModelBuilder.from_fy(fy, objective) makes one, and model.model_builder is that of a model",
    "Model": "Model(model_builder) makes one, Model.from_save(path) loads one",
    "Results": "train_models returns them, Results.load(folder) reads those of a run",
    "CatEmbedder": "CatEmbedder(names, sizes) or CatEmbedder.from_fy(fy) makes one",
}
_TAKEN_ELSEWHERE = {
    "lr": "a builder takes it: ModelBuilder.from_fy(fy, objective, opt_args={'lr': ...})",
    "optimizer": "a builder takes it: ModelBuilder.from_fy(fy, objective, opt_args={'opt': ...})",
    "bs": "a training takes it: Model(builder).fit(n_epochs, fy, bs), train_models(fy, n_models, bs, ...)",
    "n_epochs": "a training takes it: Model(builder).fit(n_epochs, fy, bs), train_models(..., n_epochs=...)",
    "patience": "a callback takes it: {'name': 'early_stopping', 'patience': ...}",
    "y_range": "a tail takes it: tail={'name': 'class_reg_multi', 'y_range': (low, high)}",
    "width": "a body takes it: body={'name': 'fully_connected', 'width': ...}",
    "depth": "a body takes it: body={'name': 'fully_connected', 'depth': ...}",
    "do": "a body takes it: body={'name': 'fully_connected', 'do': ...}",
    "act": "a body takes it: body={'name': 'fully_connected', 'act': ...}",
    "loss": "a builder takes it: ModelBuilder.from_fy(fy, objective, loss=...)",
    "verbose": "logging says what is going on: logging.basicConfig(level='INFO')",
}
"""What a builder, a block or a callback takes, and is asked of another."""


def explained(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let a function that users call say which of its arguments was meant; as a decorator.

    A call that fits passes untouched.

    Args:
        function: The function.

    Example:
        >>> from lumin_core.arguments import explained
        >>> @explained
        ... def train(bs: int) -> int:
        ...     return bs
        >>> train(batch_size=3)
        Traceback (most recent call last):
        ...
        lumin_core.errors.ArgumentError: train has no argument 'batch_size'; did you mean 'bs'?
    """

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            if isinstance(error, ArgumentError) or (wrong := _misfit(function, args, kwargs)) is None:
                raise
        raise ArgumentError(wrong)

    return call


def expect(given: object, wanted: type, name: str) -> None:
    """Refuse an argument of another sort.

    Args:
        given: What came.
        wanted: Its class.
        name: The argument.

    Raises:
        ArgumentError: Saying what came, and what makes one.

    Example:
        >>> from lumin_core.arguments import expect
        >>> from lumin_core import FoldYielder
        >>> expect("train.hdf5", FoldYielder, "fy")
        Traceback (most recent call last):
        lumin_core.errors.ArgumentError: fy must be a FoldYielder, got 'train.hdf5'; ...
    """
    if not isinstance(given, wanted):
        way_out = f"; {_WAYS_OUT[wanted.__name__]}" if wanted.__name__ in _WAYS_OUT else ""
        raise ArgumentError(f"{name} must be a {wanted.__name__}, got {came(given)}{way_out}")


def came(given: object) -> str:
    """Name what came in a message: itself where that is short, else what it is.

    Args:
        given: Anything.

    Example:
        >>> from lumin_core.arguments import came
        >>> came("adam"), came(list(range(100)))
        ("'adam'", 'a list')
    """
    shown, name = repr(given), type(given).__name__
    is_short = len(shown) < _LONGEST and "\n" not in shown
    return shown if is_short else with_article(name)


def _misfit(function: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object]) -> str | None:
    """Say why arguments do not fit a function; nothing where they do."""
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        names = [name for name in signature.parameters if name not in ("self", "cls")]
        if unknown := [name for name in kwargs if name not in names]:
            return f"{_called(function, args)} has no argument {unknown[0]!r}{_meant(unknown[0], names)}"
        return f"{_called(function, args)}: {error}; its arguments are {', '.join(names)}"
    return None


def _meant(name: str, names: Sequence[str]) -> str:
    if near := nearest(name, names):
        return f"; did you mean {' or '.join(map(repr, near))}?"
    where = nearest(name, _TAKEN_ELSEWHERE)[:1]
    return f"; {_TAKEN_ELSEWHERE[where[0]]}" if where else f"; its arguments are {', '.join(names)}"


def _called(function: Callable[..., object], args: Sequence[object]) -> str:
    """Return what a function is called: a constructor by the class of what it makes."""
    if "." not in function.__qualname__ or not args:
        return function.__qualname__
    owner = args[0].__name__ if isinstance(args[0], type) else type(args[0]).__name__
    return owner if function.__name__ == "__init__" else f"{owner}.{function.__name__}"
