"""Mistakes in layers of convolutions: each fails in the check of its name, with what to do."""

import pytest
import torch
from torch import nn

from lumin_core.testing import Case, checks_of, subject_of
from lumin_plugin_sequence import ConvLayer


class GoodLayer(ConvLayer):
    """A convolution of length 1.

    Args:
        in_c: Number of channels.
        length: Length of the sequence.
    """

    def __init__(self, in_c, length):
        super().__init__(in_c, length)
        self.layer = nn.Conv1d(in_c, 3, 1)

    def forward(self, x, mask):
        return self.layer(x).masked_fill(~mask.unsqueeze(1), 0), mask

    def get_out_size(self):
        return 3, self.length


class AbsentNotZero(GoodLayer):
    def forward(self, x, mask):
        return self.layer(x), mask


class MeanWithPadding(GoodLayer):
    def forward(self, x, mask):
        return super().forward(x - x.mean(2, keepdim=True), mask)


class WrongSize(GoodLayer):
    def get_out_size(self):
        return 3, self.length + 1


class AllPresent(GoodLayer):
    def forward(self, x, mask):
        return self.layer(x), torch.ones_like(mask)


class UntrueTrace(GoodLayer):
    def trace(self, places, channels):
        return torch.zeros_like(places), torch.zeros(len(channels), 3, dtype=torch.bool)


MISTAKES = {
    AbsentNotZero: ("check_conv_layer_absent", "end with out.masked_fill"),
    MeanWithPadding: ("check_conv_layer_padding", "leave absent places out of every mean"),
    WrongSize: ("check_conv_layer_size", r"get_out_size\(\) says"),
    AllPresent: ("check_conv_layer_none_present", "give the mask of the output"),
    UntrueTrace: ("check_conv_layer_trace", r"or leave trace\(\) out"),
}


def test_what_is_right_passes():
    outcomes = [Case(subject_of(GoodLayer), check).run() for check in checks_of("conv_layer")]
    assert [outcome for outcome in outcomes if outcome.state == "failed"] == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda cls: cls.__name__)
def test_a_mistake_fails_in_the_check_of_its_name(mistake):
    name, message = MISTAKES[mistake]
    (check,) = [check for check in checks_of("conv_layer") if check.name == name]
    outcome = Case(subject_of(mistake), check).run()
    assert outcome.state == "failed"
    with pytest.raises(AssertionError, match=f"(?s){message}"):
        raise outcome.error
