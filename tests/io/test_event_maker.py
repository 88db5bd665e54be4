import numpy as np
import pytest

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_io import EventMaker, Recipe

N = 8
COLUMNS = {
    "n": np.array([0, 1, 2, 3, 4, 5, 6, 7], dtype="int32"),
    "x": np.arange(N) / 2,
    "w": np.array([1.0, -1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0], dtype="float32"),
    "m": np.array([80, 81, 82, 83, 84, 85, 86, 87.5]),
    "event": np.arange(N) + 2**60 + 1,
    "kind": np.array(["e", "mu", "e", "e", "mu", "e", "tau", "e"]),
}


def make(keys, columns=COLUMNS, *, sample="a", first_entry=0, **options):
    given = {"sample": {"a": {"target": 0}, "b": {"target": 1}}, "variables": {"x": "x"}, **keys}
    recipe = Recipe(**given)
    chosen = next(s for s in recipe.samples if s.name == sample)
    return EventMaker(recipe, chosen, where="a.root, tree T", **options)(columns, first_entry, len(columns["n"]))


def refused(message, keys, columns=COLUMNS, **options):
    with pytest.raises(DataError, match=f"^a.root, tree T: {message}"):
        make(keys, columns, first_entry=100, **options)


def test_events_are_those_that_recipe_and_sample_select():
    keys = {"selection": "n >= 2", "sample": {"a": {"selection": "x < 2.5"}, "b": {}}}
    found = make(keys, first_entry=100)
    assert (found.entry.tolist(), found.n_read) == ([102, 103, 104], N)
    assert make(keys, sample="b").entry.tolist() == list(range(2, N))
    np.testing.assert_array_equal(found.flat, COLUMNS["x"][2:5, None].astype("float32"))
    assert (found.flat.dtype, found.entry.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize("selection", ["v > 0", "v", "v == v"])
def test_what_is_missing_is_not_selected(selection):
    columns = {**COLUMNS, "v": np.where(np.arange(N) < 3, np.nan, 1.0)}
    assert make({"selection": selection}, columns).entry.tolist() == list(range(3, N))


def test_a_number_selects_where_it_is_not_zero():
    assert make({"selection": "n"}).entry.tolist() == list(range(1, N))


@pytest.mark.parametrize("mask", [False, True])
def test_a_branch_of_float32_is_taken_as_it_is(mask):
    values = np.linspace(0.1, 0.9, N, dtype="float32")
    values[2] = np.nan
    column = np.ma.array(values, mask=np.arange(N) == 5) if mask else values
    expected = np.ma.filled(column, np.nan)
    np.testing.assert_array_equal(make({"variables": {"v": "v"}}, {**COLUMNS, "v": column}).flat[:, 0], expected)
    values[3] = np.inf
    refused(r"\[variables\] v of entry 103 is infinite", {"variables": {"v": "v"}}, {**COLUMNS, "v": values})


def test_no_event_may_be_left():
    found = make({"selection": "n > 99", "misc": {"event": "event"}, "categories": {"n": "n"}, "targets": {"m": "m"}})
    assert (found.flat.shape, found.targets.shape, found.misc["event"].dtype) == ((0, 1), (0, 2), np.int64)
    assert len(found.strata) == len(found.categories["n"]) == 0


def test_pieces_make_the_same_events_as_the_whole():
    keys = {
        "selection": "n != 3",
        "misc": {"event": "event"},
        "strata": ["sample", "kind"],
        "categories": {"kind": "kind"},
    }
    whole = make(keys)
    pieces = [make(keys, {k: v[i : i + 3] for k, v in COLUMNS.items()}, first_entry=i) for i in range(0, N, 3)]
    for name in ("entry", "flat", "targets", "strata"):
        np.testing.assert_array_equal(getattr(whole, name), np.concatenate([getattr(piece, name) for piece in pieces]))


def test_branches_are_all_that_is_read_in_order():
    keys = {
        "sample": {"a": {"selection": "s1", "weights": "w1"}},
        "selection": "s0",
        "variables": {"x": "v0 + s0"},
        "categories": {"c": "c0"},
        "matrix": {"jets": {"fields": {"pt": "j0"}, "n": 1}},
        "targets": {"t": "t0"},
        "weights": "w0",
        "misc": {"z": "z0"},
        "variations": {"u": {"up": {"x": "u0"}}},
        "split": {"by": ["k0"]},
        "group_key": "g0",
    }
    recipe = Recipe(**keys)
    maker = EventMaker(recipe, recipe.samples[0])
    assert maker.branches == ("s0", "s1", "v0", "c0", "j0", "t0", "w1", "z0", "u0", "k0", "g0")
    assert EventMaker(recipe, recipe.samples[0], with_truth=False).branches == ("s0", "s1", "v0", "c0", "j0")
    assert EventMaker(recipe, with_truth=False).branches == ("s0", "v0", "c0", "j0")


def test_without_truth_only_inputs_are_made():
    found = make(
        {"weights": "w", "misc": {"event": "event"}, "targets": {"m": "m"}},
        {"x": COLUMNS["x"], "n": COLUMNS["n"]},
        with_truth=False,
    )
    assert (found.targets, found.weights, found.misc, found.split_keys, found.group) == (None, None, {}, None, None)
    assert len(found.flat) == N


def test_targets_are_those_of_the_sample_and_of_expressions():
    found = make({"targets": {"m": "m"}}, sample="b")
    np.testing.assert_array_equal(found.targets, np.stack([np.ones(N), COLUMNS["m"]], axis=1))
    assert make({"sample": {"a": {}}}).targets is None


def test_weights_are_multiplied_with_the_factor():
    assert make({}).weights is None
    np.testing.assert_allclose(make({"weights": "w"}, factor=3.0).weights, 3 * COLUMNS["w"])
    sample = {"a": {"weights": "2 * w"}, "b": {}}
    np.testing.assert_allclose(make({"weights": "w", "sample": sample}).weights, 2 * COLUMNS["w"])
    np.testing.assert_array_equal(make({"sample": sample}, sample="b", factor=0.5).weights, np.full(N, 0.5))


def test_further_columns_are_exact():
    found = make({"misc": {"event": "event", "m": "m", "is_e": "kind == 'e'"}})
    assert found.misc["event"].tolist() == COLUMNS["event"].tolist()
    assert {name: values.dtype.str for name, values in found.misc.items()} == {
        "event": "<i8",
        "m": "<f8",
        "is_e": "|b1",
    }


def test_variations_are_columns():
    keys = {
        "weights": "w",
        "variations": {"jes": {"up": {"x": "x + 1"}, "down": {"x": "x - 1"}}, "pdf": {"up": {"weight": "w * 2"}}},
    }
    found = make(keys, factor=3.0)
    assert list(found.misc) == ["x__jes_up", "x__jes_down", "weight__pdf_up"]
    np.testing.assert_allclose(found.misc["x__jes_up"], COLUMNS["x"] + 1)
    np.testing.assert_allclose(found.misc["weight__pdf_up"], 6 * COLUMNS["w"])
    assert {values.dtype for values in found.misc.values()} == {np.dtype("float32")}


def test_keys_are_uint64_and_negative_ones_wrap():
    found = make({"split": {"by": ["event", "-n"]}, "group_key": "n - 1"})
    assert found.split_keys.dtype == found.group.dtype == np.uint64
    assert found.split_keys[1].tolist() == [2**60 + 2, 2**64 - 1]
    assert found.group[:2].tolist() == [2**64 - 1, 0]
    floats = make({"split": {"by": ["x * 2"]}}).split_keys
    assert floats[:, 0].tolist() == list(range(N))


def test_strata_are_of_values_and_not_of_their_order():
    assert make({"strata": ["sample"]}, sample="b").strata.tolist() == [1] * N
    assert make({"strata": "n", "misc": {"n": "n"}}).strata.tolist() == list(range(N))
    found = make({"strata": ["kind", "target"], "categories": {"kind": "kind"}}).strata
    backwards = {name: values[::-1] for name, values in COLUMNS.items()}
    other = make({"strata": ["kind", "target"], "categories": {"kind": "kind"}}, backwards).strata
    np.testing.assert_array_equal(found, other[::-1])
    assert len(np.unique(found)) == 3


def test_categories_are_whole_numbers_or_text():
    found = make({"categories": {"n": "min(n, 2)", "kind": "kind", "is_e": "kind == 'e'", "f": "x * 2"}}).categories
    assert found["n"].tolist() == [0, 1, 2, 2, 2, 2, 2, 2]
    assert found["kind"].tolist() == COLUMNS["kind"].tolist()
    assert found["is_e"].tolist() == [1, 0, 1, 1, 0, 1, 0, 1]
    assert found["f"].tolist() == list(range(N))
    assert {found[name].dtype.kind for name in ("n", "is_e", "f")} == {"i"}


def test_a_missing_category_needs_unknown():
    columns = {**COLUMNS, "c": np.ma.masked_equal(COLUMNS["n"], 2)}
    found = make({"categories": {"c": {"value": "c", "unknown": True}}}, columns).categories["c"]
    assert np.ma.getmaskarray(found).tolist() == (COLUMNS["n"] == 2).tolist()
    refused(
        r"\[categories\] c of entry 102 is missing; c = { value = '...', unknown = true }",
        {"categories": {"c": "c"}},
        columns,
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"variables": {"x": "1 / n"}}, r"\[variables\] x of entry 100 is infinite, or too large for float32"),
        ({"variables": {"x": "x * 1e300"}}, r"\[variables\] x of entry 101, and of 6 more in this piece is infinite"),
        ({"variables": {"k": "kind"}}, r"\[variables\] k must hold numbers, got text"),
        (
            {"targets": {"t": "log(n - 3)"}},
            r"targets.t of entry 100, and of 3 more in this piece is missing, NaN or inf",
        ),
        ({"weights": "log(n)"}, "weights of entry 100 is missing, NaN or infinite; deselect such events"),
        ({"sample": {"a": {"weights": "log(n)"}}}, r"\[sample.a\] weights of entry 100 is missing"),
        (
            {"weights": "w", "variations": {"v": {"up": {"weight": "log(n)"}}}},
            r"\[variations\] weight__v_up of entry 100",
        ),
        ({"variations": {"v": {"up": {"x": "1 / n"}}}}, r"\[variations\] x__v_up of entry 100 is infinite"),
        ({"misc": {"k": "kind"}}, r"\[misc\] k must be numbers, got text; make it one of \[categories\]"),
        ({"categories": {"m": "m"}}, r"\[categories\] m of entry 107 is not a whole number"),
        ({"split": {"by": ["m"]}}, r"\[split\] by of entry 107 is not a whole number"),
        ({"split": {"by": ["kind"]}}, r"\[split\] by must be whole numbers, got text"),
        ({"group_key": "m"}, "group_key of entry 107 is not a whole number"),
        ({"strata": "m", "targets": {"m": "m"}}, "targets.m of entry 107 is not a whole number; a bin's number is one"),
        ({"selection": "kind"}, "selection must be true or false for an event, got text"),
        ({"selection": "kind + 1"}, "selection: "),
    ],
)
def test_what_cannot_be_stored_is_refused_with_the_first_entry(keys, message):
    refused(message, keys)


