"""Run files: a training written down in TOML.

The keys are arguments of the functions that do the work.

::

    foldfile = "train.hdf5"          FoldYielder: foldfile, ignore_feats, augmentations, clip, ...
    objective = "classification"     ModelBuilder.from_fy: objective, head, body, tail, loss, ...
    n_models = 5                     train_models: n_models, bs, n_epochs, savepath, seed, ...
    [ensemble]                       Ensemble.from_results: size, metric, weighting, ...

Keys, their types and their defaults are read from these signatures, see
`lumin_plugin_commands.run_keys`; tables are components, see `lumin_plugin_commands.run_tables`.
There is one ``seed``, that of the run. The keys that the file does not have may be a ``preset``'s.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import tomli_w
from attrs import define

from lumin_core import registry, seeds
from lumin_core.checks import as_list, listed
from lumin_core.errors import BrokenPlugin, ConfigError, LuminError
from lumin_core.files import in_line, read_toml, stamp, write_text
from lumin_core.runs import preset_keys, train_models, with_preset
from lumin_plugin_commands.run_tables import ENSEMBLE, FLAT, Model, Train, find_table, flat_keys, table_class
from lumin_plugin_commands.run_values import further_tables, read_values

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from lumin_core.runs import Preset, Results
    from lumin_plugin_commands.run_tables import RunTable, Table

NAME = "run.toml"
"""What a run file leaves in the run's folder: itself, resolved."""

_RESOLVED = "# This run, resolved."  # how it begins
_LISTS = {"augmentations": "augmentation", "cb_partials": "callback", "metric_partials": "metric"}


@define(frozen=True)
class RunFile:
    r"""A training written down: `load` reads it, `run` trains.

    Attributes:
        path: The file.
        values: Every key with its value or default, paths absolute.
        written: The keys that the file or the call has; a preset gives others.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_plugin_commands import RunFile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.toml"
        >>> text = 'foldfile = "train.hdf5"\nobjective = "regression"\n'
        >>> text += "n_models = 5\nbs = 64\nn_epochs = 10"
        >>> _ = path.write_text(text)
        >>> run_file = RunFile.load(path, {"opt_args.lr": 1e-3, "body.depth": 2})
        >>> run_file.values["opt_args"], run_file.values["body"]
        ({'lr': 0.001}, {'name': 'tabular/fully_connected', 'depth': 2})
        >>> run_file.values["foldfile"] == str(path.with_name("train.hdf5").resolve())
        True
    """

    path: Path
    values: Table
    written: frozenset[str] = frozenset()

    @classmethod
    def load(cls, path: str | Path, changes: Mapping[str, object] | None = None) -> RunFile:
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
        return cls(path, *read_values(path, changes or {}))

    def run(
        self,
        *,
        resume: bool = False,
        overwrite: bool = False,
        executor: object = None,
        retry_failed: bool = False,
        visible_bar: bool | None = None,
    ) -> Results:
        """Train, and write all that was chosen into the run's folder.

        It is the run file ``run.toml``. With ``[ensemble]`` the ensemble is made of the results,
        and saved beside it.

        Args:
            resume: As for `train_models`.
            overwrite: As for `train_models`.
            executor: As for `train_models`, in place of the file's.
            retry_failed: As for `train_models`.
            visible_bar: As for `train_models`, in place of the file's.

        Returns:
            The results.

        Raises:
            LuminError: If something does not fit; nothing is written then.
        """
        with ExitStack() as opened:
            with self._named():
                values = registry.noting({**self.values, "seed": self._seed(resume=resume)})
                if executor is None and values["executor"] is not None:
                    values["executor"] = registry.to_config("executor", values["executor"])
                instead = {"executor": executor, "visible_bar": visible_bar}
                instead = {name: value for name, value in instead.items() if value is not None}
                given, tables = _prepared(values | instead, self.written, opened)
                text = _as_toml(_resolved(values, given), _origin(values["preset"]))
                _left_before(self.folder / NAME)
            results = self._train(given, text, resume=resume, overwrite=overwrite, retry_failed=retry_failed)
            self._finish(tables, results)
            return results

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(self.values["savepath"])

    def _train(self, given: Table, text: str, **how: bool) -> Results:
        options: Table = {name: given[name] for name in (*Train.get_keys(), "fy", "model_builder")} | how
        before = stamp(self.folder / "run.json")
        try:
            results = train_models(**options)
        except BaseException:
            if stamp(self.folder / "run.json") != before:  # it was accepted: what has begun can be repeated, too
                self._leave(text)
            raise
        self._leave(text)
        return results

    def _leave(self, text: str) -> None:
        if "ensemble" in _left_before(self.folder / NAME):
            (self.folder / ENSEMBLE).unlink(missing_ok=True)
        write_text(self.folder / NAME, text)

    def _finish(self, tables: Mapping[str, RunTable], results: Results) -> None:
        for name, table in tables.items():
            try:
                table.finish(results, self.folder)
            except LuminError as error:
                raise type(error)(f"the run in {self.folder} is complete, but not its {name}: {error}") from error

    def _seed(self, *, resume: bool) -> int:
        """Give the file's seed, that of the run that goes on, or a fresh one."""
        seed = self.values["seed"]
        return seeds.check(_earlier_seed(self.folder) if seed is None and resume else seed)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Let errors begin with the file's name."""
        try:
            yield
        except LuminError as error:
            raise type(error)(f"{self.path}: {error}") from error


