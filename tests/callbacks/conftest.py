"""A small fold file and models for it."""

from functools import partial

import numpy as np
import pytest

from lumin_core import Callback, EvalMetric, FoldFileWriter, FoldYielder, Model, ModelBuilder


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("LUMIN_DEVICE", "cpu")


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("folds") / "a.hdf5"
    with FoldFileWriter(path, cont_feats=["a", "b"], targ_feats="y", wgt_feat="w") as file:
        for i in range(3):
            x = rng.normal(size=(16, 2))
            file.append(i, inputs=x, targets=(x[:, 0] > 0).astype(int), weights=rng.uniform(0.5, 2, 16))
    return path


@pytest.fixture
def fy(path):
    with FoldYielder(path) as yielder:
        yield yielder


@pytest.fixture
def make_model(fy):
    def make(objective="classification", **options):
        options = {"seed": 1, "model_args": {"body": {"depth": 1, "width": 3}}, **options}
        return Model(ModelBuilder.from_fy(fy, objective, **options))

    return make


@pytest.fixture
def model(make_model):
    return make_model()


@pytest.fixture
def fit(model, fy, tmp_path):
    """Train on two folds, validate on the third, without a bar."""

    def run(cbs, n_epochs=3, model=model, **options):
        options = {"val_idx": 2, "seed": 1, "cb_savepath": tmp_path / "cbs", "visible_bar": False, **options}
        return model.fit(n_epochs, fy, 8, cbs=cbs, **options)

    return run


class Scripted(EvalMetric):
    """Gives values that were laid down."""

    better = "lower"

    def __init__(self, values, better="lower", **options):
        self.better, self.values = better, iter(values)
        super().__init__(**options)

    def evaluate(self, preds, targets, weights, columns):
        return next(self.values)


@pytest.fixture(scope="session")
def scripted():
    return partial(Scripted, main_metric=True)


class DieAt(Callback):
    """Raises at a point of an epoch of training, as if the process died; -1 is never."""

    def __init__(self, epoch=-1, point="on_batch_end"):
        def die(fit_params):
            if (fit_params.epoch, fit_params.state) == (epoch, "train"):
                raise InterruptedError

        setattr(self, point, die)


@pytest.fixture(scope="session")
def die_at():
    return DieAt


class Rates(Callback):
    """Notes what each batch is trained at; NaN where there is no momentum."""

    def on_train_begin(self):
        self.lr, self.mom = [], []

    def on_backwards_end(self, fit_params):
        self.lr.append(fit_params.model.get_lr())
        group = fit_params.opt.param_groups[0]
        self.mom.append(group["betas"][0] if "betas" in group else group.get("momentum", np.nan))


@pytest.fixture(scope="session")
def make_rates():
    return Rates
