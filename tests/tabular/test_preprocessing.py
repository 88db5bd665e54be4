import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn import decomposition, pipeline, preprocessing

from lumin_core import FoldYielder, Transform, df2foldfile, register, registry
from lumin_core.errors import ConfigError, DataError, UnknownComponent
from lumin_plugin_tabular import (
    PCA,
    Chain,
    StandardScaler,
    fit_input_pipe,
    fit_output_pipe,
    from_sklearn,
    get_pre_proc_pipes,
    load_pipe,
)

FEATS = ["pt", "eta", "phi"]


@pytest.fixture
def df():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(3, 2, (100, 3)), columns=FEATS)
    return frame.assign(mass=125 + 15 * frame["pt"], w=rng.uniform(0, 2, 100), label=np.arange(100) % 2)


@pytest.mark.parametrize(
    ("options", "steps_in", "steps_out"),
    [
        ({}, [StandardScaler], []),
        ({"norm_in": False}, [], []),
        ({"norm_out": True}, [StandardScaler], [StandardScaler]),
        ({"pca": True, "n_components": 2}, [PCA, StandardScaler], []),
        ({"pca": True, "whiten": True, "norm_in": False}, [PCA], []),
    ],
)
def test_pipes_have_the_steps_that_were_asked_for(options, steps_in, steps_out):
    input_pipe, output_pipe = get_pre_proc_pipes(**options)
    assert ([type(step) for step in input_pipe], [type(step) for step in output_pipe]) == (steps_in, steps_out)


@pytest.mark.parametrize("options", [{"whiten": True}, {"n_components": 2}])
def test_options_of_pca_without_it_are_refused(options):
    with pytest.raises(ConfigError, match="set pca=True"):
        get_pre_proc_pipes(**options)


def test_input_pipe_standardises(df):
    y = fit_input_pipe(df, FEATS).transform(df[FEATS])
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(y.std(0), 1)


def test_input_pipe_equals_scikit_learn(df):
    theirs = pipeline.make_pipeline(decomposition.PCA(2), preprocessing.StandardScaler()).fit(df[FEATS].to_numpy())
    ours = fit_input_pipe(df, FEATS, pca=True, n_components=2)
    np.testing.assert_allclose(ours.transform(df[FEATS]), theirs.transform(df[FEATS].to_numpy()), atol=1e-9)


def test_chain_without_steps_changes_nothing(df):
    pipe = fit_input_pipe(df, FEATS, norm_in=False)
    np.testing.assert_array_equal(pipe.transform(df[FEATS].to_numpy()), df[FEATS].to_numpy())


def test_event_weights_count(df):
    heavy = pd.concat([df, df.head(30)]).assign(w=1.0)
    weighted = fit_input_pipe(df.assign(w=np.r_[np.full(30, 2.0), np.ones(70)]), FEATS, wgt_feat="w")
    np.testing.assert_allclose(weighted.transform(df[FEATS]), fit_input_pipe(heavy, FEATS).transform(df[FEATS]))


def test_weights_with_pca_are_refused(df):
    with pytest.raises(ConfigError, match="PCA cannot be fitted to weighted events"):
        fit_input_pipe(df, FEATS, pca=True, wgt_feat="w")


@pytest.mark.parametrize("given", ["ours", "scikit-learn"])
def test_a_given_pipe_is_fitted_in_a_copy(df, given):
    pipe = get_pre_proc_pipes()[0] if given == "ours" else pipeline.make_pipeline(preprocessing.StandardScaler())
    fitted = fit_input_pipe(df, FEATS, input_pipe=pipe)
    np.testing.assert_array_equal(fitted.transform(df[FEATS]), fit_input_pipe(df, FEATS).transform(df[FEATS]))
    step = pipe[0]
    assert not (step.is_fitted if given == "ours" else hasattr(step, "mean_"))


def test_fault_output_pipe_without_norm_changes_nothing(df):
    pipe = fit_output_pipe(df, ["mass"], norm_out=False)
    np.testing.assert_array_equal(pipe.transform(df[["mass"]].to_numpy()), df[["mass"]].to_numpy())


def test_fault_output_pipe_takes_a_single_name(df):
    pipe = fit_output_pipe(df, "mass")
    y = pipe.transform(df[["mass"]])
    assert abs(y.mean()) < 1e-9
    np.testing.assert_allclose(pipe.inverse_transform(y), df[["mass"]])


def test_data_frame_is_left_alone(df):
    before = df.copy()
    fit_input_pipe(df, FEATS, wgt_feat="w")
    fit_output_pipe(df, "mass")
    pd.testing.assert_frame_equal(df, before)


