"""Standard mistakes, made in our own components, are noticed by the checks that promise it."""

import importlib
import random
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
N_DRAWN = 60


sys.path.insert(0, str(BENCHMARKS))
mutations, of_parts = (importlib.import_module(name) for name in ("mutations", "mutations_of_parts"))
sys.path.remove(str(BENCHMARKS))
DRAWN = random.Random(16).sample(mutations.cases(), N_DRAWN)


@pytest.mark.parametrize(
    ("mutation", "subject"), DRAWN, ids=[f"{mutation.name}-{subject.name}" for mutation, subject in DRAWN]
)
def test_a_mutation_is_caught(mutation, subject):
    caught = mutations.is_caught(mutation, subject)
    if caught is None:
        pytest.skip("it changes nothing of this component")
    assert caught or (mutation.name, subject.name) in mutations.SURVIVORS


def test_most_of_what_is_drawn_changes_something():
    mutated = [mutations.is_caught(*case) for case in DRAWN[:20]]
    assert sum(caught is not None for caught in mutated) > 12


def test_every_check_that_a_mutation_names_is_one():
    from lumin_core.testing import checks_of

    for mutation in [*mutations.MUTATIONS, *of_parts.MUTATIONS]:
        for kind in mutation.kinds:
            assert any(check.name in mutation.checks for check in checks_of(kind)), (mutation.name, kind)
