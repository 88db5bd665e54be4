"""``lumin train``: options, what it says at the end, Ctrl-C, and what is refused."""

import io
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from lumin_core import Callback, Ensemble, FoldFileWriter, Model, registry
from lumin_core.cli import main
from lumin_core.errors import ConfigError
from lumin_core.runs import Results
from lumin_plugin_commands import RunFile
from lumin_plugin_commands.train import _parsed

TEXT = """
foldfile = "train.hdf5"
objective = "classification"
n_models = 2
bs = 8
n_epochs = 2
savepath = "run"
seed = 7
body = {name = "fully_connected", depth = 1, width = 4}
"""


@pytest.fixture
def folder(tmp_path, make_fy, monkeypatch):
    make_fy(tmp_path / "train.hdf5").close()
    (tmp_path / "run.toml").write_text(TEXT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with registry.temporary():
        yield tmp_path


@pytest.fixture
def lumin(folder, capsys):
    """Give a function that calls the command line: exit code, output, what goes to stderr."""

    def call(*arguments):
        capsys.readouterr()
        code = main(list(arguments))
        return code, *capsys.readouterr()

    return call


def saved(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.safetensors")}


def test_prints_the_results_and_what_to_do_next(lumin):
    code, out, _ = lumin("train", "run.toml", "--set", 'metric_partials=["roc_auc_score"]')
    results = Results.load("run")
    best = results.best(1)[0]["path"].relative_to(Path.cwd())
    assert code == 0
    assert out == f"{results!r}\n\nThe run is in run. Next: lumin predict {best} FOLDFILE\n"
    assert "roc_auc_score" in out


def test_ensemble_is_what_comes_next(lumin):
    _, out, _ = lumin("train", "run.toml", "--set", "ensemble.size=2")
    assert out.endswith("Next: lumin predict run/ensemble.safetensors FOLDFILE\n")
    assert len(Ensemble.from_save("run/ensemble")) == 2


def test_a_finished_run_grows_and_so_does_its_ensemble(lumin, folder):
    more = ["--set", "n_models=2", "--set", "n_epochs=3", "--set", "ensemble.size=2"]
    less = ["--set", "n_models=1", "--set", "n_epochs=1", "--set", "ensemble.size=1"]
    for options in (less, [*more, "--resume"], [*more, "--set", "savepath=whole"]):
        assert lumin("train", "run.toml", *options)[0] == 0
    assert saved(folder / "run") == saved(folder / "whole")
    texts = [(folder / name / "run.toml").read_text(encoding="utf-8") for name in ("run", "whole")]
    assert texts[0] == texts[1]
    code, _, error = lumin("train", "run.toml", *less, "--resume")
    assert code == 1
    assert "n_epochs was 3, is 1" in error


def test_changes_are_in_the_run(lumin, folder):
    changes = ["--set", "opt_args.opt=sgd", "--set", "opt_args.lr=3e-3", "--set", "body.width=6", "--set", "n_models=1"]
    assert lumin("train", "run.toml", *changes)[0] == 0
    values = tomllib.loads((folder / "run" / "run.toml").read_text(encoding="utf-8"))
    assert values["opt_args"] == {"opt": "core/sgd", "lr": 3e-3}
    assert values["body"] == {"name": "tabular/fully_connected", "depth": 1, "width": 6}
    model = Model.from_save("run/model_0/model")
    assert type(model.opt).__name__ == "SGD"
    assert model.body.get_out_size() == 6


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], True),
        (["--no-visible-bar"], False),
        (["--set", "visible_bar=false"], False),
        (["--set", "visible_bar=false", "--visible-bar"], True),
    ],
)
def test_the_bar_is_switched_off_in_the_file_or_by_an_option(lumin, monkeypatch, options, expected):
    given = {}

    def train(**arguments):
        given.update(arguments)
        raise ConfigError("enough")

    monkeypatch.setattr("lumin_plugin_commands.run_file.train_models", train)
    assert lumin("train", "run.toml", *options)[2] == "Error: enough\n"
    assert given["visible_bar"] is expected


