"""The loss against its formula, how it is chosen, and batches that have no significance."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from lumin_core import FoldFileWriter, FoldYielder, Model, ModelBuilder, build
from lumin_core.errors import ConfigError, ShapeError
from lumin_core.model.loss import build_loss, weighted_loss
from lumin_plugin_hep.significance import calc_ams, calc_ams_torch
from lumin_plugin_hep.significance_loss import SignificanceLoss

YIELDS = {"sig_wgt": 50.0, "bkg_wgt": 1000.0}


def batch(n=64, seed=0, dtype=torch.float64, negative=False):
    """Give predictions, labels and weights."""
    generator = torch.Generator().manual_seed(seed)
    y_pred = torch.rand(n, 1, generator=generator, dtype=dtype)
    y = (torch.rand(n, 1, generator=generator) < 0.4).to(dtype)
    w = -torch.rand(n, 1, generator=generator, dtype=dtype).log()
    if negative:
        w[::7] *= -0.4
    return y_pred, y, w


@pytest.mark.parametrize("options", [{}, {"br": 10}, {"unc_b": 0.3}, {"br": 2, "unc_b": 0.1}])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("negative", [True, False])
def test_loss_is_the_formula_of_the_paper(options, weighted, negative):
    y_pred, y, w = batch(negative=negative)
    w = w if weighted else torch.ones_like(w)
    s, b = 0.0, 0.0
    for p, t, v in zip(y_pred.flatten().tolist(), y.flatten().tolist(), w.flatten().tolist(), strict=True):
        s, b = s + v * t * p, b + v * (1 - t) * p
    s *= 50 / float((w * y).sum())
    b *= 1000 / float((w * (1 - y)).sum())
    value = SignificanceLoss(**YIELDS, **options)(y_pred, y, w if weighted else None)
    assert value.item() == pytest.approx(1 / calc_ams(s, b, **options), rel=1e-12)


def test_fault_loss_is_usable_by_name_dict_class_and_partial():
    y_pred, y, w = batch()
    expected = SignificanceLoss(**YIELDS, br=10)(y_pred, y, w)
    for spec in (
        {"name": "significance_loss", **YIELDS, "br": 10},
        {"name": "hep/SignificanceLoss", **YIELDS, "func": partial(calc_ams_torch, br=10)},
        partial(SignificanceLoss, **YIELDS, br=10),
        partial(SignificanceLoss, **YIELDS, func=partial(calc_ams_torch, br=10)),
        SignificanceLoss(**YIELDS, func=lambda s, b: calc_ams_torch(s, b, br=10)),
    ):
        assert weighted_loss(build_loss(spec, "classification"), y_pred, y, w) == expected


@pytest.mark.parametrize(
    "spec", [{"name": "significance_loss", **YIELDS, "unc_b": 0.1}, partial(SignificanceLoss, **YIELDS)]
)
def test_fault_loss_trains_a_model_that_is_saved(tmp_path, monkeypatch, spec):
    monkeypatch.setenv("LUMIN_DEVICE", "cpu")
    rng = np.random.default_rng(1)
    with FoldFileWriter(tmp_path / "f", cont_feats=["a", "b"], targ_feats="y", wgt_feat="w") as file:
        for fold in range(3):
            x = rng.normal(size=(400, 2))
            y = (x[:, 0] + rng.normal(size=400) > 1).astype(int)
            file.append(fold, inputs=x, targets=y, weights=np.where(y == 1, 0.1, 1.0))
    with FoldYielder(tmp_path / "f.hdf5") as fy:
        model = Model(ModelBuilder.from_fy(fy, "classification", loss=spec, seed=1))
        before = model.evaluate(*fy.get_fold(0).values())
        model.fit(3, fy, 200, val_idx=0, cb_savepath=tmp_path, visible_bar=False, seed=1)
        assert model.fit_params.history["valid"]["loss"][-1] < 0.8 * before
        loaded = Model.from_save(model.save(tmp_path / "model"))
        assert loaded.evaluate(*fy.get_fold(0).values()) == model.evaluate(*fy.get_fold(0).values())


@pytest.mark.parametrize("options", [{}, {"br": 10, "unc_b": 0.3}])
@pytest.mark.parametrize("negative", [True, False])
def test_gradients_are_those_of_differences(options, negative):
    y_pred, y, w = batch(21, seed=4, negative=negative)
    loss = SignificanceLoss(**YIELDS, **options)
    assert loss(y_pred, y, w).isfinite()
    assert torch.autograd.gradcheck(lambda p: loss(p, y, w), y_pred.requires_grad_())


def test_signal_is_pushed_up_and_background_down():
    y_pred, y, w = batch()
    SignificanceLoss(**YIELDS)(y_pred.requires_grad_(), y, w).backward()
    assert (y_pred.grad[y == 1] < 0).all()
    assert (y_pred.grad[y == 0] > 0).all()


def test_event_of_weight_zero_changes_nothing_and_of_two_is_twice():
    y_pred, y, w = batch()
    loss = SignificanceLoss(**YIELDS)
    expected = loss(y_pred, y, w)
    padded = [torch.cat([values, values[:5]]) for values in (y_pred, y)]
    torch.testing.assert_close(loss(*padded, torch.cat([w, 0 * w[:5]])), expected)
    twice = w.clone()
    twice[:5] *= 2
    torch.testing.assert_close(loss(y_pred, y, twice), loss(*padded, torch.cat([w, w[:5]])))
    torch.testing.assert_close(loss(y_pred, y, 3 * w), expected)
    torch.testing.assert_close(loss(y_pred, y, None), loss(y_pred, y, torch.ones_like(w)))


@pytest.mark.parametrize(
    "case", ["no signal", "no background", "negative signal", "negative background", "zero weights"]
)
@pytest.mark.parametrize("options", [{}, {"br": 10, "unc_b": 0.3}])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batch_without_significance_is_reported_and_harmless(case, options, dtype):
    y_pred, y, w = batch(dtype=dtype)
    if case.startswith("no "):
        y = torch.full_like(y, float(case == "no background"))
    else:
        w = torch.where(y == float("signal" in case), -w, w) * (case != "zero weights")
    loss = SignificanceLoss(**YIELDS, **options)(y_pred.requires_grad_(), y, w)
    loss.backward()
    assert loss.isnan()
    assert (y_pred.grad == 0).all()


def test_saturated_predictions_have_finite_gradients():
    _, y, w = batch()
    for p in (torch.zeros_like(y), torch.ones_like(y), y, 1 - y):
        p = p.clone().requires_grad_()
        SignificanceLoss(**YIELDS)(p, y, w).backward()
        assert p.grad.isfinite().all()


def test_any_significance_may_be_chosen():
    y_pred, y, w = batch()
    value = SignificanceLoss(**YIELDS, func=lambda s, b: s / b.sqrt())(y_pred, y, w)
    s = 50 * (w * y * y_pred).sum() / (w * y).sum()
    b = 1000 * (w * (1 - y) * y_pred).sum() / (w * (1 - y)).sum()
    torch.testing.assert_close(value, b.sqrt() / s)


def test_shapes_are_refused():
    loss = SignificanceLoss(**YIELDS)
    for y_pred, y in (
        (torch.ones(4, 2), torch.ones(4, 2)),
        (torch.ones(4, 1), torch.ones(4)),
        (torch.ones(4, 1), torch.ones(4, 2)),
    ):
        with pytest.raises(ShapeError, match=r"one output and one target an event, \(B, 1\), got .*n_out=1"):
            loss(y_pred, y, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sig_wgt": 0}, r"sig_wgt must be a positive yield, the sum of weights in all data, got 0"),
        ({"sig_wgt": "50"}, r"the option 'sig_wgt' of the loss .* must be a number, got '50'"),
        ({"bkg_wgt": float("inf")}, r"bkg_wgt must be a positive yield"),
        ({"func": 3}, r"func must be a function of s and b, such as calc_ams_torch, got 3"),
        ({"func": lambda s: s}, r"func must be callable as func\(s, b\): too many"),
        ({"func": lambda s, b: s, "br": 1}, r"func must be callable as func\(s, b, br=\): got an unexpected"),
        ({"br": -1}, r"br must not be negative, got -1"),
        ({"weight": 1}, r"has no option 'weight'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build("loss", {"name": "significance_loss", **YIELDS, **options})
