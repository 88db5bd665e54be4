"""Mutations of components: which standard mistake breaks which promise of which kind.

Each mutation makes a subclass that has one mistake of a common sort. The table says which checks of
`lumin_core.testing` promise to notice it, and only these are run: a mutation that they let through
is a survivor. ``python benchmarks/mutations.py`` mutates all components of ours.

A mutation knows nothing of the checks: it wraps methods of the class, as a careless author would
have written them.
"""

from __future__ import annotations

import functools
import inspect
import random
import sys
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCKS = ("head", "body", "tail")
GIVEN = {"cont_feats", "cat_embedder", "n_in", "feat_map", "n_out", "objective", "lookup_init", "lookup_act", "freeze"}


def every(made: object) -> bool:
    """Tell that a mutation changes something of any component, without making one."""
    return True


class Mutation(NamedTuple):
    """A standard mistake.

    Attributes:
        name: What is done.
        kinds: Kinds whose promise it breaks.
        checks: The checks that promise to notice.
        mutate: Makes a mutated subclass of a class.
        applies: Tells of an object of the class whether the mutation changes anything of it.
    """

    name: str
    kinds: tuple[str, ...]
    checks: tuple[str, ...]
    mutate: Callable[[type], type]
    applies: Callable[[Any], bool] = every


def subclass(cls: type, **members: Any) -> type:
    """Derive a class of the same name."""
    return type(cls.__name__, (cls,), {"__doc__": cls.__doc__, "__module__": cls.__module__, **members})


def wrapped(name: str, change: Callable[..., Any]) -> Callable[[type], type]:
    """Make a mutation of a method: ``change(original, self, *args)``."""

    def mutate(cls: type) -> type:
        original = getattr(cls, name)

        def method(self: Any, *args: Any, **options: Any) -> Any:
            return change(original, self, *args, **options)

        return subclass(cls, **{name: method})

    return mutate


def constructed(before: Callable[[], object], after: Callable[[Any], object]) -> Callable[[type], type]:
    """Make a mutation of a constructor, whose signature stays."""

    def mutate(cls: type) -> type:
        @functools.wraps(cls.__init__)
        def __init__(self: Any, *args: Any, **options: Any) -> None:
            before()
            cls.__init__(self, *args, **options)  # type: ignore[misc]
            after(self)

        return subclass(cls, __init__=__init__)

    return mutate


def nothing(*_: object) -> None:
    """Do nothing."""


def of_output(change: Callable[[Any, torch.Tensor], torch.Tensor]) -> Callable[[type], type]:
    """Make a mutation of what `forward` returns."""
    return wrapped("forward", lambda original, self, x: change(self, original(self, x)))


def of_input(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[type], type]:
    """Make a mutation of what `forward` is given."""

    def changed(original: Any, self: Any, x: Any) -> Any:
        return original(self, change(x) if isinstance(x, torch.Tensor) else tuple(map(change, x)))

    return wrapped("forward", changed)


# What is done to blocks


def doubled_in_place(x: torch.Tensor) -> torch.Tensor:
    """Double the input in place."""
    with torch.no_grad():
        return x.mul_(2)


def counted(self: Any, out: torch.Tensor) -> torch.Tensor:
    """Count calls, in evaluation too."""
    self.counted.add_(1)
    return out


def drifting(self: Any, out: torch.Tensor) -> torch.Tensor:
    """Add a number that grows in training, an attribute."""
    if self.training:
        self.drift = getattr(self, "drift", 0.0) + 0.5
    return out + getattr(self, "drift", 0.0)


def with_late_layer(self: Any, out: torch.Tensor) -> torch.Tensor:
    """Build a layer at the first call."""
    if not hasattr(self, "late"):
        self.late = nn.Linear(out.shape[1], out.shape[1])
    return self.late(out)


