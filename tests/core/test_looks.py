"""What a file is, told by its look; and the doors that say so of one that they cannot take."""

import gzip
import io
import pickle
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file

from lumin_core import Ensemble, FoldYielder, Model, ModelBuilder
from lumin_core.errors import LuminError
from lumin_core.looks import LOOKS, in_place_of_a_name, look_at, nearby
from lumin_core.runs import collect, train_one


def as_bytes(write, thing):
    buffer = io.BytesIO()
    write(buffer, thing)
    return buffer.getvalue()


def zipped(**content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return buffer.getvalue()


TABLE = b"pt,eta\n30.0,1.5\n40.0,-0.3\n"
CONTENTS = {
    "empty": [b""],
    "root": [b"root\x00\x00\xf2\xc0" + bytes(60)],
    "parquet": [b"PAR1" + bytes(40) + b"PAR1"],
    "arrow": [b"ARROW1\0\0" + bytes(40)],
    "npy": [as_bytes(np.save, np.ones(3))],
    "npz": [as_bytes(np.savez, np.ones(3))],
    "torch": [as_bytes(lambda file, thing: torch.save(thing, file), {"model": torch.ones(2)})],
    "pickle": [pickle.dumps([1], protocol) for protocol in (0, 2, 5)],
    "zip": [zipped(a="text")],
    "csv": [TABLE, TABLE.replace(b",", b"\t"), b"root,pt\n1,2\n", b"pt eta\n1 2\n3 4\n"],
    "csv_gz": [gzip.compress(TABLE)],
    "compressed": [gzip.compress(b"\0\1\2"), b"BZh91AY&SY\0"],
    "onnx": [b"\x08\x0a\x12\x07pytorch\x1a\x03\0\0\0"],
    "recipe": [b'tree = "Events"\n[sample.data]\nfiles = "data.root"'],
    "run_file": [b'foldfile = "a.hdf5"', b"[train]\nn_models = 3"],
    "builder": [b'objective = "regression"\nn_out = 1'],
    "toml": [b"[tool]\nwidth = 3"],
    "json": [b'{"a": 1}', b" [1, 2]"],
    "text": [b"Dear reader,\nthis is prose.", b"{never closed"],
    "broken": [zipped(a="text")[:25], b"PAR1\0\0\0\0", b"\x1f\x8b\xff\xff", b"\x63\0\0\0\0\0\0\0" + b'{"a":{"dtype":'],
    "unknown": [bytes(range(256))],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "content"), [(kind, one) for kind, all_of in CONTENTS.items() for one in all_of])
def test_files_are_told_by_their_look(tmp_path, kind, content):
    """Whatever their ending says."""
    path = tmp_path / "a.hdf5"
    path.write_bytes(content)
    assert look_at(path) == LOOKS[kind]


def test_hdf5_and_safetensors_are_told(tmp_path):
    with h5py.File(tmp_path / "a.csv", "w", userblock_size=1024) as file:
        file["data"] = np.ones(3)
    save_file({"a": np.ones(3)}, tmp_path / "b.csv")
    model = Model(ModelBuilder("regression", 1, ["pt"]))
    model.save(tmp_path / "c")
    Ensemble([model]).save(tmp_path / "d")
    found = {path.stem: look_at(path).kind for path in tmp_path.iterdir()}
    assert found == {"a": "hdf5", "b": "safetensors", "c": "model", "d": "ensemble"}


def test_folders_and_what_is_not_there(tmp_path):
    (tmp_path / "run").mkdir()
    assert [look_at(path).kind for path in (tmp_path, tmp_path / "run", tmp_path / "none")] == [
        "folder",
        "folder",
        "missing",
    ]
    (tmp_path / "run" / "run.json").touch()
    assert look_at(tmp_path / "run").kind == "run"
    assert nearby(tmp_path / "rum") == "; did you mean 'run'?"
    assert nearby(tmp_path / "events.hdf5") == ""


def test_every_look_has_a_sentence_and_a_way_out():
    for look in LOOKS.values():
        assert look.told("a.b").startswith(f"{look.what}; ")
        assert "{" not in look.told("a.b")


DOORS = {
    "FoldYielder": FoldYielder,
    "Model.from_save": Model.from_save,
    "Model.load": lambda path: Model(ModelBuilder("regression", 1, ["pt"])).load(path),
    "Ensemble.from_save": Ensemble.from_save,
    "from_config": ModelBuilder.from_config,
    "pretrain_file": lambda path: ModelBuilder("regression", 1, ["pt"], pretrain_file=path).get_model(),
    "collect": collect,
    "train_one": lambda path: train_one(path, 0),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", ["root", "pickle", "npy"])
def test_a_file_in_the_wrong_place_is_named(tmp_path, door, kind):
    path = tmp_path / "x.root"
    path.write_bytes(CONTENTS[kind][0])
    with pytest.raises(LuminError) as error:
        DOORS[door](path)
    assert LOOKS[kind].told(path) in str(error.value)


@pytest.mark.parametrize("door", ["FoldYielder", "Model.from_save", "Ensemble.from_save"])
def test_a_folder_or_a_misspelt_name_is_named(tmp_path, door):
    (tmp_path / "run.json").touch()
    with pytest.raises(LuminError, match="it is the folder of a run; its models lie in"):
        DOORS[door](tmp_path)
    for ending in ("hdf5", "safetensors"):
        (tmp_path / f"train.{ending}").touch()
    with pytest.raises(LuminError, match=r"there is no .*file .*did you mean 'train\.(hdf5|safetensors)'"):
        DOORS[door](tmp_path / "trian")


@pytest.mark.parametrize("door", ["FoldYielder", "Model.from_save", "Ensemble.from_save"])
def test_what_is_no_name_of_a_file_is_named(door):
    """Without the content of a frame."""
    with pytest.raises(LuminError, match=r"the name of a file is needed, got a DataFrame; df2foldfile\(df, ...\)"):
        DOORS[door](pd.DataFrame({"pt": [1.0]}))
    assert in_place_of_a_name(io.BytesIO()) == "a BytesIO; give its name"
