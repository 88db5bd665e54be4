"""The data of a run, in its report: the table of ``lumin check``."""

import pytest

from lumin_core import registry, train_models
from lumin_core.runs import Run
from lumin_plugin_commands.data_section import DataTable


@pytest.fixture
def train(make_fy, make_builder, tmp_path):
    def make(name="train", **options):
        fy = make_fy(tmp_path / f"{name}.hdf5", **options)
        train_models(fy, 1, 8, make_builder(fy), 1, savepath=tmp_path / f"run of {name}", seed=1, visible_bar=False)
        return Run.open(tmp_path / f"run of {name}")

    return make


def test_the_table_says_what_lumin_check_says(train, make_fy, tmp_path, run):
    make_fy(tmp_path / "train.test.hdf5", n=12, seed=4).close()
    training, held_back = DataTable().build(train())
    assert [training.title, held_back.title] == ["Training", "Held back"]
    _, said, _ = run("check", str(tmp_path / "train.hdf5"))
    rows = {label: text for label, text in training.rows if label not in ("targets", "weights")}
    for label in ("each fold", "class 0", "class 1", "a", "d"):
        assert " ".join(rows[label].split()) in " ".join(said.split())
    assert dict(held_back.rows)["folds"] == "3, each of 12 events, 36 in all"
    assert training.caption == str(tmp_path / "train.hdf5")


def test_of_a_file_without_weights_it_says_so(train):
    [training] = DataTable().build(train(weights=False))
    assert dict(training.rows)["weights"] == "none"


def test_the_section_is_found_where_the_kind_is_declared():
    found = registry.find("report_section", "commands/data_table")
    assert found.load() is DataTable
