"""Saved models and ensembles: one safetensors file each, weights and a JSON header, nothing that runs.

The header, under the key ``lumin``, holds what `ModelRecord` lists; number lists longer than 64 stand beside the
weights as tensors named ``table.<i>``. A file is read without unpickling, and names in it are looked up in the registry
alone: a file from a stranger runs none of their code and imports only what is registered.
"""

from __future__ import annotations

import json
import pickle
import struct
import threading
import warnings
import zlib
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import torch
from attrs import define, field, validators
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.nn.modules.module import register_module_parameter_registration_hook

from lumin_core.data.safe_file import Staged
from lumin_core.errors import LuminError, SavedModelError
from lumin_core.model.builder import ModelBuilder
from lumin_core.model.options import check_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor, nn

    from lumin_core import registry
    from lumin_core.data.fold_yielder import FoldYielder

FORMAT = 1
SUFFIX = ".safetensors"
_LONG = 64
_ODD = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)

State = dict[str, "Tensor"]


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
        features: ``{"cont_feats": [...], "cat_feats": [...], "targ_feats": [...]}`` of the training data.
        preprocessing: Configs of the transforms that the training data had gone through.
        cat_maps: Feature to code to value, as the fold file has it (codes as text).
        seeds: ``{"initialisation": ..., "fit": ...}``.
        trn_idxs: Folds that the model was trained on, in all fits with that file; ``None`` where that is not known.
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
        self.folds, self.trn_idxs = folds, sorted({*earlier, *trn_idxs})

    def pins(self) -> dict[tuple[str, str], str]:
        """Give the qualified names that bare names in the config meant when it was saved."""
        wanted = {"kind", "name", "qualified"}
        return {(used["kind"], used["name"]): used["qualified"] for used in self.components if wanted <= used.keys()}


def fold_ids(fy: FoldYielder) -> list[str]:
    """Give for each fold a check sum of its targets: it tells whether a file has the events of another, in its folds.

    Args:
        fy: The data. Copies of a file have the same, whatever predictions were added or inputs preprocessed since.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder
        >>> from lumin_core.model.saving import fold_ids
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
    """Make the builder that a record describes. Files that its config names are not read: the weights are here.

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
    """Turn what a damaged header leads to into one error that names the file; what is not installed says so itself.

    Args:
        source: The file.

    Raises:
        SavedModelError: If the block raises an error that is not about plugins.

    Example:
        >>> from pathlib import Path
        >>> from lumin_core.model.saving import checked
        >>> with checked(Path("a.safetensors")):
        ...     int("many")
        Traceback (most recent call last):
        lumin_core.errors.SavedModelError: a.safetensors cannot be built from its header: invalid literal for int()...
    """
    try:
        yield
    except _ODD as error:
        if isinstance(error, LuminError) and not isinstance(error, ValueError):
            raise
        raise SavedModelError(f"{source} cannot be built from its header: {error}") from error


@contextmanager
def limited(state: Mapping[str, Tensor]) -> Iterator[None]:
    """Refuse to build, in this thread, what is far larger than a file's weights, before it takes memory or time.

    Args:
        state: The weights. Ten times as many pass, and a million values in a thousand tensors: a block may build
            layers on trial.

    Raises:
        SavedModelError: If more is built in the block.

    Example:
        >>> import torch
        >>> from lumin_core.model.saving import limited
        >>> with limited({}):
        ...     _ = torch.nn.Linear(2000, 2000)
        Traceback (most recent call last):
        lumin_core.errors.SavedModelError: the header asks for far more than the 0 values that the file holds
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


def save_path(name: str | Path, suffix: str = SUFFIX) -> Path:
    """Add the ending where it is missing.

    Example:
        >>> from lumin_core.model.saving import save_path
        >>> save_path("best").name, save_path("v1.2").name, save_path("a.safetensors").name
        ('best.safetensors', 'v1.2.safetensors', 'a.safetensors')
    """
    path = Path(name).expanduser()
    return path if path.suffix == suffix else path.with_name(path.name + suffix)


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Give the temporary name under which a file is written, whole or not at all: an earlier one stays on an error.

    Args:
        path: The final name.

    Raises:
        SavedModelError: If the file cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from lumin_core.model.saving import staged
        >>> path = Path(tempfile.mkdtemp()) / "a.txt"
        >>> with staged(path) as part:
        ...     _ = part.write_text("all of it")
        >>> path.read_text()
        'all of it'
    """
    try:
        with Staged(path.resolve()) as part:
            yield part
    except (OSError, SafetensorError) as error:
        raise SavedModelError(f"cannot write {path}: {error}") from error


