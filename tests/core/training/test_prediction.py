"""Model.predict: the same numbers whatever comes in, and columns of the fold file."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from lumin_core import (
    BatchYielder,
    Ensemble,
    FoldYielder,
    MatrixHead,
    Model,
    ModelBuilder,
    PredHandler,
    df2foldfile,
)
from lumin_core.data.augmentation import Augmentation
from lumin_core.errors import ConfigError, DataError, FoldFileError, LuminError, ShapeError
from lumin_core.training import Question, predictions


@pytest.fixture(params=["classification", "multiclass", "regression"])
def case(request, make_fy, make_builder, tmp_path):
    fy = make_fy(tmp_path / "a.hdf5", objective=request.param)
    model = Model(make_builder(fy, request.param))
    model.fit(1, fy, 8, seed=1)
    return model, fy


@pytest.fixture
def model(fy, make_builder):
    return Model(make_builder(fy))


def test_every_sort_of_inputs_gives_the_same(case):
    model, fy = case
    x = fy.get_fold(0)["inputs"]
    expected = model.predict(x)
    assert expected.shape == (16, model.n_out)
    assert expected.dtype == np.float32
    if model.objective == "multiclass":
        np.testing.assert_allclose(expected.sum(1), 1, rtol=1e-5)
    frame = pd.DataFrame(x, columns=["a", "b", "c", "d"]).assign(text="x")[["d", "text", "c", "a", "b"]]
    forms = {
        "tensor": torch.from_numpy(x), "double": x.astype(float), "list": x.tolist(), "frame": frame,
        "gradient": torch.from_numpy(x).requires_grad_(), "transposed": np.asfortranarray(x),
        "by": BatchYielder(x, 16, model.objective, shuffle=False),
    }  # fmt: skip
    for name, form in forms.items():
        assert np.array_equal(model.predict(form), expected), name
        as_tensor = model.predict(form, as_np=False)
        assert isinstance(as_tensor, torch.Tensor)
        assert np.array_equal(as_tensor.numpy(), expected), name


@pytest.mark.parametrize("bs", [1, 5, 16, 1000])
def test_the_batch_size_changes_nothing(case, bs):
    model, fy = case
    x = fy.get_fold(0)["inputs"]
    np.testing.assert_allclose(model.predict(x, bs=bs), model.predict(x), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("bs", [0, -1, 2.5, "8"])
def test_a_batch_size_is_a_positive_number(model, bs, shared_path):
    for ask in (model.predict, Ensemble([model]).predict, partial(model.evaluate, targets=np.zeros(2))):
        with pytest.raises(ConfigError, match=f"bs must be a positive integer, got {bs!r}"):
            ask(np.zeros((2, 4)), bs=bs)
    for ask in (model.predict, model.evaluate):
        with pytest.raises(ConfigError, match="bs must be a positive integer"):
            ask(FoldYielder(shared_path), bs=bs)


def test_a_batch_yielder_that_shuffles_and_drops_is_predicted_whole_and_in_order(model, fy):
    x = fy.get_fold(0)["inputs"]
    by = BatchYielder(x, 5, "classification")
    np.testing.assert_allclose(model.predict(by), model.predict(x), rtol=1e-6)
    assert (by.shuffle, by.drop_last, by.device.type) == (True, True, "cpu")


def test_one_event_and_none(model):
    assert model.predict(np.zeros((1, 4))).shape == (1, 1)
    assert model.predict(np.zeros((0, 4))).shape == (0, 1)
    assert model.predict(pd.DataFrame({name: [] for name in "abcd"})).shape == (0, 1)
    assert model.predict(np.zeros((0, 4)), as_np=False).shape == (0, 1)


def test_missing_values_are_read_as_zero_as_by_the_yielder(model):
    x = np.array([[np.nan, np.nan, np.nan, 0.0]] * 2)
    assert np.array_equal(model.predict(x), model.predict(np.zeros((2, 4))))
    assert np.isnan(x[:, :3]).all()


@pytest.mark.parametrize(
    ("inputs", "error", "words"),
    [
        (np.zeros((2, 3)), ShapeError, r"inputs must be \(n, 4\), the 3 continuous and 1 categorical"),
        (np.zeros(4), ShapeError, r"got \(4,\)"),
        (np.zeros((2, 4, 1)), ShapeError, "inputs must be"),
        (np.zeros(()), ShapeError, "inputs must be"),
        (pd.DataFrame({"a": [1.0], "b": [1.0], "d": [0]}), DataError, "the data frame has no 'c'"),
        (pd.DataFrame({"a": [1.0], "b": [1.0], "cc": [0], "d": [0]}), DataError, "no 'c'"),
        (pd.DataFrame({"a": [1.0], "b": [1.0], "c": ["x"], "d": [0]}), DataError, "'c' must hold numbers"),
        (pd.DataFrame({"a": [1.0], "b": [1.0], "c": ["1.5"], "d": [0]}), DataError, "'c' must hold numbers"),
        (pd.DataFrame([[1.0, 1.0, 1.0, 0, 1]], columns=["a", "b", "c", "d", "a"]), DataError, "'a' more than once"),
        (np.array([["a", "b", "c", "d"]]), DataError, "inputs must hold numbers"),
        (np.array([[0, np.inf, 0, 0]]), DataError, "infinite in b; replace or clip"),
        (np.array([[0, 0, 1e300, 0]]), DataError, "infinite in c"),
        (np.array([[0, 0, 0, 3]]), DataError, "'d' has 3 where codes are 0 to 2"),
        (np.array([[0, 0, 0, -1]]), DataError, "codes"),
        (None, LuminError, "inputs"),
        ("abc", LuminError, "inputs"),
        ((np.zeros((2, 4)),), ShapeError, r"\(flat, matrix\)"),
    ],
)
def test_bad_inputs_are_refused_by_name(model, inputs, error, words):
    with pytest.raises(error, match=words):
        model.predict(inputs)


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "category", "uint8", "float16"])
def test_pandas_types_of_numbers_are_welcome(model, dtype):
    frame = pd.DataFrame({"a": [1.0, 0.0], "b": [0, 1], "c": [1, 0], "d": [1, 0]})
    expected = model.predict(frame)
    assert np.array_equal(model.predict(frame.astype({"c": dtype})), expected)


def test_missing_values_of_pandas_types_are_zero(model):
    frame = pd.DataFrame({"a": [1.0, 0.0], "b": [0, 1], "c": pd.array([1, None], dtype="Int64"), "d": [1, 0]})
    assert np.array_equal(model.predict(frame), model.predict(frame.fillna(0)))


def test_inputs_are_never_changed(model):
    class Spoil:
        def on_batch_begin(self, fit_params):
            fit_params.x.zero_()

    x = np.ones((3, 4), "float32")
    model.predict(x, cbs=Spoil())
    assert (x == 1).all()


# Fold files


def copy_of(path, folder):
    import shutil

    return shutil.copy(path, folder / "copy.hdf5")


def test_predictions_become_a_column(case):
    model, fy = case
    fy.foldfile.with_name("b.hdf5").write_bytes(fy.foldfile.read_bytes())
    other = FoldYielder(fy.foldfile.with_name("b.hdf5"))
    assert model.predict(other, pred_name="mine") is None
    expected = np.concatenate([model.predict(fold["inputs"]) for fold in fy])
    column = other.get_column("mine")
    assert column.shape == ((48,) if model.n_out == 1 else (48, 3))
    np.testing.assert_allclose(column.reshape(expected.shape), expected, rtol=1e-6)
    model.predict(other)
    assert {"mine", "pred"} <= set(other.columns())


def test_a_fold_yielder_of_a_file_that_is_read_only_is_refused_and_unchanged(model, shared_path, tmp_path):
    path = tmp_path / "ro.hdf5"
    path.write_bytes(shared_path.read_bytes())
    path.chmod(0o444)
    with pytest.raises(FoldFileError, match="read-only"):
        model.predict(FoldYielder(path))
    assert path.read_bytes() == shared_path.read_bytes()


def test_a_prediction_that_fails_leaves_the_file_as_it_was(model, shared_path, tmp_path):
    class Bad:
        def on_pred_end(self, fit_params):
            if fit_params.fy is not None and len(seen) == 1:
                raise ZeroDivisionError
            seen.append(1)

    seen, path = [], tmp_path / "a.hdf5"
    path.write_bytes(shared_path.read_bytes())
    with pytest.raises(ZeroDivisionError):
        model.predict(FoldYielder(path), cbs=Bad())
    assert path.read_bytes() == shared_path.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["a.hdf5"]


def test_other_features_than_the_models_are_refused(model, shared_path):
    with pytest.raises(ConfigError, match="features of the data are not the builder's"):
        model.predict(FoldYielder(shared_path, ignore_feats="a"))


class Shift(Augmentation):
    """Three variants in prediction: shifted by 0, 1, 2."""

    n_test = 3

    def train(self, fold, rng):
        return fold

    def test(self, fold, idx):
        fold.column("a")[:] += idx
        return fold


def test_test_time_variants_are_averaged(case, tmp_path):
    model, fy = case
    path = tmp_path / "b.hdf5"
    path.write_bytes(fy.foldfile.read_bytes())
    augmented = FoldYielder(path, augmentations=Shift)
    model.predict(augmented)
    expected = np.mean(
        [model.predict(fy.get_fold(1)["inputs"] + np.array([i, 0, 0, 0], "float32")) for i in range(3)], axis=0
    )
    np.testing.assert_allclose(augmented.get_column("pred", fold_idx=1).reshape(expected.shape), expected, rtol=1e-5)


def test_evaluate_refuses_what_has_no_loss(model):
    x = np.zeros((2, 4))
    with pytest.raises(DataError, match="there are no targets"):
        model.evaluate(x)
    with pytest.raises(DataError, match="no events"):
        model.evaluate(np.zeros((0, 4)), np.zeros(0))
    with pytest.raises(DataError, match="targets: column 0 has once NaN"):
        model.evaluate(x, np.array([0, np.nan]))
    with pytest.raises(DataError, match="weights: column 0 has once NaN"):
        model.evaluate(x, np.zeros(2), np.array([1, np.nan]))
    with pytest.raises(DataError, match="weights of the fold sum to 0"):
        model.evaluate(x, np.zeros(2), np.array([1, -1]))
    with pytest.raises(ShapeError, match="one row for each of the 2 events"):
        model.evaluate(x, np.zeros(3))
    with pytest.raises(ShapeError, match="n_out=1 outputs, but the data have 2 targets"):
        model.evaluate(x, np.zeros((2, 2)))
    with pytest.raises(ConfigError, match="holds its own targets"):
        model.evaluate(BatchYielder(x, 2, "classification", np.zeros(2)), np.zeros(2))


# Matrices


class Sum(MatrixHead):
    """Sums the features over the objects."""

    def __init__(self, cont_feats, vecs, feats_per_vec, row_wise=True):
        super().__init__(cont_feats, vecs, feats_per_vec, row_wise)
        self.feat_map = self.map_to_all()

    def forward(self, x):
        return self.get_matrix(x)[0].sum(1)

    def get_out_size(self):
        return self.n_fpv


@pytest.fixture
def with_matrix(tmp_path):
    rng = np.random.default_rng(1)
    columns = {name: rng.normal(size=24) for name in ("met", "j0_px", "j0_py", "j1_px", "j1_py")}
    frame = pd.DataFrame({**columns, "y": rng.integers(0, 2, 24)})
    frame.loc[:3, ["j1_px", "j1_py"]] = np.nan  # absent
    vecs = {"vecs": ["j0", "j1"], "feats_per_vec": ["px", "py"]}
    path = df2foldfile(
        frame,
        2,
        ["met"],
        [],
        "y",
        tmp_path / "matrix",
        "int",
        matrix_vecs=vecs["vecs"],
        matrix_feats_per_vec=vecs["feats_per_vec"],
        matrix_row_wise=True,
        seed=1,
    )
    fy = FoldYielder(path)
    head = {"name": "multi_head", "matrix_head": partial(Sum, **vecs)}
    body = {"name": "fully_connected", "depth": 1, "width": 4}
    model = Model(ModelBuilder.from_fy(fy, "classification", head=head, body=body, seed=1))
    model.fit(2, fy, 4, val_idx=1, metrics="roc_auc_score", seed=1)
    return model, fy


def test_flat_and_matrix_are_predicted_as_from_the_file(with_matrix):
    model, fy = with_matrix
    model.predict(fy)
    for i, fold in enumerate(fy):
        flat, matrix = fold["inputs"]
        expected = fy.get_column("pred", fold_idx=i)
        assert np.isfinite(expected).all()
        forms = [
            (flat, matrix),
            (torch.from_numpy(flat), torch.from_numpy(matrix)),
            (pd.DataFrame({"met": flat[:, 0]}), matrix),
            BatchYielder((flat, matrix), 5, "classification"),
        ]
        for form in forms:
            np.testing.assert_allclose(model.predict(form)[:, 0], expected, rtol=1e-5, atol=1e-7)
        assert model.evaluate((flat, matrix), fold["targets"]) == pytest.approx(
            model.evaluate((flat, matrix), fold["targets"], bs=5)
        )


def test_a_model_of_a_matrix_takes_all_features_flat_too(with_matrix):
    model, fy = with_matrix
    flat, matrix = fy.get_fold(0)["inputs"]
    together = np.hstack([flat, np.nan_to_num(matrix).reshape(len(flat), -1)])
    np.testing.assert_allclose(model.predict(together), model.predict((flat, matrix)), rtol=1e-5)


def test_a_matrix_comes_alone_where_there_are_no_flat_features(with_matrix, tmp_path):
    model, both = with_matrix
    _, matrix = both.get_fold(0)["inputs"]
    with pytest.raises(ShapeError, match=r"inputs must be.*a matrix as \(flat, matrix\)"):
        model.predict(matrix)
    fy = FoldYielder(both.foldfile, ignore_feats=["met"])
    body = {"name": "fully_connected", "depth": 1, "width": 4}
    model = Model(ModelBuilder.from_fy(fy, "classification", head=Sum, body=body, seed=1))
    model.fit(1, fy, 4, val_idx=1, seed=1)
    expected = model.predict((np.zeros((len(matrix), 0)), matrix))
    for alone in (matrix, torch.from_numpy(matrix)):
        assert np.array_equal(model.predict(alone), expected)
    assert model.predict(matrix[:0]).shape == (0, 1)


def test_bad_matrices_are_refused(with_matrix):
    model, fy = with_matrix
    flat, matrix = fy.get_fold(0)["inputs"]
    wrong = matrix.copy()
    wrong[0, 0, 0] = np.inf
    with pytest.raises(DataError, match="matrix has infinite elements"):
        model.predict((flat, wrong))
    with pytest.raises(ShapeError, match="expected a matrix"):
        model.predict((flat, matrix[:, :1]))
    with pytest.raises(ShapeError, match="one row for each"):
        model.predict((flat, matrix[:3]))
    with pytest.raises(DataError, match="numbers"):
        model.predict((flat, "matrix"))


# Several networks, and one as the case of one


@pytest.fixture
def networks(fy, make_builder):
    return [Model(make_builder(fy, seed=seed)) for seed in (1, 2, 3)]


def test_one_network_is_the_case_of_one_bit_for_bit(networks, fy):
    class Odd(PredHandler):
        def get_preds(self):
            return super().get_preds().astype(np.float64) / 3

    x = fy.get_fold(0)["inputs"]
    for make, expected in ((PredHandler, networks[0].predict(x)), (Odd, networks[0].predict(x, pred_cb=Odd()))):
        [(fold, mean, spread)] = predictions(networks[:1], x, Question(make_handler=make))
        assert fold == 0
        assert mean.dtype == expected.dtype
        assert np.array_equal(mean, expected)
        assert not spread.any()
        assert spread.shape == mean.shape


def test_mean_and_spread_are_weighted(networks, fy):
    x, weights = fy.get_fold(0)["inputs"], np.array([1.0, 2.0, 5.0])
    answers = np.stack([network.predict(x).astype(float) for network in networks])
    [(_, mean, spread)] = predictions(networks, x, Question(), weights=weights)
    expected = np.average(answers, 0, weights)
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    np.testing.assert_allclose(spread, np.sqrt(np.average((answers - expected) ** 2, 0, weights)), rtol=1e-4)


def test_who_is_asked_is_chosen_fold_by_fold(networks, fy):
    chosen = {0: [0], 1: [1, 2], 2: [2]}
    found = list(predictions(networks, fy, Question(), chosen=chosen.get))
    assert [fold for fold, *_ in found] == [0, 1, 2]
    for fold, mean, spread in found:
        x = fy.get_fold(fold)["inputs"]
        expected = np.mean([networks[i].predict(x) for i in chosen[fold]], axis=0)
        np.testing.assert_allclose(mean, expected, rtol=1e-6)
        assert spread.any() == (fold == 1)


def test_every_network_is_collected_by_a_callback_of_its_own(networks, fy):
    made, watched = [], []

    class Watch:
        def __init__(self):
            watched.append(self)

        def on_pred_begin(self, fit_params):
            assert fit_params.fy is None

    def make():
        made.append(PredHandler())
        return made[-1]

    x = fy.get_fold(0)["inputs"]
    list(predictions(networks, x, Question(make_handler=make, cbs=Watch)))
    assert len({id(handler) for handler in made}) == 3
    assert [handler.model for handler in made] == networks
    assert len(watched) == 3
