"""The model: what a builder built, with the methods to train, ask, keep and change it."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from lumin_core import registry, seeds
from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.data.values import check_finite
from lumin_core.errors import ConfigError
from lumin_core.model import tensor_file
from lumin_core.model.loading import builder_of, checked, limited
from lumin_core.model.record import ModelRecord, describe_components, to_json
from lumin_core.model.tensor_file import load_state
from lumin_core.training import fitting, loop
from lumin_core.training.callback import PredHandler
from lumin_core.training.checkpoint import Checkpoints
from lumin_core.training.evaluation import check_targets, evaluate
from lumin_core.training.fit_params import FitParams
from lumin_core.training.hook_plan import HookPlan
from lumin_core.training.inputs import InputReader
from lumin_core.training.prediction import PREDICT_BS, predict_folds, run_predict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core.model.blocks import Block
    from lumin_core.model.builder import ModelBuilder

_PARTS = {"head": 0, "body": 1, "tail": 2}
_DTYPES = {"32": None, "bf16": torch.bfloat16, "16": torch.float16}


class Model:
    """A network of head, body and tail, with its loss and optimiser.

    Args:
        model_builder: What to build.
        device: Where to work; by default the environment variable ``LUMIN_DEVICE``, else
            cuda, mps or cpu.
        precision: ``"32"``, or mixed precision ``"bf16"`` or ``"16"``.
        compile: Whether to compile the network with ``torch.compile``.

    Attributes:
        model: ``nn.Sequential(head, body, tail)``.
        opt: The optimiser.
        loss: The loss, per event or a `BatchLoss`.
        input_mask: Columns of the inputs that the network is given; ``None`` for all.
        fit_params: The state of the last fit, or ``None``.
        objective: ``"classification"``, ``"multiclass"`` or ``"regression"``.
        n_out: Number of outputs.
        record: What is known of the training data, see `lumin_core.model.record.ModelRecord`.

    Raises:
        ConfigError: If the device or the precision is none that there is.

    Example:
        >>> import numpy as np
        >>> from lumin_core import Model, ModelBuilder
        >>> model = Model(ModelBuilder("classification", n_out=1, cont_feats=["pt", "eta"], seed=1))
        >>> model.predict(np.zeros((3, 2), "float32")).shape
        (3, 1)
    """

    def __init__(
        self,
        model_builder: ModelBuilder,
        device: str | torch.device | None = None,
        precision: str = "32",
        compile: bool = False,
    ) -> None:
        self._set_up(model_builder, device, precision, compile, None)

    def _set_up(
        self, builder: ModelBuilder, device: Any, precision: str, compiled: bool, input_mask: Sequence[int] | None
    ) -> None:
        if precision not in _DTYPES:
            raise ConfigError(f"precision must be one of {', '.join(map(repr, _DTYPES))}, got {precision!r}")
        self.model_builder = builder
        self.device = pick_device(device)
        built = builder.get_model(self.device, input_mask)
        self.model = built.model
        self.opt = built.opt
        self.loss = built.loss
        self.input_mask = built.input_mask
        self.objective = builder.objective
        self.n_out = builder.n_out
        self.fit_params: FitParams | None = None
        self._pipes: tuple[list[Any], ConfigError] | None = None
        self.record = ModelRecord(
            components=describe_components(built.components), seeds={"initialisation": built.seed}
        )
        self._dtype = _DTYPES[precision]
        self.scaler = torch.amp.GradScaler(self.device.type) if precision == "16" else None
        self._network = torch.compile(self.model) if compiled else self.model

    @property
    def head(self) -> Block:
        """The head."""
        return self.model[0]  # type: ignore[return-value]

    @property
    def body(self) -> Block:
        """The body."""
        return self.model[1]  # type: ignore[return-value]

    @property
    def tail(self) -> Block:
        """The tail."""
        return self.model[2]  # type: ignore[return-value]

    def __getitem__(self, part: int | str) -> Block:
        """Give a block, by number or name: ``model[0]`` is ``model["head"]``."""
        if isinstance(part, str) and part not in _PARTS:
            raise ConfigError(f"a model has head, body and tail, got {part!r}")
        return self.model[_PARTS[part] if isinstance(part, str) else part]  # type: ignore[return-value]

    def fit(
        self,
        n_epochs: int,
        fy: FoldYielder,
        bs: int,
        bulk_move: bool = True,
        train_on_weights: bool = True,
        trn_idxs: Sequence[int] | None = None,
        val_idx: int | None = None,
        cbs: Sequence[Any] | Any = None,
        metrics: Sequence[Any] | Any = None,
        cb_savepath: str | Path = "train_weights",
        visible_bar: bool = True,
        seed: int | None = None,
        resume: bool = False,
    ) -> list[Any]:
        """Train.

        Args:
            n_epochs: Number of passes over the training folds.
            fy: The training data; its features must be those of the builder.
            bs: Events in a batch.
            bulk_move: Whether a fold is moved to the device at once, rather than batch by batch.
            train_on_weights: Whether the weights of the fold file are used, in training,
                validation and metrics.
            trn_idxs: Indices of the training folds; by default all but `val_idx`.
            val_idx: Index of the validation fold; by default there is no validation.
            cbs: Callbacks, as names, dicts, classes, partials or objects; called in this order.
            metrics: Metrics, likewise.
            cb_savepath: Folder for what callbacks save; made when they do.
            visible_bar: Whether to show a progress bar.
            seed: Seed of fold order, augmentation, shuffling, dropout and callbacks; ``None`` draws
                a fresh one. Recorded.
            resume: Whether to keep a checkpoint in ``cb_savepath/checkpoint`` after every epoch,
                and to go on from the one that is there: a fit that was killed ends with bit for bit
                the weights of one that was not.

        Returns:
            The callbacks, in the order of `cbs`.

        Raises:
            ConfigError: If an option is out of range, or the features are not the builder's.
            DataError: If a fold is smaller than a batch, or holds what cannot be trained on.
            HookError: If a callback has a point that does not exist.
            KeyboardInterrupt: After Ctrl-C: the first ends the fit after the batch and saves the
                model as ``interrupted.safetensors`` in `cb_savepath`, the second ends it at once.
        """
        fit, plan = fitting.prepare(self, n_epochs, fy, bs, trn_idxs, val_idx, cbs, metrics, cb_savepath)
        checkpoints = Checkpoints(fit, seed, train_on_weights=train_on_weights) if resume else None
        seed = seeds.check(seed) if checkpoints is None else checkpoints.seed
        fit.generator = torch.Generator()
        self.fit_params = fit
        self._record_data(fy, seed)
        loop.run_fit(
            fit,
            plan,
            seed,
            bulk_move=bulk_move,
            train_on_weights=train_on_weights,
            visible_bar=visible_bar,
            checkpoints=checkpoints,
        )
        return list(fit.cbs)

    def predict(
        self,
        inputs: Any,
        as_np: bool = True,
        pred_name: str = "pred",
        pred_cb: Any = None,
        cbs: Sequence[Any] | Any = None,
        bs: int | None = None,
        raw: bool = False,
    ) -> np.ndarray | Tensor | None:
        """Predict.

        Args:
            inputs: An array or tensor ``(n, F)`` with the columns of the training data, a data
                frame (taken by column name), ``(flat, matrix)``, the matrix alone where there are
                no flat features, a `BatchYielder`, or a `FoldYielder`.
            as_np: Whether to give an array, or a tensor.
            pred_name: Column under which the predictions for a `FoldYielder` are saved in its file.
            pred_cb: The callback that collects the predictions, by default a fresh `PredHandler`;
                called last, and asked with ``get_preds()``.
            cbs: Further callbacks.
            bs: Events in a batch.
            raw: Whether `inputs` are as they were before the preprocessing that the training file
                records, which is then applied, category maps too.

        Returns:
            Probabilities or values, shape ``(n, n_out)``; for a `FoldYielder` ``None``: they are in
            the file, averaged over test-time variants where the yielder has augmentations.

        Raises:
            DataError: If columns are missing, or inputs are infinite.
            ShapeError: If inputs have another number of columns.
            ConfigError: If `raw` is asked for and nothing is recorded.
        """
        callbacks = fitting.build_callbacks(cbs)
        if isinstance(inputs, FoldYielder):
            if raw:
                raise ConfigError("raw=True is for arrays and data frames; a fold file holds what was preprocessed")
            fitting.check_features(self.model_builder, inputs)
            predict_folds(
                inputs,
                [pred_name],
                lambda _, fold: [self._predict_batches(self.batches(fold, bs), pred_cb, callbacks, inputs)],
            )
            return None
        inputs = self._read(inputs, bs, raw=raw)
        preds = self._predict_batches(inputs, pred_cb, callbacks)
        if as_np:
            return preds.detach().cpu().numpy() if isinstance(preds, Tensor) else np.asarray(preds)
        return torch.as_tensor(preds)

    def evaluate(self, inputs: Any, targets: Any = None, weights: Any = None, bs: int | None = None) -> float:
        """Compute the loss, as the weighted mean over all events.

        Args:
            inputs: As in `predict`, or a `BatchYielder` with targets.
            targets: Shape ``(n, n_targ)`` or ``(n,)``, unless `inputs` is a `BatchYielder`.
            weights: Shape ``(n, 1)`` or ``(n,)``, or ``None`` for one each.
            bs: Events in a batch.

        Returns:
            The loss.

        Raises:
            DataError: If there are no targets, or the weights sum to zero.
        """
        by = self._read(inputs, bs, targets, weights)
        check_targets(by.targets, self)
        for name, values in (("targets", by.targets), ("weights", by.weights)):
            if values is not None:
                check_finite(values, [], name)
        return evaluate(self, by).loss()

    def batches(self, inputs: Any, bs: int | None = None, targets: Any = None, weights: Any = None) -> BatchYielder:
        """Make batches, in their order and on the model's device, of inputs that are as a fold's.

        Args:
            inputs: Shape ``(n, F)``, or ``(flat, matrix)``.
            bs: Events in a batch.
            targets: Shape ``(n, n_targ)`` or ``(n,)``, or ``None``.
            weights: Shape ``(n, 1)`` or ``(n,)``, or ``None``.

        Returns:
            The batches, for `predict` and `evaluate`.
        """
        return BatchYielder(
            inputs,
            bs or PREDICT_BS,
            self.objective,
            targets,
            weights,
            shuffle=False,
            drop_last=False,
            input_mask=self.input_mask,
            device=self.device,
        )

    def forward(self, x: Any, module: nn.Module | None = None) -> Tensor:
        """Run a batch through the network, in the chosen precision.

        Args:
            x: ``(B, F)`` or ``(flat, matrix)``, masked already.
            module: Another network, to be asked in the model's place.

        Returns:
            Outputs in single precision, shape ``(B, n_out)``: for multiclass, what the tail gives
            (log-probabilities).
        """
        network: Any = self._network if module is None else module
        if self._dtype is None:
            return network(x)  # type: ignore[no-any-return]
        with torch.autocast(self.device.type, self._dtype):
            return network(x).float()  # type: ignore[no-any-return]

    def to_prediction(self, y_pred: Tensor) -> Tensor:
        """Turn the network's outputs into predictions.

        For multiclass, log-probabilities become probabilities.
        """
        return y_pred.exp() if self.objective == "multiclass" else y_pred

    def set_mode(self, *, training: bool) -> None:
        """Put network and loss into training or evaluation mode."""
        for module in (self.model, self.loss):
            if isinstance(module, nn.Module):
                module.train(training)

    def save(self, name: str | Path) -> Path:
        """Save to one ``.safetensors`` file: weights, config, features, preprocessing, versions.

        Args:
            name: The file; ``.safetensors`` is added where it is missing. An existing
                file is replaced.

        Returns:
            The path.
        """
        return tensor_file.write_tensors(name, "model", self.state_dict(), self.describe())

    def export(self, path: str | Path, format: str = "onnx", raw: bool = False) -> Path:
        """Write the model for other programs.

        Args:
            path: The file; the suffix is added where it is missing. An existing file is replaced.
            format: Name of an exporter: ``"onnx"`` of the plugin lumin-plugin-onnx, or another's.
            raw: Whether the recorded preprocessing is inside.

        Returns:
            The path.

        Raises:
            UnknownComponent: If there is no such exporter, with what to install.
            ConfigError: If a block cannot be exported, or `raw` is asked for and cannot be.
        """
        written: Path = registry.build("exporter", format).write([self], None, Path(path), raw=raw)
        return written

    def export_onnx(self, path: str | Path, raw: bool = False) -> Path:
        """Write the model as an ONNX file: the short form of ``export(path, "onnx")``.

        Args:
            path: As for `export`.
            raw: As for `export`.

        Returns:
            The path.
        """
        return self.export(path, "onnx", raw=raw)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weights, and under ``loss.`` what the loss learned, such as thresholds."""
        loss = self.loss.state_dict() if isinstance(self.loss, nn.Module) else {}
        return {**self.model.state_dict(), **{f"loss.{key}": value for key, value in loss.items()}}

    def load_state_dict(self, state: Mapping[str, Tensor], source: str = "the given state") -> None:
        """Load what `state_dict` gave.

        Args:
            state: The weights.
            source: Where they come from, for the message.

        Raises:
            SavedModelError: If names or shapes differ.
        """
        load_state(self.model, {k: v for k, v in state.items() if not k.startswith("loss.")}, source)
        if isinstance(self.loss, nn.Module):
            loss = {k.removeprefix("loss."): v for k, v in state.items() if k.startswith("loss.")}
            load_state(self.loss, loss, f"the loss in {source}")

    def training_state(self) -> dict[str, Any]:
        """Return what a training goes on from, without copies.

        These are ``weights``, ``optimiser`` (rates included) and ``scaler``.
        """
        scaler = None if self.scaler is None else self.scaler.state_dict()
        return {"weights": self.state_dict(), "optimiser": self.opt.state_dict(), "scaler": scaler}

    def load_training_state(self, state: Mapping[str, Any], source: str = "the given state") -> None:
        """Take back what `training_state` gave.

        Args:
            state: The state; it is copied.
            source: Where it comes from, for the message.

        Raises:
            SavedModelError: If names or shapes of the weights differ.
        """
        self.load_state_dict(state["weights"], source)
        self.opt.load_state_dict(copy.deepcopy(state["optimiser"]))  # torch would keep the tensors themselves
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])

    def describe(self) -> dict[str, Any]:
        """Give what `save` writes beside the weights, as JSON values.

        Raises:
            ConfigError: If the preprocessing of the training data cannot be stored.
        """
        if self._pipes is not None:
            raise self._pipes[1]
        record = self.record
        record.input_mask = None if self.input_mask is None else [int(i) for i in self.input_mask]
        try:
            with registry.pinned(record.pins()):  # what the model was built of, whatever has been registered since
                record.config = self.model_builder.to_config()
                record.unnamed = None
        except registry.UnnamedComponent as error:
            record.config = None
            record.unnamed = str(error)
        return to_json(record)

    def load(self, name: str | Path) -> None:
        """Load the weights and the input mask of a saved model into this one.

        Args:
            name: The file.

        Raises:
            SavedModelError: If it is no saved model, or does not fit this one, which then
                stays as it was.
        """
        state, content = tensor_file.read_tensors(name, "model")
        record = ModelRecord.from_json(content, Path(name))
        self.load_state_dict(state, str(name))
        self.set_input_mask(record.input_mask)
        self.record = record

    @classmethod
    def from_save(
        cls, name: str | Path, model_builder: ModelBuilder | None = None, device: str | torch.device | None = None
    ) -> Model:
        """Load a saved model.

        Nothing in the file is run: components are looked up in the registry by name.

        Args:
            name: The file.
            model_builder: Needed only where a component had no name to be saved under.
            device: As in the constructor.

        Returns:
            The model.

        Raises:
            SavedModelError: If it is no saved model, is damaged, or needs `model_builder`.
            UnknownComponent: If a component is not installed.
        """
        state, content = tensor_file.read_tensors(name, "model")
        return cls.from_record(content, state, Path(name), model_builder, device)

    @classmethod
    def from_record(
        cls,
        content: Any,
        state: Mapping[str, Tensor],
        source: Path,
        model_builder: ModelBuilder | None = None,
        device: str | torch.device | None = None,
    ) -> Model:
        """Build a model from what `describe` gave and its weights; see `from_save`."""
        record = ModelRecord.from_json(content, source)
        model = cls.__new__(cls)
        with registry.pinned(record.pins()):
            builder = model_builder or builder_of(record, source)
            with checked(source), limited(state):
                model._set_up(builder, device, "32", compiled=False, input_mask=record.input_mask)
        model.load_state_dict(state, str(source))
        model.record = record
        return model

    def get_lr(self) -> float:
        """Give the learning rate (of the first parameter group)."""
        return float(self.opt.param_groups[0]["lr"])

    def set_lr(self, lr: float) -> None:
        """Set the learning rate.

        Args:
            lr: The learning rate.
        """
        for group in self.opt.param_groups:
            group["lr"] = lr

    def get_mom(self) -> float:
        """Give the momentum, or the first of Adam's betas.

        Raises:
            ConfigError: If the optimiser has neither.
        """
        group = self.opt.param_groups[0]
        if "betas" in group:
            return float(group["betas"][0])
        self._check_momentum(group)
        return float(group["momentum"])

    def set_mom(self, mom: float) -> None:
        """Set the momentum, or the first of Adam's betas.

        Args:
            mom: The momentum.

        Raises:
            ConfigError: If the optimiser has neither.
        """
        for group in self.opt.param_groups:
            if "betas" in group:
                group["betas"] = (mom, *group["betas"][1:])
            else:
                self._check_momentum(group)
                group["momentum"] = mom

    def get_weights(self) -> dict[str, Tensor]:
        """Give a copy of the weights."""
        return {key: value.detach().clone() for key, value in self.model.state_dict().items()}

    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Set the weights.

        Args:
            weights: As from `get_weights`.

        Raises:
            SavedModelError: If names or shapes differ.
        """
        load_state(self.model, weights, "what was given")

    def get_param_count(self, trainable: bool = True) -> int:
        """Count the parameters.

        Args:
            trainable: Whether to count only those that are trained.
        """
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad or not trainable)

    def freeze_layers(self) -> None:
        """Keep all parameters as they are in training."""
        self.model.requires_grad_(False)

    def unfreeze_layers(self) -> None:
        """Let all parameters be trained again."""
        self.model.requires_grad_(True)

    def get_out_size(self) -> int:
        """Give the number of outputs."""
        return self.n_out

    def set_input_mask(self, mask: Sequence[int] | np.ndarray | None) -> None:
        """Set the columns of the inputs that the network is given.

        Args:
            mask: Indices, or Booleans, one a column; ``None`` for all.
        """
        self.input_mask = None if mask is None else np.asarray(_indices(mask), dtype=np.int64)

    def _check_momentum(self, group: Mapping[str, Any]) -> None:
        if "momentum" not in group:
            raise ConfigError(f"{type(self.opt).__name__} has no momentum")

    def _predict_batches(self, by: BatchYielder, pred_cb: Any, callbacks: Sequence[Any], fy: Any = None) -> Any:
        """Run the batches with the callbacks, the collecting one last, and give what it gives."""
        handler = PredHandler() if pred_cb is None else pred_cb
        if not callable(getattr(handler, "get_preds", None)):
            raise ConfigError(f"pred_cb must have get_preds(), got {handler!r}; derive it from lumin_core.PredHandler")
        cbs = [*callbacks, handler]
        plan = HookPlan(cbs)
        fit = FitParams(model=self, device=self.device, fy=fy, by=by, bs=by.bs, n_batches=len(by), cbs=cbs)
        fitting.hand_over(self, cbs)
        run_predict(fit, plan)
        return handler.get_preds()

    def _read(
        self, inputs: Any, bs: int | None, targets: Any = None, weights: Any = None, raw: bool = False
    ) -> BatchYielder:
        """Return all events in their order, as batches.

        Of batches that were given, it is a copy that gives them so.
        """
        if isinstance(inputs, BatchYielder):
            if raw or targets is not None or weights is not None:
                raise ConfigError("a BatchYielder holds its own targets and weights, and inputs that were preprocessed")
            by = copy.copy(inputs)
            by.shuffle = False
            by.drop_last = False
            by.device = self.device
            by.input_mask = self.input_mask if by.input_mask is None else by.input_mask
            return by
        reader = InputReader(self.model_builder, self.record, None if self._pipes is None else self._pipes[0])
        return self.batches(reader.read(inputs, raw=raw), bs, targets, weights)

    def _record_data(self, fy: FoldYielder, seed: int) -> None:
        """Note what is known of the training data, to be saved with the model."""
        record = self.record
        record.seeds["fit"] = seed
        record.add_training(fy, self.fit_params.trn_idxs)  # type: ignore[union-attr]
        record.features = {
            "cont_feats": fy.get_use_cont_feats(),
            "cat_feats": fy.get_use_cat_feats(),
            "targ_feats": fy.targ_feats,
            "file_feats": list(fy.meta.cont_feats),  # ignored ones too, which the preprocessing covers
        }
        record.cat_maps = {
            feat: {str(code): value for code, value in codes.items()} for feat, codes in fy.cat_maps.items()
        }
        try:
            record.preprocessing = fy.preprocessing_config
            self._pipes = None
        except ConfigError as error:  # it serves in memory, and is refused when the model is saved
            record.preprocessing = []
            self._pipes = (fy.get_pipes("inputs"), error)


def _indices(mask: Any) -> Any:
    mask = np.asarray(mask)
    return np.flatnonzero(mask) if mask.dtype.kind == "b" else mask


def pick_device(device: str | torch.device | None = None) -> torch.device:
    """Choose where to work.

    It is as asked, else by ``LUMIN_DEVICE``, else the first of cuda, mps and cpu that is there.

    Raises:
        ConfigError: If torch knows no such device, or it is not there.

    Example:
        >>> from lumin_core.training.model import pick_device
        >>> pick_device("cpu")
        device(type='cpu')
    """
    asked = device or os.environ.get("LUMIN_DEVICE")
    if asked is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(asked)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"the device {asked!r} cannot be used: {str(error).splitlines()[0]}; say cpu, cuda or mps"
        ) from error
    return chosen
