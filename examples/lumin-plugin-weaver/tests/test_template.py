"""The network that `lumin new-plugin --kind weaver_networks` writes keeps what its kind promises."""

import doctest

import pytest
import torch

from lumin_core import register, registry
from lumin_core.errors import SavedModelError
from lumin_core.testing import check
from lumin_plugin_weaver import from_weaver, template


def test_the_template_keeps_its_promises_and_its_example_runs():
    assert check(template.ExampleWeaverNetwork, kind="weaver_network").passed
    with registry.temporary():
        register("weaver_network", "example_weaver_network", template.ExampleWeaverNetwork)
        assert doctest.testmod(template).failed == 0


def test_a_model_starts_from_a_checkpoint_of_a_network_of_others(data, write, tmp_path):
    torch.manual_seed(1)
    state = {"phi.0.weight": torch.randn(4, 7), "phi.0.bias": torch.randn(4)}
    last = {"fc.weight": torch.randn(3, 4), "fc.bias": torch.randn(3)}
    torch.save({f"mod.{name}": tensor for name, tensor in (state | last).items()}, tmp_path / "net.pt")
    fy = write()
    flat, matrix = fy[0]["inputs"]
    with registry.temporary():
        register("weaver_network", "example_weaver_network", template.ExampleWeaverNetwork)
        model = from_weaver(tmp_path / "net.pt", data, fy, {"name": "example_weaver_network"}, device="cpu")
    columns = [data.feats.index(name) for name in data.roles["features"]]
    x = torch.from_numpy(matrix[:, : data.length, columns])
    summed = (x @ state["phi.0.weight"].T + state["phi.0.bias"]).tanh().nan_to_num().sum(1)
    expected = (summed @ last["fc.weight"].T + last["fc.bias"]).softmax(1)
    assert torch.allclose(torch.from_numpy(model.predict((flat, matrix))), expected, atol=1e-5)
    with pytest.raises(SavedModelError, match="of another network"):
        template.ExampleWeaverNetwork.convert(state)
