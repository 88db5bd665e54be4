"""Converters: the fold file of a recipe, and the recipe that a file records."""

import pytest
from written import make_file

from lumin_core import FoldYielder, registry
from lumin_core.data import Converter
from lumin_core.data.converter import recorded_converter
from lumin_core.errors import ConfigError, DataError, UnknownComponent


class FakeRecipe(Converter):
    """Writes the file of its tests, and says what it was asked."""

    def __init__(self, n_folds, folder=None):
        self.n_folds = n_folds
        self.folder = folder

    def convert(self, savename, *, overwrite=False):
        return {"train": make_file(savename, self.n_folds, overwrite=overwrite)}

    def cached(self, *, verify=False):
        if self.n_folds > 9:
            raise DataError("a.root: tree Events has no branch x")
        name = "verified" if verify else "made"
        return self.convert(self.folder / f"{name}.hdf5", overwrite=True)["train"]

    def to_config(self):
        return {"name": "session/fake_recipe", "n_folds": self.n_folds}

    def score(self, files, ask, **options):
        raise NotImplementedError


@pytest.fixture(autouse=True)
def session():
    with registry.temporary():
        registry.register("converter", "fake_recipe")(FakeRecipe)
        yield


@pytest.mark.parametrize("verify", [False, True])
def test_a_yielder_of_a_recipe_as_a_file_or_as_a_dict(tmp_path, verify):
    (tmp_path / "mine.toml").write_text('name = "fake_recipe"\nn_folds = 4')
    name = "verified.hdf5" if verify else "made.hdf5"
    as_dict = {"name": "fake_recipe", "n_folds": 2, "folder": tmp_path}
    for recipe, n_folds in ((tmp_path / "mine.toml", 4), (str(tmp_path / "mine.toml"), 4), (as_dict, 2)):
        with FoldYielder.from_files(recipe, verify=verify, ignore_feats="pt") as fy:
            assert (fy.foldfile, len(fy), fy.cont_feats) == (tmp_path / name, n_folds, ["eta"])


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('name = "fake_recipe"\nfolds = 3', ConfigError, "^mine.toml: .*'?folds'?.*did you mean 'n_folds'"),
        ('name = "fake_recipe"\nn_folds = 10', DataError, "^mine.toml: a.root: tree Events has no branch x"),
        ('name = "fake_recipes"\nn_folds = 3', UnknownComponent, "^mine.toml: .*did you mean 'fake_recipe'"),
        ("name =", ConfigError, "mine.toml is no TOML file"),
        (None, ConfigError, "cannot read the recipe .*mine.toml"),
    ],
)
def test_errors_name_the_file_of_a_recipe(tmp_path, text, error, message):
    if text is not None:
        (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(error, match=message):
        FoldYielder.from_files(tmp_path / "mine.toml")


def test_no_path_at_all_is_refused():
    with pytest.raises(ConfigError, match="the name of a file is needed, got 5"):
        FoldYielder.from_files(5)


def test_a_core_without_the_plugin_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("LUMIN_DISABLE_PLUGINS", "io")
    registry.refresh()
    (tmp_path / "mine.toml").write_text('tree = "Events"')
    with pytest.raises(UnknownComponent, match=r"^mine\.toml: .*pip install lumin-plugin-io"):
        FoldYielder.from_files(tmp_path / "mine.toml")
    with pytest.raises(UnknownComponent, match="pip install lumin-plugin-io"):
        recorded_converter({"tree": "Events"})
    monkeypatch.undo()
    registry.refresh()


def test_a_recorded_recipe_is_built_from_its_config():
    built = recorded_converter(FakeRecipe(3).to_config())
    assert isinstance(built, FakeRecipe)
    assert built.n_folds == 3
    with pytest.raises(ConfigError, match="the recorded recipe of 'fake_recipe' cannot be read: TypeError"):
        recorded_converter({"name": "fake_recipe", "folds": 3})
