"""From modules to an ONNX graph, by torch's exporter.

References:
    https://onnx.ai/onnx/intro, https://docs.pytorch.org/docs/stable/onnx_export.html
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from textwrap import shorten
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from lumin_core import registry
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch.export import ExportedProgram
    from torch.onnx import ONNXProgram

    from lumin_core.model import Inputs
    from lumin_plugin_onnx.columns import Columns
    from lumin_plugin_onnx.modules import WeightedMean, WholeModel

EVENTS = "events"
"""Name of the axis that is free."""

_ODD = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def convert(mean: WeightedMean, columns: Columns) -> ONNXProgram:
    """Convert a mean of models, the number of events being free.

    Args:
        mean: The models.
        columns: What the graph takes.

    Raises:
        ConfigError: If a block cannot be exported, which is named, or the installed onnxscript
            does not fit torch.
    """
    x, other = columns.example(2), columns.example(3)
    try:
        return _converted(mean, x, other, columns.names)
    except ImportError as error:
        raise ConfigError(
            f"the installed onnxscript does not fit torch {torch.__version__} ({error}): pip install -U onnxscript"
        ) from error
    except _ODD as error:
        block, cause = _culprit(mean, x, other) or ("the model", error)
        raise ConfigError(f"{block} cannot be exported to ONNX: {_reason(cause)}") from cause


def _converted(module: nn.Module, x: Inputs, other: Inputs, names: Sequence[str] | None = None) -> ONNXProgram:
    traced = _traced(module, x, other)
    with _quiet():
        made = torch.onnx.export(
            traced, (), None, input_names=names, output_names=["predictions"], dynamo=True, verbose=False
        )
    return cast("ONNXProgram", made)  # None only of the exporter of before


def _traced(module: nn.Module, x: Inputs, other: Inputs) -> ExportedProgram:
    """Trace a module with the inputs ``x``.

    What comes out is checked with another number of events.
    """
    events = {0: torch.export.Dim(EVENTS)}
    shapes = ((events,) * len(x) if isinstance(x, tuple) else events,)
    with _quiet(), torch.no_grad():
        program = torch.export.export(module, (x,), dynamic_shapes=shapes, strict=False)
        same = torch.allclose(program.module()(other), module(other), rtol=1e-4, atol=1e-5, equal_nan=True)
    if not same:
        raise ConfigError("the graph gives other values than the model; is there a state, or are random numbers drawn?")
    return program


def _culprit(mean: WeightedMean, x: Inputs, other: Inputs) -> tuple[str, Exception] | None:
    """Find the first block that cannot be exported, and why."""
    for attempt in (_traced, _converted):  # the second takes seconds a block
        for part, block, given, others in _blocks(mean, x, other):
            try:
                attempt(block, given, others)
            except _ODD as error:
                return f"the {part} {registry.qualified_name(type(block)) or type(block).__name__}", error
    return None


def _blocks(mean: WeightedMean, x: Inputs, other: Inputs) -> Iterator[tuple[str, nn.Module, Inputs, Inputs]]:
    """Go through the blocks, each with what it is given of both inputs."""
    for model in cast("Sequence[WholeModel]", mean.models):
        given, others = model.prepare(x), model.prepare(other)
        for part, block in zip(("head", "body", "tail"), model.network, strict=True):
            yield part, block, given, others
            with torch.no_grad():
                given, others = block(given), block(others)


def _reason(error: BaseException) -> str:
    """Return the start of the deepest cause's message, without colours."""
    while error.__cause__ is not None:
        error = error.__cause__
    return shorten(re.sub(r"\x1b\[[0-9;]*m", "", str(error)) or type(error).__name__, 300, placeholder=" ...")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what torch warns, logs and prints of its own workings; errors are raised."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
