import pytest

from lumin_core import BatchYielder
from lumin_plugin_callbacks import MetricLogger


def lines(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_a_line_an_epoch_with_losses_metrics_and_a_star(fit, model, scripted, capsys):
    fit(MetricLogger(), metrics=[scripted([3.0, 1.0, 2.0]), "roc_auc_score"])
    title, header, *rows = lines(capsys)
    assert title.split() == ["cbs:", "trained", "on", "folds", "0", "1,", "validated", "on", "2"]
    assert header.split() == ["epoch", "train", "loss", "valid", "loss", "scripted", "roc_auc_score", "time"]
    history = model.fit_params.history
    assert [row.split()[0] for row in rows] == ["1*", "2*", "3"]
    for i, row in enumerate(rows):
        values = [float(cell) for cell in row.split()[1:5]]
        train = sum(history["train"]["loss"][2 * i : 2 * i + 2]) / 2
        expected = [train, *(history["valid"][name][i] for name in ("loss", "scripted", "roc_auc_score"))]
        assert values == pytest.approx(expected, rel=1e-4)
        assert row.endswith(" s")
    assert len({len(line) for line in (header, *rows)}) == 1


def test_without_validation_the_training_loss_alone(fit, capsys):
    fit(MetricLogger(extra_detail=True), val_idx=None)
    title, header, *rows = lines(capsys)
    assert "validated" not in title
    assert header.split() == ["epoch", "train", "loss", "time"]
    assert len(rows) == 3


def test_more_detail_on_request(fit, model, capsys):
    fit(MetricLogger(extra_detail=True))
    _, header, *rows = lines(capsys)
    assert "change" in header
    assert "valid/train" in header
    loss = model.fit_params.history["valid"]["loss"]
    assert rows[0].split()[3] == "nan"
    assert float(rows[1].split()[3]) == pytest.approx(loss[1] - loss[0], rel=1e-3)
    assert float(rows[1].split()[4]) == pytest.approx(loss[1] / float(rows[1].split()[1]), rel=1e-3)


def test_a_stopped_epoch_has_its_line(fit, capsys):
    class Stop:
        def on_fold_end(self, fit_params):
            fit_params.stop = True

    fit([Stop(), MetricLogger()])
    assert len(lines(capsys)) == 3


def test_numbers_that_are_none_are_shown(fit, scripted, capsys):
    fit(MetricLogger(), metrics=scripted([float("nan"), float("inf"), 1.0]))
    rows = lines(capsys)[2:]
    assert [row.split()[0] for row in rows] == ["1", "2", "3*"]
    assert "nan" in rows[0]
    assert "inf" in rows[1]


def test_fault_losses_are_means_per_event_with_a_short_last_batch(fit, model, fy, capsys):
    class Unequal:
        """Validates in batches of 5, 5, 5 and 1."""

        def on_fold_begin(self, fit_params):
            if fit_params.state == "valid":
                by = fit_params.by
                fit_params.by = BatchYielder(
                    by.inputs, 5, by.objective, by.targets, by.weights, shuffle=False, drop_last=False
                )

    fit([Unequal(), MetricLogger()], n_epochs=1)
    shown = float(lines(capsys)[2].split()[2])
    assert shown == pytest.approx(model.evaluate(*fy.get_fold(2).values()), rel=1e-4)


def test_it_only_reads(fit, make_model):
    histories = []
    for cbs in ([], [MetricLogger()], "metric_logger"):
        model = make_model()
        fit(cbs, model=model)
        histories.append(model.fit_params.history)
    assert histories[0] == histories[1] == histories[2]
