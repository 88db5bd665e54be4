"""Every tree of files that others wrote is converted, or what cannot be is refused by its name."""

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from lumin_core.data import FoldReader
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_io import Recipe

ak = pytest.importorskip("awkward")
uproot = pytest.importorskip("uproot")

from lumin_plugin_io import RootReader  # noqa: E402  (needs uproot)

PUBLIC = Path(__file__).resolve().parents[3] / "shared" / "data" / "public"
TREES = {
    "Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root": "Events",
    "cmsopendata2015_ttbar_19980_NANOAOD_RNTupleImporter_rntuple_v1-0-0-1.root": "Events",
    "nanoAOD_2015_CMS_Open_Data_ttbar.root": "Events",
    "uproot-HZZ.root": "events",
    "uproot-Zmumu.root": "events",
    "uproot-double32-float16.root": "tree",
    "uproot-empty.root": "tree",
    "uproot-foriter.root": "foriter",
    "uproot-foriter2.root": "foriter2",
    "uproot-leaflist.root": "tree",
    "uproot-small-flat-tree.root": "tree",
    "uproot-stl_containers.root": "tree",
}
N = 3  # objects of each jagged branch
EVERY = {1291: 12, 947: 6}  # of so many columns not all are taken, for they take their time


def path_of(name):
    if not (path := PUBLIC / name).exists():
        pytest.skip(f"there is no {path}")
    return path


def sorts_of(path, tree):
    """Part the columns of a table by what can be made of them."""
    sorts = {"inputs": [], "exact": [], "text": [], "lists": [], "refused": []}
    with RootReader(path, tree) as reader:
        columns = reader.columns()
        for name, type_ in list(columns.items())[:: EVERY.get(len(columns), 1)]:
            kind, _, axes = type_.partition("[")
            sort = "text" if kind == "text" else "inputs" if kind in ("float32", "bool") else "exact"
            if axes:
                sort = "refused" if kind == "text" or "][" in axes else "lists"
            sorts[sort].append(name)
    return sorts


def recipe_of(path, tree, sorts, **changes):
    """Take all columns: what float32 holds as an input, of lists the largest values, others as they are."""
    lists = {f"list{i}": f"col({name!r})" for i, name in enumerate(sorts["lists"])}
    given = {
        "sample": {"all": {"files": path.name}},
        "tree": tree,
        "variables": {f"input{i}": f"col({name!r})" for i, name in enumerate(sorts["inputs"])} | {"one": 1},
        "categories": {f"text{i}": f"col({name!r})" for i, name in enumerate(sorts["text"])},
        "misc": {f"exact{i}": f"col({name!r})" for i, name in enumerate(sorts["exact"])},
        "matrix": {name: {"fields": {"x": text}, "n": N, "by": "x"} for name, text in lists.items()},
        "scaling": "",
        "n_folds": 2,
        "folder": path.parent,
    }
    return Recipe(**given | changes)


def by_entry(path):
    """Read all columns of a fold file, in the order of the entries."""
    reader = FoldReader(path)
    names = ["inputs", "matrix_inputs", *reader.schema.misc_feats]
    columns = {
        name: np.concatenate([reader.read(name, fold) for fold in reader.sizes])
        for name in names
        if name in reader.known_columns
    }
    order = np.argsort(columns["entry"])
    assert columns["entry"][order].tolist() == list(range(len(order)))
    return {name: values[order] for name, values in columns.items()}, reader.schema


def test_there_is_no_file_that_is_not_tried():
    if not PUBLIC.is_dir():
        pytest.skip(f"there is no {PUBLIC}")
    there = {}
    for path in PUBLIC.glob("*.root"):
        with uproot.open(path) as file:
            found = file.classnames(cycle=False).items()
            (there[path.name],) = (name for name, kind in found if kind in ("TTree", "ROOT::RNTuple"))
    assert there == TREES


@pytest.mark.parametrize("name", [name for name in TREES if name != "uproot-empty.root"])
def test_every_value_of_others_is_kept(name, tmp_path):
    path, tree = path_of(name), TREES[name]
    sorts = sorts_of(path, tree)
    found, schema = by_entry(recipe_of(path, tree, sorts).convert(tmp_path / "all.hdf5")["train"])
    with RootReader(path, tree) as reader:  # of which uproot's table is taken: for others uproot itself takes seconds
        values = reader._table.table.arrays(library="ak", how=dict)
    for i, key in enumerate(sorts["inputs"]):
        np.testing.assert_array_equal(found["inputs"][:, i], ak.to_numpy(values[key]), err_msg=key)
    for i, key in enumerate(sorts["exact"]):
        expected = ak.to_numpy(of(values, key))
        assert found[f"exact{i}"].dtype.kind.replace("u", "i") == expected.dtype.kind.replace("u", "i")
        np.testing.assert_array_equal(found[f"exact{i}"], expected, err_msg=key)
    for i, key in enumerate(sorts["text"]):
        codes = found["inputs"][:, len(sorts["inputs"]) + 1 + i]
        assert [schema.cat_maps[f"text{i}"][code] for code in codes] == values[key].tolist()
    for i, key in enumerate(sorts["lists"]):
        largest = found["matrix_inputs"][:, N * i : N * (i + 1)].reshape(-1, N)
        np.testing.assert_array_equal(largest, largest_of(of(values, key)), err_msg=key)


def of(values, key):
    """Return a column, of a branch that has several by the second name."""
    branch, _, inner = key.partition(".")
    return values[key] if key in values or not inner else values[branch][inner]


def largest_of(lists):
    rows = np.full((len(lists), N), np.nan, dtype="f4")
    for row, values in zip(rows, lists.tolist(), strict=True):
        largest = sorted(values, key=lambda value: (value == value, value), reverse=True)[:N]
        row[: len(largest)] = largest
    return rows


