import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lumin_plugin_callbacks.averaging import Average


class Odd(nn.Module):
    """Tied weights, a frozen one, a counter, a mask of infinities, a running mean that is replaced, not changed."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.frozen = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 1).requires_grad_(False)
        self.second.weight = self.first.weight
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
        self.register_buffer("mean", torch.zeros(2))

    def step(self):
        for parameter in {self.first.weight, self.first.bias, self.second.bias}:
            parameter.data = torch.randn(parameter.shape)
        self.count += 1
        self.mean = torch.randn(2)


@pytest.fixture
def source():
    torch.manual_seed(1)
    return Odd()


def states(source, n, average):
    """Let the source take steps; give a copy of its state at each, in double precision."""
    seen = []
    for _ in range(n):
        source.step()
        average.update()
        seen.append({key: value.double().clone() for key, value in source.state_dict().items()})
    return seen


@pytest.mark.parametrize("decay", [1.0, 0.9, 0.3, 0.0])
def test_it_is_the_sum_over_all_states_by_brute_force(source, decay):
    average = Average(source, decay)
    seen = states(source, 7, average)
    shares = torch.tensor([decay ** (6 - i) for i in range(7)], dtype=torch.double)
    assert average.n == pytest.approx(float(shares.sum()))
    for key, value in average.module.state_dict().items():
        if key in ("count", "mask"):
            assert torch.equal(value, source.state_dict()[key])
            continue
        expected = sum(share * state[key] for share, state in zip(shares, seen, strict=True)) / shares.sum()
        torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-6)


def test_the_plain_mean_is_torchs():
    torch.manual_seed(1)
    source = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    average, theirs = Average(source), AveragedModel(source, use_buffers=True)
    for _ in range(5):
        source(torch.randn(8, 3))
        for parameter in source.parameters():
            parameter.data += torch.randn(parameter.shape)
        average.update()
        theirs.update_parameters(source)
    for key, value in average.module.state_dict().items():
        if key != "1.num_batches_tracked":
            torch.testing.assert_close(value, theirs.module.state_dict()[key], rtol=1e-6, atol=1e-7)
    assert average.module[1].num_batches_tracked == 5


def test_the_exponential_average_is_torchs_but_for_the_share_of_the_first_weights():
    r"""Torch's, begun with the first weights, is :math:`(1 - d^t)` of ours and :math:`d^t` of these."""
    torch.manual_seed(1)
    source, decay = nn.Linear(3, 2), 0.8
    average = Average(source, decay)
    theirs = AveragedModel(source, multi_avg_fn=get_ema_multi_avg_fn(decay))
    first = source.weight.detach().clone()
    for t in range(1, 9):
        average.update()
        theirs.update_parameters(source)
        expected = (1 - decay**t) * average.module.weight + decay**t * first
        torch.testing.assert_close(theirs.module.weight, expected)
        source.weight.data += torch.randn(2, 3)


def test_the_first_update_is_a_copy_and_frozen_weights_stay_bit_for_bit(source):
    average = Average(source, 0.7)
    frozen = source.frozen.weight.clone()
    source.step()
    average.update()
    for key, value in average.module.state_dict().items():
        assert torch.equal(value, source.state_dict()[key])
    states(source, 20, average)
    assert torch.equal(average.module.frozen.weight, frozen)


def test_shared_weights_stay_shared_and_enter_once(source):
    average = Average(source)
    states(source, 3, average)
    assert average.module.first.weight is average.module.second.weight
    assert len(list(average.module.parameters())) == len(list(source.parameters()))


def test_it_keeps_to_itself(source):
    average = Average(source)
    before = {key: value.clone() for key, value in source.state_dict().items()}
    average.update()
    average.module.first.weight.fill_(7.0)
    average.module.mean.fill_(7.0)
    assert all(torch.equal(value, before[key]) for key, value in source.state_dict().items())
    assert source.first.weight.requires_grad
    assert not any(parameter.requires_grad for parameter in average.module.parameters())


def test_a_restart_forgets_even_nan(source):
    average = Average(source)
    states(source, 3, average)
    source.first.weight.data.fill_(torch.nan)
    average.update()
    assert average.module.first.weight.isnan().all()
    average.restart()
    assert average.n == 0
    (state,) = states(source, 1, average)
    assert torch.equal(average.module.first.weight.double(), state["first.weight"])


def test_the_state_is_exact(source):
    average = Average(source, 0.9)
    states(source, 4, average)
    other = Average(source, 0.9)
    other.load_state_dict(average.state_dict())
    torch.manual_seed(2)
    for _ in range(3):
        source.step()
        average.update()
        other.update()
    assert average.n == other.n
    theirs = other.module.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in average.module.state_dict().items())
