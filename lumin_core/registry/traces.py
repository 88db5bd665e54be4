"""What importing a component leaves behind beside its module.

Output, and changes of what all of a process share: torch's and numpy's settings, random states,
filters of warnings, signals.
"""

from __future__ import annotations

import io
import logging
import os
import random
import signal
import sys
import tempfile
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lumin_core.registry.lookup import components, kinds
from lumin_core.registry.names import canonical
from lumin_core.registry.scan import KIND_DECLARATION
from lumin_core.registry.validation import check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lumin_core.registry.component import Component

_SHOWN, _READ = 60, 10_000  # characters of what was printed


def report(component: Component) -> str | None:
    """Check a component, and say what importing it did beside.

    It is for a process that does nothing else: its output goes nowhere.

    Args:
        component: The component.

    Returns:
        What is wrong, or ``None``.
    """
    with warnings.catch_warnings(record=True), _captured() as output:  # warnings are not output
        warnings.simplefilter("default")  # one is no error, whatever the caller says of warnings
        before, loaded = _shared_state(), set(sys.modules)
        try:
            problem = check(component)
        except BaseException as error:  # noqa: BLE001  # also a KeyboardInterrupt that a plugin raises
            problem = f"importing it raises {type(error).__name__}: {error}"
        after = _shared_state()
    found = [problem] if problem else []
    found += [f"importing it changes {what}" for what in before if after[what] != before[what]]
    found += [f"importing it imports {name}, another plugin" for name in _strangers(component, loaded)]
    found += [f"importing it prints {_start_of(text)!r}" for text in output if text]
    return "; ".join(found) or None


def _strangers(component: Component, loaded: set[str]) -> list[str]:
    """List other plugins imported with a component; that which declares its kind may be."""
    plural = next((kind.plural for kind in kinds() if kind.singular == component.kind), None)
    declarers = {one.distribution for one in components(KIND_DECLARATION) if one.name == plural}
    others = {one.distribution for one in components()} - {"lumin-core", component.distribution, *declarers}
    new = {canonical(name.partition(".")[0]) for name in set(sys.modules) - loaded}
    return sorted(others & new)


def _shared_state() -> dict[str, Any]:
    """Return what all of a process share, by what it is called. Nothing is imported for it."""
    state: dict[str, Any] = {
        "the random state of Python": random.getstate(),
        "the filters of warnings": _general(warnings.filters),
        "the handlers of signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "the alarm clock of the process": signal.getitimer(signal.ITIMER_REAL)
        if hasattr(signal, "getitimer")
        else None,
        "the current folder": Path.cwd(),
        "the root logger": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        "the rights of new files": _umask(),
        "where output goes": (sys.stdout, sys.stderr),
    }
    if (numpy := sys.modules.get("numpy")) is not None:
        name, keys, *others = numpy.random.get_state()
        state |= {"the random state of numpy": (name, keys.tobytes(), others), "numpy's errors": numpy.geterr()}
    if (torch := sys.modules.get("torch")) is not None:
        device = torch.get_default_device() if hasattr(torch, "get_default_device") else None
        state |= {
            "the random state of torch": torch.get_rng_state().numpy().tobytes(),
            "torch's number of threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
            "torch's default dtype": torch.get_default_dtype(),
            "torch's default device": str(device),
            "whether torch computes gradients": torch.is_grad_enabled(),
            "whether torch is deterministic": torch.are_deterministic_algorithms_enabled(),
            "whether torch looks for anomalies": torch.is_anomaly_enabled(),
            "torch's precision of products": torch.get_float32_matmul_precision(),
        }
    return state


def _umask() -> int:
    mask = os.umask(0o77)
    os.umask(mask)
    return mask


def _general(filters: Any) -> list[Any]:
    """Return those filters that are for warnings of everybody: any text, module, built-in class."""
    return [entry for entry in filters if entry[1] is None is entry[3] and entry[2].__module__ == "builtins"]


@contextmanager
def _captured() -> Iterator[list[str]]:
    """Collect what is written to standard output and errors, by C code too, for good."""
    output: list[str] = []
    with tempfile.TemporaryFile() as file, io.TextIOWrapper(io.FileIO(file.fileno(), "w", closefd=False)) as stream:
        for number in (1, 2):  # standard output and errors
            os.dup2(file.fileno(), number)
        with redirect_stdout(stream), redirect_stderr(stream):
            yield output
        stream.flush()
        file.seek(0)
        output.append(file.read(_READ).decode(errors="replace"))


def _start_of(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
