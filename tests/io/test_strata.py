import numpy as np

from lumin_plugin_io.strata import codes_of, combined


def test_whole_numbers_are_their_own_codes():
    assert codes_of(np.array([5, -1])).tolist() == [5, -1]
    assert codes_of(np.array([2**64 - 1], dtype=np.uint64)).tolist() == [-1]


def test_text_has_the_same_code_wherever_it_comes():
    one, other = codes_of(np.array(["mu", "e"])), codes_of(np.array(["tau", "e", "mu"], dtype=object))
    assert (one[0], one[1]) == (other[2], other[1])
    assert len({*one.tolist(), *other.tolist()}) == 3
    assert codes_of(np.array(["e"])).tolist() == [2615199850422100852]


def test_missing_is_a_stratum_of_its_own():
    codes = codes_of(np.ma.array([0, 1, 2], mask=[False, True, False]))
    assert codes.tolist()[::2] == [0, 2]
    assert codes[1] == codes_of(np.ma.array(["a"], mask=[True]))[0]


def test_names_are_combined_in_their_order():
    a, b = np.arange(100) // 10, np.arange(100) % 10
    assert len(np.unique(combined([a, b]))) == 100
    assert (combined([a, b]) != combined([b, a])).sum() == 90
    assert combined([a]) is a


def test_no_events():
    assert codes_of(np.array([], dtype="U1")).dtype == codes_of(np.array([], dtype=int)).dtype == np.int64
