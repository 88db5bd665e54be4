r"""Models as ONNX files, which other programs run without Python.

One graph leads from all columns to predictions.

.. math:: y(x) = \frac{\sum_i a_i \, t(f_i(m_i(p(x))))}{\sum_i a_i}

of networks :math:`f_i`, their input masks :math:`m_i`, what makes predictions of outputs :math:`t`
(for multiclass :math:`\exp`) and, with ``raw=True``, the preprocessing :math:`p`. Each of its steps
must be affine, and is written around a centre :math:`c` near its data, so that single precision
does: :math:`p(x) = p(c) + (x - c) A`.

References:
    https://onnx.ai/onnx/intro, https://docs.pytorch.org/docs/stable/onnx_export.html
"""

from __future__ import annotations

import copy
import io
import json
import logging
import re
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from importlib.metadata import version
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from attrs import define
from torch import Tensor, nn

from lumin_core import registry
from lumin_core.data import transforms
from lumin_core.errors import ConfigError
from lumin_core.model.matrix_head import MatrixHead
from lumin_core.model.tensor_file import save_path, staged
from lumin_core.training.inputs import InputReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lumin_core.model.blocks import Inputs
    from lumin_core.training.network import Network

SUFFIX = ".onnx"
_EVENTS = "events"  # name of the axis that is free
_ODD = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
_PROBE = 1024.0  # far enough from 0 that the difference of two values holds the slope


def write_onnx(
    models: Sequence[Network], path: str | Path, *, weights: Sequence[float] | None = None, raw: bool = False
) -> Path:
    """Write models as one ONNX file; the models stay as they are.

    The graph takes ``inputs``, float32, shape ``(events, F)`` for any number of events: all columns
    of the training data in their order, continuous features, then the codes of categorical ones. A
    model that was trained on a matrix takes ``matrix``, as a yielder gives it, beside them. NaN in
    ``inputs`` counts as 0, as on reading. It gives ``predictions``, shape ``(events, n_out)``: the
    weighted mean of the models, for multiclass of probabilities.

    With `raw`, ``inputs`` are as before the recorded preprocessing: all continuous features of the
    training file, and again codes, since the values of categories may be text; the file's property
    ``cat_maps`` says what they mean. An event with a missing value that the preprocessing would
    refuse (principal components) has NaN predictions.

    Nothing is refused when the graph runs: infinite inputs and codes out of range are the
    caller's to keep out.

    The file's properties name features, targets and objective, as JSON.

    Args:
        models: One, or several of the same features.
        path: The file; ``.onnx`` is added where it is missing. Written whole or not at all, in
            place of an earlier one.
        weights: A positive number a model; by default all are equal.
        raw: Whether the recorded preprocessing is inside.

    Returns:
        The path.

    Raises:
        ConfigError: If the extra ``lumin-core[onnx]`` is not installed, a block cannot be exported,
            `raw` is asked for and nothing is recorded or a step is not affine, or the models differ
            in their features.
        SavedModelError: If the file cannot be written.

    Example:
        >>> import tempfile
        >>> from lumin_core import Model, ModelBuilder
        >>> model = Model(ModelBuilder("classification", n_out=1, cont_feats=["pt", "eta"], seed=1))
        >>> write_onnx([model], tempfile.mkdtemp() + "/model").name
        'model.onnx'
    """
    _require_onnx()
    inputs = [_inputs_of(model, raw=raw) for model in models]
    if any(other != inputs[0] for other in inputs[1:]):
        raise ConfigError("the models must have the same features in the same order; export each to a file of its own")
    networks = [_Network(model, raw=raw) for model in models]
    mean = _Mean(networks, [1.0] * len(models) if weights is None else weights)
    program = _converted(mean, inputs[0])
    content = _described(program.model_proto, models[0], inputs[0], raw=raw).SerializeToString()
    target = save_path(path, SUFFIX)
    with staged(target) as part:
        part.write_bytes(content)
    return target


