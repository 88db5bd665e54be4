"""``lumin predict``: a column that equals Model.predict, for models and ensembles."""

import json
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from converters import JsonWriter, Made, ShiftAndScale

from lumin_core import Ensemble, FoldFileWriter, FoldYielder, MatrixHead, Model, ModelBuilder, df2foldfile, registry
from lumin_core.cli import main


@pytest.fixture
def lumin(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        capsys.readouterr()
        code = main(list(arguments))
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def foldfile(make_fy, tmp_path):
    fy = make_fy(tmp_path / "test.hdf5", n_folds=2)
    fy.close()
    return fy.foldfile


@pytest.fixture
def models(fy, make_builder, tmp_path):
    """Two saved models, and their ensemble."""
    built = [Model(make_builder(fy, seed=seed)) for seed in (1, 2)]
    for i, model in enumerate(built):
        model.save(tmp_path / f"model_{i}")
    Ensemble(built, [1, 3]).save(tmp_path / "both")
    return built


def by_folds(model, fy):
    """Predict as a file is, fold by fold: on some processors rounding depends on the number of events in a batch."""
    return np.concatenate([model.predict(fold["inputs"])[:, 0] for fold in fy])


def test_model_predicts_a_column(lumin, models, foldfile):
    code, out, _ = lumin("predict", "model_0.safetensors", "test.hdf5")
    assert code == 0
    assert re.fullmatch(rf"32 events predicted: column 'pred' of {foldfile}, \d+\.\d s\n", out)
    with FoldYielder(foldfile) as fy:
        assert np.array_equal(fy.get_column("pred"), by_folds(models[0], fy))


def test_out_of_fold_needs_models_that_left_folds_out(lumin, make_fy, make_builder, tmp_path):
    fy = make_fy(tmp_path / "own.hdf5")
    models = [Model(make_builder(fy, seed=i)) for i in range(len(fy))]
    for i, model in enumerate(models):
        model.fit(1, fy, bs=8, val_idx=i, visible_bar=False, seed=i)
    models[0].save(tmp_path / "one")
    ensemble = Ensemble(models)
    ensemble.save(tmp_path / "all")
    assert lumin("predict", "all", str(fy.foldfile), "--name", "unseen", "--out-of-fold")[0] == 0
    ensemble.predict(fy, pred_name="expected", out_of_fold=True)
    assert np.array_equal(fy.get_column("unseen"), fy.get_column("expected"))
    code, _, err = lumin("predict", "one", str(fy.foldfile), "--out-of-fold")
    assert code == 1
    assert "--out-of-fold needs an ensemble, of models that leave out other folds; one is one model" in err


def test_ensemble_is_known_by_its_header(lumin, models, foldfile):
    assert lumin("predict", "both", "test", "--name", "mean", "--bs", "5", "--device", "cpu")[0] == 0
    with FoldYielder(foldfile) as fy:
        x = fy.get_data()["inputs"]
        expected = (models[0].predict(x) + 3 * models[1].predict(x))[:, 0] / 4
        assert np.allclose(fy.get_column("mean"), expected, atol=1e-7)
        assert fy.get_column("pred") is None


def test_column_of_before_is_replaced_and_that_is_said(lumin, models, foldfile):
    lumin("predict", "model_0", "test.hdf5")
    _, out, _ = lumin("predict", "model_1", "test.hdf5")
    assert "replaced column 'pred'" in out
    with FoldYielder(foldfile) as fy:
        assert np.array_equal(fy.get_column("pred"), by_folds(models[1], fy))


def test_inputs_that_the_model_does_not_know_are_left_out(lumin, fy, make_builder, foldfile, tmp_path):
    with FoldYielder(foldfile, ignore_feats=["b", "d"]) as smaller:
        model = Model(make_builder(smaller))
        model.save(tmp_path / "small")
        assert lumin("predict", "small", "test")[0] == 0
        assert np.array_equal(smaller.get_column("pred"), by_folds(model, smaller))


def test_several_outputs(lumin, make_fy, make_builder, tmp_path):
    fy = make_fy(tmp_path / "classes.hdf5", objective="multiclass")
    Model(make_builder(fy, "multiclass")).save(tmp_path / "model")
    assert lumin("predict", "model", "classes")[0] == 0
    assert np.allclose(fy.get_column("pred").sum(1), 1, atol=1e-6)


class SumOfObjects(MatrixHead):
    def __init__(self, cont_feats, vecs, feats_per_vec):
        super().__init__(cont_feats, vecs, feats_per_vec)
        self.feat_map = self.map_to_all()

    def forward(self, x):
        return self.get_matrix(x)[0].sum(1)

    def get_out_size(self):
        return self.n_fpv


@pytest.mark.parametrize("with_matrix", [True, False])
def test_matrix_is_given_to_models_that_take_one(lumin, tmp_path, with_matrix):
    df = pd.DataFrame(np.random.default_rng(1).normal(size=(24, 4)), columns=["met", "ht", "tau_px", "tau_py"])
    path = df2foldfile(
        df.assign(y=np.tile([0, 1], 12)), 2, ["met", "ht"], [], "y", tmp_path / "matrix", "int",
        matrix_vecs=["tau"], matrix_feats_per_vec=["px", "py"], matrix_row_wise=True, seed=1,
    )  # fmt: skip
    objects = {"name": "sum_of_objects", "vecs": ["tau"], "feats_per_vec": ["px", "py"]}
    head = {"name": "multi_head", "matrix_head": objects} if with_matrix else "cat_emb_head"
    with registry.temporary(), FoldYielder(path, yield_matrix=with_matrix, ignore_feats="ht") as fy:
        registry.register("head", "sum_of_objects")(SumOfObjects)
        model = Model(ModelBuilder.from_fy(fy, "classification", head=head, body={"name": "ident_body"}))
        model.save(tmp_path / "model")
        assert lumin("predict", "model", "matrix")[0] == 0
        expected = np.concatenate([model.predict(fold["inputs"])[:, 0] for fold in fy])
        assert np.array_equal(fy.get_column("pred"), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none", "test"], "there is no file none; give a saved model or ensemble, a .safetensors file"),
        (["test.hdf5", "test"], "test.hdf5 cannot be read as a saved model or ensemble"),
        ([".", "test"], ". is a folder; give a saved model or ensemble in it"),
        (["embeds", "test"], "embeds.safetensors holds a saved embeddings; predictions need a model or an ensemble"),
        (["model_0", "none"], "there is no fold file"),
        (["model_0", "."], "there is no fold file"),
        (["model_0", "model_0.safetensors"], "is no HDF5 file"),
        (["model_0", "lacking"], "the continuous features of the data are not the builder's: the data lack a"),
        (["model_0", "test", "--name", "inputs"], "'inputs'"),
        (["model_0", "test", "--device", "gpu"], "the device 'gpu' cannot be used"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(lumin, models, foldfile, tmp_path, make_fy, arguments, message):
    models[0].head.save_embeds(tmp_path / "embeds")
    write_without_a(tmp_path / "lacking.hdf5")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    code, out, err = lumin("predict", *arguments)
    assert (code, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def write_without_a(path):
    with FoldFileWriter(path, cont_feats=["b", "c"], targ_feats="y") as file:
        file.append(0, inputs=np.ones((4, 2)), targets=np.ones(4))


def test_damaged_model_is_refused(lumin, models, foldfile, tmp_path):
    path = tmp_path / "model_0.safetensors"
    path.write_bytes(path.read_bytes()[:-40])
    code, _, err = lumin("predict", "model_0", "test")
    assert code == 1
    assert "it is damaged, or another program's" in err
    with h5py.File(foldfile) as file:
        assert "pred" not in file["fold_0"]


@pytest.mark.parametrize("bs", ["0", "many"])
def test_batch_size_is_checked_as_usage(lumin, bs):
    code, _, err = lumin("predict", "model_0", "test", "--bs", bs)
    assert code == 2
    assert "--bs" in err


@pytest.mark.usefixtures("models")
def test_options_are_those_of_predict(lumin, foldfile):
    assert lumin("predict", "both", "test", "--spread", "--precision", "bf16", "--no-augment")[0] == 0
    assert {"pred", "pred_spread"} <= set(FoldYielder(foldfile).columns())
    for option, words in (
        ("--raw", "raw=True needs a recorded preprocessing"),
        ("--augment", "it was trained without augmentations"),
        ("--precision=8", "Error: precision must be one of"),
    ):
        code, _, err = lumin("predict", "both", "test", option)
        assert code == 1
        assert words in err


# Files of other programs, and predictions in other files


@pytest.fixture
def made(lumin, tmp_path):
    """A converted fold file, and a model and an ensemble that were trained on it."""
    with registry.temporary():
        for kind, name, part in (
            ("converter", "made", Made),
            ("transform", "shift_and_scale", ShiftAndScale),
            ("writer", "json", JsonWriter),
        ):
            registry.register(kind, name)(part)
        Made().convert(tmp_path / "train.hdf5")
        fy = FoldYielder(tmp_path / "train.hdf5")
        models = [Model(ModelBuilder.from_fy(fy, "classification", n_out=1, seed=seed)) for seed in (1, 2)]
        for i, model in enumerate(models):
            model.fit(1, fy, 10, trn_idxs=[i], visible_bar=False, seed=1)
        models[0].save(tmp_path / "model")
        Ensemble(models).save(tmp_path / "both")
        for name in ("a.root", "b.parquet"):
            (tmp_path / name).write_bytes(b"events")
        fy.close()
        yield models


def test_files_of_events_are_scored_by_the_recipe_of_the_model(lumin, made):
    code, out, err = lumin("predict", "model", "a_*.root", "b.parquet", "--keys", "run, event", "--tree", "Events")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"scores 'pred' in 1 file: scored, \d+\.\d s\n", out)
    files, options = Made.last.asked
    assert (files, options["keys"], options["tree"], options["output"]) == (
        ["a_*.root", "b.parquet"],
        ["run", "event"],
        "Events",
        None,
    )
    assert lumin("predict", "both", "a.root", "-o", "x.root", "--name", "mine", "--rntuple", "--overwrite")[0] == 0
    *given, progress = Made.last.asked[1].values()
    assert given == ["mine", Path("x.root"), [], None, True, True]
    assert callable(progress)


@pytest.mark.usefixtures("made")
def test_how_many_entries_were_scored_is_said(lumin, monkeypatch):
    score = Made.score

    def told(self, files, ask, *, progress, **options):
        for number, file in enumerate(files):
            for done in (0, 600, 1000 + number):
                progress(file, done, 1000 + number, 3 * done // 5)
        return score(self, files, ask, **options)

    monkeypatch.setattr(Made, "score", told)
    _, out, _ = lumin("predict", "model", "a.root", "b.parquet")
    assert re.fullmatch(
        r"a.root: 1,000 entries, 600 scored, 400 not selected \(NaN\)\n"
        r"b.parquet: 1,001 entries, 600 scored, 401 not selected \(NaN\)\n"
        r"2,001 entries, 1,200 scored, 801 not selected \(NaN\); scores 'pred' in 1 file: scored, \d+\.\d s\n",
        out,
    )
    assert lumin("predict", "model", "a.root")[1].startswith(
        "1,000 entries, 600 scored, 400 not selected (NaN); scores"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["model", "none.hdf5"],
        ["train.hdf5", "train.hdf5"],
        ["model", "a.root", "-o", "train.hdf5"],
        ["model", "train.hdf5", "--out-of-fold"],
        ["none", "a.root"],
    ],
)
@pytest.mark.usefixtures("made")
def test_what_needs_no_torch_is_refused_before_it_is_imported(tmp_path, arguments):
    code = (
        f"import sys; from lumin_core.cli import main; code = main(['predict', *{arguments}])\n"
        "print(code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "1 False\n"
    assert done.stderr.startswith("Error: ")


def test_predictions_of_a_fold_file_go_into_another_file(lumin, made, tmp_path):
    before = (tmp_path / "train.hdf5").read_bytes()
    code, out, err = lumin("predict", "both", "train", "-o", "a.json", "--keys=run", "--spread")
    assert code == 0, err
    assert re.fullmatch(r"40 events predicted: a.json, \d+\.\d s\n", out)
    found = json.loads((tmp_path / "a.json").read_text())
    assert list(found) == ["file", "entry", "run", "pred", "pred_spread"]
    assert found["run"] == [*range(5, 45)]
    assert lumin("predict", "both", "train", "-o", "b.json", "--out-of-fold")[0] == 0
    assert json.loads((tmp_path / "b.json").read_text())["pred"] != found["pred"]
    assert (tmp_path / "train.hdf5").read_bytes() == before


def test_several_fold_files_get_their_columns(lumin, models, foldfile, make_fy, tmp_path):
    make_fy(tmp_path / "more.hdf5").close()
    code, out, _ = lumin("predict", "model_0", "test.hdf5", "more")
    assert (code, out.count("column 'pred'")) == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model", "train", "a.root"], "give fold files or files of events, not both: a.root is no fold file"),
        (["both", "a.root", "--spread", "--raw"], "--raw, --spread: for fold files alone, while a.root is read anew"),
        (["both", "a.root", "--out-of-fold"], "--out-of-fold: for fold files alone"),
        (["model", "train", "--keys", "run"], "--keys: for files that are written, or of events; give -o scored.root"),
        (["model", "train", "train", "-o", "a.json"], "-o takes the predictions of one fold file, got 2"),
        (["model", "train", "-o", "a.txt"], "nothing writes a.txt: give a name that ends in .root or .parquet"),
        (["model", "train", "-o", "a.json", "--keys", "runs"], "did you mean 'run'"),
        (["both", "none.root"], "there is no file none.root"),
        (["both", "a.root", "-o", "b.parquet"], "b.parquet exists; pass --overwrite"),
        (["plain", "a.root"], "the model records no recipe, by which it could read such files"),
    ],
)
def test_what_does_not_go_together_is_refused(lumin, made, tmp_path, arguments, message):
    made[0].record.recipe = {}
    made[0].save(tmp_path / "plain")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    code, out, err = lumin("predict", *arguments)
    assert (code, out) == (1, "")
    assert message in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
