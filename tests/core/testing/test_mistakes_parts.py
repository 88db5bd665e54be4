"""Mistakes in small parts, commands and executors: each fails in the check of its name, with what to do."""

import contextlib
import threading
from abc import ABC, abstractmethod

import click
import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import Transform
from lumin_core.runs import Preset
from lumin_core.testing import Case, Subject, checks_of, subject_of
from lumin_core.training import Exporter


def run(thing, kind, name):
    (check,) = [check for check in checks_of(kind) if check.name == name]
    subject = Subject(kind, thing) if kind == "kind" else subject_of(thing, kind)
    return Case(subject, check, full=True).run()


# Transforms


class GoodTransform(Transform):
    """Divides by the standard deviation.

    Args:
        scale: What it learned.
    """

    def __init__(self, scale=None):
        self.scale = scale

    def fit(self, x, sample_weight=None):
        w = np.ones(len(x)) if sample_weight is None else sample_weight
        mean = np.array([np.average(c[~np.isnan(c)], weights=w[~np.isnan(c)]) for c in x.T])
        squares = [
            np.average((c - m)[~np.isnan(c)] ** 2, weights=w[~np.isnan(c)]) for c, m in zip(x.T, mean, strict=True)
        ]
        self.scale = np.sqrt(squares).tolist()
        return self

    def transform(self, x):
        return x / np.array(self.scale)

    def inverse_transform(self, x):
        return x * np.array(self.scale)

    def to_config(self):
        return {"scale": self.scale}


class NoInverse(GoodTransform):
    def transform(self, x):
        return super().transform(x).clip(-1, 1)


class FillsMissing(GoodTransform):
    def transform(self, x):
        return np.nan_to_num(super().transform(x))


class InPlace(GoodTransform):
    def transform(self, x):
        x /= np.array(self.scale)
        return x


class ForgetsWhatItLearned(GoodTransform):
    def to_config(self):
        return {}


class Arrays(GoodTransform):
    def to_config(self):
        return {"scale": np.array(self.scale)}


class LearnsAtEveryCall(GoodTransform):
    def transform(self, x):
        return x / x.std(0)


class UnweightedFit(GoodTransform):
    def fit(self, x, sample_weight=None):
        return super().fit(x)


class MeanOfMeans(GoodTransform):
    def partial_fit(self, x):
        before = self.scale
        self.fit(x)
        self.scale = self.scale if before is None else [(a + b) / 2 for a, b in zip(before, self.scale, strict=True)]
        return self


# Optimisers


class GoodOptimiser(torch.optim.Optimizer):
    """Gradient descent with momentum.

    Args:
        params: The parameters.
        lr: The rate.
    """

    def __init__(self, params, lr=1e-3):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
                velocity.mul_(0.9).add_(p.grad)
                p.add_(velocity, alpha=-group["lr"])


class WithoutState(GoodOptimiser):
    @torch.no_grad()
    def step(self, closure=None):
        self.velocity = getattr(self, "velocity", {})
        for group in self.param_groups:
            for i, p in enumerate(group["params"]):
                velocity = self.velocity.setdefault(i, torch.zeros_like(p))
                velocity.mul_(0.9).add_(p.grad)
                p.add_(velocity, alpha=-group["lr"])


class Uphill(GoodOptimiser):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.add_(p.grad, alpha=group["lr"])


class HidesTheRate(GoodOptimiser):
    def __init__(self, params, lr=1e-3):
        torch.optim.Optimizer.__init__(self, params, {"rate": lr})


class NeedsClosure(GoodOptimiser):
    def step(self, closure):
        super().step()


# Activations, initialisers, norms


class ChangesShape(nn.Module):
    def forward(self, x):
        return x.mean(-1)


class RootOfSize(nn.Module):
    def forward(self, x):
        return x.abs().sqrt() * x.sign()


class NormedByTheBatch(nn.Module):
    def forward(self, x):
        return x / (x.std() + 1)


class NoisyWithNumpy(nn.Module):
    def forward(self, x):
        return x + float(np.random.normal())


def from_numpy(act, fan_in=None, fan_out=None):
    def fill(weight):
        with torch.no_grad():
            return weight.copy_(torch.from_numpy(np.random.normal(size=weight.shape)))

    return fill


def all_equal(act, fan_in=None, fan_out=None):
    return nn.init.ones_


