"""ModelBuilder: what it takes, copies, describes and builds."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from builders import FEATS, SMALL, build
from torch import nn

from lumin_core import CatEmbedder, Model, ModelBuilder, registry
from lumin_core.errors import ConfigError, LuminError, UnknownComponent
from lumin_core.model.blocks import Body, Head
from lumin_core.model.matrix_head import MatrixHead


@pytest.mark.parametrize("name", ["classification", "Classifier", "class", "binary", "multi-label", "CLASSIFICATION"])
def test_objective_spellings_of_classification(name):
    assert build(name, 2, FEATS).objective == "classification"


@pytest.mark.parametrize("name", ["multiclass", "MultiClassifier", "multi-class", "multiclass classification"])
def test_objective_spellings_of_multiclass(name):
    assert build(name, 2, FEATS).objective == "multiclass"


@pytest.mark.parametrize("name", ["regression", "Regressor"])
def test_objective_spellings_of_regression(name):
    assert build(name, 2, FEATS).objective == "regression"


@pytest.mark.parametrize("name", ["", "ranking", None, 3, "multi"])
def test_unknown_objective_is_refused(name):
    with pytest.raises(ConfigError, match="objective must be one of classification, multiclass, regression"):
        build(name, 1, FEATS)


@pytest.mark.parametrize("n_out", [0, -1, 1.5, True, "1", None])
def test_n_out_must_be_positive(n_out):
    with pytest.raises(ConfigError, match="n_out must be a positive integer"):
        build("regression", n_out, FEATS)


def test_numpy_integers_are_welcome():
    builder = build("regression", np.int64(2), FEATS, seed=np.int64(3), cont_subsample_rate=np.float32(0.5))
    assert {type(value) for value in (builder.to_config()[key] for key in ("n_out", "seed"))} == {int}
    assert type(builder.to_config()["cont_subsample_rate"]) is float


@pytest.mark.parametrize("feats", [tuple(FEATS), np.array(FEATS), pd.Index(FEATS), (f for f in FEATS)])
def test_features_may_be_any_sequence(feats):
    assert build("regression", 1, feats).cont_feats == FEATS


def test_one_feature_alone_is_one_feature():
    assert build("regression", 1, "pt").cont_feats == ["pt"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cont_feats": ["a", "a"]}, "'a'.*twice"),
        ({"cont_feats": ["a", 3]}, "names"),
        ({"cont_feats": []}, "needs inputs: give cont_feats, cat_embedder or both"),
        ({"cont_feats": None}, "needs inputs"),
        ({"model_args": {"haed": {}}}, "model_args has no 'haed'.*did you mean 'head'"),
        ({"model_args": {"body": {"depht": 3}}}, "no option 'depht'.*did you mean 'depth'"),
        (
            {"body": {"name": "fully_connected", "depth": 2}, "model_args": {"body": {"depth": 3}}},
            "'depth' is given in body and in model_args",
        ),
        ({"opt_args": {"opt": {"name": "adam", "lr": 1}, "lr": 2}}, "'lr' is given in opt_args"),
        ({"opt_args": {"lrr": 2}}, "no option 'lrr'.*did you mean 'lr'"),
        ({"cont_subsample_rate": 0}, r"cont_subsample_rate must be in \(0, 1\]"),
        ({"cont_subsample_rate": 1.1}, "cont_subsample_rate"),
        ({"guaranteed_feats": ["a"]}, "only with cont_subsample_rate"),
        ({"guaranteed_feats": ["x"], "cont_subsample_rate": 0.5}, "no 'x'"),
        ({"seed": -1}, "seed must be None or an integer"),
        ({"seed": 1.5}, "seed must be"),
        ({"body": partial(nn.Linear, 3)}, "keywords only"),
        ({"body": nn.Linear}, "must be a subclass"),
        ({"body": 3}, "is given as a name"),
    ],
)
def test_wrong_options_are_refused_at_once(options, words):
    with pytest.raises(ConfigError, match=words):
        ModelBuilder(**{"objective": "classification", "n_out": 1, "cont_feats": FEATS, **options})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"head": "cat_emb_haed"}, "did you mean.*cat_emb_head"),
        ({"body": "no_such_body"}, "no_such_body"),
        ({"head": "gnn_haed"}, "did you mean.*gnn_head"),
        ({"opt_args": {"opt": "adma"}}, "adam"),
        ({"lookup_init": "nromal"}, "normal"),
    ],
)
def test_unknown_names_are_refused_at_once(options, words):
    with pytest.raises(UnknownComponent, match=words):
        build(**options)


def test_optimiser_options_out_of_range_are_our_errors():
    with pytest.raises(
        ConfigError, match=r"opt_args cannot be used for Adam: lr must not be negative, got -1; say 1e-3"
    ):
        build(opt_args={"lr": -1}).get_model()


def test_a_model_without_parameters_is_refused():
    with pytest.raises(ConfigError, match="no parameter that could be trained"):
        ModelBuilder("regression", 5, FEATS, body="ident_body", tail="ident_tail").get_model()


def test_defaults_are_those_of_the_design():
    model = Model(ModelBuilder("classification", 1, FEATS))
    body = model.body
    assert [layer[0].out_features for layer in body.layers] == [100] * 4
    assert isinstance(body.layers[0][1], nn.ReLU)
    assert isinstance(model.opt, torch.optim.Adam)
    assert model.get_lr() == 2e-3
    assert [type(block).__name__ for block in model.model] == ["CatEmbHead", "FullyConnected", "ClassRegMulti"]
    assert isinstance(model.loss, nn.BCELoss)


@pytest.mark.parametrize(
    ("objective", "loss"), [("classification", nn.BCELoss), ("multiclass", nn.NLLLoss), ("regression", nn.MSELoss)]
)
def test_auto_loss_follows_the_objective(objective, loss):
    assert isinstance(build(objective, 2, FEATS).get_model().loss, loss)


def test_components_may_be_given_in_every_form():
    from lumin_plugin_tabular import FullyConnected

    forms = [
        {"body": "fully_connected", "model_args": SMALL},
        {"body": "FullyConnected", "model_args": SMALL},
        {"body": "tabular/fully-connected", "model_args": SMALL},
        {"body": {"name": "fully_connected", "depth": 1, "width": 4}, "model_args": None},
        {"body": {"name": "fully_connected", "depth": 1}, "model_args": {"body": {"width": 4}}},
        {"body": FullyConnected, "model_args": SMALL},
        {"body": partial(FullyConnected, depth=1, width=4), "model_args": None},
        {"body": partial(FullyConnected, depth=1), "model_args": {"Body": {"width": 4}}},
    ]
    models = [Model(build(**form)) for form in forms]
    x = np.ones((2, 5), "float32")
    assert all(np.array_equal(model.predict(x), models[0].predict(x)) for model in models)


def test_nothing_that_is_passed_is_changed_or_followed():
    blocks, feats, opt = {"body": {"depth": 1, "width": 4}}, list(FEATS), {"opt": "sgd", "lr": 0.5}
    body = {"name": "fully_connected"}
    builder = ModelBuilder(
        "classification",
        1,
        feats,
        model_args=blocks,
        opt_args=opt,
        body=body,
        cont_subsample_rate=0.5,
        guaranteed_feats=feats[:1],
    )
    builder.set_lr(0.1)
    builder.get_model()
    assert blocks == {"body": {"depth": 1, "width": 4}}
    assert opt == {"opt": "sgd", "lr": 0.5}
    assert feats == FEATS
    assert body == {"name": "fully_connected"}
    before = builder.to_config()
    blocks["body"]["depth"] = body["depth"] = 7
    feats.append("x")
    opt["lr"] = 9
    assert builder.to_config() == before
    assert ModelBuilder.from_model_builder(builder).to_config() == before
    builder.arguments["model_args"]["body"]["depth"] = 8
    assert builder.to_config() == before


def test_fault_from_model_builder_keeps_every_argument():
    embedder = CatEmbedder(["k"], [4])
    builder = ModelBuilder(
        "regression",
        2,
        FEATS,
        model_args={"body": {"depth": 2, "width": 3, "act": "selu"}, "tail": {"y_range": (0, 1)}},
        opt_args={"opt": "adamw", "lr": 0.3, "weight_decay": 0.5, "betas": (0.8, 0.9)},
        cat_embedder=embedder,
        cont_subsample_rate=0.6,
        guaranteed_feats=["b"],
        loss="l1_loss",
        lookup_init="uniform",
        freeze_head=True,
        seed=4,
    )
    builder.set_lr(0.2)
    copy = ModelBuilder.from_model_builder(builder)
    assert copy.to_config() == builder.to_config()
    assert copy.opt_args["lr"] == 0.2
    other = ModelBuilder.from_model_builder(builder, seed=5, loss="mse_loss")
    assert other.to_config() == {**builder.to_config(), "seed": 5, "loss": "core/mse_loss"}
    with pytest.raises(ConfigError, match="did you mean 'loss'"):
        ModelBuilder.from_model_builder(builder, los="mse_loss")


@pytest.mark.parametrize("spec", [{"name": "sgd", "lr": 0.3}, partial(torch.optim.SGD, lr=0.3), "sgd", torch.optim.SGD])
def test_set_lr_replaces_the_rate_wherever_it_was_given(spec):
    builder = build(opt_args={"opt": spec})
    builder.set_lr(0.7)
    model = Model(builder)
    assert isinstance(model.opt, torch.optim.SGD)
    assert model.get_lr() == 0.7
    with pytest.raises(ConfigError, match="lr must be positive"):
        builder.set_lr(0)


def test_lookups_of_the_user_are_used():
    asked = []

    def lookup_act(name):
        asked.append(name)
        return nn.Tanh()

    def ones(act, fan_in=None, fan_out=None):
        return nn.init.ones_

    model = Model(build(lookup_act=lookup_act, lookup_init=ones))
    assert asked == ["relu"]
    assert isinstance(model.body.layers[0][1], nn.Tanh)
    assert all((p == 1).all() for name, p in model.model.named_parameters() if name.endswith("weight"))


@pytest.mark.parametrize("part", ["head", "body", "tail"])
def test_freezing_keeps_one_part(part):
    model = Model(build(cat_embedder=CatEmbedder(["k"], [4]), **{f"freeze_{part}": True}))
    for name in ("head", "body", "tail"):
        assert (model[name].get_param_count() == 0) == (name == part)
        assert model[name].get_param_count(trainable=False) > 0


def test_matrix_heads_get_the_features_of_the_builder():

    class Sum(MatrixHead):
        def __init__(self, cont_feats, vecs, feats_per_vec):
            super().__init__(cont_feats, vecs, feats_per_vec)
            self.feat_map = self.map_to_all()

        def forward(self, x):
            return self.get_matrix(x)[0].sum(1)

        def get_out_size(self):
            return self.n_fpv

    feats = ["j0_px", "j0_py", "j1_px", "j1_py"]
    builder = build("regression", 1, feats, head=partial(Sum, vecs=["j0", "j1"], feats_per_vec=["px", "py"]))
    assert Model(builder).predict(np.ones((3, 4))).shape == (3, 1)


def test_what_a_block_raises_is_ours():
    with pytest.raises(LuminError, match="depth"):
        ModelBuilder("regression", 1, FEATS, model_args={"body": {"depth": 0}}).get_model()


def test_defaults_are_qualified_names_whatever_else_is_installed():
    """What nobody wrote means ours; what the user writes bare is looked up bare."""

    class Other(Head):
        def forward(self, x):
            return x

        def get_out_size(self):
            return len(self.cont_feats)

    with registry.temporary():
        for kind, name in [("head", "cat_emb_head"), ("body", "fully_connected"), ("tail", "class_reg_multi")]:
            registry.register(kind, name, type("Taken", (registry.find_kind(kind).load_base(),), {}), override=True)
        registry.register("initialiser", "normal", lambda act, fan_in=None, fan_out=None: 1 / 0, override=True)
        builder = ModelBuilder("regression", 1, FEATS)
        assert [type(block).__name__ for block in builder.get_model().model] == [
            "CatEmbHead",
            "FullyConnected",
            "ClassRegMulti",
        ]
        assert builder.to_config()["lookup_init"] == "core/normal"
        registry.register("head", "cat_emb_head", Other, override=True)
        builder = ModelBuilder("regression", 1, FEATS, head="cat_emb_head")
        assert isinstance(builder.get_head(), Other)


def test_functions_of_the_user_are_handed_bare_names():
    asked = []

    def lookup_act(name):
        asked.append(name)
        return nn.Tanh()

    def lookup_init(act, fan_in=None, fan_out=None):
        asked.append(act)
        return nn.init.ones_

    body = {"name": "fully_connected", "depth": 1, "width": 4, "act": "core/swish"}
    build(lookup_act=lookup_act, lookup_init=lookup_init, body=body, model_args=None).get_model()
    assert {"swish"} <= set(asked)
    assert not any("/" in name for name in asked)


def test_a_block_that_changes_its_options_changes_neither_the_builder_nor_the_next_model():
    class Pops(Body):
        def __init__(self, n_in, feat_map, widths):
            super().__init__(n_in, feat_map)
            self.layer = nn.Linear(n_in, widths.pop(0))

        def forward(self, x):
            return self.layer(x)

        def get_out_size(self):
            return self.layer.out_features

    widths = [3, 4]
    for body in ({"name": "pops", "widths": widths}, partial(Pops, widths=widths)):
        with registry.temporary():
            registry.register("body", "pops", Pops)
            builder = build(body=body, model_args=None)
            before = builder.to_config()
            sizes = [builder.get_model().model[1].get_out_size() for _ in range(3)]
            assert sizes == [3, 3, 3]
            assert builder.to_config() == before
    assert widths == [3, 4]


def test_features_from_a_generator_are_kept_for_copies():
    builder = build("regression", 1, (feat for feat in FEATS))
    assert ModelBuilder.from_model_builder(builder).cont_feats == FEATS
