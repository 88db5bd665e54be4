"""The network that `lumin new-plugin --kind weaver_networks` writes keeps what its kind promises."""

import doctest

import pytest
import torch

from lumin_core import register, registry
from lumin_core.errors import SavedModelError
from lumin_core.testing import check
from lumin_plugin_weaver import template


def test_the_template_keeps_its_promises_and_its_example_runs():
    assert check(template.ExampleWeaverNetwork, kind="weaver_network").passed
    with registry.temporary():
        register("weaver_network", "example_weaver_network", template.ExampleWeaverNetwork)
        assert doctest.testmod(template).failed == 0


def test_the_template_reads_a_state_dict():
    state = {"mod.phi.0.weight": torch.ones(4, 7), "mod.phi.0.bias": torch.zeros(4)}
    last = {"mod.fc.weight": torch.ones(2, 4), "mod.fc.bias": torch.zeros(2)}
    found = template.ExampleWeaverNetwork.convert(state | last)
    network = template.ExampleWeaverNetwork({"features": 7}, **found.options)
    network.load_state_dict(found.state)
    assert found.last[0].shape == (2, network.get_out_size())
    with pytest.raises(SavedModelError, match="of another network"):
        template.ExampleWeaverNetwork.convert(state)
