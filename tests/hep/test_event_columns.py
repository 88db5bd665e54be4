"""Columns of frames and mappings; what else they refuse is tested where they are used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lumin_core.errors import DataError, ShapeError
from lumin_plugin_hep.event_columns import any_column, binary_events, column, is_signal


def test_events_keep_the_type_of_predictions_and_drop_weights_of_zero():
    df = pd.DataFrame({"p": np.array([0.1, 0.2, 0.3], "float32"), "y": [True, False, True], "w": [2, 0, -1]})
    events = binary_events(df.set_index(pd.Index([7, 7, 9])), "p", "y", "w")
    assert events.scores.dtype == np.float32
    np.testing.assert_array_equal(events.scores, np.array([0.1, 0.3], "float32"))
    np.testing.assert_array_equal(events.signal, [True, True])
    np.testing.assert_array_equal(events.weights, [2.0, -1.0])


def test_columns_of_a_name_that_comes_twice_are_refused():
    df = pd.DataFrame([[1, 2], [3, 4]], columns=["p", "p"])
    with pytest.raises(ShapeError, match=r"'p' must be one column, \(n,\), got shape \(2, 2\)"):
        column(df, "p")


def test_any_column_takes_text():
    assert any_column(pd.DataFrame({"sample": ["a", "b"]}), "sample").tolist() == ["a", "b"]


def test_several_classes_are_told_how_one_is_the_signal():
    with pytest.raises(DataError, match=r"got \[2\.?0?\] too; .*is_signal=df\['gen_target'\] == 2\), with targ_"):
        is_signal({"gen_target": [0, 1, 2]}, "gen_target")
