"""Transforms: chains run forth and back, are stored as plain values, and ask for their plugin only on use."""

from __future__ import annotations

import attrs
import numpy as np
import pandas as pd
import pytest

from lumin_core import registry
from lumin_core.data import transforms
from lumin_core.data.chains import apply_chain, invert_chain
from lumin_core.data.description import add_preprocessing
from lumin_core.data.fold_file import FoldFileWriter
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.data.transforms import Transform
from lumin_core.errors import ConfigError, ShapeError, UnknownComponent


class Scale(Transform):
    """A transform with learned state."""

    def __init__(self, factor=None):
        self.factor = factor

    def fit(self, x):
        self.factor = x.std(axis=0).tolist()
        return self

    def transform(self, x):
        return x / np.asarray(self.factor)

    def inverse_transform(self, x):
        return x * np.asarray(self.factor)

    def to_config(self):
        return {"factor": self.factor}

    @classmethod
    def convert(cls, step):
        return cls(step.scale) if isinstance(step, Foreign) else None


class Shift(Transform):
    def transform(self, x):
        return x + 1

    def inverse_transform(self, x):
        return x - 1

    def to_config(self):
        return {}


class Foreign:
    """A step of another library."""

    def __init__(self, scale):
        self.scale = scale

    def transform(self, x):
        return x / self.scale

    def inverse_transform(self, x):
        return x * self.scale


class ForeignPipeline(Foreign):
    steps = (("first", Foreign(2.0)), ("none", "passthrough"), ("second", Foreign(3.0)))


@pytest.fixture
def names():
    with registry.temporary():
        registry.register("transform", "scale_for_test", Scale)
        registry.register("transform", "shift_for_test", Shift)
        yield


@pytest.fixture
def path(tmp_path):
    with FoldFileWriter(tmp_path / "a.hdf5", cont_feats=["pt", "eta"], cat_feats=["n"], targ_feats="y") as file:
        file.append(0, inputs=[[2, 4, 1]] * 3, targets=[6.0] * 3)
    return tmp_path / "a.hdf5"


CHAIN = [Shift(), Scale([2.0, 4.0])]


def test_a_chain_forth_and_back_is_nothing():
    x = np.random.default_rng(0).normal(size=(5, 2))
    np.testing.assert_allclose(invert_chain(CHAIN, apply_chain(CHAIN, x)), x)
    np.testing.assert_allclose(apply_chain(CHAIN, x), (x + 1) / [2, 4])


def test_configurations_are_plain_and_build_the_same(names):
    configs = transforms.chain_to_config(CHAIN)
    assert configs == [{"name": "session/shift_for_test"}, {"name": "session/scale_for_test", "factor": [2.0, 4.0]}]
    x = np.ones((1, 2))
    np.testing.assert_array_equal(apply_chain(transforms.chain_from_config(configs), x), apply_chain(CHAIN, x))


def test_other_libraries_pipelines_are_converted_step_by_step(names):
    assert [step.factor for step in transforms.as_chain(ForeignPipeline(1))] == [2.0, 3.0]
    assert transforms.chain_to_config(Foreign(5.0)) == [{"name": "session/scale_for_test", "factor": 5.0}]


def test_what_cannot_be_stored_serves_in_memory_and_says_why(path):
    fy = FoldYielder(path, input_pipe=Foreign(2.0))
    assert fy.get_df(inc_inputs=True, deprocess=True)["pt"][0] == 4
    with pytest.raises(ConfigError, match="serves in memory"):
        add_preprocessing(path, input_pipe=Foreign(2.0))
    with pytest.raises(ConfigError, match="serves in memory"):
        _ = fy.preprocessing_config
    with pytest.raises(ConfigError, match="register"):
        add_preprocessing(path, input_pipe=Shift())


def test_fault_stored_and_given_pipelines_are_undone(path, names):
    add_preprocessing(path, input_pipe=CHAIN, output_pipe=[Scale(10.0)])
    fy = FoldYielder(path)
    fy.save_fold_pred(np.ones(3), 0)
    df = fy.get_df(inc_inputs=True, deprocess=True)
    assert df.iloc[0].tolist() == [3, 15, 1, 60, 10]
    assert isinstance(fy.preprocessing[0], Shift)
    fy.add_output_pipe(Scale(2.0))
    fy.add_input_pipe(Shift())
    assert fy.get_df(inc_inputs=True, deprocess=True).iloc[0].tolist() == [1, 3, 1, 12, 2]
    assert fy.preprocessing_config == [{"name": "session/shift_for_test"}]


def test_a_bare_core_opens_the_file_and_asks_for_the_plugin_on_use(path, names):
    add_preprocessing(path, input_pipe=CHAIN)
    with registry.temporary():
        registry.refresh()
    configs = FoldYielder(path).preprocessing_config
    configs[0]["name"] = "nowhere/shift"
    with FoldFileWriter(path, cont_feats=["pt"], targ_feats="y", overwrite=True) as file:
        file.layout.schema = attrs.evolve(file.layout.schema, preprocessing={"inputs": configs})
        file.append(0, inputs=[[1]], targets=[0])
    fy = FoldYielder(path)
    assert fy[0]["inputs"].tolist() == [[1.0]]
    assert fy.preprocessing_config == configs
    with pytest.raises(UnknownComponent):
        _ = fy.preprocessing


