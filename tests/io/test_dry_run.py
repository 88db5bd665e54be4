import re

import numpy as np
import pytest

from lumin_core import FoldYielder
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_io import Recipe

uproot = pytest.importorskip("uproot")

KEYS = {
    "sample": {
        "tt": {"files": "tt_*.root", "target": 0, "xsec": 2.0, "sum_of_weights": 400.0},
        "higgs": {"files": "higgs.root", "target": 1},
    },
    "lumi": 100.0,
    "weights": "w",
    "selection": "x >= 1",
    "variables": {"x": "x", "m": "gen_m"},
    "misc": {"event": "event"},
}


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(1)
    for name, n in (("tt_0.root", 400), ("tt_1.root", 100), ("higgs.root", 50), ("empty.root", 0)):
        with uproot.recreate(tmp_path / name) as file:
            file.mktree("Events", {"x": "float64", "w": "float32", "event": "int64", "gen_m": "float64"})
            x = np.arange(n) % 4
            file["Events"].extend(
                {"x": x / 1.0, "w": np.ones(n, "f4"), "event": np.arange(n), "gen_m": rng.normal(size=n)}
            )
    return tmp_path


def test_all_is_read_of_small_files(folder):
    found = Recipe(**KEYS, folder=folder).dry_run()
    assert [(t.name, t.entries, t.read, t.selected) for t in found.tallies] == [
        ("tt_0.root", 400, 400, 300),
        ("tt_1.root", 100, 100, 75),
        ("higgs.root", 50, 50, 37),
    ]
    lines = [" ".join(line.split()) for line in repr(found).splitlines()]
    for line in (
        "Dry run: 2 samples, 3 inputs, 550 of 550 entries read",
        "tt tt_0.root: 400 entries, 75.0% selected",
        "yield of tt 187.5 ± 9.7",
        "yield of higgs 37 ± 6.1",
        "target 0 sum of weights 187.5",
        "target 1 sum of weights 37",
        "of the events read mean spread smallest largest missing",
        "x 2 0.817 1 3 0%",
        "target 0.0898 0.286 0 1 0%",
    ):
        assert line in lines
    assert re.search(
        r"first events of tt, entry 1: x 1, m \S+, target 0, weight 0.5, event 1 entry 2: x 2, .* entry 3: x 3, ",
        " ".join(lines),
    )
    assert "among the inputs are truth, which new events do not have: m;" in " ".join(lines)
    assert max(map(len, repr(found).splitlines())) <= 80
    assert "<table>" in found._repr_html_()


def test_yields_of_a_part_are_scaled_up(folder, monkeypatch):
    monkeypatch.setattr("lumin_plugin_io.dry_run.MOST_ENTRIES", 100)
    part, whole = (Recipe(**KEYS, folder=folder).dry_run(count=count) for count in (False, True))
    texts = [" ".join(repr(found).split()) for found in (part, whole)]
    assert [t.read for t in part.tallies] == [100, 100, 50]
    assert [t.read for t in whole.tallies] == [400, 100, 50]
    assert "tt tt_0.root: 400 entries, 100 read, 75.0% selected" in texts[0]
    assert "yield of tt 187.5 ± 18, scaled up from what was read" in texts[0]
    assert "scaled up" not in texts[1]


def test_a_sample_that_is_not_selected_is_told(folder):
    keys = {**KEYS, "sample": {**KEYS["sample"], "empty": {"files": "empty.root", "target": 2, "selection": "x > 9"}}}
    text = " ".join(repr(Recipe(**keys, folder=folder).dry_run()).split())
    assert "empty empty.root: 0 entries, nothing to select from" in text
    assert "of [sample.empty] no event was selected among those read" in text


def test_without_targets_and_weights_events_are_counted(folder):
    found = Recipe(sample={"tt": {"files": "tt_0.root"}}, variables={"x": "x"}, folder=folder).dry_run()
    text = " ".join(repr(found).split())
    assert "yield of tt 400 events" in text
    assert "target" not in text


def test_it_fails_as_a_conversion_would(folder):
    keys = {**KEYS, "variables": {"x": "1 / (x - 1)"}}
    with pytest.raises(
        DataError, match=r"tt_0.root, tree Events: \[variables\] x of entry 1, and of 99 more in this piece"
    ):
        Recipe(**keys, folder=folder).dry_run()


def test_a_branch_that_is_not_there_is_told_with_what_needs_it(folder):
    keys = {**KEYS, "selection": "xx > 1"}
    with pytest.raises(
        ConfigError, match=r"^tt_0.root, tree Events: selection needs 'xx', which is not there; did you mean 'x'"
    ):
        Recipe(**keys, folder=folder).dry_run()


def test_large_clusters_are_told(folder, monkeypatch):
    monkeypatch.setattr("lumin_plugin_io.dry_run.LARGE_PIECE", 2**10)
    text = " ".join(repr(Recipe(**KEYS, folder=folder).dry_run()).split())
    assert "each of which is read as a whole and takes as much memory: tt_0.root" in text


def test_long_names_leave_room_for_values(folder):
    name = "x" * 70
    (folder / name).mkdir()
    (folder / "tt_0.root").rename(folder / name / "t.root")
    found = Recipe(sample={"a": {"files": f"{name}/t.root"}}, variables={name: "x"}, folder=folder).dry_run()
    lines = repr(found).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) < 15


