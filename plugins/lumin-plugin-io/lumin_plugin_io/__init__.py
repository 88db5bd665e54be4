"""ROOT, Parquet and CSV files to the fold files of lumin-core and back, streamed."""

from __future__ import annotations

from lumin_core import lazy

_HOMES: dict[str, list[str]] = {"expression": ["Expression"]}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
