"""Names that do not exist are errors; were one not, the comment that expects it would be."""

from lumin_core import Modle  # type: ignore[attr-defined]
from lumin_core.data import FoldYeilder  # type: ignore[attr-defined]
from lumin_plugin_callbacks import EarlyStoping  # type: ignore[attr-defined]

__all__ = ["EarlyStoping", "FoldYeilder", "Modle"]
