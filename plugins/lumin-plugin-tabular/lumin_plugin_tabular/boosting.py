"""A boosted tree beside the network: the comparison that every referee asks for.

One tree per fold: it is trained on all folds but two, one of which stops it, and asked about the
other. So every event has a prediction by a tree that was neither trained nor stopped on it, and
what is kept together in a fold, as by ``group_key``, is not torn apart.

References:
    J. Friedman, Greedy function approximation: a gradient boosting machine, Ann. Statist. 29 (2001)
    1189.
"""

from __future__ import annotations

from importlib.metadata import version
from time import perf_counter
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from lumin_core import FoldYielder, seeds
from lumin_core.arguments import came, expect, explained
from lumin_core.checks import check_flags, check_keys, check_tables, listed
from lumin_core.display import count, whole
from lumin_core.errors import ConfigError, DataError, option
from lumin_core.model import count_outputs, objective_of
from lumin_core.runs import split_folds
from lumin_core.training import build_metrics, progress_bar, usual_metrics
from lumin_plugin_tabular.boosted import BoostedTree, Source, mean_answer
from lumin_plugin_tabular.tree_events import NEGATIVE, read_folds, scaled_weights
from lumin_plugin_tabular.tree_fit import Sample, categorical, fit_tree
from lumin_plugin_tabular.tree_metrics import evaluated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lumin_core.display import Row
    from lumin_plugin_tabular.tree_events import Negative, TreeFold

DEFAULTS: dict[str, Any] = {"max_iter": 1000, "learning_rate": 0.1, "max_leaf_nodes": 31, "n_iter_no_change": 20}
"""Options of the trees, by scikit-learn's names, that differ from its own or stand in tables."""

_OPTIONS = (*DEFAULTS, "l2_regularization", "max_bins", "max_depth", "max_features", "min_samples_leaf")


