"""Who uses a network: the one thread that fits it or sets its weights, or any number that ask it.

Dropout and batch norm go by a mode that belongs to the network, not to a thread. Outside of a fit
that is evaluation, which nobody has to switch; in a fit it changes from fold to fold, so that no
other thread is let in. What a caller has put into training mode by hand is asked in evaluation
mode, and put back when the last who asks is done.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lumin_core.errors import ConfigError, TrainingFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn


class Use:
    """The threads that fit or ask a network. Copies, pickled ones too, have no user yet.

    Example:
        >>> from lumin_core.training.use import Use
        >>> use = Use()
        >>> with use.fitting(), use.asking([]):  # a callback may ask in the thread of the fit
        ...     pass
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fitting: list[int] = []  # the thread, once for each block that it is in
        self._asking: list[int] = []
        self._switched: list[nn.Module] = []

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """Keep other threads out, inside the block; blocks of one thread may be nested.

        Raises:
            ConfigError: If another thread fits or asks the network.
        """
        here = threading.get_ident()
        with self._lock:
            self._refuse_beside_a_fit(here)
            if set(self._asking) - {here}:
                raise ConfigError(
                    "the model is being asked in another thread, whose predictions a fit would change; "
                    "wait until that is done"
                )
            self._fitting.append(here)
        try:
            yield
        finally:
            with self._lock:
                self._fitting.remove(here)

    @contextmanager
    def asking(self, parts: Sequence[nn.Module]) -> Iterator[None]:
        """Have modules in evaluation mode, inside the block; any number of threads may be in one.

        Args:
            parts: Network and loss, say.

        Raises:
            ConfigError: If another thread fits the network.
        """
        here = threading.get_ident()
        with self._lock:
            self._refuse_beside_a_fit(here)
            self._asking.append(here)
            in_fit = bool(self._fitting)
            switched = _evaluated(parts)
            if not in_fit:
                self._switched += switched
        try:
            yield
        finally:
            with self._lock:
                self._asking.remove(here)
                if not in_fit:
                    switched = [] if self._asking else self._switched
                for module in switched:
                    module.training = True
                switched.clear()

    def _refuse_beside_a_fit(self, here: int) -> None:
        if set(self._fitting) - {here}:
            raise ConfigError(
                "the model is being trained in another thread, in which its mode and weights change all the time; "
                "wait until the fit is done, or ask a copy: save the model in a callback, and load it with from_save"
            )

    def __reduce__(self) -> tuple[type[Use], tuple[()]]:
        """Copy and pickle as one without users."""
        return Use, ()


def _evaluated(parts: Sequence[nn.Module]) -> list[nn.Module]:
    """Put modules into evaluation mode, and return those that were not."""
    switched = [module for part in parts for module in part.modules() if module.training]
    if switched:
        for part in parts:
            part.eval()
    return switched


_fits = threading.RLock()


@contextmanager
def only_fit() -> Iterator[None]:
    """Refuse fits of other threads, of whatever network, inside the block.

    Raises:
        TrainingFailed: If another thread is inside.
    """
    if not _fits.acquire(blocking=False):
        raise TrainingFailed(
            "another model is being trained in a thread of this process, with which it would share torch's random "
            "numbers, so that neither would be what its seed makes it; train one after the other, or in processes: "
            "train_models(..., executor='processes')"
        )
    try:
        yield
    finally:
        _fits.release()
