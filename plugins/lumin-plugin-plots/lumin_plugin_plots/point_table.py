"""The table of working points: how well classifiers do, in numbers, for papers and talks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import pandas as pd

from lumin_core.arguments import explained
from lumin_core.checks import as_list, check_keys, is_number
from lumin_core.errors import ConfigError
from lumin_core.files import naming, write_text
from lumin_core.statistics import value_as_text
from lumin_plugin_plots.bands import N_REPLICAS, sample_band
from lumin_plugin_plots.events import Data, Events, Mask, PredName
from lumin_plugin_plots.roc import RocCurve, roc_curves
from lumin_plugin_plots.taggers import Against, labels, taggers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CAPTION = "The first uncertainty is of the sample, the second the standard deviation over models."


@attrs.frozen(eq=False, repr=False)
class WorkingPoints:
    """A table of working points. Notebooks show it.

    Attributes:
        df: A row per classifier, which is the index, of plain numbers: ``auc``, ``auc_error`` (of
            the sample), ``auc_spread`` (standard deviation over models), the same of
            ``rejection_0.3`` and so on, ``models``, and where they were given ``parameters`` and
            ``seconds``.

    Example:
        >>> from lumin_plugin_plots import working_points
        >>> df = {"pred": [0.1, 0.6, 0.4, 0.9], "gen_target": [0, 0, 1, 1]}
        >>> working_points(df, efficiencies=0.5).df["auc"].tolist()
        [0.75]
    """

    df: pd.DataFrame

    @property
    def header(self) -> list[str]:
        """What stands above the columns of `rows`."""
        titles = {"models": "models", "parameters": "parameters", "seconds": "time [s]"}
        return ["classifier", *(titles.get(name) or _title(name) for name in self._shown())]

    @property
    def rows(self) -> list[list[str]]:
        """The table as text: values with their uncertainties, rounded to the first of them."""
        return [[str(name), *(self._cell(row, column) for column in self._shown())] for name, row in self.df.iterrows()]

    def to_markdown(self) -> str:
        """Return it as a table of Markdown."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        table = "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)
        return f"{table}\n\n{CAPTION}\n"

    def to_latex(self) -> str:
        """Return it as a table of LaTeX, which needs no package."""
        lines = [" & ".join(map(_latex, line)) + r" \\" for line in [self.header, *self.rows]]
        body = "\n".join([r"\hline", lines[0], r"\hline", *lines[1:], r"\hline"])
        columns = "l" + "r" * (len(self.header) - 1)
        return f"% {CAPTION}\n\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}\n"

    def save(self, path: str | Path) -> list[Path]:
        """Write it as CSV, with all digits, as LaTeX and as Markdown.

        Args:
            path: Where to, without an ending: ``"points"`` gives ``points.csv``, ``points.tex`` and
                ``points.md``.

        Returns:
            The files.

        Raises:
            FileError: If one cannot be written.
        """
        with naming(path, ConfigError):
            target = Path(path).expanduser()
        texts = {"csv": self.df.to_csv(index_label="classifier"), "tex": self.to_latex(), "md": self.to_markdown()}
        files = [target.with_name(f"{target.name}.{ending}") for ending in texts]
        for file, text in zip(files, texts.values(), strict=True):
            write_text(file, text)
        return files

    def _shown(self) -> list[str]:
        return [str(name) for name in self.df.columns if not str(name).endswith(("_error", "_spread"))]

    def _cell(self, row: pd.Series, column: str) -> str:
        value = float(row[column])
        if column in ("models", "parameters"):
            return f"{value:.0f}" if np.isfinite(value) else ""
        if column == "seconds":
            return f"{value:.3g}" if np.isfinite(value) else ""
        if not np.isfinite(value):
            return "no background left"
        error, spread = float(row[f"{column}_error"]), float(row[f"{column}_spread"])
        return f"{value:.3g} ± ∞" if np.isinf(error) else value_as_text(value, error, spread)

    def __repr__(self) -> str:
        """Show it as text."""
        return self.to_markdown().rstrip()

    def _repr_html_(self) -> str:
        """Show it as HTML, which notebooks ask for."""
        return pd.DataFrame(self.rows, columns=self.header).to_html(index=False, escape=True)


