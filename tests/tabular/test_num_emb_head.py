"""Numbers through learned vectors, piecewise linear in bins or periodic; what is missing has a vector of its own."""

import copy
import json
import math

import numpy as np
import pytest
import torch
from rtdl_num_embeddings import PiecewiseLinearEncoding
from torch.nn.functional import relu

from lumin_core import CatEmbedder, Ensemble, FoldYielder, Model, ModelBuilder, build, train_models
from lumin_core.cli import main
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_core.model import build_optimiser
from lumin_plugin_tabular import NumEmbHead
from lumin_plugin_tabular.bins import fold_bins

CONT = ["pt", "eta", "run"]
BINS = {"pt": [0.0, 20.0, 35.0, 90.0], "eta": [-2.5, 2.5], "run": [7.0]}
EMBEDDER = CatEmbedder(["n_jets", "channel"], [5, 3], [3, 2])
SMALL = {"name": "fully_connected", "depth": 1, "width": 8}
NAN = math.nan


def head(cont_feats=CONT, embedding="piecewise_linear", seed=1, **options):
    torch.manual_seed(seed)
    if embedding == "piecewise_linear":
        options = {"bins": BINS, "n_bins": 5, **options}
    made = NumEmbHead(cont_feats, embedding, **{"width": 4, **options})
    torch.nn.init.normal_(made.cont_embed.of_missing.weight)  # it starts at zero
    return made


def inputs(n=6, cats=False):
    generator = torch.Generator().manual_seed(0)
    cont = torch.rand((n, 3), generator=generator) * torch.tensor([110.0, 5, 20]) - torch.tensor([10.0, 2.5, 0])
    codes = torch.stack([torch.randint(size, (n,), generator=generator) for size in EMBEDDER.cat_szs], dim=1)
    return torch.cat((cont, codes), dim=1) if cats else cont


def vectors(made, x):
    return made.eval()(x).unflatten(1, (len(made.cont_feats), -1))


both = pytest.mark.parametrize("embedding", ["piecewise_linear", "periodic"])


def test_piecewise_linear_is_the_formula_of_the_paper():
    made, x = head(activation=False), inputs()
    linear = made.cont_embed.embed.embed.linear
    for i, feat in enumerate(CONT):
        low, high = (torch.tensor(edges) for edges in (BINS[feat][:-1], BINS[feat][1:]))
        encoded = ((x[:, i : i + 1] - low) / (high - low)).clamp(0, 1)
        expected = encoded @ linear.weight[i, : len(low)] + linear.bias[i]
        torch.testing.assert_close(vectors(made, x)[:, i], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(vectors(head(), x), vectors(made, x))
    torch.testing.assert_close(vectors(head(activation=True), x), relu(vectors(made, x)))


def test_within_its_bins_the_encoding_is_that_of_the_package():
    """Theirs goes on linearly in the outer bins, and has as many columns as the feature has bins."""
    edges = torch.tensor([0.0, 20.0, 35.0, 90.0])
    made, x = head(["pt"], activation=False), torch.linspace(0, 90, 50).unsqueeze(1)
    linear = made.cont_embed.embed.embed.linear
    expected = PiecewiseLinearEncoding([edges])(x) @ linear.weight[0, :3] + linear.bias[0]
    torch.testing.assert_close(made(x), expected)


def test_periodic_is_the_formula_of_the_paper():
    made, x = head(embedding="periodic", frequency_init_scale=0.1, n_frequencies=3), inputs()
    embed = made.cont_embed.embed
    angles = 2 * math.pi * embed.periodic.weight * x.unsqueeze(2)
    waves = torch.cat((angles.cos(), angles.sin()), dim=2)
    expected = relu(torch.einsum("bfk,fkd->bfd", waves, embed.linear.weight) + embed.linear.bias)
    torch.testing.assert_close(vectors(made, x), expected)


def test_values_beyond_the_edges_are_taken_for_the_nearest_edge():
    made = head()
    far = torch.tensor([[1e6, -1e30, 1e30], [3e38, -3, 0]])
    near = torch.tensor([[90.0, -2.5, 7], [90, -2.5, 7]])
    assert torch.equal(made(far), made(near))
    assert head(embedding="periodic")(far[:1]).abs().max() < 100


def test_a_constant_feature_tells_nothing_but_that_it_is_there():
    made = head(["run"])
    y = made(torch.tensor([[7.0], [-100.0], [8.0], [NAN]]))
    assert torch.equal(y[0], y[1])
    assert torch.equal(y[0], y[2])
    assert not torch.equal(y[0], y[3])


def test_far_from_zero_narrow_bins_are_still_told_apart():
    runs = [283_000_000.0 + 32 * i for i in range(5)]
    made = head(["run"], bins={"run": runs}, activation=False)
    shifted = head(["run"], bins={"run": [32.0 * i for i in range(5)]}, activation=False)
    x = torch.tensor(runs).unsqueeze(1)
    torch.testing.assert_close(made(x), shifted(x - runs[0]))


@pytest.mark.parametrize("edges", [[0.0, 1e-44, 1.0], [1.0, 1.0 + 1e-12, 2.0], [-1e30, 0.0, 1e-30, 1e30]], ids=str)
def test_edges_that_single_precision_does_not_tell_apart_give_numbers(edges):
    made = head(["pt"], bins={"pt": edges})
    x = torch.tensor([*edges, 0.5, -1e38, 1e38]).unsqueeze(1)
    made(x).sum().backward()
    assert made(x).isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in made.parameters())


