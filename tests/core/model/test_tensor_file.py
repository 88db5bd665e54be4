"""One safetensors file: written whole or not at all, and read only where it is what it says."""

import json
import random

import pytest
import torch
from safetensors.torch import load_file, save_file
from saved import read_header, rewrite

from lumin_core import Ensemble, Model
from lumin_core.errors import LuminError, SavedModelError
from lumin_core.model import tensor_file


def test_a_failed_save_leaves_the_old_file(trained, tmp_path, monkeypatch):
    model = trained()
    path = model.save(tmp_path / "m")
    before = path.read_bytes()

    def fail(*args, **options):
        args[1].write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(tensor_file, "save_file", fail)
    with pytest.raises(SavedModelError, match=r"cannot write .*no space left on device; make room there, or write"):
        model.save(tmp_path / "m")
    with pytest.raises(SavedModelError, match="cannot write"):
        model.save(tmp_path / "new folder" / "m")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_an_interrupted_save_leaves_the_old_file(trained, tmp_path, monkeypatch):
    model = trained()
    before = model.save(tmp_path / "m").read_bytes()

    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(tensor_file, "save_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.save(tmp_path / "m")
    assert (tmp_path / "m.safetensors").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_save_replaces_the_file_and_no_other(trained, tmp_path):
    others = [tmp_path / name for name in ("m", "m.h5", "m_tau.safetensors", "my model.safetensors.txt")]
    for path in others:
        path.write_text("mine")
    model = trained()
    model.save(tmp_path / "m")
    model.save(str(tmp_path / "my model"))
    model.save(tmp_path / "v1.2")
    assert all(path.read_text() == "mine" for path in others)
    assert {p.name for p in tmp_path.iterdir()} - {p.name for p in others} == {
        "m.safetensors",
        "my model.safetensors",
        "v1.2.safetensors",
    }
    assert Model.from_save(tmp_path / "my model").n_out == 1


def test_a_folder_in_the_way_is_refused(trained, tmp_path):
    (tmp_path / "m.safetensors").mkdir()
    with pytest.raises(SavedModelError, match="cannot write"):
        trained().save(tmp_path / "m")
    (tmp_path / "file").write_text("")
    with pytest.raises(LuminError):
        trained().save(tmp_path / "file" / "m")


def test_what_is_not_there_is_said(tmp_path):
    for load in (Model.from_save, Ensemble.from_save, Ensemble.load):
        with pytest.raises(SavedModelError, match="there is no file"):
            load(tmp_path / "none")
        with pytest.raises(SavedModelError, match="there is no file"):
            load(tmp_path)


def test_a_truncated_file_is_refused(saved, tmp_path):
    content = saved.read_bytes()
    bad = tmp_path / "bad.safetensors"
    for size in (0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1):
        bad.write_bytes(content[:size])
        with pytest.raises(SavedModelError, match=r"cannot be read as a saved model.*damaged, or another program's"):
            Model.from_save(bad)


def test_flipped_bytes_are_refused_or_change_numbers_alone(saved, tmp_path):
    content, bad, rng = saved.read_bytes(), tmp_path / "bad.safetensors", random.Random(1)
    for _ in range(150):
        changed = bytearray(content)
        changed[rng.randrange(min(2500, len(content)))] = rng.randrange(256)
        bad.write_bytes(changed)
        try:
            Model.from_save(bad)
        except LuminError:
            continue


def test_foreign_files_are_refused(tmp_path, saved, trained):
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.ones(2)}, path)
    with pytest.raises(SavedModelError, match="was not saved by lumin-core"):
        Model.from_save(path)
    save_file({"weight": torch.ones(2)}, path, metadata={"lumin": "[1"})
    with pytest.raises(SavedModelError, match="was not saved by lumin-core"):
        Model.from_save(path)
    torch.save({"model": {}}, tmp_path / "lumin.h5")
    with pytest.raises(SavedModelError, match="pretrain_file"):
        Model.from_save(tmp_path / "lumin.h5")
    with pytest.raises(
        SavedModelError, match=r"holds a saved model, expected a ensemble|holds a saved model, expected an"
    ):
        Ensemble.from_save(saved)
    Ensemble([trained()]).save(tmp_path / "e")
    with pytest.raises(SavedModelError, match="holds a saved ensemble, expected a model"):
        Model.from_save(tmp_path / "e")


def test_a_later_format_asks_for_an_upgrade(saved, tmp_path):
    bad = rewrite(saved, tmp_path / "b.safetensors", lambda header: header.update(format=99))
    with pytest.raises(SavedModelError, match="has format 99, this version of lumin-core reads up to 1: upgrade"):
        Model.from_save(bad)


