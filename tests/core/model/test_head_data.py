"""Heads that ask data, once, what they need to know."""

import json
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import FoldYielder, Head, Model, ModelBuilder, registry, train_models
from lumin_core.errors import ConfigError
from lumin_core.runs import collect, plan_run, train_one

SMALL = {"name": "fully_connected", "depth": 1, "width": 4}


class Centred(Head):
    """Subtracts the mean of each feature.

    Args:
        cont_feats: Names.
        centre: Mean by feature.
        shift: What is added to each mean.
    """

    asked: ClassVar = []

    def __init__(self, cont_feats, centre=None, shift=0.0):
        super().__init__(cont_feats)
        self.feat_map = {feat: [i] for i, feat in enumerate(cont_feats)}
        self.centre = None if centre is None else torch.tensor([centre[feat] for feat in cont_feats])
        self.scale = nn.Parameter(torch.rand(len(cont_feats)) + 0.5)

    @classmethod
    def prepare(cls, fy, columns, shift=0.0, folds=None):
        cls.asked.append(folds)
        folds = range(len(fy)) if folds is None else folds
        rows = np.concatenate([fold["inputs"] for _, fold in fy.training_folds(folds)])
        return {"centre": {feat: float(np.nanmean(rows[:, i]) + shift) for i, feat in enumerate(columns)}}

    def forward(self, x):
        if self.centre is None:
            raise ConfigError("centred was not told the means: build it with ModelBuilder.from_fy")
        return self.scale * (x - self.centre)

    def get_out_size(self):
        return len(self.cont_feats)


@pytest.fixture
def centred():
    with registry.temporary():
        registry.register("head", "centred", Centred)
        Centred.asked.clear()
        yield Centred


@pytest.fixture(scope="module")
def path(make_fy, tmp_path_factory):
    path = tmp_path_factory.mktemp("asked") / "train.hdf5"

    def shifted(fold, columns):
        columns["inputs"] = columns["inputs"] + fold

    make_fy(path, 4, 32, cats=False, change=shifted).close()
    return path


@pytest.fixture
def fy(path):
    with FoldYielder(path) as opened:
        yield opened


def means(fy, folds):
    rows = np.concatenate([fy.get_fold(i)["inputs"] for i in folds]).astype(np.float64)
    return pytest.approx(dict(zip(fy.cont_feats, rows.mean(0), strict=True)), rel=1e-4)


def test_from_fy_asks_once_of_all_folds(fy, centred):
    builder = ModelBuilder.from_fy(fy, "classification", head={"name": "centred", "shift": 0}, body=SMALL, seed=1)
    assert builder.specs["head"]["centre"] == means(fy, range(4))
    assert centred.asked == [None]
    Model(builder).fit(1, fy, 16, visible_bar=False, seed=1)
    Model(ModelBuilder.from_model_builder(builder, seed=2)).fit(1, fy, 16, visible_bar=False, seed=1)
    assert centred.asked == [None]


def test_options_reach_the_question(fy, centred):
    told = ModelBuilder.from_fy(fy, "classification", head="centred", model_args={"head": {"shift": 100}})
    assert all(value > 90 for value in told.specs["head"]["centre"].values())


def test_the_first_fit_asks_of_its_own_folds(fy, centred, tmp_path):
    builder = ModelBuilder("classification", 1, fy.cont_feats, head="centred", body=SMALL, seed=1)
    model = Model(builder)
    with pytest.raises(ConfigError, match="from_fy"):
        model.predict(fy.get_fold(0)["inputs"])
    model.set_lr(0.5)
    model.body.freeze_layers()
    body = {name: value.clone() for name, value in model.body.state_dict().items()}
    model.fit(1, fy, 16, trn_idxs=[0, 1], val_idx=3, cb_savepath=tmp_path, visible_bar=False, seed=1)
    assert centred.asked == [[0, 1, 3]]
    assert model.get_lr() == 0.5
    assert not any(parameter.requires_grad for parameter in model.body.parameters())
    assert all(torch.equal(value, body[name]) for name, value in model.body.state_dict().items())
    model.fit(1, fy, 16, visible_bar=False, seed=2)
    assert len(centred.asked) == 1
    again = Model.from_save(model.save(tmp_path / "model"))
    assert again.model_builder.specs["head"]["centre"] == means(fy, [0, 1, 3])
    x = fy.get_fold(2)["inputs"]
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    again.fit(1, fy, 16, visible_bar=False, seed=2)
    assert len(centred.asked) == 1


