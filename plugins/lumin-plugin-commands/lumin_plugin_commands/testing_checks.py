"""Checks of tables of run files, for `lumin_core.testing`."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from lumin_core.errors import ConfigError
from lumin_core.testing import Check, CheckFailed, NotApplicable
from lumin_plugin_commands.run_tables import FLAT

if TYPE_CHECKING:
    from lumin_core.testing import Subject

_OURS = ("data", "model", "train", "ensemble")


def check_run_table_keys(subject: Subject) -> None:
    """Its keys are arguments that TOML can hold, by name."""
    keys = subject.target.get_keys()
    if wrong := [name for name, key in keys.items() if name != key.name or not name.isidentifier()]:
        raise CheckFailed(f"expected keys by their names from get_keys(), got {', '.join(wrong)}")


def check_run_table_gives(subject: Subject) -> None:
    """`gives` lists keys of the run file, which are not the table's own."""
    gives = subject.target.gives
    known = {name for table in FLAT.values() for name in table.get_keys()} | {"fy", "model_builder"}
    if not isinstance(gives, tuple) or not set(gives) <= known:
        raise CheckFailed(f"expected gives = (...) of {', '.join(sorted(known))}, got {gives!r}")


def check_run_table_arguments(subject: Subject) -> None:
    """`arguments` returns a dict of what it gives, and leaves the values that it is given as they are."""
    if subject.name.rpartition("/")[2] in _OURS:
        raise NotApplicable("its keys are those of the functions that do the work")
    values: dict[str, Any] = {"n_models": 1, "bs": 8, "n_epochs": 1, "metric_partials": None}
    before = copy.deepcopy(values)
    try:
        given = subject.make().arguments(values)
    except ConfigError as error:
        raise NotApplicable(f"it refuses the values of the example: {error}") from error
    if not isinstance(given, dict) or (subject.target.gives and not set(subject.target.gives) <= given.keys()):
        raise CheckFailed(
            f"expected a dict with {', '.join(subject.target.gives) or 'what it gives'}, got {given!r:.100}"
        )
    if values != before:
        raise CheckFailed(
            "expected the given values unchanged, but arguments() changed them; return a dict of your own"
        )


CHECKS = (Check(check_run_table_keys), Check(check_run_table_gives), Check(check_run_table_arguments))
