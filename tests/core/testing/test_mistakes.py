"""Mistakes of authors: each fails in the check of its name, with a message that says what to do."""

import random
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import Body, Head, MatrixHead, Tail
from lumin_core.testing import Case, Subject, checks_of, installed, subject_of

# Three that are right


class GoodHead(Head):
    """Scales the features.

    Args:
        cont_feats: Names of the continuous features.
        cat_embedder: The categorical ones.
        factor: The scale.
    """

    def __init__(self, cont_feats, cat_embedder=None, factor=2.0):
        super().__init__(cont_feats, cat_embedder)
        self.factor = factor
        self.scale = nn.Parameter(torch.full((len(self.cont_feats) + len(self.cat_feats),), factor))
        self.feat_map = {feat: [i] for i, feat in enumerate([*self.cont_feats, *self.cat_feats])}

    def forward(self, x):
        return x * self.scale

    def get_out_size(self):
        return len(self.scale)


class GoodObjects(MatrixHead):
    """The mean over the objects that are present.

    Args:
        cont_feats: Names of the elements.
        vecs: Names of the objects.
        feats_per_vec: Names of their features.
        row_wise: Whether an object is a row.
    """

    any_order = True

    def __init__(self, cont_feats, vecs, feats_per_vec, row_wise=True):
        super().__init__(cont_feats, vecs, feats_per_vec, row_wise)
        self.layer = nn.Linear(self.n_fpv, 3)
        self.feat_map = self.map_to_all()

    def forward(self, x):
        matrix, mask = self.get_matrix(x)
        return (self.layer(matrix) * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp_min(1)

    def get_out_size(self):
        return 3


class GoodBody(Body):
    """A layer, a norm and dropout.

    Args:
        n_in: Width of the head.
        feat_map: Feature to columns.
        width: Width of the output.
        freeze: Whether it stays as it is.
    """

    def __init__(self, n_in, feat_map, width=5, freeze=False):
        super().__init__(n_in, feat_map)
        self.layer = nn.Linear(n_in, width)
        self.norm = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(0.2)
        if freeze:
            self.freeze_layers()

    def forward(self, x):
        return self.drop(self.norm(self.layer(x)).tanh())

    def get_out_size(self):
        return self.layer.out_features


class GoodTail(Tail):
    """A layer, and what the objective asks for.

    Args:
        n_in: Width of the body.
        n_out: Number of outputs.
        objective: The objective.
        members: Number of networks.
    """

    def __init__(self, n_in, n_out, objective, members=1):
        super().__init__(n_in, n_out, objective)
        self.members = members
        self.layer = nn.Linear(n_in // members, n_out)

    def of_members(self, x):
        out = self.layer(x.unflatten(1, (self.members, -1)))
        if self.objective == "regression":
            return out
        return out.log_softmax(-1) if self.objective == "multiclass" else out.sigmoid()

    def forward(self, x):
        out = self.of_members(x)
        if self.training and self.members > 1:
            return out
        return out.exp().mean(1).log() if self.objective == "multiclass" else out.mean(1)


@pytest.mark.parametrize("good", [GoodHead, GoodObjects, GoodBody, GoodTail])
def test_what_is_right_passes(good):
    outcomes = [Case(subject_of(good), check).run() for check in checks_of(good.kind)]
    assert [outcome for outcome in outcomes if outcome.state == "failed"] == []
    assert sum(outcome.state == "passed" for outcome in outcomes) > 9


# Heads


class WrongWidth(GoodHead):
    def get_out_size(self):
        return 3


class KeepsNoModules(GoodBody):
    def __init__(self, n_in, feat_map):
        super().__init__(n_in, feat_map)
        self.layers = [nn.Linear(5, 5)]

    def forward(self, x):
        return self.layers[0](super().forward(x))


class HiddenConstant(GoodBody):
    def __init__(self, n_in, feat_map):
        super().__init__(n_in, feat_map)
        self.constants = {"scale": torch.ones(5)}


class UntrueMap(GoodHead):
    def forward(self, x):
        return super().forward(x.flip(1))


class MapWithoutCategories(GoodHead):
    def __init__(self, cont_feats, cat_embedder=None):
        super().__init__(cont_feats, cat_embedder)
        self.feat_map = {feat: [i] for i, feat in enumerate(self.cont_feats)}


class MeanWithAbsent(GoodObjects):
    def forward(self, x):
        matrix, _ = self.get_matrix(x)
        return self.layer(matrix).mean(1)


class DividesByNone(GoodObjects):
    def forward(self, x):
        matrix, mask = self.get_matrix(x)
        return (self.layer(matrix) * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)


class OrderMatters(GoodObjects):
    def forward(self, x):
        matrix, mask = self.get_matrix(x)
        return self.layer(matrix[:, 0]) * mask[:, :1]


class OneOrientation(GoodObjects):
    def forward(self, x):
        if x.dim() == 3:
            mask = ~x.isnan().all(2)
            x = x.nan_to_num() if x.shape[2] == self.n_fpv else x.nan_to_num().reshape(-1, self.n_v, self.n_fpv)
            mask = mask if mask.shape[1] == self.n_v else torch.ones(len(x), self.n_v, dtype=torch.bool)
            return (self.layer(x) * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp_min(1)
        return super().forward(x)


class MatrixAlone(GoodObjects):
    def forward(self, x):
        if isinstance(x, torch.Tensor) and x.dim() == 2:
            return super().forward(x) + 1
        return super().forward(x)


class KeepsNothing(GoodHead):
    missing = "keep"


class DrawsBins(GoodHead):
    def __init__(self, cont_feats, cat_embedder=None, bins=None):
        super().__init__(cont_feats, cat_embedder)
        self.bins = bins

    @classmethod
    def prepare(cls, fy, columns, bins=None):
        return {"bins": [random.random()]}


# Bodies


class Detached(GoodBody):
    def forward(self, x):
        return super().forward(x.detach())


class ForgottenParameter(GoodBody):
    def __init__(self, n_in, feat_map):
        super().__init__(n_in, feat_map)
        self.extra = nn.Parameter(torch.ones(3))


class SeedsItself(GoodBody):
    def __init__(self, n_in, feat_map):
        super().__init__(n_in, feat_map)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layer = nn.Linear(n_in, 5)


class DrawsFromNumpy(GoodBody):
    def __init__(self, n_in, feat_map):
        super().__init__(n_in, feat_map)
        self.layer.weight.data += float(np.random.normal())


class NormOfTheBatch(GoodBody):
    def forward(self, x):
        return super().forward(x - x.mean(0))


class DropoutAlways(GoodBody):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), 0.5)


class InPlace(GoodBody):
    def forward(self, x):
        return super().forward(x.mul_(2))


class CountsAlways(GoodBody):
    def __init__(self, n_in, feat_map):
        super().__init__(n_in, feat_map)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x):
        self.count += 1
        return super().forward(x)


