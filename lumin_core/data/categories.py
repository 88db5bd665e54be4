"""Category maps: what the codes of categorical features mean, ``{"n_jets": {0: "none"}}``.

The last code of a feature may stand for all categories that training did not have, and for missing
values: it then means `UNKNOWN_CATEGORY`. To who knows nothing of this it is a category like others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from lumin_core.checks import did_you_mean, listed
from lumin_core.data.values import EXACT
from lumin_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

UNKNOWN_CATEGORY = "<unknown>"
"""What the code of categories that training did not have means in a category map."""


def unknown_code(codes: Mapping[int, object]) -> int | None:
    """Return the code of categories that training did not have, or ``None`` where there is none.

    Args:
        codes: The category map of a feature.

    Example:
        >>> from lumin_core.data.categories import unknown_code
        >>> unknown_code({0: "e", 1: "mu", 2: "<unknown>"}), unknown_code({0: "e", 1: "mu"})
        (2, None)
    """
    last = max(codes, default=None)
    return last if last is not None and codes[last] == UNKNOWN_CATEGORY else None


def check_unseen(unseen: Iterable[object], known: Iterable[object], what: str) -> None:
    """Refuse text among numbers, and numbers among text, where all that is unseen has a code.

    Such were read in another way than the data of the training, and all of them would be unknown.

    Args:
        unseen: Values that training did not have; missing ones are passed over.
        known: Those that it had.
        what: What the values are, for the message.

    Raises:
        DataError: If there are such; it names one.

    Example:
        >>> from lumin_core.data.categories import check_unseen
        >>> check_unseen([4], ["2", "3"], "'n_jets'")
        Traceback (most recent call last):
        lumin_core.errors.DataError: 'n_jets' has 4 where training had text, as '2': give the ...
    """
    import pandas as pd

    values = [value for value in known if value != UNKNOWN_CATEGORY]
    is_text = bool(values) and isinstance(values[0], str)
    given = [value for value in pd.Series(list(unseen), dtype=object).dropna() if value != UNKNOWN_CATEGORY]
    if values and (odd := [value for value in given if isinstance(value, str) != is_text]):
        raise DataError(
            f"{what} has {odd[0]!r} where training had {'text' if is_text else 'numbers'}, as {values[0]!r}: give the "
            "values in that form; unknown are only values of the same sort, and missing ones"
        )


def checked_cat_maps(cat_maps: object, cat_feats: Sequence[str]) -> dict[str, dict[int, object]]:
    """Refuse category maps that do not go from codes of categorical features to what they mean.

    Args:
        cat_maps: The maps by feature, or ``None``.
        cat_feats: The categorical features.

    Raises:
        ConfigError: If a map is of another feature, its keys are no codes 0, 1, 2, ..., or two of
            them mean the same.

    Example:
        >>> from lumin_core.data.categories import checked_cat_maps
        >>> checked_cat_maps({"n_jets": {0: "none"}}, ["n_jets"])
        {'n_jets': {0: 'none'}}
        >>> checked_cat_maps({"n_jets": {"none": 0}}, ["n_jets"])
        Traceback (most recent call last):
        ...
        lumin_core.errors.ConfigError: cat_maps of 'n_jets' must go from codes 0, 1, 2, ... to ...
    """
    if cat_maps is None:
        return {}
    if not isinstance(cat_maps, Mapping):
        raise ConfigError(f"cat_maps must be a dict of features to dicts of codes, got {cat_maps!r}")
    for feat, codes in cat_maps.items():
        if feat not in cat_feats:
            raise ConfigError(f"cat_maps has {feat!r}, which is not in cat_feats{did_you_mean(feat, cat_feats)}")
        _check_map(feat, codes)
    return {feat: {int(code): meaning for code, meaning in codes.items()} for feat, codes in cat_maps.items()}


def _check_map(feat: str, codes: object) -> None:
    if not isinstance(codes, Mapping):
        raise ConfigError(f"cat_maps of {feat!r} must be a dict of codes to what they mean, got {codes!r}")
    wrong = [key for key in codes if not _is_code(key)]
    if wrong:
        raise ConfigError(
            f"cat_maps of {feat!r} must go from codes 0, 1, 2, ... to what they mean, got the key {wrong[0]!r}"
            f"{_mended(feat, codes, list(codes.values()))}"
        )
    meanings = list(codes.values())
    if odd := [meaning for meaning in meanings if not isinstance(meaning, str | Real | np.bool_)]:
        raise ConfigError(f"cat_maps of {feat!r} must give text or a number for each code, got {odd[0]!r}; convert it")
    if twice := [meaning for meaning, n in Counter(meanings).items() if n > 1]:
        raise ConfigError(
            f"cat_maps of {feat!r} gives {twice[0]!r} to several codes, which could not be told apart again; give each "
            "code a meaning of its own, or merge the codes"
        )


def _is_code(value: object) -> bool:
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        return False
    return 0 <= float(value) <= EXACT and float(value).is_integer()


def _mended(feat: str, codes: Mapping[Any, object], needed: Sequence[object]) -> str:
    """Give the line that helps, where keys are text of digits, or a map is turned round."""
    if any(isinstance(key, str) and key.isdecimal() for key in codes):
        return f"; make its keys numbers: {{int(code): value for code, value in cat_maps[{feat!r}].items()}}"
    if not codes or not all(map(_is_code, codes.values())) or not set(needed) <= set(codes.values()):
        return ""
    return f"; turn it round: {{code: value for value, code in cat_maps[{feat!r}].items()}}"


def check_known_codes(
    values: np.ndarray, cat_feats: Sequence[str], cat_maps: Mapping[str, Mapping[int, object]], where: str
) -> None:
    """Refuse codes that the category maps lack.

    Args:
        values: Codes, shape ``(n, n_cat)``.
        cat_feats: Names of the columns.
        cat_maps: As from `checked_cat_maps`; a feature may have none.
        where: What this is and of which file.

    Raises:
        DataError: If there are such; it names column and codes.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.categories import check_known_codes
        >>> check_known_codes(np.array([[0.0]]), ["n_jets"], {"n_jets": {0: "none"}}, "fold 0")
    """
    for column, feat in enumerate(cat_feats):
        if feat not in cat_maps:
            continue
        codes = cat_maps[feat]
        there = [int(code) for code in np.unique(values[:, column])]
        if lacking := [code for code in there if code not in codes]:
            known = listed(f"{code}: {meaning!r}" for code, meaning in codes.items())
            way_out = _mended(feat, codes, there) or "; add them, or leave the map out"
            raise DataError(
                f"{where}: column {feat!r} has codes that its cat_maps lack: {listed(lacking)}; they have {known}"
                f"{way_out}"
            )
