"""Models side by side: workers that may die, and runs that equal serial ones."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import active_children, get_context
from multiprocessing.connection import wait
from pathlib import Path
from types import ModuleType

import pytest
import run_parts

from lumin_core import Callback, Model, ModelBuilder, Results, build, registry, train_models
from lumin_core.errors import ConfigError, DataError, TrainingFailed, UnknownComponent
from lumin_core.runs import available_cores, side_by_side
from lumin_core.runs.side_by_side import threads_each
from lumin_plugin_farm import Processes
from lumin_plugin_farm.processes import pack

HERE = Path(run_parts.__file__).parent

posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="signals and named pipes are POSIX's")


@pytest.fixture(scope="module", autouse=True)
def on_one_thread():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUMIN_DEVICE", "cpu")
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def pool():
    """Two workers for all tests: a start costs seconds."""
    with Processes(max_workers=2) as executor:
        yield executor


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


# The executor


def test_values_and_errors_come_back(pool):
    futures = [pool.submit(divmod, i, 3) for i in range(7)]
    assert [future.result() for future in futures] == [divmod(i, 3) for i in range(7)]
    error = pool.submit(divmod, 1, 0).exception()
    assert type(error) is ZeroDivisionError
    assert "In the worker:" in error.__notes__[0]
    assert "divmod" not in str(error)
    assert pool.submit(run_parts.fail, SystemExit, 3).exception().code == 3


def test_workers_are_kept(pool):
    assert {pool.submit(os.getpid).result() for _ in range(5)} <= {process.pid for process in active_children()}
    assert os.getpid() != pool.submit(os.getpid).result()


@posix
@pytest.mark.parametrize(
    ("death", "argument", "cause"),
    [
        (run_parts.end, 3, "ended with exit code 3"),
        (run_parts.end, 0, "ended with exit code 0"),
        (run_parts.die, "SIGKILL", "killed by SIGKILL, as the system does when memory runs out"),
        (run_parts.die, "SIGABRT", "killed by SIGABRT$"),
    ],
)
def test_a_worker_that_dies_fails_its_own_task_alone(pool, death, argument, cause):
    futures = [pool.submit(divmod, 7, 2), pool.submit(death, argument), *(pool.submit(divmod, i, 2) for i in range(4))]
    with pytest.raises(TrainingFailed, match=cause):
        futures[1].result()
    assert [future.result() for future in futures[2:]] == [divmod(i, 2) for i in range(4)]


@posix
def test_a_worker_that_died_while_idle_is_replaced():
    with Processes(max_workers=1) as executor:
        first = executor.submit(os.getpid).result()
        (process,) = [child for child in active_children() if child.pid == first]
        os.kill(first, signal.SIGKILL)
        wait([process.sentinel])
        assert executor.submit(os.getpid).result() != first


def test_what_cannot_be_sent_is_said(pool):
    with pytest.raises(ConfigError, match="cannot be sent to another process"):
        pool.submit(lambda: 0)
    assert "lambda" in str(pool.submit(run_parts.give_lambda).exception())
    error = pool.submit(run_parts.fail, run_parts.Unpicklable, 1, 2).exception()
    assert str(error) == "Unpicklable: 1 and 2"
    assert "In the worker:" in error.__notes__[0]


@posix
def test_stopping_interrupts_what_runs_and_cancels_the_rest(pipe):
    with Processes(max_workers=1) as executor:
        running, waiting = executor.submit(run_parts.hold, pipe), executor.submit(os.getpid)
        with pipe.open() as begun:
            begun.readline()
            executor.stop()
            assert isinstance(running.exception(), KeyboardInterrupt)
        assert waiting.cancelled()
    with pytest.raises(RuntimeError, match="was shut down"):
        executor.submit(os.getpid)


@posix
def test_stopping_at_once_kills(pipe):
    with Processes(max_workers=1) as executor:
        running = executor.submit(run_parts.hold, pipe)
        with pipe.open() as begun:
            begun.readline()
            executor.stop(at_once=True)
            assert begun.read() == ""  # the end of the process
        assert isinstance(running.exception(), TrainingFailed)


@pytest.mark.parametrize("at_once", [False, True])
def test_a_worker_that_is_just_started_is_stopped_too(at_once):
    before = set(active_children())
    with Processes(max_workers=1) as executor:
        future = executor.submit(divmod, 1, 1)
        executor.stop(at_once=at_once)
    assert future.cancelled() or isinstance(future.exception(), KeyboardInterrupt | TrainingFailed)
    assert set(active_children()) <= before


@posix
def test_workers_end_with_a_parent_that_is_killed(pipe):
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(HERE)!r})
import run_parts
from pathlib import Path
from lumin_plugin_farm import Processes
if __name__ == "__main__":
    executor, pipe = Processes(1), Path({str(pipe)!r})
    executor.submit(run_parts.hold, pipe)
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, text=True)
    with parent, pipe.open() as begun:
        begun.readline()
        parent.communicate("die\n")
        assert parent.returncode == -signal.SIGKILL
        assert begun.read() == ""  # else this waits for ever


def test_workers_are_as_many_as_cores():
    assert Processes()._max_workers == available_cores() >= 1
    assert isinstance(build("executor", {"name": "processes", "max_workers": 3}), Processes)
    for wrong in (0, -1, 1.5, True, "2"):
        with pytest.raises(ConfigError, match="max_workers must be a positive integer"):
            Processes(max_workers=wrong)


def test_what_a_notebook_defines_is_refused(monkeypatch):
    class Mine:
        pass

    Mine.__module__, Mine.__qualname__ = "__main__", "Mine"
    notebook = ModuleType("__main__")
    notebook.Mine = Mine
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    with pytest.raises(ConfigError, match="Mine was written in a notebook or at the prompt; put it into a module"):
        pack([partial(Mine)])
    notebook.__file__ = "script.py"
    assert pickle.loads(pack(Mine)) is Mine


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        ("run()", True),
        ("for i in range(1):\n    run()", True),
        ("if __name__ == '__main__':\n    run()", False),
        ("if __name__ == '__main__':\n    for i in range(1):\n        run()", False),
    ],
)
def test_a_script_that_would_start_itself_again_is_refused(tmp_path, lines, refused):
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED.format(lines=lines))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=200)
    if not refused:
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 1
    assert re.search(r"script.py, whose line \d would start workers again; put what .* below", done.stderr)
    assert done.stderr.count("Traceback") == 1  # the worker itself says nothing


def test_scripts_from_standard_input_and_of_c_work():
    """They are in no file that workers could import."""
    code = (
        "from lumin_plugin_farm import Processes\nwith Processes(1) as pool: print(pool.submit(divmod, 7, 2).result())"
    )
    for how, given in (("-", code), ("-c", None)):
        command = [sys.executable, how, *([] if given else [code])]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=200)
        assert (done.stdout, done.stderr) == ("(3, 1)\n", "")


UNGUARDED = """from lumin_plugin_farm import Processes
def run():
    with Processes(1) as executor: executor.greet()

