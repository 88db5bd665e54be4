"""What is wrong with files is said with the file, the tree, the branch and the way out."""

import shutil

import numpy as np
import pytest

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_io import Recipe

ak = pytest.importorskip("awkward")
uproot = pytest.importorskip("uproot")

N = 60


def columns(n=N):
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 3, n)
    return {
        "x": rng.normal(size=n).astype("f4"),
        "event": np.arange(n) + 2**60,
        "w": np.ones(n),
        "pt": ak.unflatten(rng.exponential(50, counts.sum()), counts),
    }


def write(path, given):
    with uproot.recreate(path) as file:
        types = {name: "var * float64" if name == "pt" else values.dtype for name, values in given.items()}
        file.mktree("Events", types).extend(given)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    given = columns()
    write(folder / "a.root", given)
    write(folder / "empty.root", columns(0))
    write(folder / "no_w.root", {name: given[name] for name in ("x", "event", "pt")})
    write(folder / "other.root", {"pt": given["pt"]})
    write(folder / "zero.root", given | {"w": np.zeros(N)})
    write(folder / "nan.root", given | {"w": np.where(np.arange(N) == 7, np.nan, 1.0)})
    write(folder / "inf.root", given | {"x": np.where(np.arange(N) == 7, np.inf, 1).astype("f4")})
    write(folder / "short.root", {"z": np.ones(N - 1)})
    write(folder / "twice.root", {"z": np.ones(N), "event": np.full(N, 2**60 + 5)})
    shutil.copyfile(folder / "a.root", folder / "root.parquet")
    (folder / "folder.root").mkdir()
    (folder / "text.csv").write_text("x,w\none,1\ntwo,2\n")
    (folder / "ragged.csv").write_text("x,w\n1,1\n1,2,3\n")
    (folder / "parquet.root").write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    (folder / "events.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    return folder


def sample(files, **given):
    return {"a": {"files": files, **given}}


CASES = {
    "a branch that is not there": (
        {"variables": {"y": "xx"}},
        r"a.root, tree Events: \[variables\] y needs 'xx', which is not there; did you mean 'x'",
    ),
    "a branch that one of the files lacks": (
        {"sample": sample(["a.root", "no_w.root"]), "weights": "w"},
        r"no_w.root, tree Events: weights needs 'w', which is not there",
    ),
    "a list as a variable": (
        {"variables": {"lead": "pt"}},
        r"a.root, tree Events: \[variables\] lead has several values .* as in pt\[0\], or .* as in sum\(pt\)$",
    ),
    "a number as an object": (
        {"matrix": {"jets": {"fields": {"px": "x"}, "n": 2}}},
        r"a.root, tree Events: \[matrix.jets\]: fields.px, 'x', has one value per event, .*; make it one of",
    ),
    "text as a variable": (
        {"sample": sample("text.csv")},
        r"text.csv: \[variables\] x must hold numbers, got text of 'x'; compare it with ==, or make",
    ),
    "other events in another file": (
        {"sample": sample(["a.root", "other.root"]), "variables": {"x": "sum(pt)"}, "misc": {"e": "event"}},
        r"other.root, tree Events: \[misc\] e needs 'event', which is not there",
    ),
    "an empty tree": ({"sample": sample("empty.root")}, "the tables of empty.root have no entries; give files that"),
    "no event selected": ({"selection": "x > 99"}, "none of 60 events is selected, of a.root; loosen the selection"),
    "weights that are zero": (
        {"sample": sample("zero.root"), "weights": "w"},
        r"x and all others have no value in any event .* whose weight is not 0; look at the weights",
    ),
    "weights that are NaN": (
        {"sample": sample("nan.root"), "weights": "w"},
        "nan.root, tree Events: weights of entry 7 is missing, NaN or infinite; deselect such events",
    ),
    "an infinite value": (
        {"sample": sample("inf.root")},
        r"inf.root, tree Events: \[variables\] x of entry 7 is infinite, .*; where\(isfinite",
    ),
    "a folder": (
        {"sample": sample("folder.root")},
        r"folder.root, of the sample 'a', is a folder; give its files, 'fol",
    ),
    "a pattern without match": (
        {"sample": sample("b_*.root")},
        r"no file matches the pattern 'b_\*.root' of the sample 'a' in .*; .* has a.root, empty.root",
    ),
    "Parquet with another ending": (
        {"sample": sample("parquet.root")},
        "parquet.root is not a ROOT file but a Parquet file; give it a name that ends in .parquet",
    ),
    "ROOT with another ending": (
        {"sample": sample("root.parquet")},
        "root.parquet is not a Parquet file but a ROOT file; give it a name that ends in .root",
    ),
    "a fold file": (
        {"sample": sample("events.hdf5")},
        "the ending of .*events.hdf5 does not say how to read it; known endings are .*: it is an HDF5 file",
    ),
    "a line that is too long": (
        {"sample": sample("ragged.csv")},
        "cannot read .*ragged.csv: .*Row #3: Expected 2 columns, got 3.*; (mend that line, or )?write the file anew",
    ),
    "a friend of another length": (
        {"sample": sample("a.root", friends=[{"files": "short.root"}])},
        "a.root has 60 entries, its friend .*short.root has 59: .* join them by the columns",
    ),
    "a key that comes twice": (
        {"sample": sample("a.root", friends=[{"files": "twice.root", "by": ["event"]}]), "variables": ["x", "z"]},
        "the key event = 1152921504606846981 comes twice among the friends, in entry 0 of .*twice.root and entry 1",
    ),
    "a friend without the key": (
        {"sample": sample("a.root", friends=[{"files": "short.root", "by": ["event"]}]), "variables": ["x", "z"]},
        "no branch 'event' in the tree 'Events' in .*short.root; it has 1 branch$",
    ),
    "samples of which some have a target": (
        {"sample": {"a": {"files": "a.root", "target": 1}, "b": {"files": "a.root"}}},
        r"some samples have a target and some have none: give one to \[sample.b\], too",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_in_one_sentence(case, folder, tmp_path):
    changes, words = CASES[case]
    given = {"sample": sample("a.root"), "variables": {"x": "x"}, "n_folds": 2} | changes
    with pytest.raises((ConfigError, DataError), match=words) as raised:
        Recipe(**given, folder=folder).convert(tmp_path / "train.hdf5")
    assert "\n" not in str(raised.value)
    assert not [path for path in tmp_path.iterdir() if not path.name.endswith(".lock")]


@pytest.mark.parametrize("tenth", range(10))
def test_files_that_end_early_are_told(tenth, folder, tmp_path):
    content = (folder / "a.root").read_bytes()
    path = tmp_path / "cut.root"
    path.write_bytes(content[: max(5, len(content) * tenth // 10)])
    recipe = Recipe(sample=sample("cut.root"), variables={"x": "x"}, n_folds=2, folder=tmp_path)
    with pytest.raises(
        DataError, match=r"cut.root ends early: it has [\d,]+ bytes of [\d,]+; .* bring back a whole copy"
    ):
        recipe.convert(tmp_path / "train.hdf5")


def test_a_sample_of_which_nothing_is_selected_is_told(folder, tmp_path, caplog):
    samples = {"a": {"files": "a.root", "target": 0}, "b": {"files": "a.root", "target": 1, "selection": "x > 99"}}
    Recipe(sample=samples, variables=["x"], n_folds=2, folder=folder).convert(tmp_path / "train.hdf5")
    assert "of [sample.b] no event was selected; look at the selection" in caplog.text
