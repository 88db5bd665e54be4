"""What a builder built, on a device: blocks, loss and optimiser, ready to be asked and changed."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from lumin_core import registry
from lumin_core.arguments import expect, explained
from lumin_core.checks import check_flags, is_number
from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.errors import ConfigError
from lumin_core.model.blocks import set_frozen
from lumin_core.model.builder import ModelBuilder
from lumin_core.model.members import mean_of_members
from lumin_core.model.optimiser import build_optimiser
from lumin_core.model.record import ModelRecord, describe_components
from lumin_core.model.tensor_file import load_state
from lumin_core.training.device import DTYPES, check_precision, pick_device
from lumin_core.training.use import Use

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike
    from torch.optim import Optimizer

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.model.blocks import Block, Body, Head, Inputs, Tail
    from lumin_core.model.built import BuiltParts

PREDICT_BS = 2048  # measured on one core: smaller batches cost calls, larger ones leave the cache

_PARTS = {"head": 0, "body": 1, "tail": 2}


class Assembly:
    """Base of `Network`: head, body and tail with their loss and optimiser.

    Arguments and attributes are those of `lumin_core.Model`, beside them `precision` and `compile`
    as they were given; `members`: the number of networks that body and tail are; `use`: the threads
    that fit or ask it; `scaler`: what scales the loss where the precision is ``"16"``, else
    ``None``; and `is_new`: whether the weights are still those that the builder drew, neither
    trained nor loaded.
    """

    @explained
    def __init__(
        self,
        model_builder: ModelBuilder,
        device: str | torch.device | None = None,
        precision: str = "32",
        compile: bool = False,
        *,
        input_mask: Sequence[int] | None = None,
        record: ModelRecord | None = None,
    ) -> None:
        expect(model_builder, ModelBuilder, "model_builder")
        check_precision(precision)
        check_flags(compile=compile)
        self.model_builder = model_builder
        self.device = pick_device(device)
        self.objective = model_builder.objective
        self.n_out = model_builder.n_out
        self.precision = precision
        self.compile = bool(compile)
        self.scaler = torch.amp.GradScaler(self.device.type) if precision == "16" else None
        self._dtype = DTYPES[precision]
        self.use = Use()
        built = self._build(model_builder, input_mask)
        self.is_new = record is None and model_builder.pretrain_file is None
        self.record = record or ModelRecord(
            components=describe_components(built.components), seeds={"initialisation": built.seed}
        )
        self._opt: Optimizer | None = None
        if record is None:  # a loaded model may never be trained
            self._opt = self._make_opt()

    def _build(self, builder: ModelBuilder, input_mask: Sequence[int] | None) -> BuiltParts:
        built = builder.get_parts(self.device, input_mask)
        self.model = built.model
        self.members = self.tail.members
        self.loss = built.loss
        self.input_mask = built.input_mask
        self._network: Callable[[Inputs], Tensor] = torch.compile(self.model) if self.compile else self.model
        self.set_mode(training=False)
        return built

    def prepare_for(self, fy: FoldYielder, folds: Sequence[int]) -> None:
        """Have the head ask the data of the first training what it needs to know.

        Where there is something, head, body and tail are built anew, from the same seed; rates, and
        what is frozen, stay.

        Args:
            fy: The training data.
            folds: Numbers of the folds that may be looked at.
        """
        begun = self.record.identity is not None or not (self.is_new or self.model_builder.pretrain_file)
        if begun or (builder := self.model_builder.prepared(fy, folds)) is self.model_builder:
            return
        self.model_builder = builder
        with_seed = ModelBuilder.from_model_builder(builder, seed=self.record.seeds["initialisation"])
        held = {name for name, parameter in self.model.named_parameters() if not parameter.requires_grad}
        rates = [group["lr"] for group in self.opt.param_groups]
        self._build(with_seed, None if self.input_mask is None else self.input_mask.tolist())
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and name not in held)
        self._opt = self._make_opt()
        for group, rate in zip(self.opt.param_groups, rates, strict=False):
            group["lr"] = rate

    @property
    def opt(self) -> Optimizer:
        """The optimiser, which a loaded model makes when it is first asked for."""
        if self._opt is None:
            self._opt = self._make_opt()
        return self._opt

    @opt.setter
    def opt(self, opt: Optimizer) -> None:
        self._opt = opt

    def _make_opt(self) -> Optimizer:
        with registry.pinned(self.record.pins()):
            return build_optimiser(self.model_builder.opt_args, self.model)

    @property
    def head(self) -> Head:
        """The head."""
        return cast("Head", self.model[0])

    @property
    def body(self) -> Body:
        """The body."""
        return cast("Body", self.model[1])

    @property
    def tail(self) -> Tail:
        """The tail."""
        return cast("Tail", self.model[2])

    def __getitem__(self, part: int | str) -> Block:
        """Return a block, by number or name: ``model[0]`` is ``model["head"]``."""
        if isinstance(part, str) and part not in _PARTS:
            raise ConfigError(f"a model has head, body and tail, got {part!r}")
        return cast("Block", self.model[_PARTS[part] if isinstance(part, str) else part])

    def batches(
        self,
        inputs: ArrayLike | tuple[ArrayLike, ArrayLike],
        bs: int | None = None,
        targets: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        *,
        object_axis: int | None = None,
    ) -> BatchYielder:
        """Make batches, in their order and on the model's device, of inputs that are as a fold's.

        Missing values become what the head asks for.

        Args:
            inputs: Shape ``(n, F)``, or ``(flat, matrix)``.
            bs: Events in a batch.
            targets: Shape ``(n, n_targ)`` or ``(n,)``, or ``None``.
            weights: Shape ``(n, 1)`` or ``(n,)``, or ``None``.
            object_axis: Axis of the matrix along which its objects are, 1 or -1, where missing
                values of objects that are there are still NaN.

        Returns:
            The batches, for `Network.predict` and `Network.evaluate`.
        """
        return BatchYielder(
            inputs,
            PREDICT_BS if bs is None else bs,
            self.objective,
            targets,
            weights,
            shuffle=False,
            drop_last=False,
            input_mask=self.input_mask,
            device=self.device,
            missing=self.head.missing,
            object_axis=object_axis,
        )

    def forward(self, x: Inputs, module: nn.Module | None = None) -> Tensor:
        """Run a batch through the network, in the chosen precision.

        Args:
            x: ``(B, F)`` or ``(flat, matrix)``, masked already.
            module: Another network, to be asked in the model's place.

        Returns:
            Outputs in single precision, shape ``(B, n_out)``: for multiclass, what the tail gives
            (log-probabilities). Of members it is the mean, in training, too.
        """
        y_pred = self.outputs(x, module)
        return y_pred if self.members == 1 or y_pred.dim() == 2 else mean_of_members(y_pred, self.objective)

    def outputs(self, x: Inputs, module: Callable[[Inputs], Tensor] | None = None) -> Tensor:
        """Run a batch through the network, or what is given instead, in the chosen precision.

        Args:
            x: As for `forward`.
            module: Another network, a block, or a function.

        Returns:
            What it gives, in single precision: as `forward`, but in training mode of a network with
            members those of each, shape ``(B, members, n_out)``.
        """
        network = self._network if module is None else module
        if self._dtype is None:
            return network(x)
        with torch.autocast(self.device.type, self._dtype):
            return network(x).float()

    def of_members(self, x: Inputs) -> Tensor:
        """Run a batch through a network with members, for the outputs of each, whatever the mode.

        Args:
            x: As for `forward`.

        Returns:
            Shape ``(B, members, n_out)``.
        """
        return self.outputs(x, lambda inputs: self.tail.of_members(self.body(self.head(inputs))))

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
            ConfigError: If another thread fits or asks the network.
        """
        with self.use.fitting():
            load_state(self.model, {k: v for k, v in state.items() if not k.startswith("loss.")}, source)
            if isinstance(self.loss, nn.Module):
                loss = {k.removeprefix("loss."): v for k, v in state.items() if k.startswith("loss.")}
                load_state(self.loss, loss, f"the loss in {source}")
            self.is_new = False

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

    def get_weights(self) -> dict[str, Tensor]:
        """Return a copy of the weights."""
        return {key: value.detach().clone() for key, value in self.model.state_dict().items()}

    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Set the weights.

        Args:
            weights: As from `get_weights`.

        Raises:
            SavedModelError: If names or shapes differ.
            ConfigError: If another thread fits or asks the network.
        """
        with self.use.fitting():
            load_state(self.model, weights, "what was given")
            self.is_new = False

    def get_lr(self) -> float:
        """Return the learning rate (of the first parameter group)."""
        return float(self.opt.param_groups[0]["lr"])

    def set_lr(self, lr: float) -> None:
        """Set the learning rate of all parameter groups.

        Raises:
            ConfigError: If it is negative, or not a number.
        """
        if not is_number(lr) or lr < 0:
            raise ConfigError(f"lr must be a number of at least 0, got {lr!r}; say model.set_lr(1e-3)")
        for group in self.opt.param_groups:
            group["lr"] = lr

    def get_mom(self) -> float:
        """Return the momentum, or the first of Adam's betas.

        Raises:
            ConfigError: If the optimiser has neither.
        """
        group = self.opt.param_groups[0]
        self._check_momentum(group)
        return float(group["betas"][0] if "betas" in group else group["momentum"])

    def set_mom(self, mom: float) -> None:
        """Set the momentum, or the first of Adam's betas.

        Raises:
            ConfigError: If the optimiser has neither.
        """
        for group in self.opt.param_groups:
            self._check_momentum(group)
            group.update({"betas": (mom, *group["betas"][1:])} if "betas" in group else {"momentum": mom})

    def _check_momentum(self, group: Mapping[str, object]) -> None:
        if group.keys().isdisjoint(("betas", "momentum")):
            raise ConfigError(f"{type(self.opt).__name__} has no momentum")

    def get_param_count(self, trainable: bool = True) -> int:
        """Count the parameters: those that are trained, or all of them."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad or not trainable)

    def freeze_layers(self) -> None:
        """Keep all parameters, and the statistics of norms, as they are in training."""
        set_frozen(self.model, frozen=True)

    def unfreeze_layers(self) -> None:
        """Let all parameters be trained again."""
        set_frozen(self.model, frozen=False)

    def get_out_size(self) -> int:
        """Return the number of outputs."""
        return self.n_out

    def set_input_mask(self, mask: Sequence[int] | np.ndarray | None) -> None:
        """Set the columns of the inputs that the network is given.

        Args:
            mask: Indices, or Booleans, one a column; ``None`` for all.
        """
        columns = np.asarray([] if mask is None else mask)
        indices = np.flatnonzero(columns) if columns.dtype.kind == "b" else columns.astype(np.int64)
        self.input_mask = None if mask is None else indices


def check_raw(raw: object) -> None:
    """Refuse what is neither a Boolean nor ``"inputs"``.

    Raises:
        ConfigError: Saying what is expected.

    Example:
        >>> from lumin_core.training.assembly import check_raw
        >>> check_raw("inputs")
    """
    if not isinstance(raw, bool) and raw != "inputs":
        raise ConfigError(
            f"raw must be True (raw inputs and outputs), False, or 'inputs' (raw inputs alone), got {raw!r}"
        )
