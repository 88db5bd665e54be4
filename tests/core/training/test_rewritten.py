"""Lines that are written anew in place, on a terminal whose every cell is looked at."""

import logging
import sys
from functools import partial

import pytest
import terminals

from lumin_core.training import Rewritten, outlet, say
from lumin_core.training.progress import progress_bar


@pytest.fixture
def terminal(monkeypatch):
    return partial(terminals.opened, monkeypatch)


def test_lines_take_the_place_of_those_before(terminal):
    screen = terminal()
    with Rewritten() as lines:
        for i in range(4):
            lines.write([f"epoch {i}", *["and more"] * (3 - i)])
    assert screen.lines == ["epoch 3"]


@pytest.mark.parametrize(
    "speak",
    [
        say,
        lambda text: print(text, file=sys.stderr),  # noqa: T201
        lambda text: sys.stderr.write(f"{text}\n"),
        lambda text: logging.StreamHandler(sys.stderr).emit(logging.makeLogRecord({"msg": text})),
    ],
)
def test_what_others_write_stays_and_the_lines_go_on_below(terminal, speak):
    screen = terminal()
    with Rewritten() as lines:
        lines.write(["a 1", "b 1"])
        speak("a word")
        lines.write(["a 2", "b 2"])
        lines.write(["a 3", "b 3"])
    assert screen.lines == ["a 1", "b 1", "a word", "a 3", "b 3"]


def test_what_goes_to_another_stream_of_the_same_terminal_is_noticed_too(terminal, monkeypatch):
    screen = terminal()

    class Other(terminals.Terminal):
        def write(self, text):
            return screen.write(text)

    monkeypatch.setattr(sys, "stdout", Other())
    with Rewritten() as lines:
        lines.write(["a 1"])
        print("a word")  # noqa: T201
        lines.write(["a 2"])
    assert screen.lines == ["a 1", "a word", "a 2"]


@pytest.mark.parametrize("outer", [False, True])
def test_a_progress_bar_stays_below(terminal, outer):
    screen = terminal()
    around = progress_bar(total=2, desc="Outer", unit="fit", visible=outer)
    with around, progress_bar(total=3, desc="Inner", unit="fold") as bar, Rewritten() as lines:
        for i in range(3):
            lines.write([f"a {i}", f"b {i}"])
            bar.update()
            bar.refresh()
            around.refresh()
            shown = screen.lines
            assert shown[:2] == [f"a {i}", f"b {i}"]
            assert [line.split(":")[0] for line in shown[2:]] == [*(["Outer"] if outer else []), "Inner"]
    assert screen.lines == ["a 2", "b 2"]


def test_another_size_is_another_beginning(terminal, monkeypatch):
    screen = terminal()
    with Rewritten() as lines:
        lines.write(["a 1", "b 1"])
        terminals.resize(monkeypatch, screen, 50, 10)
        lines.write(["a 2", "b 2"])
        lines.write(["a 3", "b 3"])
    assert screen.lines == ["a 1", "b 1", "a 3", "b 3"]


@pytest.mark.parametrize(("line", "number"), [("a", 10), ("a" * 41, 1)])
def test_what_does_not_fit_the_terminal_is_not_gone_back_over(terminal, line, number):
    screen = terminal(columns=40, rows=10)
    with Rewritten() as lines:
        screen.write("before\n")
        lines.write([line] * number)
        lines.write(["b"])
    assert screen.lines[0] == "before"
    assert screen.lines[-1] == "b"
    assert "".join(screen.lines[1:-1]) == line * number


def test_the_streams_are_left_as_they_were(terminal):
    screen = terminal()
    first, second = Rewritten(), Rewritten()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.write(["a"])
    first.write(["b"])
    second.write(["c"])
    second.__exit__(None, None, None)
    assert screen.lines == ["a", "b", "c"]
    assert "write" not in vars(screen)


def test_where_it_is_shown(terminal, monkeypatch, capsys):
    assert outlet() == "lines"
    terminal()
    assert outlet() == "terminal"
    monkeypatch.setenv("TERM", "dumb")
    assert outlet() == "lines"
