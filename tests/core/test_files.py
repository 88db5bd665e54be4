"""Files: whole or not at all, one writer, and what cannot be read is said."""

import stat
import sys
import tomllib

import numpy as np
import pytest
import tomli_w

from lumin_core import (
    Callback,
    Ensemble,
    FoldFileWriter,
    FoldYielder,
    Model,
    ModelBuilder,
    files,
    locks,
    train_models,
)
from lumin_core.data import add_preprocessing
from lumin_core.errors import ConfigError, FileError, FoldFileError, SavedModelError
from lumin_core.files import in_line, read_json, refuse_existing, write_json


class OwnError(FileError):
    pass


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    with files.Staged(path) as part:
        part.write_text("half")
        assert not path.exists()
        assert part.parent == path.parent
    assert path.read_text() == "half"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def test_after_an_error_nothing_is_left_and_the_old_file_stays(tmp_path):
    def fail(path):
        with files.Staged(path) as part:
            part.write_text("half")
            raise RuntimeError("mid-way")

    (tmp_path / "old.txt").write_text("old")
    for path in (tmp_path / "new" / "a.txt", tmp_path / "old.txt"):
        with pytest.raises(RuntimeError, match="mid-way"):
            fail(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old"


def test_errors_are_neutral_unless_the_caller_names_its_own(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lumin_core.files.os.fsync", full)
    for error in (FileError, OwnError):
        with pytest.raises(error, match="cannot make the folder of") as caught:
            files.Staged(tmp_path / "file" / "a.txt", error)
        assert type(caught.value) is error
        with pytest.raises(error, match="No space left on device; what was there before is unchanged") as caught:
            write_staged(tmp_path / "a.txt", error)
        assert type(caught.value) is error
        with (
            pytest.raises(error, match="cannot write to the folder of") as caught,
            locks.locked(tmp_path / "none" / "a.txt", error),
        ):
            pass
        assert type(caught.value) is error
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert issubclass(FoldFileError, FileError)


def write_staged(path, error):
    with files.Staged(path, error) as part:
        part.write_text("x")


def test_what_is_there_is_refused_unless_it_may_be_replaced(tmp_path):
    path = tmp_path / "a.txt"
    files.refuse_existing(path, overwrite=False)
    path.write_text("old")
    files.refuse_existing(path, overwrite=True)
    with pytest.raises(FileError, match="exists; pass overwrite=True"):
        files.refuse_existing(path, overwrite=False)
    with pytest.raises(OwnError, match="is a folder"):
        files.refuse_existing(tmp_path, overwrite=True, error=OwnError)
    path.chmod(stat.S_IRUSR)
    with pytest.raises(FileError, match="is read-only"):
        files.refuse_existing(path, overwrite=True)


def test_a_stamp_tells_a_file_from_the_next(tmp_path):
    path = tmp_path / "a.txt"
    assert files.stamp(path) is None
    files.write_text(path, "old")
    before = files.stamp(path)
    assert files.stamp(path) == before
    files.write_text(path, "new")
    assert files.stamp(path) != before


@pytest.mark.parametrize("content", [{"a": [1, 2.5, None, True, "ä"]}, [], "text", 3])
def test_json_comes_back_as_it_was(tmp_path, content):
    files.write_json(tmp_path / "a.json", content)
    assert files.read_json(tmp_path / "a.json") == content


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, b"\xff"])
def test_what_is_no_json_is_refused_with_the_way_out(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=r"cannot read .*a\.json: .*; give another"):
        files.read_json(path, "; give another")
    with pytest.raises(ConfigError, match="cannot read"):
        files.read_json(tmp_path)


def test_toml_is_read_and_what_is_none_is_said(tmp_path):
    path = tmp_path / "run.toml"
    with pytest.raises(ConfigError, match=r"cannot read the run file .*run\.toml: No such file .*; give a TOML file"):
        files.read_toml(path, "run file")
    path.write_text("[train]\nbs = 64\n")
    assert files.read_toml(path) == {"train": {"bs": 64}}
    for text in (b"bs == 3", b"\xff"):
        path.write_bytes(text)
        with pytest.raises(ConfigError, match=r"run\.toml is no TOML file: "):
            files.read_toml(path)
        with pytest.raises(ConfigError, match=r"run\.toml is no TOML: "):
            files.read_toml(path, form="TOML")


def test_text_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(ConfigError, match="cannot write"):
        files.write_text(tmp_path, "x")


def test_relative_paths_are_fixed_once(tmp_path, monkeypatch):
    """What was given a relative path goes on with it in another folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with FoldFileWriter("a", cont_feats=["a"], targ_feats="y") as file:
        for fold in range(2):
            file.append(fold, inputs=np.ones((8, 1)), targets=np.ones(8))

    class Elsewhere(Callback):
        def on_train_begin(self, fit_params):
            monkeypatch.chdir(tmp_path / "elsewhere")

    fy = FoldYielder("a")
    model = Model(ModelBuilder.from_fy(fy, "regression", seed=1))
    model.fit(1, fy, 4, val_idx=0, cbs=[Elsewhere(), "save_best"], resume=True, visible_bar=False, seed=1)
    assert {path.name for path in (tmp_path / "train_weights").iterdir()} == {"best.safetensors", "checkpoint"}
    monkeypatch.chdir(tmp_path)
    saved = model.save("model")
    results = train_models(fy, 1, 4, model.model_builder, 1, savepath="run", seed=1)
    builder = ModelBuilder.from_fy(fy, "regression", pretrain_file="model.safetensors", seed=1)
    monkeypatch.chdir(tmp_path / "elsewhere")
    builder.get_model()
    Model.from_save(saved)
    assert len(Ensemble.from_results(results, 1).predict(fy, pred_name="pred") or fy.get_column("pred")) == 16
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_is_not_replaced_by_a_word_that_counts_as_true(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("kept")
    with pytest.raises(ConfigError, match="True or False is needed, got overwrite='false'"):
        refuse_existing(path, overwrite="false")


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="paths of a circle resolve there")
def test_fault_links_in_a_circle_are_no_raw_error(tmp_path):
    for name, error, doors in (
        ("a.hdf5", FoldFileError, (FoldYielder, add_preprocessing, lambda path: FoldFileWriter(path, **FEATS))),
        ("a.safetensors", SavedModelError, (Model.from_save, Ensemble.from_save)),
    ):
        (tmp_path / name).symlink_to(tmp_path / name)
        for door in doors:
            with pytest.raises(error, match=r"a\.\w+' cannot be the name of a file: Symlink loop"):
                door(tmp_path / name)


FEATS = {"cont_feats": ["pt"], "targ_feats": "y"}


def test_lists_of_numbers_stand_on_one_line_and_nothing_else_changes(tmp_path):
    content = {
        "bins": {"pt": [1.5, -2e-30, 3], "eta": []},
        "text": ["[\n1, 2\n]", "[1,\n 2]", "1, 2"],
        "nested": [[1, 2], [3.0], ["a"]],
        "mixed": [1, "2", None, True],
    }
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == content
    text = (tmp_path / "a.json").read_text()
    assert '"pt": [1.5, -2e-30, 3],' in text
    without = {key: value for key, value in content.items() if key != "mixed"}
    assert tomllib.loads(in_line(tomli_w.dumps(without))) == without
    assert "[1.5, -2e-30, 3]" in in_line(tomli_w.dumps(without))
