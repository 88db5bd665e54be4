"""Pipelines of preprocessing steps: made, fitted to data frames, saved as JSON.

Nothing is pickled.
"""

from __future__ import annotations

import copy
import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

import numpy as np

from lumin_core.arguments import explained
from lumin_core.checks import as_list, check_names, listed
from lumin_core.data import (
    Transform,
    apply_chain,
    as_chain,
    as_frame,
    as_numbers,
    chain_from_config,
    chain_to_config,
    invert_chain,
)
from lumin_core.errors import ConfigError, DataError
from lumin_core.files import Staged
from lumin_plugin_tabular.categories import check_column
from lumin_plugin_tabular.estimated import check_values
from lumin_plugin_tabular.scaling import PCA, StandardScaler

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    Array = np.ndarray

FORMAT = 1


class _Weighted(Protocol):
    def fit(self, x: Array, *, sample_weight: Array) -> object: ...


class Chain(list[Transform]):
    """Steps one behind the other; without steps the identity. A yielder takes it as a pipeline.

    Attributes:
        feats: Names of the columns that it was fitted to, where these had names; ``None`` when it
            was read from a file. Data frames of other columns are refused.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_tabular import Chain, StandardScaler
        >>> chain = Chain([StandardScaler()]).fit(np.array([[1.0], [3.0]]))
        >>> chain.inverse_transform(chain.transform(np.array([[4.0]])))
        array([[4.]])
    """

    feats: list[str] | None = None

    def fit(self, x: Array, sample_weight: Array | None = None) -> Self:
        """Fit each step to what those before it give.

        Args:
            x: Shape ``(n, F)``.
            sample_weight: Weights of the events, shape ``(n,)``.

        Returns:
            Itself.

        Raises:
            ConfigError: If there are weights and a step takes none.
        """
        x = as_numbers(x, "the data")
        for step in self:
            if sample_weight is None:
                step.fit(x)
            elif "sample_weight" in inspect.signature(step.fit).parameters:
                cast("_Weighted", step).fit(x, sample_weight=sample_weight)
            else:
                msg = f"{type(step).__name__} cannot be fitted to weighted events: leave out the weights, or the step"
                raise ConfigError(msg)
            x = apply_chain([step], x)
        return self

    def transform(self, x: Array) -> Array:
        """Transform data of shape ``(n, F)``.

        Raises:
            DataError: If a data frame has other columns than it was fitted to, or in another order.
        """
        self._check_columns(x)
        return apply_chain(self, x)

    def inverse_transform(self, x: Array) -> Array:
        """Undo `transform`."""
        return invert_chain(self, x)

    def _check_columns(self, x: object) -> None:
        names = [*map(str, getattr(x, "columns", ()))]
        if names and self.feats and names != self.feats:
            msg = f"the pipeline was fitted to {listed(self.feats)}, in this order, got {listed(names)}"
            raise DataError(f"{msg}: pass df[cont_feats]")

    def save(self, path: str | Path) -> Path:
        """Write the steps and what they learned as JSON.

        Args:
            path: The file; ``.json`` is added where it is missing. It is written whole
                or not at all.

        Returns:
            The path.

        Raises:
            ConfigError: If a step has no registered name.
        """
        text = json.dumps({"format": FORMAT, "steps": chain_to_config(self)}, allow_nan=False)
        staged = Staged(_json_path(path))
        with staged as part:
            part.write_text(text, encoding="utf-8")
        return staged.path


