"""The tables of run files: what the keys of each come to.

Tables are components of the kind ``run_tables``. A table's keys are the arguments of its
component's constructor; the component gives arguments for the training (`RunTable.arguments`), or
acts after it (`RunTable.finish`). The keys of `Data`, `Model` and `Train` may also stand at the top
level of the file, and usually do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, cast

from lumin_core import registry
from lumin_core.checks import check_keys
from lumin_core.data import FoldYielder, converted
from lumin_core.errors import ConfigError, LuminError, UnknownComponent
from lumin_core.model import CatEmbedder, ModelBuilder
from lumin_core.runs import WEIGHTINGS, Results, train_models
from lumin_core.runs import Ensemble as EnsembleOfModels
from lumin_core.training import build_metrics
from lumin_plugin_commands.run_keys import Key, keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from functools import partial
    from pathlib import Path

ENSEMBLE = "ensemble.safetensors"
"""The ensemble's file in the run's folder."""

Table = dict[str, Any]
"""What TOML holds."""


class RunTable(ABC):
    """Base of the tables of a run file (kind ``run_tables``).

    The table ``[convert]`` of a file is for the component ``convert``: its keys are the arguments
    of the constructor, and their types and defaults those of the signature. Paths (arguments that
    may be a `pathlib.Path`) are made absolute.

    Attributes:
        gives: Keys of the file that `arguments` gives values for, so that the file need not have
            them. Tables that give something come first.

    Example:
        >>> from pathlib import Path
        >>> from lumin_plugin_commands import RunTable
        >>> class Newest(RunTable):
        ...     '''Trains on the newest fold file of a folder.'''
        ...     gives = ("foldfile",)
        ...     def __init__(self, folder: Path, pattern: str = "*.hdf5") -> None:
        ...         self.files = sorted(Path(folder).glob(pattern))
        ...     def arguments(self, values):
        ...         return {"foldfile": self.files[-1]}
        >>> [(key.name, key.is_required) for key in Newest.get_keys().values()]
        [('folder', True), ('pattern', False)]
    """

    kind: ClassVar[str] = "run_table"
    gives: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def get_keys(cls) -> dict[str, Key]:
        """Return the table's keys: arguments of the constructor."""
        return keys_of(cls)

    @abstractmethod
    def arguments(self, values: Mapping[str, Any]) -> Table:
        """Return values for the keys that the table gives, or nothing.

        It is called before anything is written, and is the place to refuse what does not fit.

        Args:
            values: What is known: the values of all keys of the file, of tables before this one,
                and, but for tables that give something, the yielder ``fy`` and the builder
                ``model_builder``. Not to be changed.
        """

    def finish(self, results: Results, folder: Path) -> None:  # noqa: B027  (most tables need nothing)
        """Act after the training; by default there is nothing to do.

        Args:
            results: The results.
            folder: The run's folder.
        """


class _Arguments(RunTable):
    """A table whose keys are the arguments of functions: those that TOML can hold.

    Attributes:
        of: The functions.
        left_out: Arguments that come from the call, or from another table.
    """

    of: ClassVar[tuple[Callable[..., object], ...]]
    left_out: ClassVar[tuple[str, ...]]

    def __init__(self, **options: Any) -> None:
        check_keys(options, self.get_keys(), f"the table [{registry.snake_case(type(self).__name__)}]")
        self.options = options

    @classmethod
    def get_keys(cls) -> dict[str, Key]:
        return {name: key for function in cls.of for name, key in keys_of(function, cls.left_out).items()}

    def arguments(self, values: Mapping[str, Any]) -> Table:
        return {}


class Data(_Arguments):
    """The training data: arguments of `FoldYielder`; the seed is the run's.

    Example:
        >>> from lumin_plugin_commands.run_tables import Data
        >>> list(Data.get_keys())[:4]
        ['foldfile', 'cont_feats', 'cat_feats', 'ignore_feats']
    """

    gives = ("fy",)
    of = (FoldYielder,)
    left_out = ("batch_yielder_type", "seed")

    def arguments(self, values: Mapping[str, Any]) -> Table:
        """Open the fold file."""
        return {"fy": FoldYielder(**self.options)}


class Model(_Arguments):
    """What is trained: arguments of `ModelBuilder.from_fy`; those of the embedder are a table.

    Example:
        >>> from lumin_plugin_commands.run_tables import Model
        >>> Model.get_keys()["n_out"].is_required, list(Model.get_keys()["cat_embedder"].inner)
        (False, ['emb_szs', 'max_emb_sz', 'emb_load_path', 'unknown_rate'])
    """

    gives = ("model_builder",)
    of = (ModelBuilder, ModelBuilder.from_fy)
    left_out = ("fy", "cont_feats", "lookup_act", "seed")  # its features are the file's

    @classmethod
    def get_keys(cls) -> dict[str, Key]:
        """Return the arguments, of which the embedder is a table."""
        embedder = Key.of_table("cat_embedder", keys_of(CatEmbedder.from_fy, ["fy"]))
        return super().get_keys() | {embedder.name: embedder}

    def arguments(self, values: Mapping[str, Any]) -> Table:
        """Make the builder."""
        options, fy = dict(self.options), values["fy"]
        if (embedder := options.pop("cat_embedder", None)) is not None:
            options["cat_embedder"] = CatEmbedder.from_fy(fy, **embedder)
        return {"model_builder": ModelBuilder.from_fy(fy, **options)}


