import pytest
import torch
from torch import nn

from lumin_plugin_hep.masked_norm import MaskedBatchNorm1d


def data(*shape, dtype=torch.float64):
    return 5 + 3 * torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


def pair(n_channels):
    """Give ours and torch's, with the same parameters."""
    ours, reference = MaskedBatchNorm1d(n_channels).double(), nn.BatchNorm1d(n_channels).double()
    with torch.no_grad():
        ours.weight.uniform_(0.5, 2, generator=torch.Generator().manual_seed(2))
        ours.bias.uniform_(-1, 1, generator=torch.Generator().manual_seed(3))
    reference.load_state_dict(ours.state_dict(), strict=False)
    return ours, reference


def all_of(x):
    return torch.ones(len(x), dtype=torch.bool)


def test_where_all_count_it_is_torchs():
    ours, reference = pair(4)
    for step in range(3):
        x = data(20, 4) + step
        torch.testing.assert_close(ours(x, all_of(x)), reference(x))
    torch.testing.assert_close(ours.running_mean, reference.running_mean)
    torch.testing.assert_close(ours.running_var, reference.running_var)
    x = data(5, 4)
    torch.testing.assert_close(ours.eval()(x, all_of(x)), reference.eval()(x))


def test_events_that_do_not_count_change_nothing_for_the_others():
    ours, reference = pair(3)
    x, present = data(30, 3), torch.arange(30) % 3 > 0
    x[~present] = 1e3
    torch.testing.assert_close(ours(x, present)[present], reference(x[present]))
    torch.testing.assert_close(ours.running_mean, reference.running_mean)
    torch.testing.assert_close(ours.running_var, reference.running_var)


def test_axes_between_share_a_channel():
    ours, reference = pair(3)
    x, present = data(10, 6, 3), torch.arange(10) != 4
    expected = reference(x[present].reshape(-1, 3)).view(9, 6, 3)
    torch.testing.assert_close(ours(x, present)[present], expected)


def test_gradients_are_the_derivatives():
    norm, x, present = MaskedBatchNorm1d(2).double(), data(6, 2).requires_grad_(), torch.arange(6) != 2
    assert torch.autograd.gradcheck(lambda x: norm(x, present), (x,))


@pytest.mark.parametrize("n_present", [0, 1])
def test_too_few_events_leave_the_running_statistics(n_present):
    norm, x = MaskedBatchNorm1d(2), data(4, 2, dtype=torch.float32).requires_grad_()
    y = norm(x, torch.arange(4) < n_present)
    y.square().sum().backward()
    assert y.isfinite().all()
    assert x.grad.isfinite().all()
    assert norm.running_mean.tolist() == [0, 0]
    assert norm.running_var.tolist() == [1, 1]


def test_evaluation_takes_one_event_and_none():
    norm = MaskedBatchNorm1d(2).eval()
    for n in (1, 0):
        x = data(n, 2, dtype=torch.float32)
        torch.testing.assert_close(norm(x, all_of(x)), x, rtol=1e-4, atol=0)


def test_an_empty_batch_in_training_leaves_the_running_statistics():
    norm = MaskedBatchNorm1d(2)
    assert norm(torch.zeros(0, 2), torch.ones(0, dtype=torch.bool)).shape == (0, 2)
    assert norm.running_var.tolist() == [1, 1]


def test_moments_are_taken_in_full_precision():
    norm, x = MaskedBatchNorm1d(1), (1000 + torch.arange(8.0)).view(8, 1)
    with torch.autocast("cpu", torch.bfloat16):
        y = norm(x, all_of(x))
    torch.testing.assert_close(y, nn.BatchNorm1d(1)(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mean", [1e4, 1e6])
def test_a_mean_of_many_standard_deviations_leaves_the_variance(mean):
    norm, x = MaskedBatchNorm1d(1), (mean + torch.randn(200, 1, generator=torch.Generator().manual_seed(1)))
    exact = x.double()
    expected = (exact - exact.mean()) / exact.std(correction=0)
    torch.testing.assert_close(norm(x, all_of(x)).double(), expected, atol=1e-3, rtol=1e-3)
    norm.running_mean.fill_(exact.mean())
    norm.running_var.fill_(exact.var(correction=0))
    spread = norm.eval()(x, all_of(x)).double().std(correction=0)
    torch.testing.assert_close(spread, torch.ones_like(spread), atol=1e-3, rtol=0)
