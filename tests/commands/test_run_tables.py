"""The tables of run files: ours, and those of a stranger."""

import inspect
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from run_files import BASE

from lumin_core import FoldFileWriter, FoldYielder, ModelBuilder, registry, train_models
from lumin_core.data import FoldReader
from lumin_core.data.transforms import Pipe
from lumin_core.errors import AmbiguousComponent, BrokenPlugin, ConfigError, DataError
from lumin_plugin_commands import RunFile, RunTable, run_tables
from lumin_plugin_commands.run_keys import check_of
from lumin_plugin_commands.run_tables import Data, Ensemble, Model, Train, find_table
from lumin_plugin_commands.run_tables import flat_keys as keys

DOCS = Path(__file__).resolve().parents[2] / "docs" / "run_files.md"
WITHOUT_FILE = BASE.replace('foldfile = "data/train.hdf5"', "")
STRANGER = """
from lumin_plugin_commands import RunTable

class Ensemble(RunTable):
    def __init__(self, shape: str = "round"): ...

    def arguments(self, values):
        return {}

class Convert(Ensemble): ...
"""


# Ours


def test_keys_types_and_defaults_are_those_of_the_signatures():
    functions = (FoldYielder, ModelBuilder, train_models)
    parameters = {p.name: p for function in functions for p in inspect.signature(function).parameters.values()}
    for key in keys().values():
        if key.name not in ("n_out", "cat_embedder", "ensemble", "preset"):
            assert key.default is parameters[key.name].default
    left_out = {name for table in (Data, Model, Train) for name in table.left_out}
    assert set(parameters) - left_out == set(keys()) - {"ensemble", "preset"} - left_out
    assert "seed" in keys()


def test_every_annotation_is_one_that_can_be_checked():
    known = {
        Any,
        object,
        Sequence[Any],
        NoneType,
        h5py.File,
        FoldReader,
        Pipe,
        torch.device,
    }  # objects, which no file holds
    kinds = {kind for key in keys().values() for kind in key.types}
    assert {kind for kind in kinds if check_of(kind) is None} <= known


def test_docs_list_every_key():
    cells = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(re.findall(r"\w+", " ".join(cells))) == sorted(keys())


def test_our_tables_are_registered_by_name():
    for table in (Data, Model, Train, Ensemble):
        name = table.__name__.lower()
        assert registry.find("run_table", name).load() is table
        assert find_table(name).func is table


def test_keys_of_the_top_level_may_stand_in_tables(write):
    flat = RunFile.load(write()).values
    tables = """
        [data]
        foldfile = "data/train.hdf5"
        [model]
        objective = "classification"
        body = {name = "fully_connected", depth = 1, width = 4}
        [train]
        n_models = 2
        n_epochs = 2
        savepath = "run"
        seed = 7"""
    assert RunFile.load(write(tables, base="bs = 8")).values == flat
    assert RunFile.load(write(tables, base="bs = 9"), {"train.bs": 8}).values == flat


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("[train]\nn_epoch = 3", r"run\.toml, \[train\] has no 'n_epoch'; did you mean 'n_epochs'"),
        ("[data]\nbs = 3", r"run\.toml, \[data\] has no 'bs'"),
        ("[train]\nbs = 3", r"run\.toml: bs comes twice, in \[train\] and at the top level; leave one out"),
        ("data = 'train.hdf5'", r"run\.toml: data must be a table, got 'train\.hdf5'"),
    ],
)
def test_keys_in_our_tables_are_checked(write, lines, message):
    with pytest.raises(ConfigError, match=message):
        RunFile.load(write(lines))


@pytest.mark.parametrize("verify", [False, True])
def test_convert_trains_on_the_fold_file_of_a_recipe(write, tmp_path, monkeypatch, verify):
    asked = []

    def converted(recipe, *, verify):
        asked.append((recipe, verify))
        return tmp_path / "data" / "train.hdf5"

    monkeypatch.setattr(run_tables, "converted", converted)
    lines = '[convert]\nrecipe = "recipe.toml"' + ("\nverify = true" if verify else "")
    RunFile.load(write(lines, base=WITHOUT_FILE)).run()
    assert asked == [(str(tmp_path / "recipe.toml"), verify)]
    assert (tmp_path / "run" / "results.json").exists()


# A stranger's


@pytest.fixture
def convert():
    """Register a table that writes a fold file of numbers, and notes what it sees after the run."""

    @registry.register("run_table", "convert", override=True)
    class Convert(RunTable):
        gives = ("foldfile", "objective")
        finished: list = []  # noqa: RUF012

        def __init__(self, source: Path, n_folds: int = 3, shift: float = 0.0):
            self.source, self.n_folds, self.shift = source, n_folds, shift

        def arguments(self, values):
            assert "fy" not in values
            x = np.loadtxt(self.source) + self.shift
            target = Path(self.source).with_suffix(".hdf5")
            with FoldFileWriter(target, cont_feats=["x"], targ_feats="y", overwrite=True) as file:
                for fold in range(self.n_folds):
                    file.append(fold, inputs=x[:, None], targets=(x > 0).astype(float))
            return {"foldfile": target, "objective": "classification"}

        def finish(self, results, folder):
            self.finished.append((len(results), folder))

    return Convert


@pytest.fixture
def numbers(tmp_path):
    np.savetxt(tmp_path / "numbers.txt", np.linspace(-1, 1, 16))
    return tmp_path / "numbers.txt"