def test_bins_that_are_not_used_learn_nothing():
    made = head()
    made(inputs(100)).square().sum().backward()
    slopes = made.cont_embed.embed.embed.linear.weight.grad
    assert [(slopes[i].abs().sum(dim=1) > 0).tolist() for i in range(3)] == [
        [True] * 3 + [False] * 2,
        [True] + [False] * 4,
        [False] * 5,
    ]


def test_shapes_and_first_values_of_parameters_do_not_depend_on_bins():
    states = [dict(head(bins=bins).named_parameters()) for bins in (BINS, None, {feat: [0.0, 1.0] for feat in CONT})]
    for state in states[1:]:
        assert all(torch.equal(states[0][name], parameter) for name, parameter in state.items())


@both
def test_a_missing_value_has_the_vector_of_its_feature(embedding):
    made, x = head(embedding=embedding), inputs()
    full = vectors(made, x)
    x[2, 1] = NAN
    found = vectors(made, x)
    assert torch.equal(found[2, 1], made.cont_embed.of_missing.weight[1])
    found[2, 1] = full[2, 1]
    assert torch.equal(found, full)
    assert NumEmbHead.missing == "keep"


def test_the_vector_of_what_is_missing_starts_at_zero_and_gradients_are_numbers():
    made = NumEmbHead(["pt"], bins=BINS)
    x = torch.tensor([[NAN], [30.0]], requires_grad=True)
    y = made(x)
    assert not y[0].any()
    y.sum().backward()
    assert (made.cont_embed.of_missing.weight.grad == 1).all()
    assert all(parameter.grad.isfinite().all() for parameter in made.parameters())
    assert x.grad.isfinite().all()


@both
@pytest.mark.parametrize("cats", [None, EMBEDDER], ids=["numbers", "categories"])
def test_feature_map_is_exact(embedding, cats):
    """A feature moves all of its columns, by a number, a category and by being missing, and no others."""
    made = head(["pt", "eta"], embedding, cat_embedder=cats, activation=False).eval()
    x = torch.tensor([[30.0, 1.0, 2.0, 1.0]])[:, : 2 if cats is None else 4]
    names = [*made.cont_feats, *made.cat_feats]
    assert list(made.feat_map) == names
    assert sorted(i for columns in made.feat_map.values() for i in columns) == list(range(made.get_out_size()))
    for i, feat in enumerate(names):
        for value in (0.0,) if i > 1 else (1.3, NAN):
            changed = x.clone()
            changed[0, i] = value
            moved = (made(changed) != made(x))[0].nonzero().flatten().tolist()
            assert moved == made.feat_map[feat]


def test_categories_are_embedded_behind_the_numbers():
    made, x = head(cat_embedder=EMBEDDER), inputs(cats=True)
    y = made(x)
    assert y.shape == (6, made.get_out_size()) == (6, 3 * 4 + 5)
    for i, (name, table) in enumerate(made.get_embeds().items()):
        assert torch.equal(y[:, made.feat_map[name]], table[x[:, 3 + i].long()])
    assert torch.equal(NumEmbHead([], cat_embedder=EMBEDDER)(x[:, 3:]).isfinite(), torch.ones(6, 5, dtype=torch.bool))


