"""Augmentation: copies of events that physics holds to be equally likely.

An augmentation is a component, given to the yielder, and any number compose. In training each draws
its own random numbers for every fold and epoch. In prediction it has ``n_test`` fixed variants,
over which the model's outputs are averaged; the variants of several augmentations multiply.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lumin_core import registry
from lumin_core.checks import as_list, did_you_mean, is_positive, nearest, positive
from lumin_core.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lumin_core.data.transforms import Pipe


class Fold(dict[str, Any]):
    """One fold, as augmentations see it.

    It holds what is stored, with all columns, so that vectors are whole. The keys are ``inputs``,
    an array ``(n, n_cont + n_cat)`` or ``(flat, matrix)``, ``targets`` and ``weights``. Ignored
    features are still there, and missing values are still NaN: a zero may be a value like any other
    once inputs are standardised. Both are taken out afterwards.

    Args:
        data: The arrays.
        input_feats: Names of the columns of flat inputs.
        targ_feats: Names of the columns of targets.
        matrix_feats: What the matrix holds; see `lumin_core.data.matrix_entry`.
        n_cont: Number of continuous features, the first of the inputs; by default all.
        get_pipes: Function from ``"inputs"``, ``"targets"`` or ``"matrix"`` to the preprocessing's
            steps; see `pipes`.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.augmentation import Fold
        >>> data = {"inputs": np.array([[1.0, 2.0]]), "targets": np.ones((1, 1)), "weights": None}
        >>> Fold(data, input_feats=["met_px", "met_py"], targ_feats=["y"]).column("met_py")
        array([2.])
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        *,
        input_feats: Sequence[str] = (),
        targ_feats: Sequence[str] = (),
        matrix_feats: Mapping[str, Any] | None = None,
        n_cont: int | None = None,
        get_pipes: Callable[[str], list[Pipe]] | None = None,
    ) -> None:
        super().__init__(data)
        self.input_feats = list(input_feats)
        self.targ_feats = list(targ_feats)
        self.matrix_feats = matrix_feats
        self.n_cont = len(self.input_feats) if n_cont is None else n_cont
        self._get_pipes = get_pipes

    @property
    def flat(self) -> np.ndarray:
        """Flat inputs, shape ``(n, n_cont + n_cat)``."""
        inputs = self["inputs"]
        flat: np.ndarray = inputs[0] if isinstance(inputs, tuple) else inputs
        return flat

    @property
    def matrix(self) -> np.ndarray | None:
        """Matrix, shape ``(n, ...)``, all that is missing NaN; or ``None``."""
        inputs = self["inputs"]
        return inputs[1] if isinstance(inputs, tuple) else None

    def pipes(self, part: str) -> list[Pipe]:
        """Return the preprocessing of the stored values; see `FoldYielder.get_pipes`.

        They are built when they are asked for, and no sooner: a file can be read without the plugin
        that has them.

        Args:
            part: ``"inputs"``, whose steps take all continuous features; ``"targets"``; or
                ``"matrix"``, whose steps take the existing columns of the flattened matrix.

        Returns:
            Objects with ``transform`` and ``inverse_transform``, in their order; none where
            nothing is recorded.

        Raises:
            UnknownComponent: If the plugin of a stored one is not installed.
        """
        return [] if self._get_pipes is None else self._get_pipes(part)

    def column(self, name: str) -> np.ndarray:
        """Return a column of flat inputs or targets, shape ``(n,)``.

        It is a view, so that writing to it changes the fold.

        Raises:
            ConfigError: If there is no such column.
        """
        if name in self.input_feats:
            return self.flat[:, self.input_feats.index(name)]
        if name in self.targ_feats:
            column: np.ndarray = self["targets"][:, self.targ_feats.index(name)]
            return column
        hint = did_you_mean(
            name, self.input_feats if nearest(name, self.input_feats) else [*self.input_feats, *self.targ_feats]
        )
        raise ConfigError(f"the augmentation needs the column {name!r}, which the fold does not have{hint}")


class Augmentation(ABC):
    """Base of augmentations (kind ``augmentations``).

    A subclass defines `train`, and for variants in prediction sets `n_test` and defines `test`. The
    fold's arrays were read for this call alone and may be changed in place.

    Attributes:
        n_test: Number of variants in prediction; 1, the default, is the event as it is stored.

    Example:
        >>> import numpy as np
        >>> from lumin_core import Augmentation
        >>> class FlipZ(Augmentation):
        ...     n_test = 2
        ...     def train(self, fold, rng):
        ...         fold.column("tau_pz")[:] *= rng.choice([-1, 1], len(fold.flat))
        ...         return fold
        ...     def test(self, fold, idx):
        ...         fold.column("tau_pz")[:] *= (1, -1)[idx]
        ...         return fold
        >>> FlipZ().n_test
        2
    """

    kind: ClassVar[str] = "augmentation"
    n_test: int = 1

    @abstractmethod
    def train(self, fold: Fold, rng: np.random.Generator) -> Fold:
        """Augment a fold for training.

        Args:
            fold: All its columns; may be changed.
            rng: Where all randomness comes from: the same for the same seed, epoch, fold and
                place in the chain.

        Returns:
            The fold, with the same number of columns; other events or weights are allowed.
        """

    def test(self, fold: Fold, idx: int) -> Fold:
        """Give one variant for prediction.

        Args:
            fold: All its columns; may be changed.
            idx: Which variant, ``0`` to ``n_test - 1``.

        Returns:
            The fold, with the same events in the same order.
        """
        return fold


