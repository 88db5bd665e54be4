"""What data went through, as a fold file records it and a model: is it the same?"""

from __future__ import annotations

from itertools import combinations
from math import isclose
from typing import TYPE_CHECKING

from lumin_core.data.pipelines import PARTS
from lumin_core.errors import ConfigError, option
from lumin_core.training.sameness import differences, is_unnamed, recorded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.training.network import Network, Raw
    from lumin_core.training.sameness import Difference

    Configs = Sequence[dict[str, object]]
    Maps = Mapping[str, Mapping[str, object]]


def check_preprocessing(network: Network, fy: FoldYielder) -> None:
    """Refuse data that record another preprocessing, or other codes, than a model.

    Where one of the two records no preprocessing at all, it is taken, as are codes that one of them
    does not tell the meaning of.

    Args:
        network: The model.
        fy: The data.

    Raises:
        ConfigError: Naming what differs.
    """
    used, now = network.model_builder.cont_feats, recorded(fy)
    steps = {"inputs": _by_feature(now["preprocessing"], fy.file_schema.cont_feats, used)}
    steps["targets"] = now["target_preprocessing"]
    if now["matrix_feats"] is not None:
        steps["matrix"] = now["matrix_preprocessing"]
    found = _of_steps(_steps_of(network, used), steps, fully=network.record.identity is not None)
    if found := found or _of_codes(network.record.cat_maps, now["cat_maps"], network.model_builder.cat_feats):
        raise ConfigError(
            f"{fy.foldfile.name} records another preprocessing than the model was trained with: {_told(found)}; write "
            f"the file with the pipeline and codes of the training, or pass {option('other_preprocessing')}"
        )


def check_alike(networks: Sequence[Network], *, raw: Raw, codes: bool) -> None:
    """Refuse networks that are asked as one and record different preprocessing.

    Args:
        networks: The networks.
        raw: As for `Network.predict`; what is raw is each network's own matter.
        codes: Whether categories come as codes.

    Raises:
        ConfigError: Naming what differs.
    """
    for (i, one), (j, other) in combinations(_distinct(networks), 2):
        feats = [feat for feat in one.model_builder.cont_feats if feat in other.model_builder.cont_feats]
        found = None
        if raw is not True:
            fully = one.record.identity is not None and other.record.identity is not None
            was, now = _steps_of(one, feats), _steps_of(other, feats)
            found = _of_steps(was, now, ("targets",) if raw else PARTS, fully=fully)
        if codes and found is None:
            cats = [feat for feat in one.model_builder.cat_feats if feat in other.model_builder.cat_feats]
            found = _of_codes(one.record.cat_maps, other.record.cat_maps, cats)
        if found:
            raise ConfigError(
                f"model {j} records another preprocessing than model {i}: {_told(found)}; the same numbers mean other "
                f"things to them: predict raw data with {option('raw')}, or ask the models one by one"
            )


def _distinct(networks: Sequence[Network]) -> list[tuple[int, Network]]:
    """Leave out those that record what one before them does."""
    found: list[tuple[int, Network]] = []
    for i, network in enumerate(networks):
        if not any(_key(network) == _key(known) for _, known in found):
            found.append((i, network))
    return found


def _key(network: Network) -> list[object]:
    record = network.record
    steps = record.preprocessing, record.target_preprocessing, record.matrix_preprocessing
    known = record.identity is None, network.pipes is None, network.model_builder.cont_feats
    return [*steps, *known, record.cat_maps, record.features.get("file_feats")]


def _steps_of(network: Network, feats: Sequence[str]) -> dict[str, Configs]:
    record = network.record
    steps: Configs = record.preprocessing if network.pipes is None else [{"unnamed": "it was given as objects"}]
    inputs = _by_feature(steps, record.features.get("file_feats", network.model_builder.cont_feats), feats)
    of_matrix = {} if record.matrix_feats is None else {"matrix": record.matrix_preprocessing}
    return {"inputs": inputs, "targets": record.target_preprocessing, **of_matrix}


def _of_steps(
    was: Mapping[str, Configs], now: Mapping[str, Configs], parts: Sequence[str] = PARTS, *, fully: bool
) -> Difference | None:
    """Find what differs between steps.

    Args:
        was: By parts.
        now: By parts.
        parts: Those that are compared.
        fully: Whether both say all that there is. Then what one of them has and the other lacks
            is different, too, unless that one records nothing whatever.
    """
    fully = fully and any(was.values()) and any(now.values())
    for part in parts:
        old, new = was.get(part, []), now.get(part, [])
        if is_unnamed([*old, *new]) or not ((old and new) or (fully and part in was and part in now)):
            continue
        for found in differences(old, new, part):
            if not _is_close(*found[1:]):
                return found
    return None


def _of_codes(was: Maps, now: Maps, feats: Sequence[str]) -> Difference | None:
    """Find what differs between the meanings of codes that both tell."""
    shared = {feat: was[feat].keys() & now[feat].keys() for feat in feats if feat in was and feat in now}
    old, new = (
        {feat: {code: maps[feat][code] for code in sorted(shared[feat])} for feat in shared} for maps in (was, now)
    )
    return next(differences(old, new, "cat_maps"), None)


def _by_feature(configs: Configs, feats: Sequence[str], used: Sequence[str]) -> list[dict[str, object]]:
    """Give what steps hold for each feature by its name, of the features that are used.

    Their number, which is that of all features, is left open.
    """
    wanted = [(i, feat) for i, feat in enumerate(feats) if feat in used]

    def named(value: object) -> object:
        if isinstance(value, list) and len(value) == len(feats):
            return {feat: value[i] for i, feat in wanted}
        return None if type(value) is int and value == len(feats) else value

    return [{key: named(value) for key, value in config.items()} for config in configs]


def _is_close(was: object, now: object) -> bool:
    """Tell whether two values are the same but for the rounding of another order of sums."""
    if isinstance(was, list) and isinstance(now, list):
        return len(was) == len(now) and all(map(_is_close, was, now))
    if isinstance(was, int | float) and isinstance(now, int | float):
        return isclose(was, now, rel_tol=1e-6, abs_tol=1e-12)
    return was == now


def _told(found: Difference) -> str:
    name, was, now = found
    return f"{name} was {_short(was)}, is {_short(now)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
