"""What there is of a run, in the middle of its trainings too: what reports are made of."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError
from lumin_core.looks import look_at
from lumin_core.runs import run_record
from lumin_core.runs.ensemble import Ensemble
from lumin_core.runs.folder import RunFolder
from lumin_core.runs.results import Results
from lumin_core.runs.scored import Scored, score
from lumin_core.runs.scoring import opened_for
from lumin_core.training import checkpoint
from lumin_core.training.fit_params import empty_history
from lumin_core.training.model import Model

if TYPE_CHECKING:
    from lumin_core.runs.result import Result
    from lumin_core.runs.same_run import Record
    from lumin_core.training.fit_params import History


@define(slots=False, eq=False)
class Run:
    """What there is of a run: its plan, what became of it so far, what its models say.

    All is read when it is first asked for, and kept; `open` it again to see how it went on.

    Attributes:
        folder: Its folder.
        config: What ``run.json`` says of it.

    Example:
        >>> from lumin_core.runs import Run
        >>> Run.open("no_such_run")
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: .../no_such_run holds no run; plan_run(..., ...
    """

    folder: RunFolder
    config: Record = field(repr=False)

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open a run.

        Args:
            path: Its folder.

        Raises:
            ConfigError: If it holds no run, or ``run.json`` cannot be read.
        """
        folder = RunFolder.at(path)
        return cls(folder, folder.required())

    # What became of it

    @property
    def n_models(self) -> int:
        """How many models it has when it is finished."""
        return int(self.config["n_models"])

    @cached_property
    def finished(self) -> dict[int, Result]:
        """The results by model: of those that are finished, or whose training has failed."""
        numbers = [number for number in range(self.n_models) if self.folder.is_finished(number)]
        return {number: self.folder.result(number) for number in numbers}

    @property
    def is_finished(self) -> bool:
        """Whether all models are finished, or have failed."""
        return len(self.finished) == self.n_models

    @cached_property
    def results(self) -> Results:
        """The results of the models that are finished, in the order of their numbers."""
        return Results(list(self.finished.values()), self.config["directions"])

    @cached_property
    def histories(self) -> dict[int, History]:
        """The histories by model: of those in training up to the last epoch."""
        found = {number: self._history(number) for number in range(self.n_models)}
        return {number: history for number, history in found.items() if history is not None}

    def _history(self, number: int) -> History | None:
        if number in self.finished:
            return {**empty_history(), **self.finished[number].get("history", {})}
        return checkpoint.history_of(self.folder.of_model(number))

    # What it was trained on, and what its models say

    @cached_property
    def models(self) -> dict[int, Model]:
        """The models that are finished and did not fail, by their numbers.

        Raises:
            SavedModelError: If one cannot be loaded.
            UnknownComponent: If a plugin is not installed.
            ConfigError: If there are none.
        """
        good = {number: result["path"] for number, result in self.finished.items() if result.get("failed") is None}
        if not good:
            raise ConfigError("none of its models is finished yet, or all have failed")
        return {number: Model.from_save(path) for number, path in good.items()}

    @cached_property
    def ensemble(self) -> Ensemble:
        """The mean of these models."""
        return Ensemble(list(self.models.values()))

    @cached_property
    def fy(self) -> FoldYielder:
        """The file of the training, without augmentation.

        Raises:
            FoldFileError: If it is not where it was.
            ConfigError: If it holds other data by now.
        """
        fy = FoldYielder(self.config["foldfile"], ignore_feats=self.config["ignore_feats"])
        run_record.check_data(self.config, fy, f"{self.folder.path / 'run.json'}")
        return fy

    @cached_property
    def held_back(self) -> FoldYielder | None:
        """The events held back: ``train.test.hdf5`` beside ``train.hdf5``, where it is there."""
        path = held_back_file(self.config["foldfile"])
        return None if path is None else opened_for(self.ensemble, path)

    @cached_property
    def unseen(self) -> Scored:
        """Events that are new to the models: those held back, else those that are out of fold.

        Raises:
            LuminError: If no model is finished, the file is gone or holds other data, or all models
                were trained on all of it.
        """
        if self.held_back is not None:
            by = "the model" if len(self.models) == 1 else f"the mean of {len(self.models)} models"
            what = f"of {self.held_back.foldfile.name}, new to all models, scored by {by}"
            return score(self.models, self.held_back, dict.fromkeys(self.models, ()), what)
        trained_on = {number: self.config["folds"][number]["train"] for number in self.models}
        return self._score(trained_on, "out of fold, each scored by the models that were not trained on it")

    @cached_property
    def seen(self) -> Scored:
        """Events that models were trained on, by these models.

        Raises:
            LuminError: If no model is finished, or the file is gone or holds other data.
        """
        folds = range(len(self.fy))
        new = {i: [fold for fold in folds if fold not in self.config["folds"][i]["train"]] for i in self.models}
        return self._score(new, "of the training, each scored by the models that were trained on it")

    def _score(self, left_out: dict[int, list[int]], what: str) -> Scored:
        return score(self.models, opened_for(self.ensemble, self.fy.foldfile), left_out, what)


def held_back_file(foldfile: str | Path) -> Path | None:
    """Return the file of the events held back: ``train.test.hdf5`` beside ``train.hdf5``.

    Args:
        foldfile: The file of the training.

    Returns:
        Its path; ``None`` where it is not there.

    Example:
        >>> from lumin_core.runs import held_back_file
        >>> held_back_file("no_such.hdf5") is None
        True
    """
    path = Path(foldfile)
    path = path.with_name(f"{path.stem}.test{path.suffix}")
    return path if look_at(path).kind == "hdf5" else None
