"""Predictions of a fold file in another file: by file and entry, the fold file as it was."""

import json

import numpy as np
import pytest
from converters import JsonWriter, Made, NumberWriter, ShiftAndScale

from lumin_core import Ensemble, FoldYielder, Model, ModelBuilder, registry
from lumin_core.errors import ConfigError, FileError, UnknownComponent
from lumin_core.runs import fold_scores, score_folds


@pytest.fixture(autouse=True)
def session(monkeypatch):
    monkeypatch.setenv("LUMIN_DEVICE", "cpu")
    with registry.temporary():
        registry.register("converter", "made")(Made)
        registry.register("transform", "shift_and_scale")(ShiftAndScale)
        registry.register("writer", "json")(JsonWriter)
        registry.register("writer", "num")(NumberWriter)
        yield


@pytest.fixture
def fy(tmp_path):
    Made().convert(tmp_path / "train.hdf5")
    with FoldYielder(tmp_path / "train.hdf5") as fy:
        yield fy


def build(fy, n_out=1, seed=1):
    objective = "classification" if n_out == 1 else "multiclass"
    return Model(ModelBuilder.from_fy(fy, objective, n_out=n_out, seed=seed))


def test_events_are_in_the_order_in_which_they_were_read(fy, tmp_path, monkeypatch):
    monkeypatch.setattr(fold_scores, "_PIECE", 7)
    model, before = build(fy), fy.foldfile.read_bytes()
    assert score_folds(model, fy, tmp_path / "a.json", name="mine", keys="run") == tmp_path / "a.json"
    assert fy.foldfile.read_bytes() == before
    found = json.loads((tmp_path / "a.json").read_text())
    assert list(found) == ["file", "entry", "run", "mine"]
    assert found["file"] == ["one.root"] * 20 + ["two.root"] * 20
    assert found["entry"] == [*range(20), *range(20)]
    assert found["run"] == [*range(5, 45)]
    model.predict(fy)
    expected = fy.get_column("pred")[np.argsort(fy.get_column("run"))]
    np.testing.assert_array_equal(np.float32(found["mine"]), expected)


def test_no_file_of_the_events_is_replaced(fy, tmp_path):
    path = tmp_path / "one.root"
    path.write_text("events")
    with pytest.raises(FileError, match=r"one.root has the name of one.root, of which train.hdf5 was made; give"):
        score_folds(build(fy), fy, path, overwrite=True)
    assert path.read_text() == "events"


def test_who_takes_no_text_gets_the_number_of_the_file(fy, tmp_path):
    score_folds(build(fy), fy, tmp_path / "a.num")
    assert json.loads((tmp_path / "a.num").read_text())["file"] == [0] * 20 + [1] * 20


def test_ensembles_with_spread_out_of_fold(fy, tmp_path):
    models = [build(fy, seed=seed) for seed in (1, 2, 3, 4)]
    for i, model in enumerate(models):
        model.fit(1, fy, 10, trn_idxs=[i % 2], visible_bar=False, seed=i)
    ensemble = Ensemble(models)
    score_folds(ensemble, fy, tmp_path / "a.json", out_of_fold=True, spread=True)
    ensemble.predict(fy, out_of_fold=True, spread=True)
    found, order = json.loads((tmp_path / "a.json").read_text()), np.argsort(fy.get_column("run"))
    for name in ("pred", "pred_spread"):
        np.testing.assert_array_equal(np.float32(found[name]), fy.get_column(name)[order])


def test_several_outputs_are_numbered(fy, tmp_path):
    score_folds(build(fy, n_out=3), fy, tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text())
    assert list(found) == ["file", "entry", "pred_0", "pred_1", "pred_2"]
    np.testing.assert_allclose(np.sum([found[f"pred_{i}"] for i in range(3)], axis=0), 1, atol=1e-6)


def test_files_without_entries_need_keys(make_fy, make_builder, tmp_path):
    fy = make_fy(tmp_path / "plain.hdf5")
    model = Model(make_builder(fy))
    with pytest.raises(ConfigError, match=r"plain.hdf5 has no columns file and entry, by which lumin convert tells"):
        score_folds(model, fy, tmp_path / "a.json")
    with pytest.raises(ConfigError, match=r"keys: plain\.hdf5 .*'evnt'.*did you mean 'event'"):
        score_folds(model, fy, tmp_path / "a.json", keys=["evnt"])
    score_folds(model, fy, tmp_path / "a.json", keys=["event"])
    assert json.loads((tmp_path / "a.json").read_text())["event"] == [*range(48)]


def test_what_nothing_writes_is_refused(fy, tmp_path, monkeypatch):
    model = build(fy)
    with pytest.raises(ConfigError, match=r"nothing writes .*a.txt: give a name that ends in .root or .parquet"):
        score_folds(model, fy, tmp_path / "a.txt")
    monkeypatch.setenv("LUMIN_DISABLE_PLUGINS", "io")
    registry.refresh()
    with pytest.raises(UnknownComponent, match="pip install lumin-plugin-io"):
        score_folds(model, fy, tmp_path / "a.root")
    monkeypatch.undo()
    registry.refresh()
