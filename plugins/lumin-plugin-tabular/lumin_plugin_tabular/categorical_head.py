"""What heads share that embed categories: tables by feature, unknown categories, dropout, files.

References:
    Guo and Berkhahn, "Entity embeddings of categorical variables", https://arxiv.org/abs/1604.06737
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lumin_core.checks import is_number
from lumin_core.errors import ConfigError, DataError, SavedModelError, ShapeError
from lumin_core.model import CategoryDropout, CatEmbedder, Head, read_tensors, write_tensors
from lumin_core.registry import snake_case

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lumin_core.model import Inputs


class CategoricalHead(Head):
    """Gives the continuous features, each in some columns, and behind them embedded categories.

    A subclass overrides `embed_cont`, which turns the continuous features into these columns.

    Args:
        cont_feats: Names of the continuous features, the first columns of the inputs.
        cat_embedder: The categorical features, the last columns of the inputs, and the sizes of
            their embeddings.
        width: Number of columns of each continuous feature.
        do_cont: Dropout rate of the continuous features, in [0, 1).
        do_cat: Dropout rate of the embeddings of categories, in [0, 1).
        cat_init_scale: Spread of the embeddings of categories at the start.

    Raises:
        ConfigError: If a rate or the spread is out of range, or there is no feature.
        SavedModelError: If the embedder names a file of embeddings that does not fit.

    Example:
        >>> import torch
        >>> from lumin_core import CatEmbedder
        >>> from lumin_plugin_tabular.categorical_head import CategoricalHead
        >>> class Twice(CategoricalHead):
        ...     def __init__(self, cont_feats, cat_embedder):
        ...         super().__init__(cont_feats, cat_embedder, width=2)
        ...     def embed_cont(self, cont):
        ...         return cont.repeat_interleave(2, dim=1)
        >>> head = Twice(["pt"], CatEmbedder(["n_jets"], [5]))
        >>> head(torch.tensor([[30.0, 4.0]]))[0, :2].tolist()
        [30.0, 30.0]
        >>> head.feat_map
        {'pt': [0, 1], 'n_jets': [2, 3, 4]}
    """

    def __init__(
        self,
        cont_feats: Sequence[str],
        cat_embedder: CatEmbedder | None = None,
        *,
        width: int = 1,
        do_cont: float = 0,
        do_cat: float = 0,
        cat_init_scale: float = 1,
    ) -> None:
        super().__init__(cont_feats, cat_embedder)
        embedder = CatEmbedder([], []) if cat_embedder is None else cat_embedder
        if not (0 <= do_cont < 1 and 0 <= do_cat < 1):
            msg = f"dropout rates must be in [0, 1), got do_cont={do_cont} and do_cat={do_cat}"
            raise ConfigError(msg)
        self.n_cont_in = len(self.cont_feats)
        self.n_cat_in = embedder.n_cat_in
        self.n_out = self.n_cont_in * width + sum(embedder.emb_szs)
        self.embeds = nn.ModuleList(nn.Embedding(cat_sz, emb_sz) for _, cat_sz, emb_sz in embedder)
        self._scale_tables(cat_init_scale)
        self.cont_in_do: nn.Module | None = nn.Dropout(do_cont) if do_cont > 0 else None
        self.cat_do: nn.Module | None = CategoryDropout(embedder) if embedder.drops_categories else None
        self.emb_do: nn.Module | None = nn.Dropout(do_cat) if do_cat > 0 else None
        self.feat_map = _map_outputs(self.cont_feats, width, embedder)
        if embedder.emb_load_path is not None:
            self.load_embeds(embedder.emb_load_path)

    def _scale_tables(self, scale: float) -> None:
        """Scale the first values, which torch draws with a spread of 1."""
        if not is_number(scale) or not 0 < scale < inf:
            raise ConfigError(f"cat_init_scale must be a positive number, got {scale!r}")
        if scale != 1:
            with torch.no_grad():
                for table in self.embeds.parameters():
                    table.mul_(scale)

    def embed_cont(self, cont: Tensor) -> Tensor:
        """Turn the continuous features, ``(B, n_cont)``, into ``(B, n_cont * width)``."""
        return cont

    def forward(self, x: Inputs) -> Tensor:
        """Turn ``(B, n_cont + n_cat)``, the categories as codes, into ``(B, get_out_size())``.

        Raises:
            ShapeError: If the inputs are not flat, or do not have that many columns.
            DataError: If a code is out of range (on a GPU CUDA itself stops the process).
        """
        if not isinstance(x, Tensor) or x.dim() != 2 or x.shape[1] != self.n_cont_in + self.n_cat_in:
            raise ShapeError(self._shape_message(x))
        cont = self.embed_cont(x if self.n_cat_in == 0 else x[:, : self.n_cont_in])
        if self.cont_in_do is not None:
            cont = self.cont_in_do(cont)
        return cont if self.n_cat_in == 0 else torch.cat((cont, *self._embed(x[:, self.n_cont_in :])), dim=1)

    def get_out_size(self) -> int:
        """Give the columns of all features together."""
        return self.n_out

    def get_embeds(self) -> dict[str, Tensor]:
        """Return each embedding by the name of its feature.

        The shape is ``(cardinality, size)``; it is a copy on the CPU.
        """
        return {feat: table.detach().cpu().clone() for feat, table in self._tables().items()}

    def save_embeds(self, path: str | Path) -> None:
        """Write the embeddings to a ``.safetensors`` file, each under the name of its feature.

        Args:
            path: The file, with or without the ending; written whole or not at all.
        """
        write_tensors(path, "embeddings", self.get_embeds(), None)

    def load_embeds(self, path: str | Path, cat_feats: Sequence[str] | None = None) -> None:
        """Take embeddings from a file of `save_embeds`.

        Args:
            path: The file.
            cat_feats: Features whose embeddings are taken; by default all of this head.

        Raises:
            SavedModelError: If the file cannot be read, lacks a feature, or holds another shape;
                nothing is then taken.
        """
        stored, _ = read_tensors(path, "embeddings")
        own = self._tables()
        wanted = list(own) if cat_feats is None else list(cat_feats)
        if missing := [feat for feat in wanted if feat not in stored or feat not in own]:
            msg = f"cannot load the embeddings of {missing}: {path} has {list(stored)}, the head {list(own)}; "
            msg += "load_embeds(path, cat_feats=[...]) takes a part"
            raise SavedModelError(msg)
        for feat in wanted:
            if stored[feat].shape != own[feat].shape:
                msg = f"the embedding of {feat!r} in {path} has shape {tuple(stored[feat].shape)}, "
                msg += f"the head needs {tuple(own[feat].shape)}: set emb_szs, or leave it out of cat_feats"
                raise SavedModelError(msg)
        with torch.no_grad():
            for feat in wanted:
                own[feat].copy_(stored[feat])

    def _tables(self) -> dict[str, Tensor]:
        return dict(zip(self.cat_feats, self.embeds.parameters(), strict=True))

    def _embed(self, codes: Tensor) -> list[Tensor]:
        rows = codes.long() if self.cat_do is None else self.cat_do(codes.long())
        try:
            embedded = [embed(row) for embed, row in zip(self.embeds, rows.unbind(1), strict=True)]
        except IndexError as error:  # raised by the look-up on the CPU
            raise DataError(self._code_message(codes)) from error
        return embedded if self.emb_do is None else [self.emb_do(e) for e in embedded]

    def _code_message(self, codes: Tensor) -> str:
        sizes = [len(table) for table in self._tables().values()]
        wrong = ~((codes >= 0) & (codes < torch.tensor(sizes)))
        found = [
            f"{feat!r} has {column[bad][0].item():g} where codes are 0 to {size - 1}"
            for feat, column, bad, size in zip(self.cat_feats, codes.T, wrong.T, sizes, strict=True)
            if bad.any()
        ]
        return f"category codes out of range: {'; '.join(found)}; give CatEmbedder the cardinality of all data"

    def _shape_message(self, x: object) -> str:
        shape = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        msg = f"{snake_case(type(self).__name__)} takes flat inputs (B, {self.n_cont_in + self.n_cat_in}), "
        msg += f"{self.n_cont_in} continuous and {self.n_cat_in} categorical features, got {shape}"
        return msg if isinstance(x, Tensor) else f"{msg}; multi_head takes a matrix beside them"


def _map_outputs(cont_feats: Sequence[str], width: int, embedder: CatEmbedder) -> dict[str, list[int]]:
    widths = [(feat, width) for feat in cont_feats] + [(feat, size) for feat, _, size in embedder]
    feat_map, offset = {}, 0
    for feat, size in widths:
        feat_map[feat] = list(range(offset, offset + size))
        offset += size
    return feat_map
