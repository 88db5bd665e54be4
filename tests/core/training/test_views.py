"""Views at prediction: with one ``augment`` the same events give the same scores through every door."""

import logging

import numpy as np
import pytest

from lumin_core import (
    Augmentation,
    BatchYielder,
    Ensemble,
    FoldFileWriter,
    FoldYielder,
    Model,
    ModelBuilder,
    register,
    registry,
    train_models,
)
from lumin_core.data import matrix_entry
from lumin_core.errors import ConfigError
from lumin_core.runs import plan_run, train_one

FEATS = ["a_px", "a_py", "x"]
NAMES = ["c_px", "c_py", "d_px", "d_py"]
MATRIX = matrix_entry(NAMES, ["c", "d"], [False] * 4, ["px", "py"], True, (2, 2))


class Mirror(Augmentation):
    """Mirrors all vectors; they need both of their parts."""

    n_test = 2

    def __init__(self, factor=1.0):
        self.factor = factor

    def train(self, fold, rng):
        return fold

    def test(self, fold, idx):
        if idx:
            px, py = fold.column("a_px").copy(), fold.column("a_py").copy()
            fold.column("a_px")[:], fold.column("a_py")[:] = self.factor * py, self.factor * px
            if fold.matrix is not None:
                fold.matrix[..., 1] *= -1
        return fold


@pytest.fixture(autouse=True)
def mirror():
    with registry.temporary():
        register("augmentation", "mirror", Mirror)
        yield


@pytest.fixture
def make(tmp_path):
    """Give a function that opens a fold file, perhaps with a matrix, and trains a model of its views."""

    def build(augmentations="mirror", matrix=False, seed=1, **options):
        rng, path = np.random.default_rng(1), tmp_path / f"train{matrix}.hdf5"
        if not path.exists():
            entry = MATRIX if matrix else None
            with FoldFileWriter(path, cont_feats=FEATS, targ_feats="y", matrix_feats=entry) as file:
                for fold in range(2):
                    more = {"matrix_inputs": _matrix(rng)} if matrix else {}
                    file.append(fold, inputs=rng.normal(size=(20, 3)), targets=rng.normal(size=20), **more)
        fy = FoldYielder(path, augmentations=augmentations, **options)
        head = {"head": {"name": "multi_head", "matrix_head": "gnn_head"}} if matrix else {}
        model = Model(ModelBuilder.from_fy(fy, "regression", seed=seed, **head))
        model.fit(1, fy, bs=10, visible_bar=False, seed=1)
        return model, fy

    return build


def _matrix(rng):
    matrix = rng.normal(size=(20, 2, 2)).astype(np.float32)
    matrix[::3, 1] = np.nan
    return matrix


def column(fy, name="pred"):
    return fy.get_column(name, fold_idx=0)[:, None]


def through_doors(model, fy, tmp_path):
    """Ask about the first fold at every door with ``augment=True``."""
    plain, x = FoldYielder(fy.foldfile, ignore_feats=fy.get_ignore()), fy.get_fold(0)["inputs"]
    again = Model.from_save(model.save(tmp_path / "saved"))
    model.predict(plain, pred_name="plain", augment=True)
    Ensemble.from_models([model, again]).predict(plain, pred_name="both", augment=True)
    yield from (column(plain, "plain"), column(plain, "both"))
    yield from (asked.predict(x, augment=True) for asked in (model, again, Ensemble.from_models([again])))


@pytest.mark.parametrize("matrix", [False, True])
def test_every_door_gives_the_mean_over_the_views(make, tmp_path, matrix):
    model, fy = make([{"name": "mirror", "factor": 2.0}], matrix)
    model.predict(fy)
    expected = np.mean([model.predict(fy.get_test_fold(0, i)["inputs"], augment=False) for i in (0, 1)], axis=0)
    np.testing.assert_allclose(column(fy), expected, rtol=1e-5, atol=1e-6)
    for answer in through_doors(model, fy, tmp_path):
        np.testing.assert_array_equal(answer, column(fy))
    model.predict(fy, augment=False)
    np.testing.assert_array_equal(column(fy), model.predict(fy.get_fold(0)["inputs"], augment=False))
    assert np.abs(column(fy) - expected).max() > 1e-4


