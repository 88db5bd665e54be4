import pytest
import torch

from lumin_core import CatEmbedder, build
from lumin_core.errors import ConfigError, DataError, SavedModelError, ShapeError
from lumin_plugin_tabular import CatEmbHead

CONT = ["pt", "eta"]
EMBEDDER = CatEmbedder(["n_jets", "channel", "charge"], [5, 3, 2], [3, 2, 1])


def inputs(n=6):
    torch.manual_seed(0)
    codes = [torch.randint(size, (n, 1)).float() for size in EMBEDDER.cat_szs]
    return torch.cat([torch.randn(n, 2), *codes], dim=1)


def head(**options):
    return CatEmbHead(CONT, cat_embedder=EMBEDDER, **options)


def test_continuous_features_alone_pass_without_a_copy():
    x = torch.randn(4, 2)
    assert CatEmbHead(CONT)(x) is x


def test_output_holds_continuous_features_and_rows_of_the_embeddings():
    block, x = head(), inputs()
    y = block(x)
    assert y.shape == (6, block.get_out_size()) == (6, 8)
    torch.testing.assert_close(y[:, :2], x[:, :2])
    for i, (name, _, _) in enumerate(EMBEDDER):
        torch.testing.assert_close(y[:, block.feat_map[name]], block.get_embeds()[name][x[:, 2 + i].long()])


def test_feature_map_spans_every_output_once():
    block = head()
    assert list(block.feat_map) == [*CONT, *EMBEDDER.cat_names]
    assert sorted(i for columns in block.feat_map.values() for i in columns) == list(range(block.get_out_size()))


def test_categories_alone():
    block = CatEmbHead([], cat_embedder=EMBEDDER)
    assert block(inputs()[:, 2:]).shape == (6, 6)


def test_empty_batch():
    assert head()(inputs(0)).shape == (0, 8)


def test_gradients_reach_the_rows_that_were_looked_up():
    block = CatEmbHead([], cat_embedder=CatEmbedder(["n_jets"], [4]))
    block(torch.tensor([[1.0], [3.0]])).sum().backward()
    assert block.embeds[0].weight.grad[:, 0].tolist() == [0, 1, 0, 1]


def test_fault_do_cat_drops_embeddings_and_leaves_continuous_inputs():
    block, x = head(do_cat=0.5), inputs(200)
    y = block(x)
    assert torch.equal(y[:, :2], x[:, :2])
    assert 0.4 < (y[:, 2:] == 0).float().mean() < 0.6
    assert torch.equal(block.eval()(x), block(x))


def test_do_cont_drops_continuous_inputs_and_leaves_embeddings():
    block, x = head(do_cont=0.5), inputs(200)
    y = block(x)
    assert 0.4 < (y[:, :2] == 0).float().mean() < 0.6
    assert not (y[:, 2:] == 0).any()


def test_fault_embeddings_are_all_loaded_each_by_its_name(tmp_path):
    saved = head()
    saved.save_embeds(tmp_path / "embeds")
    turned = [values[::-1] for values in (EMBEDDER.cat_names, EMBEDDER.cat_szs, EMBEDDER.emb_szs)]
    turned = CatEmbedder(*turned, emb_load_path=tmp_path / "embeds")
    loaded = CatEmbHead(CONT, cat_embedder=turned).get_embeds()
    assert loaded.keys() == saved.get_embeds().keys()
    for name, table in saved.get_embeds().items():
        assert torch.equal(loaded[name], table)


def test_a_part_of_the_embeddings_is_loaded_by_choice(tmp_path):
    source, target = head(), CatEmbHead(CONT, cat_embedder=CatEmbedder(["channel", "year"], [3, 4]))
    source.save_embeds(tmp_path / "embeds.safetensors")
    year = target.get_embeds()["year"]
    target.load_embeds(tmp_path / "embeds.safetensors", cat_feats=["channel"])
    assert torch.equal(target.get_embeds()["channel"], source.get_embeds()["channel"])
    assert torch.equal(target.get_embeds()["year"], year)


