"""The kinds: sorts of components, each with a base class."""

from __future__ import annotations

from dataclasses import dataclass

from lumin_core.errors import BrokenPlugin
from lumin_core.registry.component import load_object


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of component.

    Attributes:
        singular: ``"head"``; error messages and configs use it.
        plural: ``"heads"``; the entry-point group is ``lumin.heads``.
        base: The base class as ``"module:attribute"``, or None where any callable will do.

    Example:
        >>> from lumin_core.registry import kinds
        >>> kinds()[0]
        Kind(singular='head', plural='heads', base='lumin_core.model.blocks:Head')
    """

    singular: str
    plural: str
    base: str | None = None

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


CORE_KINDS = (
    Kind("head", "heads", "lumin_core.model.blocks:Head"),
    Kind("body", "bodies", "lumin_core.model.blocks:Body"),
    Kind("tail", "tails", "lumin_core.model.blocks:Tail"),
    Kind("loss", "losses"),
    Kind("augmentation", "augmentations", "lumin_core.data.augmentation:Augmentation"),
    Kind("callback", "callbacks"),
    Kind("metric", "metrics", "lumin_core.training.metric:EvalMetric"),
    Kind("optimiser", "optimisers", "torch.optim:Optimizer"),
    Kind("activation", "activations"),
    Kind("initialiser", "initialisers"),
    Kind("norm", "norms"),
    Kind("transform", "transforms", "lumin_core.data.transforms:Transform"),
    Kind("reader", "readers"),
    Kind("writer", "writers"),
    Kind("executor", "executors"),
    Kind("exporter", "exporters", "lumin_core.training.exporter:Exporter"),
    Kind("command", "commands"),
)
