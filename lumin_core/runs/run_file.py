"""Run files: a training written down in TOML.

The keys are arguments of the functions that do the work.

::

    foldfile = "train.hdf5"          FoldYielder: foldfile, ignore_feats, augmentations, clip, ...
    objective = "classification"     ModelBuilder.from_fy: objective, head, body, tail, loss, ...
    n_models = 5                     train_models: n_models, bs, n_epochs, savepath, seed, ...
    [ensemble]                       Ensemble.from_results: size, metric, weighting, ...

Keys, their types and their defaults are read from these signatures, see `lumin_core.runs.run_keys`.
There is one ``seed``, that of the run.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w
from attrs import define

from lumin_core import registry, seeds
from lumin_core.checks import as_list
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError, LuminError
from lumin_core.files import write_text
from lumin_core.model.builder import ModelBuilder
from lumin_core.model.embedding import CatEmbedder
from lumin_core.runs.ensemble import Ensemble
from lumin_core.runs.members import WEIGHTINGS
from lumin_core.runs.results import Results
from lumin_core.runs.run_keys import Table, keys_of, read_toml, read_values
from lumin_core.runs.train import train_models
from lumin_core.training.fitting import build_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


NAME, ENSEMBLE = "run.toml", "ensemble.safetensors"
"""What a run file adds to the run's folder: itself, resolved, and the ensemble if asked for."""


_RESOLVED = "# This run, resolved."  # how the one in the run's folder begins


_LISTS = {"augmentations": "augmentation", "cb_partials": "callback", "metric_partials": "metric"}


@define(frozen=True)
class RunFile:
    r"""A training written down: `load` reads it, `run` trains.

    Attributes:
        path: The file.
        values: Every key with its value or default, paths absolute.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.runs.run_file import RunFile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.toml"
        >>> text = 'foldfile = "train.hdf5"\nobjective = "regression"\n'
        >>> text += "n_models = 5\nbs = 64\nn_epochs = 10"
        >>> _ = path.write_text(text)
        >>> run_file = RunFile.load(path, {"opt_args.lr": 1e-3, "body.depth": 2})
        >>> run_file.values["opt_args"], run_file.values["body"]
        ({'lr': 0.001}, {'name': 'fully_connected', 'depth': 2})
        >>> run_file.values["foldfile"] == str(path.with_name("train.hdf5").resolve())
        True
    """

    path: Path
    values: Table

    @classmethod
    def load(cls, path: str | Path, changes: Mapping[str, Any] | None = None) -> RunFile:
        """Read a run file, and check its keys and their types.

        Args:
            path: The file. Paths in it are relative to its folder.
            changes: Values that take the place of the file's: ``{"bs": 64, "opt_args.lr": 1e-3,
                "cb_partials.0.lengths": [2, 3]}``. Paths among them are relative to the
                current folder.

        Returns:
            The run file.

        Raises:
            ConfigError: If it cannot be read, is no TOML, lacks keys, or a key is unknown or of
                the wrong type.
        """
        path = Path(path).expanduser()
        return cls(path, read_values(path, changes or {}))

    def run(self, *, resume: bool = False, overwrite: bool = False, executor: Any = None) -> Results:
        """Train, and write all that was chosen into the run's folder.

        It is the run file ``run.toml``. With ``[ensemble]`` the ensemble is made of the results,
        and saved beside it.

        Args:
            resume: As for `train_models`.
            overwrite: As for `train_models`.
            executor: As for `train_models`, in place of the file's.

        Returns:
            The results.

        Raises:
            LuminError: If something does not fit; nothing is written then.
        """
        values = {**self.values, "seed": self._seed(resume=resume)}
        if executor is not None:
            values["executor"] = executor
        with self._named():
            fy = _yielder(values)
        with fy:
            with self._named():
                builder = _builder(values, fy)
                text = _as_toml({**_resolved(values, builder), "executor": self.values["executor"]})
                _check_ensemble(values)
                _left_before(self.folder / NAME)
            return self._train(values, fy, builder, text, resume=resume, overwrite=overwrite)

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(self.values["savepath"])

    def _train(self, values: Table, fy: FoldYielder, builder: ModelBuilder, text: str, **how: bool) -> Results:
        options: Table = {name: values[name] for name in keys_of(train_models)}
        before = _stamp(self.folder)
        try:
            results = train_models(fy, model_builder=builder, **{**options, **how})
        except BaseException:
            if _stamp(self.folder) != before:  # the folder was accepted: what has begun can be repeated, too
                self._leave(text)
            raise
        self._leave(text)
        if values["ensemble"] is not None:
            self._save_ensemble(results, values["ensemble"])
        return results

    def _leave(self, text: str) -> None:
        if "ensemble" in _left_before(self.folder / NAME):
            (self.folder / ENSEMBLE).unlink(missing_ok=True)
        write_text(self.folder / NAME, text)

    def _save_ensemble(self, results: Results, options: Table) -> None:
        try:
            Ensemble.from_results(results, **options).save(self.folder / ENSEMBLE)
        except LuminError as error:
            raise type(error)(f"the run in {self.folder} is complete, but not its ensemble: {error}") from error

    def _seed(self, *, resume: bool) -> int:
        """Give the file's seed, that of the run that goes on, or a fresh one."""
        with self._named():
            seed = self.values["seed"]
            return seeds.check(_earlier_seed(self.folder) if seed is None and resume else seed)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Let errors begin with the file's name."""
        try:
            yield
        except LuminError as error:
            raise type(error)(f"{self.path}: {error}") from error


