"""Reading ahead: one thread reads the next fold while this one is used.

HDF5 reads without Python's lock, so that a second core does it beside the training. What is read is
handed over as it is: all else, such as augmentation, is done by who takes it, in the order in which
it would be done without the thread.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Take things by their number, each of which may have been begun before.

    At the end of the ``with`` block what was begun is waited for, and dropped.

    Args:
        read: Function from a number to what is read.

    Example:
        >>> from lumin_core.data.read_ahead import ReadAhead
        >>> with ReadAhead(lambda number: 10 * number) as ahead:
        ...     ahead.begin(2)  # in a thread
        ...     ahead.take(2), ahead.take(1)
        (20, 10)
    """

    def __init__(self, read: Callable[[int], T]) -> None:
        self._read = read
        self._begun: tuple[int, Future[T]] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lumin reads ahead")  # begins when it is needed

    def begin(self, number: int | None) -> None:
        """Begin to read what is taken next, if that is known."""
        if number is not None:
            self._begun = number, self._thread.submit(self._read, number)

    def take(self, number: int) -> T:
        """Return what has this number, and hold it no longer.

        Raises:
            Exception: What reading it raised, here or in the thread.
        """
        begun, self._begun = self._begun, None
        try:
            return begun[1].result() if begun is not None and begun[0] == number else self._read(number)
        except Exception as error:
            error.add_note(f"while fold {number} was read")
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Leave no thread behind."""
        self._begun = None
        self._thread.shutdown(cancel_futures=True)
