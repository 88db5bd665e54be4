"""The small fold files and saved models of tests/support."""

from folds import fy, make_builder, make_fy, quiet_machine, same_weights, shared_path
from saved import saved, trained

__all__ = ["fy", "make_builder", "make_fy", "quiet_machine", "same_weights", "saved", "shared_path", "trained"]