def test_frames_give_features_that_the_model_does_not_use(make):
    model, fy = make(ignore_feats="a_py")
    model.predict(fy)
    frame = FoldYielder(fy.foldfile).get_df(inc_inputs=True, fold_idx=0)
    np.testing.assert_array_equal(model.predict(frame, augment=True), column(fy))
    for lacking in (frame[["a_px", "x"]], fy.get_fold(0)["inputs"]):
        with pytest.raises(ConfigError, match=r"need features that the model does not use .*: a_py; pass a data frame"):
            model.predict(lacking, augment=True)


def test_models_of_other_views_are_each_asked_with_their_own(make):
    models = [make([{"name": "mirror", "factor": factor}], seed=seed)[0] for seed, factor in ((1, 1.0), (2, 3.0))]
    _, fy = make(None)
    Ensemble(models, [1, 3]).predict(fy, augment=True)
    x = fy.get_fold(0)["inputs"]
    expected = 0.25 * models[0].predict(x, augment=True) + 0.75 * models[1].predict(x, augment=True)
    np.testing.assert_allclose(column(fy), expected, rtol=1e-6)


def test_a_model_with_views_says_once_that_it_is_asked_plainly(make, caplog):
    def said():
        return [record.getMessage() for record in caplog.records if record.name == "lumin_core.training.views"]

    model, fy = make()
    x = fy.get_fold(0)["inputs"]
    with caplog.at_level(logging.WARNING):
        model.predict(fy)
        model.predict(x, augment=False)
        model.predict(x, augment=True)
        assert not said()
        for _ in range(2):
            model.predict(x)
            model.predict(FoldYielder(fy.foldfile))
    assert said() == [
        "the model was trained with augmentations that give 2 views of each event, and is asked about events as they "
        "are; augment=True averages over the views, augment=False says that this is meant"
    ]


def test_doors_without_views_refuse_them(make, tmp_path):
    model, fy = make()
    with pytest.raises(ConfigError, match="a BatchYielder holds events as they are"):
        model.predict(BatchYielder(fy.get_fold(0)["inputs"], 10, "regression"), augment=True)
    for asked in (model, Ensemble.from_models([model])):
        with pytest.raises(ConfigError, match="other programs are not given views"):
            asked.export(tmp_path / "a", augment=True)
    plain, _ = make(None)
    for inputs in (fy, fy.get_fold(0)["inputs"]):
        with pytest.raises(ConfigError, match="it was trained without augmentations"):
            plain.predict(inputs, augment=True)


def test_objects_are_views_until_the_model_is_saved(make, tmp_path):
    model, fy = make(Mirror(2.0))
    model.predict(fy)
    x = fy.get_fold(0)["inputs"]
    np.testing.assert_array_equal(model.predict(x, augment=True), column(fy))
    with pytest.raises(ConfigError, match=r"could be saved with the model, and these are objects: .*instance.*mirror"):
        Model.from_save(model.save(tmp_path / "saved")).predict(x, augment=True)


def test_a_model_is_trained_from_the_folder_of_a_run_with_augmentations(make, tmp_path, same_weights):
    _, fy = make([{"name": "mirror", "factor": 2.0}])
    builder, options = ModelBuilder.from_fy(fy, "regression"), {"seed": 1}
    plan_run(fy, 1, 10, builder, 1, savepath=tmp_path / "alone", **options)
    train_one(tmp_path / "alone", 0, visible_bar=False)
    [result] = train_models(fy, 1, 10, builder, 1, savepath=tmp_path / "whole", **options)
    alone = Model.from_save(tmp_path / "alone" / "model_0" / "model")
    assert same_weights(alone, Model.from_save(result["path"]))
    assert alone.record.augmentations == [{"name": "session/mirror", "factor": 2.0}]
