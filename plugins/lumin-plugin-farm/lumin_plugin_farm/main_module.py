"""The main module of a process that starts workers: what they will import of it, and what not.

`multiprocessing` has every new process import the script that started it. One that would start
workers as it is imported is found out there; one that came from standard input, a notebook or the
prompt is in no file, and is not imported at all.
"""

from __future__ import annotations

import multiprocessing
import sys
from typing import TYPE_CHECKING

from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from types import FrameType

STARTS_AGAIN = 78
"""Exit code of a worker whose script would start workers."""


def may_start_workers() -> None:
    """Refuse to start workers where none may be started, and end a worker that would start them.

    Raises:
        SystemExit: In a worker that imports the script of who started it, which says why: in place
            of workers of workers without end.
        ConfigError: In a daemon of `multiprocessing`.
    """
    imported = sys.modules.get("__mp_main__")  # the name that multiprocessing gives the script there
    if imported is not None and imported is not sys.modules["__main__"]:
        raise SystemExit(STARTS_AGAIN)
    refuse_daemon()


def refuse_daemon() -> None:
    """Refuse a process that may not start others.

    Raises:
        ConfigError: In a daemon of `multiprocessing`.
    """
    if multiprocessing.current_process().daemon:
        raise ConfigError(
            f"this process, {multiprocessing.current_process().name}, is a daemon of multiprocessing, which may not "
            "start others: leave executor out, or start it with daemon=False (a Dask worker: "
            "dask.config.set({'distributed.worker.daemon': False}))"
        )


def is_file() -> bool:
    """Tell whether workers can import the main module."""
    main = sys.modules["__main__"]
    if getattr(getattr(main, "__spec__", None), "name", None) is not None:
        return True
    path = getattr(main, "__file__", None)
    return path is not None and not path.startswith("<")  # "<stdin>"


def forget_no_file() -> None:
    """Have workers import no main module that is in no file: Python calls standard input one."""
    main = sys.modules["__main__"]
    if not is_file() and hasattr(main, "__file__"):
        del main.__file__


def script() -> str:
    """Name the script that workers will import, and the line of it that is at work."""
    frame: FrameType | None = sys._getframe()
    while frame and (frame.f_code.co_name, frame.f_globals.get("__name__")) != ("<module>", "__main__"):
        frame = frame.f_back
    if frame is None:
        return f"{getattr(sys.modules['__main__'], '__file__', 'the script')}, which"
    return f"{frame.f_code.co_filename}, whose line {frame.f_lineno}"


def starts_again(where: str) -> str:
    """Say why a worker ended as it imported a script.

    Args:
        where: What `script` gave.
    """
    return (
        f"every worker imports {where} would start workers again; "
        'put what the script does below the line   if __name__ == "__main__":'
    )
