"""Recipes: which events of which files become a fold file, and what is computed of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lumin_core.checks import check_keys
from lumin_core.data import Converter
from lumin_core.display import Displayed, count, counted
from lumin_core.errors import ConfigError, LuminError
from lumin_core.files import read_toml
from lumin_core.looks import look_at
from lumin_plugin_io.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np

    from lumin_core.display import Row
    from lumin_plugin_io.dry_run import DryRun

    Progress = Callable[[str, int, int], None]
    Scoring = Callable[[str, int, int, int], None]


class Recipe(Plan, Converter, Displayed):
    """Which events of which files become a fold file, and what is computed of them.

    It is written as a TOML file, whose keys are the arguments here, and read by `load`; tables are
    dicts. Wherever an expression is asked for, see `Expression`, a number is one, too.

    Args:
        sample: Samples by name, each with ``files`` (paths or patterns); with ``tree``, ``target``,
            ``xsec``, ``sum_of_weights``, ``weights``, ``selection``, ``friends`` as in `Sample`.
        variables: Continuous features: expressions by name, in the order of the columns; or a list
            of branches. The same holds for ``targets`` and ``misc``.
        categories: Categorical features by name: expressions, or tables with ``value``, ``map``,
            ``unknown`` as in `Category`.
        matrix: Objects by name, each with ``fields``, ``n``, ``by`` as in `MatrixTable`. All tables
            are stacked in one matrix, whose rows are ``jets_0``, ``jets_1``, ..., ``muons_0``, ...
        targets: Expressions by name, beside or instead of the samples' ``target``. There may be no
            target at all.
        misc: Further columns: expressions by name, kept exactly.
        tree: Table or tables of each file; by default the only one. A sample may have another.
        lumi: Luminosity, in the inverse of the cross sections' unit.
        weights: Expression of an event's weight, by default 1. Of samples with ``xsec`` it is
            multiplied with ``xsec * lumi / sum_of_weights``.
        selection: Expression that all events must fulfil; where it is missing, they do not.
        variations: Systematic uncertainties by name, each with ``up`` and ``down`` as in
            `Variation`; columns ``<variable>__<name>_up`` and ``..._down``, unscaled.
        split: ``parts``, ``by``, ``salt`` as in `Split`.
        train_weight: ``balance``, ``flat``, ``to`` as in `TrainWeight`; the column
            ``train_weight``.
        targ_type: Dtype of the targets.
        n_folds: Number of folds of each part.
        strata: What folds are to have the same share of: names among ``sample``, targets,
            categories and further columns.
        group_key: Expression of a whole number; events of one value stay in one fold.
        scaling: Transform of the continuous features and of each field of the matrix, fitted to the
            training part, weighted by the weights' absolute values; ``""`` for none.
        compression: ``"lzf"``, ``"gzip"``, or none.
        seed: Another number, other folds; the same gives the same file.
        units: Units of columns by their names, which figures show: ``{"ht": "GeV"}``. The name of
            a field of the matrix stands for its columns, in all tables.
        folder: Where relative paths begin; by default the current folder.

    Attributes:
        samples: The samples.
        variables: Parsed expressions by name; likewise ``targets`` and ``misc``.
        weights: Parsed, or ``None``; likewise ``selection`` and ``group_key``.

    Raises:
        ConfigError: With the key as it stands in the file, what was expected, and what came.

    Example:
        >>> from lumin_plugin_io import Recipe
        >>> recipe = Recipe(
        ...     sample={
        ...         "qcd": {"files": "qcd_*.root", "target": 0},
        ...         "higgs": {"files": "higgs.root", "target": 1},
        ...     },
        ...     selection="nJet >= 2",
        ...     variables={"ht": "sum(Jet_pt)"},
        ...     matrix={"jets": {"fields": {"pt": "Jet_pt", "eta": "Jet_eta"}, "n": 2, "by": "pt"}},
        ... )
        >>> recipe.cont_feats, recipe.targ_feats, recipe.matrix_schema().present_feats
        (['ht'], ['target'], ['jets_0_pt', 'jets_0_eta', 'jets_1_pt', 'jets_1_eta'])
    """

    @classmethod
    def load(cls, path: str | Path, changes: Mapping[str, object] | None = None) -> Self:
        """Read a recipe from a TOML file.

        Args:
            path: The file; paths in it are relative to its folder.
            changes: Values in place of the file's, ``{"n_folds": 5, "sample.ttbar.xsec": 832}``.

        Raises:
            ConfigError: If it cannot be read, or something in it is wrong; with the file's name.

        Example:
            >>> import pathlib, tempfile
            >>> from lumin_plugin_io import Recipe
            >>> path = pathlib.Path(tempfile.mkdtemp()) / "recipe.toml"
            >>> _ = path.write_text('''
            ... [sample.data]
            ... files = "data.root"
            ... [variables]
            ... ht = "sum(Jet_pt)"
            ... ''')
            >>> Recipe.load(path, {"n_folds": 5})
            Recipe of 1 sample
              samples    1: data
              variables  1: ht
              targets    none
              folds      5
        """
        path = Path(path).expanduser()
        given: object = read_toml(path, "recipe")
        if (look := look_at(path)).kind == "run_file":
            raise ConfigError(f"{path} is not a recipe but {look.told(path)}")
        try:
            for name, value in (changes or {}).items():
                given = _changed(given, name.split("."), value, name)
            table = dict(given) if isinstance(given, Mapping) else {}
            keys = [key for key in inspect.signature(Plan).parameters if key != "folder"]
            check_keys(table, keys, "a recipe")
            recipe = cls(**{"sample": None, **table}, folder=path.parent)
            recipe.check_files()
        except LuminError as error:
            raise type(error)(f"{path}: {error}") from error
        return recipe

    def dry_run(self, *, count: bool = False) -> DryRun:
        """Read the beginning of each file, and say what a conversion would come to.

        Args:
            count: Whether all entries are read, rather than 20,000 of a file.

        Returns:
            Inputs, yields, the first events; as text it is a table.

        Raises:
            LuminError: If the recipe does not fit the files, as `convert` would.
        """
        from lumin_plugin_io.dry_run import dry_run

        self.check_files()
        return dry_run(self, count=count)

    def convert(
        self,
        savename: str | Path,
        *,
        overwrite: bool = False,
        workers: int = 1,
        memory: int | None = None,
        spool: str | Path | None = None,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> dict[str, Path]:
        """Write fold files, one for each part.

        Args:
            savename: Of the file for the training, ``"train.hdf5"``; of the part ``test`` it is
                ``train.test.hdf5``.
            overwrite: Whether existing files may be replaced.
            workers: Processes that read files.
            memory: Megabytes that each of them may use.
            spool: Folder for the events between reading and writing; by default beside the output.
            resume: Whether to go on with a conversion that was interrupted.
            progress: Called after each file and each fold with ``"read"`` or ``"written"``, how
                many are done, and how many there are.

        Returns:
            Paths by part, that of the training first.

        Raises:
            ConfigError: If something of the recipe is not in the files.
            DataError: If values cannot be stored.
            FoldFileError: If files exist, or cannot be written.
        """
        from lumin_plugin_io.conversion import convert

        self.check_files()
        return convert(
            self,
            savename,
            overwrite=overwrite,
            workers=workers,
            memory=memory,
            spool=spool,
            resume=resume,
            progress=progress,
        )

    def cached(self, *, verify: bool = False, folder: str | Path | None = None) -> Path:
        """Return the fold file for the training, made now unless an earlier call left it.

        Args:
            verify: Whether inputs are told by their content, rather than by name, size and time.
            folder: Of the cache.
        """
        from lumin_plugin_io.cache import cached

        self.check_files()
        return cached(self, verify=verify, folder=folder)

    def score(
        self,
        files: Sequence[str | Path],
        ask: Callable[[Any], np.ndarray],
        *,
        name: str = "pred",
        output: str | Path | None = None,
        keys: Sequence[str] = (),
        tree: str | None = None,
        rntuple: bool = False,
        overwrite: bool = False,
        progress: Scoring | None = None,
    ) -> list[Path]:
        """Write one score for each entry of files, as `lumin_core.data.Converter` says.

        Args:
            files: Whose events are scored; patterns are allowed.
            ask: Function from inputs before scaling to scores.
            name: Of the scores.
            output: One file for all; by default one beside each input, to be used as a friend.
            keys: Columns of the input that are written beside the scores.
            tree: Table of the input; by default the recipe's.
            rntuple: Whether a ROOT file gets an RNTuple rather than a TTree.
            overwrite: Whether existing files may be replaced.
            progress: Called before each file and after each piece of it, with its name, how many
                entries are read, of how many, and how many of these were selected and scored.

        Returns:
            The files written.
        """
        from lumin_plugin_io.scoring import score

        return score(
            self,
            files,
            ask,
            name=name,
            output=output,
            keys=keys,
            tree=tree,
            rntuple=rntuple,
            overwrite=overwrite,
            progress=progress,
        )

    def _title(self) -> str:
        return f"Recipe of {count(len(self.samples), 'sample')}"

    def _rows(self) -> Iterator[Row]:
        yield "samples", counted([sample.name for sample in self.samples], 20)
        for label, names in (
            ("variables", self.cont_feats),
            ("categories", self.cat_feats),
            ("matrix", [f"{table.name} ({table.n})" for table in self.matrix]),
        ):
            if names:
                yield label, counted(names, 20)
        yield "targets", counted(self.targ_feats) or "none"
        if len(self.split.parts) > 1:
            yield "parts", ", ".join(f"{name} {fraction:g}" for name, fraction in self.split.parts.items())
        yield "folds", str(self.n_folds)


def _changed(value: object, names: Sequence[str], new: object, place: str) -> object:
    """Return a value with one entry of it replaced, at any depth."""
    if not names:
        return new
    if value is not None and not isinstance(value, Mapping):
        raise ConfigError(f"{place} cannot be changed: it is an entry of {value!r}, which is not a table")
    table = dict(value or {})
    return {**table, names[0]: _changed(table.get(names[0]), names[1:], new, place)}
