"""Run files, and the commands ``train``, ``predict``, ``info`` and ``check``.

A run file is a training written down in TOML. Its tables are components of the kind
``run_tables``, to which other plugins add theirs.

Example:
    >>> from lumin_plugin_commands import RunFile
    >>> try:
    ...     RunFile.load("no_such_file.toml")
    ... except ValueError as error:
    ...     print(error)
    cannot read the run file no_such_file.toml: No such file or directory; give a TOML file
"""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "run_file": ["RunFile"],
    "run_keys": ["Key", "keys_of"],
    "run_tables": ["RunTable"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
