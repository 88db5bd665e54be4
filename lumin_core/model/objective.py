"""What a model can be trained for, in our spelling and in LUMIN's."""

from __future__ import annotations

from lumin_core.errors import ConfigError

OBJECTIVES = ("classification", "multiclass", "regression")
"""What a model can be trained for, as tails see it."""

_SPELLINGS = {
    "class": "classification",
    "classifier": "classification",
    "binary": "classification",
    "multilabel": "classification",
    "multiclassifier": "multiclass",
    "multiclassclassification": "multiclass",
    "regressor": "regression",
}


def objective_of(name: object) -> str:
    """Return the objective in our spelling.

    Args:
        name: ``classification`` (binary and multi-label), ``multiclass``, ``regression``, or
            LUMIN's ``classifier``, ``multiclassifier``, ``regressor``; case, ``-``, ``_`` and
            blanks do not matter.

    Raises:
        ConfigError: If it is none of these.

    Example:
        >>> from lumin_core.model.objective import objective_of
        >>> objective_of("Classifier")
        'classification'
    """
    plain = str(name).lower().translate(dict.fromkeys(map(ord, "-_ ")))
    plain = _SPELLINGS.get(plain, plain)
    if plain not in OBJECTIVES:
        raise ConfigError(f"objective must be one of {', '.join(OBJECTIVES)}, got {name!r}")
    return plain
