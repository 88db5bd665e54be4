"""Expressions of jagged columns, against Python's own functions of the lists, event by event."""

import numpy as np
import pytest

from lumin_core.errors import DataError
from lumin_plugin_io import Expression

ak = pytest.importorskip("awkward")

PT = [[30.0, 50.0, 20.0], [], [40.0], [10.0, 10.0]]
CHARGE = [[1, -1, 1], [], [-1], [1, 1]]
MET = [25.0, 35.0, 45.0, 15.0]
TRACKS = [[[1.0, 2.0], [], [3.0]], [], [[4.0]], [[], [5.0, 6.0]]]


def evaluate(text, **columns):
    lists = {"pt": PT, "q": CHARGE, "tracks": TRACKS, **columns}
    made = {name: value if isinstance(value, np.ndarray) else ak.Array(value) for name, value in lists.items()}
    found = Expression.parse(text, "variable 'a'")({**made, "met": np.array(MET, "float32")}, len(PT))
    return plain(found.tolist())


def plain(values):
    """Write missing values as None."""
    if isinstance(values, list):
        return [plain(value) for value in values]
    return None if values != values else values


def of_each(function, lists, empty=None):
    return [function(values) if values else empty for values in lists]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum(pt)", of_each(sum, PT, 0)),
        ("sum(q)", of_each(sum, CHARGE, 0)),
        ("len(pt)", list(map(len, PT))),
        ("min(pt)", of_each(min, PT)),
        ("max(pt)", of_each(max, PT)),
        ("max(q)", of_each(max, CHARGE)),
        ("max(q > 0)", [1, None, 0, 1]),
        ("first(pt)", of_each(lambda values: values[0], PT)),
        ("last(q)", of_each(lambda values: values[-1], CHARGE)),
        ("argmin(pt)", of_each(lambda values: values.index(min(values)), PT)),
        ("argmax(pt)", of_each(lambda values: values.index(max(values)), PT)),
        ("argmax(q)", of_each(lambda values: values.index(max(values)), CHARGE)),
        ("sort(pt)", list(map(sorted, PT))),
        ("-sort(-pt)", [sorted(values, reverse=True) for values in PT]),
        ("any(pt > 25)", [any(value > 25 for value in values) for values in PT]),
        ("all(pt > 25)", [all(value > 25 for value in values) for values in PT]),
        ("any(q)", list(map(any, CHARGE))),
        ("sum(pt > 15)", [sum(value > 15 for value in values) for values in PT]),
        ("sum(tracks)", [[sum(values) for values in event] for event in TRACKS]),
        ("sum(sum(tracks))", [sum(sum(values) for values in event) for event in TRACKS]),
        ("len(tracks)", [list(map(len, event)) for event in TRACKS]),
        ("max(max(tracks))", [None, None, 4.0, None]),
        ("first(tracks)", [[1.0, None, 3.0], [], [4.0], [None, 5.0]]),
    ],
)
def test_functions_over_the_last_axis(text, expected):
    assert evaluate(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pt[0]", [30.0, None, 40.0, 10.0]),
        ("pt[-1]", [20.0, None, 40.0, 10.0]),
        ("pt[2]", [20.0, None, None, None]),
        ("pt[-3]", [30.0, None, None, None]),
        ("q[1]", [-1, None, None, 1]),
        ("q[1] == 1", [False, False, False, True]),
        ("q[1] != 1", [True, False, False, False]),
        ("(q > 0)[1]", [False, None, None, True]),
        ("pt[0] > 20 and met > 20", [True, False, True, False]),
        ("pt[argmax(q)]", [30.0, None, 40.0, 10.0]),
        ("pt[len(pt) - 1]", [20.0, None, 40.0, 10.0]),
        ("pt[pt > 15]", [[30.0, 50.0, 20.0], [], [40.0], []]),
        ("pt[(pt > 15) & (q > 0)][1]", [20.0, None, None, None]),
        ("pt[met > 20]", [[30.0, 50.0, 20.0], [], [40.0], []]),
        ("pt[True]", PT),
        ("pt[q]", [[50.0, 20.0, 50.0], [], [40.0], [10.0, 10.0]]),
        ("tracks[0]", [[1.0, 2.0], [], [4.0], []]),
        ("tracks[0][1]", [2.0, None, None, None]),
        ("tracks[1]", [[], [], [], [5.0, 6.0]]),
        ("tracks[tracks > 1]", [[[2.0], [], [3.0]], [], [[4.0]], [[], [5.0, 6.0]]]),
        ("tracks[len(tracks) > 0]", [[[1.0, 2.0], [3.0]], [], [[4.0]], [[5.0, 6.0]]]),
        ("tracks[pt > 40]", [[[]], [], [], []]),
    ],
)
def test_indices_and_conditions_choose_elements(text, expected):
    columns = {"tracks": TRACKS} if "pt" not in text else {"tracks": [*TRACKS[:3], [[], [5.0, 6.0]]]}
    assert evaluate(text, **columns) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pt * 2", [[value * 2 for value in values] for values in PT]),
        ("pt + met", [[value + met for value in values] for values, met in zip(PT, MET, strict=True)]),
        ("pt * q", [[a * b for a, b in zip(*both, strict=True)] for both in zip(PT, CHARGE, strict=True)]),
        ("min(pt, met)", [[min(value, met) for value in values] for values, met in zip(PT, MET, strict=True)]),
        ("where(q > 0, pt, met)", [[30.0, 25.0, 20.0], [], [45.0], [10.0, 10.0]]),
        ("tracks * pt", [[[30.0, 60.0], [], [60.0]], [], [[160.0]], [[], [50.0, 60.0]]]),
        ("tracks + met > 30", [[[False, False], [], [False]], [], [[True]], [[], [False, False]]]),
        ("not q > 0", [[False, True, False], [], [True], [False, False]]),
        ("q in (1, 3)", [[True, False, True], [], [False], [True, True]]),
        ("15 < pt < 45", [[True, False, True], [], [True], [False, False]]),
        ("~(pt > met)", [[False, False, True], [], [True], [True, True]]),
        ("where(met > 20, pt[0], -1)", [30.0, None, 40.0, -1]),
    ],
)
def test_elements_are_paired_with_those_of_the_same_place_or_with_their_event(text, expected):
    assert evaluate(text) == expected


