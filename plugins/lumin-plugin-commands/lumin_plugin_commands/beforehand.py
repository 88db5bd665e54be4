"""What is wrong with a run file as far as it can be told in a moment, before torch is imported."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from lumin_core.data import FoldReader
from lumin_core.display import short_path, whole
from lumin_core.errors import ConfigError, LuminError
from lumin_core.files import read_toml
from lumin_core.looks import look_at
from lumin_core.runs import holds_run, refuse_earlier_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_GROUPS = ("data", "model", "train")  # tables whose keys may also stand at the top level
_WEIGHT = "train_weight"  # the column that a recipe's table of that name makes
_FOLDER = "train_weights"  # of train_models, where nothing else is said


class Beforehand:
    """Looks at a run file that is about to be loaded; all else is for `RunFile` to say.

    Args:
        path: The run file.
        changes: As for `RunFile.load`.

    Raises:
        ConfigError: If it cannot be read, or is a recipe.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_plugin_commands.beforehand import Beforehand
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.toml"
        >>> _ = path.write_text("n_models = 3")
        >>> seen = Beforehand(path, {"savepath": "nothere"})
        >>> seen.n_models, seen.folder.name, [*seen.remarks(resume=False)]
        (3, 'nothere', [])
    """

    def __init__(self, path: Path, changes: Mapping[str, object]) -> None:
        self.path = path.expanduser()
        given = read_toml(self.path, "run file", "TOML")
        if (look := look_at(self.path)).kind == "recipe":
            raise ConfigError(f"{self.path} is {look.told(self.path)}")
        groups = [table for name in _GROUPS if isinstance(table := given.get(name), dict)]
        self._values = {key: value for table in (given, *groups) for key, value in table.items()}
        self._columns: list[str] = []
        self._changes = {name.removeprefix("data.").removeprefix("train."): value for name, value in changes.items()}

    @property
    def n_models(self) -> object:
        """How many models there are to be, as far as the file says it."""
        return self._changes.get("n_models", self._values.get("n_models"))

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self._place("savepath") or self.path.parent.resolve() / _FOLDER

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Refuse a fold file that is not there, and a folder that holds an earlier run.

        Args:
            resume: Whether a run there goes on.
            overwrite: Whether it is replaced.

        Raises:
            LuminError: As `RunFile.run` would.
        """
        if (foldfile := self._place("foldfile")) is not None:
            try:
                with closing(FoldReader(foldfile)) as reader:
                    self._columns = reader.columns
            except LuminError as error:
                raise type(error)(f"{self.path}: {error}") from error
        if not resume and not overwrite:
            refuse_earlier_run(self.folder)

    def remarks(self, *, resume: bool) -> Iterator[str]:
        """Yield what is likely not meant, after `check`.

        Args:
            resume: Whether a run goes on.
        """
        if resume and not holds_run(self.folder):
            yield f"nothing to go on with: {short_path(self.folder)} holds no run; it begins anew"
        callbacks = [value for key, value in [*self._values.items(), *self._changes.items()] if "cb_partials" in key]
        if _WEIGHT in self._columns and _WEIGHT not in str(callbacks):
            way_out = whole(f'cb_partials = [{{ name = "balance_classes", column = "{_WEIGHT}" }}]')
            yield f"the fold file has the column {_WEIGHT}, which nothing uses; {way_out} weights the losses by it"

    def _place(self, key: str) -> Path | None:
        """Return a path, relative to the file, or of the changes to the current folder."""
        for values, folder in ((self._changes, Path()), (self._values, self.path.parent)):
            if isinstance(text := values.get(key), str):
                return (folder / Path(text).expanduser()).resolve()
        return None
