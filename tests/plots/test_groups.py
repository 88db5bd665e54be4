"""Classes, processes and cuts: every event is in its group, and in one only where groups are a column."""

import numpy as np
import pandas as pd
import pytest

from lumin_core.errors import ArgumentError, DataError, ShapeError
from lumin_plugin_plots.events import Events
from lumin_plugin_plots.groups import classes, groups, processes


def test_a_process_of_signal_and_background_counts_once():
    """LUMIN counted a sample twice whose name signal and background share."""
    names = np.array(["top", "W", "top", "Higgs", "top"])
    events = Events({"gen_target": [0, 0, 1, 1, 0], "process": names})
    found = processes(events, "process", classes(events, "gen_target"))
    assert list(found) == ["W", "top (background)", "Higgs", "top (signal)"]
    assert np.sum(list(found.values()), axis=0).tolist() == [1, 1, 1, 1, 1]


def test_classes_have_names():
    assert list(classes(Events({"y": [0, 1]}), "y")) == ["background", "signal"]
    assert list(classes(Events({"y": [2, 0, 1]}), "y", {1: "charm"})) == ["class 0", "charm", "class 2"]
    assert list(classes(Events({"y": [1, 1]}), "y")) == ["signal"]
    with pytest.raises(DataError, match="names of their own"):
        classes(Events({"y": [0, 1]}), "y", {0: "signal"})


def test_groups_are_of_a_column_or_of_cuts():
    events = Events({"pt": [10.0, 30.0, 50.0], "n": [2, 3, 3], "is_hard": [False, False, True]})
    assert {label: of.sum() for label, of in groups(events, "n").items()} == {"n = 2": 1, "n = 3": 2}
    cuts = groups(events, {"all": [True] * 3, "hard": "is_hard"})
    assert {label: of.sum() for label, of in cuts.items()} == {"all": 3, "hard": 1}
    assert groups(events, None)["events"].all()


def test_groups_that_are_none_are_refused():
    events = Events({"pt": np.linspace(0, 1, 50), "none": [False] * 50})
    with pytest.raises(DataError, match="50 different values"):
        groups(events, "pt")
    with pytest.raises(DataError, match="no event passes the cut 'soft'"):
        groups(events, {"soft": "none"})
    with pytest.raises(ShapeError, match=r"shape \(50,\)"):
        groups(events, {"soft": [True]})
    with pytest.raises(ArgumentError, match="cuts by label"):
        groups(events, ["pt"])


@pytest.mark.parametrize("missing", [np.nan, None])
def test_events_without_a_group_are_not_dropped_silently(missing):
    events = Events(pd.DataFrame({"gen_target": [0, 1, 1], "process": ["W", missing, "Z"]}))
    with pytest.raises(DataError, match="missing for 1 events"):
        processes(events, "process", classes(events, "gen_target"))
    with pytest.raises(DataError, match="missing for 1 events"):
        groups(events, "process")
