"""Progress bars: on a terminal and in notebooks, silent elsewhere (logs, pipes, batch farms)."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


def progress_bar(*, total: int, desc: str, unit: str, visible: bool = True) -> Any:
    """Make a progress bar.

    Args:
        total: Number of steps.
        desc: What is going on.
        unit: What a step is.
        visible: Whether it is wanted.

    Returns:
        A ``tqdm`` bar, to be used as a context manager.

    Example:
        >>> from lumin_core.training.progress import progress_bar
        >>> with progress_bar(total=2, desc="Training", unit="fold", visible=False) as bar:
        ...     _ = bar.update()
    """
    if not visible:
        return tqdm(total=total, disable=True)
    if "ipykernel" in sys.modules:
        from tqdm.auto import tqdm as notebook_bar

        return notebook_bar(total=total, desc=desc, unit=unit, leave=False)
    return tqdm(total=total, desc=desc, unit=unit, leave=False, disable=not sys.stderr.isatty())
