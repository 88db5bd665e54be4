import numpy as np
import pytest

from lumin_core.errors import DataError

ak = pytest.importorskip("awkward")

from lumin_plugin_io.objects import packed  # noqa: E402  (needs awkward)


def reference(fields, n, by):
    """Sort and cut event by event, as one would by hand."""
    events = [list(zip(*event, strict=True)) for event in zip(*(f.tolist() for f in fields.values()), strict=True)]
    key = None if by is None else list(fields).index(by)
    rows = np.full((len(events), n, len(fields)), np.nan)
    for i, objects in enumerate(events):
        if key is not None:
            objects = sorted(objects, key=lambda one: (np.isnan(one[key]), -one[key]))
        for j, one in enumerate(objects[:n]):
            rows[i, j] = one
    return rows, sum(max(0, len(objects) - n) for objects in events)


@pytest.mark.parametrize("by", [None, "pt"])
@pytest.mark.parametrize("n", [1, 3, 9])
def test_it_is_as_by_hand(by, n):
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 7, 200)
    pt = rng.integers(0, 5, counts.sum()).astype(float)  # with ties
    pt[rng.random(len(pt)) < 0.1] = np.nan
    fields = {"id": ak.unflatten(np.arange(len(pt)), counts), "pt": ak.unflatten(pt, counts)}
    rows, n_cut = packed(fields, n, by, "")
    expected, n_cut_expected = reference(fields, n, by)
    np.testing.assert_array_equal(rows, expected)
    assert n_cut == n_cut_expected


def test_arrays_of_fixed_length_are_objects_too():
    rows, n_cut = packed({"x": np.array([[1, 2, 3], [4, 6, 5]])}, 2, "x", "")
    assert (rows[:, :, 0].tolist(), n_cut) == ([[3, 2], [6, 5]], 2)


def test_missing_values_and_missing_lists_are_nan():
    rows, _ = packed({"x": ak.Array([[1.0, None], None])}, 2, None, "")
    np.testing.assert_array_equal(rows[:, :, 0], [[1, np.nan], [np.nan, np.nan]])


def test_no_events():
    assert packed({"x": ak.Array([[1.0]])[:0]}, 2, "x", "")[0].shape == (0, 2, 1)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (np.array([1.0, 2.0]), "a.root: fields.x has one value per event, and must have one per object"),
        (ak.Array([["a"], []]), "a.root: fields.x must have one number per object"),
        (ak.Array(["ab", "c"]), "a.root: fields.x must have one number per object"),
        (ak.Array([[[1.0]], []]), "a.root: fields.x must have one number per object"),
    ],
)
def test_what_is_not_one_number_per_object(column, message):
    with pytest.raises(DataError, match=f"^{message}"):
        packed({"x": column}, 2, None, "a.root")
