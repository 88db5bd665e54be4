"""ROOT files made here, and those that others wrote, in ../shared/data where it is there."""

import threading
from pathlib import Path

import numpy as np
import pytest

ak = pytest.importorskip("awkward")
uproot = pytest.importorskip("uproot")

from lumin_core.errors import ConfigError, DataError  # noqa: E402
from lumin_plugin_io import RootReader  # noqa: E402

PUBLIC = Path(__file__).parents[2].parent / "shared" / "data" / "public"
N = 1000


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 4, N)
    return {
        "pt": rng.normal(size=N).astype("f4"),
        "event": np.arange(N) + 2**53,
        "big": np.arange(N, dtype="u8") + 2**63,
        "good": rng.integers(0, 2, N).astype(bool),
        "p4": rng.normal(size=(N, 4)),
        "jet_pt": ak.unflatten(rng.normal(size=counts.sum()).astype("f4"), counts),
    }


@pytest.fixture(scope="module", params=["tree", "ntuple"])
def path(request, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("root") / "events.root"
    with uproot.recreate(path) as file:
        make = file.mktree if request.param == "tree" else file.mkrntuple
        if request.param == "tree":
            table = make(
                "Events",
                {
                    name: "var * float32" if name == "jet_pt" else np.dtype((a.dtype, a.shape[1:]))
                    for name, a in data.items()
                },
            )
            table.extend({name: values[:300] for name, values in data.items()})
        else:
            table = make("Events", {name: values[:300] for name, values in data.items()})
        for first, stop in ((300, 301), (301, 700), (700, N)):
            table.extend({name: values[first:stop] for name, values in data.items()})
    return path


@pytest.mark.parametrize(
    ("step", "start", "stop"), [(N, 0, None), (77, 0, None), (300, 0, None), (250, 299, 702), (1, 5, 8)]
)
def test_pieces_hold_every_value_once(path, data, step, start, stop):
    with RootReader(path) as reader:
        assert reader.count() == N
        pieces = list(reader.chunks(list(data), step, start, stop))
    stop = N if stop is None else stop
    assert [len(piece["pt"]) for piece in pieces] == [min(step, stop - first) for first in range(start, stop, step)]
    for name, values in data.items():
        parts = [piece[name] for piece in pieces]
        if name == "jet_pt":
            assert ak.concatenate(parts).to_list() == values[start:stop].to_list()
        else:
            together = np.concatenate(parts)
            assert together.dtype == values.dtype
            assert together.dtype.isnative
            np.testing.assert_array_equal(together, values[start:stop])


def test_columns_say_what_they_hold(path):
    with RootReader(path) as reader:
        types = reader.columns()
    expected = {"pt": "float32", "event": "int64", "big": "uint64", "good": "bool", "p4": "float64[4]"}
    assert {name: types[name] for name in (*expected, "jet_pt")} == {**expected, "jet_pt": "float32[]"}


def test_a_cluster_is_decompressed_once(tmp_path, monkeypatch):
    """uproot by itself reads the cluster behind a range, too, and each for every step in it."""
    path = tmp_path / "ntuple.root"
    with uproot.recreate(path) as file:
        table = file.mkrntuple("Events", {"x": np.arange(100.0)})
        for _ in range(4):
            table.extend({"x": np.arange(100.0)})
    calls = []
    model = uproot.models.RNTuple.Model_ROOT_3a3a_RNTuple
    original = model.read_page
    monkeypatch.setattr(model, "read_page", lambda *args, **options: calls.append(1) or original(*args, **options))
    with RootReader(path) as reader:
        assert sum(len(piece["x"]) for piece in reader.chunks(["x"], step=30)) == 500
    assert len(calls) == 5


def test_without_columns_the_pieces_are_counted(path):
    with RootReader(path) as reader:
        assert list(reader.chunks([], step=400)) == [{}, {}, {}]


def test_identity_is_that_of_the_file(path):
    with RootReader(path) as reader, uproot.open(path) as file:
        assert reader.identity() == str(file.file.uuid)


def test_types_of_some_columns_are_those_of_all(path):
    with RootReader(path) as reader:
        found = reader.types(["jet_pt", "no_such", "event", "pt.x"])
    with RootReader(path) as reader:
        types = reader.columns()
    assert found == {name: types[name] for name in ("jet_pt", "event")}


def test_only_the_branches_that_are_asked_for_are_looked_at(path, data, monkeypatch):
    looked = []
    with RootReader(path) as reader:
        original = reader._table.columns
        monkeypatch.setattr(reader._table, "columns", lambda name: looked.append(name) or original(name))
        assert reader.types(["pt", "event"]) == {"pt": "float32", "event": "int64"}
        list(reader.chunks(["pt", "event"], 100))
        assert looked == ["pt", "event"]
        with pytest.raises(ConfigError, match=r"'jet_ptt'.*did you mean 'jet_pt'"):
            reader.chunks(["jet_ptt"], 100)
        assert set(looked) >= set(data)


@pytest.mark.parametrize("name", ["uproot-leaflist.root", "uproot-stl_containers.root", "uproot-HZZ.root"])
def test_types_of_values_within_branches_are_those_of_all(name):
    with RootReader(public(name)) as reader:
        types = reader.columns()
    with RootReader(public(name)) as reader:
        assert all(reader.types([each]) == {each: type_} for each, type_ in types.items())


def test_threads_that_decompress_end_with_the_reader(path, data):
    before = threading.active_count()
    with RootReader(path) as reader:
        next(reader.chunks(list(data), 100))
    assert threading.active_count() == before


def test_of_several_trees_one_is_named(tmp_path):
    path = tmp_path / "several.root"
    with uproot.recreate(path) as file:
        for name in ("Events", "Runs", "more/Events"):
            file.mktree(name, {"x": "f4"}).extend({"x": np.zeros(len(name), "f4")})
    with pytest.raises(ConfigError, match=r"has several trees: 'Events', 'Runs', 'more/Events'; say which, tree = 'Ev"):
        RootReader(path)
    assert RootReader.tables(path) == ["Events", "Runs", "more/Events"]
    with pytest.raises(ConfigError, match=r"there is no tree 'Evnts' in .*; did you mean 'Events'"):
        RootReader(path, "Evnts")
    with RootReader(path, "more/Events") as reader:
        assert reader.count() == 11


def test_of_several_cycles_the_latest_is_read(tmp_path):
    path = tmp_path / "cycles.root"
    with uproot.recreate(path) as file:
        for n in (1, 2):
            file.mktree("Events", {"x": "f4"}).extend({"x": np.zeros(n, "f4")})
    with RootReader(path) as reader:
        assert (reader.tree, reader.count()) == ("Events", 2)


def test_what_is_not_there_is_refused(path, tmp_path):
    with (
        RootReader(path) as reader,
        pytest.raises(ConfigError, match=r"no branch 'jet_Pt' in the tree 'Events' in .*events.root; did you mean"),
    ):
        reader.chunks(["jet_Pt"], 10)
    with pytest.raises(ConfigError, match=r"there is no file .*event.root; did you mean 'events.root'"):
        RootReader(path.with_name("event.root"))
    with uproot.recreate(tmp_path / "none.root") as file:
        file["label"] = "nothing here"
    with pytest.raises(ConfigError, match="has neither a TTree nor an RNTuple"):
        RootReader(tmp_path / "none.root")


def test_other_files_are_told_by_their_look(tmp_path):
    path = tmp_path / "events.root"
    path.write_text("pt,eta\n1,2\n")
    with pytest.raises(ConfigError, match="is not a ROOT file but a table as text"):
        RootReader(path)


def test_a_file_that_ends_early_is_refused(path, tmp_path):
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 25, 6):
        (tmp_path / "part.root").write_bytes(whole[:length])
        with pytest.raises(DataError, match="ends early"):
            RootReader(tmp_path / "part.root")


