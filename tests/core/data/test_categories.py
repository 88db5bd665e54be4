"""Category maps go from codes to what they mean, and have every code of the data."""

from __future__ import annotations

import numpy as np
import pytest

from lumin_core.data.categories import check_known_codes, checked_cat_maps
from lumin_core.errors import ConfigError, DataError


def test_keys_become_python_integers():
    codes = checked_cat_maps({"n": {np.int64(0): "a", 1.0: "b"}}, ["n"])["n"]
    assert codes == {0: "a", 1: "b"}
    assert {type(code) for code in codes} == {int}
    assert checked_cat_maps(None, ["n"]) == {}


@pytest.mark.parametrize(
    ("cat_maps", "message"),
    [
        ({"n": {"mu": 0, "e": 1}}, "got the key 'mu'; turn it round: .* cat_maps\\['n'\\].items"),
        ({"n": {"0": "mu"}}, "got the key '0'; make its keys numbers: {int"),
        ({"n": {0.5: "mu"}}, "got the key 0.5"),
        ({"n": {-1: "mu"}}, "got the key -1"),
        ({"n": {True: "mu"}}, "got the key True"),
        ({"n": {None: "mu"}}, "got the key None"),
        ({"n": {float("nan"): "mu"}}, "got the key nan"),
        ({"n": ["mu", "e"]}, "must be a dict of codes to what they mean, got \\['mu', 'e'\\]"),
        ({"n": {0: "mu", 1: "mu"}}, "gives 'mu' to several codes, .* merge the codes"),
        ({"n": {0: 1, 1: True}}, "gives 1 to several codes"),
        ({"n": {0: ["mu"]}}, "must give text or a number for each code, got \\['mu'\\]"),
        ([("n", {0: "mu"})], "cat_maps must be a dict of features"),
        ({"m": {0: "mu"}}, "'m', which is not in cat_feats"),
    ],
)
def test_what_does_not_go_from_codes_to_meanings_is_refused(cat_maps, message):
    with pytest.raises(ConfigError, match=message):
        checked_cat_maps(cat_maps, ["n"])


def test_codes_that_a_map_lacks_are_refused_by_column():
    codes = np.array([[0, 7], [1, 7], [1, 7]])
    check_known_codes(codes, ["n", "m"], {"n": {0: "e", 1: "mu", 2: "tau"}}, "fold 0")
    with pytest.raises(DataError, match="column 'n' has codes that its cat_maps lack: 1; they have 0: 'e'; add"):
        check_known_codes(codes, ["n", "m"], {"n": {0: "e"}}, "fold 0")
    with pytest.raises(DataError, match="lack: 0; they have 1: 0, 2: 1; turn it round"):
        check_known_codes(codes, ["n", "m"], {"n": {1: 0, 2: 1}}, "fold 0")
    check_known_codes(codes[:0], ["n", "m"], {"n": {}}, "fold 0")
