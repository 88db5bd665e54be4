import copy
from math import sqrt

import numpy as np
import pytest
import torch

from lumin_core import build
from lumin_core.errors import ConfigError, ShapeError
from lumin_plugin_tabular import RunningBatchNorm1d, RunningBatchNorm2d, RunningBatchNorm3d

SIZES = [(RunningBatchNorm1d, (6,)), (RunningBatchNorm2d, (3, 2)), (RunningBatchNorm3d, (3, 2, 2))]


def batches(axes, sizes=(32, 7, 2, 1, 64)):
    rng = np.random.default_rng(0)
    return [torch.from_numpy(rng.normal(2, 3, (n, 4, *axes)).astype("float32")) for n in sizes]


def reference(history, mom=0.1, n_warmup=20, eps=1e-5):
    """Normalise the last batch by sums accumulated over all, in float64, one channel and batch at a time."""
    last = history[-1].double().numpy()
    out = np.empty_like(last)
    for channel in range(last.shape[1]):
        total, square, count, n_events = 0.0, 0.0, 0.0, 0
        for batch in history:
            values = batch.double().numpy()[:, channel]
            m = 1 - (1 - mom) / sqrt(max(len(batch) - 1, 1))
            total += m * (values.sum() - total)
            square += m * ((values**2).sum() - square)
            count += m * (values.size - count)
            n_events += len(batch)
        variance = square / count - (total / count) ** 2
        variance = max(variance, 0.01) if n_events < n_warmup else variance
        out[:, channel] = (last[:, channel] - total / count) / sqrt(variance + eps)
    return torch.from_numpy(out).float()


@pytest.mark.parametrize(("norm_class", "axes"), SIZES)
@pytest.mark.parametrize("mom", [0.1, 0.5, 1.0])
def test_equals_plain_accumulation_for_batches_of_any_size(norm_class, axes, mom):
    norm, history = norm_class(4, mom=mom), []
    for batch in batches(axes):
        history.append(batch)
        torch.testing.assert_close(norm(batch), reference(history, mom), atol=2e-4, rtol=2e-4)


def test_takes_flat_data_as_one_value_a_channel():
    x = batches(())[0]
    torch.testing.assert_close(RunningBatchNorm1d(4)(x), RunningBatchNorm1d(4)(x[..., None])[..., 0])


def test_first_batch_is_normalised_by_itself():
    y = RunningBatchNorm1d(4)(batches(())[0])
    torch.testing.assert_close(y.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(0, correction=0), torch.ones(4), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("norm_class", "axes"), SIZES)
def test_evaluation_changes_nothing_and_takes_events_one_by_one(norm_class, axes):
    norm, (first, *_) = norm_class(4), batches(axes)
    norm(first)
    norm.eval()
    state = copy.deepcopy(norm.state_dict())
    together = norm(first)
    torch.testing.assert_close(torch.cat([norm(event[None]) for event in first]), together)
    assert all(torch.equal(state[key], value) for key, value in norm.state_dict().items())


def test_before_the_first_batch_evaluation_is_the_identity():
    x = batches(())[0]
    torch.testing.assert_close(RunningBatchNorm1d(4).eval()(x), x, rtol=1e-4, atol=1e-4)


def test_input_is_left_alone():
    x = batches(())[0]
    before = x.clone()
    RunningBatchNorm1d(4)(x)
    assert torch.equal(x, before)


def test_two_forward_passes_before_a_backward_pass():
    norm, (first, second, *_) = RunningBatchNorm1d(4), batches(())
    first.requires_grad_()
    loss = norm(first).square().sum() + norm(second).square().sum()
    loss.backward()
    assert first.grad.isfinite().all()
    assert norm.sums.grad_fn is None
    copy.deepcopy(norm)


def test_gradient_flows_through_the_batch_s_part_of_the_sums():
    norm = RunningBatchNorm1d(2).double()
    norm(batches(())[0][:, :2].double())
    torch.manual_seed(0)
    x = torch.randn(30, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: copy.deepcopy(norm)(x), x)


def test_constant_columns_with_a_large_mean_stay_finite():
    norm = RunningBatchNorm1d(1)
    for _ in range(5):
        y = norm(torch.full((64, 1), 12345.678))
    assert y.isfinite().all()