def test_nothing_to_undo_is_an_error(path):
    with pytest.raises(ConfigError, match="holds no preprocessing"):
        FoldYielder(path).get_df(deprocess=True)


def test_a_pipeline_that_does_not_fit_is_named(path):
    with pytest.raises(ShapeError, match="cannot undo 'inputs'"):
        FoldYielder(path, input_pipe=Scale([1.0, 2.0, 3.0])).get_df(inc_inputs=True, deprocess=True)


@pytest.mark.parametrize("pipe", ["pipe.pkl", 3, Scale, [3]])
def test_what_is_no_pipeline_is_refused(path, pipe):
    with pytest.raises(ConfigError, match="a pipeline must be transforms"):
        FoldYielder(path, input_pipe=pipe)


@pytest.mark.parametrize("config", [{"factor": 1}, "shift_for_test", {"name": "shift_for_test", "no_such": 1}])
def test_damaged_configurations_are_refused(names, config):
    with pytest.raises(ConfigError, match="stored transform"):
        transforms.chain_from_config([config])


def test_the_writer_stores_chains_for_inputs_targets_and_matrix(tmp_path, names):
    with FoldFileWriter(
        tmp_path / "a", cont_feats=["pt"], targ_feats="y", preprocessing={"inputs": CHAIN, "targets": Shift()}
    ) as file:
        file.append(0, inputs=[[1]], targets=[0])
    fy = FoldYielder(tmp_path / "a")
    assert (len(fy.get_pipes("inputs")), len(fy.get_pipes("targets")), len(fy.get_pipes("matrix"))) == (2, 1, 0)
    with pytest.raises(ConfigError, match="'inputs', 'targets' or 'matrix'"):
        FoldFileWriter(tmp_path / "b", cont_feats=["pt"], targ_feats="y", preprocessing={"output": CHAIN})


@pytest.mark.parametrize(
    "pipe", ["shift_for_test", {"name": "scale_for_test", "factor": [2.0, 4.0]}, ["session/shift-for-test", Shift()]]
)
def test_fault_a_yielder_takes_transforms_by_name_and_stores_them(path, names, pipe):
    fy = FoldYielder(path, input_pipe=pipe)
    assert all(isinstance(step, Transform) for step in fy.preprocessing)
    add_preprocessing(path, input_pipe=pipe)
    assert FoldYielder(path).preprocessing_config == fy.preprocessing_config
    before = fy.get_df(inc_inputs=True, deprocess=True)
    pd.testing.assert_frame_equal(FoldYielder(path).get_df(inc_inputs=True, deprocess=True), before)


def test_a_name_that_there_is_not_is_suggested(path, names):
    with pytest.raises(UnknownComponent, match="shift_for_test"):
        FoldYielder(path, input_pipe="shift_for_tests")


class Other(Shift):
    """Whatever its methods give."""

    def __init__(self, gives=None):
        self.gives = gives

    def transform(self, x):
        return self.gives(x)

    def inverse_transform(self, x):
        return self.gives(x)

    def to_config(self):
        return self.gives


@pytest.mark.parametrize(
    ("gives", "wrong"),
    [
        ([1], "must return a dict of options, got \\[1\\]"),
        ({"q": 1}, "unexpected keyword argument 'q'.*must take what to_config gives"),
        ({"gives": object()}, "cannot be stored as JSON"),
    ],
)
def test_fault_a_transform_that_cannot_be_built_again_is_refused_when_it_is_stored(path, names, tmp_path, gives, wrong):
    registry.register("transform", "other_for_test", Other)
    before = path.read_bytes()
    fy = FoldYielder(path, input_pipe=Other(gives))
    doors = {
        "added": lambda: add_preprocessing(path, output_pipe=Other(gives)),
        "written": lambda: FoldFileWriter(
            tmp_path / "b", cont_feats=["pt"], targ_feats="y", preprocessing=[Other(gives)]
        ),
        "given": lambda: fy.preprocessing_config,
    }
    for door, ask in doors.items():
        with pytest.raises(ConfigError, match=wrong):
            ask()
        assert path.read_bytes() == before, door
    assert not (tmp_path / "b.hdf5").exists()


def test_a_config_of_numpys_numbers_is_what_the_file_gives_back(path, names):
    config = transforms.chain_to_config([Scale(np.array([2.0, 4.0]))])
    assert config == [{"name": "session/scale_for_test", "factor": [2.0, 4.0]}]
    add_preprocessing(path, input_pipe=[Scale(np.array([2.0, 4.0]))])
    assert FoldYielder(path).preprocessing_config == config


@pytest.mark.parametrize("run", [apply_chain, invert_chain])
@pytest.mark.parametrize(
    ("gives", "came"),
    [(lambda x: None, "got None"), (lambda x: x[1:], r"got shape \(2, 2\)"), (lambda x: 1.0, r"got shape \(\)")],
)
def test_fault_a_step_that_gives_no_such_rows_is_named(run, gives, came):
    with pytest.raises(ShapeError, match=rf"Other\..*transform must return one row an event, \(3, F\), {came}"):
        run([Shift(), Other(gives)], np.ones((3, 2)))


@pytest.mark.parametrize("run", [apply_chain, invert_chain])
def test_fault_a_step_that_raises_is_named(run):
    def gives(x):
        raise KeyError("pt")

    with pytest.raises(KeyError) as raised:
        run([Other(gives)], np.ones((3, 2)))
    assert raised.value.__notes__[0].startswith("Raised by a transform: Other.")