@pytest.mark.parametrize("name", ["pipe", "pipe.json", "v1.2"])
def test_saved_pipe_is_json_and_gives_the_same(df, tmp_path, name):
    pipe = fit_input_pipe(df, FEATS, tmp_path / name, pca=True)
    path = tmp_path / (name if name.endswith(".json") else f"{name}.json")
    assert json.loads(path.read_text())["steps"][0]["name"] == "tabular/pca"
    np.testing.assert_array_equal(load_pipe(tmp_path / name).transform(df[FEATS]), pipe.transform(df[FEATS]))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_failed_save_keeps_the_old_file(df, tmp_path):
    class Nameless(StandardScaler):
        pass

    fit_input_pipe(df, FEATS, tmp_path / "pipe")
    with pytest.raises(ConfigError, match="Nameless cannot be stored"):
        Chain([Nameless()]).save(tmp_path / "pipe")
    assert len(load_pipe(tmp_path / "pipe")) == 1


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '{"format": 2, "steps": []}', '{"format": 1, "steps": 3}', "\x80"]
)
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "pipe.json").write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=r"pipe.json"):
        load_pipe(tmp_path / "pipe")
    with pytest.raises(DataError, match=r"missing\.json"):
        load_pipe(tmp_path / "missing")


def test_fitted_pipelines_of_scikit_learn_are_converted(df):
    x = df[FEATS].to_numpy()
    theirs = pipeline.Pipeline(
        [("pca", decomposition.PCA(whiten=True)), ("none", "passthrough"), ("norm", preprocessing.StandardScaler())]
    ).fit(x)
    ours = from_sklearn(theirs)
    np.testing.assert_allclose(ours.transform(x), theirs.transform(x), atol=1e-9)
    np.testing.assert_allclose(ours.inverse_transform(ours.transform(x)), x, atol=1e-9)


def test_unknown_steps_of_scikit_learn_are_refused(df):
    theirs = pipeline.make_pipeline(preprocessing.MaxAbsScaler()).fit(df[FEATS].to_numpy())
    with pytest.raises(ConfigError, match="MaxAbsScaler cannot be stored"):
        from_sklearn(theirs)


def test_missing_values_are_left_out(df):
    holes = df.assign(eta=df["eta"].where(df.index % 2 == 0))
    y = fit_input_pipe(holes, FEATS).transform(holes[FEATS])
    assert np.isnan(y[1::2, 1]).all()
    assert abs(np.nanmean(y[:, 1])) < 1e-9


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (np.r_[np.inf, np.zeros(99)], r"columns \['eta'\] hold 1 infinite"),
        (np.full(100, np.nan), r"columns \['eta'\] hold no value"),
        (["text"] * 100, "the column 'eta' of the data must hold numbers, got text"),
        (["1.5"] * 100, "the column 'eta' of the data must hold numbers, got text"),
        ([1.0] * 99 + ["2"], "the column 'eta' of the data must hold numbers, got numbers and text"),
        (pd.date_range("2020", periods=100), "the column 'eta' of the data must hold numbers, got dates"),
        (pd.to_timedelta(range(100), "s"), "the column 'eta' of the data must hold numbers, got durations"),
        (np.full(100, 1j), "the column 'eta' of the data must hold numbers, got complex"),
    ],
)
def test_columns_that_cannot_be_fitted_are_refused_by_name(df, column, message):
    with pytest.raises(DataError, match=message):
        fit_input_pipe(df.assign(eta=column), FEATS)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"cont_feats": ["pt", "etaa"]}, DataError, "'etaa'; did you mean 'eta'"),
        ({"cont_feats": FEATS, "wgt_feat": "ww"}, DataError, "'ww'"),
        ({"cont_feats": ["pt", "pt"]}, ConfigError, "twice"),
    ],
)
def test_names_that_do_not_fit_are_refused(df, arguments, error, message):
    with pytest.raises(error, match=message):
        fit_input_pipe(df, **arguments)


def test_yielder_takes_the_pipe_and_undoes_it(df, tmp_path):
    pipe = fit_input_pipe(df, FEATS)
    scaled = df.assign(**dict(zip(FEATS, pipe.transform(df[FEATS]).T, strict=True)))
    path = df2foldfile(scaled, 4, FEATS, [], ["label"], tmp_path / "scaled", "int", shuffle=False)
    with FoldYielder(path, input_pipe=pipe) as fy:
        back = fy.get_df(inc_inputs=True, deprocess=True)
    np.testing.assert_allclose(back[FEATS].sum(), df[FEATS].sum(), rtol=1e-4)


@pytest.mark.parametrize("dtype", ["Float64", "Float32", "Int64", "boolean", "object", "category"])
def test_fault_missing_values_of_all_sorts_of_columns_are_left_out(dtype):
    """Nullable columns with NA were refused, and categories blamed."""
    df = pd.DataFrame({"a": pd.array([1, None, 0], dtype=dtype), "b": [1.0, 2.0, 3.0]})
    for feats in (["a", "b"], ["a"]):
        given = fit_input_pipe(df, feats).transform(df[feats])[:, 0]
        np.testing.assert_allclose(given, [1, np.nan, -1])
    np.testing.assert_allclose(fit_output_pipe(df, "a").transform(df[["a"]])[:, 0], [1, np.nan, -1])
    with pytest.raises(DataError, match="weights must be finite"):
        fit_input_pipe(df, "b", wgt_feat="a")


