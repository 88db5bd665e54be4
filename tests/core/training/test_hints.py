"""What is hardly ever meant is said, once, and nothing else is."""

import numpy as np
import pandas as pd
import pytest

from lumin_core import Ensemble, FoldYielder, Model, ModelBuilder, df2foldfile
from lumin_core.data import add_preprocessing
from lumin_core.training import hints
from lumin_plugin_tabular import fit_input_pipe

N = 60


@pytest.fixture
def said(caplog):
    """What was said up to now."""
    return lambda: [record.getMessage() for record in caplog.records if record.name == hints.__name__]


@pytest.fixture
def frame():
    rng = np.random.default_rng(1)
    return pd.DataFrame({"pt": rng.exponential(80, N), "eta": rng.normal(size=N), "y": np.arange(N) % 2})


@pytest.fixture
def open_file(tmp_path):
    def write(df, name="train", **options):
        path = df2foldfile(df, 3, ["pt", "eta"], [], "y", tmp_path / name, "int", seed=1, overwrite=True, **options)
        return FoldYielder(path)

    return write


@pytest.fixture
def scaled(frame):
    return frame.assign(pt=(frame["pt"] - 80) / 80)


def fitted(fy, trn_idxs=None):
    model = Model(ModelBuilder.from_fy(fy, "classification", seed=1))
    model.fit(1, fy, bs=10, trn_idxs=trn_idxs, visible_bar=False, seed=1)
    return model


def test_inputs_that_were_not_scaled_are_named_once(frame, scaled, open_file, said):
    fitted(open_file(scaled))
    assert not said()
    fy = open_file(frame)
    fitted(fy)
    fitted(fy)
    assert said() == [
        "train.hdf5 has inputs far from 0 and a spread of 1: pt; networks learn badly from such: scale them "
        "(fit_input_pipe of lumin-plugin-tabular) before the file is written"
    ]


@pytest.mark.parametrize("column", [[1e3] + [0.0] * 99, [np.nan] * 50 + [1.0] * 50, []])
def test_some_outliers_and_missing_values_are_not_far(column):
    assert hints.far_columns(np.array(column, dtype=np.float32).reshape(-1, 1), ["x"]) == []


def test_columns_behind_the_names_are_codes():
    assert hints.far_columns(np.array([[0.0, 211.0]]), ["x"]) == []


def test_raw_inputs_of_a_model_that_was_trained_on_others(frame, scaled, open_file, said):
    fy = open_file(scaled)
    model = fitted(fy)
    model.predict(frame)  # nothing is known of the training data
    assert not said()
    add_preprocessing(fy.foldfile, input_pipe=fit_input_pipe(frame, ["pt", "eta"]))
    model = fitted(FoldYielder(fy.foldfile))
    model.predict(scaled)
    model.predict(frame, raw=True)
    assert not said()
    expected = (
        "inputs are far from 0 and a spread of 1: pt; the model was trained on data that were preprocessed: raw=True "
        "does the same to these"
    )
    model.predict(frame)
    assert said() == [expected]
    model.predict(open_file(frame, "raw"))
    model.evaluate(open_file(frame, "raw"))
    Ensemble([model, model]).predict(frame)
    assert said() == [expected] * 4


def test_who_was_trained_on_the_events_is_said_by_number(scaled, open_file, said):
    fy = open_file(scaled)
    models = [fitted(fy, [0, 1]), fitted(fy, [2])]
    ensemble = Ensemble(models)
    ensemble.predict(fy, out_of_fold=True)
    models[0].predict(open_file(scaled.iloc[::-1].assign(eta=0.0), "test"))
    models[0].predict(scaled)
    assert not said()
    models[0].predict(fy)
    ensemble.predict(fy, n_models=1)
    ensemble.predict(fy)
    assert [message.partition(" trained on events of train.hdf5")[0] for message in said()] == [
        "the model was",
        "1 of 2 models were",
        "2 of 2 models were",
    ]
    assert "out_of_fold=True" in said()[0]
