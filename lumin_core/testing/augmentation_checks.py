"""Checks of augmentations: of their generator alone, on inputs alone, and events stay in order."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.data.augmentation import Augmentation, Fold
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.testing import samples
from lumin_core.testing.layer_checks import expect_unchanged_streams
from lumin_core.testing.outcome import CheckFailed, NotApplicable
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lumin_core.testing.subject import Subject

    Array = np.ndarray[Any, Any]

_N_EVENTS = 8


def check_augmentation_fold(subject: Subject) -> None:
    """`train` and `test` return a fold, with inputs, targets and weights."""
    for what, fold in _all(subject):
        if not isinstance(fold, dict) or not {"inputs", "targets", "weights"} <= fold.keys():
            raise CheckFailed(f"expected {what} to return the fold, got {type(fold).__name__}; end with return fold")


def check_augmentation_shape(subject: Subject) -> None:
    """Columns, types and the number of events stay, and what is finite stays so."""
    stored = _fold()
    for what, fold in _all(subject):
        for name, before, now in _pairs(stored, fold):
            if now.dtype != before.dtype or now.shape != before.shape:
                raise CheckFailed(
                    f"expected {name} as {before.dtype} of shape {before.shape} from {what}, got {now.dtype} of "
                    f"{now.shape}; change values in place, fold.column('tau_pz')[:] = ..."
                )
            if (np.isnan(now) != np.isnan(before)).any() or np.isinf(now).any():
                raise CheckFailed(
                    f"expected finite {name} where they were, and NaN for what is missing, but not so from {what}; "
                    "what is missing stays missing"
                )


def check_augmentation_generator(subject: Subject) -> None:
    """In training the generator that is given decides alone: one seed, one result."""
    one, again, other = (_trained(subject, seed) for seed in (1, 1, 2))
    if not _equal(one, again):
        raise CheckFailed(
            "expected the same events from train(fold, rng) for one seed, got others; draw all from rng, and nothing "
            "from np.random, random, torch or a generator of your own"
        )
    if _equal(one, other) and not _equal(one, _fold()):
        raise CheckFailed("expected other events for another seed of rng, got the same; draw from the rng of the call")


def check_augmentation_streams(subject: Subject) -> None:
    """The global generators of numpy and random are not drawn from."""
    expect_unchanged_streams(lambda: list(_all(subject)), "the rng that is given", "rng.uniform(...)")


def check_augmentation_views(subject: Subject) -> None:
    """A view, `test(fold, i)`, is the same in every prediction."""
    augmentation = subject.make()
    for i in range(augmentation.n_test):
        one, again = (augmentation.test(_fold(), i) for _ in range(2))
        if not _equal(one, again):
            raise CheckFailed(
                f"expected the view {i} to be the same in every prediction, got others; draw from a generator of a "
                "fixed seed: lumin_core.seeds.stream(0, 'my_augmentation', idx)"
            )


def check_augmentation_order(subject: Subject) -> None:
    """A view keeps the number and order of the events, and mixes none with others."""
    augmentation, other = subject.make(), _fold()
    other.flat[0] *= 2
    for i in range(augmentation.n_test):
        one, changed = augmentation.test(_fold(), i), augmentation.test(copy.deepcopy(other), i)
        if len(one["targets"]) != _N_EVENTS or len(one.flat) != _N_EVENTS:
            raise CheckFailed(f"expected the same {_N_EVENTS} events in the view {i}, got {len(one.flat)}")
        moved = (one.flat != changed.flat) & ~(np.isnan(one.flat) & np.isnan(changed.flat))
        if np.delete(moved.any(1), 0).any():
            raise CheckFailed(
                f"expected that the first event of a fold is the first of the view {i}, and of no influence on others, "
                f"but with it the events {np.flatnonzero(moved.any(1)).tolist()} change; leave the order as it is: "
                "predictions of the views are averaged row by row"
            )


def check_augmentation_different_views(subject: Subject) -> None:
    """Several views differ, and one of them is the events as they are."""
    augmentation = subject.make()
    if augmentation.n_test == 1:
        raise NotApplicable("it has one view (n_test = 1)")
    views = [augmentation.test(_fold(), i) for i in range(augmentation.n_test)]
    if any(_equal(views[i], views[j]) for i in range(len(views)) for j in range(i)):
        raise CheckFailed(f"expected {len(views)} different views, two are the same; lower n_test, or use idx")
    if not any(_equal(view, _fold()) for view in views):
        raise CheckFailed(
            f"expected the events as they are stored among the {len(views)} views, got them changed in each; let "
            "test(fold, 0) return the fold as it is"
        )


def check_augmentation_targets(subject: Subject) -> None:
    """Weights stay as they are, and targets unless an option names some that turn, too."""
    stored = _fold()
    for what, fold in _all(subject):
        for name in ("targets", "weights"):
            if not np.array_equal(fold[name], stored[name]):
                raise CheckFailed(
                    f"expected the {name} unchanged, but {what} changed them; an augmentation changes the inputs of an "
                    "event, and keeps its place"
                )


def check_augmentation_file(subject: Subject) -> None:
    """Given to a yielder it leaves the file as it is, and one epoch is always the same."""
    with samples.fold_yielder() as plain:
        path = plain.foldfile
    before = path.read_bytes()
    with FoldYielder(path, augmentations=[subject.make()], seed=1) as fy:
        one, again = fy.get_train_fold(0, 1), fy.get_train_fold(0, 1)
        views = [fy.get_test_fold(0, i) for i in range(fy.aug_mult)]
    if path.read_bytes() != before:
        raise CheckFailed(
            "expected the fold file untouched, but its bytes changed; change the fold that is given alone"
        )
    is_same = np.array_equal(one["inputs"], again["inputs"])
    if not is_same or any(len(view["targets"]) != samples.N_EVENTS for view in views):
        raise CheckFailed("expected one epoch to be the same whenever it is asked for; keep nothing between calls")


def _all(subject: Subject) -> Iterator[tuple[str, Any]]:
    """Give what comes of training and of each view."""
    yield "train(fold, rng)", _trained(subject, 1)
    augmentation = subject.make()
    for i in range(augmentation.n_test):
        yield f"test(fold, {i})", augmentation.test(_fold(), i)


def _trained(subject: Subject, seed: int) -> Any:
    augmentation: Augmentation = subject.make()
    return augmentation.train(_fold(), np.random.default_rng(seed))


def _fold() -> Fold:
    """Return a fold of the samples in which the last event lacks an object."""
    flat = samples.flat(_N_EVENTS).numpy()
    flat[-1, [samples.CONT_FEATS.index(f"jet_{feat}") for feat in samples.FEATS_PER_VEC]] = np.nan
    data = {
        "inputs": flat,
        "targets": samples.targets(_N_EVENTS).numpy(),
        "weights": samples.weights(_N_EVENTS).numpy(),
    }
    names = [*samples.CONT_FEATS, *samples.CAT_FEATS]
    return Fold(data, input_feats=names, targ_feats=["target"], n_cont=len(samples.CONT_FEATS))


def _pairs(one: Fold, other: Any) -> Iterator[tuple[str, Array, Array]]:
    for name in ("inputs", "targets", "weights"):
        yield name, np.asarray(one[name]), np.asarray(other[name])


def _equal(one: Fold, other: Fold) -> bool:
    return all(np.array_equal(mine, theirs, equal_nan=True) for _, mine, theirs in _pairs(one, other))


CHECKS = tuple(
    Check(function)
    for function in (
        check_augmentation_fold,
        check_augmentation_shape,
        check_augmentation_generator,
        check_augmentation_streams,
        check_augmentation_views,
        check_augmentation_order,
        check_augmentation_different_views,
        check_augmentation_targets,
        check_augmentation_file,
    )
)
