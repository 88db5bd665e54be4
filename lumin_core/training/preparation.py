"""What the data of a model went through before it: recorded, compared, and undone.

A model records the preprocessing of its training data: of inputs, of targets, of the matrix. Other
data must have gone through the same, and what it predicts is in the unit of the targets after it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lumin_core.data import transforms
from lumin_core.errors import ConfigError, option
from lumin_core.training.sameness import differences, is_unnamed, recorded_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.data.transforms import Pipe
    from lumin_core.training.network import Network

    Configs = Sequence[dict[str, object]]


def check_preprocessing(network: Network, fy: FoldYielder) -> None:
    """Refuse data that record another preprocessing than a model; what records none is taken.

    Args:
        network: The model.
        fy: The data.

    Raises:
        ConfigError: Naming what differs.
    """
    record = network.record
    of_model = {"inputs": record.preprocessing, "targets": record.target_preprocessing}
    if fy.has_matrix and fy.yield_matrix:
        of_model["matrix"] = record.matrix_preprocessing
    for part, was in of_model.items():
        now = recorded_steps(fy, part)
        if not was or not now or is_unnamed([*was, *now]):
            continue
        if part == "inputs":
            used = network.model_builder.cont_feats
            was = _by_feature(was, record.features.get("file_feats", used), used)
            now = _by_feature(now, fy.file_schema.cont_feats, used)
        if differ := [found for found in differences(was, now, part) if not _is_close(*found[1:])]:
            name, old, new = differ[0]
            raise ConfigError(
                f"{fy.foldfile.name} records another preprocessing than the model was trained with: {name} was "
                f"{_short(old)}, is {_short(new)}; write the file with the pipeline of the training, or pass "
                f"{option('other_preprocessing')}"
            )


def _by_feature(configs: Configs, feats: Sequence[str], used: Sequence[str]) -> list[dict[str, object]]:
    """Give what steps hold for each feature by its name, of the features that are used.

    Their number, which is that of all features, is left open.
    """
    wanted = [(i, feat) for i, feat in enumerate(feats) if feat in used]

    def named(value: object) -> object:
        if isinstance(value, list) and len(value) == len(feats):
            return {feat: value[i] for i, feat in wanted}
        return None if type(value) is int and value == len(feats) else value

    return [{key: named(value) for key, value in config.items()} for config in configs]


def _is_close(was: object, now: object) -> bool:
    """Tell whether two values are the same but for the rounding of another order of sums."""
    if isinstance(was, list) and isinstance(now, list):
        return len(was) == len(now) and all(map(_is_close, was, now))
    if isinstance(was, int | float) and isinstance(now, int | float):
        return math.isclose(was, now, rel_tol=1e-6, abs_tol=1e-12)
    return was == now


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def has_raw_inputs(network: Network) -> bool:
    """Tell whether a model knows what its inputs went through."""
    return bool(network.pipes or network.record.preprocessing or network.record.cat_maps)


def output_steps(network: Network) -> list[Pipe]:
    """Return what targets went through, which raw outputs undo.

    None for probabilities, which have no unit.

    Args:
        network: The model.

    Raises:
        ConfigError: If it is not known, or there is not one output for each target.

    Example:
        >>> from lumin_core import Model, ModelBuilder
        >>> from lumin_core.training import output_steps
        >>> output_steps(Model(ModelBuilder("regression", n_out=1, cont_feats=["pt"])))
        []
    """
    record = network.record
    steps = list(network.get_pipes("targets")) if network.objective == "regression" else []
    n_targets = len(record.features.get("targ_feats", []))
    if steps and n_targets != network.n_out:
        raise ConfigError(
            f"raw=True gives outputs in the unit of the {n_targets} targets, and there are {network.n_out} outputs: "
            "raw='inputs' leaves them as they are"
        )
    return steps


def raw_outputs(steps: Sequence[Pipe], answer: np.ndarray) -> np.ndarray:
    """Undo what targets went through.

    Args:
        steps: From `output_steps`.
        answer: Shape ``(n, n_out)``.

    Returns:
        Float32, of the same shape.
    """
    return np.asarray(transforms.invert_chain(steps, answer.astype(np.float64)), dtype=np.float32)
