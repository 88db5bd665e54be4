"""Patterns and lists of files, what reads them, and whether their columns agree."""

import pytest

from lumin_core import register, registry
from lumin_core.data import Reader
from lumin_core.errors import AmbiguousComponent, BrokenPlugin, ConfigError, DataError
from lumin_plugin_io import Friends, Recipe, Sample, find_inputs, open_reader, suffixes
from lumin_plugin_io.sources import check_sources, sources_of


@pytest.fixture
def folder(tmp_path):
    for name in ("a_1.csv", "a_2.csv", "a_10.csv", "b.csv", "more/a_1.csv", "f_1.csv", "f_2.csv", "f_10.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x,y\n1,2.5\n")
    return tmp_path


def names(folder, *files, **options):
    return [found.name for found in find_inputs(Sample(name="s", files=files, **options), (), folder)]


def test_patterns_are_in_natural_order_and_lists_in_theirs(folder):
    assert names(folder, "a_*.csv") == ["a_1.csv", "a_2.csv", "a_10.csv"]
    assert names(folder, "b.csv", "a_*.csv", "a_2.csv") == ["b.csv", "a_1.csv", "a_2.csv", "a_10.csv"]
    assert names(folder, "**/a_1.csv") == ["a_1.csv", "more/a_1.csv"]
    assert names(folder / "more", "../b.csv", str(folder / "a_[12].csv")) == ["../b.csv", "../a_1.csv", "../a_2.csv"]
    assert names(folder, "root://host//a.root") == ["root://host//a.root"]


def test_each_tree_of_each_file_is_an_input(folder):
    found = find_inputs(Sample(name="s", files=("a_1.csv", "b.csv")), ("T", "U"), folder)
    assert [(each.name, each.tree) for each in found] == [
        ("a_1.csv", "T"), ("a_1.csv", "U"), ("b.csv", "T"), ("b.csv", "U"),
    ]  # fmt: skip
    (only,) = find_inputs(Sample(name="s", files=("b.csv",), tree=("V",)), ("T", "U"), folder)
    assert only.tree == "V"
    assert only.path == str(folder / "b.csv")


def test_friends_go_with_their_table_or_with_all(folder):
    by_entry, by_key = Friends(files=("f_*.csv",)), Friends(files=("f_*.csv",), by=("x",))
    found = find_inputs(Sample(name="s", files=("a_*.csv",), friends=(by_entry, by_key)), (), folder)
    assert [each.friends[0].files for each in found] == [(str(folder / f"f_{n}.csv"),) for n in (1, 2, 10)]
    assert {len(each.friends[1].files) for each in found} == {3}
    with pytest.raises(ConfigError, match=r"the sample 's' has 1 tables, its friends have 3 files: .* by = "):
        find_inputs(Sample(name="s", files=("b.csv",), friends=(by_entry,)), (), folder)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (
            "c_*.csv",
            r"no file matches the pattern 'c_\*.csv' of the sample 's' in .*; .* has a_1.csv, a_2.csv",
        ),
        ("none/*.csv", "there is no folder .*none"),
        ("a_3.csv", "there is no file .*a_3.csv, of the sample 's'; did you mean"),
        ("more", r"more, of the sample 's', is a folder; give its files, 'more/\*.root'"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(folder, pattern, words):
    with pytest.raises(ConfigError, match=words):
        names(folder, pattern)


def test_columns_of_inputs_agree_or_both_files_are_named(folder):
    pytest.importorskip("pyarrow")
    (folder / "a_2.csv").write_text("x,y\n1.5,2\n")
    recipe = Recipe(sample={"s": {"files": "a_*.csv"}}, variables=["x"], scaling="", n_folds=1, folder=folder)
    check_sources(recipe, sources_of(recipe))
    (folder / "a_10.csv").write_text("x,y\ne,2\n")
    with pytest.raises(DataError, match=r"'x' is int64 in a_1.csv and text in a_10.csv; make two samples"):
        recipe.convert(folder / "train.hdf5")
    (folder / "a_10.csv").write_text("z\n1\n")
    with pytest.raises(ConfigError, match=r"a_10.csv: \[variables\] x needs 'x', which is not there"):
        recipe.convert(folder / "train.hdf5")


class OnlyOne(Reader):
    """A table of one event."""

    suffixes = (".one",)

    def columns(self):
        return {"x": "float64"}

    def count(self):
        return 1

    def chunks(self, columns, step, start=0, stop=None):
        yield {name: [1.0] for name in columns}


def test_readers_of_others_serve(tmp_path):
    with registry.temporary():
        register("reader", "only_one")(OnlyOne)
        assert list(open_reader(tmp_path / "a.ONE").chunks(["x"], 1)) == [{"x": [1.0]}]
        assert open_reader(tmp_path / "a.dat", reader="only_one").count() == 1
        with pytest.raises(ConfigError, match=r"a.dat does not say how to read it; known endings are .*\.one"):
            open_reader(tmp_path / "a.dat")
        register("reader", "another")(type("Another", (OnlyOne,), {}))
        with pytest.raises(AmbiguousComponent, match="session/another, session/only_one; name one of them"):
            open_reader(tmp_path / "a.one")


def test_a_file_of_another_ending_is_told_by_its_look(tmp_path):
    (tmp_path / "events.root.bak").write_bytes(b"root" + bytes(100))
    assert suffixes.reader_of(tmp_path / "events.root.bak") == "io/root_reader"


def test_missing_packages_are_named(tmp_path, monkeypatch):
    def missing(*_args, **_options):
        raise BrokenPlugin("...") from ModuleNotFoundError("No module named 'uproot'")

    monkeypatch.setattr("lumin_plugin_io.opening.build", missing)
    with pytest.raises(ConfigError, match=r"io/root_reader needs .*'uproot'\): pip install 'lumin-plugin-io\[root\]'"):
        open_reader(tmp_path / "a.root")
    with pytest.raises(BrokenPlugin):
        open_reader(tmp_path / "a.root", reader="mine")
