"""Is it the same run? What may have changed where a run goes on, and what may not.

Records are compared as plain values, by `lumin_core.training.sameness`.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lumin_core.errors import ConfigError, option
from lumin_core.training import sameness
from lumin_core.training.fitting import build_callbacks

if TYPE_CHECKING:
    from collections.abc import Sequence

Record = dict[str, Any]
"""What ``run.json`` holds: JSON values."""

_log = logging.getLogger(__name__)

_OBJECTS = "its augmentations are objects"


def grown_to(recorded: Record, given: Record, callbacks: Sequence[object], folder: Path) -> Record:
    """Return the record of a run that goes on as is asked for, or refuse that it is another.

    Args:
        recorded: What ``run.json`` says.
        given: What it would say now.
        callbacks: Specs of those of the run, among which schedules may refuse more epochs.
        folder: Where the run is, for messages.

    Raises:
        ConfigError: If it is another run, or was laid over fewer epochs.
    """
    for name, was, now in sameness.differences(recorded.get("versions"), given.get("versions")):
        _log.warning("the run in %s was begun with %s %s and goes on with %s", folder, name, was, now)
    grown = continued(recorded, given)
    if longer := "n_epochs" in recorded and given["n_epochs"] > recorded["n_epochs"]:
        grown["n_epochs"] = given["n_epochs"]
    if differ := differences(grown, given):
        raise ConfigError(
            f"{option('resume')} goes on with the run in {folder}, which is another:\n{differ}\n"
            "give these as they were, or choose another savepath"
        )
    if longer:
        sameness.check_longer(build_callbacks(callbacks), recorded["n_epochs"], given["n_epochs"])
    return grown


def differences(recorded: Record, given: Record) -> str:
    """Compare two records of a run; versions and the place of the fold file may differ.

    Args:
        recorded: What ``run.json`` says. What it does not say, as one of an earlier version of
            this package, is not compared.
        given: What it would say now.

    Returns:
        What differs, a line for each key; empty where nothing does.

    Example:
        >>> from lumin_core.runs.same_run import differences
        >>> differences({"seed": 1, "bs": 8}, {"seed": 1, "bs": 16, "more": 3})
        '  bs was 8, is 16'
    """
    known = {key: value for key, value in json.loads(json.dumps(given)).items() if key in recorded}
    pairs = sameness.differences(_comparable(recorded), _comparable(known))
    return "\n".join(f"  {name} was {_short(was)}, is {_short(now)}" for name, was, now in pairs)


def continued(recorded: Record, given: Record) -> Record:
    """Return the record of a run as it grows to what is given, as far as it may.

    Models may be added, data be moved to the device in another way, and the fold file be elsewhere.

    Args:
        recorded: What ``run.json`` says.
        given: What it would say now.

    Example:
        >>> from lumin_core.runs.same_run import continued
        >>> was = {"n_models": 1, "folds": [0], "seed": 1}
        >>> continued(was, {"n_models": 2, "folds": [0, 1], "seed": 2})
        {'n_models': 2, 'folds': [0, 1], 'seed': 1}
    """
    may_differ = ["foldfile", "bulk_move"]
    if _OBJECTS in str(recorded.get("opened")):  # an earlier version did not know how they were given
        may_differ.append("opened")
    grown = {**recorded, **{key: given[key] for key in may_differ if key in recorded and key in given}}
    n_models = recorded.get("n_models", 0)
    if "folds" in recorded and given.get("n_models", 0) > n_models:
        grown |= {"n_models": given["n_models"], "folds": [*recorded["folds"], *given["folds"][n_models:]]}
    return grown


def _comparable(config: Record) -> Record:
    """Leave out versions, and the folder of the fold file, which may have moved with the run."""
    kept = {key: value for key, value in config.items() if key != "versions"}
    return {**kept, "foldfile": Path(str(config.get("foldfile"))).name}


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