{lines}
"""


def test_cores_are_shared_out():
    cores = available_cores()
    assert threads_each(Processes(max_workers=1), 5) == cores
    assert threads_each(Processes(max_workers=10 * cores), 5 * cores) == 1
    assert threads_each(Processes(max_workers=4), 2) == max(1, cores // 2)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as foreign:
        assert threads_each(foreign, 9) == cores
        foreign._max_workers = None  # one that does not say, of a batch farm
        assert threads_each(foreign, 9) is None


# Runs


@pytest.fixture(scope="module")
def setting(tmp_path_factory, make_fy, make_builder):
    """A fold file, a builder with dropout, and how to train on them."""
    folder = tmp_path_factory.mktemp("runs")
    fy = make_fy(folder / "data.hdf5", n_folds=4)
    body = {"name": "fully_connected", "depth": 2, "width": 5, "do": 0.2}
    builder = make_builder(fy, body=body, opt_args={"opt": "adam", "lr": 0.01})

    def train(name, n_models=3, **options):
        options = {"n_epochs": 3, "bs": 8, "metric_partials": "roc_auc_score", "seed": 7, **options}
        builder_given = options.pop("model_builder", builder)
        return train_models(
            options.pop("fy", fy), n_models, model_builder=builder_given, savepath=folder / name, **options
        )

    train.folder, train.fy, train.builder = folder, fy, builder
    return train


@pytest.fixture(scope="module")
def serial(setting):
    return setting("serial")


def assert_same(results, others, same_weights):
    assert len(results) == len(others)
    for result, other in zip(results, others, strict=True):
        assert {**result, "path": None} == {**other, "path": None}
        assert result["path"].parent.name == other["path"].parent.name
        for name in ("model", "best"):
            paths = [row["path"].with_name(f"{name}.safetensors") for row in (result, other)]
            assert same_weights(*map(Model.from_save, paths))


def test_models_side_by_side_are_those_of_a_serial_run(setting, serial, pool, same_weights, capsys):
    results = setting("parallel", executor=pool, cb_partials=run_parts.Loud)
    shown = capsys.readouterr()
    assert_same(results, serial, same_weights)
    assert_same(Results.load(setting.folder / "parallel"), serial, same_weights)
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert len(lines) == 4
    for i, result in enumerate(results):
        (line,) = [line for line in lines if line.startswith(f"model {i}: ")]
        assert f"loss {result['loss']:.5g}, roc_auc_score {result['roc_auc_score']:.5g}" in line
        log = (setting.folder / "parallel" / f"model_{i}" / "training.log").read_text()
        assert "printed\n" in log
        assert "warned\n" in log
        assert f"model_{i}: trained on folds" in log
        assert log.count("\n") == 2 + 2 + 3
    records = [json.loads((setting.folder / name / "run.json").read_text()) for name in ("serial", "parallel")]
    assert records[0].keys() == records[1].keys()


def test_one_bar_shows_the_epochs_of_all_models(setting, pool, monkeypatch, tmp_path):
    steps = []

    class Bar:
        n = 0

        def __init__(self, **options):
            steps.append(options["total"])

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def update(self, n):
            self.n += n
            steps.append(self.n)

    monkeypatch.setattr(side_by_side, "progress_bar", Bar)
    options = {"cb_partials": partial(run_parts.Failed, number=1, marker=tmp_path / "failed"), "executor": pool}
    with pytest.raises(TrainingFailed):
        setting("bar", **options)
    assert steps[:2] == [9, 0]
    assert steps[-1] == 3 + 1 + 3
    assert steps[1:] == sorted(steps[1:])
    steps.clear()
    setting("bar", resume=True, **options)
    assert steps[:2] == [9, 7]
    assert steps[-1] == 9


def test_a_name_or_a_dict_makes_the_executor(setting, serial, same_weights):
    before = set(active_children())
    assert_same(setting("named", 1, executor={"name": "processes", "max_workers": 4}), serial[:1], same_weights)
    assert set(active_children()) <= before


def test_any_executor_of_processes_will_do(setting, serial, same_weights):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as foreign:
        assert_same(setting("foreign", 2, executor=foreign), serial[:2], same_weights)
        assert foreign.submit(run_parts.torch_threads).result() == 1
        with pytest.raises(TrainingFailed, match="2 of 2 models failed") as failed:
            setting("foreign broken", 2, executor=foreign, cb_partials=partial(run_parts.Killed, number=0))
    assert "BrokenProcessPool" in str(failed.value)


@posix
def test_a_worker_that_is_killed_fails_its_model_alone_and_resume_trains_what_is_missing(
    setting, serial, pool, same_weights, tmp_path, capsys
):
    options = {"cb_partials": partial(run_parts.Killed, number=1, marker=tmp_path / "killed"), "executor": pool}
    with pytest.raises(TrainingFailed, match="1 of 3 models failed") as failed:
        setting("killed", **options)
    assert "model 1: its process was killed by SIGKILL" in str(failed.value)
    assert "resume=True trains only these" in str(failed.value)
    assert isinstance(failed.value.__cause__, TrainingFailed)
    assert "model 1 failed: its process was killed" in capsys.readouterr().err
    folder = setting.folder / "killed"
    assert not (folder / "results.json").exists()
    assert (folder / "model_1" / "checkpoint" / "epoch_1.safetensors").exists()
    finished = {name: (folder / name).stat().st_mtime_ns for name in ("model_0/result.json", "model_2/result.json")}
    assert_same(setting("killed", resume=True, **options), serial, same_weights)
    assert {name: (folder / name).stat().st_mtime_ns for name in finished} == finished
    assert sum("epoch" in line for line in (folder / "model_1" / "training.log").read_text().splitlines()) == 2
    assert not list(folder.rglob("checkpoint"))


def test_an_error_in_a_worker_comes_with_its_traceback(setting, pool):
    with pytest.raises(TrainingFailed, match="1 of 3 models failed") as failed:
        setting("failed", executor=pool, cb_partials=partial(run_parts.Failed, number=2))
    assert "model 2: DataError: something is wrong with this fold" in str(failed.value)
    cause = failed.value.__cause__
    assert type(cause) is DataError
    assert "run_parts.py" in "".join(cause.__notes__)


def test_what_is_registered_in_the_session_is_known_to_workers(setting, pool):
    class Local(Callback):
        def on_epoch_end(self):
            pass

    with registry.temporary():
        registry.register("callback", "loud_one", run_parts.Loud)
        registry.register("callback", "local_one", Local)  # not used: it may stay behind
        setting("registered", 1, executor=pool, cb_partials="loud_one")
        with pytest.raises(ConfigError, match=r"registered callback 'local_one' cannot be sent.* train without"):
            setting("refused", 1, executor=pool, cb_partials="local_one")
    assert "printed" in (setting.folder / "registered" / "model_0" / "training.log").read_text()
    with pytest.raises(UnknownComponent):
        setting("refused", 1, executor=pool, cb_partials="loud_one")
    assert not (setting.folder / "refused").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"executor": "threads"}, "there is no executor 'threads'"),
        ({"executor": 3}, "executor"),
        ({"executor": "processes", "cb_partials": partial(run_parts.At, number=lambda: 0)}, "the callback .*lambda"),
        ({"executor": {"name": "processes", "max_workers": 0}}, "max_workers must be"),
        ({"executor": {"name": "processes", "workers": 2}}, "no option 'workers'"),
        ({"executor": dict}, "executor must be a name or a concurrent.futures.Executor"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(setting, options, words):
    with pytest.raises((ConfigError, UnknownComponent), match=words):
        setting("refused", **options)
    assert not (setting.folder / "refused").exists()


def test_fault_threads_share_random_numbers_and_are_refused(setting):
    with ThreadPoolExecutor(1) as threads, pytest.raises(ConfigError, match="threads share torch's random numbers"):
        setting("refused", executor=threads)
    assert not (setting.folder / "refused").exists()


def test_a_builder_or_data_that_cannot_be_sent_are_named(setting, make_fy, tmp_path):
    fy = make_fy(tmp_path / "data.hdf5")
    fy.note = lambda: 0
    with pytest.raises(ConfigError, match="the fold yielder cannot be sent to another process"):
        setting("refused", fy=fy, executor="processes")
    builder = type(setting.builder).from_model_builder(setting.builder)
    builder.note = lambda: 0
    with pytest.raises(ConfigError, match="the model builder cannot be sent to another process"):
        setting("refused", model_builder=builder, executor="processes")
    assert not (setting.folder / "refused").exists()


def test_a_run_of_a_script_that_would_start_itself_again_writes_nothing(setting, tmp_path):
    script, run = tmp_path / "script.py", str(tmp_path / "run")
    script.write_text(f"""
