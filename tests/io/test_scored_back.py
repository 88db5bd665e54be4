"""From ROOT files of others to a trained model, and back: the scores land on their entries."""

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("uproot")
pytest.importorskip("lumin_plugin_gnn")
pytestmark = pytest.mark.torch

PUBLIC = Path(__file__).parents[2].parent / "shared" / "data" / "public"
HZZ = {
    "sample": {"all": {"files": "uproot-HZZ.root"}},
    "selection": "NJet >= 1 and abs(MET_px) < 60",
    "variables": {"met": "hypot(MET_px, MET_py)", "jet0_e": "Jet_E[0]"},
    "categories": {"n_muons": {"value": "NMuon", "unknown": True}},
    "matrix": {"jets": {"fields": {"px": "Jet_Px", "py": "Jet_Py", "E": "Jet_E"}, "n": 3, "by": "E"}},
    "targets": {"up": "MET_py > 0"},
}
NANOAOD = {
    "sample": {"all": {"files": "nanoAOD_2015_CMS_Open_Data_ttbar.root"}},
    "selection": "nJet >= 4",
    "variables": {"met": "MET_pt"},
    "matrix": {"muons": {"fields": {"pt": "Muon_pt", "eta": "Muon_eta"}, "n": 2, "by": "pt"}},
    "targets": {"up": "MET_phi > 0"},
    "misc": {"event": "event"},
}


MUONS = {
    "sample": {"all": {"files": "Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root"}},
    "selection": "nMuon >= 2",
    "variables": {"charge": "sum(Muon_charge)"},
    "matrix": {"muons": {"fields": {"pt": "Muon_pt", "eta": "Muon_eta", "phi": "Muon_phi"}, "n": 3, "by": "pt"}},
    "targets": {"up": "Muon_phi[0] > 0"},
}


@pytest.mark.parametrize("given", [HZZ, NANOAOD, MUONS], ids=["HZZ", "NanoAOD", "RNTuple"])
def test_scores_of_files_are_those_of_the_fold_file(given, tmp_path):
    from lumin_core import FoldYielder, Model, ModelBuilder
    from lumin_core.runs import score_files
    from lumin_plugin_io import Recipe, RootReader

    (name,) = (sample["files"] for sample in given["sample"].values())
    if not (PUBLIC / name).exists():
        pytest.skip("../shared/data is not there")
    shutil.copyfile(PUBLIC / name, tmp_path / name)
    paths = Recipe(**given, n_folds=3, folder=tmp_path, seed=4).convert(tmp_path / "train")
    head = {
        "name": "multi_head",
        "flat_head": "cat_emb_head",
        "matrix_head": {"name": "gnn_head", "extractor": {"name": "deep_sets", "preset": "lite"}},
    }
    with FoldYielder(paths["train"]) as fy:
        body = {"name": "fully_connected", "depth": 1, "width": 8}
        model = Model(ModelBuilder.from_fy(fy, "classification", head=head, body=body, seed=1))
        model.fit(1, fy, bs=min(fy.get_data_count(fold) for fold in range(3)), visible_bar=False)
        model.predict(fy)
        entries, expected = fy.get_column("entry"), fy.get_column("pred")
    path = model.save(tmp_path / "model")
    (written,) = score_files(Model.from_save(path), tmp_path / name)
    with RootReader(written) as scored, RootReader(tmp_path / name) as events:
        assert scored.tree == f"{events.tree}_pred"
        assert scored.count() == events.count()
        (piece,) = scored.chunks(["pred"], scored.count())
    assert len(entries) > 20
    np.testing.assert_allclose(piece["pred"][entries], expected, rtol=1e-5)
    assert np.isnan(piece["pred"]).sum() == scored.count() - len(entries)


BIG = 2**53 + 1
SIZES = {"a.root": 90, "b_1.root": 70, "b_2.root": 50}


def events_of(name):
    rng = np.random.default_rng(SIZES[name])
    x, y = rng.normal(size=(2, SIZES[name])).astype("f4")
    return {"x": x, "y": y, "event": np.arange(SIZES[name]) + BIG + 1000 * SIZES[name]}


@pytest.fixture
def folder(tmp_path):
    import uproot

    for name in SIZES:
        with uproot.recreate(tmp_path / name) as file:
            if name == "b_2.root":
                file.mkrntuple("Events", events_of(name))
            else:
                file.mktree("Events", {key: values.dtype for key, values in events_of(name).items()})
                file["Events"].extend(events_of(name))
    return tmp_path


def scores_of(path):
    """Read scores by the number of the event, which are all different."""
    from lumin_plugin_io import open_reader

    with open_reader(path) as reader:
        pieces = list(reader.chunks(["event", "pred"], 60))
    events, scores = (np.concatenate([piece[name] for piece in pieces]) for name in ("event", "pred"))
    assert events.dtype == np.int64
    return dict(zip(events.tolist(), scores.tolist(), strict=True))


@pytest.mark.parametrize("ending", ["root", "parquet"])
def test_scores_land_on_their_events_through_files_parts_folds_and_views(folder, ending):
    pytest.importorskip("pyarrow")
    from lumin_core import Augmentation, FoldYielder, Model, ModelBuilder
    from lumin_core.runs import score_files, score_folds
    from lumin_plugin_io import Recipe

    class Flip(Augmentation):
        n_test = 2

        def train(self, fold, rng):
            return fold

        def test(self, fold, idx):
            fold.column("x")[:] *= (1, -2)[idx]
            return fold

    paths = Recipe(
        sample={"a": {"files": "a.root", "target": 0}, "b": {"files": "b_*.root", "target": 1}},
        selection="x > -1",
        variables=["x", "y"],
        misc=["event"],
        split={"parts": {"train": 0.6, "test": 0.4}, "by": ["event"]},
        n_folds=3,
        folder=folder,
    ).convert(folder / "train.hdf5")
    with FoldYielder(paths["train"], augmentations=Flip()) as fy:
        body = {"name": "fully_connected", "depth": 1, "width": 4}
        model = Model(ModelBuilder.from_fy(fy, "classification", body=body, seed=1))
        model.fit(1, fy, bs=20, visible_bar=False)
    of_folds = {}
    for part, path in paths.items():
        with FoldYielder(path) as fy:
            of_folds |= scores_of(score_folds(model, fy, folder / f"{part}.{ending}", keys="event", augment=True))
    files = [folder / name for name in ("b_2.root", "a.root", "b_1.root")]
    (written,) = score_files(model, files, output=folder / f"scores.{ending}", keys="event", augment=True)
    found = scores_of(written)
    given = [events_of(file.name) for file in files]
    assert list(found) == np.concatenate([each["event"] for each in given]).tolist()
    selected = np.concatenate([each["event"][each["x"] > -1] for each in given]).tolist()
    assert set(of_folds) == set(selected) == {event for event, score in found.items() if score == score}
    np.testing.assert_allclose([found[event] for event in selected], [of_folds[event] for event in selected], rtol=1e-5)
    assert len(set(of_folds.values())) > 100
