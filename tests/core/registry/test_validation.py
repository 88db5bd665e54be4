import pytest

from lumin_core import registry
from lumin_core.registry import register


class ByPosition:
    def __init__(self, first, /, second=2): ...


@pytest.fixture(autouse=True)
def session():
    with registry.temporary():
        register("norm", obj=ByPosition)
        yield


ABSTRACT = """
import abc
class Abstract(abc.ABC):
    @abc.abstractmethod
    def forward(self): ...
class ByPosition:
    def __init__(self, first, /): ...
number = 3
class Good: ...
class NotACommand: ...
"""


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("abstract", "abstract; missing are forward"),
        ("by_position", "takes first by position only"),
        ("number", "not callable: 3"),
        ("missing", "AttributeError"),
        ("good", None),
    ],
)
def test_check_says_what_is_wrong(install, name, problem):
    entries = {
        "abstract": "Abstract",
        "by_position": "ByPosition",
        "number": "number",
        "missing": "Missing",
        "good": "Good",
    }
    entries = {key: f"checked:{value}" for key, value in entries.items()}
    # names of the session must not be in the way: these are asked for with their origin
    install("chk", {"norms": entries}, modules={"checked": ABSTRACT})
    found = registry.check(registry.find("norm", f"chk/{name}"))
    assert found is None if problem is None else problem in found


@pytest.mark.torch
def test_check_compares_with_the_base_class(install):
    install("chk", {"optimisers": {"good": "checked:Good"}}, modules={"checked": ABSTRACT})
    assert "not a subclass of torch.optim.Optimizer" in registry.check(registry.find("optimiser", "good"))


SHALLOW = """
from lumin_core import Augmentation, Callback, EvalMetric
from lumin_core.training import Exporter
from torch import nn
def command(): ...
class NoBetter(EvalMetric):
    def evaluate(self, preds, targets, weights, columns): return 0.0
class LateBetter(NoBetter):
    def __init__(self, better):
        self.better = better
        super().__init__()
class TextColumns(NoBetter):
    better = "lower"
    columns = "mass"
class Misspelt(Callback):
    def on_epoch_ends(self, fit_params): ...
class OtherSignature(Callback):
    def on_epoch_end(self, epoch, logs): ...
class NoPoint: ...
class LatePoint:
    def __init__(self):
        self.on_epoch_end = print
class HalfState(Callback):
    def on_epoch_end(self): ...
    def state_dict(self): return {}
class NotMarked(Callback):
    def on_epoch_end(self): yield
class NoTest(Augmentation):
    n_test = 4
    def train(self, fold, rng): return fold
class Half(NoTest):
    n_test = 1.5
class NoForward(nn.Module): ...
class NoSuffix(Exporter):
    def write(self, models, weights, path, *, raw): ...
class NoTrain: ...
"""
FAULTS = {
    ("command", "command"): "it should be a click command",
    ("metric", "NoBetter"): "NoBetter.better must be 'lower'",
    ("metric", "LateBetter"): None,
    ("metric", "TextColumns"): "TextColumns.columns must be a list of names, got 'mass'",
    ("callback", "Misspelt"): "did you mean 'on_epoch_end'",
    ("callback", "OtherSignature"): "must take (self) or (self, fit_params), got (self, epoch, logs)",
    ("callback", "NoPoint"): "has no callback point",
    ("callback", "LatePoint"): None,
    ("callback", "HalfState"): "has state_dict, but not load_state_dict",
    ("callback", "NotMarked"): "a wrapper is marked",
    ("augmentation", "NoTest"): "no test(fold, idx)",
    ("augmentation", "Half"): "n_test must be a positive integer, got 1.5",
    ("loss", "NoForward"): "NoForward has no forward(y_pred, y)",
    ("exporter", "NoSuffix"): "NoSuffix should say suffix",
    ("executor", "NoTrain"): "NoTrain has neither train(jobs, report)",
}


@pytest.mark.torch
def test_check_finds_what_the_class_alone_shows(install):
    groups = {}
    for i, (kind, value) in enumerate(FAULTS):
        groups.setdefault(registry.find_kind(kind).plural, {})[f"chk{i}"] = f"shallow:{value}"
    install("chk", groups, modules={"shallow": SHALLOW})
    for i, ((kind, value), expected) in enumerate(FAULTS.items()):
        found = registry.check(registry.find(kind, f"chk{i}"))
        assert found is None if expected is None else expected in str(found), (value, found)