def test_unknown_categories_and_files_of_embeddings_are_as_in_cat_emb_head(tmp_path):
    embedder = CatEmbedder(["channel"], [3], unknown_feats=["channel"], unknown_rate=0.5)
    made = head(cat_embedder=embedder)
    y = made(torch.tensor([[30.0, 0, 7, 0]]).repeat(200, 1))[:, made.feat_map["channel"]]
    assert 50 < (y == made.get_embeds()["channel"][2]).all(dim=1).sum() < 150
    other = NumEmbHead(["pt"], cat_embedder=CatEmbedder(["channel"], [3], emb_load_path=_saved(made, tmp_path)))
    assert torch.equal(other.get_embeds()["channel"], made.get_embeds()["channel"])


def _saved(made, folder):
    made.save_embeds(folder / "embeds")
    return folder / "embeds"


@both
def test_permuted_features_give_the_same_vectors(embedding):
    """Vectors are drawn place by place; what else there is goes by name."""
    made, order = head(embedding=embedding), [2, 0, 1]
    other = head([CONT[i] for i in order], embedding, seed=2)
    state = made.state_dict()
    other.load_state_dict({name: value[order] for name, value in state.items()})
    torch.testing.assert_close(vectors(other, inputs()[:, order]), vectors(made, inputs())[:, order])
    drawn = other.state_dict()
    other.load_state_dict({name: state[name][order] if "linear" in name else drawn[name] for name in state})
    buffers, expected = dict(other.named_buffers()), dict(made.named_buffers())
    assert all(torch.equal(value, expected[name][order]) for name, value in buffers.items())


@both
def test_copies_frozen_heads_and_seeds(embedding):
    made, x = head(embedding=embedding, cat_embedder=EMBEDDER), inputs(cats=True)
    assert torch.equal(copy.deepcopy(made)(x), made(x))
    assert torch.equal(head(embedding=embedding, cat_embedder=EMBEDDER)(x), made(x))
    assert head(embedding=embedding, freeze=True).get_param_count() == 0
    torch.testing.assert_close(copy.deepcopy(made).double()(x.double()).float(), made(x), rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert made(x).isfinite().all()


@both
def test_weight_decay_of_weights_acts_on_the_slopes_alone(embedding):
    made = head(embedding=embedding, cat_embedder=EMBEDDER)
    optimiser = build_optimiser({"opt": "adamw", "weight_decay": 0.1, "decay_groups": "weights"}, made)
    decaying = {id(parameter) for parameter in optimiser.param_groups[0]["params"]}
    names = [name for name, parameter in made.named_parameters() if id(parameter) in decaying]
    inner = "embed.embed" if embedding == "piecewise_linear" else "embed"
    assert names == [f"cont_embed.{inner}.linear.weight"]


def test_dropout_of_numbers_and_of_categories():
    x = inputs(200, cats=True)
    y = head(cat_embedder=EMBEDDER, do_cont=0.5, activation=False)(x)
    assert 0.4 < (y[:, :12] == 0).float().mean() < 0.6
    assert not (y[:, 12:] == 0).any()
    y = head(cat_embedder=EMBEDDER, do_cat=0.5, activation=False)(x)
    assert 0.4 < (y[:, 12:] == 0).float().mean() < 0.6
    assert not (y[:, :12] == 0).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"embedding": "piecewise"},
            "one of piecewise_linear, periodic, got 'piecewise'; did you mean 'piecewise_linear'",
        ),
        ({"embedding": ["periodic"]}, "one of piecewise_linear, periodic"),
        ({"width": 0}, "width must be a positive integer, got 0"),
        ({"n_bins": 1}, "n_bins must be at least 2, got 1"),
        ({"n_bins": 2.5}, "n_bins must be a positive integer"),
        ({"n_bins": 2}, "bins of 'pt' must be 1 to 3 numbers that increase"),
        ({"embedding": "periodic", "bins": BINS}, "periodic embeddings have no bins"),
        ({"embedding": "periodic", "n_frequencies": 0}, "n_frequencies must be a positive integer"),
        ({"embedding": "periodic", "frequency_init_scale": 0}, "frequency_init_scale must be a positive number, got 0"),
        ({"embedding": "periodic", "frequency_init_scale": "a"}, "frequency_init_scale must be"),
        ({"embedding": "periodic", "lite": True, "activation": False}, "lite=True needs activation=True"),
        ({"activation": "relu"}, "activation='relu'"),
        ({"do_cont": 1}, r"in \[0, 1\)"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        head(**options)


def test_inputs_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"num_emb_head takes flat inputs \(B, 3\), 3 continuous and 0 categorical"):
        head()(torch.zeros(4, 2))
    with pytest.raises(DataError, match="'n_jets' has 9 where codes are 0 to 4"):
        head(cat_embedder=EMBEDDER)(torch.tensor([[1.0, 1, 1, 9, 0]]))