from lumin_core import FoldYielder, ModelBuilder, train_models
fy = FoldYielder({str(setting.fy.foldfile)!r})
builder = ModelBuilder.from_fy(fy, "classification", body="ident_body")
train_models(fy, 2, 8, builder, 1, savepath={run!r}, executor={{"name": "processes", "max_workers": 1}})
""")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("lumin_core.errors.ConfigError: no worker of Processes answered, and nothing was written")
    assert "script.py, whose line 5 would start workers again; put what the script does below the line" in last
    assert not (tmp_path / "run").exists()


# Ctrl-C

SCRIPT = """
import sys
sys.path.insert(0, {here!r})
import run_parts
from functools import partial
from pathlib import Path
from lumin_core import FoldYielder, ModelBuilder, train_models
if __name__ == "__main__":
    folder = Path({folder!r})
    callback = partial(getattr(run_parts, sys.argv[1]), pipe=folder / "pipe", marker=folder / "marker")
    fy = FoldYielder({data!r})
    builder = ModelBuilder.from_fy(fy, "classification", body="ident_body")
    try:
        train_models(fy, 2, 8, builder, 3, seed=1, savepath=folder / "run", cb_partials=callback, resume=True,
                     executor={{"name": "processes", "max_workers": 1}})
    except KeyboardInterrupt as error:
        sys.exit(f"KeyboardInterrupt: {{error}}")
