"""What --check finds in a process of its own: whatever an import does, the others are looked at, and nobody ends."""

import os
import random
import signal
import sys
import warnings

import pytest

from lumin_core import registry
from lumin_core.errors import BrokenPlugin
from lumin_core.registry import inspection
from lumin_core.registry.inspection import check_apart

MODULES = {
    "fine": "class X: ...",
    "leaves": "import sys\nsys.exit(0)",
    "ends": "import os\nos._exit(0)",
    "dies": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "hangs": "while True: pass",
    "prints": "print('hello')\nclass X: ...",
    "writes": "import os\nos.write(2, b'deep')\nclass X: ...",
    "interrupts": "raise KeyboardInterrupt",
    "seeds": "import random\nrandom.seed(3)\nclass X: ...",
    "filters": "import warnings\nwarnings.simplefilter('ignore')\nclass X: ...",
    "warns": "import warnings\nwarnings.warn('old')\nclass X: ...",
    "handles": "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nclass X: ...",
    "silences": "import logging\nlogging.disable()\nclass X: ...",
    "masks": "import os\nos.umask(0)\nclass X: ...",
    "asks": "input()",
}
PROBLEMS = {
    "fine": None,
    "leaves": "its module calls sys.exit(0) when it is imported",
    "ends": "importing ends ends the process: exit code 0",
    "dies": "importing dies ends the process: signal SIGKILL",
    "hangs": "importing hangs takes more than 4 s",
    "prints": "importing it prints 'hello'",
    "writes": "importing it prints 'deep'",
    "interrupts": "importing it raises KeyboardInterrupt",
    "seeds": "importing it changes the random state of Python",
    "filters": "importing it changes the filters of warnings",
    "warns": None,
    "handles": "importing it changes the handlers of signals",
    "silences": "importing it changes the root logger",
    "masks": "importing it changes the rights of new files",
    "asks": "EOFError",
}


def test_nothing_that_an_import_does_reaches_the_others_or_the_caller(install):
    """All at once, since one look at all costs what one look at one does."""
    for name, source in MODULES.items():
        install(f"p-{name}", {"norms": {name: f"{name}:X"}}, modules={name: source})
    components = [registry.find("norm", name) for name in MODULES]
    before = random.getstate(), list(warnings.filters), signal.getsignal(signal.SIGTERM), os.getpid()
    found = dict(zip(MODULES, check_apart(components, 4), strict=True))
    assert before == (random.getstate(), list(warnings.filters), signal.getsignal(signal.SIGTERM), os.getpid())
    assert not set(MODULES) & set(sys.modules)
    for name, expected in PROBLEMS.items():
        assert found[name] is None if expected is None else expected in str(found[name]), (name, found[name])


def test_the_rest_of_a_distribution_is_looked_at_behind_what_ends_the_process(install):
    entries = {"a": "ends:A", "b": "ends:B", "c": "fine:X", "d": "hangs:X", "e": "also_fine:X"}
    modules = {**{name: MODULES[name] for name in ("ends", "hangs", "fine")}, "also_fine": MODULES["fine"]}
    install("my-blocks", {"norms": entries}, modules=modules)
    found = check_apart([registry.find("norm", f"my-blocks/{name}") for name in entries], 1)
    ended = "importing ends ends the process: exit code 0"
    assert found[:4] == [ended, ended, None, "importing hangs takes more than 1 s"]
    assert found[4] == "it was not looked at, behind my-blocks/d, which takes more than 1 s"


def test_what_is_known_without_an_import_needs_no_process(install, monkeypatch):
    install("my-blocks", {"norms": {"a": "x:Y"}}, requires=["lumin-core>=7"])
    monkeypatch.setattr("lumin_core.registry.inspection._ask", None)
    assert "asks for lumin-core>=7" in check_apart([registry.find("norm", "my-blocks/a")])[0]


def test_sys_exit_at_import_is_a_broken_plugin_where_the_component_is_asked_for(install, run):
    install("my-blocks", {"norms": {"leaves": "leaves:X"}}, modules={"leaves": MODULES["leaves"]})
    with pytest.raises(BrokenPlugin, match=r"my-blocks.*calls sys\.exit\(0\) when it is imported"):
        registry.build("norm", "leaves")
    code, _, err = run("describe", "norm", "leaves")
    assert code == 1
    assert "my-blocks" in err


TORCH = {
    "dtype": "import torch\ntorch.set_default_dtype(torch.float64)\nclass X: ...",
    "threads": "import torch\ntorch.set_num_threads(3 if torch.get_num_threads() == 2 else 2)\nclass X: ...",
    "draws": "import torch\ntorch.manual_seed(1)\nclass X: ...",
    "numpy": "import numpy\nnumpy.random.seed(1)\nclass X: ...",
    "matmul": "import torch\ntorch.set_float32_matmul_precision('medium')\nclass X: ...",
    "anomaly": "import torch\ntorch.autograd.set_detect_anomaly(True)\nclass X: ...",
}


@pytest.mark.torch
def test_changes_of_what_torch_and_numpy_share_are_seen(install):
    for name, source in TORCH.items():
        install(f"p-{name}", {"norms": {f"my_{name}": f"my_{name}:X"}}, modules={f"my_{name}": source})
    found = check_apart([registry.find("norm", f"my_{name}") for name in TORCH])
    words = ["torch's default dtype", "torch's number of threads", "random state of torch", "random state of numpy"]
    words += ["torch's precision of products", "whether torch looks for anomalies"]
    assert found == [f"importing it changes {'the ' * word.startswith('random')}{word}" for word in words]


def test_entry_points_that_torch_cannot_read_do_not_spoil_the_look_at_others(install, monkeypatch):
    monkeypatch.setenv("TORCH_DEVICE_BACKEND_AUTOLOAD", "1")
    monkeypatch.setattr(inspection, "CORE_KINDS", ())
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    inspection.warm_up()
    assert os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] == "1"
    site = install("strangers", {}, requires=())
    (site / "strangers-1.0.dist-info" / "entry_points.txt").write_bytes(b"[a]\nx = m:X\xff\xfe\n")
    inspection.warm_up()
    assert os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] == "0"
