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


@pytest.mark.parametrize("given", [HZZ, NANOAOD], ids=["HZZ", "NanoAOD"])
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
        model.fit(1, fy, bs=len(fy[0]["targets"]), visible_bar=False)
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
