"""Pipelines: what was given goes before what is stored, and nothing is built before it is needed."""

from __future__ import annotations

import numpy as np
import pytest

from lumin_core.data.fold_reader import FoldReader
from lumin_core.data.hdf5 import rewriting
from lumin_core.data.meta import write_entry
from lumin_core.data.pipelines import Pipelines
from lumin_core.errors import ConfigError, UnknownComponent


class Double:
    def transform(self, x):
        return 2 * x

    def inverse_transform(self, x):
        return x / 2


@pytest.fixture
def stored(path):
    configs = {"inputs": [{"name": "nowhere/step", "factor": 2}]}
    with rewriting(path) as file:
        write_entry(file["meta_data"], "preprocessing", configs)
    return Pipelines(FoldReader(path)), configs


def test_stored_steps_are_known_without_their_plugin(stored):
    pipelines, configs = stored
    assert pipelines.get_pipe_config("inputs") == configs["inputs"]
    assert pipelines.get_pipe_config("targets") == pipelines.get_pipes("targets") == pipelines.get_pipes("matrix") == []
    for build in (lambda: pipelines.preprocessing, lambda: pipelines.get_pipes("inputs")):
        with pytest.raises(UnknownComponent, match="nowhere"):
            build()


def test_given_steps_serve_in_memory_and_can_be_taken_back(stored):
    pipelines, configs = stored
    step = Double()
    pipelines.add_input_pipe(step)
    assert pipelines.get_pipes("inputs") == [step]
    pipelines.add_input_pipe((step, step))
    assert pipelines.get_pipes("inputs") == [step, step]
    assert pipelines.get_pipes("inputs")[0].transform(np.ones(1)) == 2
    with pytest.raises(ConfigError, match="cannot be stored as plain values"):
        pipelines.get_pipe_config("inputs")
    pipelines.add_input_pipe(None)
    assert pipelines.get_pipe_config("inputs") == configs["inputs"]
    with pytest.raises(ConfigError, match="pickled files are not opened"):
        pipelines.add_input_pipe("input_pipe.pkl")


def test_a_part_that_there_is_not_is_refused(stored):
    with pytest.raises(ConfigError, match="'inputs', 'targets' or 'matrix', got 'input'"):
        stored[0].get_pipes("input")
