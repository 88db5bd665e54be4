import numpy as np
import pytest

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
        "entry 1, 2, 3, 5, 6",
        "x 1, 2, 3, 1, 2",
        "target 0, 0, 0, 0, 0",
        "weight 0.5, 0.5, 0.5, 0.5, 0.5",
        "event 1, 2, 3, 5, 6",
    ):
        assert line in lines
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
