"""What workers would import: a script in a file, or nothing."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from lumin_core.errors import ConfigError
from lumin_plugin_farm import Processes, main_module


@pytest.fixture
def main(monkeypatch):
    module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    return module


def test_only_a_file_is_imported(main, tmp_path):
    assert not main_module.is_file()  # a notebook, the prompt, python -c
    main.__file__ = "<stdin>"
    assert not main_module.is_file()
    main_module.forget_no_file()
    assert not hasattr(main, "__file__")
    main.__file__ = str(tmp_path / "script.py")
    main_module.forget_no_file()
    assert main_module.is_file()
    assert main.__file__ == str(tmp_path / "script.py")


def test_a_module_that_was_run_by_name_is_imported_by_it(main):
    main.__spec__ = SimpleNamespace(name="package.script")
    assert main_module.is_file()


def test_a_daemon_is_told_that_it_may_start_no_workers(monkeypatch):
    daemon = SimpleNamespace(daemon=True, name="ForkPoolWorker-1")
    monkeypatch.setattr(main_module.multiprocessing, "current_process", lambda: daemon)
    with pytest.raises(ConfigError, match=r"ForkPoolWorker-1, is a daemon of multiprocessing.*leave executor out, or"):
        Processes(1)


def test_a_script_that_a_worker_imports_ends_there(main, monkeypatch):
    monkeypatch.setitem(sys.modules, "__mp_main__", ModuleType("__mp_main__"))
    with pytest.raises(SystemExit) as ended:
        main_module.may_start_workers()
    assert ended.value.code == main_module.STARTS_AGAIN
    monkeypatch.setitem(sys.modules, "__mp_main__", main)  # when it has been imported
    main_module.may_start_workers()
