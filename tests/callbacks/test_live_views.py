"""The table of `metric_logger` on a terminal, and who may show a training instead."""

import pytest
import terminals

from lumin_core import registry
from lumin_core.errors import UnknownComponent
from lumin_core.training import LiveView, say
from lumin_plugin_callbacks import EMA, MetricLogger, metric_logger


def values(n_epochs, best):
    """Give a metric's values of which one is the lowest, those before get better."""
    return [0.0 if epoch == best else 1.0 + epoch for epoch in range(1, n_epochs + 1)]


def test_a_terminal_shows_the_last_epochs_and_the_best(fit, scripted, monkeypatch):
    screen = terminals.opened(monkeypatch)
    fit(MetricLogger(), n_epochs=12, metrics=scripted(values(12, best=2)))
    title, header, *rows = screen.lines
    assert title == "cbs: trained on folds 0 1, validated on 2"
    assert header.split() == ["epoch", "train", "loss", "valid", "loss", "scripted", "time"]
    assert [row.split()[0] for row in rows] == ["2*", *map(str, range(5, 13))]
    assert [float(row.split()[3]) for row in rows] == [0.0, *(epoch + 1.0 for epoch in range(5, 13))]


def test_there_is_one_star_and_the_best_stands_in_its_place(fit, scripted, monkeypatch):
    screen = terminals.opened(monkeypatch)
    fit(MetricLogger(), n_epochs=4, metrics=scripted([3.0, 2.0, 1.0, 5.0]))
    assert [row.split()[0] for row in screen.lines[2:]] == ["1", "2", "3*", "4"]


@pytest.mark.parametrize(("rows", "expected"), [(10, ["1*", "8", "9", "10", "11", "12"]), (6, ["1*", "12"]), (4, [])])
def test_it_is_no_higher_than_the_terminal(fit, scripted, monkeypatch, rows, expected):
    screen = terminals.opened(monkeypatch, rows=rows)
    fit(MetricLogger(), n_epochs=12, metrics=scripted(values(12, best=1)), visible_bar=True)
    shown = [row.split()[0] for row in screen.lines if row.split()[0].rstrip("*").isdigit()]
    assert shown[-1] == "12"
    if expected:
        assert shown == expected
        assert len(screen.lines) <= rows - 1


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_it_is_no_wider_than_the_terminal(fit, scripted, monkeypatch, columns):
    screen = terminals.opened(monkeypatch, columns=columns)
    fit([EMA(), MetricLogger(extra_detail=True)], n_epochs=2, metrics=[scripted(range(99)), "roc_auc_score"])
    assert max(map(len, screen.lines)) <= columns
    assert " ".join(screen.lines).count("ema") == 1


def test_another_size_and_words_of_others_are_survived(fit, scripted, monkeypatch):
    screen = terminals.opened(monkeypatch)

    class Speaks:
        def on_epoch_end(self, fit_params):
            if fit_params.state == "valid" and fit_params.epoch == 2:
                say("a word")
            if fit_params.state == "valid" and fit_params.epoch == 4:
                say("another")
                terminals.resize(monkeypatch, screen, 100, 20)

    fit([Speaks(), MetricLogger()], n_epochs=5, metrics=scripted(values(5, best=1)), visible_bar=True)
    shown = [line.split()[0] for line in screen.lines]
    assert shown == [
        *("cbs:", "epoch", "1*", "a"),
        *("cbs:", "epoch", "1*", "2", "3", "another"),
        *("cbs:", "epoch", "1*", "2", "3", "4", "5"),
    ]


def test_the_terminal_is_given_back_where_a_fit_fails(fit, monkeypatch):
    screen = terminals.opened(monkeypatch)

    class Fails:
        def on_epoch_begin(self, fit_params):
            if fit_params.epoch == 2:
                raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        fit([Fails(), MetricLogger()])
    assert "write" not in vars(screen)
    assert screen.lines[-1].split()[0] == "1*"


def test_lines_can_be_asked_for_on_a_terminal(fit, scripted, monkeypatch):
    screen = terminals.opened(monkeypatch)
    fit(MetricLogger(view="lines"), n_epochs=10, metrics=scripted([float(10 - i) for i in range(10)]))
    assert [line.split()[0] for line in screen.lines[2:]] == [f"{i}*" for i in range(1, 11)]


TOLD = []


class Kept(LiveView):
    """Keeps what it is told."""

    def begin(self, fit_params, columns):
        TOLD.append(columns)

    def update(self, fit_params, row):
        assert fit_params.epoch == row.epoch
        TOLD.append(row)

    def end(self):
        TOLD.append("end")


def test_any_view_of_the_kind_is_taken_by_name(fit, scripted, capsys):
    pytest.importorskip("lumin_plugin_plots")  # which declares the kind
    TOLD.clear()
    with registry.temporary():
        registry.register("live_view", obj=Kept)
        fit(MetricLogger(view="kept"), n_epochs=2, metrics=scripted([1.0, 2.0]))
    columns, *rows, end = TOLD
    assert columns == ["train loss", "valid loss", "scripted"]
    assert [(row.epoch, row.values[2], row.is_best) for row in rows] == [(1, 1.0, True), (2, 2.0, False)]
    assert end == "end"
    assert capsys.readouterr() == ("", "")


def test_a_view_that_is_not_there_is_refused_at_once():
    with pytest.raises(UnknownComponent, match=r"'tabel'.*did you mean|no live_view 'tabel'"):
        MetricLogger(view="tabel")


def test_in_a_notebook_curves_are_shown_where_they_are_installed(monkeypatch):
    monkeypatch.setattr(metric_logger, "outlet", lambda: "notebook")
    built = []
    monkeypatch.setattr(metric_logger.registry, "build", lambda kind, view: built.append((kind, view)))
    monkeypatch.setattr(metric_logger.registry, "find", lambda kind, view: None)
    MetricLogger()
    assert built == [("live_view", "plots/live_curves")]


def test_in_a_notebook_without_curves_there_are_lines(fit, monkeypatch, capsys):
    def find(kind, view):
        raise UnknownComponent("no")

    monkeypatch.setattr(metric_logger, "outlet", lambda: "notebook")
    monkeypatch.setattr(metric_logger.registry, "find", find)
    fit(MetricLogger())
    assert len(capsys.readouterr().err.splitlines()) == 5
