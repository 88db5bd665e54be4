"""Bad input gets one clear error of ours, and leaves files as they were."""

import h5py
import numpy as np
import pytest

from lumin_core import FoldYielder, Model, ModelBuilder, train_models
from lumin_core.data.augmentation import Augmentation
from lumin_core.errors import ConfigError, DataError, FoldFileError, LuminError, ShapeError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def write_foreign(path, n_folds=2, n=8, **columns):
    """Write a fold file as others do, unchecked."""
    rng = np.random.default_rng(1)
    data = {
        "inputs": rng.normal(size=(n, 2)).astype("float32"),
        "targets": rng.integers(0, 2, n).astype("float32"),
        **columns,
    }
    with h5py.File(path, "w") as file:
        for i in range(n_folds):
            for name, values in data.items():
                file[f"fold_{i}/{name}"] = values
        for name, text in {"cont_feats": '["a", "b"]', "cat_feats": "[]", "targ_feats": '"y"'}.items():
            file[f"meta_data/{name}"] = text
    return path


def with_value(shape, value, dtype="float32"):
    values = np.zeros(shape, dtype=dtype)
    values.flat[3] = value
    return values


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        ({"inputs": with_value((8, 2), np.inf)}, DataError, "'b'.*infinite"),
        ({"targets": with_value(8, np.nan)}, DataError, "'y'.*NaN"),
        ({"targets": with_value(8, np.inf)}, DataError, "'y'.*infinity"),
        ({"weights": with_value(8, np.nan)}, DataError, "'weights'.*NaN"),
        ({"weights": with_value(8, -np.inf)}, DataError, "'weights'.*infinity"),
        ({"weights": np.zeros(8)}, DataError, "weights of the fold sum to 0"),
        ({"weights": np.tile([1, -1], 4)}, DataError, "weights of the fold sum to 0"),
        ({"weights": np.ones(7)}, FoldFileError, "fold_0/weights must have 8 rows"),
        ({"targets": np.ones(7)}, FoldFileError, "fold_0/targets must have 8 rows"),
        ({"targets": with_value(8, 2)}, DataError, r"must be in \[0, 1\], got 0.0 to 2.0; use objective='multiclass'"),
        ({"targets": with_value(8, -1)}, DataError, r"must be in \[0, 1\]"),
        ({"targets": np.ones((8, 2))}, ShapeError, "n_out=1 outputs, but the data have 2 targets"),
        ({"targets": np.array([b"signal"] * 8)}, FoldFileError, "targets must be a dataset of numbers, got .S6"),
        ({"inputs": np.array([[b"a", b"b"]] * 8)}, FoldFileError, "inputs must be a dataset of numbers, got .S1"),
        ({"inputs": np.zeros((0, 2)), "targets": np.zeros(0)}, DataError, "0 events, less than a batch"),
    ],
)
@pytest.mark.parametrize("way", ["fit", "train_models"])
def test_bad_data_of_others_are_refused(tmp_path, folder, columns, error, words, way):
    path = write_foreign(tmp_path / "a.hdf5", **columns)
    before = path.read_bytes()
    builder = ModelBuilder("classification", 1, ["a", "b"], model_args={"body": {"depth": 1, "width": 3}})
    train = {
        "fit": lambda: Model(builder).fit(1, FoldYielder(path), 4, val_idx=0),
        "train_models": lambda: train_models(FoldYielder(path), 2, 4, builder, 1),
    }
    with pytest.raises(error, match=words):
        train[way]()
    assert path.read_bytes() == before
    assert [path.suffix for path in folder.rglob("*") if path.is_file()] in ([], [".json"])


@pytest.mark.parametrize(
    ("targets", "n_out", "words"),
    [
        (with_value(8, 3), 3, "below n_out=3, got 3"),
        (with_value(8, -1), 3, "classes 0, 1, 2, ..., got -1"),
        (with_value(8, 1.5), 3, "classes 0, 1, 2, ..., got 1.5"),
        (np.ones((8, 2)), 3, "class"),
    ],
)
def test_targets_of_multiclass_must_be_classes(tmp_path, folder, targets, n_out, words):
    fy = FoldYielder(write_foreign(tmp_path / "a.hdf5", targets=targets))
    builder = ModelBuilder("multiclass", n_out, ["a", "b"], model_args={"body": {"depth": 1, "width": 3}})
    with pytest.raises((DataError, ShapeError), match=words):
        Model(builder).fit(1, fy, 4, val_idx=0)
    if targets.ndim == 1:
        with pytest.raises(DataError, match=words):
            Model(builder).evaluate(np.zeros((8, 2)), targets)


