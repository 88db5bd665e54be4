"""Results: what a run of many trainings gives, model by model, and over all of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from lumin_core.checks import is_positive
from lumin_core.errors import ConfigError
from lumin_core.files import write_json
from lumin_core.runs.folder import SCHEMA, Result
from lumin_core.statistics import mean_as_text

if TYPE_CHECKING:
    import pandas as pd


_NO_COLUMNS = ("history", "cycle_losses")  # lists, which have no place in a cell


class Results(Sequence[Result]):
    """What `train_models` gives: a sequence of one dict a model.

    Each has ``loss`` (validation loss), every metric by its label, ``path`` (of the model's file),
    ``history``, and ``cycle_losses`` (validation losses of ``cycle_<k>.safetensors`` beside that
    file, from 1). Losses and metrics are those of the model in that file.

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

    def __repr__(self) -> str:
        """Show a line a model, and the summary."""
        values = [", ".join(f"{name} {result[name]:.5g}" for name in self._names()) for result in self._results]
        lines = [f"  {i}: {line}" for i, line in enumerate(values)]
        noun = "model" if len(self) == 1 else "models"
        return "\n".join([f"Results of {len(self)} {noun}", *lines, f"  mean: {self.summary()}"])

    def summary(self) -> str:
        r"""Return the mean of loss and metrics over models and its standard error, as text.

        The error is :math:`s / \sqrt{n}`. The error tells how much another set of as many models
        would differ. It is the spread of trainings and validation folds alone: the models share
        most of their training data. A model whose value is not finite is left out, which is said.
        """
        return ", ".join(f"{name} {_mean([float(r[name]) for r in self._results])}" for name in self._names())

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
        """Give the best models, the best first.

        Args:
            size: How many.
            metric: By what.

        Raises:
            ConfigError: If there are fewer, or the run had no such metric.
        """
        if not is_positive(size) or size > len(self):
            raise ConfigError(f"the run has {len(self)} models, from which {size!r} cannot be taken")
        keys = {"lower": lambda v: v, "higher": lambda v: -v, "zero": abs}
        key = keys[self.direction(metric)]

        def rank(result: Result) -> float:
            value = key(float(result[metric]))
            return math.inf if math.isnan(value) else value

        return sorted(self._results, key=rank)[:size]

    def get_df(self) -> pd.DataFrame:
        """Give a data frame: a row a model, with loss, metrics and ``path``.

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
        results = [{**r, "path": Path(r["path"]).relative_to(path.parent).as_posix()} for r in self._results]
        write_json(path, {"schema": SCHEMA, "directions": self._directions, "results": results})

    @classmethod
    def load(cls, path: str | Path) -> Results:
        """Read ``results.json``.

        Args:
            path: The file, or the run's folder.

        Raises:
            ConfigError: If there is none, or it is damaged.
        """
        path = Path(path)
        path = path / "results.json" if path.is_dir() else path
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["schema"] > SCHEMA:
                raise ValueError(f"schema {content['schema']} is of a later lumin-core, which reads it")
            results = [{**result, "path": path.parent / result["path"]} for result in content["results"]]
            return cls(results, content["directions"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"cannot read the results {path}: {error}; give the folder of a finished run") from error


def _mean(values: list[float]) -> str:
    n_finite = sum(map(math.isfinite, values))
    left_out = f" (of {n_finite} of {len(values)} models)" if 0 < n_finite < len(values) else ""
    return mean_as_text(values) + left_out
