"""Is it the same fit, the same preparation? What must be as it was, as plain values.

Components are told by qualified name and options where they came as specifications, objects by
their class. What has no plain form is told by what it looks like, the same in every process.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from functools import partial
from math import isnan
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from lumin_core import registry
from lumin_core.errors import ConfigError
from lumin_core.registry.renaming import is_now, spec_now

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.model.builder import ModelBuilder

    Difference = tuple[str, object, object]

C = TypeVar("C")

ABSENT = "nothing"


@runtime_checkable
class Spanning(Protocol):
    """What a schedule has whose shape may be that of the whole fit.

    Example:
        >>> from lumin_core import Callback
        >>> class Decay(Callback):
        ...     def on_epoch_begin(self, fit_params):
        ...         self.model.set_lr(0.1 * (1 - fit_params.epoch / fit_params.n_epochs))
        ...
        ...     def spans(self, n_epochs):
        ...         return True
    """

    def spans(self, n_epochs: int, /) -> bool:
        """Tell whether a fit of more than so many epochs would have been another from its start."""


def check_longer(callbacks: Iterable[object], was: int, now: int) -> None:
    """Refuse more epochs where a schedule was laid over the whole fit.

    Args:
        callbacks: Those of the fit.
        was: Number of epochs that it was begun with.
        now: Number of epochs that are asked for.

    Raises:
        ConfigError: Naming the schedules.

    Example:
        >>> from lumin_core.training.sameness import check_longer
        >>> check_longer([], 3, 5)
    """
    names = [_name_of(type(cb)) for cb in callbacks if isinstance(cb, Spanning) and cb.spans(was)]
    if now > was and names:
        raise ConfigError(
            f"n_epochs was {was}, is {now}, but the shape of {' and '.join(names)} is that of a fit of {was} epochs: "
            "a longer one would have been another from its first epoch; give n_epochs as it was, or begin another fit"
        )


def spec_config(kind: str, spec: object) -> str | dict[str, Any]:
    """Write a component as plain values, or say why it has none and what it looks like.

    Args:
        kind: Its kind.
        spec: A specification, or an object, which is told by its class.

    Example:
        >>> import torch
        >>> from lumin_core.training.sameness import spec_config
        >>> spec_config("optimiser", {"name": "sgd", "lr": 0.1})
        {'name': 'core/sgd', 'lr': 0.1}
        >>> spec_config("loss", torch.nn.MSELoss())
        {'instance': 'core/mse_loss'}
    """
    if not (isinstance(spec, str | Mapping | type | partial) or inspect.isroutine(spec)):
        return {"instance": _name_of(type(spec))}
    try:
        return _without_nan(registry.to_config(kind, spec))
    except registry.UnnamedComponent as error:
        return unnamed(error, given=spec)


def builder_config(builder: ModelBuilder, *, saved: bool = False) -> dict[str, Any]:
    """Write a builder as plain values, or say why it has none and what it looks like.

    Args:
        builder: The builder.
        saved: Whether its models are going to be saved, for which some options cannot be.

    Raises:
        UnsavableOption: If they are, and an option is a value that no model's file holds.

    Example:
        >>> from lumin_core import ModelBuilder
        >>> from lumin_core.training.sameness import builder_config
        >>> builder_config(ModelBuilder("regression", 1, ["pt"], loss=abs))["loss"]
        '<built-in function abs>'
    """
    try:
        return _without_nan(builder.to_config())
    except registry.UnnamedComponent as error:
        if saved and isinstance(error, registry.UnsavableOption):
            raise
        return unnamed(error, **vars(builder))


def augmentation_configs(fy: FoldYielder) -> list[str | dict[str, Any]]:
    """Write the augmentations of a yielder as plain values, as `spec_config` does.

    Args:
        fy: The yielder.
    """
    return [spec_config("augmentation", spec) for spec in fy.augmentation_specs]


def recorded(fy: FoldYielder) -> dict[str, Any]:
    """Return what is recorded of the data's preparation, as JSON values.

    Args:
        fy: The data.

    Returns:
        Values of attributes of a `ModelRecord`, by their names. Where a step has no configuration,
        why: ``[{"unnamed": ...}]``.
    """
    has_matrix = fy.has_matrix and fy.yield_matrix
    return {
        "preprocessing": _steps(fy, "inputs"),
        "target_preprocessing": _steps(fy, "targets"),
        "matrix_preprocessing": _steps(fy, "matrix") if has_matrix else [],
        "matrix_feats": fy.matrix_feats if has_matrix else None,
        "cat_maps": {feat: {str(code): value for code, value in codes.items()} for feat, codes in fy.cat_maps.items()},
    }


def _steps(fy: FoldYielder, part: str) -> list[dict[str, object]]:
    try:
        return fy.get_pipe_config(part)
    except ConfigError as error:
        return [unnamed(error)]


def is_unnamed(configs: Iterable[object]) -> bool:
    """Tell whether among configurations one says that there is none, but an object.

    Args:
        configs: From `spec_config`.

    Example:
        >>> from lumin_core.training.sameness import is_unnamed
        >>> is_unnamed(["hep/phi_rotation"]), is_unnamed([{"instance": "mine.Flip"}])
        (False, True)
    """
    return any(isinstance(config, dict) and not {"instance", "unnamed"}.isdisjoint(config) for config in configs)


def _without_nan(value: C) -> C:
    """Refuse NaN among options: JSON has none, and null is another value."""
    if isinstance(value, float) and isnan(value):
        raise registry.UnnamedComponent("an option is NaN, which has no plain form")
    if isinstance(value, dict | list | tuple):
        for entry in value.values() if isinstance(value, dict) else value:
            _without_nan(entry)
    return value


def unnamed(error: ConfigError, **options: object) -> dict[str, Any]:
    """Say why there is no config, and what there is instead.

    The words are the same in every process: without addresses.

    Args:
        error: Why.
        **options: What there is.
    """
    texts = {"unnamed": str(error), **{name: repr(value) for name, value in options.items()}}
    return {name: re.sub(r" at 0x[0-9a-fA-F]+", "", text) for name, text in texts.items()}


def _name_of(cls: type) -> str:
    return registry.qualified_name(cls) or f"{cls.__module__}.{cls.__qualname__}"


def differences(was: object, now: object, name: str = "") -> Iterator[Difference]:
    """Find what differs between plain values, looking into dicts and into lists of text and such.

    Args:
        was: JSON values.
        now: JSON values.
        name: What they are.

    Yields:
        Name, old and new value.

    Example:
        >>> from lumin_core.training.sameness import differences
        >>> list(differences({"bs": 8, "cbs": [{"clip": 1}]}, {"bs": 8, "cbs": [{"clip": 2}]}))
        [('cbs[0].clip', 1, 2)]
    """
    was, now = _alike(was, now), _alike(now, was)
    if isinstance(was, dict) and isinstance(now, dict):
        was = spec_now(was, now)
        all_keys = dict.fromkeys([*was, *now])
        for key in ["unnamed"] if ("unnamed" in was) != ("unnamed" in now) else all_keys:  # the others are but text
            yield from differences(was.get(key, ABSENT), now.get(key, ABSENT), f"{name}.{key}" if name else key)
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        pairs = enumerate(zip(was, now, strict=True))
        inner = [difference for i, pair in pairs for difference in differences(*pair, f"{name}[{i}]")]
        is_told_by_entry = any(isinstance(value, dict | list | str) for value in was)
        yield from inner if is_told_by_entry or not inner else [(name, was, now)]
    elif was != now and json.dumps(was) != json.dumps(now) and not _is_name_of(was, now):  # NaN is NaN
        yield name, was, now


def _is_name_of(was: object, now: object) -> bool:
    """Tell whether text is a component's name of before, or bare, as 0.1 wrote it in options."""
    if not isinstance(was, str) or not isinstance(now, str) or "/" in was:
        return is_now(was, now)
    same = registry.normalise(was) == registry.normalise(now.rpartition("/")[2])
    return same and any(component.qualified == now for component in registry.components())


def _alike(value: object, other: object) -> object:
    """Return a component that is told by its name in the form of one that has options."""
    return {"name": value} if isinstance(value, str) and isinstance(other, dict) and "name" in other else value
