"""Raw inputs: the recorded preprocessing and category maps give what the fold file holds."""

import json

import numpy as np
import pandas as pd
import pytest

from lumin_core import BatchYielder, Ensemble, FoldYielder, Model, ModelBuilder, df2foldfile
from lumin_core.data import add_preprocessing
from lumin_core.errors import ConfigError, DataError
from lumin_core.training.inputs import InputReader, as_batches
from lumin_plugin_tabular import Chain, StandardScaler, proc_cats

CONT = ["pt", "eta", "time"]


def raw_frame(n=40):
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "pt": rng.exponential(50, n),
            "eta": rng.normal(size=n),
            "time": 1.7e9 + rng.uniform(0, 500, n),
            "channel": rng.choice(["ee", "em", "mm"], n),
            "charge": rng.choice([-1, 0, 1], n),
            "y": rng.integers(0, 2, n),
        }
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A frame as it was, and the fold file of what became of it; ``time`` is exact in double precision only."""
    frame = raw_frame()
    chain = Chain([StandardScaler()]).fit(frame[CONT].to_numpy())
    cats = proc_cats(frame, ["channel", "charge"])
    ready, maps = cats.train_df.copy(), cats.cat_maps
    ready[CONT] = chain.transform(frame[CONT].to_numpy())
    path = df2foldfile(
        ready,
        2,
        CONT,
        ["channel", "charge"],
        "y",
        tmp_path_factory.mktemp("raw") / "a",
        "int",
        shuffle=False,
        cat_maps=maps,
    )
    add_preprocessing(path, input_pipe=chain)
    return frame, path


@pytest.fixture(params=[[], ["eta"], ["pt", "channel"]], ids=["all", "less eta", "less pt, channel"])
def model(request, prepared):
    fy = FoldYielder(prepared[1], ignore_feats=request.param)
    model = Model(
        ModelBuilder.from_fy(fy, "classification", seed=1, body={"name": "fully_connected", "depth": 1, "width": 5})
    )
    model.fit(1, fy, 5, seed=1)
    return model, fy


def expected(model, fy):
    return np.concatenate([model.predict(fold["inputs"]) for fold in fy])


def test_raw_frames_give_what_the_file_gives(model, prepared, tmp_path):
    model, fy = model
    frame = prepared[0]
    for asked in (model, Model.from_save(model.save(tmp_path / "m")), Ensemble([model, model])):
        preds = asked.predict(frame.sample(frac=1, random_state=1).sort_index(), raw=True)
        np.testing.assert_allclose(preds, expected(model, fy), rtol=1e-5, atol=1e-7)


def test_raw_arrays_hold_all_features_of_the_file_in_its_order(model, prepared):
    model, fy = model
    cats = [feat for feat in ("channel", "charge") if feat in fy.get_use_cat_feats()]
    raw = prepared[0][[*CONT, *cats]]
    values = raw.to_numpy() if "channel" in cats else raw.to_numpy(dtype=float)
    np.testing.assert_allclose(model.predict(values, raw=True), expected(model, fy), rtol=1e-5, atol=1e-7)


def test_raw_frames_are_not_changed(model, prepared):
    before = prepared[0].copy()
    model[0].predict(prepared[0], raw=True)
    pd.testing.assert_frame_equal(prepared[0], before)


def test_categorical_columns_of_pandas_are_mapped(model, prepared):
    model, fy = model
    frame = prepared[0].astype({"channel": "category", "charge": "category"})
    np.testing.assert_allclose(model.predict(frame, raw=True), expected(model, fy), rtol=1e-5, atol=1e-7)


def test_unknown_categories_are_named(prepared):
    fy = FoldYielder(prepared[1])
    model = Model(ModelBuilder.from_fy(fy, "classification"))
    model.fit(1, fy, 5)
    with pytest.raises(DataError, match=r"'channel' has values that training did not have: \['xx'\]; known are"):
        model.predict(prepared[0].assign(channel="xx"), raw=True)
    with pytest.raises(DataError, match="no 'eta'"):
        model.predict(prepared[0].drop(columns="eta"), raw=True)
    with pytest.raises(ConfigError, match=r"a\.hdf5 holds what was preprocessed: leave it out"):
        model.predict(fy, raw=True)
    with pytest.raises(ConfigError, match="flat inputs alone"):
        model.predict((np.zeros((1, 5)), np.zeros((1, 2))), raw=True)


def test_nothing_recorded_is_said(fy, make_builder):
    model = Model(make_builder(fy))
    with pytest.raises(ConfigError, match="raw=True needs a recorded preprocessing"):
        model.predict(np.zeros((1, 4)), raw=True)


class Odd:
    """A pipeline that cannot be stored."""

    def transform(self, x):
        return x / 3

    def inverse_transform(self, x):
        return x * 3


def test_a_pipeline_that_cannot_be_stored_serves_in_memory_and_is_refused_on_saving(
    shared_path, make_builder, tmp_path
):
    fy = FoldYielder(shared_path, input_pipe=Odd())
    model = Model(make_builder(fy))
    model.fit(1, fy, 8, seed=1)
    x = fy.get_fold(0)["inputs"]
    raw = pd.DataFrame(x * [3, 3, 3, 1], columns=["a", "b", "c", "d"])
    raw["d"] = raw["d"].map({0: "low", 1: "mid", 2: "high"})
    np.testing.assert_allclose(model.predict(raw, raw=True), model.predict(x), rtol=1e-5)
    with pytest.raises(ConfigError, match="Odd"):
        model.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_the_record_is_json(prepared):
    fy = FoldYielder(prepared[1])
    model = Model(ModelBuilder.from_fy(fy, "classification"))
    model.fit(1, fy, 5)
    record = json.loads(json.dumps(model.describe()))
    assert record["features"]["cont_feats"] == CONT
    assert record["cat_maps"]["charge"] == {"0": -1, "1": 0, "2": 1}
    assert record["preprocessing"][0]["name"] == "tabular/standard_scaler"


# The reader by itself


@pytest.fixture
def network(fy, make_builder):
    return Model(make_builder(fy))


def test_columns_are_those_of_training_as_float32(network):
    frame = pd.DataFrame({"d": [1], "z": ["x"], "c": [3.5], "a": [np.nan], "b": [-1]})
    read = as_batches(network, frame).inputs
    assert read.dtype == np.float32
    assert read.tolist() == [[0, -1, 3.5, 1]]
    assert as_batches(network, [[1, 2, 3, 0]]).inputs.tolist() == [[1, 2, 3, 0]]


def test_a_missing_value_stays_missing_until_batches_are_made(network):
    frame = pd.DataFrame({"d": [1], "c": [3.5], "a": [np.nan], "b": [-1]})
    read = InputReader(network.model_builder, network.record).read(frame)
    assert np.array_equal(read, np.array([[np.nan, -1, 3.5, 1]], dtype=np.float32), equal_nan=True)


def test_batches_hold_all_events_in_their_order(network):
    x = np.arange(28, dtype="float32").reshape(7, 4)
    x[:, 3] %= 3
    by = as_batches(network, x, 3, targets=np.zeros(7), weights=np.ones(7))
    assert (by.bs, len(by), by.shuffle, by.drop_last, by.device) == (3, 3, False, False, network.device)
    assert np.array_equal(np.concatenate([batch.numpy() for batch, *_ in by]), x)


def test_batches_that_are_given_stay_as_they_are(network):
    given = BatchYielder(np.zeros((7, 4)), 3, "classification", np.zeros(7))
    network.set_input_mask([0, 1])
    by = as_batches(network, given)
    assert (by.shuffle, by.drop_last, given.shuffle, given.drop_last) == (False, False, True, True)
    assert by.input_mask.tolist() == [0, 1]
    assert given.input_mask is None
    for more in ({"raw": True}, {"targets": np.zeros(7)}, {"weights": np.ones(7)}):
        with pytest.raises(ConfigError, match="a BatchYielder holds its own"):
            as_batches(network, given, **more)
