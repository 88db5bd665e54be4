"""A page: all text is escaped, nothing is fetched or run, figures beyond 2 MB are left out and named."""

import re
from html.parser import HTMLParser

import pytest

from lumin_core.errors import ConfigError, ShapeError
from lumin_core.runs import Figure, Table, Text
from lumin_plugin_plots.page import LARGEST, Section, page

EVIL = "<script>alert(1)</script>\"'&"


class Tags(HTMLParser):
    """Collects tags, and checks that they are closed in order."""

    def __init__(self):
        super().__init__()
        self.found, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def tags_of(text):
    parser = Tags()
    parser.feed(text)
    assert parser.open == []
    return parser.found


def test_all_text_is_escaped():
    parts = [
        Text(title=EVIL, text=f"{EVIL}\n\n    {EVIL}"),
        Table(title=EVIL, header=(EVIL, EVIL), rows=[(EVIL, EVIL)], caption=EVIL),
        Figure(title=EVIL, image=b"png", format="png", caption=EVIL),
    ]
    text = page(EVIL, EVIL, [Section(EVIL, parts)])
    assert "<script" not in text
    assert {tag for tag, _ in tags_of(text)}.isdisjoint({"script", "iframe", "object", "form"})


def test_nothing_is_fetched():
    text = page("a", "b", [Section("c", [Figure(title="d", image=b"<svg/>", format="svg")])])
    for tag, attributes in tags_of(text):
        for name in ("src", "href", "data", "action"):
            target = attributes.get(name)
            assert target is None or target.startswith(("data:", "#")), (tag, target)
    assert not re.search(r"url\(|@import", text)
    assert "default-src 'none'" in text


def test_contents_lead_to_sections_of_equal_titles_too():
    text = page("a", "b", [Section("Loss", [Text(text="x")]), Section("Loss", [Text(text="y")]), Section("Empty")])
    anchors = {attributes["id"] for tag, attributes in tags_of(text) if tag == "h2"}
    links = [attributes["href"] for tag, attributes in tags_of(text) if tag == "a"]
    assert len(links) == 2
    assert {link.removeprefix("#") for link in links} == anchors
    assert "Empty" not in text


def test_figures_beyond_two_megabytes_are_left_out_and_named():
    figures = [Figure(title=f"figure {i}", image=bytes(600_000), format="png") for i in range(3)]
    text = page("a", "b", [Section("c", [*figures, Figure(title="small", image=bytes(9), format="png")])])
    assert len(text.encode()) <= LARGEST
    assert [attributes["alt"] for tag, attributes in tags_of(text) if tag == "img"] == ["figure 0", "figure 1", "small"]
    assert "figure 2</h3>" in text
    with pytest.raises(ConfigError, match="texts and tables alone are larger"):
        page("a", "b", [Section("c", [Text(text="x" * LARGEST)])])


def test_columns_of_numbers_are_set_to_the_right():
    rows = [("a", "1.2 ± 0.1", "x"), ("b", "–", "3")]
    text = page("a", "b", [Section("c", [Table(title="t", header=("", "value", "word"), rows=rows)])])
    assert [attributes.get("class") for tag, attributes in tags_of(text) if tag == "td"] == ["number", None] * 2


def test_paragraphs_that_are_indented_are_code():
    text = page("a", "b", [Section("c", [Text(text="So:\n\n    def f():\n        pass")])])
    assert "<p>So:</p>" in text
    assert "def f():\n    pass</pre>" in text


def test_tables_have_rows_of_one_length():
    with pytest.raises(ShapeError, match="a text for each column"):
        Table(title="t", header=("a", "b"), rows=[("c",)])
