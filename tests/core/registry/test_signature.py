from functools import partial

import pytest

from lumin_core import registry
from lumin_core.errors import ConfigError
from lumin_core.registry import build, register, resolve

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


class Options:
    def __init__(self, n_in, width=3, *, act="relu"):
        self.n_in, self.width, self.act = n_in, width, act


class Bare:
    pass


@pytest.fixture(autouse=True)
def session():
    with registry.temporary():
        register("norm", obj=Options)
        yield


class Base:
    def __init__(self, n_in, mode="a"):
        self.n_in, self.mode = n_in, mode


class HandsOn(Base):
    def __init__(self, width=3, **options):
        super().__init__(**options)
        self.width = width


def test_options_that_a_constructor_hands_on_are_those_of_its_bases():
    built = build("initialiser", partial(HandsOn, mode="b"), n_in=7, other=1)
    assert (built.n_in, built.mode, built.width) == (7, "b", 3)
    with pytest.raises(ConfigError, match="has no option 'widht'; did you mean 'width'"):
        build("norm", partial(HandsOn, widht=3), n_in=7)


def test_unknown_options_of_a_class_without_any():
    with pytest.raises(ConfigError, match="no option 'depth'; it takes none"):
        build("norm", partial(Bare, depth=1))
    assert isinstance(build("initialiser", Bare, depth=1), Bare)


def test_a_missing_option_is_named_with_the_signature():
    with pytest.raises(ConfigError, match=r"needs the option 'n_in'; it is Options\(n_in, width=3, \*, act='relu'\)"):
        build("norm", "options")
    assert resolve("norm", "options").func is Options


def test_torch_classes_are_inspected():
    loss = build("loss", "huber_loss", reduction="none", y_range=3)
    assert (type(loss), loss.reduction) == (torch.nn.HuberLoss, "none")
    optimiser = build("optimiser", {"name": "Adam", "lr": 0.1}, params=[torch.zeros(1, requires_grad=True)])
    assert optimiser.defaults["lr"] == 0.1
