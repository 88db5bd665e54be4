"""The base of converters, which make fold files of other programs' files and bring scores back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from lumin_core import registry
from lumin_core.errors import ConfigError, LuminError
from lumin_core.files import naming, read_toml
from lumin_core.registry.renaming import with_new_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    Inputs = np.ndarray | tuple[np.ndarray, np.ndarray]
    Ask = Callable[[Inputs], np.ndarray]
    Scoring = Callable[[str, int, int, int], None]

_OURS = {"name": "io/recipe"}


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
        progress: Scoring | None = None,
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
            progress: Called before each file and after each piece of it, with its name, how many
                entries are read, of how many, and how many of these were selected and scored.

        Returns:
            The files written.
        """

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Converter:
        """Build one from what `to_config` gave; by default its items are the arguments."""
        return cls(**config)


def converted(recipe: str | Path | Mapping[str, object], *, verify: bool = False) -> Path:
    """Return the fold file of a recipe; arguments and errors as of `FoldYielder.from_files`.

    Example:
        See `FoldYielder.from_files`.
    """
    if isinstance(recipe, Mapping):
        return _built({**_OURS, **recipe}).cached(verify=verify)
    with naming(recipe, ConfigError):
        path = Path(recipe).expanduser().resolve()
    options = {**_OURS, **read_toml(path, "recipe")}
    try:
        return _built(options, folder=path.parent).cached(verify=verify)
    except LuminError as error:
        raise type(error)(f"{path.name}: {error}") from error


def _built(spec: object, **given: object) -> Converter:
    return cast("Converter", registry.build("converter", spec, **given))


def recorded_converter(recipe: Mapping[str, object]) -> Converter:
    """Build the converter that a fold file or a model records.

    Args:
        recipe: From `Converter.to_config`.

    Raises:
        UnknownComponent: If its plugin is not installed.
        ConfigError: If the recipe is damaged, or of another version.

    Example:
        >>> from lumin_core.data.converter import recorded_converter
        >>> recorded_converter({"name": "mine/recipe"})
        Traceback (most recent call last):
        ...
        lumin_core.errors.UnknownComponent: there is no converter 'mine/recipe'...
    """
    options = {**_OURS, **recipe}
    name = str(options.pop("name"))
    cls = registry.find("converter", name).load()
    try:
        return cast("type[Converter]", cls).from_config(with_new_names(cls, options, f"converter {name!r}"))
    except LuminError:
        raise
    except Exception as error:
        raise ConfigError(
            f"the recorded recipe of {name!r} cannot be read: {error!r}; is it of a later version?"
        ) from error
