"""``lumin info``: what the library knows of a file, in a few lines, quickly."""

import json
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest

from lumin_core import (
    CatEmbedder,
    Ensemble,
    FoldFileWriter,
    Model,
    ModelBuilder,
    __version__,
    df2foldfile,
    registry,
    train_models,
)
from lumin_core.cli import main


@pytest.fixture
def info(capsys, tmp_path, monkeypatch):
    """Give a function that asks about a file: exit code, first line, the rows by label, what goes to stderr."""
    monkeypatch.chdir(tmp_path)

    def call(name):
        capsys.readouterr()
        code = main(["info", str(name)])
        out, err = capsys.readouterr()
        title, *lines = joined(out.splitlines()) or [""]
        assert all(len(line) <= 80 for line in out.splitlines())
        return code, title, dict(rows_of(lines)), err

    return call


def joined(lines):
    """Put wrapped lines together again: what goes on is indented by more than a label is."""
    found = []
    for line in lines:
        if line.startswith("   "):
            found[-1] += f" {line.strip()}"
        else:
            found.append(line)
    return found


def rows_of(lines):
    """Split label and text, which two blanks part."""
    for line in lines:
        label, _, text = line.strip().partition("  ")
        yield label, text.strip()


# Fold files


def test_fold_file(info, make_fy, tmp_path):
    fy = make_fy(tmp_path / "a.hdf5", n_folds=2)
    fy.save_fold_pred(np.zeros(16), 0, "score")
    fy.close()
    code, title, rows, _ = info("a.hdf5")
    assert code == 0
    assert title == "a.hdf5: fold file, format 1"
    assert rows == {
        "folds": "2, each of 16 events, 32 in all",
        "continuous": "3: a, b, c",
        "categorical": "1: d (3 values)",
        "targets": "1: y",
        "weights": f"weight, {fy.get_column('weights').sum(dtype=np.float64):.6g} in all",
        "further columns": "1: event",
        "predictions": "1: score",
        "written by": f"lumin-core {__version__}",
        "next": 'FoldYielder("a.hdf5") opens it; in a run file, foldfile = "a.hdf5" trains on it',
    }


def test_fold_file_of_unequal_folds_without_weights(info, tmp_path):
    with FoldFileWriter(tmp_path / "a.hdf5", cont_feats=[f"x{i}" for i in range(30)], targ_feats=["y", "z"]) as file:
        for fold, n in enumerate((1500, 1000)):
            file.append(fold, inputs=np.ones((n, 30)), targets=np.ones((n, 2)))
    _, _, rows, _ = info("a.hdf5")
    assert rows["folds"] == "2, each of 1,000 to 1,500 events, 2,500 in all"
    assert rows["continuous"].startswith("30: x0, x1, x2,")
    assert rows["weights"] == "none"
    assert rows["targets"] == "2: y, z"


def test_fold_file_with_matrix_and_preprocessing(info, tmp_path):
    import pandas as pd

    from lumin_plugin_tabular import fit_input_pipe

    df = pd.DataFrame(np.random.default_rng(1).normal(size=(12, 5)), columns=["ht", "a_px", "a_py", "b_px", "y"])
    df2foldfile(
        df, 2, ["ht"], [], "y", tmp_path / "a", "float32", matrix_vecs=["a", "b"], matrix_feats_per_vec=["px", "py"],
        matrix_row_wise=True, preprocessing=fit_input_pipe(df, ["ht"]),
    )  # fmt: skip
    _, _, rows, _ = info("a.hdf5")
    assert rows["matrix"] == "2 x 2; objects a, b; each with px, py"
    assert rows["preprocessed inputs"] == "tabular/standard_scaler"