def test_its_own_run_file_repeats_a_run(lumin, folder):
    assert lumin("train", "run.toml", "--set", "ensemble.size=1")[0] == 0
    assert lumin("train", "run/run.toml", "--set", 'savepath="again"')[0] == 0
    assert len(saved(folder / "run")) == 5
    assert saved(folder / "run") == saved(folder / "again")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bs=64", ("bs", 64)),
        ("opt_args.lr = 3e-3", ("opt_args.lr", 3e-3)),
        ("save_best=false", ("save_best", False)),
        ("head=multi_head", ("head", "multi_head")),
        ("savepath=a=b", ("savepath", "a=b")),
        ('loss="auto"', ("loss", "auto")),
        ("seed=007", ("seed", "007")),
        ("ignore_feats=['a', 'b']", ("ignore_feats", ["a", "b"])),
        ("body={name = 'x', depth = 2}", ("body", {"name": "x", "depth": 2})),
        ("seed=1\nbs=2", ("seed", "1\nbs=2")),
    ],
)
def test_values_are_toml_or_else_text(text, expected):
    assert _parsed(text) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("bs", "expected KEY=VALUE, got 'bs'"),
        ("=3", "expected KEY=VALUE"),
        ("bs=", "expected KEY=VALUE"),
        ("metric_partials=[roc_auc_score]", "text inside needs quotes"),
    ],
)
def test_changes_that_are_none_are_mistakes_in_usage(lumin, change, message):
    code, out, err = lumin("train", "run.toml", "--set", change)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.toml"], "cannot read the run file none.toml: No such file or directory; give a TOML file"),
        (["."], "cannot read the run file .: Is a directory; give a TOML file"),
        (["train.hdf5"], "train.hdf5 is no TOML"),
        (["run.toml", "--set", "epochs=2"], "did you mean 'n_epochs'?"),
        (["run.toml", "--set", "bs=many"], "run.toml: bs must be an integer, got 'many'"),
        (["run.toml", "--set", "seed=007"], "run.toml: seed must be an integer, got '007'"),
        (["run.toml", "--set", "foldfile=none"], "there is no fold file"),
        (["run.toml", "--set", "foldfile=run.toml"], "run.toml is no HDF5 file"),
        (["run.toml", "--set", "foldfile=."], "there is no fold file"),
        (["run.toml", "--set", "bs=17"], "less than a batch of bs=17"),
        (["run.toml", "--set", "metric_partials=roc_auc_scor"], "did you mean 'roc_auc_score'?"),
        (["run.toml", "--set", "savepath=train.hdf5"], "train.hdf5 is a file; give a folder"),
        (["run.toml", "--set", "savepath=train.hdf5/run"], "cannot write to savepath"),
        (["run.toml", "--executor", "procesess"], "there is no executor 'procesess'; did you mean 'processes'?"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(lumin, folder, arguments, message):
    before = sorted(folder.rglob("*"))
    code, out, err = lumin("train", *arguments)
    assert (code, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_metric_that_is_not_installed_says_what_to_install(lumin, monkeypatch):
    monkeypatch.setenv("LUMIN_DISABLE_PLUGINS", "metrics")
    monkeypatch.setattr("lumin_core.registry.hints.is_installed", lambda name: name != "lumin-plugin-metrics")
    registry.refresh()
    try:
        code, _, err = lumin("train", "run.toml", "--set", "metric_partials=roc_auc_score")
    finally:
        monkeypatch.undo()
        registry.refresh()
    assert code == 1
    assert "pip install lumin-plugin-metrics" in err


def test_earlier_run_is_kept_unless_told_otherwise(lumin, folder):
    lumin("train", "run.toml")
    before = saved(folder)
    code, _, err = lumin("train", "run.toml", "--set", "seed=8")
    assert code == 1
    assert "--overwrite" in err
    assert "=True" not in err
    assert saved(folder) == before
    assert lumin("train", "run.toml", "--set", "seed=8", "--overwrite")[0] == 0
    assert saved(folder) != before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--resume", "--overwrite"], "--resume goes on with the run in savepath, --overwrite removes it: choose one"),
        (["--resume", "--set", "bs=4"], "--resume goes on with the run in"),
    ],
)
def test_errors_name_the_options_of_the_command(lumin, options, words):
    lumin("train", "run.toml")
    code, _, err = lumin("train", "run.toml", *options)
    assert code == 1
    assert words in err
    assert "=True" not in err


def test_errors_of_later_calls_name_the_arguments(lumin):
    lumin("train", "run.toml")
    lumin("train", "run.toml")
    with pytest.raises(ConfigError, match="pass resume=True to go on with it, or pass overwrite=True"):
        RunFile.load("run.toml").run()


def test_finished_run_is_not_trained_again(lumin, folder):
    _, out, _ = lumin("train", "run.toml")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("model.safetensors")}
    assert lumin("train", "run.toml", "--resume")[1] == out
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("model.safetensors")} == before


def test_a_finished_run_goes_on_to_more_epochs_and_models(lumin, folder):
    how = ("--set", "precision=bf16", "--set", "device=cpu", "--set", "n_epochs=1", "--set", "n_models=1")
    assert lumin("train", "run.toml", *how)[0] == 0
    more = (*how[:4], "--resume", "--set", "bulk_move=false")
    assert lumin("train", "run.toml", *more)[0] == 0
    assert lumin("train", "run.toml", *how[:4], "--set", "savepath=whole")[0] == 0
    grown, whole = (saved(folder / name) for name in ("run", "whole"))
    assert len(grown) == 4
    assert grown == whole
    assert Model.from_save(folder / "run" / "model_0" / "model.safetensors").precision == "bf16"
    assert tomllib.loads((folder / "run" / "run.toml").read_text())["n_epochs"] == 2
    code, _, err = lumin("train", "run.toml", *more, "--set", "bs=4", "--set", 'precision="16"')
    assert code == 1
    assert 'bs was 8, is 4\n  precision was "bf16", is "16"' in err


