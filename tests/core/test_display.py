"""Titles and rows: text that fits, HTML that is escaped, and never an error."""

import io
import os
import sys
from functools import partial

import pytest

from lumin_core import display
from lumin_core.display import Displayed, as_html, as_text, component, count, counted, folded, name_of, width, wrapped


class Thing(Displayed):
    def __init__(self, rows):
        self.rows = rows

    def _title(self):
        return "A thing"

    def _rows(self):
        for row in self.rows:
            if isinstance(row, Exception):
                raise row
            yield row


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_rows_are_wrapped_below_their_text_and_nothing_is_lost():
    words = [f"word{i}" for i in range(40)]
    path = "/a" * 60
    text = as_text("Title", [("first", " ".join(words)), ("the second", path)])
    assert max(map(len, text.splitlines())) <= 80
    assert text.splitlines()[2].startswith(" " * 14 + "word")
    assert "".join(text.split("the second")[0].split()) == "Titlefirst" + "".join(words)
    assert "".join(text.split("the second")[1].split()) == path


def test_texts_behind_their_label():
    assert as_text("Title", [("0", "one"), ("mean", "two")], aligned=False) == "Title\n  0: one\n  mean: two"


def test_html_is_escaped_and_has_no_colours():
    html = as_html("<b>", [("a & b", '"<script>"')])
    assert "<script>" not in html
    assert "<strong>&lt;b&gt;</strong>" in html
    assert "a &amp; b" in html
    assert "color" not in html
    assert "background" not in html


def test_text_and_html_are_of_the_same_rows():
    thing = Thing([("inputs", "3")])
    assert repr(thing) == str(thing) == "A thing\n  inputs  3"
    assert '<th style="text-align: left">inputs</th><td style="text-align: left">3</td>' in thing._repr_html_()


def test_what_fails_is_said_after_what_is_known():
    thing = Thing([("inputs", "3"), ValueError("it is closed"), ("never", "shown")])
    assert repr(thing) == "A thing\n  inputs      3\n  incomplete  ValueError: it is closed"
    assert "it is closed" in thing._repr_html_()
    assert repr(object.__new__(Thing)).startswith("A thing\n  incomplete  AttributeError")


@pytest.mark.parametrize(("columns", "expected"), [(60, 60), (10, 40), (90, 90), (250, 100)])
def test_a_terminal_gives_the_width(monkeypatch, columns, expected):
    monkeypatch.setattr(display.shutil, "get_terminal_size", lambda default: os.terminal_size((columns, 24)))
    assert width(Terminal()) == expected
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert expected - 5 < max(map(len, repr(Thing([("words", "word " * 100)])).splitlines())) <= expected


def test_without_a_terminal_there_are_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    closed = io.StringIO()
    closed.close()
    assert width(io.StringIO()) == width(closed) == 80
    monkeypatch.setattr(sys, "stdout", None)
    assert width() == 80


def test_messages_are_folded_on_a_terminal_alone():
    command, path = "lumin predict run/ensemble.safetensors test.hdf5 -o b.root", "/a" * 60
    text = f"there is no {path}, such words follow; did you mean 'some file'? say {command} for all of the samples"
    assert folded(text, io.StringIO()) == text
    lines = folded(f"{text}\n    laid out {'x' * 90}\n      ^", Terminal()).splitlines()
    assert lines[-2:] == [f"    laid out {'x' * 90}", "      ^"]
    assert " ".join(line.strip() for line in lines[:-2]) == text
    assert max(len(line) for line in lines[:-2] if path not in line) <= 80
    assert all(any(whole in line for line in lines) for whole in (command, path, "'some file'"))


def test_a_text_of_nothing_is_its_beginning():
    assert wrapped("", 80, "  label  ") == ["  label"]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("adam", "adam"),
        ({"name": "sgd", "lr": 0.1, "nesterov": True}, "sgd: lr 0.1, nesterov True"),
        ({"name": "a", "act": {"name": "b", "init": 0.25}, "of": {"name": "c"}}, "a: act (b: init 0.25), of c"),
        ({"name": "a", "widths": list(range(9))}, "a: widths [0, 1, 2, 3, 4, 5 and 3 more]"),
        ({"name": "a", "b": (), "c": None, "d": {"e": 1}}, "a: b [], c None, d {e: 1}"),
        ({"name": "a", "mean": 12.3456789}, "a: mean 12.3457"),
        (partial(Thing, rows=Thing), "Thing: rows Thing"),
        (Thing, "Thing"),
        (Thing([]), "Thing"),
    ],
)
def test_components_are_written_with_their_options(spec, text):
    assert component(spec) == text


def test_small_words():
    assert (count(1, "fold"), count(0, "fold"), counted([]), name_of(partial(len))) == ("1 fold", "0 folds", "", "len")
