from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import CatEmbedder, FoldFileWriter, FoldYielder, Model, ModelBuilder, build, registry
from lumin_core.errors import ConfigError, ShapeError
from lumin_core.model.matrix_head import MatrixHead
from lumin_plugin_tabular import CatEmbHead, MultiHead

VECS, FEATS = ["tau", "jet"], ["px", "py"]
CONT = ["tau_px", "met", "tau_py", "jet_px", "mt"]  # jet_py does not exist; flat and matrix features are mixed
EMBEDDER = CatEmbedder(["n_jets"], [4], [2])


class ToyHead(MatrixHead):
    """One output an object and one that depends on all."""

    def __init__(self, cont_feats, vecs, feats_per_vec, scale=1.0, lookup_act=None, freeze=False):
        super().__init__(cont_feats, vecs, feats_per_vec)
        self.lookup_act = lookup_act
        self.scale = nn.Parameter(torch.tensor(scale))
        owner = {f"{vec}_{feat}": i for i, vec in enumerate(vecs) for feat in feats_per_vec}
        self.feat_map = {feat: [owner[feat], len(vecs)] for feat in self.matrix_feats}
        if freeze:
            self.freeze_layers()

    def forward(self, x):
        sums = self.scale * self.get_matrix(x)[0].sum(2)
        return torch.cat((sums, sums.sum(1, keepdim=True)), dim=1)

    def get_out_size(self):
        return self.n_v + 1


@pytest.fixture(autouse=True)
def _toy_head():
    with registry.temporary():
        registry.register("head", "toy_head", ToyHead)
        yield


def head(cont_feats=CONT, matrix_head=None, **options):
    toy = {"name": "toy_head", "vecs": VECS, "feats_per_vec": FEATS}
    return MultiHead(cont_feats, matrix_head or toy, cat_embedder=EMBEDDER, **options)


FLAT = torch.tensor([[1.0, 10, 2, 3, 20, 0], [4, 30, 5, 6, 40, 3]])
PAIR = (torch.tensor([[10.0, 20, 0], [30, 40, 3]]), torch.tensor([[[1.0, 2], [3, 0]], [[4, 5], [6, 0]]]))


def test_flat_and_pair_give_the_same():
    block = head()
    torch.testing.assert_close(block(FLAT), block(PAIR))


def test_flat_features_come_first():
    y = head()(PAIR)
    assert y[:, :2].tolist() == [[10, 20], [30, 40]]
    assert y[:, 4:].tolist() == [[3, 3, 6], [9, 6, 15]]


def test_matrix_features_may_be_left_out_where_a_matrix_comes():
    block = head(["met", "mt"])
    assert block(PAIR)[:, 4:].tolist() == [[3, 3, 6], [9, 6, 15]]
    assert set(block.feat_map) == {"met", "mt", "n_jets", "tau_px", "tau_py", "jet_px", "jet_py"}
    with pytest.raises(ShapeError, match="multi_head takes a pair"):
        block(torch.zeros(2, 3))


def test_fault_feature_map_names_the_output_columns_of_every_feature():
    block = head()
    assert block.feat_map == {
        "met": [0], "mt": [1], "n_jets": [2, 3], "tau_px": [4, 6], "tau_py": [4, 6], "jet_px": [5, 6]
    }  # fmt: skip
    assert {i for columns in block.feat_map.values() for i in columns} == set(range(block.get_out_size()))


@pytest.mark.parametrize("feat", CONT)
def test_outputs_depend_on_the_features_of_the_map(feat):
    block, x = head(), FLAT.clone()
    x[:, CONT.index(feat)] += 1
    changed = (block(x) != block(FLAT)).any(0)
    assert changed.nonzero().flatten().tolist() == block.feat_map[feat]


def test_feature_map_serves_a_multi_block():
    block = head()
    spec = {"name": "multi_block", "blocks": ["ident_body"] * 2, "feats_per_block": [["m*", "n_jets"], ["*_p?"]]}
    body = build("body", spec, n_in=block.get_out_size(), feat_map=block.feat_map)
    torch.testing.assert_close(body(block(FLAT)), block(FLAT))


@pytest.mark.parametrize("form", ["class", "partial"])
def test_heads_come_as_dict_class_and_partial(form):
    matrix_head = partial(ToyHead, vecs=VECS, feats_per_vec=FEATS, scale=2.0)
    flat_head = CatEmbHead if form == "class" else partial(CatEmbHead, do_cat=0.1)
    block = head(matrix_head=matrix_head, flat_head=flat_head)
    assert block(PAIR)[:, 4:].tolist() == [[6, 6, 12], [18, 12, 30]]