BARE = WITHOUT_FILE.replace('objective = "classification"', "")
CONVERT = '[convert]\nsource = "numbers.txt"'


def test_a_table_gives_arguments_and_acts_after_the_run(write, tmp_path, convert, numbers):
    results = RunFile.load(write(CONVERT, base=BARE)).run()
    assert len(results) == 2
    assert convert.finished == [(2, tmp_path / "run")]
    with FoldYielder(tmp_path / "numbers.hdf5") as fy:
        assert (fy.n_folds, fy.cont_feats) == (3, ["x"])


def test_what_a_table_was_given_repeats_the_run(write, tmp_path, convert, numbers):
    RunFile.load(write(CONVERT, base=BARE), {"convert.n_folds": 4}).run()
    left = tomllib.loads((tmp_path / "run" / "run.toml").read_text(encoding="utf-8"))
    assert left["session/convert"] == {"source": str(numbers), "n_folds": 4}
    assert not {"foldfile", "objective", "convert"} & set(left)
    RunFile.load(tmp_path / "run" / "run.toml", {"savepath": tmp_path / "again"}).run()
    for path in (tmp_path / "run").glob("model_*/model.safetensors"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(tmp_path / "run")).read_bytes()


def test_a_table_that_gives_nothing_sees_data_and_builder_and_may_refuse(write, tmp_path):
    @registry.register("run_table", "demand")
    class Demand(RunTable):
        def __init__(self, events: int):
            self.events = events

        def arguments(self, values):
            assert values["model_builder"].n_out == 1
            if values["fy"].get_data_count() < self.events:
                raise DataError("too few events")
            return {}

    RunFile.load(write("demand = {events = 48}")).run()
    with pytest.raises(DataError, match=r"run\.toml: too few events"):
        RunFile.load(write("demand = {events = 49}"), {"savepath": tmp_path / "other"}).run()
    assert not (tmp_path / "other").exists()


def test_a_failure_after_the_run_leaves_it(write, tmp_path):
    @registry.register("run_table", "report")
    class Report(RunTable):
        def arguments(self, values):
            return {}

        def finish(self, results, folder):
            raise ConfigError("no paper")

    with pytest.raises(ConfigError, match=r"the run in .*run is complete, but not its report: no paper"):
        RunFile.load(write("[report]")).run()
    assert {"results.json", "run.toml"} <= {path.name for path in (tmp_path / "run").iterdir()}


@pytest.mark.parametrize(
    ("lines", "base", "message"),
    [
        ("[convert]", BARE, r"run\.toml, \[convert\] needs source$"),
        (CONVERT + "\nn_fold = 3", BARE, r"run\.toml, \[convert\] has no 'n_fold'; did you mean 'n_folds'"),
        (CONVERT + "\nn_folds = '3'", BARE, r"run\.toml, \[convert\]: n_folds must be an integer, got '3'"),
        ("convert = 3", BARE, r"run\.toml: convert must be a table, got 3"),
        (CONVERT, WITHOUT_FILE, r"run\.toml: objective comes twice, one of them from \[convert\]; leave one out"),
        ("[convrt]", BASE, r"run\.toml: a run file has no 'convrt'; did you mean 'convert'"),
        ("[bodi]", BASE, r"run\.toml: a run file has no 'bodi'; did you mean 'body'"),
        ("", WITHOUT_FILE, r"run\.toml needs foldfile$"),
    ],
)
def test_tables_are_checked_like_keys(write, convert, lines, base, message):
    with pytest.raises(ConfigError, match=message):
        RunFile.load(write(lines, base=base))


def test_a_table_of_a_plugin_that_is_not_installed_says_what_to_install(write, monkeypatch):
    monkeypatch.setattr(registry, "not_installed", lambda kind, name: [f"lumin-plugin-plots has it: {kind} {name}"])
    with pytest.raises(
        ConfigError, match=r"a run file has no \[picture\]; lumin-plugin-plots has it: run_table picture"
    ):
        RunFile.load(write("[picture]"))


def test_a_name_of_two_plugins_is_written_with_its_origin_and_ours_is_ours(write, install):
    for name in ("a", "b"):
        entries = {"run_tables": {"convert": f"tables_{name}:Convert", "ensemble": f"tables_{name}:Ensemble"}}
        install(f"{name}-tables", entries, modules={f"tables_{name}": STRANGER})
    with pytest.raises(AmbiguousComponent, match=r"run\.toml: \[convert\]: .*'a-tables/convert' or 'b-tables/convert'"):
        RunFile.load(write("[convert]"))
    values = RunFile.load(write('["b-tables/convert"]\nshape = "flat"', "[ensemble]\nsize = 1")).values
    assert values["b-tables/convert"] == {"shape": "flat"}
    assert values["ensemble"] == {"size": 1}


def test_a_table_that_does_not_give_what_it_says_is_its_authors_to_repair(write, tmp_path):
    @registry.register("run_table", "generous")
    class Generous(RunTable):
        gives = ("objective",)

        def arguments(self, values):
            return {"bs": 3}

    base = BASE.replace('objective = "classification"', "")
    with pytest.raises(BrokenPlugin, match=r"\[generous\] should give \['objective'\], got \['bs'\]"):
        RunFile.load(write("[generous]", base=base)).run()
    Generous.gives = ("savepath",)
    with pytest.raises(BrokenPlugin, match=r"\[generous\] gives 'savepath', which tables cannot"):
        RunFile.load(write("[generous]"))
    assert not (tmp_path / "run").exists()