def write(name: str | Path, sort: str, state: Mapping[str, Tensor], content: Any) -> Path:
    """Write a file: under a temporary name first, so that an earlier one stays if this fails.

    Args:
        name: The file; ``.safetensors`` is added where it is missing.
        sort: ``"model"`` or ``"ensemble"``.
        state: The weights.
        content: JSON values.

    Returns:
        The path.

    Raises:
        SavedModelError: If the file cannot be written.
    """
    path = save_path(name)
    tensors, aliases = _untie(state)
    content = _take_tables(content, tensors)
    header = json.dumps({"format": FORMAT, "sort": sort, "aliases": aliases, "content": content})
    with staged(path) as part:
        save_file(tensors, part, metadata={"lumin": header})
    return path


def read(name: str | Path, sort: str) -> tuple[State, Any]:
    """Read a file that `write` wrote.

    Args:
        name: The file, with or without ``.safetensors``.
        sort: ``"model"`` or ``"ensemble"``.

    Returns:
        The weights, on the CPU, and the JSON values.

    Raises:
        SavedModelError: If there is no such file, it is damaged, or it is something else.
    """
    path = _existing(name)
    try:
        with safe_open(path, framework="pt") as file:
            metadata, tensors = file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, *_ODD) as error:
        raise SavedModelError(
            f"{path} cannot be read as a saved {sort}: {error}; it is damaged, or another program's "
            "(a LUMIN save can start a model: ModelBuilder(pretrain_file=...))"
        ) from error
    header = _header(metadata, path, sort)
    for alias, original in header["aliases"].items():
        if original not in tensors:
            raise SavedModelError(f"{path} is damaged: it lacks {original!r}, which its header names")
        tensors[alias] = tensors[original]
    try:
        content = _give_tables(header["content"], tensors, path)
    except RecursionError as error:
        raise SavedModelError(f"{path} is damaged: its header is nested too deeply") from error
    return {key: tensor for key, tensor in tensors.items() if not key.startswith("table.")}, content