def test_columns_are_described_over_all_samples(folder):
    found = Recipe(**KEYS, folder=folder).dry_run()
    x, (names, ranges) = np.array([1, 2, 3] * 137 + [1])[:412], found.contents.groups[0]
    assert names == ["x", "m", "target", "weight"]
    assert ranges.n == len(x)
    np.testing.assert_allclose(ranges.moments.mean[[0, 2]], [x.mean(), 37 / 412])
    np.testing.assert_allclose(np.sqrt(ranges.moments.variance[0]), x.std())
    assert (ranges.smallest[0], ranges.largest[0]) == (1, 3)


def test_what_is_missing_is_told_of_variables_and_objects(tmp_path):
    ak = pytest.importorskip("awkward")
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("Events", {"x": "float64", "pt": "var * float32"})
        file["Events"].extend({"x": np.array([4.0, np.nan, 2.0, np.nan]), "pt": ak.Array([[5], [], [7, 3], []])})
    keys = {"sample": {"a": {"files": "a.root"}}, "variables": ["x"], "n_folds": 1}
    matrix = {"jets": {"fields": {"pt": "pt"}, "n": 2}}
    lines = repr(Recipe(**keys, matrix=matrix, folder=tmp_path).dry_run()).splitlines()
    found = [" ".join(line.split()) for line in lines]
    assert "x 3 1 2 4 50.0%" in found
    assert "jets: pt 5 1.63 3 7 62.5%" in found
    assert found[-3:] == ["first events of a, entry 0: x 4, jets_0_pt 5", "entry 1", "entry 2: x 2, jets_0_pt 7"]


def test_parts_have_events_and_weights(folder):
    found = Recipe(**KEYS, split={"parts": {"train": 0.5, "test": 0.5}}, n_folds=2, folder=folder).dry_run()
    sizes, sums = (sum(getattr(tally, name) for tally in found.tallies) for name in ("places", "of_parts"))
    lines = [" ".join(line.split()) for line in repr(found).splitlines()]
    for name, n, total in zip(("train", "test"), sizes.sum(axis=1), sums, strict=True):
        assert f"part {name} {n} events, sum of weights {total:.6g}" in lines
    made = Recipe(**KEYS, split={"parts": {"train": 0.5, "test": 0.5}}, n_folds=2, scaling="", folder=folder)
    for n, total, path in zip(sizes.sum(axis=1), sums, made.convert(folder / "t.hdf5").values(), strict=True):
        with FoldYielder(path) as fy:
            assert fy.get_data_count() == n
            np.testing.assert_allclose(fy.get_column("weights").sum(), total, rtol=1e-6)


def test_categories_are_counted_and_checked_as_the_conversion_would(folder):
    for categories, text in (
        ({"x": {"value": "event % 4", "map": {"1": "low", "2": "low", "3": "high"}}}, "x low: 275, high: 137"),
        ({"x": "event % 4"}, "x 1: 138, 2: 137, 3: 137"),
    ):
        keys = {**KEYS, "categories": {"k" + name: value for name, value in categories.items()}}
        assert f"k{text}" in " ".join(repr(Recipe(**keys, folder=folder).dry_run()).split())
    lacking = {**KEYS, "categories": {"k": {"value": "event % 4", "map": {"1": "low", "2": "high"}}}}
    for call in (lambda recipe: recipe.dry_run(), lambda recipe: recipe.convert(folder / "t.hdf5")):
        with pytest.raises(
            DataError, match=r"tt_0.root, tree Events: \[categories\] k is 3, which its map lacks: 1, 2;"
        ):
            call(Recipe(**lacking, folder=folder))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"split": {"parts": {"train": 1 - 1e-9, "test": 1e-9}}}, "the part 'test' has none of 37 selected events"),
        ({"n_folds": 50}, "37 events of the part 'train' cannot fill 50 folds"),
        ({"scaling": "tabular/pca"}, "scaling must be 'tabular/standard_scaler'"),
        ({"categories": {"k": "event"}, "split": {"parts": {"a": 0.5, "b": 0.5}}, "n_folds": 1}, "say unknown = true"),
    ],
)
def test_what_the_conversion_refuses_in_the_end_is_refused_where_all_was_read(folder, changes, words):
    keys = {**KEYS, "sample": {"higgs": KEYS["sample"]["higgs"]}, "lumi": None, **changes}
    for call in (lambda recipe: recipe.dry_run(), lambda recipe: recipe.convert(folder / "t.hdf5")):
        with pytest.raises((DataError, ConfigError), match=re.escape(words)):
            call(Recipe(**keys, folder=folder))


def test_files_are_shown_as_the_recipe_has_them(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    sample = {"tt": {"files": str(folder / "tt_0.root")}, "b": {"files": f"../{folder.name}/tt_1.root"}}
    (folder.parent / other.name).mkdir(exist_ok=True)
    found = Recipe(sample=sample, variables=["x"], folder=folder.parent / other.name).dry_run()
    assert [tally.name for tally in found.tallies] == [str(folder / "tt_0.root"), f"../{folder.name}/tt_1.root"]