def test_nesting_without_end_is_refused(saved, tmp_path):
    for depth in (500, 3000, 100_000):
        text = '{"format": 1, "sort": "model", "aliases": {}, "content": ' + "[" * depth + "]" * depth + "}"
        save_file(load_file(saved), tmp_path / "b.safetensors", metadata={"lumin": text})
        with pytest.raises(SavedModelError):
            Model.from_save(tmp_path / "b.safetensors")


def test_wrong_tensors_are_refused(saved, tmp_path):
    tensors, header = load_file(saved), read_header(saved)
    wrong = [
        {},
        {key: value for key, value in list(tensors.items())[1:]},
        {**tensors, "more": torch.ones(1)},
        {key: value.flatten()[:1].clone() for key, value in tensors.items()},
    ]
    for state in wrong:
        save_file(state, tmp_path / "b.safetensors", metadata={"lumin": json.dumps(header)})
        with pytest.raises(SavedModelError):
            Model.from_save(tmp_path / "b.safetensors")


def test_long_tables_are_tensors(make_fy, make_builder, tmp_path):
    many = {"d": {i: f"value {i}" for i in range(300)}}
    fy = make_fy(tmp_path / "a.hdf5", cat_maps=many)
    model = Model(make_builder(fy))
    model.fit(1, fy, 8, seed=1)
    model.record.preprocessing = [{"name": "tabular/standard_scaler", "mean": [0.1] * 100, "scale": [1.0] * 100}]
    path = model.save(tmp_path / "m")
    assert sum(key.startswith("table.") for key in load_file(path)) == 2
    loaded = Model.from_save(path)
    assert loaded.record.preprocessing == model.record.preprocessing
    assert loaded.record.cat_maps == model.record.cat_maps
    assert not any(key.startswith("table.") for key in loaded.get_weights())


def test_weights_and_values_come_back(tmp_path):
    state = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.zeros(0, 4), "c": torch.tensor(True)}
    content = {"text": "é", "none": None, "long": list(range(65)), "deep": [{"x": [0.1] * 65}], "short": [1] * 64}
    path = tensor_file.write_tensors(tmp_path / "a.b", "model", state, content)
    assert path.name == "a.b.safetensors"
    back, values = tensor_file.read_tensors(tmp_path / "a.b", "model")
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], value) and back[key].dtype == value.dtype for key, value in state.items())
    assert values == content


def test_only_long_lists_of_one_type_of_number_are_tensors(tmp_path):
    content = {"mixed": [1, 2.0] * 40, "bools": [True] * 80, "text": ["a"] * 80, "floats": [1.0] * 65, "ints": [1] * 65}
    path = tensor_file.write_tensors(tmp_path / "a", "model", {}, content)
    assert {str(value.dtype) for value in load_file(path).values()} == {"torch.float64", "torch.int64"}
    values = tensor_file.read_tensors(path, "model")[1]
    assert values == content
    assert {type(value) for value in values["ints"]} == {int}


def test_one_tensor_under_two_names_is_stored_once_and_is_one_again(tmp_path):
    weight = torch.ones(3)
    path = tensor_file.write_tensors(tmp_path / "a", "model", {"x": weight, "y": weight, "z": weight[:2]}, {})
    assert sorted(load_file(path)) == ["x", "z"]
    back, _ = tensor_file.read_tensors(path, "model")
    assert back["x"] is back["y"]
    assert torch.equal(back["y"], weight)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["aliases"].update(y="gone"),
        lambda header: header["content"].update(long={"table": "table.9"}),
    ],
)
def test_a_header_that_names_what_is_not_there_is_refused(tmp_path, change):
    path = tensor_file.write_tensors(tmp_path / "a", "model", {"x": torch.ones(3)}, {})
    bad = rewrite(path, tmp_path / "b.safetensors", change)
    with pytest.raises(SavedModelError, match=r"is damaged: it lacks '.*', which its header names"):
        tensor_file.read_tensors(bad, "model")


def test_load_state_names_what_differs_and_changes_nothing():
    module = torch.nn.Linear(2, 3)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    with pytest.raises(SavedModelError) as caught:
        tensor_file.load_state(
            module, {"weight": torch.ones(3, 3), **{f"w{i}": torch.ones(1) for i in range(7)}}, "file"
        )
    assert str(caught.value) == (
        "file does not fit the model: it has no bias; the model has no w0; the model has no w1; the model has no w2; "
        "the model has no w3; and 4 more"
    )
    with pytest.raises(SavedModelError, match=r"weight has shape \(3, 3\) where the model has \(3, 2\)"):
        tensor_file.load_state(module, {"weight": torch.ones(3, 3), "bias": torch.ones(3)}, "file")
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
