import numpy as np
import pytest

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_io import Sample
from lumin_plugin_io.normalisation import factor_of, sum_of_weights

uproot = pytest.importorskip("uproot")


def sample(**keys):
    return Sample(**{"name": "tt", "files": (), "xsec": 3.0, "sum_of_weights": "Runs:sumw", **keys})


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / name for name in ("a.root", "b.root")]
    for path, sums in zip(paths, ([1.5, 2.5], [-1.0]), strict=True):
        with uproot.recreate(path) as file:
            file.mktree("Runs", {"sumw": "float64", "other": "float64"})
            file["Runs"].extend({"sumw": np.array(sums), "other": -np.ones(len(sums))})
            file.mktree("Events", {"x": "float64"})
    return paths


def test_the_factor_makes_weights_sum_to_what_is_expected(files):
    assert factor_of(sample(), 10.0, files) == 3.0 * 10.0 / (1.5 + 2.5 - 1.0)
    weights = np.array([1.5, 2.5, -1.0])
    assert (factor_of(sample(), 10.0, files) * weights).sum() == 3.0 * 10.0
    assert factor_of(sample(sum_of_weights=60.0), 10.0, []) == 0.5


def test_without_a_cross_section_weights_stay():
    assert factor_of(sample(xsec=None, sum_of_weights=None), None, []) == 1.0


def test_a_file_counts_once(files):
    assert sum_of_weights(sample(), [*files, *files]) == 3.0


def test_what_is_not_there_is_told_with_what_is(files):
    place = r"^\[sample.tt\] sum_of_weights = 'Run:sumw': there is no tree 'Run' in .*a.root; did you mean 'Runs'"
    with pytest.raises(ConfigError, match=place):
        sum_of_weights(sample(sum_of_weights="Run:sumw"), files)
    with pytest.raises(ConfigError, match=r"^\[sample.tt\] sum_of_weights = 'Runs:sum': there is no branch 'sum'"):
        sum_of_weights(sample(sum_of_weights="Runs:sum"), files)


def test_the_sum_must_be_positive(files):
    with pytest.raises(DataError, match=r"Runs:other of 2 files sums to -3, and must be positive"):
        sum_of_weights(sample(sum_of_weights="Runs:other"), files)
    with pytest.raises(DataError, match=r"Events:x of 1 file sums to 0, and must be positive"):
        sum_of_weights(sample(sum_of_weights="Events:x"), files[:1])
