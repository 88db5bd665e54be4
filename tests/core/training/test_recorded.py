"""What data went through and what codes mean: the same for file and model, for a fit and its checkpoint, for models."""

import json

import numpy as np
import pandas as pd
import pytest

from lumin_core import Ensemble, FoldYielder, MatrixHead, Model, ModelBuilder, registry, train_models
from lumin_core.data import FoldFileWriter, add_preprocessing, declare_zero_padding, matrix_entry
from lumin_core.errors import ConfigError, DataReplaced
from lumin_core.model import tensor_file
from lumin_core.runs import RunFolder
from lumin_core.runs.run_record import read_plan
from lumin_core.training import checkpoint
from lumin_core.training.sameness import recorded
from lumin_plugin_tabular import StandardScaler

NAMES, TURNED = {"c": {0: "e", 1: "mu"}}, {"c": {0: "mu", 1: "e"}}
MATRIX = matrix_entry(["a_x", "b_x"], ["a", "b"], [0, 0], ["x"], True, (2, 1))


def scaler(mean):
    return StandardScaler().fit(np.array([[mean - 1.0], [mean + 1.0]]))


def write(path, names=None, inputs=None, targets=None, matrix=False):
    """Write two folds of the same events, whatever is said of them."""
    given = {part: [pipe] for part, pipe in (("inputs", inputs), ("targets", targets)) if pipe is not None}
    options = {"cat_maps": names, "preprocessing": given, "matrix_feats": MATRIX if matrix else None}
    with FoldFileWriter(path, cont_feats=["x"], cat_feats=["c"], targ_feats="y", overwrite=True, **options) as file:
        for i in range(2):
            columns = {"inputs": np.stack([np.arange(8) + i, np.arange(8) % 2], 1), "targets": np.arange(8) % 2}
            file.append(i, **columns, **({"matrix_inputs": np.ones((8, 2, 1))} if matrix else {}))
    return path


@pytest.fixture
def model_of(tmp_path):
    def make(objective="classification", seed=1, **said):
        fy = FoldYielder(write(tmp_path / f"train{seed}", **said))
        body = {"name": "fully_connected", "depth": 1, "width": 4}
        model = Model(ModelBuilder.from_fy(fy, objective, body=body, seed=seed))
        model.record_training(fy, [0], 1)
        return model

    return make


def test_fault_codes_of_another_meaning_are_refused_at_every_door(model_of, tmp_path):
    model, turned = model_of(names=NAMES), FoldYielder(write(tmp_path / "turned", TURNED))
    for ask in (model.predict, model.evaluate, Ensemble([model]).predict):
        with pytest.raises(ConfigError, match=r"cat_maps.c.0 was 'e', is 'mu'; .* other_preprocessing=True"):
            ask(turned)
    model.predict(turned, other_preprocessing=True)
    for names in (NAMES, None, {"c": {0: "e", 1: "mu", 2: "tau"}}):
        model.predict(FoldYielder(write(tmp_path / "same", names)))
    model_of().predict(turned)


def test_fault_models_of_other_codes_are_asked_as_one_with_what_these_mean_alone(model_of, tmp_path):
    models = [model_of(names=NAMES), model_of(names=TURNED, seed=2)]
    frame = pd.DataFrame({"x": [1.0, 2.0], "c": ["e", "mu"]})
    answers = [models[0].predict(frame.assign(c=[0, 1])), models[1].predict(frame.assign(c=[1, 0]))]
    np.testing.assert_allclose(Ensemble(models).predict(frame, raw=True), np.mean(answers, 0), rtol=1e-6)
    words = r"model 1 records another preprocessing than model 0: cat_maps.c.0 was 'e', is 'mu'.*raw=True"
    with pytest.raises(ConfigError, match=words):
        Ensemble(models).predict(frame.assign(c=[0, 1]))
    for raw in (False, True):  # a graph takes codes
        with pytest.raises(ConfigError, match=words):
            Ensemble([*models, models[0]]).export(tmp_path / "m", raw=raw)
    assert not list(tmp_path.glob("m*"))


def test_fault_a_part_that_one_records_and_the_other_lacks_is_another(model_of, tmp_path):
    both, lacking = {"inputs": scaler(3), "targets": scaler(90)}, {"inputs": scaler(3)}
    full, part = model_of("regression", **both), model_of("regression", 2, **lacking)
    for model, said, words in ((part, both, r"targets was \[\], is"), (full, lacking, "targets was .* is \\[\\]")):
        with pytest.raises(ConfigError, match=words):
            model.predict(FoldYielder(write(tmp_path / "other", **said)))
        model.predict(FoldYielder(write(tmp_path / "none")))
    part.record.identity = None  # of an earlier version, which did not write it
    part.predict(FoldYielder(write(tmp_path / "old", **both)))