def load_state(module: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load weights into a module, all of them and no others.

    Args:
        module: Where to.
        state: The weights.
        source: Where they come from, for the message.

    Raises:
        SavedModelError: If names or shapes differ; the module is as it was.

    Example:
        >>> import torch
        >>> from lumin_core.model.saving import load_state
        >>> load_state(torch.nn.Linear(2, 1), {"weight": torch.ones(1, 3)}, "a.safetensors")
        Traceback (most recent call last):
        lumin_core.errors.SavedModelError: a.safetensors does not fit the model: it has no bias; weight has shape...
    """
    own = module.state_dict()
    wrong = [f"it has no {key}" for key in own if key not in state]
    wrong += [f"the model has no {key}" for key in state if key not in own]
    wrong += [
        f"{key} has shape {tuple(state[key].shape)} where the model has {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if wrong:
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise SavedModelError(f"{source} does not fit the model: {'; '.join(wrong[:5])}{more}")
    module.load_state_dict(dict(state))


def load_pretrained(module: nn.Module, path: Path) -> None:
    """Load weights from a saved model of ours, or from one that LUMIN saved, through torch's restricted loader.

    Args:
        module: ``nn.Sequential(head, body, tail)``.
        path: The file.

    Raises:
        SavedModelError: If it can be read as neither, or does not fit.
    """
    path = _existing(path)
    state = read(path, "model")[0] if path.suffix == SUFFIX else _read_lumin(path)
    load_state(module, {key: value for key, value in state.items() if not key.startswith("loss.")}, str(path))


def _read_lumin(path: Path) -> State:
    """Read LUMIN's save: a pickled dict of which torch's loader takes tensors and, for the input mask, arrays."""
    rebuild = (getattr(np, "_core", None) or np.core).multiarray._reconstruct
    spellings = [(rebuild, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")]  # of numpy 1 and 2
    arrays: list[Any] = [*spellings, np.ndarray, np.dtype, type(np.dtype(np.int64))]
    # torch before 2.5 has no such list: there, saves without an input mask can be read
    safe_globals = getattr(torch.serialization, "safe_globals", lambda _: nullcontext())
    try:
        with safe_globals(arrays), warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, struct.error, EOFError, OSError, *_ODD) as error:
        raise SavedModelError(
            f"{path} cannot be read as weights: it is neither a saved model of ours (.safetensors) nor one of LUMIN "
            "that holds tensors alone"
        ) from error
    state = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise SavedModelError(f"{path} holds no weights: expected LUMIN's save, a dict with the key 'model'")
    return state


def _existing(name: str | Path) -> Path:
    path = Path(name).expanduser()
    path = path if path.is_file() else save_path(path)
    if not path.is_file():
        raise SavedModelError(f"there is no file {name}, nor {path}")
    return path


def _header(metadata: Mapping[str, str], path: Path, sort: str) -> dict[str, Any]:
    """Read and check the header's frame; its content is checked by whoever uses it."""
    try:
        header = json.loads(metadata["lumin"])
        found, number = header["sort"], header["format"]
        aliases = header["aliases"]
        fits = (
            isinstance(aliases, dict) and all(isinstance(key, str) for key in aliases.values()) and "content" in header
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise SavedModelError(f"{path} was not saved by lumin-core: it has no header of ours") from error
    if found != sort:
        raise SavedModelError(f"{path} holds a saved {found}, expected a {sort}")
    if not isinstance(number, int) or number > FORMAT or not fits:
        raise SavedModelError(
            f"{path} has format {number!r}, this version of lumin-core reads up to {FORMAT}: upgrade lumin-core"
        )
    return header  # type: ignore[no-any-return]


def _untie(state: Mapping[str, Tensor]) -> tuple[State, dict[str, str]]:
    """Bring weights to the CPU, tied ones once."""
    tensors: State = {}
    aliases: dict[str, str] = {}
    first: dict[Any, str] = {}
    for key, tensor in state.items():
        place = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and place in first:
            aliases[key] = first[place]
            continue
        first[place] = key
        tensors[key] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    return tensors, aliases


def _take_tables(value: Any, tensors: State) -> Any:
    """Put long lists of numbers among the tensors, their names in their place."""
    if isinstance(value, dict):
        return {key: _take_tables(entry, tensors) for key, entry in value.items()}
    if not isinstance(value, list):
        return value
    is_long = len(value) > _LONG and all(type(entry) in (int, float) for entry in value)
    if is_long and len({type(entry) for entry in value}) == 1:
        name = f"table.{len(tensors)}"
        tensors[name] = torch.tensor(value, dtype=torch.int64 if type(value[0]) is int else torch.float64)
        return {"table": name}
    return [_take_tables(entry, tensors) for entry in value]


def _give_tables(value: Any, tensors: State, path: Path) -> Any:
    """Undo `_take_tables`."""
    if isinstance(value, dict):
        if set(value) == {"table"} and isinstance(value["table"], str):
            if value["table"] not in tensors:
                raise SavedModelError(f"{path} is damaged: it lacks {value['table']!r}, which its header names")
            return tensors[value["table"]].tolist()
        return {key: _give_tables(entry, tensors, path) for key, entry in value.items()}
    return [_give_tables(entry, tensors, path) for entry in value] if isinstance(value, list) else value
