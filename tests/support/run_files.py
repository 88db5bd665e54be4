"""A run file beside a small fold file."""

import pytest

from lumin_core import registry

BASE = """
foldfile = "data/train.hdf5"
objective = "classification"
n_models = 2
bs = 8
n_epochs = 2
savepath = "run"
seed = 7
body = {name = "fully_connected", depth = 1, width = 4}
"""


@pytest.fixture
def write(tmp_path, make_fy):
    """Give a function that writes a run file beside a fold file."""
    (tmp_path / "data").mkdir()
    make_fy(tmp_path / "data" / "train.hdf5").close()

    def make(*lines, base=BASE):
        path = tmp_path / "run.toml"
        path.write_text("\n".join([base, *lines]), encoding="utf-8")
        return path

    return make


@pytest.fixture(autouse=True)
def session():
    """Forget what a test registers."""
    with registry.temporary():
        yield