def test_ctrl_c_says_how_to_go_on_and_going_on_loses_nothing(lumin, folder):
    @registry.register("callback", "press_ctrl_c")
    class PressCtrlC(Callback):
        """Once, in the second epoch of the second model."""

        def on_batch_end(self, fit_params):
            mark = folder / "pressed"
            if fit_params.epoch == 2 and fit_params.cb_savepath.name == "model_1" and not mark.exists():
                mark.touch()
                signal.raise_signal(signal.SIGINT)

    change = ["--set", "cb_partials=press_ctrl_c"]
    code, out, err = lumin("train", "run.toml", *change)
    assert (code, out) == (130, "")
    assert "--resume goes on after epoch 1" in err
    assert "Traceback" not in err
    assert tomllib.loads((folder / "run" / "run.toml").read_text(encoding="utf-8"))["seed"] == 7
    assert lumin("train", "run.toml", *change, "--resume")[0] == 0
    assert lumin("train", "run.toml", *change, "--set", "savepath=never_stopped")[0] == 0
    assert saved(folder / "run") == saved(folder / "never_stopped")


def test_executor_trains_the_same_models(lumin, folder):
    change = ["--set", "n_models=1"]
    assert lumin("train", "run.toml", *change)[0] == 0
    code, _, err = lumin("train", "run.toml", *change, "--set", "savepath=beside", "--executor", "processes")
    assert code == 0, err
    assert saved(folder / "run") == saved(folder / "beside")


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("--epochs", "keys of the run file are set by --set n_epochs=VALUE"),
        ("--batch-size", "keys of the run file are set by --set bs=VALUE"),
        ("--n-models", "keys of the run file are set by --set n_models=VALUE"),
        ("--overwrit", "--overwrite"),
    ],
)
def test_an_unknown_option_may_be_a_key(capsys, option, hint):
    assert main(["train", "run.toml", option, "3"]) == 2
    assert hint in capsys.readouterr().err


def test_an_unknown_option_is_told_by_what_others_call_it(capsys):
    assert main(["predict", "model", "train.hdf5", "--batch-size", "3"]) == 2
    assert "--bs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, [], "run holds an earlier run; choose another savepath, pass --resume"),
        ({"train.hdf5": "other.hdf5"}, ["--overwrite"], "run.toml: there is no fold file"),
        ({"train.hdf5": "run.toml"}, ["--overwrite"], "a run file"),
        ({TEXT: "n_models ="}, [], "run.toml is no TOML: "),
        ({TEXT: '[sample.a]\nfiles = "a.root"\n[variables]\nx = "x"'}, [], "run.toml is a recipe; lumin convert"),
    ],
)
def test_what_needs_no_torch_is_refused_before_it_is_imported(folder, change, options, message):
    (folder / "run").mkdir()
    (folder / "run" / "run.json").write_text("{}")
    for old, new in change.items():
        (folder / "run.toml").write_text(TEXT.replace(old, new))
    code = (
        f"import sys; from lumin_core.cli import main; code = main(['train', 'run.toml', *{options}])\n"
        "print(code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert message in done.stderr
    assert done.stdout == "1 False\n"


def test_nothing_to_resume_is_said(lumin):
    for is_told in (True, False):
        code, _, err = lumin("train", "run.toml", "--resume", "--set", "n_models=1", "--set", "n_epochs=1")
        assert (code, "nothing to go on with: run holds no run; it begins anew" in err) == (0, is_told)


def test_what_is_begun_is_said_on_a_terminal(folder, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    (folder / "train.hdf5").unlink()
    assert main(["train", "run.toml"]) == 1
    assert sys.stderr.getvalue().startswith("training 2 models of run.toml\n")


def test_a_training_weight_that_nothing_uses_is_told(lumin, folder):
    with FoldFileWriter(folder / "train.hdf5", cont_feats=["x"], targ_feats="y", overwrite=True) as file:
        for fold in range(2):
            misc = {"train_weight": np.ones(16)}
            file.append(fold, inputs=np.ones((16, 1)), targets=np.arange(16) % 2, misc=misc)
    used = 'cb_partials=[{name = "balance_classes", column = "train_weight"}]'
    for options, is_told in (([], True), (["--set", used], False)):
        code, _, err = lumin("train", "run.toml", "--set", "n_models=1", "--set", "n_epochs=1", "--overwrite", *options)
        assert (code, "has the column train_weight, which nothing uses; cb_partials = [{ name" in err) == (0, is_told)