def test_fold_file_of_lumin(info, tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        for name, value in (("cont_feats", ["pt"]), ("cat_feats", []), ("targ_feats", "y")):
            file[f"meta_data/{name}"] = json.dumps(value)
        file["fold_0/inputs"], file["fold_0/targets"] = np.ones((3, 1), "float32"), np.ones(3)
        file["fold_0/pred"] = np.ones(3)
    _, title, rows, _ = info("a.hdf5")
    assert title == "a.hdf5: fold file, format of LUMIN"
    assert rows["written by"] == "another program"
    assert rows["predictions"] == "1: pred"


# Saved files


@pytest.fixture
def model(fy, make_builder):
    model = Model(make_builder(fy, loss="mse_loss", opt_args={"opt": "sgd", "lr": 0.1}))
    model.fit(1, fy, 8, val_idx=0, seed=5)
    return model


def test_model(info, model, tmp_path):
    model.save(tmp_path / "model")
    code, title, rows, _ = info("model.safetensors")
    assert code == 0
    assert title == f"model.safetensors: saved model, {model.get_param_count():,} weights"
    versions = rows.pop("versions")
    assert versions.startswith(f"lumin-core {__version__}, torch ")
    assert rows.pop("plugins") == f"lumin-plugin-tabular {__version__}"
    assert rows == {
        "objective": "classification, 1 output",
        "head": "tabular/cat_emb_head",
        "body": "tabular/fully_connected: depth 1, width 4, act core/swish",
        "tail": "tabular/class_reg_multi",
        "loss": "core/mse_loss",
        "optimiser": "core/sgd: lr 0.1",
        "continuous": "3: a, b, c",
        "categorical": "1: d",
        "targets": "1: y",
        "preprocessing": "none recorded",
        "seeds": "initialisation 1, fit 5",
        "next": 'lumin predict model.safetensors FOLDFILE, or Model.from_save("model.safetensors")',
    }


def test_model_with_mask_that_was_not_trained(info, tmp_path):
    """Long lists stand among the tensors, and count as no weights."""
    feats = [f"x{i}" for i in range(200)]
    model = Model(ModelBuilder("multiclass", 3, feats, cont_subsample_rate=0.5, seed=1))
    model.save(tmp_path / "model")
    _, title, rows, _ = info("model.safetensors")
    assert title.endswith(f"{model.get_param_count():,} weights")
    assert rows["objective"] == "multiclass, 3 outputs"
    assert rows["loss"] == "core/nll_loss"
    assert rows["input mask"] == "100 columns of these"
    assert rows["targets"] == "unknown: it was not trained"


def test_what_a_loss_has_learned_counts_as_no_weights(info, make_fy, make_builder, tmp_path):
    fy = make_fy(tmp_path / "a.hdf5", objective="regression")
    loss = {"name": "weighted_binned_huber", "perc": 0.68, "bins": [-10, 10]}
    model = Model(make_builder(fy, "regression", loss=loss))
    model.save(tmp_path / "model")
    Ensemble([model]).save(tmp_path / "ensemble")
    assert any(key.startswith("loss.") for key in model.state_dict())
    for name in ("model", "ensemble"):
        assert info(f"{name}.safetensors")[1].endswith(f" {model.get_param_count():,} weights")


def test_model_of_a_class_without_a_name(info, fy, make_builder, tmp_path):
    from lumin_plugin_tabular import FullyConnected

    class Mine(FullyConnected):
        pass

    Model(make_builder(fy, body=Mine)).save(tmp_path / "model")
    _, _, rows, _ = info("model.safetensors")
    assert "Mine has no registered name" in rows["config"]
    assert "objective" not in rows


def test_ensemble(info, fy, make_builder, tmp_path):
    models = [Model(make_builder(fy, seed=seed)) for seed in (11, 12)]
    Ensemble(models, [1, 3]).save(tmp_path / "both")
    _, title, rows, _ = info("both.safetensors")
    n_weights = sum(model.get_param_count() for model in models)
    assert title == f"both.safetensors: saved ensemble of 2 models, {n_weights:,} weights"
    assert rows["counting"] == "0.25, 0.75"
    assert rows["seeds"] == "initialisation 11, 12"
    assert rows["head"] == "tabular/cat_emb_head"


def test_other_saved_files_are_named(info, tmp_path):
    from lumin_plugin_tabular import CatEmbHead

    CatEmbHead(["a"], cat_embedder=CatEmbedder(["d"], [3])).save_embeds(tmp_path / "embeds")
    assert info("embeds.safetensors")[1] == "embeds.safetensors: saved embeddings, 6 weights"


# Folders of runs


@pytest.fixture
def run(fy, make_builder, tmp_path):
    return train_models(
        fy, 3, 8, make_builder(fy), 1, metric_partials="roc_auc_score", savepath=tmp_path / "run", seed=1
    )


def test_run(info, run, fy, tmp_path):
    code, title, rows, _ = info("run")
    assert code == 0
    assert title == "run: run of 3 models, 3 finished"
    assert run.summary() == f"loss {rows['loss']}, roc_auc_score {rows['roc_auc_score']}"
    assert rows["training"] == "1 epochs at most, batches of 8"
    assert rows["fold file"] == str(fy.foldfile)
    assert rows["seed"] == "1"
    assert "beside" not in rows


def test_run_that_is_not_finished(info, run, tmp_path):
    (tmp_path / "run" / "results.json").unlink()
    for model in ("model_1", "model_2"):
        (tmp_path / "run" / model / "result.json").unlink()
    (tmp_path / "run" / "run.toml").touch()
    _, title, rows, _ = info("run")
    assert title == "run: run of 3 models, 1 finished"
    assert rows["loss"] == f"{run[0]['loss']:.5g}"
    assert rows["beside"] == "run.toml"
    (tmp_path / "run" / "model_0" / "result.json").unlink()
    _, title, rows, _ = info("run")
    assert title.endswith("0 finished")
    assert "loss" not in rows


# What is refused


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", "there is no none; give a fold file, a saved model or ensemble, or the folder of a run"),
        ("event.csv", "or the folder of a run; did you mean 'events.csv'?"),
        ("empty", "empty is an empty file; what wrote it did not finish: write it again"),
        ("half.safetensors", "half.safetensors is a damaged file; bring back a copy"),
    ],
)
def test_what_is_not_there_or_damaged_is_refused(info, tmp_path, name, message):
    (tmp_path / "empty").touch()
    (tmp_path / "events.csv").write_text("pt,eta", encoding="utf-8")
    (tmp_path / "half.safetensors").write_bytes((1000).to_bytes(8, "little") + b'{"a":{"dtype":"F32"')
    code, title, _, err = info(name)
    assert (code, title) == (1, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "what", "way_out"),
    [
        (b"root\0\0\xf2\xc0", "a ROOT file", "lumin convert RECIPE -o train makes a fold file of it"),
        (b"hello", "a text file", "pd.read_csv"),
        (b"pt,eta\n1,2\n", "a table as text (CSV)", 'df = pd.read_csv("odd.hdf5") reads it, and df2foldfile(df, '),
        (b'foldfile = "train.hdf5"', "a run file", "lumin train odd.hdf5 trains what it describes"),
        (b'objective = "regression"', "the config of a builder (TOML)", 'ModelBuilder.from_config("odd.hdf5")'),
        (b"\x80\x04N.", "a pickle, which may run any code and is not read here", "if you trust it"),
    ],
)
def test_files_of_others_are_told_by_their_look(info, tmp_path, content, what, way_out):
    (tmp_path / "odd.hdf5").write_bytes(content)
    code, title, rows, err = info("odd.hdf5")
    assert (code, err) == (0, "")
    assert title == f"odd.hdf5: {what}"
    assert rows["next"].startswith(way_out) or way_out in rows["next"]


