"""An augmentation: events with a feature of the other sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lumin_core import Augmentation

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from lumin_core.data import Fold


class ExampleAugmentation(Augmentation):
    """Changes the sign of a feature, for half of the events; predictions see events both ways.

    Args:
        feat: The feature. Both signs should be equally likely, and mean the same.

    Example:
        >>> import numpy as np
        >>> from lumin_core import build
        >>> from lumin_core.data import Fold
        >>> mirror = build("augmentation", {"name": "example_augmentation", "feat": "tau_pz"})
        >>> data = {"inputs": np.array([[1.5]]), "targets": np.ones((1, 1)), "weights": None}
        >>> mirror.test(Fold(data, input_feats=["tau_pz"]), 1).column("tau_pz").tolist()
        [-1.5]
    """

    n_test = 2
    example_options: ClassVar[Mapping[str, object]] = {"feat": "tau_pz"}

    def __init__(self, feat: str) -> None:
        self.feat = feat

    def train(self, fold: Fold, rng: np.random.Generator) -> Fold:
        """Change the sign of half of the events."""
        fold.column(self.feat)[:] *= rng.choice([-1, 1], len(fold.flat))
        return fold

    def test(self, fold: Fold, idx: int) -> Fold:
        """Return the events as they are (0), or all with the other sign (1)."""
        fold.column(self.feat)[:] *= (1, -1)[idx]
        return fold