def of_a_copy(act, fan_in=None, fan_out=None):
    return lambda weight: torch.randn_like(weight)


class GoodNorm(nn.BatchNorm1d):
    """Batch norm over the objects that are present."""

    def forward(self, x, mask=None):
        if mask is None:
            return super().forward(x)
        return torch.zeros_like(x).masked_scatter(mask.unsqueeze(-1), super().forward(x[mask]))


class MixesAbsent(GoodNorm):
    def forward(self, x, mask=None):
        if mask is None:
            return super().forward(x)
        return super().forward(x.flatten(0, 1)).view(x.shape) * mask.unsqueeze(-1)


class AlwaysOfTheBatch(nn.BatchNorm1d):
    def forward(self, x):
        return (x - x.mean(0)) / (x.std(0, correction=0) + 1e-5)


class CountsInEvaluation(nn.BatchNorm1d):
    def forward(self, x):
        self.num_batches_tracked += 1
        return super().forward(x)


class StatisticsOutside(nn.Module):
    def __init__(self, num_features):
        super().__init__()
        self.scale = torch.ones(num_features)

    def forward(self, x):
        if self.training:
            self.scale = x.detach().std(0, correction=0) + 1e-5
        return x / self.scale.to(x)


# Executors, exporters, commands


class HereAndNow:
    """Runs jobs in this process."""

    workers = 1

    def train(self, jobs, report):
        for job in jobs:
            if job.what != "die":
                try:
                    report(job, job.run())
                except Exception as error:  # noqa: BLE001
                    report(job, error)


class Swallows(HereAndNow):
    def train(self, jobs, report):
        for job in jobs:
            with contextlib.suppress(Exception):
                job.run()
            report(job, 0.0)


class ForgetsFailures(HereAndNow):
    def train(self, jobs, report):
        for job in jobs:
            try:
                report(job, job.run())
            except Exception:  # noqa: BLE001
                continue


class ReportsFromAThread(HereAndNow):
    def train(self, jobs, report):
        thread = threading.Thread(target=super().train, args=(jobs, report))
        thread.start()
        thread.join()


class GoodExporter(Exporter):
    """Writes the names of the features."""

    suffix = ".txt"

    def write(self, models, weights, path, *, raw):
        from lumin_core.files import Staged

        path = path.with_suffix(self.suffix)
        with Staged(path) as part:
            part.write_text("\n".join(models[0].model_builder.cont_feats))
        return path


class AddsToTheFile(GoodExporter):
    def write(self, models, weights, path, *, raw):
        path = path.with_suffix(self.suffix)
        with path.open("a") as file:
            file.write("more")
        return path


class LeavesEvaluationMode(GoodExporter):
    def write(self, models, weights, path, *, raw):
        models[0].model.eval()
        return super().write(models, weights, path, raw=raw)


class WithoutDot(GoodExporter):
    suffix = "txt"


@click.command()
@click.argument("file")
def shows_traceback(file):
    """Fail loudly."""
    click.echo("Traceback (most recent call last): ...")
    raise SystemExit(1)


@click.command()
@click.argument("file")
def odd_exit_code(file):
    """Fail oddly."""
    raise SystemExit(77)


@click.command()
@click.argument("file")
def says_nothing(file):
    raise ValueError


def plain_function():
    """Not a command."""


# Presets and kinds


class GoodPreset(Preset):
    """Large batches."""

    version = 1

    def arguments(self, fy, objective, n_out=None):
        return {"bs": 8, "n_epochs": 2}


class WithoutVersion(GoodPreset):
    version = None


class GivesTheSeed(GoodPreset):
    def arguments(self, fy, objective, n_out=None):
        return {"bs": 8, "seed": 1}


class GivesObjects(GoodPreset):
    def arguments(self, fy, objective, n_out=None):
        return {"loss": nn.MSELoss()}


class CalledAHead(ABC):
    """Base of calibrations."""

    kind = "head"

    @abstractmethod
    def apply(self, scores):
        """Calibrate."""


class NothingToDefine:
    """Base of calibrations."""

    kind = "calibration"


class Unexplained(ABC):
    """Base of calibrations."""

    kind = "calibration"

    @abstractmethod
    def apply(self, scores):
        pass


