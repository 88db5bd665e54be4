"""The kind ``weaver_networks``: networks that weaver-core trains, in the form that lumin-core knows.

A network gets the inputs of weaver's data configuration by what they are, and the mask of the
particles that are present, and gives what weaver's last dense layer gets::

    {"points": (B, N, 2), "features": (B, N, F)}, mask (B, N)  ->  (B, get_out_size())

It also knows how weaver's ``state_dict`` of such a network is read. Others may add theirs, by the
entry-point group ``lumin.weaver_networks``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from lumin_core.checks import listed
from lumin_core.errors import ConfigError

State = Mapping[str, Tensor]


class Converted(NamedTuple):
    """What a ``state_dict`` of weaver's says.

    Attributes:
        options: Those of the network's constructor that can be told from it, and those that let a
            training start from the very network.
        state: The weights of the network, under its own names.
        last: Weight ``(K, F)`` and bias ``(K,)`` of the last dense layer, which gives the logits.
    """

    options: dict[str, object]
    state: dict[str, Tensor]
    last: tuple[Tensor, Tensor]


class WeaverNetwork(nn.Module, ABC):
    """Base of networks that weaver-core trains (kind ``weaver_networks``).

    Attributes:
        roles: What it reads: groups of the data configuration, less their prefix, such as
            ``points`` for ``pf_points``.
        untold: Options that change what it answers, and that no checkpoint tells.
        example_offered: What a head offers, for the checks of `lumin_core.testing`.

    Args:
        n_vars: Number of variables by role.

    Raises:
        ConfigError: If one of its roles is not among them.

    Example:
        >>> import torch
        >>> from lumin_plugin_weaver import Converted, WeaverNetwork
        >>> class Sums(WeaverNetwork):
        ...     roles = ("features",)
        ...     def forward(self, inputs, mask):
        ...         return inputs["features"].masked_fill(~mask.unsqueeze(-1), 0).sum(1)
        ...     def get_out_size(self):
        ...         return self.n_vars["features"]
        ...     @classmethod
        ...     def convert(cls, state):
        ...         return Converted({}, {}, (state["fc.weight"], state["fc.bias"]))
        >>> Sums({"features": 1})({"features": torch.ones(1, 3, 1)}, torch.ones(1, 3).bool())
        tensor([[3.]])
    """

    kind: ClassVar[str] = "weaver_network"
    roles: ClassVar[tuple[str, ...]] = ("points", "features")
    untold: ClassVar[tuple[str, ...]] = ()
    example_offered: ClassVar[Mapping[str, object]] = {"n_vars": {"points": 2, "features": 4}}

    def __init__(self, n_vars: Mapping[str, int]) -> None:
        super().__init__()
        if missing := [role for role in self.roles if role not in n_vars]:
            raise ConfigError(f"{type(self).__name__} reads {listed(missing)} too, and is given {listed(n_vars)}")
        self.n_vars = dict(n_vars)

    @abstractmethod
    def forward(self, inputs: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """Compute the features of jets.

        Args:
            inputs: By role, ``(B, N, n_vars[role])``, 0 for absent particles.
            mask: Shape ``(B, N)``, true = present.

        Returns:
            Shape ``(B, get_out_size())``.
        """

    @abstractmethod
    def get_out_size(self) -> int:
        """Give the number of features of a jet."""

    @classmethod
    @abstractmethod
    def convert(cls, state: State) -> Converted:
        """Read a ``state_dict`` of weaver's.

        Args:
            state: The weights by weaver's names.

        Raises:
            SavedModelError: If it is of another network.
        """
