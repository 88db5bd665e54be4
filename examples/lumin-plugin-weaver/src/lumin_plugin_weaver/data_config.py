"""weaver-core's data configuration, as far as it says what a network reads.

::

    inputs:
       pf_features:
          length: 128
          vars:
             - [part_pt_log, 1.7, 0.7]        # centre, scale, low = -5, high = 5
             - [part_deta, null]              # as it is

Of groups ``pf_points``, ``pf_features``, ... the prefix is left out. One of them, ``pf_mask``, says which
particles are present; here that is what is not NaN. So padding, by zeros or by repeated particles,
need not be known. Selections, labels by expressions, and weights are not read: which events and
labels a file has is its maker's choice. New variables are formulas in Python, which are
shown and not evaluated: files hold them under their names.

References:
    weaver-core 0.5.3, https://pypi.org/project/weaver-core/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import yaml

from lumin_core.checks import is_number, is_positive, listed
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_weaver.scaling import WeaverScaling

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

DEFAULTS = (1.0, -5.0, 5.0)
"""Scale, lowest and highest value, where they are not written."""


@attrs.frozen
class Variable:
    """What is done to a variable.

    Attributes:
        centre: What is subtracted; ``None`` leaves the variable as it is.
        scale: What it is multiplied by then.
        low: The lowest value then.
        high: The highest.
    """

    centre: float | None
    scale: float
    low: float
    high: float


@attrs.frozen
class WeaverData:
    """What a data configuration of weaver-core's says.

    Attributes:
        roles: The variables that a network reads, by role.
        variables: What is done to each, by name, in the order of `roles`.
        length: Number of particles that are read; others are left out.
        labels: Names of the classes, in the order of the logits; empty where they are formulas.
        new_variables: Formulas of variables, by name, as they stand there.

    Example:
        >>> from lumin_plugin_weaver import WeaverData
        >>> group = {"length": 2, "vars": [["part_pt_log", 1.7, 0.7], ["part_deta", None]]}
        >>> mask = {"length": 2, "vars": ["part_mask"]}
        >>> data = WeaverData.from_config({"inputs": {"pf_features": group, "pf_mask": mask}})
        >>> data.feats, data.roles
        (['part_pt_log', 'part_deta'], {'features': ['part_pt_log', 'part_deta']})
        >>> columns = data.columns({"part_pt_log": [[2.7]], "part_deta": [[0.1]]})
        >>> {name: round(float(column[0]), 3) for name, column in columns.items()}
        {'part0_part_pt_log': 0.7, 'part0_part_deta': 0.1}
    """

    roles: dict[str, list[str]]
    variables: dict[str, Variable]
    length: int
    labels: list[str]
    new_variables: dict[str, str]

    @classmethod
    def read(cls, path: str | Path, roles: Sequence[str] = ("points", "features")) -> WeaverData:
        """Read a configuration.

        Args:
            path: The YAML file; one with ``method: auto`` as weaver wrote it, ``*.auto.yaml``.
            roles: Groups to read, less their prefix; those that the file lacks are left out.

        Raises:
            ConfigError: If it cannot be read, or has what this plugin does not know.
        """
        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"{path} cannot be read as YAML: {error}") from error
        return cls.from_config(content, roles)

    @classmethod
    def from_config(cls, config: object, roles: Sequence[str] = ("points", "features")) -> WeaverData:
        """Read a configuration that is loaded; arguments and errors as for `read`."""
        inputs = config.get("inputs") if isinstance(config, Mapping) else None
        if not isinstance(config, Mapping) or not isinstance(inputs, Mapping):
            raise ConfigError("this is not a data configuration of weaver's: it has no table inputs")
        groups = _by_role(inputs)
        if "mask" not in groups:
            raise ConfigError(f"there must be a group with a mask, such as pf_mask, among {listed(inputs)}")
        preprocess = config.get("preprocess") or {}
        given = {role: groups[role] for role in roles if role in groups}
        found = {role: dict(_variable(one, preprocess) for one in group["vars"]) for role, group in given.items()}
        labels = (config.get("labels") or {}).get("value")
        return cls(
            roles={role: list(variables) for role, variables in found.items()},
            variables=_joined(found),
            length=_length(groups),
            labels=[str(name) for name in labels] if isinstance(labels, list) else [],
            new_variables={str(name): str(text) for name, text in (config.get("new_variables") or {}).items()},
        )

    @property
    def feats(self) -> list[str]:
        """Names of all variables: the features of a particle in a fold file."""
        return list(self.variables)

    def scaling(self) -> WeaverScaling:
        """Return what is done to the matrix of particles, to be recorded in a fold file."""
        rows = [attrs.astuple(one) if one.centre is not None else (None,) * 4 for one in self.variables.values()]
        return WeaverScaling(*(list(column) for column in zip(*rows, strict=True)))

    def vecs(self, n: int) -> list[str]:
        """Return names for ``n`` particles, as `columns` has them."""
        return [f"part{i}" for i in range(n)]

    def columns(self, particles: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
        """Turn variables of particles into scaled columns, for `lumin_core.df2foldfile`.

        Args:
            particles: By name, shape ``(n, N)``, NaN where there is no particle.

        Returns:
            Columns ``part<i>_<variable>`` of shape ``(n,)``.

        Raises:
            DataError: If a variable is missing.
            ShapeError: If they have different shapes.
        """
        if missing := [name for name in self.feats if name not in particles]:
            formulas = [f"{name} = {self.new_variables[name]}" for name in missing if name in self.new_variables]
            told = f"; by the configuration {listed(formulas)}" if formulas else ""
            raise DataError(f"particles lack {listed(missing)}{told}")
        values = [np.asarray(particles[name], dtype=np.float32) for name in self.feats]
        if values[0].ndim != 2 or any(one.shape != values[0].shape for one in values):
            raise ShapeError(f"variables must be (n, N), all the same, got {[one.shape for one in values]}")
        matrix = np.stack(values, axis=-1)  # (n, N, F)
        flat = self.scaling().transform(matrix.reshape(len(matrix), -1))
        names = [f"{vec}_{feat}" for vec in self.vecs(matrix.shape[1]) for feat in self.feats]
        return dict(zip(names, flat.T, strict=True))


def _by_role(inputs: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    roles: dict[str, Mapping[str, Any]] = {}
    for name, group in inputs.items():
        role = str(name).rpartition("_")[2]
        if role in roles:
            raise ConfigError(
                f"inputs of one collection of particles are read, and there are several: {listed(inputs)}"
            )
        if not isinstance(group, Mapping) or not isinstance(group.get("vars"), list):
            raise ConfigError(f"the group {name} must have a length and a list of vars, got {group}")
        roles[role] = group
    return roles


def _length(groups: Mapping[str, Mapping[str, Any]]) -> int:
    lengths = {role: group.get("length") for role, group in groups.items()}
    length = lengths["mask"]
    if not is_positive(length) or set(lengths.values()) != {length}:
        raise ConfigError(f"all groups of inputs must have one length, a number of particles; got {lengths}")
    return int(length)


def _variable(entry: Any, preprocess: Mapping[str, Any]) -> tuple[str, Variable]:
    """Read a variable: its name, or a list of its name, centre, scale, low, high and padding."""
    name, *numbers = entry if isinstance(entry, list) else [entry]
    is_auto = str(preprocess.get("method", "manual")).lower().startswith("auto")
    params = preprocess.get("params")
    if params is not None:
        if name not in params:
            raise ConfigError(f"the preprocessing has no params for {name}, only for {listed(params)}")
        numbers = [params[name].get(key) for key in ("center", "scale", "min", "max")]
    centre: Any = numbers[0] if numbers else ("auto" if is_auto else None)
    if centre == "auto":
        raise ConfigError(f"{name} has the centre 'auto': give the configuration that weaver wrote, *.auto.yaml")
    rest = [*numbers[1:4], *DEFAULTS[len(numbers[1:4]) :]]
    if not all(is_number(number) for number in ([] if centre is None else [centre, *rest])):
        raise ConfigError(f"{name} must have numbers as centre, scale, low and high, got {[centre, *rest]}")
    return str(name), Variable(centre, *rest)


def _joined(found: Mapping[str, Mapping[str, Variable]]) -> dict[str, Variable]:
    """Give the variables of all groups; one that is in several must be the same in all."""
    joined: dict[str, Variable] = {}
    for variables in found.values():
        for name, variable in variables.items():
            if joined.setdefault(name, variable) != variable:
                raise ConfigError(f"{name} is scaled in two ways: {joined[name]} and {variable}")
    if not joined:
        raise ConfigError("none of the groups that are asked for is among the inputs")
    return joined