def shares_a_norm(cls: type) -> type:
    """Add a norm that all that are built share."""
    shared = nn.BatchNorm1d(1)

    def changed(original: Any, self: Any, x: Any) -> Any:
        out = original(self, x)
        return out + shared(out.mean(1, keepdim=True))

    made = constructed(nothing, lambda self: self.add_module("norm_of_all", shared))(cls)
    return wrapped("forward", changed)(made)


def hides_a_layer(cls: type) -> type:
    """Add a layer that a list holds."""

    def after(self: Any) -> None:
        self.hidden_layers = [nn.Linear(self.get_out_size(), self.get_out_size())]

    return of_output(lambda self, out: self.hidden_layers[0](out))(constructed(nothing, after)(cls))


def with_buffer(cls: type) -> type:
    """Add a buffer to count in."""
    return constructed(nothing, lambda self: self.register_buffer("counted", torch.zeros(())))(cls)


def adds_unused(self: Any) -> None:
    """Add a parameter that nothing uses."""
    self.unused = nn.Parameter(torch.ones(2))


def all_present(original: Any, self: Any, x: Any) -> Any:
    """Say that every object is present."""
    matrix, mask = original(self, x)
    return matrix, torch.ones_like(mask)


def keeps_nan(original: Any, self: Any, x: Any) -> Any:
    """Leave NaN where an object is absent."""
    matrix, mask = original(self, x)
    return torch.where(mask.unsqueeze(-1), matrix, torch.nan), mask


def wrong_axis(original: Any, self: Any, x: Any) -> Any:
    """Take the axes for those of rows."""
    kept, self.row_wise = self.row_wise, True
    try:
        square = x if self.n_v == self.n_fpv or kept or x.dim() == 2 else x.reshape(len(x), self.n_v, self.n_fpv)
        return original(self, square)
    finally:
        self.row_wise = kept


def misses_a_feature(self: Any) -> None:
    """Leave a feature out of the map."""
    self.feat_map = dict(list(self.feat_map.items())[1:])


def maps_outside(self: Any) -> None:
    """Map a feature to a column that there is not."""
    self.feat_map = {**self.feat_map, next(iter(self.feat_map)): [self.get_out_size()]}


def maps_to_nothing(self: Any) -> None:
    """Map every feature to no column."""
    self.feat_map = {feat: [] for feat in self.feat_map}


def has_parameters(made: Any) -> bool:
    """Tell whether there is anything to train."""
    return isinstance(made, nn.Module) and any(True for _ in made.parameters())