@explained
def working_points(
    data: Data,
    pred_name: PredName = "pred",
    *,
    targ_name: str = "gen_target",
    wgt_name: str | None = "gen_weight",
    by: str | None = None,
    mask: Mask = None,
    efficiencies: float | Sequence[float] = (0.3, 0.5, 0.7),
    signal: int | None = None,
    against: Against = "rest",
    parameters: Mapping[str, int] | None = None,
    seconds: Mapping[str, float] | None = None,
    n_replicas: int = N_REPLICAS,
    seed: int = 0,
) -> WorkingPoints:
    """Make a table of areas under the ROC curve and rejections at given signal efficiencies.

    Args:
        data: A data frame, a mapping of arrays, or a fold file.
        pred_name: Predictions, as in `plot_roc`.
        targ_name: The truth, as in `plot_roc`.
        wgt_name: Event weights of either sign; ``None`` for one each.
        by: A column of few different values, each of which has rows of its own.
        mask: Which events are taken: a column of Booleans, or an array.
        efficiencies: Signal efficiencies, above 0 and up to 1.
        signal: The class that is the signal, of several; ``None`` for each in turn.
        against: Of several classes ``"rest"``, all others, or ``"one"``, every other.
        parameters: Numbers of parameters (``model.get_param_count()``), by classifier.
        seconds: What a training, or whatever is to be compared, took [s], by classifier.
        n_replicas: Number of replicas of the sample's uncertainty.
        seed: Of the replicas.

    Raises:
        DataError: If a column is missing, or a class has no events or no positive sum of weights.
        ConfigError: If an option is another, or ``parameters`` or ``seconds`` name other
            classifiers.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots import working_points
        >>> truth = np.arange(2000) % 2
        >>> score = np.random.default_rng(1).normal(2 * truth)
        >>> df = {"net": score, "gen_target": truth}
        >>> table = working_points(df, "net", efficiencies=[0.5, 0.7], parameters={"net": 341})
        >>> table.header
        ['classifier', 'AUC', 'rejection at 0.5', 'rejection at 0.7', 'models', 'parameters']
        >>> table.rows
        [['net', '0.920 ± 0.006', '40 ± 10', '14 ± 2', '1', '341']]
    """
    at = _as_efficiencies(efficiencies)
    events = Events(data, mask)
    found = labels(taggers(events, pred_name, targ_name, by=by, signal=signal, against=against))
    classifier_of = {name: tagger.parts["classifier"] for name, tagger in found.items()}
    costs = {"parameters": parameters, "seconds": seconds}
    for what, numbers in costs.items():
        check_keys(numbers or {}, [*classifier_of, *classifier_of.values()], what)
    rocs = roc_curves(found, events.weights(wgt_name), at, n_replicas=n_replicas, seed=seed)
    rows = {}
    for name, roc in rocs.items():
        given = {what: of.get(name, of.get(classifier_of[name], np.nan)) for what, of in costs.items() if of}
        rows[name] = {**_row(roc, at), **given}
    return WorkingPoints(pd.DataFrame.from_dict(rows, orient="index"))


def _row(roc: RocCurve, at: np.ndarray) -> dict[str, float]:
    row = {"auc": roc.area, "auc_error": roc.area_error, "auc_spread": roc.area_spread}
    errors = _errors(roc.of_replicas)
    for i, efficiency in enumerate(at):
        name = f"rejection_{efficiency:g}"
        row |= {name: roc.rejection[i], f"{name}_error": errors[i], f"{name}_spread": roc.spread[i]}
    return {**row, "models": len(roc.of_models)}


def _errors(of_replicas: np.ndarray) -> np.ndarray:
    """Return half the width of the band of 68 %, infinite where it has no upper bound."""
    band = sample_band(of_replicas)
    low, high = band["sample_low"], band["sample_high"]
    is_bounded = np.isfinite(high)
    return np.where(is_bounded, (high - np.where(is_bounded, low, 0.0)) / 2, np.inf)


def _as_efficiencies(efficiencies: float | Sequence[float]) -> np.ndarray:
    values = as_list(efficiencies)
    if not values or not all(is_number(value) and 0 < value <= 1 for value in values):
        raise ConfigError(f"efficiencies must be numbers above 0 and up to 1, got {efficiencies!r}; 30 % is 0.3")
    return np.array(values, dtype=float)


def _title(column: str) -> str:
    return "AUC" if column == "auc" else column.replace("_", " at ")


def _latex(cell: str) -> str:
    special = {
        "\\": r"\textbackslash{}",
        "±": r"$\pm$",
        "∞": r"$\infty$",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
    special |= {character: f"\\{character}" for character in "&%$#_{}"}
    return "".join(special.get(character, character) for character in cell)
