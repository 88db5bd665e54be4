"""Constructors that forget that of their base class are told so, in a sentence."""

import sys

import pytest

import lumin_core
from lumin_core import build
from lumin_core.errors import BrokenPlugin, LuminError
from lumin_core.registry import resolve
from lumin_core.registry.making import check_made

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.torch


class OwnMetric(lumin_core.EvalMetric):
    better = "lower"

    def __init__(self, power=1):
        self.power = power

    def evaluate(self, preds, targets, weights, columns):
        return 1.0


class OwnLoss(nn.Module):
    def __init__(self, gamma=1.0):
        self.gamma = gamma

    def forward(self, y_pred, y):
        return (y_pred - y) ** 2


class OwnHead(lumin_core.Head):
    def __init__(self, cont_feats):
        nn.Module.__init__(self)

    def forward(self, x):
        return x

    def get_out_size(self):
        return 1


class OwnBody(lumin_core.Body):
    def __init__(self, n_in, feat_map):
        self.layer = nn.Linear(n_in, 4)

    def forward(self, x):
        return self.layer(x)

    def get_out_size(self):
        return 4


class Derived(OwnLoss):
    """Forgets nothing itself."""

    def __init__(self):
        super().__init__(gamma=nn.Linear(1, 1))


@pytest.mark.parametrize(
    ("kind", "spec", "given"),
    [
        ("metric", OwnMetric, {}),
        ("metric", OwnMetric(), {}),
        ("loss", OwnLoss, {}),
        ("loss", OwnLoss(), {}),
        ("loss", Derived, {}),
        ("head", OwnHead, {"cont_feats": ["a"]}),
        ("body", OwnBody, {"n_in": 1, "feat_map": {"a": [0]}}),
    ],
)
def test_a_forgotten_constructor_is_said(kind, spec, given):
    name = (spec if isinstance(spec, type) else type(spec)).__name__
    with pytest.raises(
        BrokenPlugin, match=rf"the {kind} '{name}': {name}.__init__ does not call super\(\).__init__\(\)"
    ):
        build(kind, spec, **given)


def test_other_errors_of_constructors_come_through():
    class Mistaken(nn.Module):
        def __init__(self):
            super().__init__()
            self.n = self.no_such_thing

    with pytest.raises(AttributeError, match="no_such_thing") as raised:
        build("loss", Mistaken)
    assert not isinstance(raised.value, LuminError)


def test_who_sets_all_himself_is_let_through():
    class Own(lumin_core.EvalMetric):
        better = "lower"

        def __init__(self):
            self.label, self.main_metric = "own", False

        def evaluate(self, preds, targets, weights, columns):
            return 1.0

    assert build("metric", Own).label == "own"


def test_a_property_that_raises_is_no_forgotten_constructor():
    class Base(nn.Module):
        def __init__(self):
            super().__init__()
            self.width = 1

    class Own(Base):
        @property
        def width(self):
            raise RuntimeError("not yet")

        @width.setter
        def width(self, value): ...

    check_made(Own(), "body 'own'", Base)


class Raising(lumin_core.Body):
    def __init__(self, n_in, feat_map):
        raise KeyError("inside")

    def forward(self, x):
        return x

    def get_out_size(self):
        return 4


class Ending(Raising):
    def __init__(self, n_in, feat_map):
        sys.exit(0)


class Unfinished(lumin_core.Body):
    def forward(self, x):
        return x


def test_an_error_of_a_constructor_says_whose_it_is():
    with pytest.raises(KeyError, match="inside") as raised:
        build("body", Raising, n_in=1, feat_map={"a": [0]})
    assert raised.value.__notes__ == ["raised by the constructor of the body 'Raising'"]


def test_a_constructor_cannot_end_the_process():
    with pytest.raises(BrokenPlugin, match=r"constructor of the body 'Ending' calls sys.exit\(0\)"):
        build("body", Ending, n_in=1, feat_map={"a": [0]})


@pytest.mark.parametrize("call", [build, resolve])
def test_an_abstract_class_is_told_what_it_lacks(call):
    with pytest.raises(LuminError, match=r"a class that defines get_out_size, got .*Unfinished"):
        call("body", Unfinished)


@pytest.mark.parametrize(("kind", "given"), [("activation", {}), ("norm", {"num_features": 3})])
@pytest.mark.parametrize("makes", [None, 3.0, torch.tanh])
def test_activations_and_norms_make_modules(kind, given, makes):
    def make(num_features=None):
        return makes

    with pytest.raises(BrokenPlugin, match=rf"the {kind} '.*make' must make a torch.nn.Module, got"):
        build(kind, make, **given)
