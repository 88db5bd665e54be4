"""What a saved model says of itself, and the builder that it describes."""

from __future__ import annotations

import threading
import zlib
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from attrs import define, field, validators
from torch.nn.modules.module import register_module_parameter_registration_hook

from lumin_core.checks import check_keys
from lumin_core.errors import LuminError, SavedModelError
from lumin_core.model.builder import ModelBuilder
from lumin_core.model.tensor_file import ODD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from lumin_core import registry
    from lumin_core.data.fold_yielder import FoldYielder


def _is(*types: type) -> Any:
    return validators.instance_of(types)


def _listed(member: Any) -> Any:
    return validators.deep_iterable(member, _is(list))


def _mapped(value: Any, key: Any = None) -> Any:
    return validators.deep_mapping(key or _is(str), value, _is(dict))


def _index(_: Any, attribute: Any, value: Any) -> None:
    if type(value) is not int or not 0 <= value < 2**31:
        raise ValueError(f"{attribute.name} must hold numbers of columns or folds, got {value!r}")


def _code(_: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, str) or not value.removeprefix("-").isdecimal():
        raise ValueError(f"{attribute.name} must hold codes, got {value!r}")


@define(kw_only=True)
class ModelRecord:
    """What a saved model's header says.

    Attributes:
        config: The builder's config; ``None`` where a component has no name.
        unnamed: Why there is no config.
        components: Kind, name, qualified name, distribution and version of all that was used.
        input_mask: Columns of the inputs that the model is given; ``None`` for all.
        features: ``{"cont_feats": [...], "cat_feats": [...], "targ_feats": [...]}`` of the
            training data.
        preprocessing: Configs of the transforms that the training data had gone through.
        cat_maps: Feature to code to value, as the fold file has it (codes as text).
        seeds: ``{"initialisation": ..., "fit": ...}``.
        trn_idxs: Folds that the model was trained on, in all fits with that file; ``None`` where
            that is not known.
        folds: What `fold_ids` gives for the file that these are of.
        versions: Of lumin-core and torch.
    """

    config: dict[str, Any] | None = field(default=None, validator=validators.optional(_is(dict)))
    unnamed: str | None = field(default=None, validator=validators.optional(_is(str)))
    components: list[dict[str, str]] = field(factory=list, validator=_listed(_mapped(_is(str))))
    input_mask: list[int] | None = field(default=None, validator=validators.optional(_listed(_index)))
    features: dict[str, list[str]] = field(factory=dict, validator=_mapped(_listed(_is(str))))
    preprocessing: list[dict[str, Any]] = field(factory=list, validator=_listed(_is(dict)))
    cat_maps: dict[str, dict[str, Any]] = field(factory=dict, validator=_mapped(_mapped(_is(str, int, float), _code)))
    seeds: dict[str, int] = field(factory=dict, validator=_mapped(_is(int)))
    trn_idxs: list[int] | None = field(default=None, validator=validators.optional(_listed(_index)))
    folds: list[str] | None = field(default=None, validator=validators.optional(_listed(_is(str))))
    versions: dict[str, str] = field(
        factory=lambda: {name: version(name) for name in ("lumin-core", "torch")}, validator=_mapped(_is(str))
    )

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
        folds = fold_ids(fy)
        earlier = self.trn_idxs or [] if self.folds == folds else []
        self.folds = folds
        self.trn_idxs = sorted({*earlier, *trn_idxs})

    def pins(self) -> dict[tuple[str, str], str]:
        """Give the qualified names that bare names in the config meant when it was saved."""
        wanted = {"kind", "name", "qualified"}
        return {(used["kind"], used["name"]): used["qualified"] for used in self.components if wanted <= used.keys()}


def fold_ids(fy: FoldYielder) -> list[str]:
    """Return for each fold a check sum of its targets.

    It tells whether a file has the events of another, in its folds.

    Args:
        fy: The data. Copies of a file have the same, whatever predictions were added or inputs
            preprocessed since.

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


def to_json(record: ModelRecord) -> dict[str, Any]:
    """Give a record as JSON values."""
    return attrs.asdict(record)


def builder_of(record: ModelRecord, source: Path) -> ModelBuilder:
    """Make the builder that a record describes.

    Files that its config names are not read: the weights are here.

    Args:
        record: The record.
        source: The file, for messages.

    Raises:
        SavedModelError: If a component had no name to be saved under, or the config does not fit.
    """
    if record.config is None:
        raise SavedModelError(f"{source} needs model_builder=: {record.unnamed}")
    config = {key: value for key, value in record.config.items() if key != "pretrain_file"}
    if isinstance(config.get("cat_embedder"), dict):
        config["cat_embedder"] = {k: v for k, v in config["cat_embedder"].items() if k != "emb_load_path"}
    with checked(source):
        return ModelBuilder.from_config(config)


@contextmanager
def checked(source: Path) -> Iterator[None]:
    """Turn what a damaged header leads to into one error that names the file.

    What is not installed says so itself.

    Args:
        source: The file.

    Raises:
        SavedModelError: If the block raises an error that is not about plugins.

    Example:
        >>> from pathlib import Path
        >>> from lumin_core.model.record import checked
        >>> with checked(Path("a.safetensors")):
        ...     int("many")
        Traceback (most recent call last):
        lumin_core.errors.SavedModelError: a.safetensors cannot be built from its header: ...
    """
    try:
        yield
    except ODD as error:
        if isinstance(error, LuminError) and not isinstance(error, ValueError):
            raise
        raise SavedModelError(f"{source} cannot be built from its header: {error}") from error


@contextmanager
def limited(state: Mapping[str, Tensor]) -> Iterator[None]:
    """Refuse to build what is far larger than a file's weights.

    It is refused, in this thread, before it takes memory or time.

    Args:
        state: The weights. Ten times as many pass, and a million values in a thousand tensors: a
            block may build layers on trial.

    Raises:
        SavedModelError: If more is built in the block.

    Example:
        >>> import torch
        >>> from lumin_core.model.record import limited
        >>> with limited({}):
        ...     _ = torch.nn.Linear(2000, 2000)
        Traceback (most recent call last):
        lumin_core.errors.SavedModelError: the header asks for far more than the 0 values ...
    """
    thread, n_values = threading.get_ident(), sum(values.numel() for values in state.values())
    left = [10 * n_values + 1_000_000, 10 * len(state) + 1000]

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if threading.get_ident() != thread or parameter is None:
            return
        left[:] = left[0] - parameter.numel(), left[1] - 1
        if min(left) < 0:
            raise SavedModelError(f"the header asks for far more than the {n_values} values that the file holds")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def describe_components(components: Sequence[registry.Component]) -> list[dict[str, str]]:
    """Give what a header says of the components that a model is built of."""
    return [
        {
            "kind": used.kind,
            "name": used.name,
            "qualified": used.qualified,
            "distribution": used.distribution,
            "version": used.version or "",
        }
        for used in components
    ]
