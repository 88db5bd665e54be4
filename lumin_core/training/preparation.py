"""Raw in, raw out: what the data of a model went through before it, and what undoes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core.data.chains import invert_chain
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.data.transforms import Pipe
    from lumin_core.training.network import Network


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
        answer: Shape ``(n, n_out)``, or ``(n, members, n_out)``.

    Returns:
        Float32, of the same shape.
    """
    rows = answer.reshape(-1, answer.shape[-1]) if answer.ndim > 2 else answer
    return np.asarray(invert_chain(steps, rows.astype(np.float64)), dtype=np.float32).reshape(answer.shape)
