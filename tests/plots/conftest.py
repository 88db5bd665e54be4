"""The small fold files of tests/support."""

from folds import make_builder, make_fy, quiet_machine

__all__ = ["make_builder", "make_fy", "quiet_machine"]
