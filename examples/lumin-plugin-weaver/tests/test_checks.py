"""The checks of the kind tell what is wrong with a network."""

import pytest
import torch
from torch import nn

from lumin_core.testing import check
from lumin_plugin_weaver.template import ExampleWeaverNetwork


class TooWide(ExampleWeaverNetwork):
    def get_out_size(self):
        return super().get_out_size() + 1


class Unmasked(ExampleWeaverNetwork):
    def forward(self, inputs, mask):
        return super().forward({"features": inputs["features"] + 1}, torch.ones_like(mask))


class MeanOfPresent(ExampleWeaverNetwork):
    def forward(self, inputs, mask):
        return super().forward(inputs, mask) / mask.sum(1, keepdim=True)


class OfTheBatch(ExampleWeaverNetwork):
    def forward(self, inputs, mask):
        found = super().forward(inputs, mask)
        return found - found.mean(0)


class Unused(ExampleWeaverNetwork):
    def __init__(self, n_vars, widths=(6, 4)):
        super().__init__(n_vars, widths)
        self.forgotten = nn.Linear(1, 1)


class ReadsAnything(ExampleWeaverNetwork):
    @classmethod
    def convert(cls, state):
        return None


MISTAKES = {
    TooWide: ("shape", "say in get_out_size what forward gives"),
    Unmasked: ("padding", "leave absent particles out by the mask"),
    MeanOfPresent: ("absent", "an answer that is not finite"),
    OfTheBatch: ("alone", "take no statistics of the batch"),
    Unused: ("gradient", "expected a gradient of forgotten.weight"),
    ReadsAnything: ("convert", "should raise SavedModelError"),
}


@pytest.mark.parametrize("network", MISTAKES, ids=lambda network: network.__name__)
def test_a_mistake_fails_in_its_check(network):
    what, message = MISTAKES[network]
    failures = {failure.check: failure.message for failure in check(network, kind="weaver_network").failures}
    assert message in failures[f"check_weaver_network_{what}"]