def load_pipe(path: str | Path) -> Chain:
    """Read a pipeline that `Chain.save` or a ``savename`` has written.

    Args:
        path: The file, with or without ``.json``.

    Returns:
        The chain.

    Raises:
        DataError: If it cannot be read, or is something else.
        UnknownComponent: If the plugin that has a step is not installed.

    Example:
        >>> import tempfile
        >>> from lumin_plugin_tabular import Chain, StandardScaler, load_pipe
        >>> saved = (
        ...     Chain([StandardScaler()])
        ...     .fit([[1.0], [3.0]])
        ...     .save(tempfile.mkdtemp() + "/input_pipe")
        ... )
        >>> load_pipe(saved).transform([[4.0]])
        array([[2.]])
    """
    path = _json_path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found, steps = content["format"], content["steps"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        msg = f"cannot read a pipeline from {path}: {error!r}; expected JSON of Chain.save (pickles are not read)"
        raise DataError(msg) from error
    if found != FORMAT or not isinstance(steps, list):
        msg = f"{path} has format {found!r}, expected {FORMAT}: upgrade lumin-plugin-tabular"
        raise DataError(msg)
    return Chain(chain_from_config(steps))


def from_sklearn(pipeline: object) -> Chain:
    """Convert a pipeline, or one step, of scikit-learn, fitted or not.

    Args:
        pipeline: Steps of the classes ``StandardScaler``, ``PCA``, and those that other installed
            transforms know.

    Returns:
        The same as a chain; the pipeline is not referred to.

    Raises:
        ConfigError: If a step is of another class.

    Example:
        >>> from sklearn import pipeline, preprocessing
        >>> from lumin_plugin_tabular import from_sklearn
        >>> theirs = pipeline.make_pipeline(preprocessing.StandardScaler()).fit([[1.0], [3.0]])
        >>> from_sklearn(theirs).transform([[4.0]])
        array([[2.]])
    """
    return Chain(as_chain(pipeline))


def get_pre_proc_pipes(
    norm_in: bool = True,
    norm_out: bool = False,
    pca: bool = False,
    whiten: bool = False,
    with_mean: bool = True,
    with_std: bool = True,
    n_components: int | None = None,
) -> tuple[Chain, Chain]:
    """Make pipelines for inputs and targets, to be fitted.

    Args:
        norm_in: Whether to standardise inputs.
        norm_out: Whether to standardise targets.
        pca: Whether to rotate inputs to principal components, before they are standardised.
        whiten: Whether to scale the components to variance 1.
        with_mean: Whether standardising shifts to mean 0.
        with_std: Whether standardising scales to standard deviation 1.
        n_components: How many components to keep; all by default.

    Returns:
        The pipeline for inputs and that for targets; where nothing is asked for, a chain
        without steps.

    Raises:
        ConfigError: If ``whiten`` or ``n_components`` is set without ``pca``.

    Example:
        >>> from lumin_plugin_tabular import get_pre_proc_pipes
        >>> input_pipe, output_pipe = get_pre_proc_pipes(pca=True)
        >>> [type(step).__name__ for step in input_pipe], output_pipe
        (['PCA', 'StandardScaler'], [])
    """
    if not pca and (whiten or n_components is not None):
        msg = f"whiten and n_components belong to pca: set pca=True, got {whiten=} and {n_components=}"
        raise ConfigError(msg)
    input_pipe = Chain([PCA(n_components, whiten)] if pca else [])
    if norm_in:
        input_pipe.append(StandardScaler(with_mean, with_std))
    return input_pipe, Chain([StandardScaler(with_mean, with_std)] if norm_out else [])


@explained
def fit_input_pipe(
    df: pd.DataFrame,
    cont_feats: str | Sequence[str],
    savename: str | Path | None = None,
    input_pipe: Any = None,
    norm_in: bool = True,
    pca: bool = False,
    whiten: bool = False,
    with_mean: bool = True,
    with_std: bool = True,
    n_components: int | None = None,
    wgt_feat: str | None = None,
    *,
    steps: Any = None,
) -> Chain:
    """Fit a pipeline to continuous features.

    Args:
        df: The data: a data frame, a dict of columns, or an array of records.
        cont_feats: The columns, in the order of the inputs, or the name of one.
        savename: File to save it to, as JSON; ``.json`` is added where it is missing.
        input_pipe: Pipeline to fit, of ours or of scikit-learn; a copy is fitted. If given, it
            takes the place of the options of `get_pre_proc_pipes`. A step may be a name, a dict
            with a name and options, a class or a partial.
        norm_in: See `get_pre_proc_pipes`.
        pca: See `get_pre_proc_pipes`.
        whiten: See `get_pre_proc_pipes`.
        with_mean: See `get_pre_proc_pipes`.
        with_std: See `get_pre_proc_pipes`.
        n_components: See `get_pre_proc_pipes`.
        wgt_feat: Column of event weights; by default every event counts the same.
        steps: The same as `input_pipe`, one or a list.

    Returns:
        The fitted pipeline.

    Raises:
        DataError: If a column is missing or there twice, holds anything but numbers, infinities or
            no value at all; or if a weight is missing.
        ConfigError: If options contradict, or there are weights and a step takes none.
        UnknownComponent: If there is no transform of a name.

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_tabular import fit_input_pipe
        >>> df = pd.DataFrame({"pt": [30.0, 50.0]})
        >>> fit_input_pipe(df, "pt").transform(df[["pt"]]).ravel().tolist()
        [-1.0, 1.0]
        >>> steps = [{"name": "standard_scaler", "with_std": False}]
        >>> shifted = fit_input_pipe(df, "pt", steps=steps)
        >>> shifted.transform(df[["pt"]]).ravel().tolist()
        [-10.0, 10.0]
    """
    input_pipe = _one_of("input_pipe", input_pipe, steps)
    if input_pipe is None:
        input_pipe, _ = get_pre_proc_pipes(
            norm_in, pca=pca, whiten=whiten, with_mean=with_mean, with_std=with_std, n_components=n_components
        )
    return _fit(df, cont_feats, "cont_feats", input_pipe, wgt_feat, savename)


def fit_output_pipe(
    df: pd.DataFrame,
    targ_feats: str | Sequence[str],
    savename: str | Path | None = None,
    output_pipe: Any = None,
    norm_out: bool = True,
    wgt_feat: str | None = None,
    *,
    steps: Any = None,
) -> Chain:
    """Fit a pipeline to targets.

    It is not needed: ``class_reg_multi`` rescales by ``y_mean`` and ``y_std``, which
    ``ModelBuilder.from_fy`` tells it, or by ``y_range``.

    Args:
        df: As in `fit_input_pipe`.
        targ_feats: The columns, in the order of the targets, or the name of one.
        savename: As in `fit_input_pipe`.
        output_pipe: Pipeline to fit, as in `fit_input_pipe`. If given, it takes the place
            of ``norm_out``.
        norm_out: Whether to standardise; if not, the pipeline changes nothing.
        wgt_feat: As in `fit_input_pipe`.
        steps: The same as `output_pipe`, one or a list.

    Returns:
        The fitted pipeline.

    Raises:
        DataError: As in `fit_input_pipe`.

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_tabular import fit_output_pipe
        >>> df = pd.DataFrame({"mass": [124.0, 126.0]})
        >>> fit_output_pipe(df, "mass").inverse_transform([[0.0]]).tolist()
        [[125.0]]
    """
    output_pipe = _one_of("output_pipe", output_pipe, steps)
    if output_pipe is None:
        _, output_pipe = get_pre_proc_pipes(norm_out=norm_out)
    return _fit(df, targ_feats, "targ_feats", output_pipe, wgt_feat, savename)


def _one_of(name: str, pipe: Any, steps: Any) -> Any:
    if pipe is not None and steps is not None:
        raise ConfigError(f"{name} and steps are the same: give one of them")
    return pipe if steps is None else steps


def _fit(
    df: pd.DataFrame,
    names: str | Sequence[str],
    what: str,
    pipe: Any,
    wgt_feat: str | None,
    savename: str | Path | None,
) -> Chain:
    feats = as_list(names)
    check_names(what, feats)
    df = as_frame(df)
    for feat in [*feats, *as_list(wgt_feat)]:
        check_column(df, feat, "the data")
    chain = Chain(copy.deepcopy(as_chain(pipe)))
    x = check_values(df[feats], feats)
    if empty := [feat for feat, is_empty in zip(feats, np.isnan(x).all(axis=0), strict=True) if is_empty]:
        msg = f"the columns {empty} hold no value to fit to; leave them out"
        raise DataError(msg)
    chain.feats = feats
    chain.fit(x, None if wgt_feat is None else as_numbers(df[wgt_feat], f"the column {wgt_feat!r} of the data"))
    if savename is not None:
        chain.save(savename)
    return chain


def _json_path(path: str | Path) -> Path:
    path = Path(path).expanduser()
    return (path if path.suffix == ".json" else path.with_name(f"{path.name}.json")).resolve()