@define(frozen=True)
class _Inputs:
    """What the graph takes: columns of ``inputs``, and the matrix."""

    cont_feats: list[str]
    cat_feats: list[str]
    matrix_shape: tuple[int, int] | None
    matrix_feats: list[str]

    @property
    def n_flat(self) -> int:
        return len(self.cont_feats) + len(self.cat_feats)

    @property
    def names(self) -> list[str]:
        return ["inputs"] * (self.n_flat > 0) + ["matrix"] * (self.matrix_shape is not None)

    def example(self, n: int) -> Inputs:
        """Make inputs of ``n`` events, codes 0."""
        rng = torch.Generator().manual_seed(n)
        cont = torch.rand(n, len(self.cont_feats), generator=rng)
        flat = torch.cat((cont, torch.zeros(n, len(self.cat_feats))), dim=1)
        if self.matrix_shape is None:
            return flat
        matrix = torch.rand(n, *self.matrix_shape, generator=rng)
        return (flat, matrix) if self.n_flat else matrix


def _inputs_of(model: Network, *, raw: bool) -> _Inputs:
    reader, features = InputReader(model.model_builder, model.record), model.record.features
    heads = [module for module in model.head.modules() if isinstance(module, MatrixHead)]
    in_matrix = [feat for head in heads for feat in head.matrix_feats]
    flat = features.get("cont_feats", [feat for feat in reader.cont_feats if feat not in in_matrix])
    if not heads or set(in_matrix) <= set(flat):  # also where training was on the features of the matrix, but flat
        feats = features.get("file_feats", reader.cont_feats) if raw else reader.cont_feats
        return _Inputs(feats, reader.cat_feats, None, [])
    if raw:
        raise ConfigError("raw=True takes flat inputs alone, and the model takes a matrix: export without it")
    shape = (heads[0].n_v, heads[0].n_fpv) if heads[0].row_wise else (heads[0].n_fpv, heads[0].n_v)
    return _Inputs([feat for feat in reader.cont_feats if feat in flat], reader.cat_feats, shape, in_matrix)


class _Network(nn.Module):
    """A model from all its columns to predictions, on the CPU and in evaluation mode."""

    def __init__(self, model: Network, *, raw: bool) -> None:
        super().__init__()
        inputs = _inputs_of(model, raw=raw)
        self.network = copy.deepcopy(model.model).cpu().eval()
        self.to_prediction = model.to_prediction
        self.has_flat = inputs.n_flat > 0
        self.n_cont = len(inputs.cont_feats)
        self.steps = nn.ModuleList(_steps(model, self.n_cont) if raw else [])
        self.keeps_missing = all(step.keeps_missing for step in self.steps)
        self.columns: Tensor
        self.register_buffer("columns", torch.as_tensor(self._columns(model, inputs.cont_feats, len(inputs.cat_feats))))

    def _columns(self, model: Network, feats: list[str], n_cats: int) -> np.ndarray:
        """Give the columns that the network is given, of those behind the preprocessing."""
        width: Any = self.steps[-1].n_out if self.steps else len(feats)
        wanted = [feat for feat in model.model_builder.cont_feats if feat in feats]
        cont = [feats.index(feat) for feat in wanted] if width == len(feats) else range(width)
        columns = np.array([*cont, *range(width, width + n_cats)], dtype=np.int64)
        return columns if model.input_mask is None else columns[model.input_mask]

    def forward(self, x: Inputs) -> Tensor:
        y_pred = self.to_prediction(self.network(self.prepare(x)))
        if self.keeps_missing:
            return y_pred
        flat = x if isinstance(x, Tensor) else x[0]
        return y_pred.masked_fill(flat[:, : self.n_cont].isnan().any(1, keepdim=True), float("nan"))

    def prepare(self, x: Inputs) -> Inputs:
        """Preprocess flat inputs, put 0 for NaN, and pick columns."""
        if not self.has_flat:
            return x
        flat, *matrix = (x,) if isinstance(x, Tensor) else x
        cont = flat[:, : self.n_cont]
        for step in self.steps:
            cont = step(cont)
        flat = torch.cat((cont, flat[:, self.n_cont :]), dim=1) if self.steps else flat
        flat = flat.masked_fill(flat.isnan(), 0).index_select(1, self.columns)
        return (flat, matrix[0]) if matrix else flat