def _prepared(values: Table, written: Container[str], opened: ExitStack) -> tuple[Table, dict[str, RunTable]]:
    """Make the tables, one after the other: what they give is there for those after them.

    Args:
        values: The values of the file.
        written: The keys that no preset changes.
        opened: What closes the fold file in the end.

    Returns:
        The values and what the tables gave, and the tables by name.
    """
    tables: dict[str, RunTable] = {}
    for name in _order(values):
        own = {key: values[key] for key in FLAT[name].get_keys()} if name in FLAT else values[name]
        tables[name] = find_table(name)(**own)
        given = tables[name].arguments(values)
        if sorted(given) != sorted(tables[name].gives):
            raise BrokenPlugin(
                f"[{name}] should give {list(tables[name].gives)}, got {list(given)}; report it to its authors"
            )
        values = {**values, **given}
        if name == "data":
            opened.enter_context(values["fy"])
            values = values if values["preset"] is None else _with_preset(values, written)
    return values, tables


def _with_preset(values: Table, written: Container[str]) -> Table:
    """Let the preset give what the file does not have."""
    given = {name: values[name] for name in (*preset_keys(), "model_args") if name in written}
    found = {
        **values,
        **with_preset(values["preset"], values["fy"], values["objective"], given, values["n_out"]),
    }
    if missing := [name for name, key in flat_keys().items() if key.is_required and found[name] is None]:
        raise ConfigError(f"the preset does not give {listed(missing)}; write {missing[0]} = ... into the run file")
    return found


def _origin(preset: object) -> str:
    """Say in a comment which version of a preset gave what a resolved file holds."""
    if preset is None:
        return ""
    found = cast("type[Preset]", registry.resolve("preset", preset).func)
    config = tomli_w.dumps({"preset": registry.to_config("preset", preset)}).strip().replace("\n", "\n# ")
    return f"#\n# What follows was given by version {found.version} of a preset, as far as not by hand:\n# {config}\n"


def _order(values: Table) -> list[str]:
    """Order the tables: those that give keys, those of the training, the others."""
    others = [*further_tables(values), *(["ensemble"] if values["ensemble"] is not None else [])]
    first = [name for name in others if table_class(name).gives]
    return [*first, *FLAT, *(name for name in others if name not in first)]


def _resolved(values: Table, given: Table) -> Table:
    """Return the values as they repeat the run.

    Components have their qualified names at every depth, the folder is the file's own, what a table
    gives is left to it, and what a preset gave is written out.
    """
    if values["preset"] is not None:
        values = {**values, **{name: given[name] for name in preset_keys()}, "preset": None}
    config = {name: value for name, value in given["model_builder"].to_config().items() if name in Model.get_keys()}
    config.pop("cat_embedder", None)  # of the fold file, as the values have it
    lists = {name: [_config(kind, spec) for spec in as_list(values[name])] for name, kind in _LISTS.items()}
    found = {**values, **config, "model_args": None, **lists, "savepath": "."}
    for name in further_tables(values):
        found[registry.find("run_table", name).qualified] = found.pop(name)
        found.update(dict.fromkeys(table_class(name).gives))
    return found


def _config(kind: str, spec: object) -> object:
    registry.build(kind, spec)  # says best what is wrong with it, and asks for the names in its options
    return registry.to_config(kind, spec)


def _as_toml(values: Table, origin: str = "") -> str:
    try:
        text = tomli_w.dumps(registry.written({name: value for name, value in values.items() if value is not None}))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"a run file holds what TOML can hold: {error}") from error
    return f'{_RESOLVED} lumin train {NAME} --set savepath="again" repeats it.\n{origin}\n{in_line(text)}'


def _left_before(path: Path) -> Table:
    """Read what an earlier run left, if one did.

    A run file of the user's is not ours to replace.
    """
    if not path.is_file():
        return {}
    if not path.read_bytes().startswith(_RESOLVED.encode()):
        raise ConfigError(f"{path} stands where the run would leave its own {NAME}; rename it, or change savepath")
    return read_toml(path, "run file", "TOML")


def _earlier_seed(folder: Path) -> Any:
    """Read the seed of the run that a folder holds, if it does."""
    path = folder / "run.json"
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))["seed"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"cannot read the seed of the run in {path}: {error}") from error
