import io
import re
import subprocess
import sys

import numpy as np
import pytest

from lumin_core.cli import main

uproot = pytest.importorskip("uproot")

RECIPE = """
n_folds = 2
scaling = ""
[sample.a]
files = "a.root"
target = 0
[variables]
x = "x"
[split]
parts = { train = 0.5, test = 0.5 }
"""


@pytest.fixture
def recipe(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("Events", {"x": "float64"})
        file["Events"].extend({"x": np.arange(40.0)})
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def test_convert_writes_the_parts_and_says_how_to_go_on(recipe, run):
    output = recipe.with_name("train.hdf5")
    code, out, err = run("convert", str(recipe), "-o", str(output), "--compression", "lzf")
    assert (code, err) == (0, "")
    sizes = [int(n) for n in re.findall(r"(\d+) events in 2 folds", " ".join(out.split()))]
    assert (len(sizes), sum(sizes)) == (2, 40)
    assert "lumin info" in out
    assert "lumin train" in out
    code, _, err = run("convert", str(recipe), "-o", str(output))
    assert code == 1
    assert "--overwrite" in err
    assert run("convert", str(recipe), "-o", str(output), "--overwrite")[0] == 0


def test_a_dry_run_writes_nothing(recipe, run):
    code, out, _ = run("convert", str(recipe), "--dry-run", "--count")
    assert code == 0
    assert "Dry run: 1 sample, 1 input, 40 of 40 entries read" in out
    assert sorted(path.name for path in recipe.parent.iterdir()) == ["a.root", "recipe.toml"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "Missing option '-o'"),
        (["--count", "-o", "x"], 2, "--count goes with --dry-run"),
        (["--dry-run", "--compression", "zip"], 2, "is not one of 'lzf', 'gzip'"),
        (
            ["-o", "train.root"],
            1,
            "train.root is to be a fold file, whose name ends in .hdf5, not in .root; give train.hdf5",
        ),
    ],
)
def test_mistakes(recipe, run, options, code, message):
    found, _, err = run("convert", str(recipe), *options)
    assert found == code
    assert message in err


def test_a_mistake_in_the_recipe_is_its_message(recipe, run):
    recipe.write_text(RECIPE.replace("variables", "variabels"))
    code, _, err = run("convert", str(recipe), "--dry-run")
    assert code == 1
    assert f"{recipe}: a recipe has no 'variabels'; did you mean 'variables'" in err


def test_neither_help_nor_conversion_imports_torch(recipe):
    scaled = recipe.with_name("scaled.toml")
    scaled.write_text(RECIPE.replace('scaling = ""', ""))
    code = (
        "import sys; from lumin_core.cli import main\n"
        "def run(*arguments):\n"
        "    try:\n"
        "        main(['convert', *arguments])\n"
        "    except SystemExit:\n"
        "        pass\n"
        "run('--help'); heavy = {'numpy', 'pandas', 'h5py', 'torch'} & set(sys.modules)\n"
        f"run({str(recipe)!r}, '-o', {str(recipe.with_name('b.hdf5'))!r}); run({str(scaled)!r}, '--dry-run')\n"
        "print(heavy, {'torch', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set() set()"
    assert recipe.with_name("b.hdf5").exists()


def test_what_is_in_the_way_is_refused_before_anything_heavy_is_imported(recipe):
    recipe.with_name("train.test.hdf5").touch()
    code = (
        "import sys; from lumin_core.cli import main\n"
        f"code = main(['convert', {str(recipe)!r}, '-o', {str(recipe.with_name('train'))!r}])\n"
        "print(code, {'pandas', 'h5py', 'uproot', 'sklearn', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "train.test.hdf5 exists; pass --overwrite" in done.stderr
    assert done.stdout.splitlines()[-1] == "1 set()"


def test_nothing_to_resume_is_said(recipe, run):
    output = str(recipe.with_name("train.hdf5"))
    words = "nothing to go on with: there is no interrupted conversion to"
    for is_told in (True, False):
        code, _, err = run("convert", str(recipe), "-o", output, "--resume")
        assert (code, words in err) == (0, is_told)


def test_what_is_begun_is_said_on_a_terminal(recipe, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for options, word in ((["-o", str(recipe.with_name("train"))], "converting"), (["--dry-run"], "reading")):
        monkeypatch.setattr(sys, "stderr", Terminal())
        assert main(["convert", str(recipe), *options]) == 0
        assert " ".join(sys.stderr.getvalue().split()).startswith(f"{word} 1 input of {recipe}")
