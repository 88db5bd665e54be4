"""Results: what a run of many trainings gives, model by model, and over all of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from lumin_core.checks import is_positive
from lumin_core.display import Displayed, count, whole
from lumin_core.errors import ConfigError
from lumin_core.files import write_json
from lumin_core.runs.result import LISTS, SCHEMA, Result, result_from_json, result_to_json
from lumin_core.statistics import mean_as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from lumin_core.display import Row


_MOST = 50  # models that are shown
_NO_COLUMNS = (*LISTS, "retried")  # what has no place in a cell


class Results(Displayed, Sequence[Result]):
    """What `train_models` gives: a sequence of one dict a model.

    Each has ``loss`` (validation loss), every metric by its label, ``path`` (of the model's file),
    ``history``, and ``cycle_losses`` (validation losses of ``cycle_<k>.safetensors`` beside that
    file, from 1). Losses and metrics are those of the model in that file.

    A training that diverged has the reason as ``failed``, which no other has. Its model is that of
    its last good epoch, or the best of the good ones where `save_best` keeps that; where no epoch
    was good, ``loss``, metrics and ``path`` are ``None``. Such a model enters neither means nor
    rankings. One that was trained again has as ``retried`` its ``seed``, and why it ``failed``
    before.

    Args:
        results: The dicts.
        directions: ``"lower"``, ``"higher"`` or ``"zero"`` by metric; ``loss`` is
            ``"lower"`` anyway.

    Example:
        >>> from lumin_core import Results
        >>> results = Results([{"loss": 0.41}, {"loss": 0.38}, {"loss": 0.40}], {})
        >>> results.best(1)
        [{'loss': 0.38}]
        >>> results
        Results of 3 models
          0: loss 0.41
          1: loss 0.38
          2: loss 0.4
          mean: loss 0.397 ± 0.009
    """

    _is_aligned = False

    def __init__(self, results: Sequence[Result], directions: Mapping[str, str]) -> None:
        self._results = list(results)
        self._directions = {"loss": "lower", **directions}

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> list[Result]: ...
    def __getitem__(self, index: int | slice) -> Result | list[Result]:
        """Give the dict of a model."""
        return self._results[index]

    def __len__(self) -> int:
        """Number of models."""
        return len(self._results)

    def _title(self) -> str:
        n_failed = len(self) - len(self._good())
        return f"Results of {count(len(self), 'model')}" + (f", {n_failed} of which failed" if n_failed else "")

    def _rows(self) -> Iterator[Row]:
        for i, result in enumerate(self._results[:_MOST]):
            yield str(i), self._line(result)
        if len(self) > _MOST:
            yield "...", f"{count(len(self) - _MOST, 'model')} more, which get_df() shows"
        yield "mean", ", ".join(map(whole, self.summary().split(", ")))

    def summary(self) -> str:
        r"""Return the mean of loss and metrics over models and its standard error, as text.

        The error is :math:`s / \sqrt{n}`. The error tells how much another set of as many models
        would differ. It is the spread of trainings and validation folds alone: the models share
        most of their training data. A model whose value is not finite is left out, which is said;
        so is one whose training diverged.
        """
        if not self._good():
            return "none, as all failed"
        return ", ".join(f"{name} {_mean([float(r[name]) for r in self._good()])}" for name in self._names())

    def failures(self) -> dict[int, str]:
        """Return why trainings diverged, by the number of the model.

        Example:
            >>> from lumin_core import Results
            >>> Results([{"loss": 0.4}, {"loss": None, "failed": "..."}], {}).failures()
            {1: '...'}
        """
        return {i: result["failed"] for i, result in enumerate(self._results) if result.get("failed") is not None}

    def _good(self) -> list[Result]:
        return [result for result in self._results if result.get("failed") is None]

    def _line(self, result: Result) -> str:
        values = [whole(f"{name} {result[name]:.5g}") for name in self._names() if result[name] is not None]
        why = result.get("failed")
        return ", ".join(values) if why is None else f"failed: {'; '.join([why, *values])}"

    def _names(self) -> list[str]:
        return [name for name in self._directions if all(name in result for result in self._results)]

    def direction(self, metric: str) -> str:
        """Give what is better for a metric: ``"lower"``, ``"higher"`` or ``"zero"``.

        Raises:
            ConfigError: If the run had no such metric.
        """
        if metric not in self._directions:
            raise ConfigError(f"the run has no metric {metric!r}; it has {', '.join(self._directions)}")
        return self._directions[metric]

    def best(self, size: int, metric: str = "loss") -> list[Result]:
        """Give the best models, the best first, of those whose training did not diverge.

        Args:
            size: How many.
            metric: By what.

        Raises:
            ConfigError: If there are fewer, or the run had no such metric.
        """
        good = self._good()
        if not is_positive(size) or size > len(good):
            failed = f", {len(self) - len(good)} of which failed" if len(good) < len(self) else ""
            raise ConfigError(f"the run has {len(self)} models{failed}, from which {size!r} cannot be taken")
        keys = {"lower": lambda v: v, "higher": lambda v: -v, "zero": abs}
        key = keys[self.direction(metric)]

        def rank(result: Result) -> float:
            value = key(float(result[metric]))
            return math.inf if math.isnan(value) else value

        return sorted(good, key=rank)[:size]

    def get_df(self) -> pd.DataFrame:
        """Give a data frame: a row a model, with loss, metrics and ``path``.

        Where a training diverged, ``failed`` says why.

        Example:
            >>> from lumin_core import Results
            >>> results = Results([{"loss": 0.4, "history": {}}, {"loss": 0.3, "history": {}}], {})
            >>> results.get_df()["loss"].tolist()
            [0.4, 0.3]
        """
        import pandas as pd

        rows = [{key: value for key, value in r.items() if key not in _NO_COLUMNS} for r in self._results]
        return pd.DataFrame(rows).rename_axis("model")

    def save(self, path: Path) -> None:
        """Write ``results.json``; paths in it are relative to its folder.

        Args:
            path: The file.
        """
        results = [result_to_json({**r, "path": _relative(r["path"], path.parent)}) for r in self._results]
        write_json(path, {"schema": SCHEMA, "directions": self._directions, "results": results})

    @classmethod
    def load(cls, path: str | Path) -> Results:
        """Read ``results.json``.

        Args:
            path: The file, or the run's folder.

        Raises:
            ConfigError: If there is none, or it is damaged.
        """
        path = Path(path).expanduser().absolute()  # wherever the process goes later
        path = path / "results.json" if path.is_dir() else path
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["schema"] > SCHEMA:
                raise ValueError(f"schema {content['schema']} is of a later lumin-core, which reads it")
            results = [result_from_json(result) for result in content["results"]]
            for result in results:
                result["path"] = None if result["path"] is None else path.parent / result["path"]
            return cls(results, content["directions"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"cannot read the results {path}: {error}; give the folder of a finished run") from error


def _relative(path: str | Path | None, folder: Path) -> str | None:
    return None if path is None else Path(path).relative_to(folder).as_posix()


def _mean(values: list[float]) -> str:
    n_finite = sum(map(math.isfinite, values))
    left_out = f" (of {n_finite} of {len(values)} models)" if 0 < n_finite < len(values) else ""
    return mean_as_text(values) + left_out
