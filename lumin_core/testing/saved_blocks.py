"""Models around a block: saved and loaded elsewhere, and exported."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lumin_core import registry
from lumin_core.errors import LuminError
from lumin_core.lazy import imported
from lumin_core.model.builder import ModelBuilder
from lumin_core.registry.names import snake_case
from lumin_core.testing import blocks, fresh, samples
from lumin_core.testing.outcome import CheckFailed, NotApplicable
from lumin_core.testing.small_fits import PlainBody, PlainHead, PlainTail
from lumin_core.training.model import Model

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lumin_core.model.blocks import Inputs
    from lumin_core.testing.subject import Subject

    Arrays = np.ndarray[Any, Any] | tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]

_PLAIN = {"head": PlainHead, "body": PlainBody, "tail": PlainTail}


def predicted_apart(subject: Subject) -> tuple[Tensor, Tensor]:
    """Save a model, and let a fresh process load it and predict.

    Args:
        subject: The block.

    Returns:
        What that process predicts, and what the model does here.

    Raises:
        NotApplicable: If the block is not installed.
        CheckFailed: If the model cannot be saved, or not be loaded there.
    """
    if subject.distribution is None:
        raise NotApplicable("it is not installed, so that no other process knows its name")
    folder = samples.folder()
    with registry.temporary():
        model = model_of(subject)
        x = blocks.inputs_of(model.head, 7)
        path = model.save(folder / "model")
    given = _as_given(x)
    expected = torch.from_numpy(np.asarray(model.predict(given)))
    return torch.from_numpy(fresh.ask(predict_from, str(path), given)), expected


def predict_from(path: str, inputs: Arrays) -> np.ndarray[Any, Any]:
    """Load a saved model and predict: what a fresh process does.

    Args:
        path: The saved model.
        inputs: What `Model.predict` takes.

    Returns:
        The predictions.
    """
    with registry.temporary():
        _register()
        return np.asarray(Model.from_save(Path(path), device="cpu").predict(inputs))


def _register() -> None:
    """Give the plain blocks names, by which they are saved."""
    for kind, block in _PLAIN.items():
        registry.register(kind, snake_case(block.__name__), block)


def _as_given(x: Inputs) -> Arrays:
    """Return inputs as `Model.predict` takes them: a matrix behind flat inputs, if need be none."""
    if isinstance(x, torch.Tensor):
        return x.numpy() if x.dim() == 2 else (np.zeros((len(x), 0), np.float32), x.contiguous().numpy())
    return x[0].numpy(), x[1].numpy()


def model_of(subject: Subject) -> Model:
    """Build a model with a block, and plain ones around it, which the session then has.

    Args:
        subject: The block.
    """
    _register()
    specs: dict[str, Any] = {**_PLAIN, subject.kind: subject.spec()}
    made = subject.make()
    given: dict[str, Any] = {"cont_feats": list(samples.CONT_FEATS), "cat_embedder": samples.cat_embedder()}
    if subject.kind == "head":
        given = {"cont_feats": made.cont_feats or made.matrix_feats, "cat_embedder": made.cat_embedder}
    if subject.kind == "tail":
        specs["body"] = partial(PlainBody, width=made.n_in)
    n_out = made.n_out if subject.kind == "tail" else 1
    return Model(ModelBuilder("regression", n_out, seed=1, **given, **specs), device="cpu")


def exported(block: nn.Module, x: Any) -> Tensor:
    """Export a block with ``torch.export``, and run the program.

    Args:
        block: The block, in evaluation mode.
        x: What it is given.

    Raises:
        CheckFailed: If it cannot be exported.
    """
    try:
        program = torch.export.export(block, (x,), strict=False)
    except Exception as error:
        raise CheckFailed(f"torch.export: {type(error).__name__}: {str(error).partition(chr(10))[0]}") from error
    with torch.no_grad():
        out: Tensor = program.module()(x)
    return out


def with_onnx(subject: Subject) -> tuple[Tensor, Tensor]:
    """Export a model with a block as ONNX, and run it.

    Args:
        subject: The block.

    Returns:
        What the file gives, and what the model does.

    Raises:
        NotApplicable: If there is no exporter, or nothing to run the file with.
        CheckFailed: If it cannot be exported.
    """
    for module in ("onnxscript", "onnxruntime"):
        if find_spec(module) is None:
            raise NotApplicable(f"{module} is not installed")
    with registry.temporary():
        model = model_of(subject)
        try:
            path = model.export(samples.folder() / "model", format="onnx")
        except LuminError as error:
            raise CheckFailed(f"it cannot be exported as ONNX: {error}") from error
    x = blocks.inputs_of(model.head, 7)
    given = _as_given(x)
    parts = dict(zip(("inputs", "matrix"), given if isinstance(given, tuple) else (given,), strict=False))
    runtime: Any = imported("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wanted = [value.name for value in session.get_inputs()]
    if set(wanted) - set(parts):
        raise NotApplicable(f"the file takes {', '.join(wanted)}, and its sample is flat")
    (came,) = session.run(None, {name: parts[name] for name in wanted})
    return torch.from_numpy(came), torch.from_numpy(np.asarray(model.predict(given)))