MISTAKES = {
    NoInverse: ("transform", "check_transform_inverse", "undo the steps in the reverse order"),
    FillsMissing: ("transform", "check_transform_missing", "leave NaN alone"),
    InPlace: ("transform", "check_transform_input_unchanged", "work on a copy"),
    ForgetsWhatItLearned: ("transform", "check_transform_config", "put what fit learned into the config"),
    Arrays: ("transform", "check_transform_config", r"use tolist\(\) and float\(\)"),
    LearnsAtEveryCall: ("transform", "check_transform_rows", "learn in fit alone"),
    UnweightedFit: ("transform", "check_transform_weights", "expected an event of weight zero to be none"),
    MeanOfMeans: ("transform", "check_transform_pieces", "not means of means"),
    WithoutState: ("optimiser", "check_optimiser_state", r"self.state\[parameter\]"),
    Uphill: ("optimiser", "check_optimiser_descends", "step against the gradient"),
    HidesTheRate: ("optimiser", "check_optimiser_rate", "hand it on in defaults"),
    NeedsClosure: ("optimiser", "check_optimiser_closure", r"def step\(self, closure=None\)"),
    ChangesShape: ("activation", "check_activation_shape", "an activation changes values alone"),
    RootOfSize: ("activation", "check_activation_finite", "clamp or shift there"),
    NormedByTheBatch: ("activation", "check_activation_events", "use nothing of the other events"),
    NoisyWithNumpy: ("activation", "check_activation_streams", "numpy was drawn from; use torch.rand"),
    from_numpy: ("initialiser", "check_initialiser_seed", "draw from torch's global generator"),
    all_equal: ("initialiser", "check_initialiser_spread", "draw them at random"),
    of_a_copy: ("initialiser", "check_initialiser_fills", "and not a copy of it"),
    MixesAbsent: ("norm", "check_norm_absent", r"mean and variance of x\[mask\] alone"),
    AlwaysOfTheBatch: ("norm", "check_norm_evaluation", "unless self.training"),
    CountsInEvaluation: ("norm", "check_norm_frozen_statistics", "num_batches_tracked unchanged"),
    StatisticsOutside: ("norm", "check_norm_saved_statistics", "self.register_buffer"),
    HereAndNow: ("executor", "check_executor_elsewhere", "use a ProcessPoolExecutor"),
    Swallows: ("executor", "check_executor_exception", "swallow nothing"),
    ForgetsFailures: ("executor", "check_executor_reports", "call it for jobs that failed, too"),
    ReportsFromAThread: ("executor", "check_executor_reports", "in another thread"),
    AddsToTheFile: ("exporter", "check_exporter_replaces", "use lumin_core.files.Staged"),
    LeavesEvaluationMode: ("exporter", "check_exporter_models_unchanged", "the mode changed"),
    WithoutDot: ("exporter", "check_exporter_suffix", "expected suffix = '.its_ending'"),
    shows_traceback: ("command", "check_command_error", "expected exit code 1 and a sentence"),
    odd_exit_code: ("command", "check_command_error", "got 77"),
    says_nothing: ("command", "check_command_help", "give the function a docstring"),
    WithoutVersion: ("preset", "check_preset_version", "raise it with any change of the answer"),
    GivesTheSeed: ("preset", "check_preset_arguments", r"got \['seed'\]"),
    GivesObjects: ("preset", "check_preset_arguments", "give components by name"),
    CalledAHead: ("kind", "check_kind_names", "'heads' has one of them; choose others"),
    NothingToDefine: ("kind", "check_kind_abstract", "derive it from abc.ABC"),
    Unexplained: ("kind", "check_kind_documented", "got none of apply"),
    plain_function: ("command", "check_command_kind", r"decorate the function with @click.command\(\)"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("good", "kind"),
    [(GoodTransform, "transform"), (GoodOptimiser, "optimiser"), (GoodNorm, "norm"), (GoodExporter, "exporter")],
)
def test_what_is_right_passes(good, kind):
    outcomes = [run(good, kind, check.name) for check in checks_of(kind)]
    assert [outcome for outcome in outcomes if outcome.state == "failed"] == []
    assert sum(outcome.state == "passed" for outcome in outcomes) > 5


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda thing: getattr(thing, "__name__", None) or thing.name)
def test_a_mistake_fails_in_the_check_of_its_name(mistake):
    kind, name, message = MISTAKES[mistake]
    outcome = run(mistake, kind, name)
    assert outcome.state == "failed"
    with pytest.raises(AssertionError, match=f"(?s){message}"):
        raise outcome.error
