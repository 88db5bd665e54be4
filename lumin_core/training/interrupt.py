"""Ctrl-C: the first ends a fit after its batch and loses nothing, the second ends it at once."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from lumin_core.errors import option
from lumin_core.training.progress import say

if TYPE_CHECKING:
    from types import FrameType

    from lumin_core.training.checkpoint import Checkpoints
    from lumin_core.training.fit_params import FitParams


class Interrupted(Exception):
    """Raised by the loop after the batch in which Ctrl-C came."""


class CtrlC:
    """Note the first Ctrl-C, inside the block; a second raises `KeyboardInterrupt` there and then.

    Signals reach the main thread alone: in another one, or where somebody handles them already,
    nothing is changed, and `stop_fits` does what the first Ctrl-C would.

    Attributes:
        asked: Whether Ctrl-C came.

    Example:
        >>> from lumin_core.training.interrupt import CtrlC
        >>> with CtrlC() as ctrl_c:
        ...     ctrl_c.asked
        False
    """

    def __init__(self) -> None:
        self.asked = False
        self._installed = False

    def __enter__(self) -> CtrlC:
        """Take over from Python's own handler."""
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._installed = True
        _inside.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Give back."""
        _inside.remove(self)
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            signal.default_int_handler(number, frame)
        self.asked = True
        say("Ctrl-C: stopping after this batch; once more stops at once")


_inside: list[CtrlC] = []


def stop_fits() -> None:
    """End the fits of this process after their batch, in whatever thread, as Ctrl-C does.

    Example:
        >>> from lumin_core.training import stop_fits
        >>> stop_fits()
    """
    for ctrl_c in list(_inside):
        ctrl_c.asked = True


def keep_interrupted(fit: FitParams, checkpoints: Checkpoints | None) -> str:
    """Save the model of a fit that was interrupted.

    Args:
        fit: The state of the fit.
        checkpoints: Those that the fit keeps, if it does.

    Returns:
        What happened, and how to go on.
    """
    path = fit.model.save(fit.cb_savepath / "interrupted")
    where = f"interrupted in epoch {fit.epoch} of {fit.n_epochs}, after batch {fit.batch} of {fit.n_batches}"
    if checkpoints is None:
        way = f"a fit with {option('resume')} keeps checkpoints, from which it can go on"
    else:
        way = f"the same call with {option('resume')} goes on after epoch {fit.epoch - 1}, the last whole one"
    return f"{where}; the model as it is was saved as {path}; {way}"
