"""States of any nesting come back from JSON and tensors as they were."""

import json

import numpy as np
import pytest
import torch

from lumin_core.errors import HookError
from lumin_core.training.packing import packed, unpacked


@pytest.mark.parametrize(
    "state",
    [
        {"epoch": 3, "rates": (0.1, None), "by": {1: [True, "a"], ("a", 2): {}}},
        {"type": "dict", "items": [1]},
        {(): []},
    ],
)
def test_plain_values_come_back_with_their_types(state):
    tensors = {}
    assert unpacked(json.loads(json.dumps(packed(state, tensors, "callbacks"))), tensors) == state
    assert tensors == {}


def test_tensors_and_arrays_stand_beside_and_come_back_as_such():
    tensors = {}
    text = json.dumps(packed({"moments": [torch.ones(2), np.arange(3)], "n": np.int64(4)}, tensors, "callbacks"))
    state = unpacked(json.loads(text), tensors)
    assert [type(value) for value in state["moments"]] == [torch.Tensor, np.ndarray]
    assert [value.tolist() for value in state["moments"]] == [[1, 1], [0, 1, 2]]
    assert state["n"] == 4
    assert len(tensors) == 2


@pytest.mark.parametrize(
    "value",
    [object(), np.array(["a"]), {"a": {1}}, np.datetime64("2020"), np.timedelta64(1, "ns"), np.complex64(1)],
)
def test_anything_else_is_refused_with_whose_it_is(value):
    with pytest.raises(HookError, match="under 'callbacks'"):
        packed({"value": value}, {}, "callbacks")


def test_fault_an_array_of_a_single_number_keeps_its_shape():
    """It came back with an axis."""
    tensors = {}
    assert unpacked(packed(np.array(2.0), tensors, "callbacks"), tensors).shape == ()
    assert unpacked(packed(np.arange(4)[::-2], tensors, "callbacks"), tensors).tolist() == [3, 1]


def test_numbers_of_numpy_become_pythons():
    for number, plain in ((np.float32(0.5), 0.5), (np.int8(3), 3), (np.True_, True), (np.longdouble(0.5), 0.5)):
        value = packed(number, {}, "callbacks")
        assert value == plain
        assert type(value) is type(plain)
