"""What became of a model of a run, and how it is written: JSON knows no NaN, which is null there.

A training that diverged has the reason as ``failed``. It ends with its last good epoch, of which
``loss``, metrics and ``path`` are; where no epoch was good, these are ``None``.
"""

from __future__ import annotations

from math import isfinite, nan
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lumin_core.training.fit_params import FitParams

Result = dict[str, Any]
"""What became of a model: numbers by name, ``path``, ``history``, ``cycle_losses``, ..."""

SCHEMA = 1
"""Raised when a key of ``run.json`` or ``results.json`` changes its meaning or goes."""

LISTS = ("history", "cycle_losses")
"""What holds numbers at a depth, rather than one."""

_WORDS = ("path", "failed", "retried")


def result_of(fit_params: FitParams, cycle_losses: list[float]) -> Result:
    """Say how good the model is that a fit ended with.

    Args:
        fit_params: The state of the fit, after its end.
        cycle_losses: The validation losses of the saved cycles.

    Returns:
        The result, without ``path`` unless there is no model.
    """
    failed = {} if fit_params.failed is None else {"failed": fit_params.failed}
    return {**fit_params.reached(), "history": fit_params.history, "cycle_losses": cycle_losses, **failed}


def without_model(fit_params: FitParams) -> Result:
    """Say of a fit that no epoch of it was good.

    Args:
        fit_params: The state of the fit, after its end.
    """
    names = ["loss", *(metric.label for metric in fit_params.metrics), "path"]
    return {**dict.fromkeys(names), "history": fit_params.history, "cycle_losses": [], "failed": fit_params.failed}


def result_to_json(result: Result) -> Result:
    """Return a result as JSON values: null for what is not finite.

    Example:
        >>> from lumin_core.runs.result import result_to_json
        >>> result_to_json({"loss": float("nan"), "cycle_losses": [0.5, float("inf")]})
        {'loss': None, 'cycle_losses': [0.5, None]}
    """
    return cast("Result", _mapped(result, _finite_or_none))


def result_from_json(content: Mapping[str, Any]) -> Result:
    """Return the result that `result_to_json` wrote: NaN for null, where there is a model.

    Args:
        content: The JSON values.

    Example:
        >>> from lumin_core.runs.result import result_from_json
        >>> result_from_json({"loss": None, "path": "model.safetensors"})["loss"]
        nan
        >>> result_from_json({"loss": None, "path": None, "failed": "..."})["loss"] is None
        True
    """
    result = dict(content) | {key: _with_nan(content[key]) for key in LISTS if key in content}
    if result.get("path", ...) is not None:  # there is a model
        result |= {key: _with_nan(value) for key, value in result.items() if key not in _WORDS}
    return result


def _finite_or_none(value: object) -> object:
    return None if isinstance(value, float) and not isfinite(value) else value


def _with_nan(value: object) -> object:
    return _mapped(value, lambda entry: nan if entry is None else entry)


def _mapped(value: object, new: Callable[[object], object]) -> object:
    """Replace values, at any depth of dicts and lists."""
    if isinstance(value, dict):
        return {key: _mapped(entry, new) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(entry, new) for entry in value]
    return new(value)
