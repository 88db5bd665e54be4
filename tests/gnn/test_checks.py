"""Mistakes in extractors and collapsers: each fails in the check of its name, with what to do."""

import pytest
import torch
from torch import nn

from lumin_core.testing import Case, checks_of, subject_of
from lumin_plugin_gnn import Collapser, Extractor


def run(thing, name):
    (check,) = [check for check in checks_of(thing.kind) if check.name == name]
    return Case(subject_of(thing), check).run()


class GoodExtractor(Extractor):
    """What an object is beside the mean of all.

    Args:
        n_fpv: Number of features of an object.
    """

    def __init__(self, n_fpv):
        super().__init__(n_fpv)
        self.layer = nn.Linear(n_fpv, 5)

    def forward(self, x, mask, matrix):
        mean = x.sum(1, keepdim=True) / mask.sum(1).clamp_min(1).view(-1, 1, 1)
        return self.layer(x - mean).masked_fill(~mask.unsqueeze(-1), 0)

    def get_out_size(self):
        return 5


class PaddingLeaks(GoodExtractor):
    def forward(self, x, mask, matrix):
        return self.layer(x - x.mean(1, keepdim=True)).masked_fill(~mask.unsqueeze(-1), 0)


class AbsentNotZero(GoodExtractor):
    def forward(self, x, mask, matrix):
        return self.layer(x)


class DividesByNone(GoodExtractor):
    def forward(self, x, mask, matrix):
        return super().forward(x, mask, matrix) / mask.sum(1).view(-1, 1, 1)


class NormOverPadding(GoodExtractor):
    def __init__(self, n_fpv):
        super().__init__(n_fpv)
        self.norm = nn.BatchNorm1d(5)

    def forward(self, x, mask, matrix):
        out = super().forward(x, mask, matrix)
        return self.norm(out.flatten(0, 1)).view(out.shape).masked_fill(~mask.unsqueeze(-1), 0)


class FirstIsSpecial(GoodExtractor):
    def forward(self, x, mask, matrix):
        out = super().forward(x, mask, matrix)
        return out - out[:, :1].masked_fill(~mask.unsqueeze(-1), 0)


class GoodCollapser(Collapser):
    """The mean over the objects that are present."""

    def forward(self, x, mask):
        return x.sum(1) / mask.sum(1, keepdim=True).clamp_min(1)

    def get_out_size(self):
        return self.n_fpv


class CountsPadding(GoodCollapser):
    def forward(self, x, mask):
        return x.mean(1)


class FirstObject(GoodCollapser):
    def forward(self, x, mask):
        return x[:, 0]


class OfTheBatch(GoodCollapser):
    def forward(self, x, mask):
        return super().forward(x, mask) - x.mean()


class WrongWidth(GoodCollapser):
    def get_out_size(self):
        return self.n_fpv + 1


MISTAKES = {
    PaddingLeaks: ("check_graph_extractor_padding", "leave absent objects out of every sum"),
    AbsentNotZero: ("check_graph_extractor_absent", "end with out.masked_fill"),
    DividesByNone: ("check_graph_extractor_none_present", r"clamp_min\(1\) the count"),
    NormOverPadding: ("check_graph_extractor_statistics", "use lumin_core.model.LCBatchNorm1d"),
    FirstIsSpecial: ("check_graph_extractor_order", "say any_order = False"),
    CountsPadding: ("check_graph_collapser_padding", "leave absent objects out of every sum"),
    FirstObject: ("check_graph_collapser_order", "treat all objects alike"),
    OfTheBatch: ("check_graph_collapser_events", "compute nothing over the axis of events"),
    WrongWidth: ("check_graph_collapser_width", r"as get_out_size\(\) says"),
}


@pytest.mark.parametrize("good", [GoodExtractor, GoodCollapser])
def test_what_is_right_passes(good):
    outcomes = [Case(subject_of(good), check).run() for check in checks_of(good.kind)]
    assert [outcome for outcome in outcomes if outcome.state == "failed"] == []
    assert sum(outcome.state == "passed" for outcome in outcomes) > 4


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda cls: cls.__name__)
def test_a_mistake_fails_in_the_check_of_its_name(mistake):
    name, message = MISTAKES[mistake]
    outcome = run(mistake, name)
    assert outcome.state == "failed"
    with pytest.raises(AssertionError, match=f"(?s){message}"):
        raise outcome.error


def test_one_that_says_that_order_matters_is_not_asked():
    special = type("Special", (FirstIsSpecial,), {"any_order": False})
    assert run(special, "check_graph_extractor_order").state == "skipped"
    assert torch.is_tensor(subject_of(special).make().layer.weight)
