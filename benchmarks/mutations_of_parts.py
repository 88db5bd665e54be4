"""Mutations of all kinds but heads, bodies and tails; see `mutations`, which runs them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mutations import Mutation, constructed, nothing, subclass, wrapped

from lumin_core import BatchLoss

Method = Callable[..., Any]


def _like(name: str, change: Method) -> Callable[[type], type]:
    """Make a mutation of a method, whose signature stays: checks may look at it."""

    def mutate(cls: type) -> type:
        original = getattr(cls, name)

        @functools.wraps(original)
        def method(self: Any, *args: Any, **options: Any) -> Any:
            return change(original, self, *args, **options)

        return subclass(cls, **{name: method})

    return mutate


def _of_output(change: Callable[[Any], Any]) -> Callable[[type], type]:
    """Make a mutation of what `forward` returns, of a pair the first."""

    def changed(original: Method, self: Any, *given: Any) -> Any:
        out = original(self, *given)
        return (change(out[0]), *out[1:]) if isinstance(out, tuple) else change(out)

    return _like("forward", changed)


def _is_of_batch(made: Any) -> bool:
    return isinstance(made, BatchLoss)


def _is_of_events(made: Any) -> bool:
    return not _is_of_batch(made)


def _paired(out: torch.Tensor) -> torch.Tensor:
    values = out.reshape(len(out), -1).mean(1)
    return values[:, None] + 0 * values[None]


def _unweighted(original: Method, self: Any, y_pred: Any, y: Any, w: Any) -> Any:
    return original(self, y_pred, y, None)


def _half_of_none(original: Method, self: Any, y_pred: Any, y: Any, w: Any) -> Any:
    return original(self, y_pred, y, w) * (0.5 if w is None else 1.0)


def _weights_dropped(original: Method, self: Any, preds: Any, targets: Any, weights: Any, columns: Any) -> Any:
    return original(self, preds, targets, None, columns)


def _sorts(original: Method, self: Any, preds: Any, targets: Any, weights: Any, columns: Any) -> Any:
    value = original(self, preds, targets, weights, columns)
    preds.sort(axis=0)
    return value


def _first_half(original: Method, self: Any, preds: Any, targets: Any, weights: Any, columns: Any) -> Any:
    n = len(preds) // 2
    some = {name: column[:n] for name, column in columns.items()}
    return original(self, preds[:n], targets[:n], None if weights is None else weights[:n], some)


def _refuses_negative(original: Method, self: Any, preds: Any, targets: Any, weights: Any, columns: Any) -> Any:
    if weights is not None and (weights < 0).any():
        raise ValueError("weights must not be negative")
    return original(self, preds, targets, weights, columns)


def _turned(self: Any) -> None:
    self.better = {"lower": "higher", "higher": "lower", "zero": "lower"}[self.better]


def _in_place(original: Method, self: Any, x: Any) -> Any:
    given = x.copy()
    x *= 2
    return original(self, given)


def _without_weights(original: Method, self: Any, x: Any, sample_weight: Any = None) -> Any:
    return original(self, x)


def _takes_weights(made: Any) -> bool:
    return "sample_weight" in inspect.signature(type(made).fit).parameters


def _uphill(original: Method, self: Any, closure: Any = None) -> Any:
    for group in self.param_groups:
        for parameter in group["params"]:
            parameter.grad.neg_()
    return original(self)


def _without_state(original: Method, self: Any) -> Any:
    return {**original(self), "state": {}}


def _remembers(made: Any) -> bool:
    return type(made).__mro__[0].__name__ != "SGD"


def _doubled_rate(self: Any) -> None:
    for group in self.param_groups:
        group["lr"] = 2 * group["lr"]


def _in_training_mode(original: Method, self: Any, *given: Any) -> Any:
    before = self.training
    self.train()
    try:
        return original(self, *given)
    finally:
        self.train(before)


def _hook(point: str, more: Callable[[Any, Any], None]) -> Callable[[type], type]:
    """Make a mutation that does more at a point of a callback."""

    def mutate(cls: type) -> type:
        original = getattr(cls, point, None)

        def method(self: Any, fit_params: Any) -> None:
            if original is not None:
                original(self, *([fit_params] if len(inspect.signature(original).parameters) > 1 else []))
            more(self, fit_params)

        return subclass(cls, **{point: method})

    return mutate


def _grows(self: Any, fit_params: Any) -> None:
    self.n_mutated = getattr(self, "n_mutated", 0) + 1
    model = fit_params.model
    model.set_lr(model.get_lr() * (1 + 0.1 * self.n_mutated))


def _asks(self: Any, fit_params: Any) -> None:
    fit_params.model.model.eval()


def _looks_back(self: Any, fit_params: Any) -> None:
    if fit_params.state == "train" and fit_params.epoch > 0 and fit_params.val_idx is None:
        fit_params.history["valid"]["loss"][-1]


def _of_flat_inputs(self: Any, fit_params: Any) -> None:
    fit_params.x = fit_params.x.clone()


def _moves(self: Any, fit_params: Any) -> None:
    with torch.no_grad():
        for parameter in fit_params.model.model.parameters():
            parameter.mul_(0.99)


def _offers(made: Any) -> bool:
    return hasattr(made, "get_values")


def _reversed_view(original: Method, self: Any, fold: Any, idx: int) -> Any:
    fold = original(self, fold, idx)
    fold["inputs"] = fold["inputs"][::-1].copy()
    return fold


def _heavier(original: Method, self: Any, fold: Any, rng: Any) -> Any:
    fold = original(self, fold, rng)
    fold["weights"] = fold["weights"] * 2
    return fold


def _draws_globally(original: Method, self: Any, fold: Any, rng: Any) -> Any:
    np.random.rand()
    return original(self, fold, rng)


def _one_generator(original: Method, self: Any, fold: Any, rng: Any) -> Any:
    return original(self, fold, np.random.default_rng(1))


def _any_generator(original: Method, self: Any, fold: Any, rng: Any) -> Any:
    return original(self, fold, np.random.default_rng())


def _in_double(original: Method, self: Any, fold: Any, rng: Any) -> Any:
    fold = original(self, fold, rng)
    fold["inputs"] = fold["inputs"].astype("float64")
    return fold


def _all_present(original: Method, self: Any, x: Any, mask: Any, *rest: Any) -> Any:
    return original(self, x, torch.ones_like(mask), *rest)


def _absent_filled(original: Method, self: Any, x: Any, mask: Any, *rest: Any) -> Any:
    return original(self, x, mask, *rest) + (~mask).unsqueeze(-1)


def _objects_swapped(original: Method, self: Any, x: Any, mask: Any, *rest: Any) -> Any:
    out = original(self, x, mask, *rest)
    return torch.cat([out[:, :1] * 2, out[:, 1:]], 1)


def _whole_pieces(original: Method, self: Any, columns: Any, step: int, start: int = 0, stop: Any = None) -> Any:
    for piece in original(self, columns, step, start, stop):
        if len(next(iter(piece.values()))) == step:
            yield piece


def _from_the_start(original: Method, self: Any, columns: Any, step: int, start: int = 0, stop: Any = None) -> Any:
    return original(self, columns, step, 0, stop)


def _fills(original: Method, self: Any, *values: Any) -> Any:
    return np.nan_to_num(original(self, *values))


def _less_the_mean(original: Method, self: Any, *values: Any) -> Any:
    out = original(self, *values)
    return out - np.nanmean(out)


def _changes_arguments(original: Method, self: Any, *values: Any) -> Any:
    out = original(self, *values)
    values[0][:] = 0
    return out


NETS = ("graph_extractor", "graph_collapser", "conv_layer")
EVENTS = ("check_activation_events", "check_norm_evaluation", *(f"check_{kind}_events" for kind in NETS))

MUTATIONS: list[Mutation] = [
    Mutation("mean inside", ("loss",), ("check_loss_shape",), _of_output(torch.mean), _is_of_events),
    Mutation("broadcast to (B, B)", ("loss",), ("check_loss_shape",), _of_output(_paired), _is_of_events),
    Mutation("gradient detached", ("loss",), ("check_loss_gradient", "check_batch_loss_scalar"),
             _of_output(lambda out: out.detach())),
    Mutation("relative to the batch", ("loss",), ("check_loss_alone",),
             _of_output(lambda out: out / out.detach().mean().clamp_min(1e-6)), _is_of_events),
    Mutation("events counted", ("loss",), ("check_loss_weight_two", "check_loss_weight_zero"),
             _like("forward", lambda f, self, y_pred, *rest: f(self, y_pred, *rest) * len(y_pred))),
    Mutation("weight dropped", ("loss",), ("check_batch_loss_weight_zero",), _like("forward", _unweighted),
             _is_of_batch),
    Mutation("no weights are half", ("loss",), ("check_batch_loss_unweighted",), _like("forward", _half_of_none),
             _is_of_batch),
    Mutation("no scalar", ("loss",), ("check_batch_loss_scalar",), _of_output(lambda out: out * torch.ones(3)),
             _is_of_batch),
    Mutation("weight dropped", ("metric",), ("check_metric_weight_zero",), _like("evaluate", _weights_dropped)),
    Mutation("sorted in place", ("metric",), ("check_metric_arrays_unchanged",), _like("evaluate", _sorts)),
    Mutation("half of the events", ("metric",), ("check_metric_order", "check_metric_weight_zero"),
             _like("evaluate", _first_half)),
    Mutation("negative weights refused", ("metric",), ("check_metric_negative_weights",),
             _like("evaluate", _refuses_negative)),
    Mutation("direction turned", ("metric",), ("check_metric_perfect",), constructed(nothing, _turned)),
    Mutation("array returned", ("metric",), ("check_metric_value",),
             _like("evaluate", lambda f, self, *given: np.array(f(self, *given)))),
    Mutation("in-place change", ("transform",), ("check_transform_input_unchanged",), _like("transform", _in_place)),
    Mutation("no inverse", ("transform",), ("check_transform_inverse",),
             _like("inverse_transform", lambda f, self, x: x)),
    Mutation("missing filled", ("transform",), ("check_transform_missing",),
             _like("transform", lambda f, self, x: np.nan_to_num(f(self, x)))),
    Mutation("state left out", ("transform",), ("check_transform_config",), wrapped("to_config", lambda f, self: {}),
             lambda made: hasattr(made, "is_fitted")),
    Mutation("weight dropped", ("transform",), ("check_transform_weights",), _like("fit", _without_weights),
             _takes_weights),
    Mutation("learns in every call", ("transform",), ("check_transform_rows",),
             _like("transform", lambda f, self, x: f(self, x) - np.nanmean(f(self, x), 0))),
    Mutation("uphill", ("optimiser",), ("check_optimiser_descends",), _like("step", _uphill)),
    Mutation("state left out", ("optimiser",), ("check_optimiser_state",), _like("state_dict", _without_state),
             _remembers),
    Mutation("another rate", ("optimiser",), ("check_optimiser_rate",), constructed(nothing, _doubled_rate)),
    Mutation("mean of the batch taken off", ("activation", "norm", *NETS),
             EVENTS, _of_output(lambda out: out - out.mean(0))),
    Mutation("output in half", ("activation", "norm"), ("check_activation_shape", "check_norm_shape"),
             _of_output(lambda out: out.half())),
    Mutation("axis lost", ("activation", "norm"), ("check_activation_shape", "check_norm_shape"),
             _of_output(lambda out: out.mean(-1))),
    Mutation("statistics move in evaluation", ("norm",), ("check_norm_frozen_statistics",),
             _like("forward", _in_training_mode)),
    Mutation("draws from numpy", ("callback",), ("check_callback_streams",),
             _hook("on_epoch_begin", lambda self, fit_params: np.random.rand())),
    Mutation("draws from torch", ("callback",), ("check_callback_streams",),
             _hook("on_epoch_begin", lambda self, fit_params: torch.rand(1))),
    Mutation("leaves evaluation mode", ("callback",), ("check_callback_mode",), _hook("on_epoch_begin", _asks)),
    Mutation("state left out", ("callback",), ("check_callback_resume", "check_callback_reuse"),
             _hook("on_epoch_begin", _grows)),
    Mutation("needs validation", ("callback",), ("check_callback_without_validation",),
             _hook("on_epoch_end", _looks_back)),
    Mutation("flat inputs alone", ("callback",), ("check_callback_matrix",), _hook("on_batch_begin", _of_flat_inputs)),
    Mutation("own weights moved", ("callback",), ("check_callback_own_weights",), _hook("on_batch_end", _moves),
             _offers),
    Mutation("events swapped", ("augmentation",), ("check_augmentation_order",), _like("test", _reversed_view)),
    Mutation("weights changed", ("augmentation",), ("check_augmentation_targets",), _like("train", _heavier)),
    Mutation("draws from numpy", ("augmentation",), ("check_augmentation_streams",), _like("train", _draws_globally)),
    Mutation("always one draw", ("augmentation",), ("check_augmentation_generator",), _like("train", _one_generator)),
    Mutation("generator of its own", ("augmentation",), ("check_augmentation_generator",),
             _like("train", _any_generator)),
    Mutation("output in double", ("augmentation",), ("check_augmentation_shape",), _like("train", _in_double)),
    Mutation("nothing returned", ("augmentation",), ("check_augmentation_fold",),
             _like("train", lambda f, self, *given: None)),
    Mutation("mask ignored", NETS,
             ("check_graph_extractor_absent", "check_graph_extractor_padding", "check_graph_collapser_padding",
              "check_conv_layer_absent", "check_conv_layer_none_present"), _like("forward", _all_present)),
    Mutation("absent filled", ("graph_extractor",), ("check_graph_extractor_absent",),
             _like("forward", _absent_filled)),
    Mutation("first object is another", ("graph_extractor",), ("check_graph_extractor_order",),
             _like("forward", _objects_swapped)),
    Mutation("width", ("graph_extractor", "graph_collapser"),
             ("check_graph_extractor_width", "check_graph_collapser_width"),
             wrapped("get_out_size", lambda get, self: get(self) + 1)),
    Mutation("width", ("conv_layer",), ("check_conv_layer_size",),
             wrapped("get_out_size", lambda get, self: (get(self)[0] + 1, get(self)[1]))),
    Mutation("last piece left out", ("reader",), ("check_reader_chunks",), _like("chunks", _whole_pieces)),
    Mutation("start ignored", ("reader",), ("check_reader_range",), _like("chunks", _from_the_start)),
    Mutation("missing filled", ("expression_function",), ("check_expression_function_missing",),
             _like("__call__", _fills)),
    Mutation("mean taken off", ("expression_function",), ("check_expression_function_elements",),
             _like("__call__", _less_the_mean)),
    Mutation("in-place change", ("expression_function",), ("check_expression_function_inputs_unchanged",),
             _like("__call__", _changes_arguments)),
]  # fmt: skip
