"""What heads, bodies and tails all must hold."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from lumin_core import seeds
from lumin_core.checks import is_positive, listed
from lumin_core.testing import blocks
from lumin_core.testing.outcome import CheckFailed, NotApplicable
from lumin_core.testing.promises import Check
from lumin_core.testing.saved_blocks import exported, predicted_apart, with_onnx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lumin_core.testing.subject import Subject

_SIZES = (1, 2, 7)
_LARGE = 1e4
_HALF = 5e-2  # relative, of bfloat16
_SEEDS = range(3)
_MOVES = "hold what is learned or counted in parameters and buffers"


def check_block_shape(subject: Subject) -> None:
    """One event or many give ``(B, get_out_size())``, and the size is a positive int."""
    block = subject.make()
    width = block.get_out_size()
    if not is_positive(width):
        raise CheckFailed(f"get_out_size() should be a positive int, got {width!r}")
    for n in _SIZES:
        out = blocks.evaluated(block, blocks.inputs_of(block, n))
        if out.dtype != torch.float32:
            raise CheckFailed(f"from float32 it gives {out.dtype}: make tensors with dtype=x.dtype")
        if (shape := tuple(out.shape)) != (n, width):
            raise CheckFailed(
                f"for {n} events the output should have the shape ({n}, {width}), as get_out_size() says, got {shape}"
            )


def check_block_gradient(subject: Subject) -> None:
    """Every trainable parameter gets a finite gradient that is not zero; so does a body's input."""
    block = subject.make().train()
    moved: dict[str, bool] = {name: False for name, p in block.named_parameters() if p.requires_grad}
    reached = False
    for seed in _SEEDS:
        x = blocks.inputs_of(block, 16, seed)
        if block.kind != "head":
            x.requires_grad_()
        out = _drawn(block, x, seed)
        if not out.requires_grad:
            if moved or block.kind != "head":
                raise CheckFailed("the output has no gradient: compute it from parameters and inputs, without detach()")
            return
        _, upstream = out, torch.randn(out.shape, generator=torch.Generator().manual_seed(seed))
        out.backward(upstream)
        for name in moved:
            moved[name] |= _has_moved(name, block.get_parameter(name).grad)
        reached |= block.kind == "head" or bool(x.grad is not None and x.grad.any())
    if still := [name for name, has_moved in moved.items() if not has_moved]:
        raise CheckFailed(
            f"no gradient reaches {listed(still)}: use every parameter in forward, and no detach(), .data or argmax "
            "on the way to the output"
        )
    if not reached:
        raise CheckFailed("no gradient reaches the input, so that nothing in front is trained: is it detached?")


def _has_moved(name: str, gradient: torch.Tensor | None) -> bool:
    if gradient is None:
        return False
    if not gradient.isfinite().all():
        raise CheckFailed(f"the gradient of {name} is not finite: guard roots, logarithms and divisions at 0")
    return bool(gradient.any())


def check_block_modules(subject: Subject) -> None:
    """No module, parameter or tensor is hidden in an attribute that torch does not look into."""
    block = subject.make()
    known = {id(part) for part in (*block.modules(), *block.parameters(), *block.buffers())}
    for owner, module in block.named_modules():
        for name, value in vars(module).items():
            if name.startswith("_") and name in vars(nn.Module()):  # where torch keeps what is registered
                continue
            for hidden in (part for part in _hidden(value) if id(part) not in known):
                where = f"{type(module).__name__}.{name}" + (f" (at {owner})" if owner else "")
                raise CheckFailed(
                    f"{where} hides {'a tensor' if isinstance(hidden, torch.Tensor) else type(hidden).__name__}, which "
                    "is neither trained, saved nor moved to a device: use nn.ModuleList, nn.ModuleDict, nn.Parameter "
                    "or register_buffer"
                )


