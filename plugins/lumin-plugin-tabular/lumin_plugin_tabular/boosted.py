"""What `boosted_tree` gives: trees, predictions out of fold, metrics, and a table of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from lumin_core.checks import check_keys
from lumin_core.display import Displayed
from lumin_core.errors import ConfigError
from lumin_core.statistics import mean_as_text, value_as_text
from lumin_core.training import InputColumns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lumin_core import FoldYielder
    from lumin_core.display import Row

PRED_NAME = "pred_tree"
"""The column for a tree's predictions in a fold file, by which reports know them."""


@attrs.frozen(kw_only=True, eq=False)
class Source:
    """The fold file that trees were trained on.

    Attributes:
        name: Its name.
        identity: What tells its data from others.
        cont_feats: Continuous features.
        cat_feats: Categorical features.
        preprocessing: What it records of inputs and targets.
    """

    name: str
    identity: str
    cont_feats: Sequence[str]
    cat_feats: Sequence[str]
    preprocessing: Mapping[str, object]

    @classmethod
    def of(cls, fy: FoldYielder) -> Source:
        """Take what is to be known of a file."""
        return cls(
            name=fy.foldfile.name,
            identity=fy.identity,
            cont_feats=fy.get_use_cont_feats(),
            cat_feats=fy.get_use_cat_feats(),
            preprocessing=fy.file_schema.preprocessing,
        )

    def check(self, fy: FoldYielder) -> None:
        """Refuse a file that lacks a feature, or records another preprocessing."""
        known = [*fy.get_use_cont_feats(), *fy.get_use_cat_feats()]
        check_keys([*self.cont_feats, *self.cat_feats], known, f"the features of the trees: {fy.foldfile.name}")
        other = fy.file_schema.preprocessing
        if other and self.preprocessing and other != self.preprocessing:
            raise ConfigError(
                f"{fy.foldfile.name} records another preprocessing than {self.name}, which the trees were trained on; "
                "write it with the pipeline of the training"
            )


class BoostedTree(Displayed):
    """Boosted trees of a fold file: out of fold for its own events, their mean for all others.

    Args:
        objective: What they were trained for.
        source: The file.
        trees: By the fold that did not take part in its training: a tree for each target.
        preds: Predictions of all folds of the file, each of shape ``(n, n_out)``.
        values: By metric the value of each of these folds, in the order of `trees`.
        totals: By metric the value of all their events, and its standard error.
        rows: What is to be said of the training.

    Attributes:
        objective: As the argument, as are all others.
        source: The file.
        trees: The trees, scikit-learn's own.
        preds: Predictions.
        values: Metrics of folds.
        totals: Metrics of all events.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder
        >>> from lumin_plugin_tabular import boosted_tree
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="mass") as file:
        ...     for i in range(3):
        ...         file.append(i, inputs=np.arange(90.0)[:, None], targets=np.arange(90.0) // 45)
        >>> tree = boosted_tree(FoldYielder(path), "regression", tree_args={"max_iter": 50})
        >>> tree.predict({"pt": [10.0, 80.0]}).round(1)
        array([[0.],
               [1.]])
        >>> sorted(tree.trees), tree.preds[0].shape
        ([0, 1, 2], (90, 1))
    """

    def __init__(
        self,
        objective: str,
        source: Source,
        trees: Mapping[int, Sequence[Any]],
        preds: Sequence[np.ndarray],
        *,
        values: Mapping[str, Sequence[float]],
        totals: Mapping[str, tuple[float, float]],
        rows: Sequence[Row],
    ) -> None:
        self.objective = objective
        self.source = source
        self.trees = dict(trees)
        self.preds = list(preds)
        self.values = dict(values)
        self.totals = dict(totals)
        self._of_training = list(rows)

    def _title(self) -> str:
        return f"Boosted tree of {self.source.name}"

    def _rows(self) -> Iterator[Row]:
        yield from self._of_training
        for label, (value, error) in self.totals.items():
            of_folds = f"mean of {len(self.trees)} folds {mean_as_text(self.values[label])}"
            yield label, f"{value_as_text(value, error)} out of fold; {of_folds}"

    def predict(self, inputs: object) -> np.ndarray:
        """Predict new events, by the mean of all trees.

        Args:
            inputs: Shape ``(n, F)``, columns in the order of the training, or a data frame, a dict
                of columns, an array of records; NaN where missing.

        Returns:
            Shape ``(n, n_out)``: probabilities of class 1 by target, of each class, or values.

        Raises:
            DataError: If a column is missing, or holds anything but numbers.
            ShapeError: If there are more or fewer columns than features.
        """
        columns = InputColumns.of(inputs, self.source.cont_feats, self.source.cat_feats)
        return mean_answer(self.trees.values(), columns.table(), self.objective)

    def save_pred(self, fy: FoldYielder, pred_name: str = PRED_NAME, *, overwrite: bool = False) -> None:
        """Save predictions as a column of a fold file, where ``lumin report`` finds them.

        Events of the training's own file have those that were made out of fold, other files the
        mean of all trees.

        Args:
            fy: The file.
            pred_name: Name of the column; an earlier prediction of that name is replaced.
            overwrite: Whether a column may be replaced that no prediction wrote.

        Raises:
            ConfigError: If another file lacks a feature, or records another preprocessing.
            FoldFileError: If the file cannot be written.
        """
        preds = self.preds if fy.identity == self.source.identity else self._of_file(fy)
        with fy.writing():
            for number, pred in enumerate(preds):
                values = pred[:, 0] if pred.shape[1] == 1 else pred
                fy.save_fold_pred(values.astype(np.float32), number, pred_name, overwrite=overwrite)

    def _of_file(self, fy: FoldYielder) -> Iterator[np.ndarray]:
        self.source.check(fy)
        feats = [*fy.get_use_cont_feats(), *fy.get_use_cat_feats()]
        wanted = [feats.index(feat) for feat in (*self.source.cont_feats, *self.source.cat_feats)]
        for _, fold in fy.training_folds(range(len(fy))):
            flat = fold["inputs"][0] if isinstance(fold["inputs"], tuple) else fold["inputs"]
            yield mean_answer(self.trees.values(), flat[:, wanted], self.objective)


def mean_answer(trees: Iterable[Sequence[Any]], inputs: np.ndarray, objective: str) -> np.ndarray:
    """Return the mean of what trees answer.

    Args:
        trees: Of several trainings, a tree for each target.
        inputs: Shape ``(n, F)``, NaN where missing.
        objective: What they were trained for.

    Returns:
        Shape ``(n, n_out)``.
    """
    rows = inputs if len(inputs) else np.zeros((1, inputs.shape[1]))  # scikit-learn refuses to answer for none
    found = np.mean([_answer(of_targets, rows, objective) for of_targets in trees], axis=0)
    return np.asarray(found[: len(inputs)])


def _answer(trees: Sequence[Any], inputs: np.ndarray, objective: str) -> np.ndarray:
    if objective == "regression":
        return np.stack([tree.predict(inputs) for tree in trees], axis=1)
    found = [tree.predict_proba(inputs) for tree in trees]
    return np.asarray(found[0]) if objective == "multiclass" else np.stack([each[:, 1] for each in found], axis=1)
