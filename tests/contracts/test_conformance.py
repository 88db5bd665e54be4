"""Our own plugins pass the checks that we ask of others."""

import importlib.util
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


def test_expected_failures_are_few():
    assert sum(len(subject.expected_failures) for subject in SUBJECTS) <= 10


def test_the_page_lists_the_checks_and_the_expected_failures_with_their_reasons():
    """``python .ci/checks_page.py`` writes them."""
    spec = importlib.util.spec_from_file_location("checks_page", ROOT / ".ci" / "checks_page.py")
    checks_page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checks_page)
    page = checks_page.PAGE.read_text(encoding="utf-8")
    assert checks_page.filled(page) == page
    assert page.count("| `check_") > 100
