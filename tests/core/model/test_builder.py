"""ModelBuilder: what it takes, copies, describes and builds."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lumin_core import CatEmbedder, FoldYielder, Model, ModelBuilder, df2foldfile, registry
from lumin_core.errors import ConfigError, LuminError, SavedModelError, UnknownComponent
from lumin_core.model.blocks import Head
from lumin_core.model.matrix_head import MatrixHead
from lumin_core.registry import UnnamedComponent

FEATS = ["a", "b", "c", "d", "e"]
SMALL = {"body": {"depth": 1, "width": 4}}


def build(*args, **options):
    return ModelBuilder(*(args or ("classification", 1, FEATS)), **{"model_args": SMALL, "seed": 1, **options})


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
    with pytest.raises(ConfigError, match=r"opt_args cannot be used for Adam: .*learning rate"):
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


def full_builder(**options):
    return ModelBuilder(
        **{
            "objective": "multiclass",
            "n_out": 3,
            "cont_feats": FEATS,
            "cat_embedder": CatEmbedder(["k"], [4]),
            "body": {
                "name": "multi_block",
                "blocks": [{"name": "fully_connected", "depth": 1, "width": 3}, "ident_body"],
                "feats_per_block": [["a", "b"], ["c", "d", "e", "k"]],
            },
            "opt_args": {"opt": partial(torch.optim.AdamW, betas=(0.8, 0.9)), "lr": np.float32(0.5)},
            "loss": {"name": "weighted_cce", "class_weights": [1.0, 2.0, 0.5]},
            "seed": 3,
            "freeze_tail": True,
            **options,
        }
    )


def test_config_goes_to_and_from_dicts_json_and_toml(tmp_path):
    import json

    import tomli_w

    builder = full_builder()
    config = builder.to_config()
    assert config["head"] == "tabular/cat_emb_head"
    assert config["loss"] == {"name": "losses/weighted_cce", "class_weights": [1.0, 2.0, 0.5]}
    assert config["opt_args"] == {"opt": "core/adamw", "betas": [0.8, 0.9], "lr": 0.5}
    (tmp_path / "model.toml").write_text(tomli_w.dumps(config))
    sources = [config, json.loads(json.dumps(config)), tmp_path / "model.toml", str(tmp_path / "model.toml")]
    x = np.random.default_rng(1).integers(0, 4, (3, 6)).astype("float32")
    for source in sources:
        other = ModelBuilder.from_config(source)
        assert other.to_config() == config
        assert np.array_equal(Model(other).predict(x), Model(builder).predict(x))


def test_config_of_one_part_missing_or_unknown_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="needs n_out"):
        ModelBuilder.from_config({"objective": "regression"})
    with pytest.raises(ConfigError, match="did you mean 'n_out'"):
        ModelBuilder.from_config({"objective": "regression", "nout": 1})
    with pytest.raises(ConfigError, match=r"cannot read the config .*TOML"):
        ModelBuilder.from_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = = 3")
    with pytest.raises(ConfigError, match="is no TOML file"):
        ModelBuilder.from_config(tmp_path / "bad.toml")


def test_unnamed_components_cannot_be_written_as_config():
    class Mine(Head):
        def forward(self, x):
            return x

        def get_out_size(self):
            return len(self.cont_feats)

    builder = build(head=Mine)
    assert Model(builder).predict(np.ones((2, 5))).shape == (2, 1)
    with pytest.raises(UnnamedComponent, match=r"Mine.* has no registered name; register it"):
        builder.to_config()
    with pytest.raises(UnnamedComponent, match="lookup_act is a function without a name"):
        build(lookup_act=lambda name: nn.ReLU()).to_config()
    with registry.temporary():
        registry.register("head", "mine", Mine)
        assert builder.to_config()["head"] == "session/mine"


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


def test_from_fy_takes_features_categories_and_number_of_outputs(fy, make_fy, tmp_path):
    builder = ModelBuilder.from_fy(fy, "classification")
    assert (builder.cont_feats, builder.n_out) == (["a", "b", "c"], 1)
    assert builder.cat_embedder.cat_szs == (3,)
    fy.add_ignore(["b", "d"])
    builder = ModelBuilder.from_fy(fy, "classification")
    assert builder.cont_feats == ["a", "c"]
    assert builder.cat_embedder is None
    multi = make_fy(tmp_path / "m.hdf5", objective="multiclass")
    assert ModelBuilder.from_fy(multi, "multiclass").n_out == 3
    assert ModelBuilder.from_fy(multi, "multiclass", n_out=5).n_out == 5
    two = make_fy(tmp_path / "r.hdf5", objective="regression", n_targ=2)
    assert ModelBuilder.from_fy(two, "regression").n_out == 2


def test_fault_each_seed_gets_its_own_subsample_and_the_callers_list_stays():
    sure = ["c"]
    masks = [build(cont_subsample_rate=0.6, guaranteed_feats=sure, seed=s).get_model().input_mask for s in range(8)]
    assert all(len(mask) == 3 and 2 in mask and sorted(mask) == list(mask) for mask in masks)
    assert len({tuple(mask) for mask in masks}) > 2
    assert sure == ["c"]


def test_subsample_keeps_all_categories_and_at_least_one_feature():
    embedder = CatEmbedder(["k", "l"], [4, 2])
    mask = build(cont_subsample_rate=0.01, cat_embedder=embedder).get_model().input_mask
    assert list(mask[1:]) == [5, 6]
    built = build(cont_subsample_rate=0.4, cat_embedder=embedder).get_model()
    assert list(built.model[0].feat_map) == [*(FEATS[i] for i in built.input_mask[:-2]), "k", "l"]
    assert len(build(cont_subsample_rate=0.2, guaranteed_feats=FEATS[:3]).get_model().input_mask) == 3


@pytest.mark.parametrize("part", ["head", "body", "tail"])
def test_freezing_keeps_one_part(part):
    model = Model(build(cat_embedder=CatEmbedder(["k"], [4]), **{f"freeze_{part}": True}))
    for name in ("head", "body", "tail"):
        assert (model[name].get_param_count() == 0) == (name == part)
        assert model[name].get_param_count(trainable=False) > 0


def test_pretrain_file_starts_from_saved_weights(tmp_path, same_weights):
    trained = Model(build(seed=7))
    path = trained.save(tmp_path / "start")
    assert same_weights(Model(build(seed=1, pretrain_file=path)), trained)
    assert same_weights(Model(build(seed=1, pretrain_file=tmp_path / "start")), trained)
    with pytest.raises(SavedModelError, match=r"does not fit the model.*shape"):
        Model(build(pretrain_file=path, model_args={"body": {"depth": 1, "width": 5}}))
    with pytest.raises(SavedModelError, match="there is no file"):
        Model(build(pretrain_file=tmp_path / "none"))


def test_matrix_heads_get_the_features_of_the_builder():
    from lumin_core.model.matrix_head import MatrixHead

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


class SumOfObjects(MatrixHead):
    def __init__(self, cont_feats, vecs, feats_per_vec, row_wise=True):
        super().__init__(cont_feats, vecs, feats_per_vec, row_wise)
        self.feat_map = self.map_to_all()

    def forward(self, x):
        return self.get_matrix(x)[0].sum(1)

    def get_out_size(self):
        return self.n_fpv


@pytest.mark.parametrize("row_wise", [True, False])
def test_from_fy_tells_a_matrix_head_its_objects(row_wise, tmp_path):
    df = pd.DataFrame(np.random.default_rng(1).normal(size=(20, 4)), columns=["a_x", "a_y", "b_x", "b_y"]).assign(t=0)
    objects = {"matrix_vecs": ["b", "a"], "matrix_feats_per_vec": ["y", "x"], "matrix_row_wise": row_wise}
    fy = FoldYielder(df2foldfile(df, 2, [], [], "t", tmp_path / "m", "int", **objects))
    builder = ModelBuilder.from_fy(fy, "classification", head=SumOfObjects)
    assert builder.specs["head"].keywords == {
        "vecs": ["b", "a"], "feats_per_vec": ["y", "x"], "row_wise": row_wise,
    }  # fmt: skip
    summed = builder.get_head()(torch.from_numpy(fy[0]["inputs"][1]))
    stored = fy[0]["inputs"][1].sum(1 if row_wise else 2)
    assert np.allclose(summed, stored)
    own = {"vecs": ["a"], "feats_per_vec": ["x", "y"]}
    options = {"cont_feats": ["a_x", "a_y"], "model_args": {"HEAD": own, "body": {"depth": 1}}}
    builder = ModelBuilder.from_fy(fy, "classification", head=SumOfObjects, **options)
    assert builder.specs["head"].keywords == {**own, "row_wise": row_wise}
    assert builder.specs["body"]["depth"] == 1


class Beside(Head):
    """What is inside of a head for flat inputs and one for a matrix."""

    def __init__(self, cont_feats, matrix_head):
        super().__init__(cont_feats)
        self.matrix_head = registry.build("head", matrix_head, cont_feats=[])

    def forward(self, x):
        return self.matrix_head(x[1])

    def get_out_size(self):
        return self.matrix_head.get_out_size()


def test_from_fy_tells_a_matrix_head_inside_of_another_its_objects(tmp_path):
    df = pd.DataFrame(np.random.default_rng(1).normal(size=(20, 4)), columns=["a_x", "a_y", "b_x", "b_y"]).assign(t=0)
    objects = {"matrix_vecs": ["b", "a"], "matrix_feats_per_vec": ["y", "x"], "matrix_row_wise": False}
    fy = FoldYielder(df2foldfile(df, 2, [], [], "t", tmp_path / "m", "int", **objects))
    builder = ModelBuilder.from_fy(fy, "classification", head=partial(Beside, matrix_head=SumOfObjects))
    assert builder.specs["head"].keywords["matrix_head"].keywords == {
        "vecs": ["b", "a"], "feats_per_vec": ["y", "x"], "row_wise": False,
    }  # fmt: skip
    flat, matrix = map(torch.from_numpy, fy[0]["inputs"])
    assert torch.allclose(builder.get_head()((flat, matrix)), matrix.sum(2))
