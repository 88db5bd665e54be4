"""Saved models and ensembles: one safetensors file each.

It holds weights and a JSON header, and nothing that runs. The header, under the key ``lumin``,
holds what `ModelRecord` lists; number lists longer than 64 stand beside the weights as tensors
named ``table.<i>``. Its last entry, ``crc32``, is the check sum of header and tensors, which is
verified on reading. A file is read without unpickling, and names in it are looked up in the
registry alone: a file from a stranger runs none of their code and imports only what is registered.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from lumin_core.checks import with_article
from lumin_core.errors import SavedModelError
from lumin_core.files import Staged, naming, not_written
from lumin_core.looks import SAVED, another, nearby
from lumin_core.model.check_sum import split_sum, tensor_sum, with_sum

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn

FORMAT = 1
SUFFIX = ".safetensors"
ODD = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What a damaged or malicious file may lead to in those who read it."""

State = dict[str, "Tensor"]

_LONG = 64


def save_path(name: str | Path, suffix: str = SUFFIX) -> Path:
    """Add the ending where it is missing, and fix a relative path.

    Example:
        >>> from lumin_core.model.tensor_file import save_path
        >>> save_path("best").name, save_path("v1.2").name, save_path("a.safetensors").name
        ('best.safetensors', 'v1.2.safetensors', 'a.safetensors')
    """
    with naming(name, SavedModelError):
        path = Path(name).expanduser()
        return (path if path.suffix == suffix else path.with_name(path.name + suffix)).resolve()


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Return the temporary name under which a file is written.

    It is written whole or not at all: an earlier one stays on an error.

    Args:
        path: The final name.

    Raises:
        SavedModelError: If the file cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from lumin_core.model.tensor_file import staged
        >>> path = Path(tempfile.mkdtemp()) / "a.txt"
        >>> with staged(path) as part:
        ...     _ = part.write_text("all of it")
        >>> path.read_text()
        'all of it'
    """
    try:
        with Staged(path) as part:
            yield part
    except (OSError, SafetensorError) as error:
        raise SavedModelError(not_written(path, error)) from error


def write_tensors(name: str | Path, sort: str, state: Mapping[str, Tensor], content: object) -> Path:
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
        save_file(tensors, part, metadata={"lumin": with_sum(header, _check_sum(header, tensors))})
    return path


def read_tensors(name: str | Path, sort: str) -> tuple[State, Any]:
    """Read a file that `write_tensors` wrote.

    Args:
        name: The file, with or without ``.safetensors``.
        sort: ``"model"`` or ``"ensemble"``.

    Returns:
        The weights, on the CPU, and the JSON values.

    Raises:
        SavedModelError: If there is no such file, it is damaged, or it is something else.
    """
    path = existing(name)
    try:
        with safe_open(path, framework="pt") as file:
            metadata, tensors = file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, *ODD) as error:
        it_is = (
            f"it is {it_is}" if (it_is := another(path, *SAVED)) else f"{error}; it is damaged, or another program's"
        )
        raise SavedModelError(f"{path} cannot be read as a saved {sort}: {it_is}") from error
    header = _header(metadata, path, sort)
    text, total = split_sum(metadata["lumin"])
    if total not in (None, _check_sum(text, tensors)):  # 0.1 wrote none
        raise SavedModelError(
            f"{path} is damaged: its values are not those that were saved, by their check sum; bring back a copy"
        )
    try:
        tensors |= {alias: tensors[original] for alias, original in header["aliases"].items()}
        content = _give_tables(header["content"], tensors)
    except KeyError as error:
        raise SavedModelError(f"{path} is damaged: it lacks {error}, which its header names") from error
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
        >>> from lumin_core.model.tensor_file import load_state
        >>> load_state(torch.nn.Linear(2, 1), {"weight": torch.ones(1, 3)}, "a.safetensors")
        Traceback (most recent call last):
        lumin_core.errors.SavedModelError: a.safetensors does not fit the model: it has no bias; ...
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


def existing(name: str | Path) -> Path:
    """Find a file, whose name may lack the ending.

    Raises:
        SavedModelError: If there is none.
    """
    with naming(name, SavedModelError):
        path = Path(name).expanduser()
    path = path if path.is_file() else save_path(path)
    if path.is_file():
        return path
    if it_is := another(Path(name).expanduser()):
        raise SavedModelError(f"there is no file {name}: it is {it_is}")
    raise SavedModelError(f"there is no file {name}, nor {path}{nearby(path)}")


def _header(metadata: Mapping[str, str], path: Path, sort: str) -> dict[str, Any]:
    """Read and check the header's frame; its content is checked by whoever uses it."""
    try:
        header: dict[str, Any] = json.loads(metadata["lumin"])
        found, number, aliases = header["sort"], header["format"], header["aliases"]
        fits = isinstance(aliases, dict) and all(isinstance(key, str) for key in aliases.values())
        fits = fits and "content" in header
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise SavedModelError(f"{path} was not saved by lumin-core: it has no header of ours") from error
    if found != sort:
        end = f"; it is {it_is}" if (it_is := another(path, sort)) else ""
        raise SavedModelError(f"{path} holds a saved {found}, expected {with_article(sort)}{end}")
    if not isinstance(number, int) or number > FORMAT or not fits:
        raise SavedModelError(
            f"{path} has format {number!r}, this version of lumin-core reads up to {FORMAT}: upgrade lumin-core"
        )
    return header


def _check_sum(header: str, tensors: State) -> str:
    return tensor_sum(
        header,
        (
            (name, str(tensor.dtype).removeprefix("torch."), tensor.shape, tensor.reshape(-1).view(torch.uint8).numpy())
            for name, tensor in tensors.items()
        ),
    )


def _untie(state: Mapping[str, Tensor]) -> tuple[State, dict[str, str]]:
    """Bring weights to the CPU, tied ones once."""
    tensors: State = {}
    aliases: dict[str, str] = {}
    first: dict[tuple[object, ...], str] = {}
    for key, tensor in state.items():
        place = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        original = first.setdefault(place, key)
        if tensor.numel() and original != key:
            aliases[key] = original
        else:
            tensors[key] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    return tensors, aliases


def _take_tables(value: object, tensors: State) -> object:
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


def _give_tables(value: Any, tensors: State) -> Any:
    """Undo `_take_tables`."""
    if isinstance(value, dict):
        if set(value) == {"table"} and isinstance(value["table"], str):
            return tensors[value["table"]].tolist()
        return {key: _give_tables(entry, tensors) for key, entry in value.items()}
    return [_give_tables(entry, tensors) for entry in value] if isinstance(value, list) else value
