"""The site: every page is in its navigation, and docstrings become what they mean."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path for pattern in ("*.md", "*s/*.md", "*s/*/README.md") for path in ROOT.glob(pattern))


@pytest.fixture(scope="module", autouse=True)
def extension():
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    yield
    sys.path.remove(str(ROOT / "docs" / "_ext"))


def test_the_navigation_has_every_page():
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^([\w./]+\.md)$", text, re.MULTILINE))
    pages = {path.name for path in ROOT.glob("docs/*.md")} - {"index.md"}
    assert pages - named == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_of_the_repository(page):
    """Pages are read on a code host too, where those that the site generates are not."""
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    paths = [(page.parent / link).resolve() for link in links if "://" not in link]
    assert [str(path) for path in paths if not path.is_file() or "reference" in path.parts] == []


def test_the_gallery_has_a_line_for_every_file():
    import gallery

    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert sorted(gallery.LINE.findall(text)) == gallery.names()


def test_a_line_of_the_gallery_becomes_what_its_file_shows_and_its_code(tmp_path, monkeypatch):
    pytest.importorskip("lumin_plugin_plots")
    import gallery

    monkeypatch.setattr(gallery, "FOLDER", tmp_path)
    code = """from lumin_plugin_plots import working_points

table = working_points({"pred": [0.1, 0.6, 0.4, 0.9], "gen_target": [0, 0, 1, 1]}, efficiencies=0.5)
"""
    (tmp_path / "points.py").write_text(f'"""A table."""\n\n{code}', encoding="utf-8")
    page = "".join(gallery.with_pictures("# Title\n\n[points.py](gallery/points.py)\n\nEnd\n", tmp_path))
    assert page.startswith("# Title\n\nA table.\n\n| ")
    assert page.endswith(f"```python\n{code}```\n\nEnd\n")


def test_a_docstring_is_cut_into_its_sections():
    from docstrings import parse

    arguments = "Args:\n    a: One,\n        of two: lines.\n    b: Two.\n"
    doc = parse(f"A sum.\n\nOf all.\n\n{arguments}\nExample:\n    >>> 1 + 1\n    2\n")
    assert (doc.summary, doc.body) == ("A sum.", "Of all.")
    assert doc.arguments == {"a": "One,\nof two: lines.", "b": "Two."}
    assert doc.sections["Example"] == ">>> 1 + 1\n2"


def test_sections_become_restructured_text():
    from docstrings import as_rst, parse, rubric

    doc = parse("A sum.\n\nRaises:\n    ConfigError: If none.\n\nExample:\n    Two lines:\n\n    >>> 1 + 1\n    2\n")
    lines = [line for line in as_rst(doc, rubric).splitlines() if line]
    assert lines == [
        ".. rubric:: Raises",
        "`ConfigError`",
        "    If none.",
        ".. rubric:: Example",
        "Two lines:",
        ".. code-block:: pycon",
        "    >>> 1 + 1",
        "    2",
    ]


def test_options_have_type_default_and_text():
    from docstrings import options

    def component(n_in: int, act: str = "relu", init: object = len, **rest: object) -> None: ...

    assert [tuple(option) for option in options(component, {"act": "The activation."})] == [
        ("n_in", "int", None, ""),
        ("act", "str", "'relu'", "The activation."),
        ("init", "object", "len", ""),
    ]


def test_every_kind_of_the_core_has_its_contract():
    from components import contracts, example_of, kinds

    declared_by_plugins = {"graph_extractors", "graph_collapsers", "conv_layers", "run_tables"}
    declared_by_plugins |= {"converters", "expression_functions", "readers", "writers", "live_views", "report_sections"}
    assert {kind.plural for kind in kinds()} - declared_by_plugins == set(contracts())
    assert {kind.plural: example_of(kind) for kind in kinds()}["norms"] == ("optimisers-activations-norms-initialisers")


def test_what_is_offered_is_told_from_options():
    from components import offered

    from lumin_core.registry import find_kind

    assert {"n_in", "lookup_init"} <= offered(find_kind("body"))
    assert offered(find_kind("metric")) == set()


def test_the_page_of_a_component_has_its_options_and_example():
    from components import component_page

    from lumin_core.registry import find, find_kind

    page = component_page(find_kind("executor"), find("executor", "farm/processes"))
    assert "``max_workers: int | None = None``" in page
    assert ">>> from lumin_plugin_farm import Processes" in page
    assert 'train_models(..., executor="processes")' in page
