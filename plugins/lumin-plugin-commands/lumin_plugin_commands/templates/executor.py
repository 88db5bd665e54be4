"""An executor: where the models of a run are trained side by side."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


class ExampleExecutor(ProcessPoolExecutor):
    """Fresh processes of this machine.

    Args:
        max_workers: How many models are trained at once.

    Example:
        >>> from lumin_core import build
        >>> with build("executor", {"name": "example_executor", "max_workers": 2}) as executor:
        ...     future = executor.submit(abs, -3)
        >>> future.result()
        3
    """

    def __init__(self, max_workers: int = 1) -> None:
        super().__init__(max_workers, mp_context=get_context("spawn"))
