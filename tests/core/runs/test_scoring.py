"""Scores of events as a converter reads them: those of the fold file that it would make of them."""

import numpy as np
import pytest
from converters import OF_TARGETS, Made, N, ShiftAndScale

from lumin_core import Augmentation, Ensemble, FoldYielder, MatrixHead, Model, ModelBuilder, registry
from lumin_core.errors import ConfigError, DataError, UnknownComponent
from lumin_core.runs import score_files


class SumOfObjects(MatrixHead):
    def __init__(self, cont_feats, vecs, feats_per_vec, row_wise):
        super().__init__(cont_feats, vecs, feats_per_vec, row_wise)
        self.feat_map = self.map_to_all()

    def forward(self, x):
        matrix, mask = self.get_matrix(x)
        return (matrix * mask[..., None]).sum(1)

    def get_out_size(self):
        return self.n_fpv


class Add(Augmentation):
    """Two views: one as it is, one shifted."""

    n_test = 2

    def train(self, fold, rng):
        return fold

    def test(self, fold, idx):
        fold.flat[:, 0] += idx
        return fold


@pytest.fixture(autouse=True)
def session(monkeypatch):
    monkeypatch.setenv("LUMIN_DEVICE", "cpu")
    with registry.temporary():
        registry.register("converter", "made")(Made)
        registry.register("transform", "shift_and_scale")(ShiftAndScale)
        registry.register("head", "sum_of_objects")(SumOfObjects)
        registry.register("augmentation", "add")(Add)
        yield


def train(path, *, seed=1, head="tabular/cat_emb_head", objective="classification", **options):
    fy = FoldYielder(path, **options)
    body = {"name": "fully_connected", "depth": 1, "width": 4}
    model = Model(ModelBuilder.from_fy(fy, objective, n_out=1, head=head, body=body, seed=seed))
    model.fit(1, fy, 10, visible_bar=False, seed=seed)
    return model


def of_fold_file(model, path, **how):
    """Predict the fold file, and bring the predictions into the order of the events."""
    fy = FoldYielder(path)
    fy.add_ignore([feat for feat in fy.input_feats if feat not in [*model.model_builder.cont_feats, "n"]])
    with fy:
        model.predict(fy, **how)
        order = fy.get_column("run")
        return fy.get_column("pred")[np.argsort(order)][:, None]


def both(model, path, **how):
    """Score events as a converter reads them, and the fold file."""
    assert score_files(model, "new.root", **how) == ["scored"]
    first = model if isinstance(model, Model) else model.models[0]
    return Made.last.scores, of_fold_file(first, path, **how)


@pytest.mark.parametrize("ignored", [[], ["b"]])
@pytest.mark.parametrize("saved", [False, True])
def test_scores_are_those_of_the_fold_file_bit_for_bit(tmp_path, ignored, saved):
    Made().convert(tmp_path / "train.hdf5")
    model = train(tmp_path / "train.hdf5", ignore_feats=ignored)
    if saved:
        model = Model.from_save(model.save(tmp_path / "model"))
    scores, expected = both(model, tmp_path / "train.hdf5")
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, expected)
    assert len(np.unique(scores)) > N / 2


@pytest.mark.parametrize("head", ["flat", "multi_head"])
def test_matrices_are_scored_as_from_the_fold_file(tmp_path, head):
    Made(matrix=True).convert(tmp_path / "train.hdf5")
    if head == "flat":
        model = train(tmp_path / "train.hdf5", yield_matrix=False)
    else:
        model = train(tmp_path / "train.hdf5", head={"name": head, "matrix_head": {"name": "sum_of_objects"}})
    scores, expected = both(model, tmp_path / "train.hdf5") if head != "flat" else (None, None)
    if head == "flat":
        score_files(model, "new.root")
        with FoldYielder(tmp_path / "train.hdf5", yield_matrix=False) as fy:
            model.predict(fy)
            expected = fy.get_column("pred")[np.argsort(fy.get_column("run"))][:, None]
        scores = Made.last.scores
    np.testing.assert_array_equal(scores, expected)


def test_views_are_averaged_as_in_the_fold_file(tmp_path):
    Made().convert(tmp_path / "train.hdf5")
    model = train(tmp_path / "train.hdf5", augmentations="add", ignore_feats="b")
    scores, expected = both(model, tmp_path / "train.hdf5", augment=True)
    np.testing.assert_array_equal(scores, expected)
    plain, _ = both(model, tmp_path / "train.hdf5", augment=False)
    assert not np.allclose(scores, plain)


def test_scores_of_a_regression_are_in_the_unit_of_the_targets(tmp_path):
    Made().convert(tmp_path / "train.hdf5")
    model = train(tmp_path / "train.hdf5", objective="regression", output_pipe=OF_TARGETS)
    score_files(model, "new.root")
    scores, scaled = Made.last.scores, of_fold_file(model, tmp_path / "train.hdf5", other_preprocessing=True)
    np.testing.assert_allclose(scores, 10 + 4 * scaled, rtol=1e-6)


def test_an_ensemble_gives_the_mean(tmp_path):
    Made().convert(tmp_path / "train.hdf5")
    models = [train(tmp_path / "train.hdf5", seed=seed) for seed in (1, 2)]
    scores, _ = both(Ensemble(models, [1, 3]), tmp_path / "train.hdf5")
    parts = [of_fold_file(model, tmp_path / "train.hdf5") for model in models]
    np.testing.assert_allclose(scores, (parts[0] + 3 * parts[1]) / 4, rtol=1e-6)


def test_options_are_handed_on(tmp_path):
    Made().convert(tmp_path / "train.hdf5")
    model = train(tmp_path / "train.hdf5")
    score_files(
        model, ["a.root", "b.root"], name="mine", output="x.root", keys="run", tree="T", rntuple=True, progress=print
    )
    files, options = Made.last.asked
    expected = {"name": "mine", "output": "x.root", "keys": ["run"], "tree": "T", "rntuple": True, "overwrite": False}
    expected["progress"] = print
    assert (files, options) == (["a.root", "b.root"], expected)


def test_infinite_inputs_are_named(tmp_path, monkeypatch):
    Made().convert(tmp_path / "train.hdf5")
    model, events = train(tmp_path / "train.hdf5"), Made().events()
    events[0][20, 0] = np.inf
    monkeypatch.setattr(Made, "events", lambda _: events)
    with pytest.raises(DataError, match="inputs are infinite in a"):
        score_files(model, "new.root")


def test_what_cannot_be_scored_says_so(tmp_path):
    Made().convert(tmp_path / "train.hdf5")
    Made(seed=2).convert(tmp_path / "other.hdf5")
    model, other = train(tmp_path / "train.hdf5"), train(tmp_path / "other.hdf5")
    with pytest.raises(ConfigError, match="the models of the ensemble record different recipes"):
        score_files(Ensemble([model, other]), "new.root")
    model.record.recipe = {"name": "elsewhere/made"}
    with pytest.raises(UnknownComponent, match="there is no converter 'elsewhere/made'"):
        score_files(model, "new.root")
    model.record.recipe = {}
    with pytest.raises(ConfigError, match="the model records no recipe, by which it could read such files: train on"):
        score_files(model, "new.root")