# Tables of other programs


@pytest.fixture
def root_file(tmp_path):
    """A ROOT file of two trees, one of 25 columns."""
    uproot = pytest.importorskip("uproot")
    with uproot.recreate(tmp_path / "events.root") as file:
        many = {f"x{i}": np.zeros(7, "f4") for i in range(24)}
        file.mktree("Events", {**dict.fromkeys(many, "f4"), "n": "i8"}).extend({**many, "n": np.arange(7)})
        file.mktree("more/Runs", {"sum": "f8"}).extend({"sum": np.ones(1)})
    return tmp_path / "events.root"


def test_trees_of_a_root_file_are_listed_with_their_columns(info, root_file):
    code, title, rows, err = info(root_file.name)
    assert (code, title, err) == (0, "events.root: a ROOT file", "")
    assert rows["Events"].startswith("7 events, 25 columns: x0 float32, x1 float32, ")
    assert rows["Events"].endswith("x19 float32 and 5 more (--all names each)")
    assert rows["more/Runs"] == "1 event, 1 column: sum float64"
    assert rows["next"].startswith("lumin convert RECIPE -o train")


def test_all_gives_each_column_a_line(root_file, capsys, monkeypatch):
    monkeypatch.chdir(root_file.parent)
    assert main(["info", root_file.name, "--all"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["Events", "7", "events,", "25", "columns"]
    assert ["x23", "float32"] in lines
    assert lines[26:29] == [["n", "int64"], ["more/Runs", "1", "event,", "1", "column"], ["sum", "float64"]]


def test_a_root_file_is_told_without_what_reads_it(info, root_file, monkeypatch):
    with monkeypatch.context() as patch, registry.temporary():
        patch.setenv("LUMIN_DISABLE_PLUGINS", "io")
        registry.refresh()
        _, title, rows, _ = info(root_file.name)
    registry.refresh()
    assert title == "events.root: a ROOT file"
    assert rows["tables"].startswith("unknown: ")
    assert "pip install lumin-plugin-io" in rows["tables"]


def test_a_root_file_that_ends_early_is_told_with_that(info, root_file):
    root_file.write_bytes(root_file.read_bytes()[:500])
    code, title, rows, _ = info(root_file.name)
    assert (code, title) == (0, "events.root: a ROOT file")
    assert "ends early" in rows["tables"]


def test_a_table_that_is_a_file_is_listed(info, tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "events.csv").write_text("pt,n\n30.5,2\n,3\n", encoding="utf-8")
    assert info("events.csv")[2]["table"] == "2 events, 2 columns: pt float64, n int64"


def test_hdf5_of_others_and_folders_are_told(info, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.ones(3)
    _, title, rows, _ = info("other.h5")
    assert title == "other.h5: an HDF5 file of another program, no fold file"
    assert rows["holds"] == "1: data"
    (tmp_path / "folder").mkdir()
    assert info("folder")[1] == "folder: a folder"


def test_safetensors_of_others_are_told(info, tmp_path):
    from safetensors.numpy import save_file

    save_file({"a": np.ones(3, "float32")}, tmp_path / "a.safetensors")
    assert info("a.safetensors")[1] == "a.safetensors: a .safetensors file of another program"


@pytest.mark.parametrize("content", [None, [], {"config": 3}, {"config": {}, "features": {}}])
def test_headers_that_do_not_fit_are_refused(info, tmp_path, content):
    from safetensors.numpy import save_file

    header = json.dumps({"format": 9, "sort": "model", "aliases": {}, "content": content})
    save_file({"a": np.ones(3, "float32")}, tmp_path / "a.safetensors", metadata={"lumin": header})
    code, title, _, err = info("a.safetensors")
    assert (code, title) == (1, "")
    assert "a.safetensors is damaged, or of a later version" in err


def test_damaged_files_are_refused(info, run, fy, tmp_path):
    half = tmp_path / "half.hdf5"
    half.write_bytes(fy.foldfile.read_bytes()[:5000])
    assert "is no HDF5 file, truncated" in info("half.hdf5")[3]
    model = tmp_path / "run" / "model_0" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-8])
    assert "it is damaged, or another program's" in info(model)[3]
    model.write_bytes(model.read_bytes()[:20])
    assert "is a damaged file; bring back a copy" in info(model)[3]
    for text, message in (("{", "cannot read run/results.json"), ("[]", "is damaged, or of a later version")):
        (tmp_path / "run" / "results.json").write_text(text, encoding="utf-8")
        assert message in info("run")[3]


def test_nothing_is_changed_or_left_open(info, make_fy, tmp_path):
    fy = make_fy(tmp_path / "a.hdf5")
    fy.close()
    before = (tmp_path / "a.hdf5").read_bytes()
    info("a.hdf5")
    assert (tmp_path / "a.hdf5").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.hdf5"]
    with h5py.File(tmp_path / "a.hdf5", "r+"):  # which HDF5 refuses while it is open elsewhere
        pass


def test_asks_neither_torch_nor_pandas(model, run, shared_path, tmp_path):
    model.save(tmp_path / "model")
    files = [str(shared_path), str(tmp_path / "model.safetensors"), str(tmp_path / "run")]
    code = f"""
import sys
from lumin_core.cli import main
for name in {files!r}:
    assert main(["info", name]) == 0
sys.exit(any(name in sys.modules for name in ("torch", "pandas")))
"""
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_recipe_and_sources_are_shown_in_short(make_fy, make_builder, tmp_path, capsys):
    recipe = {"name": "io/recipe", "sample": {"ttbar": {}, "higgs": {}}, "selection": "nJet >= 2", "variables": {}}
    sources = [{"name": "tt.root", "entries": 5000, "selected": 1200}, {"name": "h.root"}]
    fy = make_fy(tmp_path / "made.hdf5", recipe=recipe, sources=sources)
    model = Model(make_builder(fy))
    model.fit(1, fy, 8, visible_bar=False, seed=1)
    model.save(tmp_path / "model")
    fy.close()
    capsys.readouterr()
    assert main(["info", str(tmp_path / "made.hdf5")]) == 0
    of_file = capsys.readouterr().out
    assert main(["info", str(tmp_path / "model.safetensors")]) == 0
    of_model = capsys.readouterr().out
    shown = r"recipe +io/recipe; samples ttbar, higgs; selection nJet >= 2\n"
    assert re.search(shown, of_file)
    assert re.search(shown, of_model)
    assert re.search(r"sources +2: tt\.root \(1,200 of 5,000\), h\.root\n", of_file)
