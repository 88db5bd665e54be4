"""The base of converters, which make fold files of other programs' files and bring scores back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    Inputs = np.ndarray | tuple[np.ndarray, np.ndarray]
    Ask = Callable[[Inputs], np.ndarray]


class Converter(ABC):
    """Base of converters (kind ``converters``): files of events to fold files, and scores back.

    A converter's options, without the files that they were first used for, are stored in the fold
    file and in each model that is trained on it, as ``{"name": "io/recipe", ...}``: whoever has the
    model can score files of the same sort.
    """

    kind: ClassVar[str] = "converter"

    @abstractmethod
    def convert(self, savename: str | Path, *, overwrite: bool = False) -> dict[str, Path]:
        """Write fold files.

        Args:
            savename: Of the file for the training; other parts have their names before its suffix.
            overwrite: Whether existing files may be replaced.

        Returns:
            Paths by part, that of the training first.
        """

    @abstractmethod
    def cached(self, *, verify: bool = False) -> Path:
        """Return the fold file for the training, made now unless an earlier call left it.

        Args:
            verify: Whether inputs are told by their content, rather than by name, size and time.
        """

    @abstractmethod
    def to_config(self) -> dict[str, Any]:
        """Return all that scoring needs, as plain values, without paths."""

    @abstractmethod
    def score(
        self,
        files: Sequence[str | Path],
        ask: Ask,
        *,
        name: str = "pred",
        output: str | Path | None = None,
        keys: Sequence[str] = (),
        tree: str | None = None,
        rntuple: bool = False,
        overwrite: bool = False,
    ) -> list[Path]:
        """Write one score for each entry of files, in their order, NaN where none is selected.

        Args:
            files: Whose events are scored; patterns are allowed.
            ask: Function from the inputs of ``n`` events, as they are before the recorded
                preprocessing, to scores of shape ``(n, n_out)``.
            name: Of the scores; several are ``name_0``, ``name_1``, ...
            output: One file for all; by default one beside each input, to be used as a friend.
            keys: Columns of the input that are written beside the scores.
            tree: Table of the input; by default the one that the recipe names.
            rntuple: Whether a ROOT file gets an RNTuple rather than a TTree.
            overwrite: Whether existing files may be replaced.

        Returns:
            The files written.
        """

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Converter:
        """Build one from what `to_config` gave; by default its items are the arguments."""
        return cls(**config)