class Train(_Arguments):
    """How it is trained: arguments of `train_models`, to which they go as they are.

    Example:
        >>> from lumin_plugin_commands.run_tables import Train
        >>> [key.name for key in Train.get_keys().values() if key.is_required]
        ['n_models', 'bs', 'n_epochs']
    """

    of = (train_models,)
    left_out = ("fy", "model_builder", "resume", "overwrite", "retry_failed")


class Convert(RunTable):
    """Trains on files of events, such as ROOT files, which a recipe makes into a fold file.

    That is kept, and made anew where the recipe or the files have changed.

    Args:
        recipe: The recipe, a TOML file, see `Converter`.
        verify: Whether changed files are told by their content, rather than by name, size and time.

    Example:
        >>> from lumin_plugin_commands.run_tables import Convert
        >>> Convert.gives, list(Convert.get_keys())
        (('foldfile',), ['recipe', 'verify'])
    """

    gives = ("foldfile",)
    example_options: ClassVar[Mapping[str, object]] = {"recipe": "recipe.toml"}

    def __init__(self, recipe: Path, verify: bool = False) -> None:
        self.recipe = recipe
        self.verify = verify

    def arguments(self, values: Mapping[str, Any]) -> Table:
        """Make the fold file, unless it is there."""
        return {"foldfile": converted(self.recipe, verify=self.verify)}


class Ensemble(_Arguments):
    """An ensemble of the results: arguments of `Ensemble.from_results`.

    Example:
        >>> from lumin_plugin_commands.run_tables import Ensemble
        >>> list(Ensemble.get_keys())
        ['size', 'metric', 'weighting', 'snapshot_args']
    """

    of = (EnsembleOfModels.from_results,)
    left_out = ("results", "model_builder", "device", "precision", "compile")

    def arguments(self, values: Mapping[str, Any]) -> Table:
        """Refuse an ensemble that the results could not make."""
        if (weighting := self.options.get("weighting", WEIGHTINGS[0])) not in WEIGHTINGS:
            raise ConfigError(f"[ensemble] weighting must be one of {', '.join(WEIGHTINGS)}, got {weighting!r}")
        metrics = {metric.label: metric.better for metric in build_metrics(values["metric_partials"])}
        results = [dict.fromkeys(["loss", *metrics], 1.0)] * values["n_models"]
        Results(results, metrics).best(self.options["size"], self.options.get("metric", "loss"))
        return {}

    def finish(self, results: Results, folder: Path) -> None:
        """Save the ensemble beside the models."""
        EnsembleOfModels.from_results(results, **self.options).save(folder / ENSEMBLE)


FLAT: dict[str, type[RunTable]] = {"data": Data, "model": Model, "train": Train}
"""Tables whose keys may stand at the top level of the file."""


@cache
def flat_keys() -> dict[str, Key]:
    """Return the keys of a run file's top level: those of `FLAT`, ``ensemble`` and ``preset``.

    Example:
        >>> from lumin_plugin_commands.run_tables import flat_keys
        >>> [key.name for key in flat_keys().values() if key.is_required]
        ['foldfile', 'objective', 'n_models', 'bs', 'n_epochs']
    """
    found = {name: key for table in FLAT.values() for name, key in table.get_keys().items()}
    return {**found, "ensemble": Key.of_table("ensemble", Ensemble.get_keys()), "preset": Key("preset", (Any,), None)}


def find_table(name: str) -> partial[RunTable]:
    """Find the component of a table, ready to be given the table's values.

    Those of run files themselves are always ours, so that a stranger's ``ensemble`` changes no
    file; it has its qualified name as table: ``["my-tables/ensemble"]``.

    Args:
        name: The table.

    Raises:
        UnknownComponent: If there is none of that name.
        LuminError: If it is broken, or several plugins have it.

    Example:
        >>> from lumin_plugin_commands.run_tables import find_table
        >>> find_table("ensemble").func.__name__
        'Ensemble'
    """
    return registry.resolve("run_table", f"commands/{name}" if name in (*FLAT, "ensemble") else name)


def table_class(name: str) -> type[RunTable]:
    """Return the class of a table; arguments and errors as for `find_table`.

    Example:
        >>> from lumin_plugin_commands.run_tables import table_class
        >>> table_class("data").gives
        ('fy',)
    """
    return cast("type[RunTable]", find_table(name).func)


def table_key(name: str, place: str) -> Key:
    """Return the key of another plugin's table.

    Args:
        name: The table.
        place: The file, for messages.

    Raises:
        ConfigError: If there is no such key or table; with did-you-mean, and what to install.
        LuminError: If its component is broken, or several plugins have it.
    """
    try:
        keys = table_class(name).get_keys()
    except UnknownComponent as error:
        if hints := registry.not_installed("run_table", name):
            raise ConfigError(f"{place} a run file has no [{name}]; {'; '.join(hints)}") from error
        installed = [component.name for component in registry.components("run_table")]
        check_keys([name], [*flat_keys(), *installed], f"{place} a run file")
        raise
    except LuminError as error:
        raise type(error)(f"{place} [{name}]: {error}") from error
    return Key.of_table(name, keys)