@explained
def boosted_tree(
    fy: FoldYielder,
    objective: str,
    *,
    train_on_weights: bool = True,
    balance_classes: bool | str = False,
    negative: Negative = "keep",
    excl_idxs: Sequence[int] | int | None = None,
    metric_partials: object = None,
    tree_args: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> BoostedTree:
    """Train gradient-boosted trees of scikit-learn on a fold file, out of fold.

    There is one tree per fold, of several targets one for each of them. The next fold stops it, the
    rest is its training. Missing values and categories are the tree's to handle; a feature of more
    than 255 categories is taken as a number. A matrix is left out.

    Args:
        fy: The data, at least three folds.
        objective: ``"classification"`` (binary and multi-label), ``"multiclass"``,
            ``"regression"``.
        train_on_weights: Whether the file's weights are used.
        balance_classes: Whether classes have the same weight in the training, as by the callback of
            that name; or a column of the file that holds the weights of the training. Metrics take
            the weights of the file.
        negative: What is done with negative weights in the training: ``"keep"`` takes them as they
            are, ``"abs"`` their absolute values, ``"drop"`` leaves these events out.
        excl_idxs: Folds to leave out of the training; the mean of all trees predicts them.
        metric_partials: Metrics, as for `train_models`; by default the usual one of the objective.
        tree_args: Options of the trees, by scikit-learn's names: ``max_iter`` (1000),
            ``learning_rate`` (0.1), ``max_leaf_nodes`` (31), ``n_iter_no_change`` (20),
            ``l2_regularization``, ``max_bins``, ``max_depth``, ``max_features``,
            ``min_samples_leaf``.
        seed: Of the trees.

    Returns:
        The trees, with their predictions and metrics; `BoostedTree.save_pred` writes the column.

    Raises:
        ConfigError: If there are fewer than three folds, or an option is unknown.
        DataError: If there are no targets, or such as the objective does not take, a class is
            missing in the training of a tree, or weights do not have a positive sum.
        ShapeError: If there are no flat inputs.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder
        >>> from lumin_plugin_tabular import boosted_tree
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> rng = np.random.default_rng(1)
        >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="is_signal") as file:
        ...     for i in range(3):
        ...         pt = rng.normal(size=(200, 1))
        ...         file.append(i, inputs=pt, targets=(pt[:, 0] > 0).astype(int))
        >>> fy = FoldYielder(path)
        >>> tree = boosted_tree(fy, "classification", tree_args={"max_iter": 20}, seed=1)
        >>> tree.save_pred(fy)
        >>> fy.get_column("pred_tree").shape, tree.predict([[0.5]]).round(1)
        ((600,), array([[0.9]]))
    """
    start = perf_counter()
    expect(fy, FoldYielder, "fy")
    check_tables(tree_args=tree_args)
    options = {**DEFAULTS, **(tree_args or {})}
    check_keys(options, _OPTIONS, "tree_args")
    objective = objective_of(objective)
    _check_weighting(fy, objective, balance_classes, negative, train_on_weights=train_on_weights)
    plans = _plans(fy, excl_idxs)
    metrics = build_metrics(usual_metrics(objective) if metric_partials is None else metric_partials)
    n_out = count_outputs(fy, objective)
    column = balance_classes if isinstance(balance_classes, str) else None
    folds = read_folds(fy, negative=negative, column=column, train_on_weights=train_on_weights)
    fitting = _Fitting(
        objective=objective,
        n_classes={"classification": 2, "multiclass": n_out}.get(objective),
        targ_feats=fy.targ_feats,
        options=options,
        codes=categorical([fold.inputs for fold in folds], len(fy.get_use_cont_feats())),
        by_class=balance_classes is True,
        seed=seeds.check(seed),
    )
    for number, fold in enumerate(folds):
        fitting.check_targets(fold.targets, number)
    trees: dict[int, tuple[Any, ...]] = {}
    with progress_bar(total=len(plans), desc="Boosted trees", unit="tree") as bar:
        for asked, (train, stop) in plans.items():
            trees[asked] = fitting.trees(folds, asked, train, stop)
            bar.update()
    preds = [
        mean_answer([trees[i]] if i in trees else trees.values(), fold.inputs, objective)
        for i, fold in enumerate(folds)
    ]
    found = {metric.label: evaluated(metric, fy, folds, {i: preds[i] for i in trees}, objective) for metric in metrics}
    rows = [
        *_said(fy, trees, fitting),
        ("weights", _weights_said(fy, folds, balance_classes, negative, train_on_weights=train_on_weights)),
        ("seconds", f"{perf_counter() - start:.1f}"),
    ]
    return BoostedTree(
        objective,
        Source.of(fy),
        trees,
        preds,
        values={label: of_folds for label, (of_folds, *_) in found.items()},
        totals={label: (value, error) for label, (_, value, error) in found.items()},
        rows=rows,
    )


def _check_weighting(
    fy: FoldYielder, objective: str, balance_classes: object, negative: object, *, train_on_weights: bool
) -> None:
    """Refuse options of weights that are none, or contradict each other."""
    check_flags(train_on_weights=train_on_weights)
    if negative not in NEGATIVE:
        raise ConfigError(f"negative must be one of {', '.join(NEGATIVE)}, got {came(negative)}")
    if not isinstance(balance_classes, bool | str):
        raise ConfigError(f"balance_classes must be True, False, or a column of weights, got {came(balance_classes)}")
    if balance_classes and not train_on_weights:
        off = option("train_on_weights", on=False)
        raise ConfigError(f"balance_classes weights events, which {off} ignores; leave one of them out")
    if balance_classes is True and (objective == "regression" or len(fy.targ_feats) > 1):
        raise ConfigError(
            f"{option('balance_classes')} balances the classes of one target; for anything else write the weights "
            "into a column of the file, and name that instead"
        )


def _plans(fy: FoldYielder, excl_idxs: Sequence[int] | int | None) -> dict[int, tuple[list[int], int]]:
    """Choose for each fold that is asked about its training folds, and the fold that stops it."""
    split = split_folds(fy, len(fy), excl_idxs)
    plans = {}
    for others, asked in split:
        after = [i for i in others if i > asked] or others
        plans[asked] = [i for i in others if i != after[0]], after[0]
    if len(plans) < 3:
        raise ConfigError(
            "a boosted tree needs three folds, one to learn, one to stop it, one to be asked about, but "
            f"{len(plans)} of {len(fy)} are left; cut the file into more"
        )
    return plans


@attrs.frozen(kw_only=True)
class _Fitting:
    """How each tree is fitted.

    Attributes:
        objective: For what.
        n_classes: Of a target; ``None`` for values.
        targ_feats: Names of the targets.
        options: Of scikit-learn's class.
        codes: Columns that hold categories.
        by_class: Whether classes are balanced.
        seed: Of all trees.
    """

    objective: str
    n_classes: int | None
    targ_feats: Sequence[str]
    options: Mapping[str, Any]
    codes: Sequence[int]
    by_class: bool
    seed: int

    def check_targets(self, targets: np.ndarray, number: int) -> None:
        """Refuse targets of a classification that are not 0 and 1."""
        if self.objective == "classification" and (wrong := targets[(targets != 0) & (targets != 1)]).size:
            raise DataError(
                f"targets of a boosted tree's classification must be 0 or 1, got {wrong[0]:g} in fold {number}; use "
                "objective='multiclass' for more classes, 'regression' for values"
            )

    def trees(self, folds: Sequence[TreeFold], asked: int, train: Sequence[int], stop: int) -> tuple[Any, ...]:
        """Fit the trees of a fold, one for each target."""
        used = {i: folds[i] for i in (*train, stop)}
        weights = scaled_weights(used, train, by_class=self.by_class)
        if not weights[stop].sum() > 0:
            raise DataError(
                f"the weights of fold {stop} sum to {weights[stop].sum():g}, and it is to stop the tree of fold "
                f"{asked}; write the file with fewer folds, or have negative weights taken as 'abs'"
            )
        inputs = np.concatenate([folds[i].inputs for i in train])
        learnt_weights = np.concatenate([weights[i] for i in train])
        trees = []
        for k, feat in enumerate(self.targ_feats):
            learnt = Sample(inputs, np.concatenate([folds[i].targets[:, k] for i in train]), learnt_weights).used()
            self._check_classes(learnt, feat, asked)
            stopping = Sample(folds[stop].inputs, folds[stop].targets[:, k], weights[stop])
            seed = seeds.seed_of(self.seed, "boosted tree", asked, k) % 2**32
            trees.append(
                fit_tree(
                    learnt,
                    stopping,
                    is_class=self.n_classes is not None,
                    options=self.options,
                    categorical=self.codes,
                    seed=seed,
                )
            )
        return tuple(trees)

    def _check_classes(self, learnt: Sample, feat: str, asked: int) -> None:
        """Refuse a training that lacks a class."""
        if self.n_classes is None:
            return
        there = np.unique(learnt.targets)
        if lacking := sorted({*range(max(self.n_classes, 2))} - {*there.tolist()}):
            raise DataError(
                f"no event of the class {lacking[0]} of {feat!r} has a weight in the training of the tree of fold "
                f"{asked}; a classification needs all classes there: write the file with strat_key={feat!r}"
            )


def _said(fy: FoldYielder, trees: Mapping[int, Sequence[Any]], fitting: _Fitting) -> Iterator[Row]:
    """Say what trees there are, of which options and inputs."""
    sizes = [tree.n_iter_ for of_fold in trees.values() for tree in of_fold]
    each = f", one for each of {len(fitting.targ_feats)} targets" if len(fitting.targ_feats) > 1 else ""
    excluded = len(fy) - len(trees)
    left_out = f"; {count(excluded, 'fold')} left out, predicted by their mean" if excluded else ""
    how_long = f"{min(sizes)} to {max(sizes)} iterations"
    yield "trees", f"{len(trees)}, one per fold{each}, of {how_long}{left_out}; scikit-learn {version('scikit-learn')}"
    yield "options", ", ".join(whole(f"{name} {value}") for name, value in fitting.options.items())
    n_cont, feats = len(fy.get_use_cont_feats()), [*fy.get_use_cont_feats(), *fy.get_use_cat_feats()]
    many = [feat for i, feat in enumerate(feats) if i >= n_cont and i not in fitting.codes]
    as_numbers = f"; as numbers, of too many codes: {listed(many)}" if many else ""
    matrix = "; without the matrix" if fy.has_matrix else ""
    yield "inputs", f"{len(feats)}, {len(fitting.codes)} of which categories{as_numbers}{matrix}"


def _weights_said(
    fy: FoldYielder,
    folds: Sequence[TreeFold],
    balance_classes: bool | str,
    negative: Negative,
    *,
    train_on_weights: bool,
) -> str:
    """Say what the training took for weights."""
    if isinstance(balance_classes, str):
        said = f"the column {balance_classes!r}"
    elif fy.wgt_feat is None or not train_on_weights:
        said = "one each"
    else:
        said = f"of the file ({fy.wgt_feat!r})"
    said += ", classes balanced" if balance_classes is True else ""
    share = float(np.mean(np.concatenate([fold.is_negative for fold in folds])))
    return f"{said}; negative ones ({share:.1%} of the events) {NEGATIVE[negative]}" if share else said
