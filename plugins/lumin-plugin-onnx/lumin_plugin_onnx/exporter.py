"""The exporter ``onnx``: one graph leads from all columns to predictions."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar, Literal

from lumin_core.errors import ConfigError
from lumin_core.model import save_path, staged
from lumin_core.training import Exporter
from lumin_plugin_onnx.columns import columns_of
from lumin_plugin_onnx.graph import EVENTS, convert
from lumin_plugin_onnx.modules import WeightedMean, WholeModel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from onnx import GraphProto, ModelProto

    from lumin_core.training import Network
    from lumin_plugin_onnx.columns import Columns


class Onnx(Exporter):
    """Models as one ONNX file (exporter ``onnx``).

    The graph takes ``inputs``, float32, shape ``(events, F)`` for any number of events: all columns
    of the training data in their order, continuous features, then the codes of categorical ones. A
    model that was trained on a matrix takes ``matrix``, as a yielder gives it, beside them. NaN in
    ``inputs`` counts as 0, as on reading. It gives ``predictions``, shape ``(events, n_out)``: the
    weighted mean of the models, for multiclass of probabilities.

    With ``raw=True``, ``inputs`` are as before the recorded preprocessing: all continuous features
    of the training file, and again codes, since the values of categories may be text; the file's
    property ``cat_maps`` says what they mean. Predictions are as targets were before their
    preprocessing, unless it is ``raw="inputs"``. An event with a missing value that the
    preprocessing would refuse (principal components) has NaN predictions.

    Nothing is refused when the graph runs: infinite inputs and codes out of range are the
    caller's to keep out.

    The file's properties name features, targets and objective, as JSON.

    Example:
        >>> import tempfile
        >>> from lumin_core import Model, ModelBuilder
        >>> model = Model(ModelBuilder("classification", n_out=1, cont_feats=["pt", "eta"], seed=1))
        >>> model.export(tempfile.mkdtemp() + "/model", format="onnx").name
        'model.onnx'
    """

    suffix: ClassVar[str] = ".onnx"

    def write(
        self,
        models: Sequence[Network],
        weights: Sequence[float] | None,
        path: Path,
        *,
        raw: bool | Literal["inputs"],
    ) -> Path:
        """Write models as one ONNX file; the models stay as they are.

        Args:
            models: One, or several of the same features.
            weights: A positive number for each model; by default all are equal.
            path: The file; ``.onnx`` is added where it is missing. Written whole or not at all, in
                place of an earlier one.
            raw: Whether the recorded preprocessing is inside, of inputs and outputs; with
                ``"inputs"`` that of the inputs alone.

        Returns:
            The path.

        Raises:
            ConfigError: If a block cannot be exported, `raw` is asked for and nothing is recorded
                or a step is not affine, or the models differ in their features.
            SavedModelError: If the file cannot be written.
        """
        _require_onnx()
        columns = _common([columns_of(model, raw=bool(raw)) for model in models])
        mean = WeightedMean(
            [WholeModel(model, raw=raw) for model in models], [1.0] * len(models) if weights is None else weights
        )
        program = convert(mean, columns)
        content = _described(program.model_proto, models[0], columns, raw=raw).SerializeToString()
        target = save_path(path, self.suffix)
        with staged(target) as part:
            part.write_bytes(content)
        return target


def _require_onnx() -> None:
    """Refuse an environment in which the plugin was installed without what it needs."""
    try:
        for name in ("onnx", "onnxscript"):
            import_module(name)
    except ImportError as error:
        raise ConfigError(f'ONNX export needs more packages ({error}): pip install "lumin-core[onnx]"') from error


def _common(columns: Sequence[Columns]) -> Columns:
    if any(other != columns[0] for other in columns[1:]):
        raise ConfigError("the models must have the same features in the same order; export each to a file of its own")
    return columns[0]


def _described(proto: ModelProto, model: Network, columns: Columns, *, raw: bool | Literal["inputs"]) -> ModelProto:
    """Say in the file what its columns and outputs are.

    What torch says of its making is taken out.
    """
    _strip(proto.graph, proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param)
    proto.producer_name = "lumin-core"
    proto.producer_version = version("lumin-core")
    about = {
        "objective": model.objective,
        "cont_feats": columns.cont_feats,
        "cat_feats": columns.cat_feats,
        "matrix_feats": columns.matrix_feats,
        "targ_feats": model.record.features.get("targ_feats", []),
        "cat_maps": model.record.cat_maps,
        "raw": raw,
    }
    for key, value in about.items():
        proto.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    return proto


def _strip(graph: GraphProto, axis: str) -> None:
    """Clear stack traces, which name folders of this machine, and name the free axis."""
    graph.ClearField("metadata_props")
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param == axis:
                dim.dim_param = EVENTS
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
    for attribute in (attribute for node in graph.node for attribute in node.attribute if attribute.HasField("g")):
        _strip(attribute.g, axis)
