import numpy as np
import pandas as pd
import pytest

from lumin_core import CatEmbedder, FoldYielder, df2foldfile
from lumin_core.errors import ConfigError, DataError


def test_sizes_are_half_the_cardinality_up_to_a_maximum():
    assert CatEmbedder(["a", "b", "c"], [1, 4, 500]).emb_szs == (1, 2, 50)
    assert CatEmbedder(["a"], [500], max_emb_sz=7).emb_szs == (7,)


def test_sizes_that_are_given_stay():
    assert CatEmbedder(["a", "b"], [5, 500], [1, 90]).emb_szs == (1, 90)


def test_iterates_and_finds_by_name():
    embedder = CatEmbedder(["a", "b"], [5, 3], [2, 1])
    assert list(embedder) == [("a", 5, 2), ("b", 3, 1)]
    assert embedder["b"] == (3, 1)
    assert embedder.n_cat_in == 2


def test_config_holds_plain_values_and_gives_the_same(tmp_path):
    embedder = CatEmbedder(np.array(["a", "b"]), np.array([5, 3]), emb_load_path=tmp_path / "embeds.safetensors")
    config = embedder.to_config()
    assert {type(size) for size in config["cat_szs"] + config["emb_szs"]} == {int}
    assert config["emb_load_path"] == str(tmp_path / "embeds.safetensors")
    assert CatEmbedder.from_config(config) == embedder
    assert "emb_load_path" not in CatEmbedder(["a"], [2]).to_config()


def test_caller_s_lists_are_copied():
    names, sizes = ["a"], [3]
    embedder = CatEmbedder(names, sizes)
    names.append("b")
    sizes[0] = 9
    assert list(embedder) == [("a", 3, 2)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a", "b"], [3]), "2 names, 1 cardinalities"),
        ((["a"], [3], [1, 2]), "and 2 sizes"),
        ((["a", "a"], [3, 4]), "named once"),
        ((["a"], [0]), "'a' needs a positive cardinality"),
        ((["a"], [3], [0]), "'a' needs a positive cardinality"),
    ],
)
def test_refuses_what_does_not_fit(arguments, message):
    with pytest.raises(ConfigError, match=message):
        CatEmbedder(*arguments)


def test_unknown_feature_is_named():
    with pytest.raises(ConfigError, match="'c' is no embedded feature; these are: a, b"):
        CatEmbedder(["a", "b"], [2, 2])["c"]


@pytest.fixture
def fold_file(tmp_path):
    def write(cat_maps=None, codes=(0, 1, 2, 4)):
        n = 40
        df = pd.DataFrame({"x": np.linspace(0, 1, n), "y": 0.5, "t": np.arange(n) % 2})
        df["charge"], df["jets"] = np.arange(n) % 3, np.array(codes)[np.arange(n) % len(codes)]
        return df2foldfile(df, 4, ["x", "y"], ["charge", "jets"], ["t"], tmp_path / "cats", "int", cat_maps=cat_maps)

    return write


def test_from_fy_counts_codes(fold_file):
    with FoldYielder(fold_file()) as fy:
        assert list(CatEmbedder.from_fy(fy)) == [("charge", 3, 2), ("jets", 5, 3)]


def test_from_fy_takes_category_maps_where_there_are(fold_file):
    with FoldYielder(fold_file({"jets": {code: f"{code} jets" for code in range(8)}})) as fy:
        assert list(CatEmbedder.from_fy(fy, emb_szs=[1, 1])) == [("charge", 3, 1), ("jets", 8, 1)]


def test_from_fy_leaves_out_ignored_features(fold_file):
    with FoldYielder(fold_file(), ignore_feats=["charge", "x"]) as fy:
        assert list(CatEmbedder.from_fy(fy)) == [("jets", 5, 3)]


def test_from_fy_without_categories_is_empty(fold_file):
    with FoldYielder(fold_file(), ignore_feats=["charge", "jets"]) as fy:
        assert CatEmbedder.from_fy(fy).n_cat_in == 0


def test_from_fy_refuses_what_is_no_code():
    class Yielder(FoldYielder):
        cat_maps = None
        foldfile = __import__("pathlib").Path("made_by_others.hdf5")

        def __init__(self):
            """It has no file."""

        def __len__(self):
            return 1

        def get_use_cat_feats(self):
            return ["a", "jets"]

        def get_fold(self, i):
            return {"inputs": np.array([[0.1, 1, 2], [0.2, 1, -1]], dtype="float32")}

    with pytest.raises(DataError, match=r"made_by_others.hdf5.*'jets'.*-1"):
        CatEmbedder.from_fy(Yielder())


@pytest.mark.parametrize("size", [2.5, "3", None, float("nan")])
def test_sizes_are_whole_numbers(size):
    for arguments in ((["a"], [size]), (["a"], [3], [size])):
        with pytest.raises(ConfigError, match="'a' needs a positive cardinality"):
            CatEmbedder(*arguments)


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ([0, np.nan], "column 'b' must hold codes .* got nan"),
        ([0.5, 0], "column 'a' must hold codes .* got 0.5"),
        ([0, -1], "column 'b' must hold codes"),
        ([0, 3], "column 'b' has 3 where codes are 0 to 2"),
    ],
)
def test_codes_that_are_none_are_refused_by_name(codes, words):
    embedder = CatEmbedder(["a", "b"], [5, 3])
    embedder.check_codes(np.array([[4.0, 2.0]]), "inputs")
    embedder.check_codes(np.zeros((0, 2)), "inputs")
    with pytest.raises(DataError, match=f"inputs: {words}"):
        embedder.check_codes(np.array([[4.0, 2.0], codes]), "inputs")


def test_unknown_features_are_those_whose_map_says_so(fold_file):
    maps = {"jets": {**{code: code for code in range(5)}, 5: "<unknown>"}, "charge": {0: "<unknown>", 1: "a", 2: "b"}}
    with FoldYielder(fold_file(maps)) as fy:
        embedder = CatEmbedder.from_fy(fy, unknown_rate=0.1)
    assert (embedder.unknown_feats, embedder.unknown_rate, embedder["jets"]) == (("jets",), 0.1, (6, 3))
    assert CatEmbedder.from_config(embedder.to_config()) == embedder
    assert not {"unknown_feats", "unknown_rate"} & CatEmbedder(["a"], [2]).to_config().keys()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unknown_feats": ["b"]}, r"unknown_feats must be a list of categorical features, \['a'\], got \['b'\]"),
        ({"unknown_feats": "a"}, "must be a list"),
        ({"unknown_rate": 1.0}, r"unknown_rate must be a share of the events in \[0, 1\), such as 0.02, got 1.0"),
        ({"unknown_rate": "few"}, "unknown_rate"),
    ],
)
def test_refuses_unknown_features_and_rates_that_are_none(options, message):
    with pytest.raises(ConfigError, match=message):
        CatEmbedder(["a"], [3], **options)