def test_damage_names_the_branch(path, tmp_path, data):
    """Bytes are overwritten where the only large column lies: whatever uproot makes of them."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = b"\xff" * 2000
    (tmp_path / "damaged.root").write_bytes(content)
    with pytest.raises(DataError, match=r"'Events' in .*damaged.root"), RootReader(tmp_path / "damaged.root") as reader:
        list(reader.chunks(list(data), 100))


def test_a_url_needs_its_package(monkeypatch):
    def missing(*_args, **_options):
        raise ImportError("install fsspec-xrootd")

    monkeypatch.setattr(uproot, "open", missing)
    with pytest.raises(ConfigError, match=r"root://host//a.root: .*pip install 'lumin-plugin-io\[remote\]'"):
        RootReader("root://host//a.root")


def public(name):
    path = PUBLIC / name
    if not path.exists():
        pytest.skip("../shared/data is not there")
    return path


@pytest.mark.parametrize("name", sorted(path.name for path in PUBLIC.glob("*.root")) or [""])
def test_files_of_others_are_read_as_uproot_reads_them(name):
    """Every column of every tree, in pieces; some of NanoAOD, since uproot takes milliseconds for each."""
    with RootReader(public(name)) as reader, uproot.open(PUBLIC / name) as file:
        types = reader.columns()
        assert all(column.readable for column in reader._columns.values())
        columns = list(types)[3 :: len(types) // 4] if len(types) > 100 else list(types)
        pieces = list(reader.chunks(columns, max(1, reader.count() // 3)))
        assert bool(pieces) == bool(reader.count())
        table = file[reader.tree]
        for each in columns if pieces else ():
            expected = table[reader._columns[each].branch].array()
            for inner in reader._columns[each].inner:
                expected = expected[inner]
            parts = [piece[each] for piece in pieces]
            assert isinstance(parts[0], np.ndarray) == ("[]" not in types[each])
            together = ak.concatenate([ak.Array(part) for part in parts])
            assert ak.array_equal(together, expected, equal_nan=True, check_parameters=False)


def test_types_of_files_of_others():
    def types(name):
        with RootReader(public(name)) as reader:
            return reader.columns()

    assert types("uproot-leaflist.root") == {"leaflist.x": "float64", "leaflist.y": "int32", "leaflist.z": "int8"}
    assert types("uproot-empty.root") == {"x": "int32", "y": "float64", "z": "text"}
    containers = types("uproot-stl_containers.root")
    assert [containers[name] for name in ("string", "vector_string", "vector_vector_int32", "map_int32_int16.1")] == [
        "text", "text[]", "int32[][]", "int16[]",
    ]  # fmt: skip
    packed = types("uproot-double32-float16.root")
    assert (packed["double32_5"], packed["float16_3"], packed["array_30"]) == ("float64", "float32", "float64[3]")


def test_text_of_others_is_text():
    with RootReader(public("uproot-small-flat-tree.root")) as reader:
        (piece,) = reader.chunks(["Str"], 2, 98)
    assert piece["Str"].tolist() == ["evt-098", "evt-099"]
    assert piece["Str"].dtype.kind == "U"


@pytest.mark.parametrize("name", ["", "Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root"])
def test_fields_within_fields_are_those_that_uproot_finds(name, path):
    """The reader notes them for all fields at once, which uproot takes seconds for one by one."""
    path = public(name) if name else path
    with RootReader(path) as reader, uproot.open({str(path): None}, object_cache=None) as file:
        table = file[reader.tree]
        if hasattr(table, "branches"):
            pytest.skip("a TTree has no fields")
        noted = [[inner.field_id for inner in field.fields] for field in reader._table.table.all_fields]
        assert noted == [[inner.field_id for inner in field.fields] for field in table.all_fields]
