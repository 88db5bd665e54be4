"""Edges of bins."""

import numpy as np
import pytest

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots.bin_edges import edges_of


def test_edges_leave_out_tails_and_whole_numbers_have_a_bin_each():
    values = np.append(np.arange(1000) / 1000, [1e9, np.nan])
    assert edges_of(values, 10)[-1] < 1
    assert edges_of(np.array([2.0, 4.0, np.nan]), 50).tolist() == [1.5, 2.5, 3.5, 4.5]
    assert edges_of(np.array([5.0, 5.0]), 4).tolist() == [4.5, 5.5]
    assert np.diff(edges_of(np.full(9, 0.3), 4)).min() > 0
    assert edges_of(values, [0, 1, 5]).tolist() == [0, 1, 5]
    assert edges_of(values, 2, limits=(0, 1)).tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("bins", [0, -3, True, [1.0], [1, 1], [2, 1], [0, np.nan], "ten"])
def test_bins_that_are_none_are_refused(bins):
    with pytest.raises(ConfigError, match="bins"):
        edges_of(np.arange(9.5), bins)


def test_nothing_to_show_is_said():
    with pytest.raises(DataError, match="no finite values"):
        edges_of(np.full(3, np.nan), 5)
