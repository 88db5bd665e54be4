"""Models that start from a checkpoint of weaver-core's.

A checkpoint is a ``state_dict``: names and tensors. It is read by torch's restricted loader, which
runs no code of the file. All but the last dense layer become the head; the last one becomes that of the tail, so
that its logits, ``tail.dense(head(x))``, are weaver's.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lumin_core import Model, ModelBuilder
from lumin_core.checks import listed
from lumin_core.data import chain_to_config
from lumin_core.errors import ConfigError, SavedModelError
from lumin_core.registry import resolve
from lumin_plugin_weaver.network import WeaverNetwork

if TYPE_CHECKING:
    from pathlib import Path

    from lumin_core import FoldYielder
    from lumin_plugin_weaver.data_config import WeaverData
    from lumin_plugin_weaver.network import Converted

HEAD, LAST = "0.network.", "2.dense."
"""How the names of weights begin in a model of head, body and tail."""


def from_weaver(
    checkpoint: str | Path,
    data: WeaverData,
    fy: FoldYielder,
    network: Mapping[str, object],
    *,
    n_out: int | None = None,
    objective: str = "multiclass",
    device: str | None = None,
    **options: Any,
) -> Model:
    """Make a model that starts from a checkpoint of weaver-core's.

    Args:
        checkpoint: The file with the ``state_dict``, such as ``ParticleNet_kin.pt``.
        data: What the network was trained on.
        fy: The data that the model is for, scaled by ``data.scaling()``.
        network: Which network it is, a component of the kind ``weaver_networks``, with the options
            that no checkpoint tells: ``{"name": "particle_net", "k": 16}``. Those that the
            checkpoint tells may be said otherwise: ``"keep_statistics": False``.
        n_out: Number of outputs; by default that of the checkpoint's classes.
        objective: As for `lumin_core.ModelBuilder`. For a multiclass model with the checkpoint's
            number of classes the last dense layer is the checkpoint's, else it is new.
        device: Where to work, as for `lumin_core.Model`.
        **options: The other arguments of `lumin_core.ModelBuilder`, but for head, body and tail.

    Returns:
        The model, to be asked, or trained further.

    Raises:
        SavedModelError: If the checkpoint cannot be read, or is of another network.
        ConfigError: If an option is missing, or the data were not scaled so.

    Example:
        See the README.
    """
    found, spec = _converted(read_checkpoint(checkpoint), network)
    _check_scaled(fy, data)
    _check_labels(data, found)
    n_classes = len(found.last[1])
    builder = ModelBuilder.from_fy(
        fy,
        objective,
        n_classes if n_out is None else n_out,
        head={
            "name": "lumin-plugin-weaver/weaver_head",
            "network": spec,
            "inputs": data.roles,
            "length": data.length,
        },
        body="tabular/ident_body",
        tail="tabular/class_reg_multi",
        **options,
    )
    model = Model(builder, device=device)
    weights = model.get_weights() | {f"{HEAD}{name}": tensor for name, tensor in found.state.items()}
    if model.objective == "multiclass" and model.n_out == n_classes:
        weights |= dict(zip((f"{LAST}weight", f"{LAST}bias"), found.last, strict=True))
    model.set_weights(weights)
    model.record.matrix_feats = fy.matrix_feats
    model.record.matrix_preprocessing = fy.get_pipe_config("matrix")
    return model


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Read a ``state_dict`` by torch's restricted loader, onto the CPU.

    Args:
        path: The file.

    Raises:
        SavedModelError: If it cannot be read so, or holds anything but tensors by name.

    Example:
        >>> import tempfile, torch
        >>> from lumin_plugin_weaver import read_checkpoint
        >>> path = tempfile.mkdtemp() + "/net.pt"
        >>> torch.save({"fc.weight": torch.ones(1, 2)}, path)
        >>> read_checkpoint(path)
        {'fc.weight': tensor([[1., 1.]])}
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of protocols; what cannot be read is an error
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, pickle.UnpicklingError) as error:
        raise SavedModelError(
            f"{path} cannot be read as weights alone: {error}; save the state_dict of the network, by itself"
        ) from error
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise SavedModelError(f"{path} holds no state_dict: expected tensors by name, got a {type(content).__name__}")
    return dict(content)


def _converted(state: Mapping[str, Tensor], network: Mapping[str, object]) -> tuple[Converted, dict[str, object]]:
    """Read the weights, and join what they tell with what the user says."""
    cls: object = resolve("weaver_network", network).func
    if not (isinstance(cls, type) and issubclass(cls, WeaverNetwork)):
        raise ConfigError(f"a checkpoint is read by a class below WeaverNetwork, and {network.get('name')} is {cls!r}")
    if missing := [name for name in cls.untold if name not in network]:
        raise ConfigError(
            f"no checkpoint tells {listed(missing)} of {network.get('name')}, and without it the answers are wrong: "
            f"take it from weaver's network file, as in {{**network, {missing[0]!r}: ...}}"
        )
    found: Converted = cls.convert(state)
    return found, {**found.options, **network}


def _check_scaled(fy: FoldYielder, data: WeaverData) -> None:
    if fy.get_pipe_config("matrix") != chain_to_config([data.scaling()]):
        raise ConfigError(
            f"{fy.foldfile.name} does not record the scaling of the checkpoint: write it with data.columns(particles) "
            'and preprocessing={"matrix": data.scaling()}'
        )


def _check_labels(data: WeaverData, found: Converted) -> None:
    if data.labels and len(data.labels) != len(found.last[1]):
        raise ConfigError(
            f"the configuration has {len(data.labels)} labels, {listed(data.labels)}, and the checkpoint "
            f"{len(found.last[1])} classes: they are not of one network"
        )