def test_whole_numbers_in_lists_stay_whole_and_exact():
    ids = ak.Array(
        ak.contents.ListOffsetArray(
            ak.index.Index64(np.array([0, 2, 2, 3, 4])),
            ak.contents.NumpyArray(np.array([2**53 + 1, 2**63, 7, 2**64 - 1], "uint64")),
        )
    )
    assert evaluate("x[0]", x=ids) == [2**53 + 1, None, 7, 2**64 - 1]
    assert evaluate("max(x)", x=ids) == [2**63, None, 7, 2**64 - 1]
    assert evaluate("sum(x)", x=ids) == [2**63 + 2**53 + 1, 0, 7, 2**64 - 1]
    assert evaluate("sum(x[x > 7]) * 2", x=ids)[0] is None
    assert evaluate("argmax(x)", x=ids) == [1, None, 0, 0]
    assert evaluate("sort(x)", x=ids) == [[2**53 + 1, 2**63], [], [7], [2**64 - 1]]


def test_a_sum_that_does_not_fit_is_missing():
    assert evaluate("sum(x)", x=[[2**62, 2**62], [2**62, -(2**62)], [], [-(2**62)]]) == [None, 0, 0, -(2**62)]


def test_missing_values_in_lists():
    """What is worked out from one is missing, whatever is compared with one false."""
    x = [[1, None, 3], [None], [], [2]]
    assert evaluate("sum(x)", x=x) == [None, None, 0, 2]
    assert evaluate("max(x)", x=x) == [None, None, None, 2]
    assert evaluate("argmax(x)", x=x) == [None, None, None, 0]
    assert evaluate("len(x)", x=x) == [3, 1, 0, 1]
    assert evaluate("any(x > 2)", x=x) == [True, False, False, False]
    assert evaluate("x[isfinite(x)]", x=x) == [[1, 3], [], [], [2]]
    assert evaluate("sort(-x)", x=x) == [[-3, -1, None], [None], [], [-2]]
    assert evaluate("x + 0.5", x=x) == [[1.5, None, 3.5], [None], [], [2.5]]
    assert evaluate("max(log(y))", y=[[1.0, -1.0], [1.0], [], [0.0]]) == [None, 0, None, -np.inf]


def test_lists_that_are_missing_are_empty():
    assert evaluate("len(x)", x=[[1.0], None, [], [2.0, 3.0]]) == [1, 0, 0, 2]
    assert evaluate("sum(x)", x=[[[1.0], None], None, [], [[2.0, 3.0]]]) == [[1.0, 0], [], [], [5.0]]


def test_text_in_lists():
    names = [["mu", "e"], [], ["tau"], ["e", "e"]]
    assert evaluate("x == 'e'", x=names) == [[False, True], [], [False], [True, True]]
    assert evaluate("x[0]", x=names) == ["mu", None, "tau", "e"]
    assert evaluate("sum(x in ('e', 'mu'))", x=names) == [2, 0, 0, 2]
    assert evaluate("x[x != 'mu']", x=names) == [["e"], [], ["tau"], ["e", "e"]]
    assert evaluate("t == 'b'", t=["a", "b", None, "b"]) == [False, True, False, True]


