"""Heads, bodies and tails that are looked at, and what they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from lumin_core import seeds
from lumin_core.errors import ConfigError
from lumin_core.model.matrix_head import MatrixHead
from lumin_core.testing import samples
from lumin_core.testing.outcome import CheckFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from lumin_core.model.blocks import Block
    from lumin_core.testing.subject import Subject

TOLERANCE = 1e-5


def inputs_of(block: Any, n: int, seed: int = 0) -> Any:
    """Return what a block takes: sample data for a head, else normal numbers ``(n, n_in)``.

    A head with data of its own has a static method ``example_inputs(n, seed)``. A head that has
    ``vecs`` is given a matrix, in which objects are absent; one with ``missing = "keep"`` is given
    missing values.

    Args:
        block: The block.
        n: Number of events.
        seed: Seed.

    Example:
        >>> from lumin_core.testing.blocks import inputs_of
        >>> from lumin_core.testing.small_fits import PlainBody
        >>> inputs_of(PlainBody(3, {}), 2).shape
        torch.Size([2, 3])
    """
    if (own := getattr(block, "example_inputs", None)) is not None:
        return own(n, seed)
    if block.kind != "head":
        return normal(n, block.n_in, seed)
    if hasattr(block, "vecs"):
        matrix = samples.matrix(n, len(block.vecs), len(block.feats_per_vec), seed)
        return matrix if getattr(block, "row_wise", True) else matrix.transpose(1, 2)
    flat = flat_inputs(block, n, seed)
    if block.missing == "keep":
        flat[1::3, 0] = torch.nan
    return flat


def flat_inputs(head: Any, n: int, seed: int = 0) -> Tensor:
    """Return flat inputs for the features of a head: momenta, then codes of categories.

    Args:
        head: The head.
        n: Number of events.
        seed: Seed.
    """
    n_cont = len(head.cont_feats)
    known = samples.momenta(n, -(-n_cont // 4) or 1, seed).flatten(1)[:, :n_cont]
    sizes = () if head.cat_embedder is None else head.cat_embedder.cat_szs
    return torch.cat([known, samples.categories(n, sizes, seed)], 1)


def normal(n: int, width: int, seed: int = 0) -> Tensor:
    """Return normal numbers ``(n, width)``, float32.

    Args:
        n: Number of events.
        width: Number of columns.
        seed: Seed.
    """
    return torch.from_numpy(seeds.stream(seed, "sample normal").normal(size=(n, width)).astype("float32"))


def of_inputs(function: Callable[[Tensor], Tensor], x: Any) -> Any:
    """Apply a function to a tensor, or to both of a pair.

    Args:
        function: The function.
        x: The inputs.
    """
    return function(x) if isinstance(x, torch.Tensor) else tuple(map(function, x))


def tensors_of(x: Any) -> tuple[Tensor, ...]:
    """Return the tensors of inputs.

    Args:
        x: The inputs.
    """
    return (x,) if isinstance(x, torch.Tensor) else tuple(x)


def evaluated(block: Block, x: Any) -> Tensor:
    """Return what a block gives in evaluation mode, without gradient.

    Args:
        block: The block.
        x: The inputs.
    """
    with torch.no_grad():
        out: Tensor = block.eval()(x)
    return out


def trained(block: Block, n_steps: int = 3, rate: float = 1e-2) -> Block:
    """Move the parameters and statistics of a block by some steps in training mode.

    Args:
        block: The block; it is changed.
        n_steps: Number of steps.
        rate: The learning rate.

    Returns:
        The block.
    """
    block.train()
    movable = [parameter for parameter in block.parameters() if parameter.requires_grad]
    for step in range(n_steps):
        with seeds.torch_seeded(step):
            out = block(inputs_of(block, 16, seed=step + 1))
        if movable and out.requires_grad:
            gradients = torch.autograd.grad(out.square().mean(), movable, allow_unused=True)
            with torch.no_grad():
                for parameter, gradient in zip(movable, gradients, strict=True):
                    if gradient is not None:
                        parameter.sub_(rate * gradient.sign())
    return block


def state_of(block: Block) -> dict[str, Tensor]:
    """Return a copy of the state.

    Args:
        block: The block.
    """
    return {name: value.detach().clone() for name, value in block.state_dict().items()}


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> Iterator[str]:
    """List the names of a state that differ from another's, or are missing there.

    Args:
        one: The state.
        other: The other.
    """
    for name in {**one, **other}:
        if name not in one or name not in other or not torch.equal(one[name], other[name]):
            yield name


def expect_equal(came: Tensor, expected: Tensor, what: str, way_out: str, tolerance: float = 0.0) -> None:
    """Refuse outputs that are not as expected.

    Args:
        came: What came.
        expected: What should have come.
        what: What the outputs are.
        way_out: What the author can do.
        tolerance: Largest difference, absolute, and relative where outputs are above 1.

    Raises:
        CheckFailed: If they differ.
    """
    if came.shape != expected.shape:
        raise CheckFailed(f"{what}: expected the shape {tuple(expected.shape)}, got {tuple(came.shape)}; {way_out}")
    far = (came.double() - expected.double()).abs() / expected.double().abs().clamp_min(1)
    if came.numel() and not far.max() <= tolerance:
        row, column = divmod(int(far.nan_to_num(nan=torch.inf).flatten().argmax()), max(far[0].numel(), 1))
        pair = f"{came.flatten(1)[row, column]:.6g} instead of {expected.flatten(1)[row, column]:.6g}"
        raise CheckFailed(f"{what}: event {row}, column {column} is {pair}; {way_out}")


def is_matrix_head(block: object) -> bool:
    """Tell whether a block is a head for objects.

    Args:
        block: The block.
    """
    return isinstance(block, MatrixHead)


def make_tail(subject: Subject, objective: str, n_out: int, **offered: object) -> Any:
    """Make a tail for an objective; one that hands on its input is given that width.

    Args:
        subject: The tail.
        objective: The objective.
        n_out: Number of outputs.
        **offered: What the builder offers further.

    Raises:
        ConfigError: If it does not take the objective.
    """
    given = {"objective": objective, "n_out": n_out, **offered}
    try:
        return subject.make(offered={**given, "n_in": 8})
    except ConfigError:
        return subject.make(n_in=n_out, offered=given)
