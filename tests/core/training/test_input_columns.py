"""What is asked with comes as numbers, column by column, and is held once."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from no_numbers import NO_NUMBERS

from lumin_core import BatchYielder, CatEmbedder, Ensemble, FoldFileWriter, FoldYielder, Model, ModelBuilder
from lumin_core.errors import DataError, LuminError, ShapeError
from lumin_core.training import input_columns
from lumin_core.training.input_columns import BLOCK, InputColumns
from lumin_plugin_tabular import StandardScaler

X = np.array([[30.0, 0.5], [40.0, -1.0]])
SECOND = np.array([[False, False], [True, False]])


def model_of(names, seed=1, *, scaler=None, cat_names=()):
    """A small model; with a scaler as its training recorded one."""
    embedder = CatEmbedder(cat_names, [3] * len(cat_names)) if cat_names else None
    body = {"name": "fully_connected", "depth": 1, "width": 4}
    model = Model(ModelBuilder("regression", 1, names, body=body, seed=seed, cat_embedder=embedder))
    if scaler is not None:
        model.record.features = {"cont_feats": names, "file_feats": names}
        model.record.preprocessing = [{"name": "tabular/standard_scaler", **scaler.to_config()}]
    return model


@pytest.fixture(params=["model", "ensemble", "raw"])
def predict(request):
    model = model_of(["pt", "eta"], scaler=StandardScaler().fit(X))
    asked = Ensemble([model, model_of(["pt", "eta"], 2)]) if request.param == "ensemble" else model
    return lambda inputs, **options: asked.predict(inputs, raw=request.param == "raw", **options)


def sorts(x, mask):
    """The same inputs in all sorts of columns; what is masked is missing in each."""
    lacking = np.where(mask, np.nan, x)
    frame = pd.DataFrame(lacking, columns=["pt", "eta"], index=[7] * len(x))
    records = np.array(list(map(tuple, x)), dtype=[("eta", "f4"), ("pt", "f8")][::-1])
    return {
        "array": lacking,
        "single precision, columns first": np.asfortranarray(lacking, dtype=np.float32),
        "tensor": torch.from_numpy(lacking),
        "masked": np.ma.masked_array(x, mask),
        "objects": np.where(mask, None, x.astype(object)),
        "lists": np.where(mask, None, x.astype(object)).tolist(),
        "frame": frame[["eta", "pt"]].assign(text="x"),
        "nullable": frame.astype("Float64"),
        "objects in a frame": frame.astype(object),
        "categories": frame.astype("category"),
        "dict": {"eta": np.ma.masked_array(x[:, 1], mask[:, 1]), "pt": lacking[:, 0], "jets": np.ones((7, 2))},
        "records": np.ma.masked_array(records, [tuple(row) for row in mask]),
    }


@pytest.mark.parametrize("sort", sorts(X, SECOND))
def test_a_missing_value_is_missing_however_it_comes(predict, sort):
    x, lacking = sorts(X, SECOND)[sort], np.where(SECOND, np.nan, X)
    np.testing.assert_allclose(predict(x), predict(lacking), rtol=1e-6)


@pytest.mark.parametrize("sort", sorts(X, SECOND))
@pytest.mark.parametrize("as_np", [True, False])
def test_an_empty_selection_gives_no_prediction(predict, sort, as_np):
    found = predict(sorts(X[:0], SECOND[:0])[sort] if sort != "lists" else np.zeros((0, 2)), as_np=as_np)
    assert tuple(found.shape) == (0, 1)
    assert isinstance(found, np.ndarray if as_np else torch.Tensor)


@pytest.mark.parametrize("what", NO_NUMBERS)
def test_what_is_no_number_is_refused_by_column(predict, what):
    values, frame = NO_NUMBERS[what], pd.DataFrame(X, columns=["pt", "eta"])
    for inputs in (
        frame.assign(eta=values),
        {"pt": X[:, 0], "eta": values},
        np.array([X[:, 0], values], dtype=object).T if what == "numbers and text" else frame.assign(eta=list(values)),
    ):
        with pytest.raises(DataError, match=f"the column 'eta' must hold numbers, got {what}"):
            predict(inputs)
    if what != "numbers and text":
        with pytest.raises(DataError, match=f"inputs must hold numbers, got {what}"):
            predict(np.stack([values, values], axis=1))


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (pd.DataFrame(np.ones((2, 3)), columns=["pt", "eta", "pt"]), "has 'pt' more than once; rename or drop one"),
        ({"pt": [1.0], "etta": [1.0]}, "no 'eta'; did you mean 'etta'"),
        ({"pt": [1.0], "eta": [1.0, 2.0]}, "of one length"),
        ({"pt": [[1.0]], "eta": [1.0]}, "one value an event"),
        (pd.DataFrame({"pt": [np.inf], "eta": [0.0]}), "inputs are infinite in pt"),
        ([[1e300, 0.0]], "inputs are infinite in pt"),
    ],
)
def test_columns_that_do_not_fit_are_refused(inputs, words):
    with pytest.raises(LuminError, match=words):
        model_of(["pt", "eta"]).predict(inputs)


@pytest.mark.parametrize(
    ("module", "line"),
    [("polars.dataframe.frame", r"inputs.to_pandas\(\)"), ("pyarrow.lib", r"inputs.to_pandas\(\)"),
     ("awkward.highlevel", r"ak.to_dataframe\(inputs\)")],
)  # fmt: skip
def test_frames_of_other_libraries_are_refused_with_the_line_that_converts_them(module, line):
    fields = {"fields": ["pt", "eta"]} if module == "awkward.highlevel" else {"columns": ["pt", "eta"]}
    foreign = type("Foreign", (), {"__module__": module, "to_numpy": lambda self: X, **fields})()
    for door in (model_of(["pt", "eta"]).predict, lambda x: BatchYielder(x, 2, "regression")):
        with pytest.raises(DataError, match=f"inputs must be a data frame .* got Foreign; pass {line}"):
            door(foreign)


def test_infinities_are_refused_in_batches_too():
    model, x = model_of(["pt", "eta"]), np.array([[1.0, np.inf]])
    with pytest.raises(DataError, match="inputs are infinite in column 1"):
        model.predict(BatchYielder(x, 1, "regression"))
    with pytest.raises(DataError, match="the matrix has infinite elements"):
        model.predict(BatchYielder((np.ones((1, 2)), x), 1, "regression"))
    with pytest.raises(ShapeError, match=r"the matrix must be \(n, ...\)"):
        model.predict((np.ones((1, 2)), 1.0))


# Codes


def codes_model():
    return model_of(["pt"], cat_names=["charge"])


@pytest.mark.parametrize(
    ("code", "words"),
    [(np.nan, "got nan|missing"), (0.5, "got 0.5"), (-1, "got -1"), (3, "has 3 where codes are 0 to 2")],
)
def test_codes_that_training_did_not_have_are_refused_at_every_door(code, words, tmp_path):
    model = codes_model()
    x = np.array([[30.0, 1.0], [40.0, code]], dtype=np.float32)
    with FoldFileWriter(tmp_path / "f", cont_feats=["pt"], cat_feats=["charge"], targ_feats="y") as file:
        file.append(0, inputs=[[30.0, 5.0 if code == 3 else 1.0]], targets=[0.0])
    doors = [x, torch.from_numpy(x), pd.DataFrame(x, columns=["pt", "charge"]), {"pt": x[:, 0], "charge": x[:, 1]}]
    for asked in (model, Ensemble([model, codes_model()])):
        for inputs in (*doors, BatchYielder(x, 2, "regression")):
            with pytest.raises(DataError, match=f"'charge'.*({words})"):
                asked.predict(inputs)
        if code == 3:
            with pytest.raises(DataError, match=r"fold 0 of f\.hdf5: column 'charge' has 5 where codes are 0 to 2"):
                asked.predict(FoldYielder(tmp_path / "f"))
    with pytest.raises(DataError, match=f"'charge'.*({words})"):
        model.evaluate(x, np.ones(2))
    with pytest.raises(DataError, match=r"'charge' must hold codes 0, 1, 2, \.\.\., got nan"):
        model.predict(np.ma.masked_array(x, [[False, False], [False, True]]))


def test_fault_codes_are_looked_at_before_single_precision_rounds_them():
    x = np.array([[30.0, 1 + 1e-9]])
    frame = pd.DataFrame(x, columns=["pt", "charge"])
    raw = codes_model()
    raw.record.features = {"cont_feats": ["pt"], "file_feats": ["pt"]}
    raw.record.cat_maps = {"flavour": {"0": "b"}}
    for model, options in ((codes_model(), {}), (raw, {"raw": True})):
        for inputs in (
            x,
            x.astype(object),
            torch.from_numpy(x),
            frame,
            frame.astype(object),
            {"pt": [30], "charge": x[0, 1:]},
        ):
            with pytest.raises(
                DataError, match=r"inputs: column 'charge' must hold codes 0, 1, 2, \.\.\., got 1\.0000"
            ):
                model.predict(inputs, **options)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([[1], "a"], r"the column 'charge' must hold one value for each event: unhashable type: 'list'; known are"),
        ([{}, "a"], "one value for each event"),
        ([0.0, 1.0], r"did not have: \[0.0, 1.0\]; known are \['a', 'b'\]; these are codes: give what they mean"),
        (["a", "z"], r"did not have: \['z'\]; known are \['a', 'b'\]; leave these events out"),
    ],
)
def test_raw_categories_without_a_code_are_refused_with_the_way_out(values, words):
    model = codes_model()
    model.record.cat_maps = {"charge": {"0": "a", "1": "b"}}
    with pytest.raises(DataError, match=words):
        model.predict(pd.DataFrame({"pt": [30.0, 40.0], "charge": values}), raw=True)


# Targets and weights


@pytest.mark.parametrize("name", ["targets", "weights"])
def test_targets_and_weights_are_numbers_for_every_event(name):
    model = model_of(["pt", "eta"])
    for what, values in NO_NUMBERS.items():
        with pytest.raises(DataError, match=f"{name} must hold numbers, got {what}"):
            model.evaluate(X, **{"targets": np.ones(2), name: values})
    for lacking in (np.ma.masked_array([1.0, 2.0], [False, True]), pd.Series([1, None], dtype="Int64"), [1.0, None]):
        with pytest.raises(DataError, match=f"{name}: column 0 has once NaN or infinity"):
            model.evaluate(X, **{"targets": np.ones(2), name: lacking})
    for wrong in (np.ones(1), np.ones(3), 1.0):
        with pytest.raises(ShapeError, match=f"{name} must"):
            model.evaluate(X, **{"targets": np.ones(2), name: wrong})


def test_evaluate_takes_targets_and_weights_of_all_sorts():
    model, y, w = model_of(["pt", "eta"]), np.array([1.0, 2.0]), np.array([1.0, 3.0])
    right = model.evaluate(X, y, w)
    assert right == pytest.approx(float(np.average((model.predict(X)[:, 0] - y) ** 2, weights=w)), rel=1e-6)
    frame = pd.DataFrame({"pt": X[:, 0], "eta": X[:, 1], "y": y, "w": w}).astype({"y": "Float64", "w": "Int64"})
    assert model.evaluate(frame, frame["y"], frame["w"]) == right
    assert model.evaluate(X, torch.from_numpy(y), np.ma.masked_array(w, False)) == right


# Memory


def peak_of(call):
    """Give the most memory of numpy's and pandas' that a call holds."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak - before


