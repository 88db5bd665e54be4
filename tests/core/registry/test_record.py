from functools import partial

import pytest

from lumin_core import registry


@pytest.fixture(autouse=True)
def clean():
    with registry.temporary():
        yield


@pytest.mark.torch
def test_recording_collects_nested_components_once():
    def nested():
        return [registry.build("activation", "relu"), registry.build("activation", "relu")]

    registry.register("initialiser", "nested", nested)
    with registry.recording() as outer:
        registry.build("activation", "tanh")
        with registry.recording() as inner:
            registry.build("initialiser", "nested")
    assert [component.qualified for component in inner] == ["session/nested", "core/relu"]
    assert [component.qualified for component in outer] == ["core/tanh", "session/nested", "core/relu"]
    registry.build("activation", "mish")
    assert len(outer) == 3


@pytest.mark.torch
def test_recording_knows_the_component_of_a_class():
    import torch

    with registry.recording() as used:
        registry.build("activation", torch.nn.ReLU)
        registry.resolve("optimiser", partial(torch.optim.SGD, lr=0.1))
        registry.build("activation", torch.nn.Linear, in_features=1, out_features=1)
    assert [component.qualified for component in used] == ["core/relu", "core/sgd"]


@pytest.mark.torch
def test_names_inside_of_a_specification_are_written_as_what_they_were_asked_for():
    class Outer:
        def __init__(self, parts, mode, inner):
            self.parts = [registry.build("activation", part) for part in parts]
            self.mode = mode
            self.inner = registry.build("norm", inner, num_features=2)

    registry.register("initialiser", "outer", Outer)
    spec = {"name": "outer", "parts": ["relu", {"name": "prelu", "init": 0.1}], "mode": "relu", "inner": "batch_norm1d"}
    noted = registry.noting(spec)
    assert noted == spec
    registry.build("initialiser", noted)
    config = registry.to_config("initialiser", noted)
    assert config == {
        "name": "session/outer",
        "parts": ["core/relu", {"name": "core/prelu", "init": 0.1}],
        "mode": "relu",  # text that nobody asked for is no name
        "inner": "core/batch_norm1d",
    }
    assert registry.written(noted) == config
    assert {type(value) for value in config.values()} == {str, list}


@pytest.mark.torch
def test_a_pin_holds_for_names_inside_of_options():
    name = registry.noting("mish")
    with registry.pinned({("activation", "mish"): "core/mish"}):
        registry.build("activation", name)
    registry.register("activation", "mish", lambda: None, override=True)
    registry.find("activation", name)
    assert registry.written(name) == "session/mish"
    with registry.pinned({("activation", "mish"): "core/mish"}):
        assert registry.written(name) == "core/mish"


def test_noting_keeps_what_was_asked_for_and_changes_nothing():
    first = registry.noting(["adam"])
    registry.find("optimiser", first[0])
    again = registry.noting((first, partial(dict, a="b")))
    assert again[0][0].asked == ("optimiser", "core/adam")
    assert again[1].keywords["a"].asked is None
    assert registry.noting(None) is None