def test_dicts_and_records_are_fitted_as_frames_are(df):
    right = fit_input_pipe(df, FEATS, wgt_feat="w").transform(df[FEATS])
    masked = {name: np.ma.masked_array(df[name].to_numpy(), False) for name in df}
    for data in (masked, df.to_records()):
        np.testing.assert_array_equal(fit_input_pipe(data, FEATS, wgt_feat="w").transform(df[FEATS]), right)


def test_columns_that_come_twice_are_refused(df):
    for twice in ("eta", "w"):
        with pytest.raises(DataError, match=f"the data have 2 columns '{twice}'; rename or drop all but one"):
            fit_input_pipe(pd.concat([df, df[[twice]]], axis=1), FEATS, wgt_feat="w")


@pytest.mark.parametrize("key", ["steps", "input_pipe"])
@pytest.mark.parametrize(
    "spec",
    [
        "standard_scaler",
        {"name": "tabular/standard_scaler", "with_mean": True},
        ["standard_scaler"],
        StandardScaler,
        [partial(StandardScaler, with_std=True)],
    ],
)
def test_fault_transforms_are_chosen_by_name(key, spec, df):
    chain = fit_input_pipe(df, "pt", **{key: spec})
    expected = fit_input_pipe(df, "pt")
    np.testing.assert_array_equal(chain.transform(df[["pt"]]), expected.transform(df[["pt"]]))


def test_a_registered_transform_is_named_stored_and_read_back(df, tmp_path):
    class Logarithm(Transform):
        def __init__(self, base=np.e):
            self.base = base

        def transform(self, x):
            return np.log(x) / np.log(self.base)

        def inverse_transform(self, x):
            return self.base**x

        def to_config(self):
            return {"base": self.base}

    df = df[["pt"]].abs() + 1
    with registry.temporary():
        register("transform", "logarithm", Logarithm)
        chain = fit_input_pipe(
            df, "pt", tmp_path / "pipe", steps=[{"name": "logarithm", "base": 10.0}, "standard_scaler"]
        )
        assert load_pipe(tmp_path / "pipe")[0].base == 10.0
        x = chain.transform(df[["pt"]])
        np.testing.assert_allclose(chain.inverse_transform(x), df[["pt"]], rtol=1e-6)
        named = fit_output_pipe(df, "pt", steps="logarithm")
        np.testing.assert_allclose(named.transform(df[["pt"]]), np.log(df[["pt"]]))


@pytest.mark.parametrize(
    ("steps", "error", "words"),
    [
        ("standart_scaler", UnknownComponent, "standard_scaler"),
        ({"name": "standard_scaler", "with_meen": 1}, ConfigError, "has no option 'with_meen'"),
        ({"with_mean": 1}, ConfigError, "must be"),
        (int, ConfigError, "subclass of"),
    ],
)
def test_names_and_options_that_there_are_not_are_refused(steps, error, words, df):
    with pytest.raises(error, match=words):
        fit_input_pipe(df, "pt", steps=steps)
    with pytest.raises(ConfigError, match="give one of them"):
        fit_input_pipe(df, "pt", steps=steps, input_pipe="standard_scaler")


def test_a_pipeline_knows_its_columns(tmp_path):
    df = pd.DataFrame({"pt": [30.0, 50.0, 40.0], "eta": [-1.0, 1.0, 0.5], "y": [0, 1, 0]})
    pipe = fit_input_pipe(df, ["pt", "eta"])
    words = "the pipeline was fitted to pt, eta, in this order, got eta, pt"
    with pytest.raises(DataError, match=words):
        pipe.transform(df[["eta", "pt"]])
    assert np.array_equal(pipe.transform(df[["pt", "eta"]]), pipe.transform(df[["pt", "eta"]].to_numpy()))
    words = "preprocessing was fitted to 2 columns, pt, eta, in this order, and cont_feats are"
    for feats, given in ((["pt"], pipe), (["eta", "pt"], {"inputs": pipe})):
        with pytest.raises(ConfigError, match=words):
            df2foldfile(df, 1, feats, [], "y", tmp_path / "a", "int", preprocessing=given)
    assert not list(tmp_path.iterdir())
    df2foldfile(df, 1, ["pt", "eta"], [], "y", tmp_path / "a", "int", preprocessing=pipe)


@pytest.mark.parametrize("given", ["robust_scaler", preprocessing.StandardScaler(), {"inputs": ["standard_scaler"]}])
def test_what_was_not_fitted_is_not_recorded(tmp_path, given):
    df = pd.DataFrame({"pt": [30.0, 50.0, 40.0], "y": [0, 1, 0]})
    with pytest.raises(ConfigError, match=r"was not fitted, .* fit_input_pipe\(df, cont_feats, steps=...\) returns"):
        df2foldfile(df, 1, ["pt"], [], "y", tmp_path / "a", "int", preprocessing=given)
    path = df2foldfile(df, 1, ["pt"], [], "y", tmp_path / "a", "int", preprocessing="signed_log")
    with pytest.raises(ConfigError, match="the transform 'tabular/standard_scaler' was not fitted"):
        FoldYielder(path, input_pipe="standard_scaler")