class _Mean(nn.Module):
    """The weighted mean of networks."""

    def __init__(self, networks: Sequence[_Network], weights: Sequence[float]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.weights = [float(weight) / sum(map(float, weights)) for weight in weights]

    def forward(self, x: Inputs) -> Tensor:
        total: Any = sum(weight * network(x) for weight, network in zip(self.weights, self.networks, strict=True))
        return total  # type: ignore[no-any-return]


class _Affine(nn.Module):
    """A step of the preprocessing, found by asking it for values.

    It is asked at 0, at unit vectors, and at random points.
    """

    def __init__(self, step: Any, n_in: int) -> None:
        super().__init__()
        name = type(step).__name__
        try:
            with np.errstate(all="ignore"):
                matrix, centre, offset = _probe(step, n_in)
                passes_nan = _passes_nan(step, n_in)
        except _ODD as error:
            raise ConfigError(
                f"the preprocessing step {name} cannot be put into an ONNX file: {error}; export with raw=False, and "
                "preprocess what the file is given"
            ) from error
        is_diagonal = matrix.shape == (n_in, n_in) and not np.count_nonzero(matrix - np.diag(np.diag(matrix)))
        self.keeps_missing = is_diagonal and passes_nan
        self.is_diagonal = is_diagonal
        self.n_out = matrix.shape[1]
        self.centre: Tensor
        self.slope: Tensor
        self.offset: Tensor
        for buffer, values in (
            ("centre", centre),
            ("slope", np.diag(matrix) if is_diagonal else matrix),
            ("offset", offset),
        ):
            self.register_buffer(buffer, torch.as_tensor(values.astype(np.float32)))

    def forward(self, x: Tensor) -> Tensor:
        x = x - self.centre
        return (x * self.slope if self.is_diagonal else x @ self.slope) + self.offset


def _probe(step: Any, n_in: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give slope, centre and the value there of an affine step."""
    at_zero = step.transform(np.zeros((1, n_in)))
    matrix = (step.transform(_PROBE * np.eye(n_in)) - at_zero) / _PROBE
    rng = np.random.default_rng(1)
    x = rng.choice([-1.0, 1.0], (100, n_in)) * 10 ** rng.uniform(-3, 6, (100, n_in))
    tolerance = 1e-5 * (abs(x) @ abs(matrix) + abs(at_zero))
    if not (abs(step.transform(x) - at_zero - x @ matrix) <= tolerance).all():
        raise ConfigError("its output is no affine function of its input")
    centre = np.linalg.lstsq(matrix.T, -at_zero[0], rcond=None)[0].astype(np.float32)  # where the output is about 0
    return matrix, centre, step.transform(centre[None].astype(np.float64))[0]


def _passes_nan(step: Any, n_in: int) -> bool:
    """Tell whether missing values stay missing; else the step refuses them.

    One that fills them in is not affine.
    """
    try:
        values = step.transform(np.full((1, n_in), np.nan))
    except ValueError:
        return False
    if not np.isnan(values).all():
        raise ConfigError("it fills in missing values")
    return True


def _steps(model: Network, n_in: int) -> list[_Affine]:
    """Make the steps of the recorded preprocessing."""
    configs = model.describe()["preprocessing"]  # refuses what serves in memory alone
    if not configs and not model.record.cat_maps:
        raise ConfigError("raw=True needs a recorded preprocessing, but the training data recorded none; leave it out")
    steps: list[_Affine] = []
    for step in transforms.chain_from_config(configs):
        steps.append(_Affine(step, steps[-1].n_out if steps else n_in))
    return steps


def _require_onnx() -> None:
    try:
        for name in ("onnx", "onnxscript"):
            import_module(name)
    except ImportError as error:
        raise ConfigError(f'ONNX export needs more packages ({error}): pip install "lumin-core[onnx]"') from error


def _converted(mean: _Mean, inputs: _Inputs) -> Any:
    """Convert the network; on failure name the block."""
    x, other = inputs.example(2), inputs.example(3)
    try:
        return _convert(mean, x, other, inputs.names)
    except ImportError as error:
        raise ConfigError(
            f"the installed onnxscript does not fit torch {torch.__version__} ({error}): pip install -U onnxscript"
        ) from error
    except _ODD as error:
        block, cause = _culprit(mean, x, other) or ("the model", error)
        raise ConfigError(f"{block} cannot be exported to ONNX: {_reason(cause)}") from cause


def _convert(module: nn.Module, x: Any, other: Any, names: list[str] | None = None) -> Any:
    """Convert a module, the number of events being free."""
    program = _traced(module, x, other)
    with _quiet():
        return torch.onnx.export(
            program, (), None, input_names=names, output_names=["predictions"], dynamo=True, verbose=False
        )


def _traced(module: nn.Module, x: Any, other: Any) -> Any:
    """Trace a module with the inputs ``x``.

    What comes out is checked with another number of events.
    """
    events = {0: torch.export.Dim(_EVENTS)}
    shapes = ((events,) * len(x) if isinstance(x, tuple) else events,)
    with _quiet(), torch.no_grad():
        program = torch.export.export(module, (x,), dynamic_shapes=shapes, strict=False)
        same = torch.allclose(program.module()(other), module(other), rtol=1e-4, atol=1e-5, equal_nan=True)
    if not same:
        raise ConfigError("the graph gives other values than the model; is there a state, or are random numbers drawn?")
    return program


def _culprit(mean: _Mean, x: Inputs, other: Inputs) -> tuple[str, Exception] | None:
    """Find the first block that cannot be exported, and why."""
    for attempt in (_traced, _convert):  # the second takes seconds a block
        for part, block, given, others in _blocks(mean, x, other):
            try:
                attempt(block, given, others)
            except _ODD as error:
                return f"the {part} {registry.qualified_name(type(block)) or type(block).__name__}", error
    return None


def _blocks(mean: _Mean, x: Inputs, other: Inputs) -> Iterator[tuple[str, nn.Module, Any, Any]]:
    """Go through the blocks, each with what it is given of both inputs."""
    network: Any
    for network in mean.networks:
        given, others = network.prepare(x), network.prepare(other)
        for part, block in zip(("head", "body", "tail"), network.network, strict=True):
            yield part, block, given, others
            with torch.no_grad():
                given, others = block(given), block(others)


def _reason(error: BaseException) -> str:
    """Give the start of the deepest cause's message, without colours."""
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


def _described(proto: Any, model: Network, inputs: _Inputs, *, raw: bool) -> Any:
    """Say in the file what its columns and outputs are.

    What torch says of its making is taken out.
    """
    _strip(proto.graph, proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param)
    proto.producer_name = "lumin-core"
    proto.producer_version = version("lumin-core")
    about = {
        "objective": model.objective,
        "cont_feats": inputs.cont_feats,
        "cat_feats": inputs.cat_feats,
        "matrix_feats": inputs.matrix_feats,
        "targ_feats": model.record.features.get("targ_feats", []),
        "cat_maps": model.record.cat_maps,
        "raw": raw,
    }
    for key, value in about.items():
        proto.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    return proto


def _strip(graph: Any, axis: str) -> None:
    """Clear stack traces, which name folders of this machine, and name the free axis."""
    graph.ClearField("metadata_props")
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param == axis:
                dim.dim_param = _EVENTS
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
    for attribute in (attribute for node in graph.node for attribute in node.attribute if attribute.HasField("g")):
        _strip(attribute.g, axis)