def _hidden(value: object) -> Iterator[object]:
    if isinstance(value, nn.Module | torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _hidden(inner)
    elif isinstance(value, list | tuple | set):
        for inner in value:
            yield from _hidden(inner)


def check_block_seed(subject: Subject) -> None:
    """One seed gives equal parameters, another other ones, and torch's generator alone is used."""
    before = _generators()
    one, same, other = (subject.make(seed=seed).state_dict() for seed in (1, 1, 2))
    _drawn(subject.make().train(), blocks.inputs_of(subject.make(), 4), 0)
    if touched := [name for name, state in _generators().items() if state != before[name]]:
        raise CheckFailed(f"it draws from, or seeds, {listed(touched)}: draw from torch's global generator alone")
    if unequal := list(blocks.differing(one, same)):
        raise CheckFailed(f"two built from one seed differ in {listed(unequal)}: draw from torch's global generator")
    fixed = [name for name in one if torch.equal(one[name], other[name]) and _is_random(one[name])]
    learned = {name for name, _ in subject.make().named_parameters()}
    if fixed := [name for name in fixed if name in learned]:
        raise CheckFailed(
            f"{listed(fixed)} are the same from every seed: is a generator seeded in the constructor? Draw from torch's"
        )


def _is_random(values: torch.Tensor) -> bool:
    """Tell whether a parameter looks as if it was drawn: it is no constant, in whole or by rows."""
    return values.is_floating_point() and values.numel() > 1 and len(values.unique()) > values.numel() // 2


def _generators() -> dict[str, object]:
    return {
        "the random numbers of Python": random.getstate(),
        "the random numbers of numpy": repr(np.random.get_state(legacy=False)),
        "torch's seed": torch.get_rng_state().numpy().tobytes(),
    }


def check_block_evaluation(subject: Subject) -> None:
    """In evaluation an event's output is its own: the same twice, in any order and company."""
    block = blocks.trained(subject.make())
    x = blocks.inputs_of(block, 7)
    state, before = blocks.state_of(block), torch.get_rng_state()
    out = blocks.evaluated(block, x)
    again = blocks.evaluated(block, x)
    way_out = "use self.training where training differs, and no other event in evaluation"
    blocks.expect_equal(again, out, "the same events twice", way_out)
    if not torch.equal(before, torch.get_rng_state()):
        raise CheckFailed("it draws random numbers in evaluation mode: do so where self.training is true")
    if changed := list(blocks.differing(state, blocks.state_of(block))):
        raise CheckFailed(f"evaluation changes {listed(changed)}: count statistics where self.training is true")
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    moved = blocks.evaluated(block, blocks.of_inputs(lambda part: part[order], x))
    blocks.expect_equal(moved, out[order], "events in another order", way_out, blocks.TOLERANCE)
    alone = blocks.evaluated(block, blocks.of_inputs(lambda part: part[2:3], x))
    blocks.expect_equal(alone, out[2:3], "one event alone", way_out, blocks.TOLERANCE)


def check_block_input(subject: Subject) -> None:
    """The input stays as it is, in training and in evaluation."""
    block = subject.make()
    for is_training in (True, False):
        x = blocks.inputs_of(block, 7)
        kept = copy.deepcopy(x)
        with torch.no_grad():
            _drawn(block.train(is_training), x, 0)
        for came, given in zip(blocks.tensors_of(x), blocks.tensors_of(kept), strict=True):
            if not torch.equal(came.nan_to_num(nan=-1), given.nan_to_num(nan=-1)):
                raise CheckFailed("it changes its input in place: work on x.clone(), and use no method like add_()")


def check_block_finite(subject: Subject) -> None:
    """Inputs of zeros and of 1e4 give finite outputs."""
    block = subject.make()
    sample = blocks.inputs_of(block, 3)
    for name, value in (("zeros", 0.0), (f"{_LARGE:g}", _LARGE)):
        x = blocks.of_inputs(partial(_filled, value=value), sample)
        if getattr(block, "cat_embedder", None) is not None:
            x = _with_codes(block, x)
        if block.kind == "head" and hasattr(block, "example_inputs"):
            raise NotApplicable("its inputs are of its own form")
        if not blocks.evaluated(block, x).isfinite().all():
            raise CheckFailed(f"inputs of {name} give an output that is not finite: guard roots, logarithms, divisions")


def _filled(x: torch.Tensor, value: float) -> torch.Tensor:
    """Give all that is there one value."""
    return torch.where(x.isnan(), x, value)


def _with_codes(head: Any, x: Any) -> Any:
    """Give categorical features valid codes, which are not any number."""
    flat = x if isinstance(x, torch.Tensor) else x[0]
    flat = flat.clone()
    if flat.dim() == 2 and (n_cat := len(head.cat_feats)):
        flat[:, -n_cat:] = 0
    return flat if isinstance(x, torch.Tensor) else (flat, *x[1:])


def check_block_frozen(subject: Subject) -> None:
    """Frozen, neither parameters nor statistics move in training."""
    if "freeze" in subject.signature.names and subject.make(offered={"freeze": True}).get_param_count():
        raise CheckFailed("freeze=True trains parameters: end the constructor with if freeze: self.freeze_layers()")
    block = subject.make()
    block.freeze_layers()
    if block.get_param_count():
        raise CheckFailed(
            f"{block.get_param_count()} parameters are trained after freeze_layers(), expected none: hold them in "
            "modules that the block owns"
        )
    before = blocks.state_of(block)
    if moved := list(blocks.differing(before, blocks.state_of(blocks.trained(block)))):
        raise CheckFailed(f"training moves {listed(moved)} of a frozen block: count statistics only in training mode")
    block.unfreeze_layers()
    if block.get_param_count() != block.get_param_count(trainable=False):
        raise CheckFailed("parameters are still held after unfreeze_layers()")


def check_block_state(subject: Subject) -> None:
    """The state of a trained one, loaded into a new one, gives equal answers."""
    block = blocks.trained(subject.make())
    x = blocks.inputs_of(block, 7)
    new = subject.make(seed=2)
    try:
        new.load_state_dict(block.state_dict())
    except RuntimeError as error:
        raise CheckFailed(
            f"a new one does not take the state: {error}; build all modules in the constructor"
        ) from error
    expected = blocks.evaluated(block, x)
    blocks.expect_equal(blocks.evaluated(new, x), expected, "a new one with the state of a trained one", _MOVES)


def check_block_saved(subject: Subject) -> None:
    """A saved model that has it gives equal answers in a fresh process, found by name alone."""
    came, expected = predicted_apart(subject)
    way_out = f"{_MOVES}, and options as they came"
    blocks.expect_equal(came, expected, "a model loaded in a fresh process", way_out, blocks.TOLERANCE)


def check_block_copy(subject: Subject) -> None:
    """A deep copy gives equal answers; training it, or another one, leaves the original alone."""
    block = subject.make()
    x = blocks.inputs_of(block, 7)
    expected, before = blocks.evaluated(block, x), blocks.state_of(block)
    copied = copy.deepcopy(block)
    blocks.expect_equal(blocks.evaluated(copied, x), expected, "a deep copy", _MOVES)
    blocks.trained(copied)
    blocks.trained(subject.make())
    if shared := list(blocks.differing(before, blocks.state_of(block))):
        raise CheckFailed(f"training a copy, or another one, changes {listed(shared)}: share no tensors, {_MOVES}")


def check_block_precision(subject: Subject) -> None:
    """In double precision and in mixed precision it gives about the same, finite."""
    block = blocks.trained(subject.make())
    x = blocks.inputs_of(block, 7)
    expected = blocks.evaluated(block, x)
    double = copy.deepcopy(block).double()
    way_out = "make tensors in forward with x.new_zeros(...) or dtype=x.dtype, and hold constants in buffers"
    wide = _tried(double, blocks.of_inputs(torch.Tensor.double, x), "double precision", way_out)
    if wide.dtype != torch.float64:
        raise CheckFailed(f"in double precision it gives {wide.dtype}; {way_out}")
    blocks.expect_equal(wide, expected, "double precision", way_out, 1e-3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = _tried(block, x, "mixed precision", way_out)
    if not mixed.isfinite().all():
        raise CheckFailed(f"mixed precision (bfloat16) gives an output that is not finite; {way_out}")
    spread = expected.abs().amax().clamp_min(1)
    blocks.expect_equal(mixed / spread, expected / spread, "mixed precision (bfloat16)", way_out, _HALF)


def _tried(block: Any, x: Any, what: str, way_out: str) -> torch.Tensor:
    try:
        return blocks.evaluated(block, x)
    except RuntimeError as error:
        raise CheckFailed(f"{what}: {str(error).partition(chr(10))[0]}; {way_out}") from error


def check_block_stack(subject: Subject) -> None:
    """Two of it, stacked by ``torch.func`` and asked side by side, give what each gives alone."""
    one, other = (subject.make(seed=seed).eval() for seed in (1, 2))
    if not one.state_dict():
        raise NotApplicable("it has no parameters and no buffers")
    x = blocks.inputs_of(one, 7)
    expected = torch.stack([blocks.evaluated(block, x) for block in (one, other)])
    parameters, buffers = stack_module_state([one, other])
    bare = copy.deepcopy(one).to("meta")

    def asked(parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor]) -> torch.Tensor:
        answer: torch.Tensor = functional_call(bare, (parameters, buffers), (x,))
        return answer

    way_out = "hold all tensors in parameters and buffers, change none in place, or say so in expected_failures"
    try:
        with torch.no_grad():
            came = vmap(asked)(parameters, buffers)
    except (RuntimeError, NotImplementedError, ValueError) as error:
        raise CheckFailed(f"stacked: {str(error).partition(chr(10))[0]}; {way_out}") from error
    blocks.expect_equal(came, expected, "two stacked ones", way_out, blocks.TOLERANCE)


def check_block_device(subject: Subject) -> None:
    """On another device it gives the same."""
    if not torch.cuda.is_available():
        raise NotApplicable("there is no other device here; check_block_modules finds tensors that would stay behind")
    block = blocks.trained(subject.make())
    x = blocks.inputs_of(block, 7)
    expected = blocks.evaluated(block, x)
    there = _tried(block.cuda(), blocks.of_inputs(lambda part: part.cuda(), x), "on a GPU", _MOVES)
    blocks.expect_equal(there.cpu(), expected, "on a GPU", _MOVES, 1e-3)


def check_block_export(subject: Subject) -> None:
    """``torch.export`` gives a program with the same answers, to 1e-5."""
    block = blocks.trained(subject.make()).eval()
    x = blocks.inputs_of(block, 7)
    came = exported(block, x)
    way_out = "use no Python branch on the values of tensors, or say so in expected_failures"
    blocks.expect_equal(came, blocks.evaluated(block, x), "the exported program", way_out, blocks.TOLERANCE)


def check_block_onnx(subject: Subject) -> None:
    """As ONNX a model that has it gives the same answers, to 1e-5."""
    came, expected = with_onnx(subject)
    way_out = "use operations that ONNX has, or say so in expected_failures"
    blocks.expect_equal(came, expected, "the model as ONNX", way_out, blocks.TOLERANCE)


def _drawn(block: Any, x: Any, seed: int) -> torch.Tensor:
    with seeds.torch_seeded(seed):
        out: torch.Tensor = block(x)
    return out


CHECKS = (
    Check(check_block_shape),
    Check(check_block_gradient),
    Check(check_block_modules),
    Check(check_block_seed),
    Check(check_block_evaluation),
    Check(check_block_input),
    Check(check_block_finite),
    Check(check_block_frozen),
    Check(check_block_state),
    Check(check_block_saved),
    Check(check_block_copy),
    Check(check_block_precision),
    Check(check_block_stack),
    Check(check_block_device),
    Check(check_block_export, is_slow=True),
    Check(check_block_onnx, is_slow=True),
)