class Overflows(GoodBody):
    def forward(self, x):
        return super().forward(x) + x.exp().sum(1, keepdim=True)


class ForgetsFreeze(GoodBody):
    def __init__(self, n_in, feat_map, freeze=False):
        super().__init__(n_in, feat_map)


class FrozenOutside(GoodBody):
    def train(self, mode=True):
        return nn.Module.train(self, mode)


class StateElsewhere(GoodBody):
    def __init__(self, n_in, feat_map):
        super().__init__(n_in, feat_map)
        self.seen = 0.0

    def forward(self, x):
        if self.training:
            self.seen += 1.0
        return super().forward(x) + self.seen


class LazyLayers(GoodBody):
    def forward(self, x):
        if not hasattr(self, "late"):
            self.late = nn.Linear(5, 5)
        return self.late(super().forward(x))


class SharedWeights(GoodBody):
    shared = nn.Linear(5, 5)

    def __init__(self, n_in, feat_map):
        super().__init__(n_in, feat_map)
        self.last = SharedWeights.shared

    def forward(self, x):
        return self.last(super().forward(x))

    def __deepcopy__(self, memo):
        new = type(self)(self.n_in, self.feat_map)
        new.layer.load_state_dict(self.layer.state_dict())
        new.norm.load_state_dict(self.norm.state_dict())
        return new


class SinglePrecision(GoodBody):
    def forward(self, x):
        return super().forward(x) @ torch.eye(5)


class BranchesOnValues(GoodBody):
    def forward(self, x):
        out = super().forward(x)
        return out if out.abs().max() < 1e6 else out / 2


class ScaleByDrawnNumber(GoodBody):
    def __init__(self, n_in, feat_map):
        super().__init__(n_in, feat_map)
        self.scale = torch.rand(()).item()

    def forward(self, x):
        return super().forward(x) * self.scale


class OddMembers(GoodBody):
    members = 2


# Tails


class NoSigmoid(GoodTail):
    def of_members(self, x):
        return self.layer(x.unflatten(1, (self.members, -1)))


class Probabilities(GoodTail):
    def of_members(self, x):
        out = super().of_members(x)
        return out.exp() if self.objective == "multiclass" else out


class MeanOfLogarithms(GoodTail):
    def forward(self, x):
        out = self.of_members(x)
        return out if self.training and self.members > 1 else out.mean(1)


