"""Checks of transforms: an inverse, missing values that stay missing, and plain values."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.errors import LuminError
from lumin_core.testing.outcome import CheckFailed, NotApplicable
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from lumin_core.data.transforms import Transform
    from lumin_core.testing.subject import Subject

    Array = np.ndarray[Any, Any]


_INTERPOLATED = 0.05  # of the spread: quantiles of weighted events lie between two of them


def events(*, with_nan: bool = False) -> Array:
    """Return features as data have them: of several scales, positive, shape ``(200, 3)``."""
    rng = np.random.default_rng(1)
    x = rng.gamma(2.0, 1.0, size=(200, 3)) * [1.0, 50.0, 0.01] + [0.1, 1.0, 0.001]
    if with_nan:
        x[::7, 1] = np.nan
    return x


def fitted(subject: Subject, x: Array | None = None) -> Transform:
    """Return a transform that learned from the events."""
    transform: Transform = subject.make()
    return transform.fit(events() if x is None else x)


def check_transform_inverse(subject: Subject) -> None:
    """`inverse_transform` undoes `transform`."""
    transform, x = fitted(subject), events()
    back = transform.inverse_transform(transform.transform(x.copy()))
    if back.shape != x.shape or not np.allclose(back, x, rtol=1e-4, atol=1e-5 * np.abs(x).max(0)):
        raise CheckFailed(
            f"expected inverse_transform(transform(x)) to be x, {x[0]}, got {np.asarray(back)[0]}; undo the steps in "
            "the reverse order, with what fit learned"
        )


def check_transform_missing(subject: Subject) -> None:
    """A missing value (NaN) stays missing, there and back, and the others are as without it."""
    x = events(with_nan=True)
    try:
        transform = fitted(subject, x.copy())
        there = transform.transform(x.copy())
    except LuminError as error:
        raise NotApplicable(f"it refuses missing values: {error}") from error
    back = transform.inverse_transform(there.copy())
    for what, values in (("transform", there), ("inverse_transform", back)):
        if values.shape == x.shape and not np.array_equal(np.isnan(values), np.isnan(x)):
            raise CheckFailed(
                f"expected NaN where the input is NaN and nowhere else, got {int(np.isnan(values).sum())} from {what} "
                f"for {int(np.isnan(x).sum())}; use np.nanmean and the like in fit, and leave NaN alone"
            )


def check_transform_input_unchanged(subject: Subject) -> None:
    """The arrays that are given stay as they are."""
    x = events()
    transform = fitted(subject, x)
    there = transform.transform(x)
    kept = there.copy()
    transform.inverse_transform(there)
    for what, now, before in (("fit or transform", x, events()), ("inverse_transform", there, kept)):
        if not np.array_equal(now, before):
            raise CheckFailed(f"expected the input unchanged, but {what} changed it; work on a copy, x = x * factor")


def check_transform_config(subject: Subject) -> None:
    """`to_config` after `fit` is plain values, of which `from_config` makes the same."""
    transform, x = fitted(subject), events()
    config = transform.to_config()
    try:
        stored = json.loads(json.dumps(config))
    except TypeError as error:
        raise CheckFailed(f"expected plain values from to_config, got {error}; use tolist() and float()") from error
    try:
        restored = type(transform).from_config(stored)
        one, other = transform.transform(x), restored.transform(x)
    except Exception as error:
        raise CheckFailed(
            f"expected from_config(to_config()) to work as the transform itself, got {type(error).__name__}: {error}; "
            "put what fit learned into the config, and take it back"
        ) from error
    if not np.array_equal(one, other):
        raise CheckFailed(
            f"expected from_config(to_config()) to give the same, {one[0]}, got {other[0]}; put what fit learned into "
            "the config, and take it back"
        )


def check_transform_rows(subject: Subject) -> None:
    """Events that are transformed in pieces come out as all at once."""
    transform, x = fitted(subject), events()
    whole = transform.transform(x.copy())
    pieces = np.concatenate([transform.transform(x[i : i + 50].copy()) for i in range(0, len(x), 50)])
    if not np.allclose(whole, pieces, rtol=1e-6, atol=1e-9):
        raise CheckFailed(
            f"expected each event transformed by itself, {whole[-1]} at once, got {pieces[-1]} in pieces; learn in "
            "fit alone, and compute nothing over the rows in transform"
        )


def check_transform_pieces(subject: Subject) -> None:
    """What is learned in pieces by `partial_fit` equals what is learned at once."""
    transform: Any = subject.make()
    if not hasattr(transform, "partial_fit"):
        raise NotApplicable("it has no partial_fit")
    x = events()
    for i in range(0, len(x), 50):
        transform = transform.partial_fit(x[i : i + 50])
    one, other = fitted(subject).transform(x), transform.transform(x)
    if not np.allclose(one, other, rtol=1e-6, atol=1e-9):
        raise CheckFailed(
            f"expected partial_fit piece by piece to learn what fit learns, {one[0]}, got {other[0]}; keep sums and "
            "numbers of events, not means of means"
        )


def check_transform_weights(subject: Subject) -> None:
    """Where `fit` takes weights, zero is no event, and three the event three times."""
    if "sample_weight" not in inspect.signature(type(subject.make()).fit).parameters:
        raise NotApplicable("fit takes no sample_weight")
    x = events()
    is_some, is_heavy = np.arange(len(x)) % 4 > 0, x[:, 0] > np.median(x[:, 0])
    for weights, rows, tolerance, what in (
        (is_some * 1.0, x[is_some], 1e-6, "an event of weight zero to be none"),
        (1.0 + 2 * is_heavy, np.repeat(x, 1 + 2 * is_heavy, axis=0), _INTERPOLATED, "weight three to be three events"),
    ):
        weighted: Any = subject.make()
        one, other = weighted.fit(x, sample_weight=weights).transform(x), fitted(subject, rows).transform(x)
        if np.quantile(np.abs(one - other), 0.9) > tolerance * other.std():
            raise CheckFailed(
                f"expected {what}, {other[0]}, got {one[0]}; take the weights in every mean, deviation and quantile"
            )


CHECKS = tuple(
    Check(function)
    for function in (
        check_transform_inverse,
        check_transform_missing,
        check_transform_input_unchanged,
        check_transform_config,
        check_transform_rows,
        check_transform_pieces,
        check_transform_weights,
    )
)