def test_without_bins_it_says_what_to_do():
    with pytest.raises(ConfigError, match=r"bins of eta, run: ModelBuilder.from_fy, train_models and the first fit"):
        head(bins={"pt": [0.0, 1.0]})(inputs())


# ---- from data, through every door

planted = np.random.default_rng(5)


def plant(fold, columns):
    """Take b away from four in five signal events, at random, and give all of its values the same distribution."""
    is_missing = (columns["targets"] == 1) & (planted.random(len(columns["targets"])) < 0.8)
    columns["inputs"] = planted.normal(size=columns["inputs"].shape)
    columns["inputs"][is_missing, 1] = np.nan


@pytest.fixture(scope="module")
def path(make_fy, tmp_path_factory):
    path = tmp_path_factory.mktemp("missing") / "train.hdf5"
    make_fy(path, 3, 256, cats=False, change=plant).close()
    return path


@pytest.fixture
def fy(path):
    with FoldYielder(path) as opened:
        yield opened


def builder(fy, made="num_emb_head", **options):
    opt_args = {"opt": "adam", "lr": 0.02}
    return ModelBuilder.from_fy(fy, "classification", head=made, body=SMALL, opt_args=opt_args, seed=1, **options)


def share_right(model, fy, fold):
    inputs, targets = fy.get_column("inputs", fold_idx=fold), fy.get_fold(fold)["targets"]
    return float(((model.predict(inputs) > 0.5) == (targets > 0.5)).mean())


@both
def test_that_a_value_is_missing_is_learned(fy, embedding):
    """Nothing else tells the classes apart: with zeros filled in, as for other heads, it is all but lost."""
    made = {"name": "num_emb_head", "embedding": embedding, "width": 4, "n_bins": 8, "n_frequencies": 4}
    model = Model(builder(fy, made))
    model.fit(8, fy, 32, val_idx=2, visible_bar=False, seed=1)
    assert share_right(model, fy, 2) > 0.85


def test_from_fy_finds_bins_of_all_features_and_given_ones_win(fy):
    made = {"name": "num_emb_head", "n_bins": 6, "bins": {"c": [-1.0, 0.0, 1.0]}}
    found = builder(fy, made).specs["head"]["bins"]
    assert found == {**fold_bins(fy, ["a", "b"], 6), "c": [-1.0, 0.0, 1.0]}
    assert NumEmbHead.prepare(fy, fy.cont_feats, bins=found) == {}
    assert NumEmbHead.prepare(fy, fy.cont_feats, embedding="periodic") == {}
    with pytest.raises(ConfigError, match="bins has no 'bb'"):
        builder(fy, {"name": "num_emb_head", "bins": {"bb": [0.0, 1.0]}})


def test_each_model_has_bins_of_the_features_that_it_is_given(fy):
    model = Model(builder(fy, cont_subsample_rate=0.67))
    assert len(model.head.cont_feats) == 2
    assert model.predict(fy.get_column("inputs", fold_idx=0)).shape == (256, 1)


@pytest.fixture
def run(path, tmp_path):
    """Give the results of a run that was asked for without a word about bins."""
    with FoldYielder(path) as fy:
        made = {"name": "num_emb_head", "width": 4, "n_bins": 8}
        asking = ModelBuilder("classification", 1, fy.cont_feats, head=made, body=SMALL, opt_args={"lr": 0.02})
        yield train_models(fy, 2, 32, asking, 2, savepath=tmp_path / "run", seed=1, visible_bar=False)


