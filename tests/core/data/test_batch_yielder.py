"""BatchYielder: every event once, rows kept together, and nothing of the caller's changed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.errors import ConfigError, DataError, ShapeError

N = 23


def make(objective="classification", n=N, **options):
    rows = np.arange(n, dtype="float32")
    arguments = {"inputs": rows[:, None] * [1, 2, 3], "bs": 5, "targets": rows * 10, "weights": rows * 100} | options
    return BatchYielder(objective=objective, **arguments)


def joined(batches):
    x, y, w = zip(*batches, strict=True)
    return torch.cat(x), torch.cat(y), torch.cat(w)


@pytest.mark.parametrize("bulk_move", [True, False])
@pytest.mark.parametrize("shuffle", [True, False])
def test_every_event_comes_once_and_rows_stay_together(bulk_move, shuffle):
    by = make(bulk_move=bulk_move, shuffle=shuffle, drop_last=False)
    x, y, w = joined(by)
    assert len(by) == 5
    assert by.n_events == N
    assert x.dtype == y.dtype == w.dtype == torch.float32
    assert (x.shape, y.shape, w.shape) == ((N, 3), (N, 1), (N, 1))
    assert torch.equal(x[:, :1] * 10, y)
    assert torch.equal(x[:, :1] * 100, w)
    assert sorted(x[:, 0].tolist()) == list(range(N))
    assert (x[:, 0].tolist() == list(range(N))) is not shuffle


@pytest.mark.parametrize("bulk_move", [True, False])
def test_the_last_batch_is_dropped_by_default(bulk_move):
    by = make(bulk_move=bulk_move)
    assert [len(x) for x, _, _ in by] == [5] * 4
    assert len(by) == 4


@pytest.mark.parametrize("bulk_move", [True, False])
def test_the_order_comes_from_the_generator(bulk_move):
    orders = [joined(make(generator=torch.Generator().manual_seed(s), bulk_move=bulk_move))[0] for s in (1, 1, 2)]
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])


def test_passes_take_different_orders():
    by = make(generator=torch.Generator().manual_seed(1))
    assert not torch.equal(joined(by)[0], joined(by)[0])


def test_numpys_global_generator_is_not_touched():
    before = np.random.get_state()[1].copy()
    list(make())
    assert (np.random.get_state()[1] == before).all()


def test_multiclass_targets_are_int64_without_axis():
    for targets in (np.arange(N) % 3, (np.arange(N) % 3.0)[:, None]):
        _, y, _ = next(iter(make("multiclass", targets=targets, shuffle=False)))
        assert y.dtype == torch.int64
        assert y.tolist() == [0, 1, 2, 0, 1]
    _, y, _ = next(iter(make("multiclass classification", targets=np.arange(N), shuffle=False)))
    assert y.shape == (5,)


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (np.full(N, 0.5), "classes 0, 1, 2"),
        (np.full(N, -1), "classes 0, 1, 2"),
        (np.full(N, np.nan), "targets: column 0 has 23 times NaN"),
        (np.full(N, "a"), "targets must hold numbers, got text, such as 'a'"),
    ],
)
def test_multiclass_targets_that_are_no_classes_are_refused(targets, words):
    with pytest.raises(DataError, match=words):
        next(iter(make("multiclass", targets=targets)))


@pytest.mark.parametrize("bulk_move", [True, False])
@pytest.mark.parametrize("shuffle", [True, False])
def test_matrices_go_along(bulk_move, shuffle):
    flat, matrix = np.arange(N)[:, None], np.arange(N)[:, None, None] * np.ones((1, 2, 3))
    for (x, m), y, w in make(inputs=(flat, matrix), bulk_move=bulk_move, shuffle=shuffle, weights=None):
        assert m.shape == (5, 2, 3)
        assert torch.equal(x[:, 0], m[:, 0, 0])
        assert torch.equal(x * 10, y)
        assert w is None


def test_inputs_alone_will_do_for_prediction():
    by = BatchYielder(torch.ones(7, 2), 4, "regression", shuffle=False, drop_last=False)
    assert [(len(x), y, w) for x, y, w in by] == [(4, None, None), (3, None, None)]
    assert isinstance(by.inputs, np.ndarray)
    assert list(BatchYielder(np.ones((0, 2)), 4, "regression", drop_last=False)) == []


def test_weights_can_be_left_aside():
    assert all(w is None for _, _, w in make(use_weights=False))


@pytest.mark.parametrize("mask", [[2, 0], np.array([2, 0]), torch.tensor([2, 0])])
def test_masked_inputs_are_taken_when_batches_are_made(mask):
    by = make(input_mask=mask, shuffle=False)
    x, _, _ = next(iter(by))
    assert x[1].tolist() == [3, 1]
    assert by.inputs.shape == (N, 3)


def test_boolean_masks_work_and_bad_ones_are_refused():
    assert next(iter(make(input_mask=[True, False, True])))[0].shape == (5, 2)
    with pytest.raises(ConfigError, match="indices below 3"):
        next(iter(make(input_mask=[3])))


def test_data_may_be_replaced_between_passes():
    by = make(shuffle=False)
    by.targets = np.ones(N)
    assert next(iter(by))[1].tolist() == [[1.0]] * 5
    by.weights = np.ones(N - 1)
    with pytest.raises(ShapeError, match="weights"):
        iter(by)


@pytest.mark.parametrize("shuffle", [True, False])
def test_working_in_place_on_a_batch_does_not_change_the_callers_arrays(shuffle):
    inputs = np.ones((N, 3), dtype="float32")
    before = inputs.copy()
    for x, _, _ in make(inputs=inputs, shuffle=shuffle):
        x.zero_()
    np.testing.assert_array_equal(inputs, before)


def test_data_frames_and_read_only_arrays_are_taken():
    inputs = np.ones((N, 3), dtype="float32")
    inputs.flags.writeable = False
    assert next(iter(make(inputs=inputs)))[0].shape == (5, 3)
    assert next(iter(make(inputs=pd.DataFrame(inputs))))[0].shape == (5, 3)


def test_batches_of_a_shuffled_pass_share_one_permuted_copy():
    x = [x for x, _, _ in make()]
    assert len({part.untyped_storage().data_ptr() for part in x}) == 1


def test_fault_a_fold_smaller_than_a_batch_is_an_error():
    with pytest.raises(DataError, match=r"4 events, less than a batch of 5.*drop_last=False"):
        make(n=4)
    assert len(make(n=4, drop_last=False)) == 1


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"targets": np.ones(N - 1)}, ShapeError, "targets"),
        ({"weights": np.ones((N, 2))}, ShapeError, "one an event"),
        ({"inputs": np.ones(N)}, ShapeError, r"\(n, F\)"),
        ({"inputs": (np.ones((N, 1)), np.ones((N - 1, 2, 2)))}, ShapeError, "matrix_inputs"),
        ({"bs": 0}, ConfigError, "bs"),
        ({"bs": 2.0}, ConfigError, "bs"),
    ],
)
def test_bad_arguments_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        make(**changes)


def test_text_is_refused():
    with pytest.raises(DataError, match="numbers"):
        iter(make(inputs=np.full((N, 2), "a")))


def test_missing_values_become_zero_or_are_kept_as_the_head_asks():
    inputs = np.ones((N, 3), dtype="float32")
    inputs[2, 1] = np.nan
    before = inputs.copy()
    assert next(iter(make(inputs=inputs, shuffle=False)))[0][2].tolist() == [1, 0, 1]
    kept = next(iter(make(inputs=inputs, shuffle=False, missing="keep")))[0]
    assert kept[2].isnan().tolist() == [False, True, False]
    np.testing.assert_array_equal(inputs, before)
    with pytest.raises(ConfigError, match="missing must be 'zero' or 'keep', got 'mean'"):
        make(missing="mean")


def test_nothing_is_copied_where_nothing_is_missing():
    inputs = np.ones((N, 3), dtype="float32")
    assert make(inputs=inputs).inputs is inputs


@pytest.mark.parametrize(("axis", "filled"), [(1, [[1, 0], [np.nan] * 2]), (None, [[1, np.nan], [np.nan] * 2])])
def test_gaps_in_objects_are_filled_where_the_axis_of_objects_is_known(axis, filled):
    matrix = np.tile(np.array([[1, np.nan], [np.nan] * 2], dtype="float32"), (N, 1, 1))
    by = make(inputs=(np.ones((N, 1)), matrix), object_axis=axis)
    np.testing.assert_array_equal(by.matrix_inputs[0], filled)
    columns = make(inputs=(np.ones((N, 1)), matrix.transpose(0, 2, 1)), object_axis=axis and -1)
    np.testing.assert_array_equal(columns.matrix_inputs[0].T, filled)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("bulk_move", [True, False])
@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_are_on_the_device(bulk_move, shuffle):
    by = make(device="cuda", bulk_move=bulk_move, shuffle=shuffle)
    for x, y, w in by:
        assert {x.device.type, y.device.type, w.device.type} == {"cuda"}
        assert torch.equal(x[:, :1] * 10, y)


# What is taken for a number


@pytest.mark.parametrize("part", ["inputs", "targets", "weights"])
def test_nothing_but_numbers_is_taken(part):
    for values in (
        np.arange(N).astype("datetime64[s]"),
        np.arange(N).astype("timedelta64[s]"),
        np.arange(N).astype(str),
        np.arange(N) + 1j,
        np.array([*range(N - 1), "x"], dtype=object),
    ):
        with pytest.raises(DataError, match=f"{part} must hold numbers"):
            make(**{part: values[:, None]})
        with pytest.raises(DataError, match="must hold numbers"):
            make(inputs=pd.DataFrame({"a": values}))


def test_what_is_masked_is_missing():
    masked = np.ma.masked_array(np.ones((N, 1)), np.arange(N)[:, None] == 3)
    assert make(inputs=masked).inputs[:, 0].tolist() == [float(i != 3) for i in range(N)]
    assert make(inputs=masked).filled == [0]
    assert make().filled == []
    assert np.isnan(make(inputs=masked, missing="keep").inputs[3, 0])
    for part in ("targets", "weights"):
        with pytest.raises(DataError, match=f"{part}: column 0 has once NaN"):
            make(**{part: masked})


def test_frames_are_taken_column_by_column_and_none_twice():
    frame = pd.DataFrame({"a": pd.array([1, None] * 3, dtype="Int64"), "b": np.arange(6.0)})
    by = BatchYielder(frame, 2, "regression")
    assert by.inputs.tolist() == [[float(i % 2 == 0), float(i)] for i in range(6)]
    assert BatchYielder(frame.to_dict("list"), 2, "regression").inputs.tolist() == by.inputs.tolist()
    with pytest.raises(DataError, match="inputs have 'a' more than once"):
        BatchYielder(frame[["a", "a"]], 2, "regression")


def test_fault_targets_of_a_frame_are_not_taken_by_their_place():
    frame = pd.DataFrame({"y2": np.ones(N), "y1": np.zeros(N)})
    with pytest.raises(DataError, match=r"targets are taken in the order of training, .* y2, y1; .* \.to_numpy\(\)"):
        make("regression", targets=frame)
    for targets in (frame[["y2"]], frame.to_numpy()):
        assert make("regression", targets=targets).targets.shape[1] == np.shape(targets)[1]
