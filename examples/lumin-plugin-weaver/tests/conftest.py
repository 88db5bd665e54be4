"""The jets of the fixtures, which weaver-core was asked about; see fixtures/make_fixtures.py."""

from pathlib import Path

import numpy as np
import pytest

from lumin_core import FoldYielder, df2foldfile
from lumin_plugin_weaver import WeaverData

FIXTURES = Path(__file__).parent / "fixtures"


def loaded(name):
    with np.load(FIXTURES / name) as file:
        return dict(file)


@pytest.fixture(scope="session")
def fixtures():
    return FIXTURES


@pytest.fixture(scope="session")
def logits():
    return loaded("logits.npz")


@pytest.fixture(scope="session")
def data():
    return WeaverData.read(FIXTURES / "jets.yaml")


@pytest.fixture(scope="session")
def particles():
    return loaded("jets.npz")


@pytest.fixture
def write(data, particles, tmp_path):
    """Write the jets as a fold file, in their order, and open it."""
    opened = []

    def write(particles=particles, n=24, name="jets", **options):
        columns = data.columns({name: values[:, :n] for name, values in particles.items()})
        columns["label"] = np.arange(len(columns["part0_part_deta"])) % 3
        matrix = {"matrix_vecs": data.vecs(n), "matrix_feats_per_vec": data.feats, "matrix_row_wise": True}
        options = {"preprocessing": {"matrix": data.scaling()}, **matrix, **options}
        path = df2foldfile(columns, 2, [], [], "label", tmp_path / name, "int", shuffle=False, **options)
        opened.append(FoldYielder(path))
        return opened[-1]

    yield write
    for fy in opened:
        fy.close()
