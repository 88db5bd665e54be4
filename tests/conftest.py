"""Distributions that are made up for a test: metadata and modules in a folder on ``sys.path``."""

import gc
import os
import signal
import sys
from textwrap import dedent

import pytest

from lumin_core import __version__, cli, registry

REQUIRES = f"lumin-core>={__version__},<99"

# a shell that runs the tests in the background ignores Ctrl-C, which some of them press
signal.signal(signal.SIGINT, signal.default_int_handler)
# no power fails here, and to wait for the disk takes long; processes that tests start do wait
os.fsync = lambda descriptor: None


def pytest_collection_finish():
    """Spare the collector of garbage what is loaded by now: it stays, and to look through it takes long."""
    gc.freeze()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Give a function that installs a distribution until the end of the test."""
    before = set(sys.modules)
    for variable in ("LUMIN_DISABLE_PLUGINS", "LUMIN_STRICT_PLUGINS"):
        monkeypatch.delenv(variable, raising=False)
    registry.refresh()

    def make(name, entries, *, version="1.0", requires=(REQUIRES,), modules=None, folder=None, **raw):
        """Write ``entries`` ({group: {name: value}}) and ``modules`` ({name: source}); ``raw`` replaces whole files."""
        site = tmp_path / (folder or name)
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        headers = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        headers += [f"Requires-Dist: {requirement}" for requirement in requires]
        write(info / "METADATA", raw.get("metadata", "\n".join([*headers, "", "Name: not-a-header", ""])))
        write(info / "entry_points.txt", raw.get("entry_points", entry_points(entries)))
        for module, source in (modules or {}).items():
            write(site / f"{module}.py", dedent(source))
        monkeypatch.syspath_prepend(str(site))
        registry.refresh()
        return site

    with registry.temporary():
        yield make
    for module in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]
    monkeypatch.undo()
    registry.refresh()


@pytest.fixture
def run(capsys):
    """Give a function that runs a command of ``lumin``: its exit code, and what it wrote."""

    def call(*arguments):
        capsys.readouterr()
        try:
            code = cli.main(list(arguments))
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


def entry_points(entries):
    return "".join(
        f"[lumin.{group}]\n" + "".join(f"{name} = {value}\n" for name, value in members.items())
        for group, members in entries.items()
    )


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
