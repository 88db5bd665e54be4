"""Which categorical features there are, how many values each has, and how wide each is embedded.

A code ``c`` of a feature of cardinality ``n`` becomes the row ``c`` of a learned table of shape
``(n, size)``. The last row may be that of unknown categories, as the category map of a file says.
Training has none of these: the row learns from events whose category is taken away at random.

References:
    Guo and Berkhahn, "Entity embeddings of categorical variables", https://arxiv.org/abs/1604.06737
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import asdict, define

from lumin_core.arguments import expect
from lumin_core.checks import check_numbers, is_positive
from lumin_core.data.categories import unknown_code
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.data.values import check_codes
from lumin_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

UNKNOWN_RATE = 0.02
"""Share of the categories that training takes away where there is a row for unknown ones."""


@define(frozen=True, init=False)
class CatEmbedder:
    """The categorical features of a model and the sizes of their embeddings.

    Args:
        cat_names: Names, in the order of the last columns of the inputs.
        cat_szs: Cardinalities: the codes of a feature are 0 to its cardinality less 1.
        emb_szs: Widths of the embeddings; by default
            ``min(max_emb_sz, (1 + cardinality) // 2)`` each.
        max_emb_sz: Largest width that is chosen by default.
        emb_load_path: File of a head's ``save_embeds`` from which the embeddings start.
        unknown_feats: Features whose last code is that of unknown categories.
        unknown_rate: Share of the events, in [0, 1), that train that row: each category is taken
            away with this probability, in training alone.

    Raises:
        ConfigError: If the lists differ in length, a name comes twice, a size is not positive, or
            an unknown feature is none of the names.

    Example:
        >>> from lumin_core.model.embedding import CatEmbedder
        >>> embedder = CatEmbedder(["n_jets", "channel"], [5, 3])
        >>> list(embedder)
        [('n_jets', 5, 3), ('channel', 3, 2)]
        >>> embedder["channel"]
        (3, 2)
    """

    cat_names: tuple[str, ...]
    cat_szs: tuple[int, ...]
    emb_szs: tuple[int, ...]
    max_emb_sz: int
    emb_load_path: Path | None
    unknown_feats: tuple[str, ...]
    unknown_rate: float

    def __init__(
        self,
        cat_names: Sequence[str],
        cat_szs: Sequence[int],
        emb_szs: Sequence[int] | None = None,
        max_emb_sz: int = 50,
        emb_load_path: str | Path | None = None,
        *,
        unknown_feats: Sequence[str] = (),
        unknown_rate: float = UNKNOWN_RATE,
    ) -> None:
        if emb_szs is None:
            emb_szs = [min(max_emb_sz, (1 + int(size)) // 2) if is_positive(size) else 1 for size in cat_szs]
        _check(cat_names, cat_szs, emb_szs)
        _check_unknown(cat_names, unknown_feats, unknown_rate)
        self.__attrs_init__(
            cat_names=tuple(cat_names),
            cat_szs=tuple(int(size) for size in cat_szs),
            emb_szs=tuple(int(size) for size in emb_szs),
            max_emb_sz=max_emb_sz,
            emb_load_path=None if emb_load_path is None else Path(emb_load_path).expanduser().resolve(),
            unknown_feats=tuple(unknown_feats),
            unknown_rate=float(unknown_rate),
        )

    @classmethod
    def from_fy(
        cls,
        fy: FoldYielder,
        emb_szs: Sequence[int] | None = None,
        max_emb_sz: int = 50,
        emb_load_path: str | Path | None = None,
        *,
        unknown_rate: float = UNKNOWN_RATE,
    ) -> CatEmbedder:
        """Take the categorical features that a fold file yields, without those that are ignored.

        A cardinality is that of the file's category map where there is one, else the highest code
        plus 1. Where the map's last code is that of unknown categories, its row is trained.

        Args:
            fy: The training data.
            emb_szs: As in the constructor.
            max_emb_sz: As in the constructor.
            emb_load_path: As in the constructor.
            unknown_rate: As in the constructor.

        Raises:
            DataError: If a feature without a category map holds anything but whole
                numbers from 0 up.
        """
        expect(fy, FoldYielder, "fy")
        names = list(fy.get_use_cat_feats())
        maps = {name: codes for name, codes in (fy.cat_maps or {}).items() if name in names and codes}
        sizes = {name: 1 + max(codes) for name, codes in maps.items()}
        unknown = [name for name in names if unknown_code(maps.get(name, {})) is not None]
        if unmapped := [name for name in names if name not in sizes]:
            sizes |= _highest_codes(fy, names, unmapped)
        sizes_of = [sizes[name] for name in names]
        embedding = emb_szs, max_emb_sz, emb_load_path
        return cls(names, sizes_of, *embedding, unknown_feats=unknown, unknown_rate=unknown_rate)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> CatEmbedder:
        """Make the embedder that `to_config` describes.

        Example:
            >>> from lumin_core.model.embedding import CatEmbedder
            >>> embedder = CatEmbedder(["channel"], [3])
            >>> CatEmbedder.from_config(embedder.to_config()) == embedder
            True
        """
        return cls(**config)

    def to_config(self) -> dict[str, object]:
        """Give the arguments as plain values; those that are not used are left out."""
        config = asdict(self)  # tuples as lists
        path = config.pop("emb_load_path")
        if not self.unknown_feats:
            del config["unknown_feats"], config["unknown_rate"]
        return config if path is None else {**config, "emb_load_path": str(path)}

    def check_codes(self, codes: np.ndarray, where: str) -> None:
        """Refuse what is no code of the training: missing, fractional, or beyond the cardinality.

        Args:
            codes: Shape ``(n, n_cat_in)``.
            where: What this is, for the message.

        Raises:
            DataError: If there is such; it names column and value.

        Example:
            >>> import numpy as np
            >>> from lumin_core.model.embedding import CatEmbedder
            >>> CatEmbedder(["channel"], [3]).check_codes(np.array([[3.0]]), "inputs")
            Traceback (most recent call last):
            lumin_core.errors.DataError: inputs: column 'channel' has 3 where codes are 0 to 2; ...
        """
        check_codes(codes, self.cat_names, where)
        for name, size, highest in zip(self.cat_names, self.cat_szs, codes.max(axis=0, initial=0), strict=True):
            if highest >= size:
                raise DataError(
                    f"{where}: column {name!r} has {highest:g} where codes are 0 to {size - 1}; leave out what "
                    "training did not have, or train with the cardinality of all data, or with a code for unknown "
                    "categories (proc_cats of lumin-plugin-tabular, unknown=True)"
                )

    @property
    def drops_categories(self) -> bool:
        """Whether training takes categories away, for the rows of unknown ones."""
        return bool(self.unknown_feats) and self.unknown_rate > 0

    @property
    def n_cat_in(self) -> int:
        """Number of categorical features."""
        return len(self.cat_names)

    def __iter__(self) -> Iterator[tuple[str, int, int]]:
        """Iterate over name, cardinality and width of the embedding."""
        return zip(self.cat_names, self.cat_szs, self.emb_szs, strict=True)

    def __getitem__(self, name: str) -> tuple[int, int]:
        """Give cardinality and width of the embedding of a feature."""
        if name not in self.cat_names:
            raise ConfigError(f"{name!r} is no embedded feature; these are: {', '.join(self.cat_names) or 'none'}")
        i = self.cat_names.index(name)
        return self.cat_szs[i], self.emb_szs[i]


def _check(names: Sequence[str], cat_szs: Sequence[int], emb_szs: Sequence[int]) -> None:
    if not len(names) == len(cat_szs) == len(emb_szs):
        raise ConfigError(
            f"expected one cardinality and one embedding size a feature, got {len(names)} names, "
            f"{len(cat_szs)} cardinalities and {len(emb_szs)} sizes"
        )
    if len(set(names)) < len(names):
        raise ConfigError(f"a categorical feature must be named once, got {list(names)}")
    for name, cat_sz, emb_sz in zip(names, cat_szs, emb_szs, strict=True):
        if not (is_positive(cat_sz) and is_positive(emb_sz)):
            raise ConfigError(f"{name!r} needs a positive cardinality and embedding size, got {cat_sz} and {emb_sz}")


def _check_unknown(names: Sequence[str], unknown_feats: Sequence[str], rate: float) -> None:
    if isinstance(unknown_feats, str) or not set(unknown_feats) <= set(names):
        raise ConfigError(f"unknown_feats must be a list of categorical features, {list(names)}, got {unknown_feats!r}")
    check_numbers(unknown_rate=rate)
    if not 0 <= rate < 1:
        raise ConfigError(f"unknown_rate must be a share of the events in [0, 1), such as 0.02, got {rate!r}")


def _highest_codes(fy: FoldYielder, names: list[str], wanted: list[str]) -> dict[str, int]:
    highest = np.zeros(len(names))
    for fold in range(len(fy)):
        inputs = fy.get_fold(fold)["inputs"]
        codes = (inputs[0] if isinstance(inputs, tuple) else inputs)[:, -len(names) :]
        check_codes(codes[:, [names.index(name) for name in wanted]], wanted, f"fold {fold} of {fy.foldfile.name}")
        highest = np.maximum(highest, codes.max(0, initial=0))
    return {name: 1 + int(highest[names.index(name)]) for name in wanted}
