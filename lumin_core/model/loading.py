"""From a saved model's record to what it describes: its builder, checked and within limits."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch.nn.modules.module import register_module_parameter_registration_hook

from lumin_core import registry
from lumin_core.errors import LuminError, SavedModelError
from lumin_core.model.builder import ModelBuilder
from lumin_core.model.tensor_file import ODD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from lumin_core.model.record import ModelRecord


_log = logging.getLogger(__name__)
_told: set[registry.SavedPlugin] = set()


def builder_of(record: ModelRecord, source: Path) -> ModelBuilder:
    """Make the builder that a record describes.

    Files that its config names are not read: the weights are here.

    Args:
        record: The record.
        source: The file, for messages.

    Raises:
        SavedModelError: If a component had no name to be saved under, or the config does not fit.
    """
    if record.config is None:
        raise SavedModelError(f"{source} needs model_builder=: {record.unnamed}")
    config = {key: value for key, value in record.config.items() if key != "pretrain_file"}
    if isinstance(embedder := config.get("cat_embedder"), dict):
        config["cat_embedder"] = {key: value for key, value in embedder.items() if key != "emb_load_path"}
    with checked(source):
        return ModelBuilder.from_config(config)


@contextmanager
def checked(source: Path) -> Iterator[None]:
    """Turn what a damaged header leads to into one error that names the file.

    What is not installed says so itself.

    Args:
        source: The file.

    Raises:
        SavedModelError: If the block raises an error that is not about plugins.

    Example:
        >>> from pathlib import Path
        >>> from lumin_core.model.loading import checked
        >>> with checked(Path("a.safetensors")):
        ...     int("many")
        Traceback (most recent call last):
        lumin_core.errors.SavedModelError: a.safetensors cannot be built from its header: ...
    """
    try:
        yield
    except ODD as error:
        if isinstance(error, LuminError) and not isinstance(error, ValueError):
            raise
        raise SavedModelError(f"{source} cannot be built from its header: {error}") from error


@contextmanager
def naming_plugins(record: ModelRecord, source: Path) -> Iterator[None]:
    """Name the plugins that a model was saved with and that are not here as they were then.

    Another version is told once a process; where the block fails, its error names these and those
    that are missing.

    Args:
        record: What the model's file says.
        source: The file.

    Raises:
        LuminError: What the block raises.
    """
    others = [plugin for plugin in registry.saved_plugins(record.components) if plugin.is_other]
    for plugin in others:
        if plugin.now is not None and plugin not in _told:
            _told.add(plugin)
            _log.warning("%s was saved with %s", source, plugin)
    try:
        yield
    except LuminError as error:
        if not others:
            raise
        raise type(error)(f"{error}; it was saved with {', '.join(map(str, others))}") from error


@contextmanager
def limited(state: Mapping[str, Tensor]) -> Iterator[None]:
    """Refuse to build what is far larger than a file's weights.

    It is refused, in this thread, before it takes memory or time.

    Args:
        state: The weights. Ten times as many pass, and a million values in a thousand tensors: a
            block may build layers on trial.

    Raises:
        SavedModelError: If more is built in the block.

    Example:
        >>> import torch
        >>> from lumin_core.model.loading import limited
        >>> with limited({}):
        ...     _ = torch.nn.Linear(2000, 2000)
        Traceback (most recent call last):
        lumin_core.errors.SavedModelError: the header asks for far more than the 0 values ...
    """
    thread, n_values = threading.get_ident(), sum(values.numel() for values in state.values())
    left = [10 * n_values + 1_000_000, 10 * len(state) + 1000]

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if threading.get_ident() != thread or parameter is None:
            return
        left[:] = left[0] - parameter.numel(), left[1] - 1
        if min(left) < 0:
            raise SavedModelError(f"the header asks for far more than the {n_values} values that the file holds")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
