import pytest

from lumin_core import registry
from lumin_core.errors import ConfigError
from lumin_plugin_io import Recipe

TEXT = """
n_folds = 5
[sample.data]
files = "data_*.root"
[variables]
ht = "sum(Jet_pt)"
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(TEXT)
    return path


def test_paths_are_relative_to_the_file(path):
    assert Recipe.load(path).folder == path.parent
    assert Recipe.load(str(path)).samples[0].files == ("data_*.root",)


def test_changes_reach_any_depth(path):
    changed = Recipe.load(path, {"n_folds": 3, "sample.data.selection": "x > 1", "split.parts": {"a": 0.5, "b": 0.5}})
    assert (changed.n_folds, changed.samples[0].selection, list(changed.split.parts)) == (3, "x > 1", ["a", "b"])
    with pytest.raises(ConfigError, match=r"n_folds.x cannot be changed: it is an entry of 5"):
        Recipe.load(path, {"n_folds.x": 3})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[variabels]\nx = 'y'", "a recipe has no 'variabels'; did you mean 'variables'"),
        ("folder = '.'", "a recipe has no 'folder'"),
        ("[variables]\nx = 'y'", "a recipe needs samples"),
        ("[sample.a]\ntarget = 1\n[variables]\nx = 'y'", r"\[sample.a\] needs files"),
        ("[sample.a]\nfiles = 'a'\nfriends = [{}]\n[variables]\nx = 'y'", r"\[sample.a\] friends\[0\] needs files"),
        ("[sample.a]\nfiles = 3", r"\[sample.a\] files must be text, got 3"),
    ],
)
def test_messages_begin_with_the_file(path, text, message):
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"^{path}: {message}"):
        Recipe.load(path)


def test_a_run_file_is_told_to_be_one(path):
    path.write_text("foldfile = 'train.hdf5'\nn_models = 2")
    with pytest.raises(ConfigError, match=f"^{path} is not a recipe but a run file; lumin train {path} trains"):
        Recipe.load(path)


def test_what_is_not_toml_is_told(path):
    path.write_text("x = ")
    with pytest.raises(ConfigError, match=f"^{path} is no TOML file"):
        Recipe.load(path)
    with pytest.raises(ConfigError, match="cannot read the recipe"):
        Recipe.load(path.parent / "other.toml")


def test_a_stored_recipe_converts_nothing(path):
    stored = Recipe(**Recipe.load(path).to_config())
    with pytest.raises(ConfigError, match=r"\[sample.data\] needs files"):
        stored.convert(path.parent / "train.hdf5")


def test_it_is_built_by_name(path):
    built = registry.build("converter", {"name": "io/recipe", **Recipe.load(path).to_config()})
    assert isinstance(built, Recipe)


def test_it_shows_itself(path):
    assert repr(Recipe.load(path, {"sample.data.target": 1, "matrix.jets": {"fields": {"pt": "x"}, "n": 2}})) == (
        "Recipe of 1 sample\n  samples    1: data\n  variables  1: ht\n  matrix     1: jets (2)\n"
        "  targets    1: target\n  folds      5"
    )


def test_an_unknown_argument_is_told_with_what_was_meant():
    with pytest.raises(ConfigError, match="has no argument 'variabls'; did you mean 'variables'"):
        Recipe(sample={"a": {}}, variabls={})