def test_lists_of_lists_and_of_text_are_refused_by_their_names(tmp_path):
    path = path_of("uproot-stl_containers.root")
    sorts = sorts_of(path, "tree")
    assert len(sorts["refused"]) == 27
    for name in sorts["refused"]:
        given = {sort: [name] if sort == "lists" else [] for sort in sorts}
        with pytest.raises(DataError) as raised:
            recipe_of(path, "tree", given).dry_run()
        assert re.fullmatch(
            rf"uproot-stl_containers\.root, tree tree: \[matrix.list0\]: fields.x, .col\('{re.escape(name)}'\).,"
            r" must have one number per object, got .+; leave it out, or take what it comes to, as .+",
            str(raised.value),
        )


def test_a_tree_without_entries_has_no_events(tmp_path):
    path = path_of("uproot-empty.root")
    with pytest.raises(DataError, match=r"the tables of uproot-empty.root have no entries; give files that have some"):
        recipe_of(path, "tree", sorts_of(path, "tree")).convert(tmp_path / "all.hdf5")
    assert not list(tmp_path.glob("*"))


def test_files_of_different_tables_are_not_read_as_one(tmp_path):
    path_of("uproot-foriter.root")
    of_first, of_second = (f"uproot-foriter{i}.root, tree foriter{i}" for i in ("", "2"))
    for given, words in (
        ({}, f"the column 'data' is text in {of_second} and int32 in {of_first}; make two samples of these files"),
        ({"tree": "foriter"}, r"no tree 'foriter' in .*uproot-foriter2.root; did you mean 'foriter2'"),
    ):
        sample = {"all": {"files": "uproot-foriter*.root"}}
        recipe = Recipe(sample=sample, variables={"x": "data"}, n_folds=2, folder=PUBLIC, **given)
        with pytest.raises((ConfigError, DataError), match=words):
            recipe.convert(tmp_path / "all.hdf5")


def events(n=150):
    rng = np.random.default_rng(n)
    counts = rng.integers(0, 5, n)
    return {
        "x": rng.normal(size=n).astype("f4"),
        "flag": rng.integers(0, 2, n).astype(bool),
        "event": np.arange(n, dtype="u8") + np.uint64(2**63 + 5),
        "fixed": rng.normal(size=(n, 3)).astype("f4"),
        "pt": ak.unflatten(rng.exponential(50, counts.sum()).astype("f4"), counts),
    }


def write_tree(folder, given, *more, name="Events"):
    types = {key: "var * float32" if key == "pt" else np.dtype((v.dtype, v.shape[1:])) for key, v in given.items()}
    tree = folder.mktree(name, types)
    for each in (given, *more):
        tree.extend(each)


def write_ntuple(file, given, *more):
    table = file.mkrntuple("Events", {**given, "fixed": ak.Array(given["fixed"])})
    for each in more:
        table.extend({**each, "fixed": ak.Array(each["fixed"])})


def check_events(path, tmp_path, given, tree=None):
    """Convert, and compare with what was written."""
    sorts = {"inputs": ["x", "flag"], "exact": ["event"], "text": [], "lists": ["pt", "fixed"]}
    found, _ = by_entry(recipe_of(path, tree, sorts).convert(tmp_path / "all.hdf5", overwrite=True)["train"])
    np.testing.assert_array_equal(found["inputs"][:, :2], np.column_stack([given["x"], given["flag"]]))
    assert found["exact0"].dtype == np.uint64
    assert found["exact0"].tolist() == given["event"].tolist()
    np.testing.assert_array_equal(found["matrix_inputs"][:, :N].reshape(-1, N), largest_of(given["pt"]))
    np.testing.assert_array_equal(found["matrix_inputs"][:, N:].reshape(-1, N), largest_of(given["fixed"]))


COMPRESSIONS = ("ZLIB", "LZ4", "LZMA", "ZSTD")  # uproot 5.7.0 cannot write an RNTuple without one


@pytest.mark.parametrize(
    ("write", "compression"),
    [*product([write_tree], [None, *COMPRESSIONS]), *product([write_ntuple], COMPRESSIONS)],
)
def test_every_compression_is_read(write, compression, tmp_path):
    with uproot.recreate(tmp_path / "a.root", compression=compression and getattr(uproot, compression)(4)) as file:
        write(file, events())
    check_events(tmp_path / "a.root", tmp_path, events())


@pytest.mark.parametrize("write", [write_tree, write_ntuple])
def test_pieces_of_any_size_are_read_as_one(write, tmp_path):
    parts = [events(n) for n in (40, 1, 70)]
    with uproot.recreate(tmp_path / "a.root") as file:
        write(file, *parts[:1], *([events(0)] if write is write_tree else []), *parts[1:])
    join = {key: ak.concatenate if key == "pt" else np.concatenate for key in parts[0]}
    check_events(tmp_path / "a.root", tmp_path, {key: join[key]([part[key] for part in parts]) for key in join})


def test_trees_in_folders_and_of_several_cycles_are_found(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as file:
        write_tree(file.mkdir("nominal"), events(30))
        write_tree(file.mkdir("sys/up"), events(40))
        file["sys/h"] = np.histogram([1.0])
        for n in (50, 60):
            write_tree(file, events(n), name="Cycled")
    for tree, n in (("nominal/Events", 30), ("sys/up/Events", 40), ("Cycled", 60), ("Cycled;1", 50)):
        check_events(tmp_path / "a.root", tmp_path, events(n), tree)
    with pytest.raises(
        ConfigError, match=r"no tree 'Events' in .*did you mean .*'nominal/Events'.*; it has 'nominal/Eve"
    ):
        check_events(tmp_path / "a.root", tmp_path, events(30), "Events")