def test_a_fit_that_asks_ends_as_one_that_was_told(fy, centred):
    asking = ModelBuilder("classification", 1, fy.cont_feats, head="centred", body=SMALL, seed=1)
    models = [Model(asking), Model(asking.prepared(fy))]
    for model in models:
        model.fit(2, fy, 16, visible_bar=False, seed=3)
    first, second = (model.get_weights() for model in models)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_asks_once_of_what_is_not_excluded(fy, centred, tmp_path):
    builder = ModelBuilder("classification", 1, fy.cont_feats, head="centred", body=SMALL)
    options = {"excl_idxs": [2], "seed": 1, "savepath": tmp_path / "run", "visible_bar": False}
    results = train_models(fy, 2, 16, builder, 1, **options)
    assert centred.asked == [[0, 1, 3]]
    configs = [Model.from_save(result["path"]).model_builder.specs["head"] for result in results]
    assert configs[0]["centre"] == configs[1]["centre"] == means(fy, [0, 1, 3])
    assert json.loads((tmp_path / "run" / "run.json").read_text())["model_builder"]["head"]["centre"]
    train_models(fy, 2, 16, builder, 2, **options, resume=True)


def test_models_that_are_trained_elsewhere_do_not_ask_again(fy, centred, tmp_path):
    builder = ModelBuilder("classification", 1, fy.cont_feats, head="centred", body=SMALL)
    plan = plan_run(fy, 2, 16, builder, 1, savepath=tmp_path / "run", seed=1)
    for number in range(len(plan.folds)):
        train_one(tmp_path / "run", number, visible_bar=False)
    assert len(collect(tmp_path / "run")) == 2
    assert len(centred.asked) == 1


def test_what_the_user_says_wins(fy):
    class Plain(Centred):
        @classmethod
        def prepare(cls, fy, columns):
            return {"centre": dict.fromkeys(columns, 0.0), "shift": 3.0}

    with registry.temporary():
        registry.register("head", "plain", Plain)
        builder = ModelBuilder.from_fy(fy, "classification", head={"name": "plain", "shift": 1.0})
        assert builder.specs["head"]["shift"] == 1.0
        assert set(builder.specs["head"]["centre"]) == set(fy.cont_feats)


def test_a_head_may_ask_as_an_object(fy):
    class Asking(Centred):
        def prepare(self, fy, columns):
            return {"centre": dict.fromkeys(self.cont_feats, 1.0)}

    with registry.temporary():
        registry.register("head", "asking", Asking)
        assert ModelBuilder.from_fy(fy, "classification", head="asking").specs["head"]["centre"]


def test_each_model_is_told_of_its_own_features(fy, centred):
    builder = ModelBuilder.from_fy(fy, "classification", head="centred", cont_subsample_rate=0.5, body=SMALL, seed=1)
    model = Model(builder)
    assert 0 < len(model.head.cont_feats) < len(fy.cont_feats)
    assert list(builder.specs["head"]["centre"]) == fy.cont_feats
    assert model.predict(fy.get_fold(0)["inputs"]).shape == (32, 1)


def test_pretrained_weights_come_with_what_they_were_told(fy, centred, tmp_path):
    first = Model(ModelBuilder.from_fy(fy, "classification", head={"name": "centred", "shift": 5.0}, body=SMALL))
    path = first.save(tmp_path / "first")
    second = ModelBuilder.from_fy(fy, "classification", head="centred", body=SMALL, pretrain_file=path)
    assert second.specs["head"]["centre"] == first.model_builder.specs["head"]["centre"]
    third = Model(ModelBuilder("classification", 1, fy.cont_feats, head="centred", body=SMALL, pretrain_file=path))
    third.fit(1, fy, 16, visible_bar=False, seed=1)
    assert third.model_builder.specs["head"]["centre"] == first.model_builder.specs["head"]["centre"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [([1.0], r"must return a dict of options, \{\} for none, got \[1.0\]"), ({"centres": 1}, "'centres', which")],
)
def test_what_is_not_options_is_refused(fy, answer, message):
    class Wrong(Centred):
        @classmethod
        def prepare(cls, fy, columns):
            return answer

    with registry.temporary():
        registry.register("head", "wrong", Wrong)
        with pytest.raises(ConfigError, match=message):
            ModelBuilder.from_fy(fy, "classification", head="wrong")


def test_a_question_needs_a_fold(fy, centred):
    with pytest.raises(ConfigError, match="must name one at least, got none"):
        ModelBuilder("classification", 1, fy.cont_feats, head="centred").prepared(fy, [])
