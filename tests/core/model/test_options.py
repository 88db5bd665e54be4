"""Specifications and the options inside of them."""

from collections import OrderedDict, namedtuple
from functools import partial
from types import MappingProxyType

import pytest

from lumin_core.errors import ConfigError
from lumin_core.model.options import copied, join, options_of, with_options, without


def make(**options):
    return options


FORMS = ["sgd", {"name": "sgd", "lr": 1}, make, partial(make, lr=1)]


@pytest.mark.parametrize("spec", FORMS)
def test_join_with_nothing_is_the_spec_itself(spec):
    assert join(spec, {}, "here", "there") is spec


def test_join_adds_options_to_every_form():
    assert join("sgd", {"a": 2}, "here", "there") == {"name": "sgd", "a": 2}
    assert join({"name": "sgd", "lr": 1}, {"a": 2}, "here", "there") == {"name": "sgd", "lr": 1, "a": 2}
    assert join(MappingProxyType({"name": "sgd"}), {"a": 2}, "here", "there") == {"name": "sgd", "a": 2}
    assert join(make, {"a": 2}, "here", "there")() == {"a": 2}
    assert join(partial(make, lr=1), {"a": 2}, "here", "there")() == {"lr": 1, "a": 2}


@pytest.mark.parametrize("spec", [{"name": "sgd", "lr": 1, "b": 2}, partial(make, lr=1, b=2)])
def test_an_option_in_two_places_is_refused(spec):
    with pytest.raises(ConfigError, match="'b', 'lr' is given in here and in there; keep one of them"):
        join(spec, {"lr": 3, "b": 2, "c": 1}, "here", "there")


def test_what_is_no_spec_is_left_to_who_builds_it():
    assert join(3, {"a": 2}, "here", "there") == 3


def test_options_of_every_form():
    assert [dict(options_of(spec)) for spec in FORMS] == [{}, {"name": "sgd", "lr": 1}, {}, {"lr": 1}]


def test_with_options_replaces_and_changes_nothing_that_is_given():
    spec = {"name": "sgd", "lr": 1}
    assert with_options(spec, {"lr": 2}) == {"name": "sgd", "lr": 2}
    assert with_options(partial(make, lr=1), {"lr": 2})() == {"lr": 2}
    assert spec == {"name": "sgd", "lr": 1}


def test_without_leaves_an_option_out_of_every_form():
    assert [without(spec, "lr") for spec in FORMS[:3]] == ["sgd", {"name": "sgd"}, make]
    assert without(partial(make, lr=1, a=2), "lr")() == {"a": 2}


def test_containers_are_copied_at_every_depth_and_what_they_hold_is_not():
    thing = object()
    inner = [1, thing]
    options = {"list": [inner, {"deep": inner}], "tuple": (inner, 2), "set": {1}, "partial": partial(make, a=inner)}
    copy = copied(options)
    assert copy["list"] == options["list"]
    assert (copy["tuple"], copy["set"]) == (options["tuple"], options["set"])
    inner.append(3)
    options["set"].add(2)
    assert copy["list"] == [[1, thing], {"deep": [1, thing]}]
    assert copy["tuple"] == ([1, thing], 2)
    assert copy["set"] == {1}
    assert copy["partial"]() == {"a": [1, thing]}
    assert copy["list"][0][1] is thing


def test_other_values_are_handed_on():
    point = namedtuple("point", "x y")([1], 2)
    for value in (None, 1, "text", make, point, range(3), frozenset({1})):
        assert copied(value) is value
    assert copied(OrderedDict(b=1, a=2)) == {"b": 1, "a": 2}