def test_values_of_events_that_are_not_kept_do_not_count():
    assert len(make({"selection": "n > 0", "variables": {"x": "1 / n"}}).flat) == N - 1


def test_whole_numbers_that_are_missing_need_a_value():
    columns = {**COLUMNS, "c": np.ma.masked_equal(COLUMNS["n"], 2)}
    refused(r"\[misc\] c of entry 102 has no value; where\(...\) gives it one", {"misc": {"c": "c"}}, columns)
    assert np.isnan(make({"misc": {"c": "1.0 * c"}}, columns).misc["c"][2])


def test_a_branch_that_is_not_there_is_told_before_anything_is_read():
    recipe = Recipe(sample={"a": {}}, variables={"x": "jet_pt[0] + jet_eta[0]"}, selection="met > 30")
    maker = EventMaker(recipe, where="a.root")
    maker.check({"met", "jet_pt", "jet_eta"})
    with pytest.raises(ConfigError, match=r"^a.root: selection needs 'met', which is not there$"):
        maker.check(["jet_pt", "jet_eta"])
    with pytest.raises(ConfigError, match=r"^a.root: \[variables\] x needs 'jet_eta', .*; did you mean 'Jet_eta'"):
        maker.check(["met", "jet_pt", "Jet_eta"])


def test_a_branch_that_a_piece_lacks_is_told():
    refused(r"\[variables\] x: there is no branch 'xx'", {"variables": {"x": "xx"}})