def test_is_built_by_name_with_nested_dicts():
    spec = {
        "name": "multi_head",
        "matrix_head": {"name": "toy_head", "vecs": VECS, "feats_per_vec": FEATS, "scale": 2.0},
        "flat_head": {"name": "cat_emb_head", "do_cont": 0.5},
    }
    block = build("head", spec, cont_feats=CONT, cat_embedder=EMBEDDER, freeze=False)
    assert block.get_out_size() == 2 + 2 + 3
    assert block.matrix_head.lookup_act is not None


def test_misspelt_options_of_a_nested_head_are_refused():
    wrong = {"name": "toy_head", "vecs": VECS, "feats_per_vec": FEATS, "scael": 2.0}
    with pytest.raises(ConfigError, match="scale"):
        head(matrix_head=wrong)


def test_freeze_holds_both_heads():
    block = head(freeze=True)
    assert (block.get_param_count(), block.get_param_count(trainable=False)) == (0, 9)
    block.unfreeze_layers()
    assert block.get_param_count() == 9


def test_gradients_reach_both_heads():
    block = head()
    block(PAIR).sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())


def test_tables_are_no_weights():
    assert set(head().state_dict()) == {"flat_head.embeds.0.weight", "matrix_head.scale"}


@pytest.mark.parametrize("shape", [(2, 5), (2, 7), (6,)])
def test_other_flat_shapes_are_refused(shape):
    with pytest.raises(ShapeError, match=r"flat inputs \(B, 6\)"):
        head()(torch.zeros(shape))


@pytest.mark.parametrize("given", [{}, {"vecs": VECS}])
def test_a_matrix_head_without_its_matrix_is_refused(given):
    with pytest.raises(ConfigError, match=r"give matrix_head its .*feats_per_vec"):
        head(matrix_head={"name": "toy_head", **given})


class Keeping(CatEmbHead):
    """Gives what it is given, NaN too."""

    missing = "keep"

    def forward(self, x):
        return x[:, : self.get_out_size()]


class KeepingToy(ToyHead):
    missing = "keep"

    def get_matrix(self, x):
        return x, None


NAN = float("nan")
WITH_NAN = (
    torch.tensor([[NAN, 20, 0], [30, NAN, 3]]),
    torch.tensor([[[NAN, 2], [3, 0]], [[NAN, NAN], [6, 1]]]),  # a gap, and an object that is absent
)


def test_missing_is_zero_where_both_heads_take_zeros():
    assert head().missing == "zero"


@pytest.mark.parametrize("row_wise", [True, False])
def test_the_head_that_takes_zeros_is_given_zeros_beside_one_that_keeps(row_wise):
    block = head(flat_head=Keeping)
    assert block.missing == "keep"
    given = []
    block.flat_head.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    block.matrix_head.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    block.matrix_head.row_wise = row_wise
    flat, matrix = WITH_NAN
    block((flat, matrix if row_wise else matrix.transpose(1, 2)))
    assert given[0].isnan().sum() == 2
    seen = given[1] if row_wise else given[1].transpose(1, 2)
    assert seen[0].tolist() == [[0, 2], [3, 0]]
    assert seen[1, 0].isnan().all()
    assert seen[1, 1].tolist() == [6, 1]


def test_a_matrix_head_that_keeps_does_not_bring_missing_values_into_the_flat_one():
    toy = {"name": "toy_head", "vecs": VECS, "feats_per_vec": FEATS}
    registry.register("head", "toy_head", KeepingToy, override=True)
    block = head(matrix_head=toy)
    assert block.missing == "keep"
    y = block(WITH_NAN)
    assert y[:, :2].tolist() == [[0, 20], [30, 0]]
    assert y[:, -1].isnan().all()


def test_both_heads_are_asked_what_they_need_to_know_of_data(tmp_path):
    class Scaled(ToyHead):
        @classmethod
        def prepare(cls, fy, columns):
            return {"scale": float(len(columns))}

    registry.register("head", "scaled", Scaled)
    with FoldFileWriter(tmp_path / "train.hdf5", cont_feats=CONT, targ_feats="y") as file:
        for i in range(2):
            file.append(i, inputs=np.arange(20.0).reshape(4, 5) + i, targets=np.array([0, 1, 0, 1]))
    heads = {
        "matrix_head": {"name": "scaled", "vecs": VECS, "feats_per_vec": FEATS},
        "flat_head": {"name": "num_emb_head", "n_bins": 4, "width": 2},
    }
    with FoldYielder(tmp_path / "train.hdf5") as fy:
        builder = ModelBuilder.from_fy(fy, "classification", head={"name": "multi_head", **heads})
    told = builder.specs["head"]
    assert list(told["flat_head"]["bins"]) == ["met", "mt"]
    assert told["matrix_head"]["scale"] == 3.0
    assert Model(builder).predict(np.full((2, 5), np.nan)).shape == (2, 1)
    assert MultiHead.prepare(None, CONT, heads["matrix_head"] | {"name": "toy_head"}) == {}