@pytest.mark.parametrize(
    ("embedder", "message"),
    [
        (CatEmbedder(["channel", "year"], [3, 4]), r"cannot load the embeddings of \['year'\]"),
        (CatEmbedder(["channel", "n_jets"], [3, 6], [2, 3]), r"'n_jets'.*\(5, 3\).*\(6, 3\)"),
    ],
)
def test_loading_refuses_what_does_not_fit_and_takes_nothing(tmp_path, embedder, message):
    head().save_embeds(tmp_path / "embeds")
    target = CatEmbHead(CONT, cat_embedder=embedder)
    before = target.get_embeds()
    with pytest.raises(SavedModelError, match=message):
        target.load_embeds(tmp_path / "embeds")
    assert all(torch.equal(before[name], table) for name, table in target.get_embeds().items())


def test_loading_refuses_a_missing_and_a_foreign_file(tmp_path):
    (tmp_path / "foreign.safetensors").write_bytes(b"no safetensors")
    for name in ("missing", "foreign"):
        with pytest.raises(SavedModelError, match=name):
            head().load_embeds(tmp_path / name)


def test_freeze_holds_the_embeddings():
    block = head(freeze=True)
    assert (block.get_param_count(), block.get_param_count(trainable=False)) == (0, 23)
    block.unfreeze_layers()
    assert block.get_param_count() == 23


@pytest.mark.parametrize(("column", "code"), [(2, 5), (2, -1), (4, 2), (3, float("nan"))])
def test_codes_out_of_range_name_the_feature(column, code):
    x = inputs()
    x[3, column] = code
    name, size, _ = list(EMBEDDER)[column - 2]
    with pytest.raises(DataError, match=f"'{name}' has {code:g} where codes are 0 to {size - 1}"):
        head()(x)


@pytest.mark.parametrize("shape", [(4, 4), (4, 6), (5,), (4, 5, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ShapeError, match=r"\(B, 5\), 2 continuous and 3 categorical"):
        head()(torch.zeros(shape))


def test_a_matrix_is_refused_with_the_way_out():
    with pytest.raises(ShapeError, match="multi_head"):
        head()((inputs(), torch.zeros(6, 2, 2)))


@pytest.mark.parametrize("option", ["do_cont", "do_cat"])
def test_rates_out_of_range_are_refused(option):
    with pytest.raises(ConfigError, match=r"in \[0, 1\)"):
        head(**{option: 1.0})


def test_is_built_by_name_with_what_the_builder_offers():
    given = {"cont_feats": CONT, "cat_embedder": EMBEDDER, "lookup_init": None, "lookup_act": None, "freeze": True}
    assert build("head", {"name": "CatEmbHead", "do_cat": 0.1}, **given).get_param_count() == 0


def test_training_takes_categories_away_at_the_rate_and_evaluation_none():
    embedder = CatEmbedder(["n_jets", "channel"], [5, 3], unknown_feats=["channel"], unknown_rate=0.3)
    block = CatEmbHead(["pt"], cat_embedder=embedder)
    torch.manual_seed(0)
    x = torch.tensor([[1.0, 2.0, 0.0]]).repeat(2000, 1)
    y, rows = block(x), block.get_embeds()
    assert torch.equal(y[:, block.feat_map["n_jets"]], rows["n_jets"][[2]].expand(2000, -1))
    taken = (y[:, block.feat_map["channel"]] == rows["channel"][2]).all(dim=1)
    assert torch.equal(y[~taken][:, block.feat_map["channel"]], rows["channel"][[0]].expand(len(y[~taken]), -1))
    assert taken.float().mean().item() == pytest.approx(0.3, abs=0.04)
    assert torch.equal(block.eval()(x)[:, block.feat_map["channel"]], rows["channel"][[0]].expand(2000, -1))
    assert list(block.state_dict()) == ["embeds.0.weight", "embeds.1.weight"]
    block.train().freeze_layers()
    assert torch.equal(block(x), block.eval()(x))
