"""The tree of exceptions: each also a fitting built-in, each printing its message plainly."""

import pickle

import pytest

from lumin_core import errors

TREE = {
    "UnknownComponent": KeyError,
    "AmbiguousComponent": LookupError,
    "BrokenPlugin": ImportError,
    "IncompatiblePlugin": ImportError,
    "HookError": TypeError,
    "FileError": OSError,
    "FoldFileError": OSError,
    "DataReplaced": OSError,
    "ShapeError": ValueError,
    "DataError": ValueError,
    "Diverged": ValueError,
    "ConfigError": ValueError,
    "ArgumentError": TypeError,
    "SavedModelError": ValueError,
    "TrainingFailed": RuntimeError,
}


@pytest.mark.parametrize(("name", "builtin"), TREE.items())
def test_every_error_is_ours_and_a_builtin(name, builtin):
    error = getattr(errors, name)("what came, and the way out")
    assert isinstance(error, errors.LuminError)
    assert isinstance(error, builtin)
    assert str(error) == "what came, and the way out"
    assert error.__doc__


@pytest.mark.parametrize("name", ["LuminError", *TREE])
def test_errors_survive_another_process(name):
    error = pickle.loads(pickle.dumps(getattr(errors, name)("message")))
    assert type(error) is getattr(errors, name)
    assert str(error) == "message"


def test_the_tree_in_the_docstring_is_the_tree():
    classes = {n for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, errors.LuminError)}
    assert classes == {"LuminError", *TREE}
    for name, builtin in TREE.items():
        line = next(line for line in errors.__doc__.splitlines() if f" {name} " in line)
        assert f"({builtin.__name__})" in line


def test_an_error_without_a_message_prints_nothing():
    assert str(errors.UnknownComponent()) == ""
