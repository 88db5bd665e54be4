"""Members: their mean and loss, and who may be body and tail of some."""

import pytest
import torch
from builders import FEATS, build

from lumin_core import BatchLoss, Body, Tail
from lumin_core.errors import ConfigError, ShapeError
from lumin_core.model import loss_of_members, mean_of_members, weighted_loss

MSE = torch.nn.MSELoss(reduction="none")


class Twins(Body):
    """Two members: the inputs, and twice the inputs."""

    members = 2

    def forward(self, x):
        return torch.cat([x, 2 * x], dim=1)

    def get_out_size(self):
        return 2 * self.n_in


class Sums(Tail):
    """The sum of each member's columns."""

    def __init__(self, n_in, n_out, objective, members=1):
        super().__init__(n_in, n_out, objective)
        self.members = members

    def of_members(self, x):
        return x.unflatten(1, (self.members, -1)).sum(2, keepdim=True)

    def forward(self, x):
        outputs = self.of_members(x)
        return outputs if self.training else mean_of_members(outputs, self.objective)


class Forgetful(Sums):
    def __init__(self, n_in, n_out, objective, members=1):
        super().__init__(n_in, n_out, objective)


@pytest.mark.parametrize("objective", ["classification", "regression"])
def test_the_mean_is_of_values(objective):
    outputs = torch.rand(5, 3, 2)
    torch.testing.assert_close(mean_of_members(outputs, objective), outputs.mean(1))


def test_the_mean_of_log_probabilities_is_of_probabilities():
    outputs = torch.randn(5, 3, 4).log_softmax(-1)
    mean = mean_of_members(outputs, "multiclass")
    torch.testing.assert_close(mean.exp(), outputs.exp().mean(1))
    torch.testing.assert_close(mean.exp().sum(1), torch.ones(5))


@pytest.mark.parametrize("k", [1, 2, 3, 7, 16, 100])
def test_a_mean_of_ones_is_one_which_a_cross_entropy_needs(k):
    assert mean_of_members(torch.ones(4, k, 1), "classification").max() == 1
    assert mean_of_members(torch.zeros(4, k, 2), "multiclass").max() <= 1e-6


@pytest.mark.parametrize("w", [None, torch.tensor([[1.0], [-0.5], [2.0]])])
def test_the_loss_is_the_mean_of_the_members(w):
    outputs, y = torch.randn(3, 4, 2), torch.randn(3, 2)
    by_hand = sum(weighted_loss(MSE, outputs[:, m], y, w) for m in range(4)) / 4
    torch.testing.assert_close(loss_of_members(MSE, outputs, y, w), by_hand)


def test_classes_are_one_number_an_event():
    outputs, y = torch.randn(3, 4, 5).log_softmax(-1), torch.tensor([0, 4, 2])
    nll = torch.nn.NLLLoss(reduction="none")
    by_hand = sum(weighted_loss(nll, outputs[:, m], y, None) for m in range(4)) / 4
    torch.testing.assert_close(loss_of_members(nll, outputs, y, None), by_hand)


def test_a_batch_loss_is_asked_for_each_member():
    class Largest(BatchLoss):
        def forward(self, y_pred, y, w):
            assert y_pred.shape == y.shape == w.shape == (3, 1)
            return (w * y_pred).max()

    outputs, w = torch.tensor([[[1.0], [2.0]], [[5.0], [1.0]], [[0.0], [7.0]]]), torch.ones(3, 1)
    assert loss_of_members(Largest(), outputs, torch.zeros(3, 1), w) == (5 + 7) / 2


def test_weight_zero_is_no_event_and_weight_two_is_the_event_twice():
    outputs, y, w = torch.randn(4, 3, 1), torch.randn(4, 1), torch.tensor([[1.0], [0.0], [2.0], [-0.5]])
    total = 4 * loss_of_members(MSE, outputs, y, w)
    changed = outputs.clone()
    changed[1] = 100
    torch.testing.assert_close(4 * loss_of_members(MSE, changed, y, w), total)
    twice = torch.tensor([0, 1, 2, 2, 3])
    once = w[twice].clone()
    once[[2, 3]] = 1
    torch.testing.assert_close(5 * loss_of_members(MSE, outputs[twice], y[twice], once), total)


def test_the_mean_alone_is_no_answer_in_training():
    with pytest.raises(ShapeError, match=r"gives \(B, members, n_out\), got shape \(3, 1\); where a callback keeps"):
        loss_of_members(MSE, torch.ones(3, 1), torch.ones(3, 1), None)


def test_the_builder_tells_the_tail_of_members():
    model = build("regression", 1, FEATS, body=Twins, tail=Sums, model_args=None).build_model()
    x = torch.ones(3, 5)
    assert model[2].members == 2
    assert model.train()(x).tolist() == [[[5.0], [10.0]]] * 3
    assert model.eval()(x).tolist() == [[7.5]] * 3


def test_one_member_is_an_ordinary_network():
    class Alone(Twins):
        members = 1

    build("regression", 1, FEATS, body=Alone, tail=Forgetful, model_args=None).build_model()


def test_a_frozen_tail_with_members_still_tells_them_apart():
    builder = build("regression", 1, FEATS, body=Twins, tail=Sums, model_args=None, freeze_tail=True)
    model = builder.build_model()
    assert model.train()(torch.ones(3, 5)).shape == (3, 2, 1)
    assert model.eval()(torch.ones(3, 5)).shape == (3, 1)


class Uneven(Twins):
    members = 3


class Wrong(Twins):
    members = 0


@pytest.mark.parametrize(
    ("body", "tail", "words"),
    [
        (Twins, Forgetful, "'Forgetful' has members = 1, and the body 2.*sets self.members"),
        (Uneven, Sums, r"'Uneven' has 3 members and get_out_size\(\) = 10: it must give members \* width"),
        (Wrong, Sums, "members of the body 'Wrong' must be a positive integer, got 0"),
        ("ident_body", {"name": "class_reg_multi", "members": 3}, "members = 3, and the body 1: leave members out"),
    ],
)
def test_who_does_not_fit_is_refused(body, tail, words):
    with pytest.raises(ConfigError, match=words):
        build("regression", 1, FEATS, body=body, tail=tail, model_args=None).build_model()


def test_a_tail_of_one_network_is_refused_with_the_way_out():
    class Old(Tail):
        def forward(self, x):
            return x[:, :1]

    with pytest.raises(ConfigError, match=r"body has 2 members, and the tail '.*Old' takes .* use class_reg_multi, or"):
        build("regression", 1, FEATS, body=Twins, tail=Old, model_args=None).build_model()


def test_a_tail_must_say_what_members_are():
    class Silent(Tail):
        members = 2

        def forward(self, x):
            return x

    with pytest.raises(NotImplementedError, match="Silent has members = 2 and must define of_members"):
        Silent(2, 1, "regression").of_members(torch.ones(1, 2))
