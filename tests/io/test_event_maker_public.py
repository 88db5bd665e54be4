"""Objects of other people's files become rows of a matrix: compared with loops over events."""

from pathlib import Path

import numpy as np
import pytest

from lumin_plugin_io import EventMaker, Recipe

uproot = pytest.importorskip("uproot")

from lumin_plugin_io import open_reader  # noqa: E402  (needs uproot)

FOLDER = Path(__file__).resolve().parents[3] / "shared/data/public"
NANO = "nanoAOD_2015_CMS_Open_Data_ttbar.root"


def events_of(name, keys, tree="Events"):
    if not (FOLDER / name).exists():
        pytest.skip(f"there is no {FOLDER / name}")
    recipe = Recipe(sample={"a": {"target": 1}}, **keys)
    maker = EventMaker(recipe, recipe.samples[0], where=name)
    with open_reader(FOLDER / name, tree) as reader:
        maker.check(reader.columns())
        (columns,) = reader.chunks(maker.branches, reader.count())
        return maker(columns, 0, reader.count()), uproot.open(FOLDER / name)[tree]


def rows_of(objects, n, by):
    """Sort and cut the objects of each event, of which each is a tuple of its fields."""
    rows = np.full((len(objects), n, len(objects[0][0])), np.nan, dtype=np.float32)
    for i, event in enumerate(objects):
        for j, values in enumerate(sorted(event, key=lambda one: -one[by])[:n]):
            rows[i, j] = values
    return rows


def test_muons_of_nanoaod():
    n, fields = 3, {"pt": "Muon_pt", "eta": "Muon_eta", "charge": "Muon_charge"}
    keys = {
        "selection": "nMuon >= 1",
        "matrix": {"muons": {"fields": fields, "n": n, "by": "pt"}},
        "misc": {"event": "event"},
    }
    events, tree = events_of(NANO, keys)
    branches = tree.arrays([*fields.values(), "event"])
    muons = [list(zip(*(branches[b][i].tolist() for b in fields.values()), strict=True)) for i in range(len(branches))]
    selected = [i for i, objects in enumerate(muons) if objects]
    assert events.entry.tolist() == selected
    np.testing.assert_array_equal(events.matrix, rows_of([muons[i] for i in selected], n, 0))
    assert events.n_cut == {"muons": sum(max(0, len(objects) - n) for objects in muons)}
    assert events.misc["event"].tolist() == branches["event"][selected].tolist()


def test_jets_of_hzz_and_variables_of_the_leading_ones():
    keys = {
        "matrix": {"jets": {"fields": {"px": "Jet_Px", "e": "Jet_E"}, "n": 2, "by": "e"}},
        "variables": {"met": "hypot(MET_px, MET_py)", "e": "max(Jet_E)"},
        "categories": {"n": "min(NJet, 2)"},
    }
    events, tree = events_of("uproot-HZZ.root", keys, "events")
    branches = tree.arrays(["Jet_Px", "Jet_E", "MET_px", "MET_py"])
    jets = [
        list(zip(x, e, strict=True))
        for x, e in zip(branches["Jet_Px"].tolist(), branches["Jet_E"].tolist(), strict=True)
    ]
    np.testing.assert_array_equal(events.matrix, rows_of([event or [(np.nan, np.nan)] for event in jets], 2, 1))
    assert events.categories["n"].tolist() == [min(len(event), 2) for event in jets]
    np.testing.assert_allclose(events.flat[:, 0], np.hypot(branches["MET_px"], branches["MET_py"]), rtol=1e-6)
    np.testing.assert_array_equal(events.flat[:, 1], events.matrix[:, 0, 1])
