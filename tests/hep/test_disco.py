"""The distance correlation against a double loop, its invariances, and a training that it decorrelates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import EvalMetric, FoldFileWriter, FoldYielder, Model, ModelBuilder, build
from lumin_core.errors import ConfigError, ShapeError
from lumin_core.model.loss import build_loss, weighted_loss
from lumin_plugin_hep.ams_metric import AMS
from lumin_plugin_hep.disco import Disco, distance_correlation


def double_loop(x, y, w):
    """Compute the squared distance correlation as it is defined, pair by pair."""
    x, y, w = (np.asarray(values, dtype=float) for values in (x, y, w))
    n, p = len(x), w / w.sum()

    def centred(z):
        d = [[abs(z[i] - z[j]) for j in range(n)] for i in range(n)]
        means = [sum(p[j] * d[i][j] for j in range(n)) for i in range(n)]
        mean = sum(p[i] * means[i] for i in range(n))
        return [[d[i][j] - means[i] - means[j] + mean for j in range(n)] for i in range(n)]

    def product(a, b):
        return sum(p[i] * p[j] * a[i][j] * b[i][j] for i in range(n) for j in range(n))

    a, b = centred(list(x)), centred(list(y))
    return product(a, b) / np.sqrt(product(a, a) * product(b, b))


def in_pairs(x, y, p):
    """Compute the same with tensors of all pairs, so that it has gradients."""
    p, a, b = p / p.sum(), (x[:, None] - x).abs(), (y[:, None] - y).abs()
    a, b = (d - (d @ p)[:, None] - d @ p + p @ d @ p for d in (a, b))
    return (p @ (a * b) @ p) / ((p @ (a * a) @ p) * (p @ (b * b) @ p)).sqrt()


def events(n, seed=0, ties=False, negative=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = 30 * (x**2 + 0.3 * rng.normal(size=n)) + 100
    w = rng.exponential(size=n) * (rng.choice([1, 1, 1, 0, -0.3], size=n) if negative else 1)
    if ties:
        x, y = np.round(x, 0), np.round(y, -1)
    return tuple(torch.tensor(values) for values in (x, y, w))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 9, 40])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("negative", [False, True])
def test_correlation_is_a_double_loop(n, ties, negative):
    for seed in range(3):
        x, y, w = events(n, seed + 3, ties, negative and n > 5)
        if len(set(x.tolist())) == 1 or len(set(y.tolist())) == 1:
            continue
        np.testing.assert_allclose(distance_correlation(x, y, w), double_loop(x, y, w), rtol=1e-9)
        np.testing.assert_allclose(distance_correlation(x, y), double_loop(x, y, np.ones(n)), rtol=1e-9)


@pytest.mark.parametrize("negative", [False, True])
def test_gradients_are_those_of_all_pairs(negative):
    x, y, w = events(100, 1, negative=negative)
    x.requires_grad_()
    fast, slow = (torch.autograd.grad(f(x, y, w), x)[0] for f in (distance_correlation, in_pairs))
    np.testing.assert_allclose(fast, slow, rtol=1e-8, atol=1e-14)


def test_gradients_are_those_of_differences():
    x, y, w = events(9)
    x, y = x.requires_grad_(), (y / 30).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: distance_correlation(x, y, w), (x, y))


def test_linear_dependence_is_one_and_independence_near_zero():
    x, y, w = events(4000)
    for slope in (3.0, -0.01):
        assert distance_correlation(x, slope * x + 5, w).item() == pytest.approx(1, rel=1e-9)
    shuffled = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(1))]
    assert 0 <= distance_correlation(x, shuffled).item() < 3e-3
    assert distance_correlation(x, y).item() > 0.1  # though the linear correlation is near zero
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.05


def test_correlation_is_zero_for_a_product_of_samples():
    """Every value of one with every value of the other: independent to the last event."""
    x, y = torch.meshgrid(torch.rand(12), 100 * torch.rand(9), indexing="ij")
    w = torch.outer(torch.rand(12), torch.rand(9))
    assert distance_correlation(x.flatten(), y.flatten(), w.flatten()).item() == pytest.approx(0, abs=1e-12)


def test_correlation_is_invariant():
    x, y, w = events(200, ties=True)
    expected = distance_correlation(x, y, w)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(1))
    for other in (
        (y, x, w),
        (x[order], y[order], w[order]),
        (-7 * x + 3, y / 1000 - 50, w),
        (x, y, 1e6 * w),
        (torch.cat([x, x[:9] + 4]), torch.cat([y, y[:9] * 2]), torch.cat([w, 0 * w[:9]])),
        (torch.cat([x, x]), torch.cat([y, y]), torch.cat([w / 2, w / 2])),
    ):
        torch.testing.assert_close(distance_correlation(*other), expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(distance_correlation(x.float(), y.float(), w.float()), expected, rtol=1e-5, atol=0)


def test_where_it_is_not_defined_it_is_zero_without_gradient():
    x, y, w = events(50)
    constant = torch.full_like(x, 0.1)
    for a, b, weights in ((constant, y, w), (x, constant, w), (x, y, 0 * w), (x, y, -w), (x[:1], y[:1], w[:1])):
        a = a.clone().requires_grad_()
        value = distance_correlation(a, b, weights)
        value.backward()
        assert value == 0
        assert (a.grad == 0).all()


def test_saturated_predictions_have_finite_gradients():
    _, y, w = events(60)
    x = torch.tensor([0.0, 1.0, 1.0]).repeat(20).requires_grad_()
    distance_correlation(x, y, w).backward()
    assert x.grad.isfinite().all()


def batch(n=50, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y_pred = torch.rand(n, 1, generator=generator)
    label = (torch.rand(n, 1, generator=generator) < 0.4).float()
    mass = 100 + 50 * y_pred * torch.rand(n, 1, generator=generator)
    return y_pred, label, mass, torch.rand(n, 1, generator=generator)


@pytest.mark.parametrize("on", ["all", "background", "signal"])
@pytest.mark.parametrize("weighted", [True, False])
def test_loss_is_the_main_one_and_the_correlation(on, weighted):
    y_pred, label, mass, w = batch()
    loss = build_loss({"name": "disco", "coef": 7, "on": on}, "classification")
    chosen = {"all": label >= 0, "background": label == 0, "signal": label == 1}[on]
    weights = w if weighted else torch.ones_like(w)
    correlation = double_loop(*(values[chosen].tolist() for values in (y_pred, mass, weights)))
    main = (weights * nn.BCELoss(reduction="none")(y_pred, label)).mean()
    value = weighted_loss(loss, y_pred, torch.cat([label, mass], 1), w if weighted else None)
    assert value.item() == pytest.approx(main.item() + 7 * correlation, rel=1e-5)
    reported = loss.eval()(y_pred, torch.cat([label, mass], 1), w if weighted else None)
    assert reported.item() == pytest.approx(main.item() / weights.mean().item() + 7 * correlation, rel=1e-5)


@pytest.mark.parametrize("main", ["mse_loss", {"name": "weighted_mse"}, nn.MSELoss, nn.MSELoss()])
def test_main_loss_is_given_as_any_loss(main):
    y_pred, label, mass, w = batch()
    y = torch.cat([label, mass], 1)
    for coef in (0, 3):
        value = build("loss", {"name": "DisCo", "loss": main, "coef": coef, "on": "all"})(y_pred, y, w)
        expected = (w * (y_pred - label) ** 2).mean() + coef * distance_correlation(y_pred[:, 0], mass[:, 0], w[:, 0])
        assert value.item() == pytest.approx(expected.item(), rel=1e-5)


def test_nuisance_may_be_any_target_and_there_may_be_two():
    y_pred, label, mass, w = batch()
    other = 1 / mass + torch.rand(50, 1, generator=torch.Generator().manual_seed(9)) / 100
    first = Disco()(y_pred, torch.cat([label, mass], 1), w)
    torch.testing.assert_close(Disco(nuisance=0)(y_pred, torch.cat([mass, label], 1), w), first)
    torch.testing.assert_close(Disco(nuisance=-2)(y_pred, torch.cat([mass, label], 1), w), first)
    both = Disco({"name": "disco"})(y_pred, torch.cat([label, mass, other], 1), w)
    second = Disco(coef=10)(y_pred, torch.cat([label, other], 1), w) - Disco(coef=0)(
        y_pred, torch.cat([label, mass], 1), w
    )
    torch.testing.assert_close(both, first + second)


def test_gradients_reach_the_predictions_only_of_the_chosen():
    y_pred, label, mass, w = batch()
    y_pred.requires_grad_()
    y = torch.cat([label, mass], 1)
    plain, more = (torch.autograd.grad(Disco(coef=coef)(y_pred, y, w), y_pred)[0] for coef in (0, 10))
    changed = (plain - more).abs() > 1e-7
    assert changed[label == 0].all()
    assert not changed[label == 1].any()


def fold_file(path, seed=0):
    """Write background whose mass is one of the features, and signal at a mass of 0.7."""
    rng = np.random.default_rng(seed)
    with FoldFileWriter(path, cont_feats=["a", "mass"], targ_feats=["y", "mass_targ"], wgt_feat="w") as file:
        for fold in range(3):
            y = rng.integers(2, size=1500)
            mass = np.where(y == 1, rng.normal(0.7, 0.1, 1500), rng.uniform(0, 1, 1500))
            inputs = np.stack([y + rng.normal(size=1500), (mass - 0.5) / 0.3], axis=1)
            misc = {"truth": y, "gen_weight": np.ones(1500)}
            file.append(
                fold,
                inputs=inputs,
                targets=np.stack([y, 125 * mass], axis=1),
                weights=rng.uniform(0.5, 1.5, 1500),
                misc=misc,
            )
    return path


def test_training_decorrelates_the_background(tmp_path, monkeypatch):
    monkeypatch.setenv("LUMIN_DEVICE", "cpu")
    values = {}
    with FoldYielder(fold_file(tmp_path / "f.hdf5")) as fy:
        for coef in (0, 20):
            loss = {"name": "disco", "loss": "auto", "coef": coef}
            model = Model(ModelBuilder.from_fy(fy, "classification", n_out=1, loss=loss, opt_args={"lr": 0.01}, seed=1))
            metric = AMS(1500, "gen_weight", br=10, targ_name="truth")
            model.fit(4, fy, 300, val_idx=0, metrics=metric, cb_savepath=tmp_path, visible_bar=False, seed=1)
            fold = fy.get_fold(0)
            preds, background = model.predict(fold["inputs"])[:, 0], fold["targets"][:, 0] == 0
            values[coef] = distance_correlation(
                *(torch.tensor(column[background]) for column in (preds, fold["targets"][:, 1], fold["weights"][:, 0]))
            ).item()
            history = model.fit_params.history["valid"]
            assert history["loss"][-1] == pytest.approx(model.evaluate(*fold.values()), rel=1e-6)
            assert history["ams"][-1] > 1
        loaded = Model.from_save(model.save(tmp_path / "m"))
        assert loaded.loss.coef == 20
    assert values[20] < 0.1 * values[0]


def test_reported_loss_does_not_depend_on_the_size_of_batches(tmp_path, monkeypatch):
    monkeypatch.setenv("LUMIN_DEVICE", "cpu")
    with FoldYielder(fold_file(tmp_path / "f.hdf5")) as fy:
        model = Model(ModelBuilder.from_fy(fy, "classification", n_out=1, loss="disco", seed=1))
        fold = fy.get_fold(0)
        values = [model.evaluate(*fold.values(), bs=bs) for bs in (100, 1500)]
    assert values[0] == pytest.approx(values[1], rel=1e-6)


def test_metrics_see_the_targets_without_nuisances(tmp_path, monkeypatch):
    monkeypatch.setenv("LUMIN_DEVICE", "cpu")
    seen = []

    class Width(EvalMetric):
        better = "lower"

        def evaluate(self, preds, targets, weights, columns):
            seen.append(targets)
            return 0.0

    with FoldYielder(fold_file(tmp_path / "f.hdf5")) as fy:
        model = Model(ModelBuilder.from_fy(fy, "classification", n_out=1, loss="disco", seed=1))
        model.fit(1, fy, 500, val_idx=0, metrics=[Width(), "binary_accuracy"], visible_bar=False, seed=1)
        assert np.array_equal(seen[0], fy.get_fold(0)["targets"][:, :1])
    two = Disco(loss=Disco(nuisance=0), nuisance=1)
    assert two.main_targets(np.arange(6.0).reshape(2, 3)).tolist() == [[2.0], [5.0]]


@pytest.mark.parametrize("y", [torch.ones(4, 1), torch.ones(4), torch.ones(4, 2, 1)])
def test_targets_without_a_nuisance_are_refused(y):
    with pytest.raises(ShapeError, match=r"targets and the nuisance as columns, \(B, n_targ \+ 1\).*got .*targ_feats"):
        Disco()(torch.ones(4, 1), y, None)
    with pytest.raises(ShapeError, match=r"nuisance=2 being one of them, got \(4, 2\)"):
        Disco(nuisance=2)(torch.ones(4, 1), torch.ones(4, 2), None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coef": -1}, r"coef must not be negative, got -1"),
        ({"coef": "10"}, r"the option 'coef' of the loss 'hep/disco' must be a number, got '10'"),
        ({"on": "bkg"}, r"on must be 'all', 'background' or 'signal', got 'bkg'"),
        ({"loss": {"name": "mse_loss", "reduction": "sum"}}, r"reduction='sum' cannot be chosen"),
        ({"coeff": 3}, r"has no option 'coeff'; did you mean 'coef'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build("loss", {"name": "disco", **options})
