"""What data went through: the same for model and file, undone in raw outputs."""

import numpy as np
import pandas as pd
import pytest

from lumin_core import Ensemble, FoldYielder, Model, ModelBuilder, df2foldfile
from lumin_core.errors import ConfigError, FoldFileError
from lumin_plugin_tabular import fit_input_pipe, fit_output_pipe


def frame(mean=0.0):
    rng = np.random.default_rng(1)
    made = pd.DataFrame(rng.normal(mean, 2.0, (40, 2)), columns=["a", "b"])
    return made.assign(y=100 + 30 * (made["a"] - made["b"]), mine=1.0)


@pytest.fixture
def write(tmp_path):
    """Give a function that writes a frame, preprocessed as it says, and opens the file."""

    def make(name, df, inputs=None, targets=None, feats=("a", "b"), recorded=True, **options):
        df, feats = df.copy(), list(feats)
        pipes = {"inputs": inputs, "targets": targets}
        if inputs is not None:
            df[feats] = inputs.transform(df[feats].to_numpy())
        if targets is not None:
            df[["y"]] = targets.transform(df[["y"]].to_numpy())
        given = {part: pipe for part, pipe in pipes.items() if pipe is not None} if recorded else None
        path = df2foldfile(
            df, 2, feats, [], "y", tmp_path / name, "float32", preprocessing=given, overwrite=True, **options
        )
        return FoldYielder(path)

    return make


@pytest.fixture
def pipes():
    return fit_input_pipe(frame(), ["a", "b"]), fit_output_pipe(frame(), "y")


@pytest.fixture
def train(write, pipes, tmp_path):
    def make(seed=1, n_out=None):
        fy = write(f"train{seed}", frame(), *pipes)
        model = Model(ModelBuilder.from_fy(fy, "regression", n_out, seed=seed))
        model.record_training(fy, [0], 1)
        return Model.from_save(model.save(tmp_path / f"model{seed}"))

    return make


def test_fault_a_file_of_another_preprocessing_is_refused(train, write, pipes):
    model, other = train(), write("other", frame(5.0), fit_input_pipe(frame(5.0), ["a", "b"]), pipes[1])
    words = r"other.hdf5 records another preprocessing .*: inputs\[0\].mean.a was .*, is .*other_preprocessing=True"
    for ask in (model.predict, model.evaluate, Ensemble.from_models([model]).predict):
        with pytest.raises(ConfigError, match=words):
            ask(other)
    assert "pred" not in other.columns()
    model.predict(other, other_preprocessing=True)
    assert model.evaluate(other, other_preprocessing=True) > 0


def test_another_preprocessing_of_targets_is_refused_too(train, write, pipes):
    other = write("other", frame(), pipes[0], fit_output_pipe(frame(5.0).assign(y=lambda df: 2 * df["y"]), "y"))
    with pytest.raises(ConfigError, match=r"targets\[0\].mean was"):
        train().predict(other)


def test_what_is_the_same_or_not_recorded_is_taken(train, write, pipes):
    model = train()
    shuffled = fit_input_pipe(frame().sample(frac=1, random_state=1), ["a", "b"])  # sums of another order
    more = fit_input_pipe(frame().assign(c=7.0), ["c", "a", "b"])
    wider = write("wider", frame().assign(c=7.0), more, pipes[1], feats=("c", "a", "b"))
    wider.add_ignore("c")
    for fy in (
        write("same", frame(5.0), *pipes),
        write("again", frame(), shuffled, pipes[1]),
        write("none", frame(), *pipes, recorded=False),
        wider,
    ):
        model.predict(fy)
    unrecorded = Model(ModelBuilder("regression", 1, ["a", "b"]))
    unrecorded.predict(write("first", frame(), *pipes))


def test_raw_is_raw_in_and_raw_out(train, pipes):
    model, events = train(), frame()[["a", "b"]].astype("float32")
    inner = model.predict(pipes[0].transform(events.to_numpy()))
    np.testing.assert_allclose(model.predict(events, raw="inputs"), inner, rtol=1e-5, atol=1e-6)
    expected = pipes[1].inverse_transform(inner.astype(float))
    np.testing.assert_allclose(model.predict(events, raw=True), expected, rtol=1e-5)
    assert model.predict(events, raw=True).dtype == np.float32
    assert expected.mean() > 50


def test_raw_ensembles_give_mean_and_spread_in_the_unit_of_the_targets(train, pipes):
    models, events = [train(1), train(2)], frame()[["a", "b"]]
    mean, spread = Ensemble.from_models(models).predict(events, raw=True, spread=True)
    answers = np.stack([model.predict(events, raw=True) for model in models]).astype(float)
    np.testing.assert_allclose(mean, answers.mean(0), rtol=1e-6)
    np.testing.assert_allclose(spread, answers.std(0), rtol=1e-4, atol=1e-4)


def test_raw_files_are_predicted_raw_and_others_are_not(train, write, pipes):
    model, raw = train(), write("raw", frame(), shuffle=False)
    model.predict(raw, raw=True)
    events = np.concatenate([raw.get_fold(i)["inputs"] for i in range(2)])
    np.testing.assert_array_equal(raw.get_column("pred")[:, None], model.predict(events, raw=True))
    with pytest.raises(ConfigError, match=r"files that record no preprocessing; done.hdf5 holds what was preprocessed"):
        model.predict(write("done", frame(), *pipes), raw=True)


def test_raw_needs_one_output_for_each_target(train):
    with pytest.raises(ConfigError, match=r"the unit of the 1 targets, and there are 3 outputs: raw='inputs'"):
        train(n_out=3).predict(frame()[["a", "b"]], raw=True)
    with pytest.raises(ConfigError, match=r"raw must be True .* got 'yes'"):
        train().predict(frame()[["a", "b"]], raw="yes")


def test_the_loss_of_a_yielder_is_that_of_its_events(train, write, pipes):
    model, fy = train(), write("same", frame(), *pipes)
    folds = [fy.get_fold(i) for i in range(2)]
    both = (np.concatenate([fold[part] for fold in folds]) for part in ("inputs", "targets"))
    assert model.evaluate(fy) == pytest.approx(model.evaluate(*both), rel=1e-6)
    with pytest.raises(ConfigError, match="holds its own targets"):
        model.evaluate(fy, np.zeros(40))


def test_a_column_that_no_prediction_wrote_is_kept_unless_told_otherwise(train, write, pipes):
    model, fy = train(), write("same", frame(), *pipes, misc_feats=["mine"])
    with pytest.raises((ConfigError, FoldFileError), match="overwrite=True"):
        model.predict(fy, pred_name="mine")
    model.predict(fy, pred_name="mine", overwrite=True)
    Ensemble.from_models([model]).predict(fy, pred_name="mine")
    assert np.ptp(fy.get_column("mine")) > 0


def test_one_model_has_no_spread(train):
    with pytest.raises(ConfigError, match="at least two models: make an Ensemble"):
        train().predict(frame()[["a", "b"]], spread=True)
