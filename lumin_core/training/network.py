"""The network: what is trained and asked, without how."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, overload

from lumin_core import registry
from lumin_core.arguments import expect
from lumin_core.data import transforms
from lumin_core.errors import BrokenPlugin, ConfigError
from lumin_core.model import tensor_file
from lumin_core.model.builder import ModelBuilder
from lumin_core.model.loading import builder_of, checked, limited, naming_plugins
from lumin_core.model.record import ModelRecord, to_json
from lumin_core.model.target_scale import check_same_scale
from lumin_core.training.assembly import Assembly, check_raw
from lumin_core.training.device import check_precision, pick_device
from lumin_core.training.sameness import augmentation_configs, is_unnamed, recorded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd
    import torch
    from numpy.typing import ArrayLike
    from torch import Tensor

    from lumin_core.data.augmentation import Augmentation
    from lumin_core.data.batch_yielder import BatchYielder
    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.data.transforms import Pipe

    Columns = ArrayLike | Tensor | pd.DataFrame | Mapping[str, ArrayLike]
    Raw = bool | Literal["inputs"]
    Events = Columns | tuple[Columns, ArrayLike | Tensor] | BatchYielder


_log = logging.getLogger(__name__)


class PredCallback(Protocol):
    """What a callback that collects predictions has besides its points: `PredHandler`, say."""

    def get_preds(self) -> ArrayLike | Tensor:
        """Return what was collected, which `Network.predict` returns."""


class Network(Assembly, ABC):
    """What a fit trains and callbacks are handed; `lumin_core.Model` is its one concrete class.

    The loop, callbacks and metrics know this class alone, and it knows none of them.

    Example:
        >>> from lumin_core import Callback
        >>> from lumin_core.training import Network
        >>> class Cool(Callback):
        ...     def on_epoch_begin(self, fit_params):
        ...         network: Network = fit_params.model
        ...         network.set_lr(network.get_lr() / 2)
    """

    pipes: Sequence[Pipe] | None = None  # the preprocessing's steps, where they cannot be recorded
    output_pipes: Sequence[Pipe] | None = None  # those of the targets, likewise
    augmentations: list[Augmentation] | None = None  # those of the training, likewise
    said_plain: bool = False  # whether it was said that it has views, and is asked without

    @abstractmethod
    def fit(
        self,
        n_epochs: int,
        fy: FoldYielder,
        bs: int,
        bulk_move: bool = True,
        train_on_weights: bool = True,
        trn_idxs: Sequence[int] | None = None,
        val_idx: int | None = None,
        cbs: object = None,
        metrics: object = None,
        cb_savepath: str | Path = "train_weights",
        visible_bar: bool = True,
        seed: int | None = None,
        resume: bool = False,
    ) -> list[Any]:
        """Train; see `lumin_core.Model.fit`."""

    @overload
    @abstractmethod
    def predict(
        self,
        inputs: Events | FoldYielder,
        as_np: bool = True,
        pred_name: str = "pred",
        pred_cb: PredCallback | None = None,
        cbs: object = None,
        bs: int | None = None,
        raw: Raw = False,
        *,
        augment: bool | None = None,
        overwrite: bool = False,
        other_preprocessing: bool = False,
        spread: Literal[True],
    ) -> tuple[np.ndarray | Tensor, np.ndarray | Tensor] | None: ...

    @overload
    @abstractmethod
    def predict(
        self,
        inputs: Events | FoldYielder,
        as_np: bool = True,
        pred_name: str = "pred",
        pred_cb: PredCallback | None = None,
        cbs: object = None,
        bs: int | None = None,
        raw: Raw = False,
        *,
        augment: bool | None = None,
        overwrite: bool = False,
        other_preprocessing: bool = False,
        spread: Literal[False] = False,
    ) -> np.ndarray | Tensor | None: ...

    @abstractmethod
    def predict(
        self,
        inputs: Events | FoldYielder,
        as_np: bool = True,
        pred_name: str = "pred",
        pred_cb: PredCallback | None = None,
        cbs: object = None,
        bs: int | None = None,
        raw: Raw = False,
        *,
        augment: bool | None = None,
        overwrite: bool = False,
        other_preprocessing: bool = False,
        spread: bool = False,
    ) -> np.ndarray | Tensor | tuple[np.ndarray | Tensor, np.ndarray | Tensor] | None:
        """Predict; see `lumin_core.Model.predict`."""

    @abstractmethod
    def evaluate(
        self,
        inputs: Events | FoldYielder,
        targets: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        bs: int | None = None,
        *,
        other_preprocessing: bool = False,
    ) -> float:
        """Compute the loss of a whole fold; see `lumin_core.Model.evaluate`."""

    def save(self, name: str | Path) -> Path:
        """Save to one ``.safetensors`` file: weights, config, features, preprocessing, versions.

        Args:
            name: The file; ``.safetensors`` is added where it is missing. An existing
                file is replaced.

        Returns:
            The path.

        Raises:
            ConfigError: If the preprocessing of the training data cannot be stored.
            SavedModelError: If the file cannot be written.
        """
        return tensor_file.write_tensors(name, "model", self.state_dict(), self.describe())

    def describe(self) -> dict[str, Any]:
        """Return what `save` writes beside the weights, as JSON values.

        Raises:
            ConfigError: If the preprocessing of the training data cannot be stored.
        """
        record = self.record
        if self.pipes is not None:
            record.preprocessing = transforms.chain_to_config(self.pipes)  # says which step has no name
        record.precision = self.precision
        record.compile = self.compile
        record.input_mask = None if self.input_mask is None else [int(i) for i in self.input_mask]
        try:
            with registry.pinned(record.pins()):  # what the model was built of, whatever has been registered since
                record.config = self.model_builder.to_config()
                record.unnamed = None
        except registry.UnnamedComponent as error:
            record.config = None
            if record.unnamed != str(error):
                _log.warning("the saved model will need model_builder= to be loaded: %s", error)
            record.unnamed = str(error)
        return to_json(record)

    def load(self, name: str | Path) -> None:
        """Load the weights and the input mask of a saved model into this one.

        Args:
            name: The file.

        Raises:
            SavedModelError: If it is not a saved model, or does not fit this one, which then
                stays as it was.
        """
        state, content = tensor_file.read_tensors(name, "model")
        record = ModelRecord.from_json(content, Path(name))
        check_same_scale(record.config, self.model_builder.specs["tail"], str(name))
        self.load_state_dict(state, str(name))
        self.set_input_mask(record.input_mask)
        self.record = record
        self.pipes = None
        self.output_pipes = None
        self.augmentations = None

    @classmethod
    def from_save(
        cls,
        name: str | Path,
        model_builder: ModelBuilder | None = None,
        device: str | torch.device | None = None,
        *,
        precision: str | None = None,
        compile: bool | None = None,
    ) -> Self:
        """Load a saved model.

        Nothing in the file is run: components are looked up in the registry by name.

        Args:
            name: The file.
            model_builder: Needed only where a component had no name to be saved under.
            device: As in the constructor.
            precision: As in the constructor; by default as it was saved.
            compile: As in the constructor; by default as it was saved.

        Returns:
            The model.

        Raises:
            SavedModelError: If it is not a saved model, is damaged, or needs `model_builder`.
            UnknownComponent: If a component is not installed.
        """
        state, content = tensor_file.read_tensors(name, "model")
        return cls.from_record(content, state, Path(name), model_builder, device, precision=precision, compile=compile)

    @classmethod
    def from_record(
        cls,
        content: object,
        state: Mapping[str, Tensor],
        source: Path,
        model_builder: ModelBuilder | None = None,
        device: str | torch.device | None = None,
        *,
        precision: str | None = None,
        compile: bool | None = None,
    ) -> Self:
        """Build a model from what `describe` returned and its weights; see `from_save`."""
        if model_builder is not None:
            expect(model_builder, ModelBuilder, "model_builder")
        record, device = ModelRecord.from_json(content, source), pick_device(device)
        if precision is not None:
            check_precision(precision)
        with naming_plugins(record, source):
            with registry.pinned(record.pins()):
                builder = model_builder or builder_of(record, source)
                precision = precision or record.precision
                compile = record.compile if compile is None else compile
                with checked(source), limited(state):
                    model = cls(builder, device, precision, compile, input_mask=record.input_mask, record=record)
            model.load_state_dict(state, str(source))
        return model

    def export(
        self, path: str | Path, format: str = "onnx/onnx", raw: Raw = False, *, augment: bool | None = None
    ) -> Path:
        """Write the model for other programs.

        Args:
            path: The file; the format's ending is added where it is missing. An existing file is
                replaced.
            format: Name of an exporter (kind ``exporters``).
            raw: Whether the recorded preprocessing is inside, and raw outputs come out; with
                ``"inputs"`` that of the inputs alone.
            augment: ``False`` says that events as they are is what is meant. Other programs have no
                views, so that ``True`` is refused.

        Returns:
            The path.

        Raises:
            UnknownComponent: If no such exporter is installed.
            ConfigError: If a block cannot be exported.
        """
        return write_export([self], None, path, format, raw=raw, augment=augment)

    def export_onnx(self, path: str | Path, raw: Raw = False, *, augment: bool | None = None) -> Path:
        """Write an ONNX file: the short form of ``export(path, "onnx")``."""
        return self.export(path, "onnx/onnx", raw=raw, augment=augment)

    def record_training(self, fy: FoldYielder, trn_idxs: Sequence[int], seed: int) -> None:
        """Note what is known of the training data, to be saved with the model.

        Args:
            fy: The data.
            trn_idxs: The training folds.
            seed: The fit's.
        """
        record = self.record
        record.seeds["fit"] = seed
        record.add_training(fy, trn_idxs)
        record.features = {
            "cont_feats": fy.get_use_cont_feats(),
            "cat_feats": fy.get_use_cat_feats(),
            "targ_feats": fy.targ_feats,
            "file_feats": list(fy.file_schema.cont_feats),  # ignored ones too, which the preprocessing covers
            "file_cats": list(fy.file_schema.cat_feats),
        }
        for name, value in recorded(fy).items():
            setattr(record, name, value)
        record.recipe = fy.file_schema.recipe
        self.pipes = self.output_pipes = None
        if is_unnamed(record.preprocessing):
            self.pipes = fy.get_pipes("inputs")  # refused when the model is saved
            record.preprocessing = []
        if is_unnamed(record.target_preprocessing):
            self.output_pipes = fy.get_pipes("targets")
        record.augmentations = augmentation_configs(fy)
        record.n_views = fy.aug_mult
        self.augmentations = list(fy.augmentations) if is_unnamed(record.augmentations) else None

    def get_pipes(self, part: str) -> list[Pipe]:
        """Return what the training data had gone through.

        Args:
            part: ``"inputs"``, ``"targets"`` or ``"matrix"``.

        Raises:
            ConfigError: If a step could not be recorded.
            UnknownComponent: If the plugin of one is not installed.
        """
        record = self.record
        given = {"inputs": self.pipes, "targets": self.output_pipes}.get(part)
        if given is not None:
            return list(given)
        configs = {"inputs": record.preprocessing, "targets": record.target_preprocessing}
        steps = configs.get(part, record.matrix_preprocessing)
        if is_unnamed(steps):
            raise ConfigError(f"the preprocessing of the {part} was not saved with the model: {steps[0]['unnamed']}")
        return list(transforms.chain_from_config(steps))


def write_export(
    networks: Sequence[Network],
    weights: Sequence[float] | None,
    path: str | Path,
    format: str,
    *,
    raw: Raw,
    augment: bool | None = None,
) -> Path:
    """Write networks for other programs, by the exporter of a name.

    Args:
        networks: One, or several whose weighted mean is asked for.
        weights: A positive number a network; ``None`` where there is one alone.
        path: The file; the exporter's suffix is added where it is missing.
        format: Name of the exporter.
        raw: As for `Network.export`.
        augment: As for `Network.export`.

    Returns:
        The path that was written.

    Raises:
        UnknownComponent: If no such exporter is installed.
        BrokenPlugin: If the exporter has no suffix, or returns no path.
    """
    check_raw(raw)
    if augment:
        raise ConfigError("other programs are not given views of events: export without augment=True")
    exporter = registry.build("exporter", format)
    suffix = getattr(exporter, "suffix", None)
    if not isinstance(suffix, str) or not suffix.startswith("."):
        raise BrokenPlugin(
            f"the exporter {format!r} should say suffix = '.its_ending', got {suffix!r}; tell its authors"
        )
    target = tensor_file.save_path(path, suffix)
    is_new = not target.exists()
    try:
        written = exporter.write(networks, weights, target, raw=raw)
    except BaseException as error:
        error.add_note(f"raised by the exporter {format!r}")
        if is_new and target.is_file():
            target.unlink()
        raise
    if not isinstance(written, Path):
        raise BrokenPlugin(
            f"the exporter {format!r} should return the path it wrote, got {written!r}; tell its authors"
        )
    return written
