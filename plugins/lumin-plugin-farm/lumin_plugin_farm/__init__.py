"""Where lumin-core trains many models at once.

Example:
    >>> from lumin_plugin_farm import Processes
    >>> with Processes(max_workers=1) as executor:
    ...     print(executor.submit(divmod, 7, 2).result())
    (3, 1)
"""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {"dask": ["Dask"], "processes": ["Processes"]}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
