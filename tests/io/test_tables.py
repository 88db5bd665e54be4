import pytest

from lumin_core.errors import ConfigError
from lumin_plugin_io import Friends, Sample, TrainWeight, Variation, tables


def test_a_sample_has_all_its_keys():
    entry = {
        "files": "a.root",
        "tree": ["T", "U"],
        "target": 1,
        "xsec": 2,
        "sum_of_weights": "Runs:sumw",
        "weights": "w",
        "selection": "x > 1",
        "friends": {"files": ["f.root"], "tree": "F", "by": ["run", "event"]},
    }
    assert tables.samples({"a": entry}) == (
        Sample(
            name="a",
            files=("a.root",),
            tree=("T", "U"),
            target=1.0,
            xsec=2.0,
            sum_of_weights="Runs:sumw",
            weights="w",
            selection="x > 1",
            friends=(Friends(files=("f.root",), tree="F", by=("run", "event")),),
        ),
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, r"\[sample.a\] must be a table, got 3"),
        ({"xsecs": 1}, r"\[sample.a\] has no 'xsecs'; did you mean 'xsec'\?"),
        ({"name": "b"}, r"\[sample.a\] has no 'name'"),
        ({"target": "signal"}, r"\[sample.a\] target must be a number, got 'signal'"),
        ({"files": [1]}, r"\[sample.a\] files must be text, got 1"),
        ({"sum_of_weights": "Runs"}, r"\[sample.a\] sum_of_weights must be a number or a column of another tree"),
        ({"sum_of_weights": 0}, r"\[sample.a\] sum_of_weights must be a positive number, got 0"),
        ({"friends": [{"file": "f"}]}, r"\[sample.a\] friends\[0\] has no 'file'; did you mean 'files'\?"),
        ({"friends": [{"files": "f"}, {"tree": 1}]}, r"\[sample.a\] friends\[1\] tree must be text, got 1"),
    ],
)
def test_mistakes_in_samples(entry, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        tables.samples({"a": entry})


@pytest.mark.parametrize("given", [None, {}])
def test_there_must_be_samples(given):
    with pytest.raises(ConfigError, match="a recipe needs samples"):
        tables.samples(given)


def test_the_keys_of_a_map_may_be_numbers_in_python():
    assert tables.categories({"c": {"value": "x", "map": {11: "e", "13": "mu"}}})[0].map == {"11": "e", "13": "mu"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"map": {}}, r"\[categories\] c needs value"),
        ({"value": "x", "mapp": {}}, r"\[categories\] c has no 'mapp'; did you mean 'map'\?"),
        ({"value": "x", "map": {"1": 1}}, r"\[categories\] c.map.1 must be text, got 1"),
        ({"value": "x", "map": {1.5: "a"}}, r"\[categories\] c.map must go from whole numbers or text to names"),
        ({"value": "x", "map": ["a"]}, r"\[categories\] c.map must be a table"),
        ({"value": "x", "unknown": 1}, r"\[categories\] c.unknown must be true or false, got 1"),
        (["x"], r"\[categories\] c must be text, got \['x'\]"),
    ],
)
def test_mistakes_in_categories(entry, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        tables.categories({"c": entry})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"n": 2}, r"\[matrix.jets\] needs fields"),
        ({"fields": {"pt": "x"}}, r"\[matrix.jets\] needs n"),
        ({"fields": {}, "n": 2}, r"\[matrix.jets\] fields must name what is known of an object"),
        ({"fields": "pt", "n": 2}, r"\[matrix.jets\] fields must be a table, got 'pt'"),
        ({"fields": {"pt": []}, "n": 2}, r"\[matrix.jets\] fields.pt must be text, got \[\]"),
        ({"fields": {"pt": "x"}, "n": 0}, r"\[matrix.jets\] n must be a whole number, at least 1, got 0"),
        ({"fields": {"pt": "x"}, "n": 1, "by": "eta"}, r"\[matrix.jets\] by: there is no field 'eta'; known are pt"),
    ],
)
def test_mistakes_in_matrices(entry, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        tables.matrix({"jets": entry})


def test_a_variation_may_have_one_direction():
    assert tables.variations({"v": {"up": {"pt": 2}}}) == (Variation(name="v", up={"pt": "2"}, down={}),)
    with pytest.raises(ConfigError, match=r"^\[variations.v\] must say what changes"):
        tables.variations({"v": {"up": {}}})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"fractions": {}}, r"\[split\] has no 'fractions'"),
        ({"parts": {}}, r"\[split\] parts must sum to 1, got none = 0"),
        ({"parts": {"a": 0.5, "b": 0.4}}, r"\[split\] parts must sum to 1, got 0.5 \+ 0.4 = 0.9"),
        ({"parts": {"a": 1.5, "b": -0.5}}, r"\[split\] parts.b must be a positive number, got -0.5"),
        ({"parts": {"a/b": 1}}, r"\[split\] parts.a/b: a part's name is one of a file"),
        ({"salt": -1}, r"\[split\] salt must be a whole number, at least 0, got -1"),
        ({"by": [True]}, r"\[split\] by must be text, got True"),
    ],
)
def test_mistakes_in_the_split(table, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        tables.split(table)


def test_fractions_may_be_rounded():
    assert list(tables.split({"parts": {"a": 0.3333333, "b": 0.6666667}}).parts) == ["a", "b"]


def test_train_weight_is_parsed():
    table = {"balance": "target", "flat": {"m": [0, 1.5]}, "to": "higgs"}
    assert tables.train_weight(table) == TrainWeight(balance="target", flat={"m": (0.0, 1.5)}, to="higgs")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, r"\[train_weight\] must have balance"),
        ({"to": "higgs"}, r"\[train_weight\] to needs bins"),
        ({"flat": {"m": [1, 1]}}, r"\[train_weight\] flat.m must be the edges of bins, ascending, got \[1, 1\]"),
        ({"flat": {"m": 3}}, r"\[train_weight\] flat.m must be the edges of bins"),
        ({"balanced": "target"}, r"\[train_weight\] has no 'balanced'; did you mean 'balance'\?"),
    ],
)
def test_mistakes_in_train_weight(table, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        tables.train_weight(table)