"""


@pytest.fixture
def start(tmp_path, setting):
    def make(callback):
        script = tmp_path / "script.py"
        script.write_text(SCRIPT.format(here=str(HERE), folder=str(tmp_path), data=str(setting.fy.foldfile)))
        return subprocess.Popen(
            [sys.executable, script, callback], stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    return make


@posix
def test_ctrl_c_ends_after_the_batch_and_loses_nothing(start, pipe, tmp_path, setting, same_weights):
    (tmp_path / "marker").touch()
    with start("Waiting") as parent, pipe.open() as begun:
        begun.readline()
        os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
        shown = parent.communicate()[1]
        assert begun.read() == ""
    assert parent.returncode == 1
    assert "Ctrl-C: the models stop after their batch" in shown
    assert f"KeyboardInterrupt: the run in {tmp_path / 'run'} was interrupted; the same call with resume=True" in shown
    assert "Traceback" not in shown
    assert (tmp_path / "run" / "model_0" / "interrupted.safetensors").exists()
    assert (tmp_path / "run" / "model_0" / "checkpoint" / "epoch_1.safetensors").exists()
    assert not (tmp_path / "run" / "model_1").exists()
    (tmp_path / "marker").unlink()
    builder = ModelBuilder.from_fy(setting.fy, "classification", body="ident_body")
    options = {"cb_partials": partial(run_parts.Waiting, pipe=pipe, marker=tmp_path / "marker"), "seed": 1}
    gone_on = train_models(setting.fy, 2, 8, builder, 3, savepath=tmp_path / "run", resume=True, **options)
    whole = train_models(setting.fy, 2, 8, builder, 3, savepath=tmp_path / "whole", **options)
    assert_same(gone_on, whole, same_weights)
    assert not (tmp_path / "run" / "model_0" / "interrupted.safetensors").exists()


@posix
def test_a_second_ctrl_c_kills(start, pipe, tmp_path):
    (tmp_path / "marker").touch()
    with start("Holding") as parent, pipe.open() as begun:
        begun.readline()
        parent.send_signal(signal.SIGINT)
        assert any("Ctrl-C" in line for line in parent.stderr)  # behind a warning about the callback without a name
        parent.send_signal(signal.SIGINT)
        assert begun.read() == ""
        assert "KeyboardInterrupt" in parent.communicate()[1]
    assert parent.returncode == 1
