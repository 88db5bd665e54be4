"""Is it the same run: records of one, compared."""

import pytest

from lumin_core.runs.same_run import differences

RECORD = {"schema": 1, "seed": 1, "n_models": 3, "foldfile": "/data/train.hdf5", "versions": {"torch": "2"}}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, ""),
        ({"foldfile": "/moved/train.hdf5", "versions": {"torch": "3"}}, ""),
        ({"foldfile": "/data/other.hdf5"}, '  foldfile was "train.hdf5", is "other.hdf5"'),
        ({"n_models": 4, "seed": 2}, "  seed was 1, is 2\n  n_models was 3, is 4"),
        ({"opened": {"clip": 3.0}, "directions": {}}, ""),  # which an earlier version did not write
    ],
)
def test_runs_are_compared_by_what_is_recorded(given, text):
    assert differences(RECORD, {**RECORD, **given}) == text


def test_what_is_recorded_and_not_given_differs():
    assert differences({**RECORD, "more": 1}, RECORD) == '  more was 1, is "nothing"'
    assert differences({**RECORD, "builder": {"a": 1}}, {**RECORD, "builder": {"a": 1, "b": 2}}) == (
        '  builder.b was "nothing", is 2'
    )


def test_not_a_number_is_what_it_was():
    nan = float("nan")
    assert differences({**RECORD, "x": [nan, 1]}, {**RECORD, "x": (nan, 1.0)}) == ""


def test_a_bare_name_of_an_earlier_version_is_the_qualified_one_of_now():
    was = {**RECORD, "builder": {"act": "swish", "mode": "swish"}}
    now = {**RECORD, "builder": {"act": "core/swish", "mode": "other/swish"}}
    assert differences(was, now) == '  builder.mode was "swish", is "other/swish"'
    assert differences(now, was).startswith('  builder.act was "core/swish", is "swish"')
