"""The kinds: sorts of components, each with a base class or with what is written beside it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, cast

from lumin_core.errors import BrokenPlugin
from lumin_core.registry.component import load_object
from lumin_core.registry.names import normalise

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of component.

    Attributes:
        singular: ``"head"``; error messages and configs use it.
        plural: ``"heads"``; the entry-point group is ``lumin.heads``.
        base: The base class as ``"module:attribute"``, or None where any callable will do.
        instances: Whether finished objects may be given instead of a name or a class. The base
            class of a plugin's kind says so with ``allows_instances = True``.
        examiner: Where the function is that finds faults in a class before it is built, as
            ``"module:function"``.
        makes_modules: Whether what is built must be a `torch.nn.Module`, where no base says so.

    Example:
        >>> from lumin_core.registry import kinds
        >>> kinds()[0]
        Kind(singular='head', plural='heads', base='lumin_core.model.blocks:Head')
    """

    singular: str
    plural: str
    base: str | None = None
    instances: bool = field(default=False, repr=False)
    examiner: str | None = field(default=None, repr=False)
    makes_modules: bool = field(default=False, repr=False)

    @property
    def keys(self) -> set[str]:
        """The forms of both names in which they are compared."""
        return {normalise(self.singular), normalise(self.plural)}

    def problem_of(self, constructor: object) -> str | None:
        """Say why nothing that a constructor of the right base builds could work, or None.

        The function at `examiner` is asked, and imported for it.

        Example:
            >>> from lumin_core.registry import find_kind
            >>> find_kind("command").problem_of(print)
            'it should be a click command, got <built-in function print>'
        """
        if self.examiner is None:
            return None
        examine = cast("Callable[[object], str | None]", load_object(self.examiner, f"what examines {self.plural}"))
        return examine(constructor)

    def load_base(self) -> type | None:
        """Import the base class.

        Raises:
            BrokenPlugin: If it cannot be imported or is no class whose ``kind`` is the singular.

        Example:
            >>> from lumin_core.registry import Kind
            >>> Kind("dish", "dishes").load_base() is None
            True
        """
        if self.base is None:
            return None
        base = load_object(self.base, f"the base class of {self.plural}")
        if not isinstance(base, type):
            raise BrokenPlugin(f"the base of {self.plural}, {self.base}, is no class but {base!r}")
        said = getattr(base, "kind", self.singular)
        if said != self.singular:
            raise BrokenPlugin(f"{self.base} says kind = {said!r}, but the kind {self.plural!r} has {self.singular!r}")
        return base

    def allows_instances(self) -> bool:
        """Tell whether finished objects may be given; the base class is asked, and imported for it.

        Example:
            >>> from lumin_core.registry import find_kind
            >>> find_kind("loss").allows_instances(), find_kind("optimiser").allows_instances()
            (True, False)
        """
        return self.instances or getattr(self.load_base(), "allows_instances", False) is True

    def lacks(self, constructor: object) -> str | None:
        """Say what a constructor would have to be and is not, or None if all is well.

        Example:
            >>> from lumin_core.registry import find_kind
            >>> find_kind("optimiser").lacks(dict), find_kind("activation").lacks(dict)
            ('a subclass of torch.optim.Optimizer', None)
        """
        base = self.load_base()
        if base is None:
            return None if isinstance(constructor, type) or inspect.isroutine(constructor) else "a class or a function"
        fits = isinstance(constructor, type) and issubclass(constructor, base)
        return None if fits else f"a subclass of {_imported_from(base)}"


def _imported_from(cls: type) -> str:
    """Give the name of a class by which it is imported: that of the first package that shows it."""
    parts = cls.__module__.split(".")
    packages = [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
    shown = (package for package in packages if getattr(import_module(package), cls.__name__, None) is cls)
    return f"{next(shown, cls.__module__)}.{cls.__name__}"


CORE_KINDS = (
    Kind("head", "heads", "lumin_core.model.blocks:Head"),
    Kind("body", "bodies", "lumin_core.model.blocks:Body"),
    Kind("tail", "tails", "lumin_core.model.blocks:Tail"),
    # a module or function of (y_pred, y); lumin_core.model.loss:BatchLoss
    Kind("loss", "losses", None, True, "lumin_core.model.loss:problem_of"),
    Kind(
        "augmentation",
        "augmentations",
        "lumin_core.data.augmentation:Augmentation",
        True,
        "lumin_core.data.augmentation:problem_of",
    ),
    # any object with points of lumin_core.training.hookspecs
    Kind("callback", "callbacks", None, True, "lumin_core.training.hook_plan:problem_of"),
    Kind("metric", "metrics", "lumin_core.training.metric:EvalMetric", True, "lumin_core.training.metric:problem_of"),
    Kind("optimiser", "optimisers", "torch.optim:Optimizer"),
    Kind("activation", "activations", makes_modules=True),
    Kind("initialiser", "initialisers"),  # makes a function that fills a weight: lumin_core.model.initialisers
    Kind("norm", "norms", makes_modules=True),  # from num_features: lumin_core.model.layers
    Kind("transform", "transforms", "lumin_core.data.transforms:Transform"),
    # a protocol: lumin_core.runs.executor:Executor
    Kind("executor", "executors", None, False, "lumin_core.runs.executor:problem_of"),
    Kind(
        "exporter",
        "exporters",
        "lumin_core.training.exporter:Exporter",
        False,
        "lumin_core.training.exporter:problem_of",
    ),
    Kind("preset", "presets", "lumin_core.runs.preset:Preset", False, "lumin_core.runs.preset:problem_of"),
    # a click command: lumin_core.cli
    Kind("command", "commands", None, False, "lumin_core.registry.validation:command_problem"),
)
