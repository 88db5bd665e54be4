"""Dask as an executor: a cluster of two processes."""

import json
import socket
from functools import partial
from types import SimpleNamespace

import pytest
import run_parts

from lumin_core import Callback, Model, train_models
from lumin_core.errors import ConfigError, TrainingFailed
from lumin_core.runs.side_by_side import check_sendable, greet
from lumin_core.runs.submitting import adapted
from lumin_plugin_farm import Dask, dask


@pytest.fixture(scope="module")
def distributed():
    return pytest.importorskip(
        "distributed", reason="distributed is not installed: pip install 'lumin-plugin-farm[dask]'"
    )


def test_options_are_checked():
    for wrong in (0, -1, 1.5, True, "2"):
        with pytest.raises(ConfigError, match="n_workers must be a positive integer"):
            Dask(n_workers=wrong)
    with pytest.raises(ConfigError, match="n_workers=2 is for a cluster that is started here: leave it out"):
        Dask("tcp://host:8786", 2)
    assert adapted(executor := Dask(n_workers=3)) is executor
    assert executor.workers == 3


def test_without_distributed_it_says_what_to_install(monkeypatch):
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(dask, "import_module", missing)
    with pytest.raises(ConfigError, match=r"'dask' needs distributed.*pip install 'lumin-plugin-farm\[dask\]'"):
        greet(Dask(), 1)


# Clusters of Dask


@pytest.fixture(scope="module")
def executor(distributed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUMIN_DEVICE", "cpu")
        with Dask(n_workers=2) as executor:
            yield executor


def test_models_of_a_cluster_are_those_of_a_serial_run(executor, tmp_path, make_fy, make_builder, same_weights, capsys):
    """One worker is killed in the middle, and one model fails at first."""
    fy = make_fy(tmp_path / "data.hdf5", n_folds=4)
    body = {"name": "fully_connected", "depth": 2, "width": 5, "do": 0.2}
    options = {"n_epochs": 2, "bs": 8, "seed": 7, "metric_partials": "roc_auc_score"}
    options["model_builder"] = make_builder(fy, body=body, opt_args={"opt": "adam", "lr": 0.01})
    serial = train_models(fy, 3, savepath=tmp_path / "serial", **options)
    options["cb_partials"] = [
        partial(run_parts.Killed, number=1, marker=tmp_path / "killed"),
        partial(run_parts.Failed, number=2, marker=tmp_path / "failed"),
    ]
    with pytest.raises(TrainingFailed, match="1 of 3 models failed") as failed:
        train_models(fy, 3, savepath=tmp_path / "run", executor=executor, **options)
    assert "model 2: DataError: something is wrong with this fold" in str(failed.value)
    assert "In the worker on" in "".join(failed.value.__cause__.__notes__)
    assert (tmp_path / "killed").exists()
    assert "model 1: the worker at tcp://" in capsys.readouterr().err
    results = train_models(fy, 3, savepath=tmp_path / "run", executor=executor, resume=True, **options)
    for result, other in zip(results, serial, strict=True):
        assert {**result, "path": None} == {**other, "path": None}
        assert same_weights(Model.from_save(result["path"]), Model.from_save(other["path"]))
    said = greet(executor, 2)
    assert not said.is_here
    assert (said.host, said.devices) == (socket.gethostname(), ("cpu",))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["n_models"] == 3


def test_classes_of_a_notebook_can_be_sent(distributed):
    class Mine(Callback):
        def on_epoch_end(self):
            pass

    plan = SimpleNamespace(fy=None, builder=None, callbacks=[Mine], metrics=[lambda: 0], components=[])
    assert check_sendable(plan, Dask()) == []


def test_a_cluster_of_threads_is_refused(distributed):
    quiet = {"dashboard_address": ":0", "n_workers": 1, "threads_per_worker": 1}
    with (
        distributed.LocalCluster(processes=False, **quiet) as threads,
        distributed.Client(threads, set_as_default=False) as client,
    ):
        for given in (Dask(client), client.get_executor()):
            with pytest.raises(ConfigError, match=r"threads share torch's random numbers.*say executor='processes'"):
                greet(adapted(given), 1)
        with pytest.raises(ConfigError, match="a client of Dask is given as executor="):
            greet(adapted(client), 1)


def test_a_scheduler_that_is_not_there_is_said(distributed, monkeypatch):
    monkeypatch.setattr(dask, "PATIENCE", 0.2)
    with pytest.raises(ConfigError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9"):
        greet(Dask("tcp://127.0.0.1:9"), 1)
