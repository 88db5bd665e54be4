import pytest

from lumin_core import BatchYielder
from lumin_plugin_callbacks import EMA, MetricLogger, SaveBest


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


class Offers:
    """Offers what was laid down, an entry an epoch."""

    def __init__(self, label, losses):
        self.label, self.losses = label, losses

    def on_epoch_end(self, fit_params):
        loss = self.losses[fit_params.epoch - 1]
        self.values = None if loss is None else {"loss": loss}

    def get_values(self):
        return self.values

    def get_module(self):
        return None


def test_offered_models_have_a_column_each_and_the_star_is_for_the_best_of_all(fit, model, capsys):
    model.set_lr(0.0)  # the model's own loss stays at some 0.7
    fit([Offers("swa", [None, 0.25, 0.5]), Offers("another average", [9.0, 0.2, 0.125]), MetricLogger()])
    _, header, *rows = lines(capsys)
    assert header.split()[5:-1] == ["swa", "loss", "another", "average", "loss"]
    assert [row.split()[3:5] for row in rows] == [["-", "9"], ["0.25", "0.2"], ["0.5", "0.125"]]
    assert [row.split()[0] for row in rows] == ["1*", "2*", "3*"]
    assert len({len(line) for line in (header, *rows)}) == 1


def test_an_offer_that_is_not_better_has_no_star(fit, model, capsys):
    model.set_lr(0.0)
    fit([Offers("swa", [0.1, 0.2, float("nan")]), MetricLogger()])
    assert [row.split()[0] for row in lines(capsys)[2:]] == ["1*", "2", "3"]


def test_the_star_is_where_the_best_is_saved(fit, model, capsys):
    saving, paths = SaveBest(), []

    class Saved:
        def on_epoch_end(self, fit_params):
            if fit_params.state == "valid":
                paths.append(saving.path)
                saving.path = None

        def on_train_end(self):
            saving.path = next(path for path in paths if path)

    model.set_lr(0.3)
    fit([EMA(0.5), MetricLogger(), saving, Saved()], n_epochs=8)
    stars = [row.split()[0].endswith("*") for row in lines(capsys)[2:]]
    assert stars == [path is not None for path in paths]


def test_offers_come_after_detail_and_metrics(fit, scripted, capsys):
    fit([EMA(), MetricLogger(extra_detail=True)], metrics=scripted(range(99)))
    header = lines(capsys)[1].split()
    assert header[3:-1] == ["valid", "loss", "change", "valid/train", "scripted", "ema", "loss"]


def test_without_validation_no_offer_is_shown(fit, capsys):
    fit([EMA(), MetricLogger()], val_idx=None)
    assert lines(capsys)[1].split() == ["epoch", "train", "loss", "time"]


def test_a_resumed_fit_knows_the_best_of_before(fit, make_model, scripted, capsys):
    values = [2.0, 1.0, 1.5, 0.5]
    for n_epochs, left in ((2, values[:2]), (4, values[2:])):
        fit(MetricLogger(), n_epochs=n_epochs, model=make_model(), metrics=scripted(left), resume=True)
    stars = [line.split()[0] for line in lines(capsys) if line.split()[0].rstrip("*").isdigit()]
    assert stars == ["1*", "2*", "3", "4*"]


def test_a_row_fits_80_columns(fit, scripted, capsys):
    """Columns become narrower, then a row takes several lines; nothing is left out."""
    value = -0.000012345678
    metrics = [scripted([value] * 9, main_metric=False, label=f"metric number {i}") for i in range(6)]
    fit(MetricLogger(extra_detail=True), metrics=metrics, n_epochs=1)
    _, *rows = lines(capsys)
    header, row = rows[:3], rows[3:]
    assert max(map(len, rows)) <= 80
    assert [len(line) for line in header] == [len(line) for line in row]
    assert " ".join(header).count("metric number") == 6
    assert " ".join(row).count("e-05") == 6
