import pytest

from lumin_core.errors import ConfigError
from lumin_core.model.objective import OBJECTIVES, objective_of


def test_objectives_in_every_spelling_are_ours():
    assert {objective_of(name) for name in ("Classifier", "binary", "multi-label")} == {"classification"}
    assert [objective_of(name) for name in OBJECTIVES] == list(OBJECTIVES)
    with pytest.raises(ConfigError, match="got 'ranking'"):
        objective_of("ranking")