def has_random_parameters(made: Any) -> bool:
    """Tell whether some are drawn."""
    return any(p.numel() > 1 and len(p.unique()) > p.numel() // 2 for p in made.parameters())


def takes_matrix(made: Any) -> bool:
    """Tell whether it takes any matrix."""
    return hasattr(made, "get_matrix") and not hasattr(made, "example_inputs")


def is_mapped(made: Any) -> bool:
    """Tell whether its map can be looked at."""
    return hasattr(made, "feat_map") and not hasattr(made, "example_inputs")


def makes_probabilities(made: Any) -> bool:
    """Tell whether it does what the objective asks for."""
    return "of_members" in vars(type(made)) or hasattr(made, "dense")


def logits(cls: type) -> type:
    """Take away what the objective asks for behind the last layer."""

    def change(original: Any, self: Any, x: Any) -> Any:
        out = original(self, x)
        if self.objective == "classification":
            return torch.logit(out, 1e-6)
        return out + 1.0 if self.objective == "multiclass" else out

    return wrapped("forward", change)(cls)


MUTATIONS: list[Mutation] = [
    Mutation("width", BLOCKS, ("check_block_shape",), wrapped("get_out_size", lambda get, self: get(self) + 1)),
    Mutation("output squeezed", BLOCKS, ("check_block_shape",), of_output(lambda self, out: out.mean(1))),
    Mutation("output in double", BLOCKS, ("check_block_shape",), of_output(lambda self, out: out.double())),
    Mutation("gradient detached", BLOCKS, ("check_block_gradient",), of_output(lambda self, out: out.detach()),
             lambda made: made.kind != "head" or has_parameters(made)),
    Mutation("input detached", ("body", "tail"), ("check_block_gradient",), of_input(lambda x: x.detach())),
    Mutation("parameter unused", BLOCKS, ("check_block_gradient",), constructed(nothing, adds_unused)),
    Mutation("input changed in place", BLOCKS, ("check_block_input",), of_input(doubled_in_place)),
    Mutation("noise in evaluation", BLOCKS, ("check_block_evaluation",),
             of_output(lambda self, out: out + 0.01 * torch.randn_like(out))),
    Mutation("dropout in evaluation", BLOCKS, ("check_block_evaluation",),
             of_output(lambda self, out: nn.functional.dropout(out, 0.5, True))),
    Mutation("mean of the batch taken off", BLOCKS, ("check_block_evaluation",),
             of_output(lambda self, out: out - out.mean(0))),
    Mutation("events swapped", BLOCKS, ("check_block_evaluation",), of_output(lambda self, out: out.flip(0))),
    Mutation("statistics counted in evaluation", BLOCKS, ("check_block_evaluation",),
             lambda cls: of_output(counted)(with_buffer(cls))),
    Mutation("draws from numpy", BLOCKS, ("check_block_seed",), constructed(np.random.rand, nothing)),
    Mutation("draws from Python", BLOCKS, ("check_block_seed",), constructed(random.random, nothing)),
    Mutation("seeds torch", BLOCKS, ("check_block_seed",), constructed(lambda: torch.manual_seed(0), nothing),
             has_random_parameters),
    Mutation("layer hidden in a list", BLOCKS, ("check_block_modules",), hides_a_layer),
    Mutation("tensor as attribute", BLOCKS, ("check_block_modules",),
             constructed(nothing, lambda self: setattr(self, "scale_of_all", torch.ones(1)))),
    Mutation("statistics shared", BLOCKS, ("check_block_copy",), shares_a_norm),
    Mutation("state left out", BLOCKS, ("check_block_state",), of_output(drifting)),
    Mutation("layer built late", BLOCKS, ("check_block_state",), of_output(with_late_layer)),
    Mutation("does not freeze", BLOCKS, ("check_block_frozen",), wrapped("freeze_layers", nothing), has_parameters),
    Mutation("does not unfreeze", BLOCKS, ("check_block_frozen",), wrapped("unfreeze_layers", nothing), has_parameters),
    Mutation("overflow", BLOCKS, ("check_block_finite",),
             wrapped("forward", lambda f, self, x: f(self, x) + _first(x).nan_to_num().square().sum().exp())),
    Mutation("division by zero", BLOCKS, ("check_block_finite",),
             wrapped("forward", lambda f, self, x: f(self, x) / _first(x).nan_to_num().abs().sum())),
    Mutation("single precision", BLOCKS, ("check_block_precision",), of_output(lambda self, out: out.float())),
    Mutation("branch on values", BLOCKS, ("check_block_stack",),
             of_output(lambda self, out: out if out.abs().max().item() < 1e9 else out / 2), has_parameters),
    Mutation("columns swapped", ("head",), ("check_head_feat_map",), of_output(lambda self, out: out.flip(1)),
             lambda made: is_mapped(made) and not all(len(c) == made.get_out_size() for c in made.feat_map.values())),
    Mutation("feature left out", ("head",), ("check_head_feat_map",), constructed(nothing, misses_a_feature)),
    Mutation("column that there is not", ("head",), ("check_head_feat_map",), constructed(nothing, maps_outside)),
    Mutation("map says nothing", ("head",), ("check_head_feat_map",), constructed(nothing, maps_to_nothing), is_mapped),
    Mutation("mask ignored", ("head",), ("check_head_padding", "check_head_absent"), wrapped("get_matrix", all_present),
             takes_matrix),
    Mutation("absent objects NaN", ("head",), ("check_head_absent", "check_block_evaluation"),
             wrapped("get_matrix", keeps_nan), takes_matrix),
    Mutation("row_wise ignored", ("head",), ("check_head_row_wise",), wrapped("get_matrix", wrong_axis), takes_matrix),
    Mutation("no sigmoid, no softmax", ("tail",), ("check_tail_objectives",), logits, makes_probabilities),
    Mutation("no docstring", (*BLOCKS, "augmentation", "callback", "metric", "transform"), ("check_docstring",),
             lambda cls: subclass(cls, __doc__=None)),
    Mutation("option undocumented", BLOCKS, ("check_docstring",),
             lambda cls: subclass(cls, __doc__="Does it.", __init__=cls.__init__),
             lambda made: bool(set(inspect.signature(type(made)).parameters) - GIVEN)),
    Mutation("base not called", BLOCKS, ("check_init",),
             lambda cls: subclass(cls, __init__=lambda self, *args, **options: nn.Module.__init__(self))),
]  # fmt: skip


SURVIVORS = {
    ("mask ignored", "hep/auto_extract_lorentz_boost_net"): "absent momenta are 0, and add nothing to the particles",
    ("mask ignored", "hep/lorentz_boost_net"): "absent momenta are 0, and add nothing to the particles",
    ("absent objects NaN", "sequence/conv1d_head"): "it leaves them out itself",
    ("absent objects NaN", "gnn/gnn_head"): "it leaves them out itself",
    ("weight dropped", "tabular/signed_log"): "it learns nothing",
    ("needs validation", "callbacks/cycle_step"): "it refuses a fit without validation",
    ("needs validation", "callbacks/early_stopping"): "it refuses a fit without validation",
    ("needs validation", "callbacks/save_best"): "it refuses a fit without validation",
}
"""Mutations that change nothing that is promised, and why: by mutation and component."""


def _first(x: Any) -> torch.Tensor:
    return x if isinstance(x, torch.Tensor) else x[-1]


def cases(mutations: list[Mutation] | None = None) -> list[tuple[Mutation, Any]]:
    """List every mutation with every component of ours that it can change.

    Args:
        mutations: Which; by default all.

    Returns:
        Mutations with subjects, in a fixed order.
    """
    from mutations_of_parts import MUTATIONS as OF_PARTS

    from lumin_core import registry
    from lumin_core.testing import Subject

    ours = [one for one in registry.components() if one.problem is None and one.distribution.startswith("lumin-")]
    found = []
    for mutation in mutations or [*MUTATIONS, *OF_PARTS]:
        for component in ours:
            if component.kind in mutation.kinds and isinstance(component.load(), type):
                found.append((mutation, Subject(component.kind, component)))
    return found


def is_caught(mutation: Mutation, subject: Any) -> bool | None:
    """Mutate a component, and ask the checks that promise to notice.

    Args:
        mutation: The mutation.
        subject: The component.

    Returns:
        Whether one fails; None where the mutation changes nothing of this component.
    """
    from lumin_core.testing import Case, NotApplicable, Subject, checks_of

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            if mutation.applies is not every and not mutation.applies(subject.make()):
                return None
    except NotApplicable:
        return None
    checks = [check for check in checks_of(subject.kind) if check.name in mutation.checks]
    expected = subject.expected_failures
    mutated = Subject(subject.kind, mutation.mutate(subject.target))
    outcomes = [Case(mutated, check).run() for check in checks if check.name not in expected]
    states = {outcome.state for outcome in outcomes}
    return None if states <= {"skipped"} else "failed" in states


def main() -> None:
    """Mutate all components, and print the rate and the survivors."""
    caught, survivors = 0, []
    for mutation, subject in cases():
        found = is_caught(mutation, subject)
        if found is False:
            why = SURVIVORS.get((mutation.name, subject.name), "not explained")
            survivors.append(f"{mutation.name}: {subject.label}: {why}")
        caught += found is True
    n = caught + len(survivors)
    print(f"{caught} of {n} mutations are caught, {caught / n:.1%}")
    print(*survivors, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
