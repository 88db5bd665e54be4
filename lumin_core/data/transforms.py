"""Transforms: preprocessing as a chain of steps that are plain values.

A chain is a list of `Transform`; `lumin_core.data.chains` runs it. As configuration it is a list of
dicts, which is what fold files and saved models hold::

    [{"name": "tabular/standard_scaler", "mean": [...], "scale": [...]}, ...]

Building it asks for the plugin that has the step, and runs no code of the file.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

from lumin_core import registry
from lumin_core.data.meta import as_json
from lumin_core.errors import ConfigError, LuminError
from lumin_core.registry.renaming import with_new_names

if TYPE_CHECKING:
    import numpy as np


class Transform(ABC):
    """Base of preprocessing steps (kind ``transforms``).

    A step with state also defines `fit` and, where it can be fitted piece by piece,
    ``partial_fit(x) -> Self``.

    Example:
        >>> import numpy as np
        >>> from lumin_core import Transform
        >>> class Scale(Transform):
        ...     def __init__(self, factor=1.0):
        ...         self.factor = factor
        ...     def transform(self, x):
        ...         return x * self.factor
        ...     def inverse_transform(self, x):
        ...         return x / self.factor
        ...     def to_config(self):
        ...         return {"factor": self.factor}
        >>> Scale(2.0).transform(np.array([[1.0]]))
        array([[2.]])
    """

    kind: ClassVar[str] = "transform"

    def fit(self, x: np.ndarray) -> Self:
        """Learn from data; by default there is nothing to learn.

        Args:
            x: Shape ``(n, F)``; NaN where a value is missing.

        Returns:
            Itself.
        """
        return self

    @abstractmethod
    def transform(self, x: np.ndarray) -> np.ndarray:
        """Transform data of shape ``(n, F)``, which is not changed, to shape ``(n, F')``."""

    @abstractmethod
    def inverse_transform(self, x: np.ndarray) -> np.ndarray:
        """Undo `transform`: from shape ``(n, F')``, which is not changed, to ``(n, F)``."""

    @abstractmethod
    def to_config(self) -> dict[str, Any]:
        """Return all that is needed to build the step again, as plain values and lists.

        What was learned is included.
        """

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build a step from what `to_config` gave.

        By default its items are the constructor's arguments.
        """
        return cls(**config)

    @classmethod
    def convert(cls, step: object) -> Transform | None:
        """Take over a step of another library, such as scikit-learn.

        Args:
            step: Any fitted object with ``transform``.

        Returns:
            The same as a `Transform`, or ``None``, as by default, where this class
            does not know it.
        """
        return None


@runtime_checkable
class Pipe(Protocol):
    """What a yielder takes as a pipeline beside chains: two methods, as in scikit-learn."""

    def transform(self, x: np.ndarray, /) -> np.ndarray:
        """Transform data of shape ``(n, F)``."""

    def inverse_transform(self, x: np.ndarray, /) -> np.ndarray:
        """Undo `transform`."""


Step = Pipe | str | Mapping[str, object]
"""A transform, by itself, by name, or as a dict with its name beside options or what it learned."""
Steps = Step | Sequence[Step]
"""What went before: one step, several, or a pipeline of another library."""


def check_pipe(pipe: object) -> Pipe | list[Pipe]:
    """Refuse what is not a pipeline, and build what is given by name.

    A pipeline is transforms, or an object with ``transform`` and ``inverse_transform``.

    Args:
        pipe: A transform, its name, a dict with its name, a list of these, or such an object.

    Returns:
        The same, built; a list for a list or tuple.

    Raises:
        ConfigError: If it is something else, such as the name of a pickled file.
        UnknownComponent: If there is no transform of that name.

    Example:
        >>> from lumin_core.data.transforms import check_pipe
        >>> check_pipe(())
        []
        >>> check_pipe("input_pipe.pkl")
        Traceback (most recent call last):
        ...
        lumin_core.errors.ConfigError: a pipeline must be transforms or an object with transform ...
    """
    if isinstance(pipe, list | tuple):
        return [_checked_step(step) for step in pipe]
    return _checked_step(pipe)


def _checked_step(pipe: object) -> Pipe:
    if isinstance(pipe, Pipe) and not isinstance(pipe, type):
        return pipe
    is_file = hasattr(pipe, "__fspath__") or (isinstance(pipe, str) and "." in pipe)
    if isinstance(pipe, str | Mapping) and not is_file:
        return _chosen(pipe)
    unread = "; pickled files are not opened, since they can run code: load it yourself if you trust it, and pass it"
    raise ConfigError(
        f"a pipeline must be transforms or an object with transform and inverse_transform, got "
        f"{pipe!r}{unread if is_file else ''}"
    )


def check_fitted(steps: Pipe | Sequence[Pipe]) -> None:
    """Refuse steps that say themselves that they learned nothing yet.

    Args:
        steps: One, or several.

    Raises:
        ConfigError: With the way out.

    Example:
        >>> from lumin_core.data.transforms import check_fitted
        >>> check_fitted([])
    """
    for step in steps if isinstance(steps, Sequence) else [steps]:
        if getattr(step, "is_fitted", True) is False:
            name = registry.qualified_name(type(step)) or type(step).__name__
            raise ConfigError(
                f"the transform {name!r} was not fitted, and data cannot have gone through it: give what "
                "fit_input_pipe(df, cont_feats, steps=...) returns, after it transformed df"
            )


def _chosen(spec: object) -> Transform:
    """Build a transform that is chosen by name, or is a class or a partial.

    A dict has its name beside its options or, as it is stored, what it learned.
    """
    return _build(spec) if isinstance(spec, Mapping) else registry.build("transform", spec)


def as_chain(pipe: object) -> list[Transform]:
    """Give a pipeline as a chain of transforms, converting other libraries' steps.

    A scikit-learn ``Pipeline`` is taken apart into its steps; each is offered to
    `Transform.convert` of the installed transforms.

    Args:
        pipe: As for `check_pipe`; steps may be classes and partials, too.

    Raises:
        ConfigError: If no installed transform knows a step; it serves in memory only.
        UnknownComponent: If there is no transform of a name.

    Example:
        >>> from lumin_core.data.transforms import as_chain
        >>> [step.to_config() for step in as_chain({"name": "standard_scaler", "with_mean": False})]
        [{'with_mean': False, 'with_std': True}]
    """
    if isinstance(pipe, Transform):
        return [pipe]
    if isinstance(pipe, list | tuple):
        return [transform for step in pipe for transform in as_chain(step)]
    if steps := getattr(pipe, "steps", ()):
        return as_chain([step for _, step in steps])
    if isinstance(pipe, str) and pipe == "passthrough":  # scikit-learn's empty step
        return []
    return [_chosen(pipe) if isinstance(pipe, str | Mapping | type | partial) else _converted(pipe)]


def _converted(step: object) -> Transform:
    for component in registry.components("transform"):
        cls = component.load() if component.problem is None else None
        transform = cls.convert(step) if isinstance(cls, type) and issubclass(cls, Transform) else None
        if transform is not None:
            return transform
    raise ConfigError(
        f"{type(step).__module__}.{type(step).__qualname__} cannot be stored as plain values: no installed transform "
        "knows it. It serves in memory, as input_pipe= of the yielder; to store it, write a Transform and register it, "
        "or, for scikit-learn's common steps, pip install lumin-plugin-tabular"
    )


def chain_to_config(pipe: Steps) -> list[dict[str, object]]:
    """Give a pipeline as plain values.

    Args:
        pipe: As for `check_pipe`.

    Returns:
        For each step its qualified name and what its ``to_config`` gives.

    Raises:
        ConfigError: If a step is not registered under a name, cannot be converted, or cannot be
            built again from what it gives, as whoever reads it will.
    """
    return [_step_config(step) for step in as_chain(pipe)]


def _step_config(step: Transform) -> dict[str, object]:
    name = registry.qualified_name(type(step))
    if name is None:
        raise ConfigError(
            f"{type(step).__qualname__} cannot be stored, since it has no name to be found by again: "
            f'lumin_core.register("transform", "my_step", {type(step).__qualname__}), or an entry point of a plugin'
        )
    given = step.to_config()
    if not isinstance(given, Mapping):
        raise ConfigError(f"{name}.to_config() must return a dict of options, got {given!r:.80}")
    if "name" in given:
        raise ConfigError(f"{name}.to_config() gives 'name', which is reserved; rename that option")
    config: dict[str, object] = json.loads(as_json({"name": name, **given}, f"what {name}.to_config() gives"))
    _build(config)
    return config


def chain_from_config(configs: Sequence[Mapping[str, object]]) -> list[Transform]:
    """Build a chain from plain values.

    Args:
        configs: From `chain_to_config`.

    Raises:
        UnknownComponent: If the plugin that has a step is not installed.
        ConfigError: If a configuration is damaged.
    """
    return [_build(config) for config in configs]


def _build(config: object) -> Transform:
    if not isinstance(config, Mapping) or not isinstance(name := config.get("name"), str):
        raise ConfigError(f'a stored transform must be {{"name": ..., ...}}, got {config!r}')
    cls = registry.find("transform", name).load()
    if not (isinstance(cls, type) and issubclass(cls, Transform)):
        raise ConfigError(f"{name!r} is no class derived from lumin_core.Transform, so it cannot be built")
    options = {key: value for key, value in config.items() if key != "name"}
    options = with_new_names(cls, options, f"transform {name!r}")
    way_out = "from_config, by default the constructor, must take what to_config gives"
    try:
        built = cls.from_config(options)
    except LuminError:
        raise
    except Exception as error:
        raise ConfigError(f"the stored transform {name!r} cannot be built: {error!r}; {way_out}") from error
    if not isinstance(built, Transform):
        raise ConfigError(f"the stored transform {name!r} cannot be built: from_config gave {built!r:.80}; {way_out}")
    return built
