"""The small fold files and run files of tests/support."""

from folds import fy, make_builder, make_fy, quiet_machine, same_weights, shared_path
from run_files import session, write

__all__ = ["fy", "make_builder", "make_fy", "quiet_machine", "same_weights", "session", "shared_path", "write"]
