"""The header of a saved file, read without its weights."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from lumin_core import Ensemble, Model
from lumin_core.errors import SavedModelError
from lumin_plugin_commands.saved_header import read_header


@pytest.fixture
def model(fy, make_builder):
    return Model(make_builder(fy))


def test_header_of_a_model(model, tmp_path):
    header = read_header(model.save(tmp_path / "model").with_suffix(""))
    assert (header.path, header.sort, header.format) == (tmp_path / "model.safetensors", "model", 1)
    assert header.n_values == sum(value.numel() for value in model.model.state_dict().values())
    assert header.content["config"]["objective"] == "classification"


def test_what_a_loss_learned_is_no_weight_in_ensembles_too(model, fy, make_builder, tmp_path):
    one = read_header(model.save(tmp_path / "model")).n_values
    both = Ensemble([model, Model(make_builder(fy, seed=2))])
    assert read_header(both.save(tmp_path / "both")).n_values == 2 * one
    tensors = {f"{i}.loss.bins": np.zeros(3, "float32") for i in range(2)} | {"0.head.w": np.zeros(4, "float32")}
    header = {"sort": "ensemble", "format": 1, "content": {}}
    save_file(tensors, tmp_path / "more.safetensors", {"lumin": json.dumps(header)})
    assert read_header(tmp_path / "more").n_values == 4


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "was not saved by lumin-core: it has no header of ours"),
        ({"lumin": "{"}, "was not saved by lumin-core"),
        ({"lumin": "[]"}, "was not saved by lumin-core"),
        ({"lumin": '{"sort": "model", "format": "one", "content": {}}'}, "was not saved by lumin-core"),
    ],
)
def test_files_of_others_are_refused(tmp_path, metadata, message):
    save_file({"w": np.zeros(2)}, tmp_path / "other.safetensors", metadata)
    with pytest.raises(SavedModelError, match=message):
        read_header(tmp_path / "other")


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(SavedModelError, match=r"there is no file .*none; give a saved model or ensemble"):
        read_header(tmp_path / "none")
    with pytest.raises(SavedModelError, match="is a folder; give a saved model or ensemble in it"):
        read_header(tmp_path)
