"""What a builder reads of a fold file, and which features one model is given."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from builders import FEATS, build

from lumin_core import CatEmbedder, FoldYielder, ModelBuilder, df2foldfile, registry
from lumin_core.errors import ConfigError
from lumin_core.model import features
from lumin_core.model.blocks import Body, Head
from lumin_core.model.matrix_head import MatrixHead


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
        "vecs": ["b", "a"],
        "feats_per_vec": ["y", "x"],
        "row_wise": row_wise,
    }
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
        "vecs": ["b", "a"],
        "feats_per_vec": ["y", "x"],
        "row_wise": False,
    }
    flat, matrix = map(torch.from_numpy, fy[0]["inputs"])
    assert torch.allclose(builder.get_head()((flat, matrix)), matrix.sum(2))


def test_features_of_a_file_are_the_flat_ones_and_those_of_its_matrix(tmp_path):
    df = pd.DataFrame(np.random.default_rng(1).normal(size=(20, 3)), columns=["m", "a_x", "b_x"]).assign(t=0, k=1)
    objects = {"matrix_vecs": ["b", "a"], "matrix_feats_per_vec": ["x"], "matrix_row_wise": True}
    path = df2foldfile(df, 2, ["m"], ["k"], "t", tmp_path / "m", "int", **objects)
    assert features.model_features(FoldYielder(path)) == ["m", "b_x", "a_x"]
    assert features.model_features(FoldYielder(path, yield_matrix=False)) == ["m"]
    assert features.model_features(FoldYielder(path, ignore_feats=["m"])) == ["b_x", "a_x"]
    assert features.with_objects("cat_emb_head", FoldYielder(path)) == "cat_emb_head"
    told = features.with_objects(SumOfObjects, FoldYielder(path))
    assert told.keywords == {"vecs": ["b", "a"], "feats_per_vec": ["x"], "row_wise": True}
    assert features.with_objects(SumOfObjects, FoldYielder(path, yield_matrix=False)) is SumOfObjects


def test_outputs_are_counted_over_all_folds(make_fy, tmp_path):
    def one_class_each(fold, columns):
        columns["targets"] = np.full(16, fold % 3)

    fy = make_fy(tmp_path / "m.hdf5", objective="multiclass", change=one_class_each)
    assert features.count_outputs(fy, "multiclass") == 3
    assert features.count_outputs(fy, "regression") == 1


def test_all_columns_are_drawn_where_there_is_no_fraction():
    assert features.draw_columns(None, [], FEATS, n_cat=2, seed=1) is None
    assert features.draw_columns(1.0, [], FEATS, n_cat=2, seed=1).tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_every_feature_is_drawn_equally_often():
    drawn = np.concatenate([features.draw_columns(0.4, [], FEATS, n_cat=0, seed=seed) for seed in range(2000)])
    counts = np.bincount(drawn, minlength=5)
    assert counts.sum() == 4000
    assert np.all(abs(counts - 800) < 4 * np.sqrt(800 * 0.6))


def test_more_guaranteed_features_than_the_fraction_are_all_kept():
    assert features.draw_columns(0.2, ["e", "a", "c"], FEATS, n_cat=1, seed=1).tolist() == [0, 2, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([], None, None, []), "needs inputs"),
        ((["a", "a"], None, None, []), "'a' twice"),
        ((FEATS, None, 0.0, []), r"must be in \(0, 1\], got 0.0"),
        ((FEATS, None, None, ["a"]), "only with cont_subsample_rate"),
        ((FEATS, None, 0.5, ["f"]), "cont_feats has no 'f'"),
    ],
)
def test_features_that_make_no_model_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        features.check(*arguments)


def test_categories_alone_are_inputs():
    features.check([], CatEmbedder(["k"], [3]), None, [])


@pytest.mark.parametrize(
    ("feat_map", "words"),
    [
        ({}, "has no feat_map for a, b"),
        ({"a": [0]}, "has no feat_map for b"),
        ({"a": [0], "b": [2]}, r"says \[2\] for 'b', which must be a list of columns from 0 to 1"),
        ({"a": [0], "b": [-1]}, r"says \[-1\] for 'b'"),
        ({"a": [0], "b": 1}, "says 1 for 'b'"),
        ({"a": [0], "b": [0.5]}, r"says \[0.5\] for 'b'"),
        ({"a": [0], "b": [True]}, r"says \[True\] for 'b'"),
        ({"a": [0], "b": "1"}, "says '1' for 'b'"),
        ([[0], [1]], "must have a dict as feat_map"),
    ],
)
def test_the_map_of_a_head_is_looked_at_when_a_model_is_built(feat_map, words):
    class Mapped(Head):
        def __init__(self, cont_feats):
            super().__init__(cont_feats)
            self.feat_map = feat_map

        def forward(self, x):
            return x

        def get_out_size(self):
            return 2

    with pytest.raises(ConfigError, match=rf"the head '.*Mapped'.*{words}|feat_map of the head '.*Mapped' {words}"):
        ModelBuilder("regression", 1, ["a", "b"], head=Mapped).get_model()


def test_features_without_a_column_are_mapped_to_none():
    class Unused(Head):
        def __init__(self, cont_feats):
            super().__init__(cont_feats)
            self.feat_map = {"a": (np.int64(0),), "b": []}

        def forward(self, x):
            return x[:, :1]

        def get_out_size(self):
            return 1

    assert len(ModelBuilder("regression", 1, ["a", "b"], head=Unused).get_model().model) == 3


@pytest.mark.parametrize("size", ["4", 4.0, None, -4, 0, True])
@pytest.mark.parametrize("part", ["head", "body"])
def test_a_width_is_a_positive_integer(part, size):
    class Sized(Head if part == "head" else Body):
        def forward(self, x):
            return x

        def get_out_size(self):
            return size

    with pytest.raises(ConfigError, match=rf"get_out_size\(\) of the {part} '.*Sized' must be a positive integer"):
        ModelBuilder("regression", 1, ["a"], **{part: Sized}).get_model()


def test_what_a_block_raises_names_it():
    class Raising(Head):
        @property
        def feat_map(self):
            raise RuntimeError("inside")

        @feat_map.setter
        def feat_map(self, value): ...

        def forward(self, x):
            return x

        def get_out_size(self):
            return 1

    class Sizeless(Body):
        def forward(self, x):
            return x

        def get_out_size(self):
            raise KeyError("inside")

    for part, block, error in (("head", Raising, RuntimeError), ("body", Sizeless, KeyError)):
        with pytest.raises(error, match="inside") as raised:
            ModelBuilder("regression", 1, ["a"], **{part: block}).get_model()
        (note,) = raised.value.__notes__
        assert note.startswith(f"raised by the {part} '")
        assert block.__name__ in note
