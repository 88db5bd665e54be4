"""Scores land on their entries; the scores here are sums of the inputs, worked out again by hand."""

import numpy as np
import pytest

ak = pytest.importorskip("awkward")
uproot = pytest.importorskip("uproot")

from lumin_core.errors import ConfigError, DataError, FileError, ShapeError  # noqa: E402
from lumin_plugin_io import Recipe, RootReader, filling  # noqa: E402

N = 200


@pytest.fixture
def recipe():
    return Recipe(
        sample={"a": {"target": 0, "selection": "never > 0"}},
        selection="x > 0",
        variables={"x": "x", "twice": "2 * n"},
        categories={"n": {"value": "n", "map": {"0": "none", "1": "some", "2": "some"}, "unknown": True}},
        matrix={"jets": {"fields": {"pt": "jet_pt"}, "n": 2, "by": "pt"}},
        tree="Events",
    )


def columns(seed, n=N):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, n)
    return {
        "x": rng.normal(size=n).astype("f4"),
        "n": rng.integers(0, 4, n).astype("i4"),
        "event": np.arange(n) + 2**60,
        "jet_pt": ak.unflatten(rng.exponential(50, counts.sum()).astype("f4"), counts),
    }


def write(path, given, tree="Events"):
    with uproot.recreate(path) as file:
        types = {name: "var * float32" if name == "jet_pt" else values.dtype for name, values in given.items()}
        file.mktree(tree, types).extend(given)


def ask(inputs):
    flat, matrix = inputs
    assert flat.dtype == matrix.dtype == np.float32
    assert (flat[:, 0] > 0).all()
    return (flat.sum(axis=1) + np.nan_to_num(matrix).sum(axis=(1, 2)))[:, None]


def by_hand(given):
    codes = np.array([0, 1, 1, 2])[given["n"]]
    jets = ak.sum(ak.sort(given["jet_pt"], ascending=False)[:, :2], axis=1).to_numpy()
    return np.where(given["x"] > 0, given["x"] + 2 * given["n"] + codes + jets, np.nan)


def read(path, tree=None):
    with RootReader(path, tree) as reader:
        return {name: np.concatenate(parts) for name, parts in together(reader).items()}


def together(reader):
    pieces = list(reader.chunks(list(reader.columns()), 70))
    return {name: [piece[name] for piece in pieces] for name in reader.columns()}


