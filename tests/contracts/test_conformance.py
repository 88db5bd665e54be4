"""Our own plugins pass the checks that we ask of others."""

import os
from pathlib import Path

import pytest

from lumin_core import registry
from lumin_core.testing import installed, parametrize_with_checks

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = ["lumin-core", *sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))]
SUBJECTS = [subject for distribution in DISTRIBUTIONS for subject in installed(distribution)]
FULL = bool(os.environ.get("LUMIN_FULL"))  # exports, too, which take minutes


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("LUMIN_DEVICE", "cpu")


@parametrize_with_checks(SUBJECTS, full=FULL)
def test_ours_hold_what_we_ask(check):
    check()


def test_there_are_components_of_every_plugin():
    assert len(DISTRIBUTIONS) > 7
    assert set(DISTRIBUTIONS) <= {component.distribution for component in registry.components()}


def test_expected_failures_are_few_and_have_their_reasons_in_the_docs():
    expected = [(subject, name, why) for subject in SUBJECTS for name, why in subject.expected_failures.items()]
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    assert len(expected) <= 10
    for subject, name, why in expected:
        assert f"| `{subject.name}` | `{name}` | {why} |" in page