ak = pytest.importorskip("awkward")
JETS = {
    "n": np.array([3, 0, 2]),
    "pt": ak.Array([[30.0, 50.0, 40.0], [], [20.0, 60.0]]),
    "eta": ak.Array([[0.1, 0.2, 0.3], [], [0.4, 0.5]]),
    "mu_q": ak.Array([[1], [-1, 1], []]),
}
MATRIX = {
    "variables": {},
    "matrix": {
        "jets": {"fields": {"pt": "pt", "eta": "eta"}, "n": 2, "by": "pt"},
        "muons": {"fields": {"q": "mu_q"}, "n": 1},
    },
}


def test_objects_are_sorted_cut_and_stacked():
    nan = np.nan
    found = make(MATRIX, JETS)
    expected = [
        [[50, 0.2, nan], [40, 0.3, nan], [nan, nan, 1]],
        [[nan, nan, nan], [nan, nan, nan], [nan, nan, -1]],
        [[60, 0.5, nan], [20, 0.4, nan], [nan, nan, nan]],
    ]
    np.testing.assert_allclose(found.matrix, np.array(expected), rtol=1e-6)
    assert (found.matrix.dtype, found.n_cut, found.flat.shape) == (np.float32, {"jets": 1, "muons": 1}, (3, 0))
    selected = make({**MATRIX, "selection": "n > 0"}, JETS)
    np.testing.assert_array_equal(selected.matrix, found.matrix[[0, 2]])


def test_objects_that_disagree_are_refused():
    keys = {**MATRIX, "matrix": {"jets": {"fields": {"pt": "pt", "q": "mu_q"}, "n": 2}}}
    refused(r"\[matrix.jets\]: fields.pt has 3 objects and fields.q 1 in the same event", keys, JETS)


def test_infinite_objects_are_refused():
    columns = {**JETS, "pt": ak.Array([[1.0, 2.0, 3.0], [], [np.inf, 1.0]])}
    refused(r"\[matrix.jets\] of entry 102 is infinite", MATRIX, columns)


def test_lists_where_one_value_is_needed():
    refused(r"\[variables\] pt has several values per event; take one of them", {"variables": {"pt": "pt"}}, JETS)
    refused(
        r"selection has several values per event; ask whether any",
        {"selection": "pt > 30", "variables": {"n": "n"}},
        JETS,
    )