def test_each_input_gets_a_friend(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(filling, "_MOST", 37)
    given = {name: columns(seed) for seed, name in enumerate(("a.1.root", "a.2.root"))}
    for name, each in given.items():
        write(tmp_path / name, each)
    for overwrite in (False, True):  # scores of the first call match the pattern, and are not scored
        found = recipe.score([str(tmp_path / "a.*.root")], ask, overwrite=overwrite)
        assert found == [tmp_path / "a.1.pred.root", tmp_path / "a.2.pred.root"]
    for name, path in zip(given, found, strict=True):
        scores = read(path, "Events_pred")
        assert list(scores) == ["pred"]
        np.testing.assert_allclose(scores["pred"], by_hand(given[name]), rtol=1e-6)
    whole = tmp_path / "a.all.root"
    for overwrite in (False, True):  # nor are they for one file, nor is that file
        recipe.score([str(tmp_path / "a.*.root")], ask, output=whole, overwrite=overwrite)
        assert len(read(whole)["pred"]) == 2 * N
    with pytest.raises(FileError, match=r"a.1.pred.root exists; pass overwrite=True"):
        recipe.score([tmp_path / "a.1.root"], ask)


def test_what_is_read_and_scored_is_told(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(filling, "_MOST", 90)
    given = {"a.root": columns(1), "none.root": columns(2, 0)}
    for name, each in given.items():
        write(tmp_path / name, each)
    told = []
    recipe.score([tmp_path / name for name in given], ask, progress=lambda *what: told.append(what))
    chosen = np.cumsum(given["a.root"]["x"] > 0)
    file = str(tmp_path / "a.root")
    expected = [(file, 0, N, 0)] + [(file, n, N, chosen[n - 1]) for n in (90, 180, N)]
    assert told == [*expected, (str(tmp_path / "none.root"), 0, 0, 0)]


@pytest.mark.parametrize("rntuple", [False, True])
def test_one_file_for_all_has_keys(recipe, tmp_path, rntuple):
    given = [columns(seed) for seed in range(2)]
    for number, each in enumerate(given):
        write(tmp_path / f"{number}.root", each)
    files = [tmp_path / "1.root", tmp_path / "0.root"]
    options = {"output": tmp_path / "all.root", "keys": ["event", "n"], "name": "score", "rntuple": rntuple}
    assert recipe.score(files, lambda x: np.repeat(ask(x), 2, axis=1), **options) == [tmp_path / "all.root"]
    scores = read(tmp_path / "all.root", "Events_score")
    assert list(scores) == ["event", "n", "score_0", "score_1"]
    np.testing.assert_array_equal(scores["event"], np.concatenate([given[1]["event"], given[0]["event"]]))
    np.testing.assert_allclose(scores["score_1"], np.concatenate([by_hand(given[1]), by_hand(given[0])]), rtol=1e-6)


def test_parquet_gets_parquet(recipe, tmp_path):
    pytest.importorskip("pyarrow")
    from lumin_plugin_io import ParquetReader, ParquetWriter

    given = columns(5)
    flat = Recipe(sample={"a": {}}, variables={"x": "x"}, selection="x > 0")
    with ParquetWriter(tmp_path / "events.parquet") as writer:
        writer.append({name: given[name] for name in ("x", "n")})
    found = flat.score([tmp_path / "events.parquet"], lambda x: 2 * x)
    assert found == [tmp_path / "events.pred.parquet"]
    with ParquetReader(found[0]) as reader:
        (piece,) = reader.chunks(["pred"], N)
    np.testing.assert_array_equal(piece["pred"], np.where(given["x"] > 0, 2 * given["x"], np.nan).astype("f4"))


def test_files_without_events_get_files_without_scores(recipe, tmp_path):
    write(tmp_path / "none.root", columns(1, 0))
    write(tmp_path / "deselected.root", columns(1) | {"x": np.full(N, -1, "f4")})
    found = recipe.score(sorted(tmp_path.glob("*.root")), ask, keys=["event"])
    assert [path.name for path in found] == ["deselected.pred.root", "none.pred.root"]
    assert np.isnan(read(found[0])["pred"]).all()
    with RootReader(found[1]) as reader:
        assert (reader.count(), reader.columns()) == (0, {"event": "int64", "pred": "float32"})


def test_an_interrupted_call_leaves_no_half_file(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(filling, "_MOST", 37)
    write(tmp_path / "a.root", columns(1))
    calls = []

    def interrupted(inputs):
        calls.append(len(inputs[0]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return ask(inputs)

    with pytest.raises(KeyboardInterrupt):
        recipe.score([tmp_path / "a.root"], interrupted)
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == ["a.root"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"keys": ["evnt"]}, ConfigError, r"no branch 'evnt' in the tree 'Events' in .*a.root; did you mean 'event'"),
        ({"keys": ["jet_pt"]}, DataError, r"a.root, tree Events: the key 'jet_pt' has several values per event"),
        ({"keys": ["x"], "name": "x"}, ConfigError, "'x' is a key and the name of the scores"),
        ({"tree": "Evnts"}, ConfigError, r"no tree 'Evnts' in .*a.root; did you mean 'Events'"),
        ({"name": ""}, ConfigError, "scores need a name without '/', .* got ''"),
        ({"name": "a/b"}, ConfigError, "scores need a name without '/', .* got 'a/b'"),
        ({"output": "scores.txt"}, ConfigError, r"nothing writes scores.txt: give a name that ends in .root or .parq"),
        ({"ask": lambda _: np.zeros(3)}, ShapeError, r"scores must be numbers of shape \(\d+, n_out\), got float64"),
    ],
)
def test_what_cannot_be_scored_is_refused(recipe, tmp_path, options, error, words):
    write(tmp_path / "a.root", columns(1))
    with pytest.raises(error, match=words):
        recipe.score([tmp_path / "a.root"], **{"ask": ask, **options})
    assert [path.name for path in tmp_path.glob("*.root")] == ["a.root"]


@pytest.mark.parametrize("name", ["b.root", "../{}/b.root", "link.root"])
def test_no_input_is_written_over(recipe, tmp_path, name):
    for file in ("a.root", "b.root"):
        write(tmp_path / file, columns(1))
    (tmp_path / "link.root").symlink_to("b.root")
    before = (tmp_path / "b.root").read_bytes()
    output = tmp_path / name.format(tmp_path.name)
    with pytest.raises(
        ConfigError, match=r"b.root is to be scored, and would be written over by scores; give these another name"
    ):
        recipe.score([tmp_path / "a.root", tmp_path / "b.root"], ask, output=output, overwrite=True)
    assert (tmp_path / "b.root").read_bytes() == before


def test_what_a_recipe_lacks_for_scores_is_said(tmp_path):
    without_codes = Recipe(sample={"a": {}}, categories={"n": "n"})
    write(tmp_path / "a.root", columns(1))
    with pytest.raises(ConfigError, match=r"\[categories\] n has no map, .* score with a model"):
        without_codes.score([tmp_path / "a.root"], ask)
    alone = {"output": tmp_path / "a.root", "overwrite": True}
    with pytest.raises(ConfigError, match=r"a.root is to be written, and the only file to score"):
        Recipe(sample={"a": {}}, variables={"x": "x"}).score([tmp_path / "a.root"], ask, **alone)
    with_friends = Recipe(sample={"a": {"friends": [{"files": "f.root"}]}}, variables={"y": "y"})
    with pytest.raises(ConfigError, match=r"\[variables\] y needs 'y', .*; the recipe's samples have friends"):
        with_friends.score([tmp_path / "a.root"], ask)
    several = Recipe(sample={"a": {}}, variables={"x": "x"}, tree=["Events", "Runs"])
    with pytest.raises(ConfigError, match=r"several trees, Events, Runs: say which is scored, tree = 'Events'"):
        several.score([tmp_path / "a.root"], ask)
    for name in ("a.csv", "a.parquet"):
        (tmp_path / name).touch()
    with pytest.raises(ConfigError, match=r"scores of 2 files would be called .*a.pred.parquet; say where to"):
        Recipe(sample={"a": {}}, variables={"x": "x"}).score([tmp_path / "a.csv", tmp_path / "a.parquet"], ask)
    with pytest.raises(ConfigError, match=r"cannot be written beside root://host//a.root; say where to, output"):
        Recipe(sample={"a": {}}, variables={"x": "x"}).score(["root://host//a.root"], ask)
