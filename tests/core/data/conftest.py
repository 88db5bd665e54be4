"""A fold file."""

import pytest
from written import make_file


@pytest.fixture
def path(tmp_path):
    return make_file(tmp_path / "train.hdf5")
