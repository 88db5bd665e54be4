"""What the symmetries of events share: every vector of an event is turned alike."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from lumin_core.checks import as_list, check_names
from lumin_core.data import Augmentation
from lumin_core.errors import ConfigError
from lumin_plugin_hep.momenta import PARTS, check_vectors, column_names, find_vectors, in_gev, select_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from lumin_core.data import Fold
    from lumin_plugin_hep.momenta import Vectors

    Array = np.ndarray

H = TypeVar("H")  # what is done to events, of which each symmetry has its own kind


class EventSymmetry(Augmentation, Generic[H]):
    """Base of the augmentations that turn whole events.

    A subclass draws what is to be done in training, lists the variants for prediction, and
    turns one vector.

    Args:
        vecs: Vectors among the inputs to turn; by default all.
        targ_vecs: Vectors among the targets to turn with them; by default none.
        train: Whether to turn events in training.
    """

    def __init__(self, vecs: str | Sequence[str] | None, targ_vecs: str | Sequence[str] | None, *, train: bool) -> None:
        self.vecs = None if vecs is None else as_list(vecs)
        self.targ_vecs = as_list(targ_vecs)
        self.in_training = train
        check_names("vecs", self.vecs or [])
        check_names("targ_vecs", self.targ_vecs)

    def train(self, fold: Fold, rng: np.random.Generator) -> Fold:
        """Turn every event at random."""
        return self._turned(fold, self._draw(rng, len(fold.flat))) if self.in_training else fold

    def test(self, fold: Fold, idx: int) -> Fold:
        """Turn all events as the variant says."""
        how = self._variant(idx, len(fold.flat))
        return fold if how is None else self._turned(fold, how)

    @abstractmethod
    def _draw(self, rng: np.random.Generator, n: int) -> H:
        """Draw what is done to each of n events."""

    @abstractmethod
    def _variant(self, idx: int, n: int) -> H | None:
        """Give what a variant does to n events, or ``None`` where it leaves them as they are."""

    @abstractmethod
    def _changed(self) -> set[str]:
        """Give the coordinates that change."""

    def _needed(self) -> set[str]:
        """Give the coordinates that turning takes; by default those that change."""
        return self._changed()

    def _check(self, vectors: Vectors) -> None:
        """Refuse vectors that lack what turning takes."""

    @abstractmethod
    def _turn(self, vector: Mapping[str, Array], how: H) -> None:
        """Turn a vector in place, given by its coordinates, shape ``(n,)`` each."""

    def _turned(self, fold: Fold, how: H) -> Fold:
        needed = self._needed()
        for part, vectors in self._chosen(fold).items():
            columns = [(vec, name, place) for vec, c in vectors.items() for name, place in c.items() if name in needed]
            with in_gev(fold, part, [place for _, _, place in columns]) as momenta:
                turning: dict[str, dict[str, Array]] = {vec: {} for vec in vectors}
                for (vec, name, _), row in zip(columns, momenta, strict=True):
                    turning[vec][name] = row
                for vector in turning.values():
                    self._turn(vector, how)
        return fold

    def _chosen(self, fold: Fold) -> dict[str, Vectors]:
        """Give the vectors to turn of each part that has some."""
        found = {part: find_vectors(column_names(fold, part)) for part in PARTS}
        check_vectors(self.targ_vecs, found["targets"], "targets")
        check_vectors(self.vecs or [], found["inputs"] | found["matrix"], "inputs")
        if self.vecs is None and fold.matrix is not None and not any(column_names(fold, "matrix")):
            self._refuse(
                "the matrix has no named columns, so that it cannot be turned with the event; give vecs= if it need "
                "not turn, or yield_matrix=False"
            )
        changed, wanted = self._changed(), {"inputs": self.vecs, "matrix": self.vecs, "targets": self.targ_vecs}
        chosen = {part: select_vectors(found[part], changed, wanted[part]) for part in PARTS}
        for vectors in chosen.values():
            self._check(vectors)
        if not any(chosen.values()):
            self._refuse(f"there is nothing to turn: no input is named {{vec}}_{', {vec}_'.join(sorted(changed))}")
        return {part: vectors for part, vectors in chosen.items() if vectors}

    def _refuse(self, reason: str) -> None:
        msg = f"{type(self).__name__}: {reason}"
        raise ConfigError(msg)