@pytest.mark.parametrize("make", [lambda x: x, ak.from_numpy, lambda x: ak.from_numpy(x, regulararray=True)])
def test_arrays_of_fixed_length_are_lists(make):
    values = np.arange(12.0).reshape(4, 3)
    made = make(values)
    assert evaluate("sum(x)", x=made) == values.sum(axis=1).tolist()
    assert evaluate("x[1]", x=made) == values[:, 1].tolist()
    assert evaluate("x[-1] + met", x=made) == (values[:, -1] + MET).tolist()
    cube = make(np.arange(24).reshape(4, 2, 3))
    assert evaluate("sum(sum(c))", c=cube) == np.arange(24).reshape(4, 6).sum(axis=1).tolist()
    assert evaluate("c[1][2]", c=cube) == np.arange(24).reshape(4, 2, 3)[:, 1, 2].tolist()


def test_arrays_of_any_layout_are_read():
    """Cut, reordered and masked ones too, whose buffers are not in order."""
    assert evaluate("sum(x)", x=ak.Array([[9.0], *PT, [9.0]])[1:-1]) == of_each(sum, PT, 0)
    assert evaluate("x[0]", x=ak.Array(PT[::-1])[::-1]) == [30.0, None, 40.0, 10.0]
    assert evaluate("x + 0", x=ak.Array(PT)[ak.Array(PT) > 15]) == [[30.0, 50.0, 20.0], [], [40.0], []]
    assert evaluate("sum(x)", x=ak.mask(ak.Array(PT), np.array(MET) > 20)) == [100.0, 0, 40.0, 0]
    assert evaluate("x + 1", x=ak.Array([1, 2, None, 4])) == [2, 3, None, 5]
    assert evaluate("sum(x)", x=ak.Array([[], [], [], []])) == [0, 0, 0, 0]
    assert evaluate("x[0]", x=ak.Array([[], [], [], []])) == [None] * 4


def test_what_comes_out_is_an_array_of_awkward():
    found = Expression.parse("pt[q > 0]", "a")({"pt": ak.Array(PT), "q": ak.Array(CHARGE)}, 4)
    assert isinstance(found, ak.Array)
    assert str(found.type) == "4 * var * float64"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "pt + other",
            r"of the same length to be combined, got 3 values and 2 in the same event; .* x\[0\] or sum\(x\)",
        ),
        ("pt[other > 1]", "of the same length"),
        ("where(pt > 1, other, 0)", "of the same length"),
        ("pt[tracks > 1]", "a condition has one value per element, got a list for each"),
        ("pt[tracks_i]", "one whole number per event, or a list of them, got lists of lists"),
        ("sum(sum(pt))", "several values per event are needed, got one"),
        ("records", "the branch 'records': numbers, conditions or text are needed, got records with the fields a, b"),
        ("mixed", "the branch 'mixed': .* values of several sorts"),
    ],
)
def test_lists_that_do_not_fit_are_refused(text, words):
    columns = {
        "other": [[1.0, 2.0], [], [1.0], [1.0, 2.0]],
        "tracks_i": ak.values_astype(ak.Array(TRACKS), "int64"),
        "records": [[{"a": 1, "b": 2.0}], [], [], []],
        "mixed": [1.0, "a", [2], 3.0],
    }
    with pytest.raises(DataError, match=rf"^variable 'a': .*{words}"):
        evaluate(text, **columns)


def test_many_lists_are_sorted_each_for_itself():
    rng = np.random.default_rng(1)
    x = ak.unflatten(np.where(rng.random(500) < 0.1, np.nan, rng.integers(0, 9, 500)), [0, 3, 7, 0, *[1, 2, 5] * 61, 2])
    found = Expression.parse("sort(x)", "a")({"x": x}, len(x))
    for values, expected in zip(found, x, strict=True):
        np.testing.assert_array_equal(values, np.sort(expected.to_numpy()))


LIST_FUNCTIONS = ["sum", "any", "all", "len", "argmax", "argmin", "first", "last", "sort", "min", "max"]


@pytest.mark.parametrize("name", LIST_FUNCTIONS)
def test_functions_take_no_events_and_only_empty_lists(name):
    expression, empty = Expression.parse(f"{name}(x)", "a"), ak.Array([[1.0]])[:0]
    assert expression({"x": empty}, 0).tolist() == []
    expected = {"sum": 0, "any": False, "all": True, "len": 0, "sort": []}.get(name)
    assert plain(expression({"x": ak.Array([[], [1.0]])[:1]}, 1).tolist()) == [expected]
