"""From a record to a builder: checked, and within limits."""

import threading
from pathlib import Path

import pytest
import torch
from builders import build

from lumin_core import CatEmbedder
from lumin_core.errors import BrokenPlugin, ConfigError, SavedModelError, UnknownComponent
from lumin_core.model.loading import builder_of, checked, limited, naming_plugins
from lumin_core.model.record import ModelRecord


def test_limits_hold_for_this_thread_alone():
    with limited({"weight": torch.ones(10)}):
        thread = threading.Thread(target=lambda: torch.nn.Linear(1500, 1500))
        thread.start()
        thread.join()
        torch.nn.Linear(10, 10)
        with pytest.raises(SavedModelError, match="far more than the 10 values that the file holds"):
            torch.nn.Linear(1500, 1500)
    torch.nn.Linear(1500, 1500)


def test_the_builder_of_a_record_is_the_one_that_made_its_config():
    config = build(cat_embedder=CatEmbedder(["k"], [3]), loss="l1_loss").to_config()
    assert builder_of(ModelRecord(config=config), Path("a.safetensors")).to_config() == config


def test_files_that_a_config_names_are_left_out(tmp_path):
    builder = build(cat_embedder=CatEmbedder(["k"], [3], emb_load_path=tmp_path / "e"), pretrain_file=tmp_path / "p")
    record = ModelRecord(config=builder.to_config())
    made = builder_of(record, Path("a.safetensors"))
    assert (made.pretrain_file, made.cat_embedder.emb_load_path) == (None, None)
    assert record.config == builder.to_config()


def test_a_record_without_a_config_asks_for_the_builder():
    with pytest.raises(SavedModelError, match=r"a\.safetensors needs model_builder=: Mine has no name"):
        builder_of(ModelRecord(unnamed="Mine has no name"), Path("a.safetensors"))


@pytest.mark.parametrize("error", [KeyError("k"), ZeroDivisionError("0"), TypeError("t"), ConfigError("c")])
def test_what_damage_leads_to_is_one_error_that_names_the_file(error):
    with (
        pytest.raises(SavedModelError, match=r"a\.safetensors cannot be built from its header") as caught,
        checked(Path("a.safetensors")),
    ):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [UnknownComponent("x"), BrokenPlugin("x"), KeyboardInterrupt()])
def test_what_is_not_damage_says_so_itself(error):
    with pytest.raises(type(error)), checked(Path("a.safetensors")):
        raise error


def test_many_small_tensors_are_too_many_as_well():
    with limited({}), pytest.raises(SavedModelError, match="far more than the 0 values"):
        [torch.nn.Linear(1, 1) for _ in range(2000)]


def test_ten_times_the_weights_pass():
    with limited({"weight": torch.ones(100_000)}):
        torch.nn.Linear(1000, 1990)


def saved_with(**plugins):
    return ModelRecord(components=[{"distribution": name, "version": was} for name, was in plugins.items()])


def test_another_version_of_a_plugin_is_told_once(install, caplog):
    install("my_blocks", {}, version="2.0")
    for _ in range(2):
        with naming_plugins(saved_with(my_blocks="1.0", lumin_core="0.0.1", session=""), Path("a.safetensors")):
            pass
    told = "a.safetensors was saved with my_blocks 1.0 (2.0 is installed)"
    assert [record.getMessage() for record in caplog.records] == [told]


def test_what_fails_names_plugins_that_are_missing_or_others(install):
    install("my_blocks", {}, version="2.0")
    record = saved_with(my_blocks="1.0", gone="3.1", **{"x; rm -rf": "1"})
    message = "no shape; it was saved with gone 3.1 .not installed: pip install gone==3.1., my_blocks 1.0 .2.0 is inst"
    with pytest.raises(SavedModelError, match=message), naming_plugins(record, Path("a.safetensors")):
        raise SavedModelError("no shape")


def test_what_fails_with_the_plugins_of_then_says_what_it_said():
    with pytest.raises(SavedModelError, match=r"^no shape$"), naming_plugins(ModelRecord(), Path("a.safetensors")):
        raise SavedModelError("no shape")
