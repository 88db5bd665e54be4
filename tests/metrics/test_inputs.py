"""Every metric takes numbers alone, and refuses by name where a value is missing."""

import numpy as np
import pandas as pd
import pytest
import torch

from lumin_core.errors import DataError
from lumin_plugin_metrics import (
    R2,
    BackgroundRejection,
    BinaryAccuracy,
    LogLoss,
    MultiAccuracy,
    RegAsProxyPull,
    RegPull,
    RocAucScore,
    SignalEfficiency,
    binary_accuracy,
    with_uncertainty,
)

PREDS, TARGETS, WEIGHTS = np.array([0.2, 0.9, 0.4, 0.8]), np.array([0, 1, 0, 1]), np.array([1.0, 2.0, 3.0, 4.0])
SECOND = np.array([False, True, False, False])


def first(values, columns):
    return values[:, 0]


METRICS = [
    BinaryAccuracy(),
    MultiAccuracy(),
    RocAucScore(),
    LogLoss(),
    R2(),
    RegPull(return_mean=True, use_pull=False),
    RegAsProxyPull(first, return_mean=False, use_pull=False),
    SignalEfficiency(0.5),
    BackgroundRejection(0.5),
]
NO_NUMBERS = {
    "dates": TARGETS.astype("datetime64[s]"),
    "durations": TARGETS.astype("timedelta64[s]"),
    "text": TARGETS.astype(str),
    "complex numbers": TARGETS + 1j,
    "numbers and text": np.array([0, 1, 0, "1"], dtype=object),
}


@pytest.fixture(params=METRICS, ids=lambda metric: metric.label)
def metric(request):
    return request.param


def events(metric):
    preds = np.stack([1 - PREDS, PREDS], axis=1) if isinstance(metric, MultiAccuracy) else PREDS
    return {"preds": preds, "targets": TARGETS, "weights": WEIGHTS}


@pytest.mark.parametrize("part", ["preds", "targets", "weights"])
@pytest.mark.parametrize("door", ["__call__", "evaluate"])
def test_what_is_no_number_or_missing_is_refused_by_name(metric, part, door):
    call, given = getattr(metric, door), events(metric)
    columns = {} if door == "evaluate" else None
    name = {"preds": "predictions"}.get(part, part)
    for what, values in NO_NUMBERS.items():
        values = values if given[part].ndim == 1 else np.stack([values, values], axis=1)
        with pytest.raises(DataError, match=f"{name} must hold numbers, got {what}"):
            call(**given | {part: values}, columns=columns)
    covered = np.broadcast_to(SECOND if given[part].ndim == 1 else SECOND[:, None], given[part].shape)
    missing = [np.ma.masked_array(given[part], covered)]
    if given[part].ndim == 1:
        missing.append(pd.Series(given[part]).astype("Float64").mask(SECOND))
    for values in missing:
        with pytest.raises(DataError, match=f"{name} must (not be NaN|be finite), got 1 .*masked and NA are NaN"):
            call(**given | {part: values}, columns=columns)


def test_numbers_of_all_sorts_give_one_value(metric):
    given = events(metric)
    value = metric(**given)
    for convert in (torch.as_tensor, np.ma.asarray, lambda v: pd.DataFrame(v).convert_dtypes(), lambda v: v.tolist()):
        assert metric(**{name: convert(values) for name, values in given.items()}) == value


def test_what_is_missing_in_an_event_of_weight_zero_does_not_matter(metric):
    given = events(metric)
    covered = np.broadcast_to(SECOND if given["preds"].ndim == 1 else SECOND[:, None], given["preds"].shape)
    given["weights"] = np.where(SECOND, 0.0, WEIGHTS)
    value = metric(**given)
    assert metric(**given | {"preds": np.ma.masked_array(given["preds"], covered)}) == value
    assert metric(**given | {"targets": np.ma.masked_array(TARGETS, SECOND)}) == value


def test_masked_columns_of_a_metric_are_missing():
    metric = RegAsProxyPull(first, return_mean=True, use_pull=False, columns=["true"], proxy_target="true")
    assert metric(PREDS, TARGETS, columns={"true": np.ma.masked_array(PREDS, False)}) == 0
    with pytest.raises(DataError, match="targets must not be NaN, got 1"):
        metric(PREDS, TARGETS, columns={"true": np.ma.masked_array(PREDS, SECOND)})


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_uncertainty_is_not_taken_of_what_a_mask_covers(place):
    given = [PREDS, TARGETS, WEIGHTS]
    given[place] = np.ma.masked_array(given[place], SECOND)
    with pytest.raises(DataError, match="got 1"):
        with_uncertainty(binary_accuracy, *given, n=2, seed=1)
