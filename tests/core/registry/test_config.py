import json
from functools import partial
from pathlib import Path

import pytest

from lumin_core import registry
from lumin_core.errors import ConfigError
from lumin_core.registry import UnnamedComponent, UnsavableOption, register, to_config

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


class Options:
    def __init__(self, n_in, width=3, *, act="relu"):
        self.n_in, self.width, self.act = n_in, width, act


class Anything:
    def __init__(self, first=1, **others):
        self.first, self.others = first, others


class Bare:
    pass


class Quiet:
    def on_train_begin(self): ...


def half_squared(y_pred, y, scale=0.5):
    return scale * (y_pred - y) ** 2


@pytest.fixture(autouse=True)
def session():
    with registry.temporary():
        register("norm", obj=Options)
        register("norm", obj=Anything)
        register("loss", obj=half_squared)
        yield


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        ("activation", "ReLU", "core/relu"),
        ("activation", torch.nn.ReLU, "core/relu"),
        ("activation", {"name": "prelu", "init": np.float32(0.5)}, {"name": "core/prelu", "init": 0.5}),
        ("norm", partial(Options, width=4), {"name": "session/options", "width": 4}),
        ("norm", partial(partial(Options, act="x"), width=4), {"name": "session/options", "act": "x", "width": 4}),
        ("norm", {"name": "anything", "a": (1, (2, 3))}, {"name": "session/anything", "a": [1, [2, 3]]}),
        ("norm", {"name": "anything", "a": torch.nn.ReLU}, {"name": "session/anything", "a": "core/relu"}),
        (
            "norm",
            partial(Anything, a=[partial(torch.optim.Adam, betas=(0.9, np.float64(0.99)))]),
            {"name": "session/anything", "a": [{"name": "core/adam", "betas": [0.9, 0.99]}]},
        ),
        ("norm", {"name": "anything", "a": {"b": {"c": None}}}, {"name": "session/anything", "a": {"b": {"c": None}}}),
        ("norm", {"name": "anything", "a": np.bool_(True)}, {"name": "session/anything", "a": True}),
        ("norm", {"name": "anything", "a": np.int64(3)}, {"name": "session/anything", "a": 3}),
        ("norm", {"name": "anything", "a": half_squared}, {"name": "session/anything", "a": "session/half_squared"}),
    ],
)
def test_to_config_writes_plain_values_that_build_the_same(kind, spec, expected):
    config = to_config(kind, spec)
    assert config == expected
    assert json.loads(json.dumps(config)) == expected
    assert to_config(kind, config) == expected


def test_to_config_gives_exact_python_types():
    config = to_config("norm", {"name": "anything", "a": np.float64(1.5), "b": np.str_("x"), "c": np.int8(1)})
    assert [type(config[key]) for key in "abc"] == [float, str, int]


@pytest.mark.parametrize(
    "spec",
    [
        Bare,
        Quiet(),
        partial(Bare),
        {"name": "anything", "a": Bare},
        {"name": "anything", "a": [lambda: None]},
        {"name": "anything", "a": np.zeros(2)},
        {"name": "anything", "a": {0: "zero"}},
        {"name": "anything", "a": {1, 2}},
    ],
)
def test_to_config_refuses_what_has_no_name(spec):
    with pytest.raises(UnnamedComponent) as caught:
        to_config("norm", spec)
    assert isinstance(caught.value, ConfigError)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Path("a/b"), r"is a path, .*give it as text, 'a/b'"),
        (lambda: None, "is the function .*<lambda>, .*register it, and give its name"),
        (np.zeros(2), r"is an array, .*tolist\(\)"),
        ({1, 2}, r"is \{1, 2\}, .*give text, numbers, lists and dicts"),
        (Bare(), "is <.*Bare.*give text"),
        (np.datetime64("2020"), "is .*2020.*give text"),
        (np.datetime64(1, "ns"), "is .*1970.*give text"),
        (np.timedelta64(3, "s"), "is .*3.*give text"),
        (np.array(1j), "is .*1j?.*give text"),
        (np.complex64(1), "is .*1.*give text"),
    ],
)
def test_an_option_that_cannot_be_saved_is_named(value, message):
    for spec in ({"name": "anything", "a": {"b": [1, value]}}, partial(Anything, a={"b": [1, value]})):
        with pytest.raises(UnsavableOption, match=f"the option 'a.b.1' of the norm 'session/anything' {message}"):
            to_config("norm", spec)


def test_to_config_refuses_positions_and_dicts_without_name():
    with pytest.raises(ConfigError, match="keywords only"):
        to_config("norm", partial(Options, 3))
    with pytest.raises(ConfigError, match="name under 'name'"):
        to_config("norm", {"width": 3})


def test_to_config_of_a_registered_partial_is_its_name():
    wide = register("norm", "wide", partial(Options, width=400))
    assert to_config("norm", wide) == "session/wide"
    assert to_config("norm", partial(Options, width=400)) == {"name": "session/options", "width": 400}


def test_qualified_name_finds_classes_and_functions():
    assert registry.qualified_name(torch.optim.SGD) == "core/sgd"
    assert registry.qualified_name(Options) == "session/options"
    assert registry.qualified_name(half_squared) == "session/half_squared"
    assert registry.qualified_name(Bare) is None
    assert registry.qualified_name(3) is None


def test_qualified_name_is_undisturbed_by_a_broken_neighbour(install):
    source = {"neighbours": "class Good: ..."}
    install("near", {"norms": {"gone": "neighbours:Gone", "good": "neighbours:Good"}}, modules=source)
    good = registry.find("norm", "good").load()
    assert registry.qualified_name(good) == "near/good"
