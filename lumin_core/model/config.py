"""A builder's arguments as plain values, which JSON and TOML hold, and back."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lumin_core import registry
from lumin_core.checks import check_keys
from lumin_core.errors import ConfigError
from lumin_core.files import read_toml
from lumin_core.model.embedding import CatEmbedder
from lumin_core.model.optimiser import optimiser_config
from lumin_core.model.options import options_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PARTS = ("head", "body", "tail")
"""The blocks of a model, in their order."""

SPECIFICATIONS = (*PARTS, "model_args", "opt_args", "loss", "lookup_init")
"""The arguments of a builder that name components, or hold options of such."""


def read_config(config: Mapping[str, object] | str | Path, known: Mapping[str, object]) -> dict[str, Any]:
    """Read the arguments of a builder from plain values.

    Args:
        config: The arguments as a dict, or a TOML file of them; ``cat_embedder`` as a table.
        known: The names that there are.

    Returns:
        The arguments.

    Raises:
        ConfigError: If a key is unknown or missing, or the file is not a TOML file.
    """
    arguments: dict[str, Any] = dict(config) if isinstance(config, Mapping) else read_toml(Path(config), "config")
    check_keys(arguments, known, "the config of a model")
    if missing := [key for key in ("objective", "n_out") if key not in arguments]:
        raise ConfigError(f"the config of a model needs {' and '.join(missing)}")
    embedder = arguments.get("cat_embedder")
    if isinstance(embedder, dict):
        check_keys(embedder, inspect.signature(CatEmbedder).parameters, "cat_embedder")
        arguments["cat_embedder"] = CatEmbedder.from_config(embedder)
    return arguments


def plain_config(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Write the arguments of a builder as plain values.

    Args:
        arguments: All arguments of the constructor, checked; ``head``, ``body``, ``tail`` with
            their options inside.

    Returns:
        What `read_config` takes; names are qualified, defaults of ``None`` left out.

    Raises:
        UnnamedComponent: If a component has no registered name.
    """
    config: dict[str, object] = {
        "objective": arguments["objective"],
        "n_out": arguments["n_out"],
        "cont_feats": arguments["cont_feats"],
        **{part: registry.to_config(part, arguments[part]) for part in PARTS},
        "opt_args": optimiser_config(arguments["opt_args"]),
        "loss": "auto" if arguments["loss"] == "auto" else registry.to_config("loss", arguments["loss"]),
        "lookup_init": registry.to_config("initialiser", arguments["lookup_init"]),
    }
    if arguments["lookup_act"] is not None:
        raise registry.UnnamedComponent(
            "lookup_act is a function without a name; register activations of your own instead, and leave it out"
        )
    return config | _given(arguments)


def has_bare_names(specs: Iterable[object]) -> bool:
    """Tell whether options of components hold text that may be the bare name of another.

    Args:
        specs: The components' specifications.

    Example:
        >>> from lumin_core.model.config import has_bare_names
        >>> has_bare_names([{"name": "fully_connected", "act": "relu"}])
        True
        >>> has_bare_names([{"name": "fully_connected", "act": "core/relu"}])
        False
    """
    known = {component.key for component in registry.components()}
    options = [value for spec in specs for key, value in options_of(spec).items() if key != "name"]
    return any(registry.normalise(text) in known for text in _texts(options))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for entry in value if isinstance(value, list | tuple) else options_of(value).values():
        yield from _texts(entry)


def _given(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Write those arguments that need not be given, as far as they are."""
    config: dict[str, object] = {}
    if arguments["cat_embedder"] is not None:
        config["cat_embedder"] = arguments["cat_embedder"].to_config()
    if arguments["cont_subsample_rate"] is not None:
        config["cont_subsample_rate"] = float(arguments["cont_subsample_rate"])
        config["guaranteed_feats"] = arguments["guaranteed_feats"]
    if arguments["seed"] is not None:
        config["seed"] = int(arguments["seed"])
    config |= {f"freeze_{part}": True for part in PARTS if arguments[f"freeze_{part}"]}
    if arguments["pretrain_file"] is not None:
        config["pretrain_file"] = str(arguments["pretrain_file"])
    return config