class MeanInTraining(GoodTail):
    def forward(self, x):
        return self.of_members(x).mean(1)


# Every kind


class Forgetful(GoodBody):
    def __init__(self, n_in, feat_map):
        nn.Module.__init__(self)


class Undocumented(GoodBody):
    pass


class HalfDocumented(GoodBody):
    """A body."""

    def __init__(self, n_in, feat_map, slope=1.0):
        super().__init__(n_in, feat_map)


class HidesOptions(GoodBody):
    def __init__(self, n_in, feat_map, **options):
        super().__init__(n_in, feat_map)


class SharedDefault(GoodBody):
    def __init__(self, n_in, feat_map, widths=[5]):  # noqa: B006
        super().__init__(n_in, feat_map)


class OptionCalledName(GoodBody):
    def __init__(self, n_in, feat_map, name="mine"):
        super().__init__(n_in, feat_map)


class WithoutDefault(GoodBody):
    def __init__(self, n_in, feat_map, depth):
        super().__init__(n_in, feat_map)


MISTAKES = {
    WrongWidth: ("check_block_shape", r"should have the shape \(1, 3\), as get_out_size\(\) says, got \(1, 14\)"),
    UntrueMap: ("check_head_feat_map", r"columns \[0\] depend on 'tau_px', but so do \[13\]"),
    MapWithoutCategories: ("check_head_feat_map", "no feat_map for channel, n_jets; set self.feat_map"),
    MeanWithAbsent: ("check_head_padding", "leave absent objects out by the mask"),
    DividesByNone: ("check_head_absent", "without objects gives an output that is not finite; leave absent"),
    OrderMatters: ("check_head_order", "treat all objects alike"),
    OneOrientation: ("check_head_row_wise", "hand objects on by get_matrix"),
    MatrixAlone: ("check_head_flat", "hand objects on by get_matrix"),
    KeepsNothing: ("check_head_missing", "asks for NaN"),
    DrawsBins: ("check_head_prepare", "draw nothing, or from a fixed seed"),
    KeepsNoModules: ("check_block_modules", "layers hides Linear, .* use nn.ModuleList"),
    HiddenConstant: ("check_block_modules", "constants hides a tensor, .* register_buffer"),
    Detached: ("check_block_gradient", "no gradient reaches the input"),
    ForgottenParameter: ("check_block_gradient", "no gradient reaches extra: use every parameter"),
    SeedsItself: ("check_block_seed", "layer.weight, layer.bias are the same from every seed"),
    DrawsFromNumpy: ("check_block_seed", "the random numbers of numpy: draw from torch's"),
    NormOfTheBatch: ("check_block_evaluation", "one event alone.*no other event in evaluation"),
    DropoutAlways: ("check_block_evaluation", "the same events twice.*use self.training"),
    InPlace: ("check_block_input", "changes its input in place: work on x.clone"),
    CountsAlways: ("check_block_evaluation", "evaluation changes count: count statistics where"),
    Overflows: ("check_block_finite", "inputs of 10000 give an output that is not finite"),
    ForgetsFreeze: ("check_block_frozen", "end the constructor with if freeze"),
    FrozenOutside: ("check_block_frozen", "training moves norm.running_mean"),
    StateElsewhere: ("check_block_state", "hold what is learned or counted in parameters and buffers"),
    LazyLayers: ("check_block_state", "build all modules in the constructor"),
    SharedWeights: ("check_block_copy", "training a copy, or another one, changes last.weight"),
    SinglePrecision: ("check_block_precision", "double precision: .*; make tensors in forward with x.new_zeros"),
    BranchesOnValues: ("check_block_stack", "stacked: .*data-dependent.*; hold all tensors in parameters and buffers"),
    ScaleByDrawnNumber: ("check_block_stack", "two stacked ones.*hold all tensors in parameters and buffers"),
    OddMembers: ("check_body_members", "should be a multiple of that, got 5"),
    NoSigmoid: ("check_tail_objectives", "a sigmoid"),
    Probabilities: ("check_tail_objectives", "use log_softmax"),
    MeanOfLogarithms: ("check_tail_members", "the logarithm of the mean probability"),
    MeanInTraining: ("check_tail_members", r"the output in training should be \(5, 2, 1\), got \(5, 1\)"),
    Forgetful: ("check_init", r"does not call super\(\).__init__\(\)"),
    Undocumented: ("check_docstring", "has no docstring: say in a line what it does"),
    HalfDocumented: ("check_docstring", "does not name slope: a line each, under Args"),
    HidesOptions: ("check_signature", r"takes \*\*options, which hides misspelt options: name them"),
    SharedDefault: ("check_signature", r"default of widths is \[5\], .*: use a tuple"),
    OptionCalledName: ("check_signature", "cannot be called 'name'"),
    WithoutDefault: ("check_signature", "depth of WithoutDefault has no default.*example_options"),
}  # fmt: skip


