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