def test_multiclass_of_one_output_is_refused():
    with pytest.raises(ConfigError, match="multiclass needs at least 2 outputs, got n_out=1"):
        ModelBuilder("multiclass", 1, ["a"]).get_model()


@pytest.mark.parametrize("loss", ["mse_loss", "l1_loss", "weighted_mse", "huber_loss"])
@pytest.mark.parametrize("n_out", [2, 3])
def test_outputs_and_targets_are_never_broadcast(fy, make_builder, loss, n_out):
    model = Model(make_builder(fy, "regression", n_out=n_out, loss=loss))
    with pytest.raises(ShapeError):
        model.fit(1, fy, 8)
    with pytest.raises(ShapeError):
        model.evaluate(*fy.get_fold(0).values())


def test_a_tail_that_does_not_end_in_probabilities_is_said(fy, make_builder):
    model = Model(
        make_builder(
            fy, tail="ident_tail", n_out=1, body={"name": "fully_connected", "depth": 1, "width": 1, "act": "linear"}
        )
    )
    with pytest.raises(DataError, match=r"the loss BCELoss.* cannot take these outputs"):
        model.fit(5, fy, 8, seed=1)


def test_code_beyond_the_cardinality_is_named(make_fy, make_builder, tmp_path):
    from lumin_core import CatEmbedder

    fy = make_fy(tmp_path / "a.hdf5")
    with pytest.raises(DataError, match="'d' has 2 where codes are 0 to 1"):
        Model(make_builder(fy, cat_embedder=CatEmbedder(["d"], [2]))).fit(1, fy, 16, seed=1)


@pytest.mark.parametrize("content", [b"", b"not hdf5", None])
def test_files_that_are_no_fold_files_are_refused(tmp_path, shared_path, content):
    path = tmp_path / "a.hdf5"
    path.write_bytes(shared_path.read_bytes()[:3000] if content is None else content)
    with pytest.raises(FoldFileError, match=r"no HDF5 file, truncated|no fold file"):
        FoldYielder(path)


def test_a_file_that_is_truncated_inside_is_refused_in_training(make_fy, make_builder, tmp_path, folder):
    fy = make_fy(tmp_path / "a.hdf5", n=4000)
    builder = make_builder(fy)
    fy.close()
    content = fy.foldfile.read_bytes()
    fy.foldfile.write_bytes(content[: len(content) // 2])
    with pytest.raises(FoldFileError):
        Model(builder).fit(1, FoldYielder(fy.foldfile), 8)


class Broken(Augmentation):
    """Returns what is no fold, or one that is too small."""

    def __init__(self, result):
        self.result = result

    def train(self, fold, rng):
        return self.result(fold)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda fold: None, "Broken must return the fold"),
        (
            lambda fold: {"inputs": fold["inputs"][:3], "targets": fold["targets"][:3], "weights": fold["weights"][:3]},
            "less than a batch",
        ),
        (lambda fold: {**fold, "targets": fold["targets"][:3]}, "one row for each"),
    ],
)
def test_augmentations_that_go_wrong_are_said(shared_path, make_builder, result, words):
    fy = FoldYielder(shared_path, augmentations=Broken(result))
    with pytest.raises(LuminError, match=words):
        Model(make_builder(fy)).fit(1, fy, 8)


def test_a_batch_yielder_of_another_type_is_used(shared_path, make_builder):
    from lumin_core import BatchYielder

    class Mine(BatchYielder):
        made = 0

        def __init__(self, *args, **options):
            Mine.made += 1
            super().__init__(*args, **options)

    fy = FoldYielder(shared_path, batch_yielder_type=Mine)
    Model(make_builder(fy)).fit(1, fy, 8, val_idx=0, seed=1)
    assert Mine.made == 3


def test_wrong_types_everywhere_are_our_errors(fy, make_builder):
    model = Model(make_builder(fy))
    for options in (
        {"n_epochs": None},
        {"bs": None},
        {"val_idx": [1]},
        {"trn_idxs": "01"},
        {"trn_idxs": 1.5},
        {"cbs": 3},
        {"cbs": [None]},
        {"cbs": {"nam": "x"}},
        {"metrics": 3, "val_idx": 0},
        {"metrics": [None], "val_idx": 0},
        {"seed": "x"},
    ):
        with pytest.raises(LuminError):
            model.fit(**{"n_epochs": 1, "fy": fy, "bs": 8, **options})
    with pytest.raises(ConfigError):
        _ = model["haed"]