def problem_of(augmentation: object) -> str | None:
    """Say why what a class builds cannot be an augmentation, or None.

    Args:
        augmentation: The class.

    Example:
        >>> from lumin_core.data.augmentation import Augmentation, problem_of
        >>> class Flip(Augmentation):
        ...     n_test = 2
        ...     def train(self, fold, rng): ...
        >>> problem_of(Flip)
        'Flip has 2 variants in prediction (n_test), but no test(fold, idx) that gives them'
    """
    n_test = getattr(augmentation, "n_test", 1)
    if not isinstance(augmentation, type) or isinstance(n_test, property):
        return None
    if not is_positive(n_test):
        return f"{augmentation.__name__}.n_test must be a positive integer, got {n_test!r}"
    if n_test.__index__() > 1 and getattr(augmentation, "test", None) is Augmentation.test:
        what = f"{augmentation.__name__} has {n_test} variants in prediction (n_test)"
        return f"{what}, but no test(fold, idx) that gives them"
    return None


def build_all(augmentations: object) -> list[Augmentation]:
    """Build augmentations from names, dicts, classes, partials or instances.

    One alone is a list of one.

    Raises:
        ConfigError: If one has no variant at all.

    Example:
        >>> from lumin_core.data.augmentation import build_all
        >>> build_all(None)
        []
    """
    specs = as_list(augmentations)
    built = [spec if isinstance(spec, Augmentation) else registry.build("augmentation", spec) for spec in specs]
    for augmentation in built:
        positive(augmentation.n_test, f"{type(augmentation).__name__}.n_test")
    return built


def count_variants(augmentations: Iterable[Augmentation]) -> int:
    """Give the number of variants of augmentations together.

    Example:
        >>> from lumin_core.data.augmentation import count_variants
        >>> count_variants([])
        1
    """
    return math.prod(augmentation.n_test for augmentation in augmentations)


def augment(fold: Fold, augmentations: Iterable[Augmentation], make_rng: Callable[[int], np.random.Generator]) -> Fold:
    """Let each augmentation change a fold for training.

    Args:
        fold: May be changed.
        augmentations: In their order.
        make_rng: Function from the place of an augmentation to its random numbers.

    Raises:
        ConfigError: If one returns something else than a fold.
    """
    for place, augmentation in enumerate(augmentations):
        fold = _run(augmentation, augmentation.train, fold, make_rng(place))
    return fold


def vary(fold: Fold, augmentations: Sequence[Augmentation], idx: int) -> Fold:
    """Return one variant of a fold for prediction.

    Args:
        fold: May be changed.
        augmentations: In their order.
        idx: Which variant, as for `split_variant`.

    Raises:
        ConfigError: If there is none, or an augmentation returns something else than a fold.
        ShapeError: If one returns more or fewer events.
    """
    for augmentation, variant in zip(augmentations, split_variant(augmentations, idx), strict=True):
        n = len(fold.flat)
        fold = _run(augmentation, augmentation.test, fold, variant)
        if len(fold.flat) != n:
            what = f"{type(augmentation).__name__}.test"
            raise ShapeError(f"{what} must return the same {n} events in their order, got {len(fold.flat)}")
    return fold


def _run(augmentation: Augmentation, run: Callable[[Fold, Any], object], fold: Fold, given: object) -> Fold:
    """Let an augmentation change a fold, or fill it from a plain dict; what is wrong names it."""
    name = type(augmentation).__name__
    try:
        changed = run(fold, given)
    except Exception as error:
        error.add_note(f"Raised by the augmentation {name}")
        raise
    if not isinstance(changed, dict) or not {"inputs", "targets", "weights"} <= changed.keys():
        raise ConfigError(f"{name} must return the fold with inputs, targets, weights, got {type(changed)}")
    if isinstance(changed, Fold):
        return changed
    fold.clear()
    fold.update(changed)
    return fold


def split_variant(augmentations: Sequence[Augmentation], idx: int) -> list[int]:
    """Give each augmentation's variant of a variant of all; the last one's changes fastest.

    Args:
        augmentations: In their order.
        idx: ``0`` to the product of their ``n_test``, less one.

    Raises:
        ConfigError: If there is no such variant.

    Example:
        >>> from lumin_core.data.augmentation import split_variant
        >>> split_variant([], 0)
        []
    """
    n = count_variants(augmentations)
    if not 0 <= idx < n:
        raise ConfigError(f"aug_idx must be 0 to {n - 1}, got {idx}")
    return [int(part) for part in np.unravel_index(idx, [augmentation.n_test for augmentation in augmentations])]
