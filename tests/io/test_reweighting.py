import numpy as np
import pytest

from lumin_core.errors import DataError
from lumin_plugin_io.reweighting import Reweighting

MASS = np.array([10.0, 20.0, 60.0, 70.0, 80.0, 150.0])
EDGES = {"mass": [0, 50, 100, 200]}


def events_of(sample, weights, mass=None, classes=None):
    variables = None if mass is None else {"mass": np.asarray(mass, float)}
    classes = None if classes is None else np.asarray(classes)
    return sample, np.asarray(weights, float), variables, classes


def test_classes_get_equal_sums_and_the_mean_is_one():
    events = events_of("all", [1, 2, 3, -1, 10], classes=[0, 0, 1, 1, 2])
    reweighting = Reweighting(is_balanced=True)
    reweighting.add(*events)
    found = reweighting.weights_of(*events)
    np.testing.assert_allclose(found, [5 / 9, 10 / 9, 2.5, -2.5 / 3, 5 / 3])
    assert found.mean() == pytest.approx(1)


def test_classes_may_be_text():
    events = events_of("all", [1, 1, 4], classes=["e", "e", "mu"])
    reweighting = Reweighting(is_balanced=True)
    reweighting.add(*events)
    np.testing.assert_allclose(reweighting.weights_of(*events), [0.75, 0.75, 1.5])


def test_flat_gives_each_bin_the_same_sum():
    events = events_of("tt", [1, 1, 2, 2, -1, 4], MASS)
    reweighting = Reweighting(EDGES)
    reweighting.add(*events)
    found = reweighting.weights_of(*events)
    np.testing.assert_allclose([found[:2].sum(), found[2:5].sum(), found[5]], 2)
    np.testing.assert_allclose(found[2:5], np.array([2, 2, -1]) * 2 / 3)


def test_flat_within_each_class_and_balanced():
    mass, classes = [10, 60, 60, 10, 60], [0, 0, 0, 1, 1]
    events = events_of("all", [1, 1, 1, 8, 2], mass, classes)
    reweighting = Reweighting({"mass": [0, 50, 100]}, is_balanced=True)
    reweighting.add(*events)
    np.testing.assert_allclose(reweighting.weights_of(*events), [1.25, 0.625, 0.625, 1.25, 1.25])


def test_to_gives_others_the_shape_of_a_sample_and_leaves_its_own():
    higgs, top = events_of("higgs", [1, 3], [10, 60]), events_of("tt", [2, 2, 4], [10, 10, 60])
    reweighting = Reweighting({"mass": [0, 50, 100]}, "higgs")
    reweighting.add(*higgs)
    reweighting.add(*top)
    to_mean_one = 5 / 12
    np.testing.assert_allclose(reweighting.weights_of(*higgs), np.array([1, 3]) * to_mean_one)
    np.testing.assert_allclose(reweighting.weights_of(*top), np.array([1, 1, 6]) * to_mean_one)


def test_two_variables_make_bins_of_two_dimensions():
    variables = {"mass": np.array([10.0, 10, 60, 60]), "eta": np.array([-1.0, 1, -1, 1])}
    reweighting = Reweighting({"mass": [0, 50, 100], "eta": [-2, 0, 2]})
    reweighting.add("tt", np.array([1.0, 2, 3, 4]), variables)
    np.testing.assert_allclose(reweighting.weights_of("tt", np.array([1.0, 2, 3, 4]), variables), 1)


def test_events_beyond_the_edges_count_in_the_nearest_bin_and_missing_ones_keep_their_weight():
    events = events_of("tt", [1, 1, 2, 5], [-10, 10, 500, np.nan])
    reweighting = Reweighting({"mass": [0, 50, 100]})
    reweighting.add(*events)
    np.testing.assert_allclose(reweighting.weights_of(*events), np.array([1, 1, 2, 5]) * 4 / 9)


def test_the_last_edge_belongs_to_the_last_bin():
    events = events_of("tt", [1, 1], [0, 100])
    reweighting = Reweighting({"mass": [0, 50, 100]})
    reweighting.add(*events)
    np.testing.assert_allclose(reweighting.weights_of(*events), 1)


def test_a_bin_or_class_without_events_in_the_training():
    reweighting = Reweighting({"mass": [0, 50, 100]}, is_balanced=True)
    reweighting.add(*events_of("a", [2, 2], [10, 20], [0, 0]))
    np.testing.assert_allclose(reweighting.weights_of(*events_of("a", [2, 4], [10, 60], [0, 0])), [1, 2])
    with pytest.raises(DataError, match="the training has no events of the class 7"):
        reweighting.weights_of(*events_of("a", [1], [10], [7]))


def test_the_pieces_in_which_events_come_change_no_bit():
    rng = np.random.default_rng(1)
    weights, classes = rng.normal(1, 1, 1000), rng.integers(0, 3, 1000)
    mass = rng.uniform(0, 200, 1000)
    whole, pieces = Reweighting(EDGES, is_balanced=True), Reweighting(EDGES, is_balanced=True)
    whole.add("a", weights, {"mass": mass}, classes)
    for part in np.split(np.arange(1000), [1, 17, 600]):
        pieces.add("a", weights[part], {"mass": mass[part]}, classes[part])
    assert whole.to_lists() == pieces.to_lists()


def test_merging_adds_up_and_lists_bring_the_same_bits_back():
    first, second = Reweighting(EDGES, "b"), Reweighting(EDGES, "b")
    a, b = events_of("a", [1, 2, 3], [10, 60, 150]), events_of("b", [3, 2, 1], [10, 60, 150])
    first.add(*a)
    second.add(*b)
    second.add(*a)
    first.merge(second)
    again = first.with_lists(first.to_lists())
    np.testing.assert_array_equal(again.weights_of(*a), first.weights_of(*a))
    np.testing.assert_allclose(again.weights_of(*a), np.array([3, 2, 1]) * 9 / 18)


@pytest.mark.parametrize(
    ("options", "events", "words"),
    [
        ({"is_balanced": True}, {"weights": [1, -2], "classes": [5, 5]}, "of the class 5 sum to -1; .* positive"),
        ({}, {"weights": [1, -1]}, "of all events sum to 0;"),
        (
            {"flat": EDGES},
            {"weights": [1, -2], "mass": [10, 60]},
            "of the sample 'a' in the bin mass 50 to 100 sum to -2",
        ),
        (
            {"flat": EDGES, "to": "a", "is_balanced": True},
            {"weights": [1, -1], "mass": [10, 60], "classes": ["x", "y"]},
            "of the sample 'a' in the bin mass 50 to 100",
        ),
        ({"flat": EDGES, "to": "b"}, {"weights": [1], "mass": [10]}, "of 'b' in the bins of the sample 'a' sum to 0"),
    ],
)
def test_a_sum_that_is_not_positive_is_refused_by_name(options, events, words):
    reweighting = Reweighting(**options)
    given = events_of("a", **events)
    reweighting.add(*given)
    with pytest.raises(DataError, match=words):
        reweighting.weights_of(*given)


def test_balance_without_classes_is_refused():
    with pytest.raises(DataError, match="needs the class of each event"):
        Reweighting(is_balanced=True).add("a", np.ones(2))