def test_fault_answers_in_other_units_have_no_mean_unless_they_are_raw(model_of):
    models = [
        model_of("regression", seed, inputs=scaler(3), targets=pipe) for seed, pipe in ((1, scaler(90)), (2, None))
    ]
    frame = pd.DataFrame({"x": [1.0, 2.0], "c": [0, 1]})
    for raw in (False, "inputs"):
        with pytest.raises(ConfigError, match=r"model 1 records another preprocessing than model 0: targets was"):
            Ensemble(models).predict(frame, raw=raw)
    expected = np.mean([models[0].predict(frame, raw="inputs") + 90, models[1].predict(frame, raw="inputs")], 0)
    np.testing.assert_allclose(Ensemble(models).predict(frame, raw=True), expected, rtol=1e-5)
    Ensemble(models).predict(frame, other_preprocessing=True)


CHANGES = {
    r"preprocessing was \[\], is \[\{": lambda path: add_preprocessing(path, input_pipe=scaler(3)),
    r"target_preprocessing was \[\], is \[\{": lambda path: add_preprocessing(path, output_pipe=scaler(90)),
    r"matrix_preprocessing was \[\], is \[\{": lambda path: add_preprocessing(path, matrix_pipe=scaler(1)),
    r"matrix_feats.zero_padded was .nothing., is [tT]rue": declare_zero_padding,
    r"cat_maps.c.0 was .e., is .mu.": lambda path: write(path, TURNED, matrix=True),
}


class Sum(MatrixHead):
    """Sums all elements."""

    def __init__(self, cont_feats, vecs, feats_per_vec, row_wise=True):
        super().__init__(cont_feats, vecs, feats_per_vec, row_wise)
        self.feat_map = self.map_to_all()

    def forward(self, x):
        return self.get_matrix(x)[0].sum((1, 2))[:, None]

    def get_out_size(self):
        return 1


@pytest.fixture
def train(tmp_path):
    path = write(tmp_path / "ev.hdf5", NAMES, matrix=True)

    def run(door="fit", n_epochs=1, **options):
        fy = FoldYielder(path, yield_matrix=True, **options)
        head = {"name": "multi_head", "matrix_head": Sum}
        builder = ModelBuilder.from_fy(fy, "classification", head=head, body="ident_body", seed=1)
        how = {"bs": 4, "n_epochs": n_epochs, "seed": 1, "resume": True, "visible_bar": False}
        if door == "fit":
            return Model(builder).fit(fy=fy, cb_savepath=tmp_path / "run", **how)
        how.pop("visible_bar")
        return train_models(fy, 1, model_builder=builder, savepath=tmp_path / "run", **how)

    run.path = path
    with registry.temporary():
        registry.register("head", "sum_for_test", Sum)
        yield run


@pytest.mark.parametrize("door", ["fit", "train_models"])
def test_fault_who_goes_on_notices_what_the_file_says_now(train, door):
    train(door)
    before = train.path.read_bytes()
    for words, change in CHANGES.items():
        change(train.path)
        with pytest.raises(ConfigError, match=words):
            train(door)
        train.path.write_bytes(before)
    with pytest.raises(ConfigError, match=r"preprocessing was \[\], is \[\{"):
        train(door, input_pipe=scaler(3))
    train(door)


def test_what_was_begun_by_an_earlier_version_is_not_compared_in_what_it_does_not_say(train, tmp_path):
    train()
    train("train_models")
    entries = recorded(FoldYielder(train.path)).keys()
    path = checkpoint.newest(tmp_path / "run")
    tensors, content = tensor_file.read_tensors(path, "checkpoint")
    settings = content["settings"]["items"]
    content["settings"]["items"] = [[key, value] for key, value in settings if key not in entries]
    tensor_file.write_tensors(path, "checkpoint", tensors, content)
    run = tmp_path / "run" / "run.json"
    run.write_text(json.dumps({key: value for key, value in json.loads(run.read_text()).items() if key not in entries}))
    add_preprocessing(train.path, input_pipe=scaler(3))
    train()
    train("train_models")


def test_a_run_that_is_read_from_its_folder_is_of_the_file_as_it_was(train, tmp_path):
    train("train_models")
    write(train.path, TURNED, matrix=True)
    with pytest.raises(
        ConfigError, match=r"ev.hdf5 records another preprocessing than .*run.json says:\n  cat_maps.c.0"
    ):
        read_plan(RunFolder(tmp_path / "run"), FoldYielder(train.path))


@pytest.mark.parametrize("change", [declare_zero_padding, lambda path: write(path, TURNED, matrix=True)])
def test_fault_an_open_yielder_notices_what_its_file_says_now(tmp_path, change):
    path = write(tmp_path / "ev.hdf5", NAMES, inputs=scaler(3), matrix=True)
    fy = FoldYielder(path)
    add_preprocessing(path, output_pipe=scaler(90))
    fy.get_fold(0)
    assert fy.get_pipe_config("targets")  # which is new
    change(path)
    with pytest.raises(DataReplaced, match="make a new FoldYielder"):
        fy.get_fold(0)