def _yielder(values: Table) -> FoldYielder:
    return FoldYielder(**{name: values[name] for name in keys_of(FoldYielder)})


def _builder(values: Table, fy: FoldYielder) -> ModelBuilder:
    options = {name: values[name] for name in keys_of(ModelBuilder) if name != "cat_embedder"}
    if values["cat_embedder"] is not None:
        options["cat_embedder"] = CatEmbedder.from_fy(fy, **values["cat_embedder"])
    return ModelBuilder.from_fy(fy, **options)


def _check_ensemble(values: Table) -> None:
    """Refuse an ensemble that the results could not make, before anything is trained."""
    if (table := values["ensemble"]) is None:
        return
    if (weighting := table.get("weighting", WEIGHTINGS[0])) not in WEIGHTINGS:
        raise ConfigError(f"[ensemble] weighting must be one of {', '.join(WEIGHTINGS)}, got {weighting!r}")
    metrics = {metric.label: metric.better for metric in build_metrics(values["metric_partials"])}
    results = [dict.fromkeys(["loss", *metrics], 1.0)] * values["n_models"]
    Results(results, metrics).best(table["size"], table.get("metric", "loss"))


def _resolved(values: Table, builder: ModelBuilder) -> Table:
    """Return the values as they repeat the run.

    Components have their qualified names, the folder is the file's own.
    """
    config = {name: value for name, value in builder.to_config().items() if name in keys_of(ModelBuilder)}
    config.pop("cat_embedder", None)  # of the fold file, as the values have it
    lists = {name: [_config(kind, spec) for spec in as_list(values[name])] for name, kind in _LISTS.items()}
    return {**values, **config, "model_args": None, **lists, "savepath": "."}


def _config(kind: str, spec: Any) -> Any:
    registry.resolve(kind, spec)  # says best what is wrong with it
    return registry.to_config(kind, spec)


def _as_toml(values: Table) -> str:
    try:
        text = tomli_w.dumps({name: value for name, value in values.items() if value is not None})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"a run file holds what TOML can hold: {error}") from error
    return f'{_RESOLVED} lumin train {NAME} --set savepath="again" repeats it.\n\n{text}'


def _left_before(path: Path) -> Table:
    """Read what an earlier run left, if one did.

    A run file of the user's is not ours to replace.
    """
    if not path.is_file():
        return {}
    if not path.read_bytes().startswith(_RESOLVED.encode()):
        raise ConfigError(f"{path} stands where the run would leave its own {NAME}; rename it, or change savepath")
    return read_toml(path)


def _earlier_seed(folder: Path) -> Any:
    """Read the seed of the run that a folder holds, if it does."""
    path = folder / "run.json"
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))["seed"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"cannot read the seed of the run in {path}: {error}") from error


def _stamp(folder: Path) -> tuple[int, int] | None:
    """Tell one ``run.json`` from another."""
    path = folder / "run.json"
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.is_file() else None
