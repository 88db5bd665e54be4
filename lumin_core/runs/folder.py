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
        model_<i>/result.json        written last: the model is finished, or its training has failed
        model_<i>/retry.json         the seed it is trained again with, and why it failed before

Every file is written under another name and renamed, so that a run may die between any two of
these and go on. Two processes may train different models of one run at the same time: a lock is
held on ``run.json`` while a run is planned or collected, and on each model while it is trained.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define

from lumin_core import seeds
from lumin_core.errors import ConfigError, option
from lumin_core.files import check_folder, naming, read_json, write_json
from lumin_core.locks import locked
from lumin_core.looks import another
from lumin_core.runs.result import result_from_json, result_to_json
from lumin_core.runs.same_run import grown_to
from lumin_core.runs.standing import holds_run, refuse_earlier_run
from lumin_core.training import checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lumin_core.runs.result import Result
    from lumin_core.runs.same_run import Record

_NAMES = r"(model|best|interrupted|(epoch|cycle)_\d+)\.safetensors|re(sult|try)\.json|training\.log"
_OWN = re.compile(rf"({_NAMES})|\.({_NAMES})\.part(\.lock(ed)?)?|\.checkpoint\.lock(ed)?")


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

    @classmethod
    def at(cls, path: str | Path) -> RunFolder:
        """Return the folder at a path, which may be relative or begin with ``~``.

        Args:
            path: The path.
        """
        with naming(path, ConfigError):
            return cls(Path(path).expanduser().resolve())

    def of_model(self, number: int) -> Path:
        """Give the folder of a model."""
        return self.path / f"model_{number}"

    @property
    def results(self) -> Path:
        """The file of a finished run's results."""
        return self.path / "results.json"

    def recorded(self) -> Record | None:
        """Give the config of the run that is there, or ``None``.

        Raises:
            ConfigError: If it cannot be read.
        """
        path = self.path / "run.json"
        return _read_json(path, "schema", "seed") if path.exists() else None

    def required(self) -> Record:
        """Give the config of the run that is there.

        Raises:
            ConfigError: If there is none, or it cannot be read.
        """
        record = self.recorded()
        if record is None:
            it_is = f": it is {it_is}" if (it_is := another(self.path, "folder")) else ""
            raise ConfigError(f"{self.path} holds no run{it_is}; plan_run(..., savepath=...) begins one")
        return record

    def check(self) -> None:
        """Refuse a folder that cannot be made or written to; nothing is made.

        Raises:
            ConfigError: If it is a file, or its place is none to write to.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"savepath {self.path} is a file; give a folder")
        with self._written_to():
            check_folder(self.path)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder, and keep other processes from planning in it, inside the block.

        A new one is removed again where nothing was written into it.

        Raises:
            ConfigError: If it cannot be written to, or another process does so.
        """
        with ExitStack() as stack:
            if not self.path.exists():
                stack.callback(_remove_if_empty, self.path)
            with self._written_to():
                self.path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(self.path / "run.json"))
            yield

    def _written_to(self) -> AbstractContextManager[None]:
        return _refusing(f"cannot write to savepath {self.path}")

    @contextmanager
    def training(self, number: int) -> Iterator[None]:
        """Keep other processes from training a model, inside the block.

        Args:
            number: Which model.

        Raises:
            ConfigError: If another process trains it, or the folder cannot be written to.
        """
        with ExitStack() as stack:
            with _refusing(f"model {number} of the run in {self.path} cannot be trained"):
                stack.enter_context(locked(self.of_model(number)))
            yield

    @contextmanager
    def _training_all(self, numbers: Iterable[int]) -> Iterator[None]:
        with ExitStack() as stack:
            for number in numbers:
                stack.enter_context(self.training(number))
            yield

    def begin(
        self,
        config: Record,
        *,
        resume: bool,
        overwrite: bool,
        retry_failed: bool = False,
        callbacks: Sequence[object] = (),
    ) -> None:
        """Write ``run.json``, or find that the run that is there is this one.

        Args:
            config: What ``run.json`` says.
            resume: Whether a run that is there goes on.
            overwrite: Whether what it wrote is removed. Nothing else is.
            retry_failed: Whether models of it that failed are to be trained again.
            callbacks: Specs of those of the run, among which schedules may refuse more epochs.

        Raises:
            ConfigError: If there is another run, or what is no run, or a model of what would be
                removed is being trained.
        """
        with self.held():
            recorded = self.recorded() if resume else None
            if recorded is None:
                self._begin(config, overwrite=overwrite)
            else:
                self._go_on(recorded, config, callbacks)
            if retry_failed:
                for number in range(config["n_models"]):
                    self._forget_failure(number, config["seed"])
            self._tidy_all(config["n_models"])

    def _begin(self, config: Record, *, overwrite: bool) -> None:
        """Write ``run.json`` of a new run."""
        models = self._models()
        if models and not holds_run(self.path):
            raise ConfigError(
                f"{self.path} holds model folders that belong to no run ({models[0].name}); choose another savepath"
            )
        if not overwrite:
            refuse_earlier_run(self.path)
        with self._training_all(int(folder.name.removeprefix("model_")) for folder in models), self._written_to():
            self._clear(models)
        write_json(self.path / "run.json", config)

    def _go_on(self, recorded: Record, config: Record, callbacks: Sequence[object]) -> None:
        """Find that a run is the one that is there, and write down how it has grown."""
        grown = grown_to(recorded, config, callbacks, self.path)
        longer = grown.get("n_epochs") != recorded.get("n_epochs")
        with self._training_all(range(recorded["n_models"]) if longer else ()):
            if longer:  # the models first: a run that dies in between is still the shorter one
                self._reopen(recorded)
            if grown != recorded:
                write_json(self.path / "run.json", grown)

    def _reopen(self, recorded: Record) -> None:
        """Let the models be trained on that were trained for all epochs.

        Their checkpoints are gone, so that they begin anew.
        """
        for number in range(recorded["n_models"]):
            if self.is_finished(number) and not self._was_stopped(number, recorded["n_epochs"]):
                (self.of_model(number) / "result.json").unlink()

    def _was_stopped(self, number: int, n_epochs: int) -> bool:
        """Tell whether a finished model was trained for fewer epochs, as it would be again."""
        losses = self.result(number).get("history", {}).get("valid", {}).get("loss")
        return losses is not None and len(losses) < n_epochs

    def _tidy_all(self, n_models: int) -> None:
        """Remove ``results.json`` unless all is finished, and what processes left that died."""
        unfinished = self.unfinished(n_models)
        for number in set(range(n_models)).difference(unfinished):
            with suppress(ConfigError), self.training(number):  # who holds it tidies up
                self._tidy(number)
        if unfinished:
            self.results.unlink(missing_ok=True)

    def unfinished(self, n_models: int) -> list[int]:
        """List the models that are still to be trained.

        Args:
            n_models: How many the run has.
        """
        return [number for number in range(n_models) if not self.is_finished(number)]

    def is_finished(self, number: int) -> bool:
        """Tell whether a model is finished, or its training has failed."""
        folder = self.of_model(number)
        if not (folder / "result.json").exists():
            return False
        return (folder / "model.safetensors").exists() or self.result(number)["path"] is None

    def finish(self, number: int, result: Result) -> None:
        """Write down the result of a saved model, and remove what is no longer needed.

        Args:
            number: Which model.
            result: See `lumin_core.runs.result`.
        """
        if retry := self.retry(number):
            result = {**result, "retried": retry}
        write_json(self.of_model(number) / "result.json", result_to_json(result))
        self._tidy(number)

    def retry(self, number: int) -> Record | None:
        """Return the ``seed`` that a model is trained again with, and why it ``failed`` before.

        It is ``None`` for a model that was not.

        Args:
            number: Which model.
        """
        path = self.of_model(number) / "retry.json"
        return _read_json(path) if path.exists() else None

    def result(self, number: int) -> Result:
        """Read the result of a finished model, with the path of its file.

        Raises:
            ConfigError: If it cannot be read.
        """
        folder = self.of_model(number)
        content = result_from_json(_read_json(folder / "result.json"))
        return {**content, "path": content.get("path", folder / "model.safetensors")}

    def _forget_failure(self, number: int, seed: int) -> None:
        """Let a model that failed be trained again; its other seed is written down first."""
        if not self.is_finished(number) or (why := self.result(number).get("failed")) is None:
            return
        with self.training(number):
            failed = [*(self.retry(number) or {"failed": []})["failed"], why]
            content = {"seed": seeds.seed_of(seed, "retry", number, len(failed)), "failed": failed}
            write_json(self.of_model(number) / "retry.json", content)
            self._remove_files(self.of_model(number), keep=("retry.json", "training.log"))

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
            self._remove_files(folder)
            _remove_if_empty(folder)

    def _remove_files(self, folder: Path, keep: tuple[str, ...] = ()) -> None:
        (folder / "result.json").unlink(missing_ok=True)  # first: the others belong to it
        checkpoint.remove(folder)
        for file in folder.iterdir():
            if _OWN.fullmatch(file.name) and file.name not in keep:
                file.unlink()


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # something is in it
        folder.rmdir()


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Let errors of the file system begin with what is not possible because of them."""
    try:
        yield
    except (OSError, ConfigError) as error:  # a lock's error is an OSError
        raise ConfigError(f"{what}: {error}") from error


def _read_json(path: Path, *needed: str) -> Record:
    way_out = f"; choose another savepath, or pass {option('overwrite')}"
    content = read_json(path, way_out)
    if not isinstance(content, dict) or not content.keys() >= set(needed):
        raise ConfigError(f"{path} holds no run{way_out}")
    return content
