"""The folder of a run.

What stands in it, when a model is finished, and what an earlier run there means.

::

    train_weights/
        run.json                     resolved config, versions, seed; written before anything else
        results.json                 losses, metrics and their directions, relative paths; the last
        model_<i>/model.safetensors  the model as training ended (the best, if save_best reloads it)
        model_<i>/best.safetensors   the best one by validation loss or main metric
        model_<i>/cycle_<k>.safetensors, epoch_<k>.safetensors   what callbacks save
        model_<i>/training.log       what a training in another process had to say
        model_<i>/checkpoint/        the state after the last epoch; until the model is finished
        model_<i>/result.json        written last: the model is finished

Every file is written under another name and renamed, so that a run may die between any two of
these and go on.
"""

from __future__ import annotations

import json
import logging
import re
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define

from lumin_core.errors import ConfigError, option
from lumin_core.files import locked, write_json
from lumin_core.training import checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator


_log = logging.getLogger(__name__)


SCHEMA = 1


_NAMES = r"(model|best|interrupted|(epoch|cycle)_\d+)\.safetensors|result\.json|training\.log"


_OWN = re.compile(rf"({_NAMES})|\.({_NAMES})\.part")


_ABSENT = "nothing"


@define(frozen=True)
class RunFolder:
    """The folder of one run.

    Args:
        path: Its absolute path.

    Example:
        >>> import pathlib
        >>> from lumin_core.runs.folder import RunFolder
        >>> RunFolder(pathlib.Path("/data/run")).of_model(3).name
        'model_3'
    """

    path: Path

    def of_model(self, number: int) -> Path:
        """Give the folder of a model."""
        return self.path / f"model_{number}"

    @property
    def results(self) -> Path:
        """The file of a finished run's results."""
        return self.path / "results.json"

    def recorded(self) -> dict[str, Any] | None:
        """Give the config of the run that is there, or ``None``.

        Raises:
            ConfigError: If it cannot be read.
        """
        path = self.path / "run.json"
        if not path.exists():
            return None
        content = _read_json(path)
        if not {"schema", "seed"} <= content.keys():
            raise ConfigError(f"{path} holds no run; choose another savepath, or pass {option('overwrite')}")
        return content

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder, and keep other processes from training in it, inside the block.

        Raises:
            ConfigError: If it cannot be written to, or another process trains in it.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"savepath {self.path} is a file; give a folder")
        with ExitStack() as stack:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(self.path / "run.json"))
            except OSError as error:  # FoldFileError is one
                raise ConfigError(f"cannot write to savepath {self.path}: {error}") from error
            yield

    def begin(self, config: dict[str, Any], *, resume: bool, overwrite: bool) -> None:
        """Write ``run.json``, or find that the run that is there is this one.

        Args:
            config: What ``run.json`` says.
            resume: Whether a run that is there goes on.
            overwrite: Whether what it wrote is removed. Nothing else is.

        Raises:
            ConfigError: If there is another run, or what is no run.
        """
        models, is_run = self._models(), any((self.path / name).exists() for name in ("run.json", "results.json"))
        if models and not is_run:
            raise ConfigError(
                f"{self.path} holds model folders that belong to no run ({models[0].name}); choose another savepath"
            )
        recorded = self.recorded() if resume else None
        if recorded is not None:
            _require_same(recorded, json.loads(json.dumps(config)), self.path)
            return
        if is_run and not overwrite:
            raise ConfigError(
                f"{self.path} holds an earlier run; choose another savepath, pass {option('resume')} to go on with it, "
                f"or pass {option('overwrite')} to replace it"
            )
        try:
            self._clear(models)
        except OSError as error:
            raise ConfigError(f"cannot write to savepath {self.path}: {error}") from error
        write_json(self.path / "run.json", config)

    def unfinished(self, n_models: int) -> list[int]:
        """List the models that are still to be trained.

        Where there are any, ``results.json`` is removed.
        """
        numbers = [number for number in range(n_models) if not self.is_finished(number)]
        for number in set(range(n_models)).difference(numbers):
            self._tidy(number)  # its process may have died before that
        if numbers:
            self.results.unlink(missing_ok=True)
        return numbers

    def is_finished(self, number: int) -> bool:
        """Tell whether a model is finished."""
        folder = self.of_model(number)
        return (folder / "result.json").exists() and (folder / "model.safetensors").exists()

    def finish(self, number: int, result: dict[str, Any]) -> None:
        """Write down the result of a saved model, and remove what is no longer needed.

        Args:
            number: Which model.
            result: JSON values.
        """
        write_json(self.of_model(number) / "result.json", result)
        self._tidy(number)

    def result(self, number: int) -> dict[str, Any]:
        """Read the result of a finished model, with the path of its file.

        Raises:
            ConfigError: If it cannot be read.
        """
        folder = self.of_model(number)
        return {**_read_json(folder / "result.json"), "path": folder / "model.safetensors"}

    def _tidy(self, number: int) -> None:
        checkpoint.remove(self.of_model(number))
        (self.of_model(number) / "interrupted.safetensors").unlink(missing_ok=True)

    def _models(self) -> list[Path]:
        folders = [path for path in self.path.glob("model_*") if path.is_dir()]
        return [path for path in folders if path.name.removeprefix("model_").isdigit()]

    def _clear(self, models: list[Path]) -> None:
        """Remove what an earlier run wrote, but not ``run.json``.

        Until the new one replaces it, this stays a run.
        """
        self.results.unlink(missing_ok=True)
        for folder in models:
            (folder / "result.json").unlink(missing_ok=True)
            checkpoint.remove(folder)
            for file in folder.iterdir():
                if _OWN.fullmatch(file.name):
                    file.unlink()
            with suppress(OSError):  # files of others are in it
                folder.rmdir()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot read {path}: {error}; choose another savepath, or pass {option('overwrite')}"
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no run; choose another savepath, or pass {option('overwrite')}")
    return content


def _require_same(recorded: dict[str, Any], given: dict[str, Any], folder: Path) -> None:
    """Refuse to go on with another run; other versions are worth a warning."""
    for name, was, now in _differences(recorded.get("versions"), given.get("versions")):
        _log.warning("the run in %s was begun with %s %s and goes on with %s", folder, name, was, now)
    differ = [
        f"  {name} was {_short(was)}, is {_short(now)}"
        for name, was, now in _differences(_comparable(recorded), _comparable(given))
    ]
    if differ:
        raise ConfigError(
            "\n".join([f"{option('resume')} goes on with the run in {folder}, which is another:", *differ])
            + "\ngive these as they were, or choose another savepath"
        )


def _comparable(config: dict[str, Any]) -> dict[str, Any]:
    """Leave out versions, and the folder of the fold file, which may have moved with the run."""
    kept = {key: value for key, value in config.items() if key != "versions"}
    return {**kept, "foldfile": Path(str(config.get("foldfile"))).name}


def _differences(was: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Give name, old and new value of what differs, looking into dicts and lists."""
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for i, pair in enumerate(zip(was, now, strict=True)):
            yield from _differences(*pair, f"{name}[{i}]")
    elif isinstance(was, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*was, *now]):
            yield from _differences(was.get(key, _ABSENT), now.get(key, _ABSENT), f"{name}.{key}" if name else key)
    elif was != now:
        yield name, was, now


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
