"""Blocks, losses, the builder that joins them, and the files that hold what it built."""
