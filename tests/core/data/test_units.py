"""Units of columns: every door that writes them, and what is refused."""

from __future__ import annotations

import re

import h5py
import numpy as np
import pandas as pd
import pytest

from lumin_core import FoldFileWriter, FoldYielder, add_meta_data, add_units, df2foldfile, fold2foldfile
from lumin_core.data.entries import schema_from_entries, schema_to_entries
from lumin_core.data.schema import Schema
from lumin_core.errors import ConfigError, FoldFileError

ONE = {"inputs": np.ones((4, 2)), "targets": np.ones((4, 1)), "misc": {"mass": np.ones(4)}}


def write(path, **options):
    with FoldFileWriter(path, **({"cont_feats": ["pt", "eta"], "targ_feats": ["energy"]} | options)) as file:
        file.append(0, **ONE)
    return FoldYielder(path)


def frame():
    names = ["pt", "jet_0_pt", "jet_0_eta", "jet_1_pt", "y", "mass"]
    return pd.DataFrame({name: np.arange(4.0) for name in names})


def test_the_writer_stores_units_which_do_not_belong_to_the_identity(tmp_path):
    units = {"pt": "GeV", "energy": "TeV", "mass": "GeV"}
    made, plain = write(tmp_path / "a", units=units), write(tmp_path / "plain")
    assert (made.units, plain.units) == (units, {})
    assert made.identity == plain.identity
    assert made.schema.without(["pt"]).units == {"energy": "TeV", "mass": "GeV"}
    assert re.search(r"units +GeV \(2 columns\), TeV \(1 column\)$", str(made))
    with h5py.File(tmp_path / "plain.hdf5") as file:
        assert "units" not in file["meta_data"]


def test_units_go_through_entries_and_back():
    schema = Schema(cont_feats=["pt"], targ_feats=["y"], units={"pt": "GeV"})
    assert schema_from_entries(schema_to_entries(schema)) == schema
    assert schema_from_entries({"cont_feats": ["pt"], "targ_feats": ["y"]}).units == {}


def test_a_field_of_the_matrix_stands_for_its_columns(tmp_path):
    matrix = {"matrix_vecs": ["jet_0", "jet_1"], "matrix_feats_per_vec": ["pt", "eta"], "matrix_row_wise": True}
    units = {"pt": "GeV", "jet_1_pt": "TeV", "jet_0_eta": "rad"}
    path = df2foldfile(frame(), 2, ["pt"], [], "y", tmp_path / "a", "float32", ["mass"], units=units, seed=1, **matrix)
    assert FoldYielder(path).units == {"pt": "GeV", "jet_0_pt": "GeV", "jet_1_pt": "TeV", "jet_0_eta": "rad"}


def test_add_meta_data_takes_units(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        fold2foldfile(frame(), file, 0, ["pt"], [], "y", "int", ["mass"])
        with pytest.raises(ConfigError, match=r"units: the file has no 'mas'; did you mean 'mass'\?"):
            add_meta_data(file, list(frame()), ["pt"], [], None, "y", misc_feats=["mass"], units={"mas": "GeV"})
        add_meta_data(file, list(frame()), ["pt"], [], None, "y", misc_feats=["mass"], units={"mass": "GeV"})
    assert FoldYielder(tmp_path / "a").units == {"mass": "GeV"}


def test_add_units_adds_to_those_of_a_file(tmp_path):
    fy = write(tmp_path / "a", units={"pt": "MeV", "mass": "GeV"})
    fy.save_fold_pred(np.zeros(4), 0)
    before = fy.identity
    add_units(fy.foldfile, {"pt": "GeV", "pred": "TeV"})
    again = FoldYielder(tmp_path / "a")
    assert again.units == {"pt": "GeV", "mass": "GeV", "pred": "TeV"}
    assert again.identity == before
    assert again.verify() == []


def test_add_units_knows_further_columns_of_a_file_of_lumin(tmp_path):
    with h5py.File(tmp_path / "lumin.hdf5", "w") as file:
        for name, text in (("cont_feats", '["pt"]'), ("cat_feats", "[]"), ("targ_feats", '"y"')):
            file[f"meta_data/{name}"] = text
        for name in ("targets", "mass"):
            file[f"fold_0/{name}"] = np.ones(4)
        file["fold_0/inputs"] = np.ones((4, 1))
    add_units(tmp_path / "lumin.hdf5", {"mass": "GeV"})
    assert FoldYielder(tmp_path / "lumin").units == {"mass": "GeV"}
    with pytest.raises(ConfigError, match="units: the file has no 'inputs'"):
        add_units(tmp_path / "lumin.hdf5", {"inputs": "GeV"})


def test_add_units_needs_meta_data(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["fold_0/inputs"] = np.ones((4, 1))
    with pytest.raises(FoldFileError, match=r"a\.hdf5 has no meta data: write them with add_meta_data"):
        add_units(tmp_path / "a.hdf5", {"pt": "GeV"})


@pytest.mark.parametrize(
    ("units", "said"),
    [
        ({"ptt": "GeV"}, r"units: the file has no 'ptt'; did you mean 'pt'\?"),
        ({"pt": ""}, "the unit of 'pt' must be text, as 'GeV', got ''; without one, leave it out"),
        ({"pt": 1}, "the unit of 'pt' must be text, as 'GeV', got 1"),
        (["GeV"], r"units must be a dict of columns to units, as \{'pt': 'GeV'\}, got \['GeV'\]"),
    ],
)
def test_units_that_are_none_are_refused(tmp_path, units, said):
    with pytest.raises(ConfigError, match=said):
        write(tmp_path / "a", units=units)
    assert list(tmp_path.iterdir()) == []
