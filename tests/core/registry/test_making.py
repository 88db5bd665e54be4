"""Constructors that forget that of their base class are told so, in a sentence."""

import pytest

import lumin_core
from lumin_core import build
from lumin_core.errors import BrokenPlugin, LuminError

nn = pytest.importorskip("torch.nn")
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
