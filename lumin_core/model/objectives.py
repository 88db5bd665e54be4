"""What a model can be trained for, and how it may be spelled."""

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
        >>> from lumin_core.model.objectives import objective_of
        >>> objective_of("Classifier")
        'classification'
    """
    plain = str(name).lower().translate(dict.fromkeys(map(ord, "-_ ")))
    return check_objective(_SPELLINGS.get(plain, plain), name)


def check_objective(objective: str, given: object = None) -> str:
    """Refuse what is not one of the objectives, in our spelling.

    Args:
        objective: The objective.
        given: What the user wrote, for the message, where that is something else.

    Returns:
        The objective.

    Raises:
        ConfigError: If there is no such objective.

    Example:
        >>> from lumin_core.model.objectives import check_objective
        >>> check_objective("regression")
        'regression'
    """
    if objective not in OBJECTIVES:
        raise ConfigError(
            f"objective must be one of {', '.join(OBJECTIVES)}, got {objective if given is None else given!r}"
        )
    return objective
