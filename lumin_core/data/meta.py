"""Meta data of a fold file: what it has, as JSON strings under ``/meta_data``."""

from __future__ import annotations

import json
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lumin_core.checks import as_list, check_names
from lumin_core.data.check_sums import META, check_sum, names_in, write_identity, write_sum
from lumin_core.data.creation import new_group
from lumin_core.data.entries import KNOWN, expected_entry, schema_from_entries, schema_to_entries
from lumin_core.data.room import set_aside
from lumin_core.data.schema import Schema
from lumin_core.data.structure import WAY_OUT, reading
from lumin_core.errors import ConfigError, FoldFileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import h5py

FORMAT = 1  # raised when a reader of before could no longer read what is written


def write_schema(file: h5py.File, schema: Schema) -> None:
    """Write all meta data of a new file, the last of what it holds.

    Args:
        file: Open for writing, without meta data.
        schema: What to say.

    Raises:
        ConfigError: If something in it is no plain value.

    Example:
        >>> import h5py
        >>> from lumin_core.data.meta import write_schema
        >>> from lumin_core.data.schema import Schema
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     write_schema(file, Schema(cont_feats=["pt"], targ_feats=["y"]))
        ...     list(file["meta_data"])
        ['cat_feats', 'cont_feats', 'misc_feats', 'preprocessing', 'provenance', 'targ_feats']
    """
    group = new_group(file, META)
    group.attrs["format"] = FORMAT
    for name, value in schema_to_entries(schema).items():
        write_entry(group, name, value)
    write_identity(file, schema)


def write_entry(group: h5py.Group, name: str, value: object) -> None:
    """Write, or replace, one entry of the meta data.

    Args:
        group: ``/meta_data``.
        name: Of the entry.
        value: Anything JSON can hold; numpy's scalars and arrays become Python's.

    Raises:
        ConfigError: If JSON cannot hold it.

    Example:
        >>> import h5py
        >>> from lumin_core.data.meta import write_entry
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     write_entry(file.create_group("meta_data"), "cont_feats", ["pt"])
        ...     file["meta_data/cont_feats"][()]
        b'["pt"]'
    """
    text = as_json(value, name)
    if name in group:
        del group[name]
    set_aside(group, len(text.encode()))
    write_sum(group.create_dataset(name, data=text), check_sum(text.encode()))


def as_json(value: object, what: str) -> str:
    """Return a value as the text that is stored.

    Args:
        value: As for `write_entry`.
        what: What it is, for the message.

    Raises:
        ConfigError: If JSON cannot hold it.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.meta import as_json
        >>> as_json({"mean": np.array([1.5])}, "preprocessing")
        '{"mean": [1.5]}'
    """
    try:
        return json.dumps(value, default=_plain)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what} cannot be stored as JSON: {error}") from error


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{value!r} is no plain value")


def update_entry(file: h5py.File, name: str, **changes: object) -> None:
    """Change some keys of an entry that is a mapping, and leave the others as they are.

    Args:
        file: Open for writing, with meta data.
        name: Of the entry; it may be missing.
        **changes: Keys and their new values.

    Raises:
        FoldFileError: If the entry cannot be read, or is not a mapping.

    Example:
        >>> import h5py
        >>> from lumin_core.data.meta import update_entry, write_entry
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     write_entry(file.create_group("meta_data"), "provenance", {"seed": 1})
        ...     update_entry(file, "provenance", site="CERN")
        ...     file["meta_data/provenance"][()]
        b'{"seed": 1, "site": "CERN"}'
    """
    group = file.require_group(META)
    stored = _read_entry(file, name) if name in group else {}
    if not isinstance(stored, dict):
        raise FoldFileError(f"{file.filename}: /{META}/{name} must be a JSON object, got {stored!r}")
    write_entry(group, name, {**stored, **changes})


def read_schema(file: h5py.File) -> Schema | None:
    """Read the meta data of an open file.

    Returns:
        What the file has, or ``None`` where it has no meta data.

    Raises:
        FoldFileError: If an entry is missing or damaged, or the file is of a later format.

    Example:
        >>> import h5py
        >>> from lumin_core.data.meta import read_schema
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     read_schema(file) is None
        True
    """
    if META not in file:
        return None
    group = file[META]
    version = int(group.attrs.get("format", 0))
    if version > FORMAT:
        raise FoldFileError(
            f"{file.filename} has format {version}, this version reads up to {FORMAT}: update lumin-core"
        )
    if absent := [name for name in ("cont_feats", "cat_feats", "targ_feats") if name not in group]:
        raise FoldFileError(f"{file.filename} is no fold file: /{META} lacks {', '.join(absent)}")
    entries = {}
    for name in names_in(group):
        # what others wrote is read as far as it is JSON; all of it stays in the file
        with nullcontext() if name in KNOWN else suppress(FoldFileError):
            entries[name] = value = _read_entry(file, name)
            if name in KNOWN and (expected := expected_entry(name, value)):
                raise FoldFileError(
                    f"{file.filename}: /{META}/{name} must be {expected}, got {value!r:.200}; the file is damaged, or "
                    f"written by hand: {WAY_OUT}"
                )
    return schema_from_entries(entries)


def find_schema(file: h5py.File, cont_feats: Sequence[str] | None, cat_feats: Sequence[str] | None) -> Schema:
    """Return what an open file has: as it says itself, else as it is said.

    Args:
        file: The file.
        cont_feats: Continuous features, if they are said.
        cat_feats: Categorical features, if they are said.

    Raises:
        FoldFileError: As of `read_schema`, and if neither says it.
        ConfigError: If the features are others than the file's.

    Example:
        >>> import h5py
        >>> from lumin_core.data.meta import find_schema
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     find_schema(file, ["pt"], None).cont_feats
        ['pt']
    """
    schema = read_schema(file)
    if schema is None:
        if cont_feats is None and cat_feats is None:
            raise FoldFileError(
                f"{file.filename} has no meta data: pass cont_feats= and cat_feats=, in the order of the columns"
            )
        schema = Schema(cont_feats=cont_feats, cat_feats=cat_feats)
        check_names("cont_feats and cat_feats", schema.input_feats)
        return schema
    for name, given in (("cont_feats", cont_feats), ("cat_feats", cat_feats)):
        stored = getattr(schema, name)
        if given is not None and as_list(given) != stored:
            file_name = Path(file.filename).name
            raise ConfigError(f"{name} of {file_name} are {stored}, got {as_list(given)}; leave {name} out")
    return schema


def _read_entry(file: h5py.File, name: str) -> object:
    with reading(file.filename, f"/{META}/{name}"):
        content: object = json.loads(file[META][name][()])
        return content
