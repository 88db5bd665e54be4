import numpy as np
import pytest

from lumin_core.errors import ConfigError
from lumin_plugin_io.splitting import Dealer, hash_text, hashed, parts_of, splitmix64

# the state 0, of which the paper's generator gives these three numbers first
GAMMA = 0x9E3779B97F4A7C15
PUBLISHED = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]

# (salt, run, lumi, event), hash, part of 70, 10, 20 percent: files that exist were split so
WRITTEN_DOWN = [
    ((0, 1, 1, 1), 0x27C9219DB08517F0, 0),
    ((0, 1, 1, 2), 0xC1AE2036D5CAA152, 1),
    ((1, 1, 1, 1), 0xE22AF074957308C3, 2),
    ((1, 356_615, 1020, 2**53 + 1), 0x6011B97332493D03, 0),
    ((7, 0, 0, 0), 0x2BF6F81349ECC50E, 0),
    ((7, 2**64 - 1, 3, 4), 0xFFE37FB1B84149B2, 2),
]


def test_splitmix64_gives_the_numbers_of_the_generator():
    states = np.array([i * GAMMA % 2**64 for i in range(3)], dtype=np.uint64)
    assert splitmix64(states).tolist() == PUBLISHED


def test_splitmix64_takes_negative_numbers_modulo_the_word_and_changes_nothing():
    given = np.array([-1, 2**62])
    assert splitmix64(given[:1]).tolist() == splitmix64(np.array([2**64 - 1], dtype=np.uint64)).tolist()
    assert given.tolist() == [-1, 2**62]


def by_hand(state):
    """Do the same with Python's whole numbers."""
    z = (state + GAMMA) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


@pytest.mark.parametrize(("row", "value", "part"), WRITTEN_DOWN)
def test_the_table_is_right(row, value, part):
    state = 0
    for column in row:
        state = by_hand(state ^ column)
    assert state == value
    assert part == [state < 0.7 * 2**64, state < 0.8 * 2**64, True].index(True)


@pytest.mark.parametrize(("row", "value", "part"), WRITTEN_DOWN)
def test_the_split_is_that_of_the_table(row, value, part):
    salt, *columns = row
    found = hashed(salt, *(np.array([column], dtype=np.uint64) for column in columns))
    assert found.tolist() == [value]
    assert parts_of(found, [0.7, 0.1, 0.2]).tolist() == [part]


def test_the_hash_of_a_name_is_that_of_the_table():
    assert hash_text("ttbar.root") == 7059999986083849726


def test_parts_have_their_fractions():
    parts = parts_of(hashed(3, np.arange(100_000)), [0.7, 0.1, 0.2])
    assert np.bincount(parts) / 1e5 == pytest.approx([0.7, 0.1, 0.2], abs=0.005)  # three standard deviations


def test_another_salt_is_an_independent_split():
    one, other = (parts_of(hashed(salt, np.arange(100_000)), [0.5, 0.5]) for salt in (1, 2))
    assert (one == other).mean() == pytest.approx(0.5, abs=0.005)


def events(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, n), rng.integers(-3, 4, n)


def test_folds_of_a_part_and_stratum_are_equal_to_one_event():
    parts, strata = events(1003)
    folds = Dealer(10, seed=1, file="a.root").deal(parts, strata)
    for part in range(2):
        for stratum in range(-3, 4):
            counts = np.bincount(folds[(parts == part) & (strata == stratum)], minlength=10)
            assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("step", [1, 7, 100, 1000])
def test_folds_do_not_depend_on_the_size_of_pieces(step):
    parts, strata = events(1003)
    whole = Dealer(10, seed=1, file="a.root").deal(parts, strata)
    dealer = Dealer(10, seed=1, file="a.root")
    pieces = [dealer.deal(parts[i : i + step], strata[i : i + step]) for i in range(0, 1003, step)]
    assert np.concatenate(pieces).tolist() == whole.tolist()


def test_runs_are_in_orders_of_their_own():
    parts, strata = np.zeros(4000, dtype=int), np.zeros(4000, dtype=int)
    orders = Dealer(4, seed=1, file="a.root").deal(parts, strata).reshape(-1, 4)
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 24  # all permutations, each about 1000 / 24 times
    assert ((counts - 1000 / 24) ** 2).sum() / (1000 / 24) < 45  # chi square of 23 degrees of freedom: 0.4 percent


@pytest.mark.parametrize("other", [{"seed": 2, "file": "a.root"}, {"seed": 1, "file": "b.root"}])
def test_another_seed_or_file_gives_other_folds(other):
    parts, strata = events(1000)
    one, two = (Dealer(10, **options).deal(parts, strata) for options in ({"seed": 1, "file": "a.root"}, other))
    assert (one == two).mean() < 0.2


def test_a_group_stays_in_one_fold_wherever_it_is():
    parts, strata = events(1000)
    groups = (np.arange(1000) // 5).astype(np.uint64)
    folds = Dealer(10, seed=1, file="a.root").deal(parts, strata, groups)
    assert (folds.reshape(-1, 5) == folds[::5, None]).all()
    assert folds.tolist() == Dealer(10, seed=1, file="b.root").deal(parts, strata, groups).tolist()
    assert np.bincount(folds, minlength=10).min() > 50


def test_no_events_are_no_folds():
    nothing = np.zeros(0, dtype=int)
    assert Dealer(10, seed=1, file="a.root").deal(nothing, nothing).tolist() == []


def test_strata_that_are_numbers_of_events_are_refused():
    with pytest.raises(ConfigError, match="more than 10000 classes"):
        Dealer(10, seed=1, file="a.root").deal(np.zeros(10_001, dtype=int), np.arange(10_001))
