r"""A head that reads objects one after the other, by a recurrent network.

References:
    Elman (RNN), https://doi.org/10.1207/s15516709cog1402_1; Hochreiter and Schmidhuber (LSTM),
    https://doi.org/10.1162/neco.1997.9.8.1735; Cho et al. (GRU), https://arxiv.org/abs/1406.1078;
    Saxe et al. (orthogonal initialisation), https://arxiv.org/abs/1312.6120
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lumin_core.checks import check_positive, nearest
from lumin_core.errors import ConfigError
from lumin_core.model import MatrixHead, canonical_act
from lumin_core.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core.model import Inputs, Spec

NETWORKS: dict[str, type[nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class RecurrentHead(MatrixHead):
    """Reads the present objects in their order, and gives the last state, or all states.

    Absent objects, wherever they are, are skipped: the states are those of the sequence without
    them. The last state of the backward direction is the one that has seen all
    objects, at the first.

    Args:
        cont_feats: Those elements ``{vec}_{feat}`` of the matrix that exist, in the order of the
            columns of flat inputs; empty if the data always come as a matrix.
        vecs: Names of the objects.
        feats_per_vec: Names of the features of an object.
        depth: Number of layers.
        width: Size of a state.
        bidirectional: Whether to read in both directions; the states of both are put side by side.
        rnn: ``"rnn"``, ``"gru"``, ``"lstm"``, or torch's class or one of its subclasses; a model
            that is to be loaded without its builder gives a name.
        do: Dropout rate between layers.
        act: Activation of ``"rnn"``: ``"tanh"`` or ``"relu"``; the others have theirs.
        stateful: Whether to give the states at all objects, side by side, 0 at absent ones,
            instead of the last.
        row_wise: Whether matrices come as ``(B, N, F)``, an object a row, or as ``(B, F, N)``.
        freeze: Whether the parameters stay as they are.

    Raises:
        ConfigError: If the network or its activation is unknown, depth or width is not positive, or
            there is dropout but one layer.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import RecurrentHead
        >>> head = RecurrentHead(
        ...     [], ["tau", "jet0", "jet1"], ["pt", "eta"], rnn="gru", width=8, bidirectional=True
        ... )
        >>> objects = torch.rand(4, 3, 2)
        >>> objects[0, 1:] = torch.nan  # no jets
        >>> head(objects).shape
        torch.Size([4, 16])
    """

    expected_failures: ClassVar[Mapping[str, str]] = {
        "check_block_export": "torch cannot export its recurrent layers for any number of events",
        "check_block_onnx": "torch cannot export its recurrent layers for any number of events",
        "check_block_stack": "torch cannot run its recurrent layers under vmap",
    }

    def __init__(
        self,
        cont_feats: Sequence[str],
        vecs: Sequence[str],
        feats_per_vec: Sequence[str],
        depth: int = 1,
        width: int = 50,
        bidirectional: bool = False,
        rnn: str | type[nn.RNNBase] = "rnn",
        do: float = 0,
        act: Spec = "tanh",
        stateful: bool = False,
        row_wise: bool = True,
        freeze: bool = False,
    ) -> None:
        super().__init__(cont_feats, vecs, feats_per_vec, row_wise)
        check_positive(depth=depth, width=width)
        if not 0 <= do < 1 or (do > 0 and depth == 1):
            msg = "do, the dropout rate, must be in [0, 1), and works between layers: with depth=1 it must be 0; "
            raise ConfigError(f"{msg}got do={do} and depth={depth}")
        network = _network(rnn)
        options: dict[str, Any] = _act_option(network, act)
        self.stateful = stateful
        self.n_state = width * (2 if bidirectional else 1)
        options |= {"num_layers": depth, "batch_first": True, "dropout": do, "bidirectional": bidirectional}
        self.rnn: nn.RNNBase = network(input_size=self.n_fpv, hidden_size=width, **options)
        _initialise(self.rnn)
        self.feat_map = self._map_to_states()
        if freeze:
            self.freeze_layers()

    def forward(self, x: Inputs) -> Tensor:
        """Turn a matrix, flat inputs or both into ``(B, get_out_size())``.

        A matrix comes alone or behind flat inputs; flat inputs alone hold it.
        """
        matrix, mask = self.get_matrix(x)
        if not len(matrix):  # torch packs no sequences
            return matrix.new_zeros(0, self.get_out_size())
        order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)  # present objects first, in their order
        lengths = mask.sum(1)
        moved = matrix.gather(1, order.unsqueeze(-1).expand_as(matrix))
        packed = pack_padded_sequence(moved, lengths.clamp_min(1).cpu(), batch_first=True, enforce_sorted=False)
        states, last = self.rnn(packed)
        some = (lengths > 0).unsqueeze(1)
        if not self.stateful:
            final = self._final(last[0] if isinstance(last, tuple) else last)
            return final.masked_fill(~some, 0)
        states, _ = pad_packed_sequence(states, batch_first=True, total_length=self.n_v)
        places = order.argsort(dim=1).unsqueeze(-1).expand(-1, -1, self.n_state)
        return states.gather(1, places).masked_fill(~mask.unsqueeze(-1), 0).flatten(1)

    def get_out_size(self) -> int:
        """Give the size of the state, of both directions, for all objects if stateful."""
        return self.n_state * (self.n_v if self.stateful else 1)

    def _map_to_states(self) -> dict[str, list[int]]:
        """Map an object to the states that have seen it.

        Forward those behind it, backward those in front of it.
        """
        if not self.stateful or (self.rnn.bidirectional and self.rnn.num_layers > 1):
            return self.map_to_all()
        column = torch.arange(self.get_out_size())
        place, backward = column // self.n_state, column % self.n_state >= self.rnn.hidden_size
        seen = [torch.where(backward, place <= i, place >= i).nonzero().flatten().tolist() for i in range(self.n_v)]
        names = {f"{vec}_{feat}": i for i, vec in enumerate(self.vecs) for feat in self.feats_per_vec}
        return {feat: list(seen[names[feat]]) for feat in self.matrix_feats}

    def _final(self, last: Tensor) -> Tensor:
        """Give the states after the last object of the uppermost layer, ``(B, n_state)``."""
        uppermost = last[-2:] if self.rnn.bidirectional else last[-1:]
        return uppermost.transpose(0, 1).flatten(1)


def _network(rnn: str | type[nn.RNNBase]) -> type[nn.RNNBase]:
    """Give the class of a network, of which a user may have a subclass."""
    if isinstance(rnn, type) and issubclass(rnn, tuple(NETWORKS.values())):
        return rnn
    if not isinstance(rnn, str) or rnn.lower() not in NETWORKS:
        names = ", ".join(NETWORKS)
        hint = f"; did you mean {near[0]!r}?" if (near := nearest(rnn, NETWORKS)) else ""
        raise ConfigError(f"rnn must be one of {names}, or a class of torch's, got {rnn!r}{hint}")
    return NETWORKS[rnn.lower()]


def _act_option(network: type[nn.RNNBase], act: Spec) -> dict[str, str]:
    name = canonical_act(act)
    if issubclass(network, nn.RNN):
        if name not in ("tanh", "relu") or resolve("activation", act).keywords:
            raise ConfigError(f"act of recurrent_head must be 'tanh' or 'relu', without options, got {act!r}")
        return {"nonlinearity": name}
    if name != "tanh":
        raise ConfigError(f"act={act!r} is for rnn='rnn' alone: {network.__name__} has activations of its own")
    return {}


def _initialise(rnn: nn.RNNBase) -> None:
    """Draw the weights of every gate as orthogonal matrices.

    Biases are 0, but that of an LSTM's forget gate is 1.
    """
    for name, param in rnn.named_parameters():
        if param.dim() == 2:
            for gate in param.data.split(rnn.hidden_size):
                nn.init.orthogonal_(gate)
        else:
            nn.init.zeros_(param)
            if isinstance(rnn, nn.LSTM) and name.startswith("bias_ih"):
                param.data[rnn.hidden_size : 2 * rnn.hidden_size] = 1