def outcome_of(subject: Subject, name: str):
    (check,) = [check for check in checks_of(subject.kind) if check.name == name]
    return Case(subject, check).run()


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda cls: cls.__name__)
def test_a_mistake_fails_in_the_check_of_its_name(mistake):
    name, message = MISTAKES[mistake]
    outcome = outcome_of(subject_of(mistake), name)
    assert outcome.state == "failed"
    assert type(outcome.error).__name__ == "CheckFailed"
    with pytest.raises(AssertionError, match=f"(?s){message}"):
        raise outcome.error


class Frequency(GoodHead):
    """Has an option that its example gives.

    Args:
        cont_feats: Names of the continuous features.
        cat_embedder: The categorical ones.
        cut: A value.
    """

    example_options: ClassVar[Mapping[str, object]] = {"cut": 3.0}

    def __init__(self, cont_feats, cat_embedder=None, *, cut):
        super().__init__(cont_feats, cat_embedder)
        self.cut = cut


def test_an_option_without_default_is_given_by_the_example():
    assert outcome_of(subject_of(Frequency), "check_signature").state == "passed"
    assert subject_of(Frequency).make().cut == 3.0
    assert subject_of(Frequency).make(cut=4.0).cut == 4.0


# What is installed

BODY = '''
    import torch
    from torch import nn
    from lumin_core import Body
    {top}

    class {name}(Body):
        """A body.

        Args:
            widths: Its widths.
        """

        def __init__(self, n_in, feat_map, widths=(3,)):
            super().__init__(n_in, feat_map)
            self.widths = widths
            self.layer = nn.Linear(n_in, 3)
            {init}

        def forward(self, x):
            return self.layer(x)

        def get_out_size(self):
            return 3
'''


def installed_body(install, top="", init="", *, name="Mine", entry="mine", value=None, group="bodies"):
    module = f"mistaken_{entry}_{abs(hash((top, init, group, value))) % 10**8}"
    distribution = module.replace("_", "-")
    source = BODY.format(top=top, init=init, name=name)
    install(distribution, {group: {entry: value or f"{module}:{name}"}}, modules={module: source})
    return installed(distribution)[0]


def test_an_installed_one_that_is_right_passes(install):
    subject = installed_body(install)
    names = ("check_entry_point", "check_import", "check_options", "check_block_saved")
    assert [outcome_of(subject, name).message for name in names] == [""] * 4


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ("print('hello')", "prints 'hello'"),
        ("torch.set_num_threads(1 + torch.get_num_threads())", "changes torch's number of threads"),
        ("torch.set_default_dtype(torch.float64)", "changes torch's default dtype"),
        ("torch.manual_seed(1)", "changes the random state of torch"),
        ("import warnings; warnings.simplefilter('ignore')", "changes the filters of warnings"),
        ("import lumin_plugin_losses", "imports lumin-plugin-losses, another plugin"),
        ("import os; os._exit(3)", "ends the process: exit code 3"),
    ],
)
def test_an_import_that_does_more_fails(install, top, message):
    outcome = outcome_of(installed_body(install, top), "check_import")
    assert outcome.state == "failed"
    assert message in outcome.message
    assert "let the import define things, and nothing else" in outcome.message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"value": "mistaken_nowhere:Mine"}, "cannot be loaded from .*No module named 'mistaken_nowhere'"),
        ({"group": "heads"}, "it is not a subclass of lumin_core.Head"),
        ({"group": "bodys"}, "did you mean the group 'lumin.bodies'"),
        ({"entry": "Mine"}, "a name is of small letters, digits and '_', like 'my_head'; got 'Mine'"),
    ],
)
def test_a_wrong_entry_point_fails(install, options, message):
    outcome = outcome_of(installed_body(install, **options), "check_entry_point")
    assert outcome.state == "failed"
    with pytest.raises(AssertionError, match=f"(?s){message}"):
        raise outcome.error


def test_a_name_that_is_not_the_classs_is_a_warning(install):
    outcome = outcome_of(installed_body(install, entry="other"), "check_entry_point")
    assert outcome.state == "warned"
    assert "is called 'other', and readers look for 'mine'" in outcome.message


def test_options_that_building_changes_or_json_does_fail(install):
    kept = installed_body(install, init="self.layer.weight.data += len(seen); seen.append(1)", top="seen = []")
    assert "two built alike differ in layer.weight" in outcome_of(kept, "check_options").message
