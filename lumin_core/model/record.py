"""What a saved model says of itself: the content of its file's header."""

from __future__ import annotations

import functools
import types
import zlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import attrs
import numpy as np

from lumin_core.checks import check_keys
from lumin_core.errors import SavedModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lumin_core import registry
    from lumin_core.data.fold_yielder import FoldYielder


_LATER = {"is_later": True}  # 0.1 wrote none: it is written only where it says something


@functools.cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("lumin-core", "torch")}


def _is_index(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**31


def _is_code(value: object) -> bool:
    return isinstance(value, str) and value.removeprefix("-").isdecimal()


Index = Annotated[int, _is_index]
"""Number of a column or of a fold."""

Code = Annotated[str, _is_code]
"""Code of a category, as text."""


def _fits(value: object, hint: Any) -> bool:
    """Tell whether JSON values are such as an annotation says, at every depth."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        return any(_fits(value, one) for one in inner)
    if origin is Annotated:
        return _fits(value, inner[0]) and bool(inner[1](value))
    if origin is list:
        return isinstance(value, list) and all(_fits(entry, inner[0]) for entry in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(k, inner[0]) and _fits(v, inner[1]) for k, v in value.items())
    return isinstance(value, hint)


def _check(record: ModelRecord, attribute: attrs.Attribute[object], value: object) -> None:
    if not _fits(value, _hints()[attribute.name]):
        raise TypeError(f"{attribute.name} must be {attribute.type}, got {value!r:.200}")


@functools.cache
def _hints() -> dict[str, Any]:
    return get_type_hints(ModelRecord, include_extras=True)


def _checked(_: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    return [field.evolve(validator=_check) for field in fields]


@attrs.define(kw_only=True, field_transformer=_checked)
class ModelRecord:
    """What a saved model's header says; every value is checked to be as it is annotated.

    Attributes:
        config: The builder's config; ``None`` where a component has no name.
        unnamed: Why there is no config.
        components: Kind, name, qualified name, distribution and version of all that was used.
        input_mask: Columns of the inputs that the model is given; ``None`` for all.
        features: ``{"cont_feats": [...], "cat_feats": [...], "targ_feats": [...]}`` of the
            training data.
        preprocessing: Configs of the transforms that the inputs of the training data had gone
            through; ``[{"unnamed": ...}]`` where one has none.
        target_preprocessing: The same, of the targets.
        matrix_preprocessing: The same, of the matrix.
        matrix_feats: What the matrix of the training data holds, as `FoldYielder.matrix_feats`.
        recipe: How the file of the training data was made of other programs' files, the config of a
            `lumin_core.data.Converter`; empty where it was not.
        augmentations: Configs of the augmentations of the training.
        n_views: Number of variants of each event that these give in prediction.
        cat_maps: Feature to code to value, as the fold file has it (codes as text).
        seeds: ``{"initialisation": ..., "fit": ...}``.
        trn_idxs: Folds that the model was trained on, in all fits with that file; ``None`` where
            that is not known.
        identity: `FoldYielder.identity` of the file that these are of.
        folds: What `fold_ids` gives for it, in what was saved before files had an identity.
        precision: ``"32"``, ``"bf16"`` or ``"16"``, as for `lumin_core.Model`.
        compile: Whether the network is compiled.
        versions: Of lumin-core and torch.
    """

    config: dict[str, object] | None = None
    unnamed: str | None = None
    components: list[dict[str, str]] = attrs.field(factory=list)
    input_mask: list[Index] | None = None
    features: dict[str, list[str]] = attrs.field(factory=dict)
    preprocessing: list[dict[str, object]] = attrs.field(factory=list)
    cat_maps: dict[str, dict[Code, str | int | float]] = attrs.field(factory=dict)
    seeds: dict[str, int] = attrs.field(factory=dict)
    trn_idxs: list[Index] | None = None
    target_preprocessing: list[dict[str, object]] = attrs.field(factory=list, metadata=_LATER)
    matrix_preprocessing: list[dict[str, object]] = attrs.field(factory=list, metadata=_LATER)
    matrix_feats: dict[str, object] | None = attrs.field(default=None, metadata=_LATER)
    recipe: dict[str, object] = attrs.field(factory=dict, metadata=_LATER)
    augmentations: list[str | dict[str, object]] = attrs.field(factory=list, metadata=_LATER)
    n_views: int = attrs.field(default=1, metadata=_LATER)
    identity: str | None = attrs.field(default=None, metadata=_LATER)
    folds: list[str] | None = None
    precision: str = attrs.field(default="32", metadata=_LATER)
    compile: bool = attrs.field(default=False, metadata=_LATER)
    versions: dict[str, str] = attrs.field(factory=lambda: dict(_versions()))

    @classmethod
    def from_json(cls, values: Any, path: Path) -> ModelRecord:
        """Make the record from the header's values.

        Raises:
            SavedModelError: If they are not those of a model.
        """
        try:
            check_keys(values, [attribute.name for attribute in attrs.fields(cls)], "the header")
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise SavedModelError(f"{path} is damaged: its header does not fit: {error}") from error

    def add_training(self, fy: FoldYielder, trn_idxs: Sequence[int]) -> None:
        """Note the folds of a training, beside those of earlier ones with the same file.

        Args:
            fy: The training data.
            trn_idxs: The training folds.
        """
        earlier = self.trn_idxs or [] if self.is_of(fy) else []
        self.identity = fy.identity
        self.folds = None
        self.trn_idxs = sorted({*earlier, *trn_idxs})

    def is_of(self, fy: FoldYielder) -> bool:
        """Tell whether data are those of the training."""
        if self.identity is None and self.folds is not None:
            return self.folds == fold_ids(fy)
        return self.identity == fy.identity

    def pins(self) -> dict[tuple[str, str], str]:
        """Return the qualified names that bare names in the config meant when it was saved."""
        wanted = {"kind", "name", "qualified"}
        return {(used["kind"], used["name"]): used["qualified"] for used in self.components if wanted <= used.keys()}


def fold_ids(fy: FoldYielder) -> list[str]:
    """Return for each fold a check sum of its targets.

    Models and runs of before files had an identity are told by it whether a file has the events of
    theirs, in its folds.

    Args:
        fy: The data.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder
        >>> from lumin_core.model.record import fold_ids
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="y") as file:
        ...     for i in range(2):
        ...         file.append(i, inputs=np.ones((3, 1)), targets=np.array([0.0, i, 1.0]))
        >>> first, second = fold_ids(FoldYielder(path))
        >>> first == second
        False
    """
    return [f"{zlib.crc32(np.asarray(fy.get_column('targets', fold_idx=i)).tobytes()):08x}" for i in range(len(fy))]


def to_json(record: ModelRecord) -> dict[str, object]:
    """Return a record as JSON values."""
    return attrs.asdict(record, filter=lambda field, value: not field.metadata or (value and value != field.default))


def describe_components(components: Sequence[registry.Component]) -> list[dict[str, str]]:
    """Return what a header says of the components that a model is built of."""
    keys = ("kind", "name", "qualified", "distribution", "version")
    return [{key: getattr(used, key) or "" for key in keys} for used in components]