def test_fault_inputs_are_held_once_at_every_door(monkeypatch):
    """A frame was held four times."""
    monkeypatch.setattr(input_columns, "BLOCK", 1 << 15)
    names, n = [f"x{i}" for i in range(20)], 50_000
    x = np.random.default_rng(1).random((n, 20), dtype=np.float32)
    x[::10, 3] = np.nan
    scaler = StandardScaler().fit(x[:100])
    model, other = model_of(names, scaler=scaler), model_of(names, 2, scaler=scaler)
    frame, columns_first = pd.DataFrame(x, columns=names), np.asfortranarray(x, dtype=np.float64)
    double, both = frame.astype(np.float64), Ensemble([model, other])
    doors = {
        "frame": lambda: model.predict(frame),
        "double precision": lambda: model.predict(double),
        "array": lambda: model.predict(x),
        "columns first": lambda: model.predict(columns_first),
        "dict": lambda: model.predict({name: frame[name].to_numpy() for name in names}),
        "raw frame": lambda: model.predict(frame, raw=True),
        "raw array": lambda: model.predict(x, raw=True),
        "ensemble": lambda: both.predict(frame),
        "raw ensemble": lambda: both.predict_with_spread(frame, raw=True),
        "evaluate": lambda: model.evaluate(frame, x[:, 0]),
    }
    model.predict(frame[:10], raw=True)
    peaks = {door: peak_of(call) / x.nbytes for door, call in doors.items()}
    assert {door: peak for door, peak in peaks.items() if peak > 1.8} == {}


class Halved:
    """A step that notes how many events come at a time."""

    def __init__(self):
        self.came = []

    def transform(self, x):
        self.came.append(len(x))
        return x / 2


def test_a_preprocessing_is_applied_in_blocks_that_hold_every_row_once():
    n, step = BLOCK // 2 + 3, Halved()
    columns = InputColumns.of({"a": np.arange(n), "b": np.arange(n) / 2, "c": np.ones(n)}, ["b", "a", "c"])
    table = columns.prepared(["b", "a"], ["a"], [step], {})
    assert step.came == [BLOCK // 2, 3]
    np.testing.assert_array_equal(table, np.stack([np.arange(n) / 2, np.ones(n)], axis=1))