def test_a_run_is_recorded_saved_and_predicts_the_same_through_every_door(run, fy, tmp_path, capsys):
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["model_builder"]["head"]["bins"] == fold_bins(fy, fy.cont_feats, 8)
    model, ensemble = Model.from_save(run[0]["path"]), Ensemble.from_results(run, 2)
    assert model.head.bins == fold_bins(fy, fy.cont_feats, 8)
    inputs, frame = fy.get_column("inputs"), fy.get_df(inc_inputs=True, nan_to_num=False)
    assert np.isnan(inputs).any()
    for predictor in (model, ensemble):
        expected = predictor.predict(inputs)
        assert np.abs(expected - predictor.predict(np.nan_to_num(inputs))).max() > 0.01
        np.testing.assert_allclose(predictor.predict(frame[fy.cont_feats]), expected, rtol=1e-5, atol=1e-6)
        again = type(predictor).from_save(predictor.save(tmp_path / "saved"))
        np.testing.assert_array_equal(again.predict(inputs), expected)
    copied = tmp_path / "copied.hdf5"
    copied.write_bytes(fy.foldfile.read_bytes())
    assert main(["predict", str(ensemble.save(tmp_path / "both")), str(copied)]) == 0, capsys.readouterr()
    with FoldYielder(copied) as predicted:
        np.testing.assert_allclose(predicted.get_column("pred"), expected[:, 0], rtol=1e-5, atol=1e-6)
        assert model.evaluate(predicted) == pytest.approx(
            model.evaluate(inputs, fy.get_column("targets")[:, None], fy.get_column("weights")[:, None]), rel=1e-5
        )


RUN_FILE = """
foldfile = "train.hdf5"
objective = "classification"
n_models = 1
bs = 64
n_epochs = 1
savepath = "run"
seed = 7
body = {name = "fully_connected", depth = 1, width = 4}

[head]
name = "num_emb_head"
width = 2
n_bins = 4
bins = {a = [-1.0, 0.0, 2.5]}
"""


def test_a_run_file_names_the_head_and_bins(path, fy, tmp_path, capsys):
    (tmp_path / "train.hdf5").write_bytes(path.read_bytes())
    (tmp_path / "run.toml").write_text(RUN_FILE)
    assert main(["train", str(tmp_path / "run.toml")]) == 0, capsys.readouterr()
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["model_builder"]["head"]["bins"] == {"a": [-1.0, 0.0, 2.5], **fold_bins(fy, ["b", "c"], 4)}


def test_is_built_by_name_with_what_the_builder_offers():
    given = {"cont_feats": CONT, "cat_embedder": EMBEDDER, "lookup_init": None, "lookup_act": None, "freeze": True}
    assert build("head", {"name": "NumEmbHead", "do_cat": 0.1}, **given).get_param_count() == 0


def test_embeddings_of_categories_start_at_their_spread():
    tables = [head(cat_embedder=EMBEDDER, cat_init_scale=scale).embeds for scale in (1, 0.1)]
    for wide, narrow in zip(*tables, strict=True):
        torch.testing.assert_close(narrow.weight, 0.1 * wide.weight)
    for scale in (0, -1, "small"):
        with pytest.raises(ConfigError, match=f"cat_init_scale must be a positive number, got {scale!r}"):
            head(cat_embedder=EMBEDDER, cat_init_scale=scale)


def test_the_value_itself_is_scaled_by_quantiles_and_clipped_smoothly():
    bins = {"pt": [0.0, 10.0, 20.0, 40.0, 90.0], "eta": [-2.0, 0.0, 2.0], "run": [7.0]}
    made = NumEmbHead(CONT, width=4, n_bins=5, bins=bins, with_value=True)
    x = torch.tensor([[20.0, 0.0, 7.0], [40.0, 2.0, 9.0], [1e9, -5.0, 7.0]])
    values = vectors(made, x)[:, :, 4]
    z = torch.tensor([[0.0, 0.0, 0.0], [20 / 30, 1.0, 0.0], [70 / 30, -1.0, 0.0]])
    torch.testing.assert_close(values, z / (1 + (z / 3) ** 2).sqrt())
    plain = NumEmbHead(CONT, width=4, n_bins=5, bins=bins)
    plain.cont_embed.embed.load_state_dict(made.cont_embed.embed.state_dict(), strict=False)
    torch.testing.assert_close(vectors(made, x)[:, :, :4], vectors(plain, x))
    assert made.get_out_size() == 15
    assert made.feat_map["eta"] == [5, 6, 7, 8, 9]
    assert torch.equal(vectors(made, torch.full((1, 3), NAN)), torch.zeros(1, 3, 5))
    with pytest.raises(ConfigError, match="with_value=True needs bins"):
        NumEmbHead(CONT, "periodic", with_value=True)