def test_empty_batch_changes_nothing():
    norm, (first, *_) = RunningBatchNorm1d(4), batches(())
    norm(first)
    state = copy.deepcopy(norm.state_dict())
    assert norm(first[:0]).shape == (0, 4)
    assert all(torch.equal(state[key], value) for key, value in norm.state_dict().items())


def test_half_precision_keeps_its_type():
    y = RunningBatchNorm1d(4)(300 + batches(())[0].bfloat16())
    assert y.dtype == torch.bfloat16
    assert y.isfinite().all()


def test_names_of_the_state_are_lumin_s():
    norm = RunningBatchNorm2d(4)
    assert {key: tuple(value.shape) for key, value in norm.state_dict().items()} == {
        "weight": (4, 1, 1), "bias": (4, 1, 1), "sums": (1, 4, 1, 1), "sqrs": (1, 4, 1, 1), "batch": (), "count": ()
    }  # fmt: skip


def test_without_affine_nothing_is_learned():
    norm = RunningBatchNorm1d(4, affine=False)
    assert list(norm.parameters()) == []
    torch.testing.assert_close(norm(batches(())[0]), RunningBatchNorm1d(4)(batches(())[0]))


@pytest.mark.parametrize(
    ("norm", "shape"),
    [(RunningBatchNorm1d(4), (5, 3)), (RunningBatchNorm1d(4), (4,)), (RunningBatchNorm2d(4), (5, 4)),
     (RunningBatchNorm3d(4), (5, 4, 2, 2))],
)  # fmt: skip
def test_other_shapes_are_refused(norm, shape):
    with pytest.raises(ShapeError, match="takes shape"):
        norm(torch.zeros(shape))


@pytest.mark.parametrize("options", [{"num_features": 0}, {"mom": 0}, {"mom": 1.1}, {"n_warmup": -1}, {"eps": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ConfigError, match="running batch norm needs"):
        RunningBatchNorm1d(**{"num_features": 4, **options})


def test_is_built_by_name():
    norm = build("norm", {"name": "running_batch_norm1d", "mom": 0.3}, num_features=7)
    assert (norm.num_features, norm.mom) == (7, 0.3)


@pytest.mark.parametrize(("norm_class", "axes"), SIZES)
@pytest.mark.parametrize("mean", [1e4, 1e6])
def test_fault_a_mean_of_many_standard_deviations_leaves_the_variance(mean, norm_class, axes):
    """The variance is the difference of sums of squares: in single precision 150 came where 1 is right."""
    norm = norm_class(4, mom=1.0)
    x = torch.from_numpy(np.random.default_rng(1).normal(mean, 1, (500, 4, *axes)).astype("float32"))
    exact, places = x.double(), [0, *range(2, x.dim())]
    expected = (exact - exact.mean(places, keepdim=True)) / exact.std(places, correction=0, keepdim=True)
    learnt = norm(x)
    torch.testing.assert_close(learnt.double(), expected, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(norm.eval()(x).double(), expected, atol=1e-3, rtol=1e-3)


def test_gradients_are_right_at_a_large_mean():
    x = torch.from_numpy(np.random.default_rng(1).normal(1e5, 1, (50, 2)).astype("float32"))
    grads = []
    for values in (x.clone(), x.double()):
        values.requires_grad_()
        norm = RunningBatchNorm1d(2).to(values.dtype)
        norm(values).pow(3).sum().backward()
        grads.append(values.grad.double())
    torch.testing.assert_close(grads[0], grads[1], atol=1e-3, rtol=1e-3)


def test_sums_of_single_precision_are_loaded_from_older_files():
    norm = RunningBatchNorm1d(1).eval()
    older = {"sums": [[[30.0]]], "sqrs": [[[100.0]]], "count": 10.0, "batch": 64.0}
    norm.load_state_dict({**norm.state_dict(), **{key: torch.tensor(value) for key, value in older.items()}})
    torch.testing.assert_close(norm(torch.tensor([[4.0]])), torch.tensor([[1.0]]), atol=1e-4, rtol=0)


def test_a_device_without_doubles_gets_singles():
    def to_apple(values):
        if values.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return values.clone()

    norm = RunningBatchNorm1d(4)._apply(to_apple)
    y = norm(batches(())[0])
    assert norm.sums.dtype == y.dtype == torch.float32
    assert y.isfinite().all()
