"""Checks of arguments: lists, names, keys, positive numbers, and what is said of an unknown name."""

from functools import partial

import numpy as np
import pytest
import torch

from lumin_core import checks
from lumin_core.errors import ConfigError

POSITIVE = [1, 7, np.int64(3), np.uint8(2), torch.tensor(5)]
NO_NUMBERS = [2.0, 1.5, "3", None, True, False, [1], np.float64(2), np.ones(2), torch.tensor([1, 2]), torch.tensor(1.5)]
NOT_POSITIVE = [0, -1, *NO_NUMBERS]


@pytest.mark.parametrize("number", POSITIVE)
def test_positive_numbers_are_integers_of_any_library(number):
    assert checks.is_positive(number)
    assert checks.positive(number, "bs") == int(number)
    assert type(checks.positive(number, "bs")) is int
    checks.check_positive(depth=number)


@pytest.mark.parametrize("number", NOT_POSITIVE, ids=repr)
def test_what_is_no_positive_number_is_refused_by_name(number):
    assert not checks.is_positive(number)
    with pytest.raises(ConfigError, match="bs must be a positive integer, got "):
        checks.positive(number, "bs")
    with pytest.raises(ConfigError, match="positive whole numbers are needed, got depth="):
        checks.check_positive(depth=number, width=4)


@pytest.mark.parametrize("number", [0, -1.5, float("inf"), np.float32(2), np.int64(3), np.array(2.0), torch.tensor(1)])
def test_numbers_of_any_library_are_numbers(number):
    assert checks.is_number(number)
    checks.check_numbers(br=number)


NOT_NUMBERS = ["3", None, True, [1.0], float("nan"), 1j, np.bool_(True), np.ones(1), torch.tensor(float("nan"))]


@pytest.mark.parametrize(
    "number", [*NOT_NUMBERS, np.timedelta64(3, "s"), np.str_("3"), np.datetime64("2026")], ids=repr
)
def test_what_is_no_number_is_refused(number):
    assert not checks.is_number(number)
    with pytest.raises(ConfigError, match="br must be a number, got "):
        checks.check_numbers(scale=1.5, br=number)


def test_one_is_a_list_of_one():
    function = partial(int)
    for one in ("pt", {"name": "adam"}, int, 3, function):
        assert checks.as_list(one) == [one]
    assert checks.as_list(None) == []
    given = ["pt", "eta"]
    assert checks.as_list(given) == checks.as_list(tuple(given)) == checks.as_list(iter(given)) == given
    assert checks.as_list(given) is not given


@pytest.mark.parametrize("names", [["pt", "pt"], ["pt", 3], [""]])
def test_names_are_text_and_come_once(names):
    with pytest.raises(ConfigError, match="cont_feats"):
        checks.check_names("cont_feats", names)
    checks.check_names("cont_feats", ["pt", "eta"])


def test_unknown_keys_are_refused_with_the_nearest():
    checks.check_keys(["head"], ["head", "body"], "model_args")
    with pytest.raises(ConfigError, match=r"model_args has no 'haed'; did you mean 'head'\?"):
        checks.check_keys(["haed"], ["head", "body"], "model_args")
    with pytest.raises(ConfigError, match="has no 'x'; known are head, body"):
        checks.check_keys(["x"], iter(["head", "body"]), "model_args")


def test_the_nearest_names_do_not_mind_case_and_dashes():
    assert checks.nearest("Cat-Emb_Hed", ["cat_emb_head", "multi_head"])[0] == "cat_emb_head"
    assert checks.nearest("zzz", ["cat_emb_head"]) == []
    assert checks.did_you_mean("depht", ["depth", "width"]) == "; did you mean 'depth'?"
    assert checks.did_you_mean("x", []) == ""


def test_long_lists_are_cut():
    assert checks.listed(range(7)) == "0, 1, 2, 3, 4 and 2 more"
    assert checks.listed(["a"]) == "a"
    assert checks.listed([]) == "none"


@pytest.mark.parametrize("flag", ["false", "no", None, 1, [True]])
def test_flags_are_true_or_false(flag):
    checks.check_flags(a=True, b=np.False_)
    with pytest.raises(ConfigError, match="True or False is needed, got resume="):
        checks.check_flags(a=True, resume=flag)
