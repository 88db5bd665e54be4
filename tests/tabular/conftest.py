"""The small fold files of tests/support."""

from folds import fy, make_builder, make_fy, quiet_machine, same_weights, shared_path

__all__ = ["fy", "make_builder", "make_fy", "quiet_machine", "same_weights", "shared_path"]
