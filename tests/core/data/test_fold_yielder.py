"""FoldYielder: what it reads, what it writes, and what it refuses."""

from __future__ import annotations

import json
import multiprocessing
import operator
import pickle
import shutil
import subprocess
import sys
import tracemalloc
from concurrent.futures import ProcessPoolExecutor

import h5py
import numpy as np
import pytest

from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.data.description import declare_zero_padding
from lumin_core.data.entries import matrix_entry
from lumin_core.data.fold_file import FoldFileWriter
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.data.matrix import object_mask
from lumin_core.errors import ConfigError, DataError, FoldFileError, ShapeError
from lumin_core.files import locked


@pytest.fixture
def path(tmp_path):
    return make_file(tmp_path / "train.hdf5")


def make_file(path, n_folds=3, n=10, **options):
    with FoldFileWriter(
        path, cont_feats=["pt", "eta"], cat_feats=["n_jets"], targ_feats="y", wgt_feat="weight", **options
    ) as file:
        for i in range(n_folds):
            inputs = np.stack([np.arange(n) + 100 * i, np.arange(n) / 2, np.arange(n) % 3], axis=1)
            inputs[1, 0] = np.nan
            file.append(
                i,
                inputs=inputs,
                targets=np.arange(n) % 2,
                weights=np.full(n, i + 1),
                misc={"event": np.arange(n) + n * i},
            )
    return path


def make_foreign(path, n_folds=2, n=6, meta=True, **columns):
    """Write a file as others do: no attributes of ours."""
    with h5py.File(path, "w") as file:
        for i in range(n_folds):
            group = file.create_group(f"fold_{i}")
            data = {"inputs": np.ones((n, 2), dtype="float32"), "targets": np.ones(n), "weights": np.ones(n)} | columns
            for name, values in data.items():
                group.create_dataset(name, data=values)
        if meta:
            for name, value in {
                "cont_feats": ["pt", "eta"],
                "cat_feats": [],
                "targ_feats": "y",
                "wgt_feat": "w",
            }.items():
                file.create_dataset(f"meta_data/{name}", data=json.dumps(value))
    return path


# Reading


def test_folds_have_the_documented_shapes_and_types(path):
    fy = FoldYielder(path)
    fold = fy.get_fold(1)
    assert {name: (values.shape, values.dtype) for name, values in fold.items()} == {
        "inputs": ((10, 3), np.float32), "targets": ((10, 1), np.float32), "weights": ((10, 1), np.float32)
    }  # fmt: skip
    assert fold["inputs"][1, 0] == 0  # NaN in the file
    assert fold["inputs"][2].tolist() == [102, 1, 2]
    assert len(fy) == fy.n_folds == 3
    assert fy.fld_szs == {0: 10, 1: 10, 2: 10}
    assert [f["weights"][0, 0] for f in fy] == [1, 2, 3]
    assert fy.columns() == ["event", "inputs", "targets", "weights"]
    assert (fy.cont_feats, fy.cat_feats, fy.targ_feats, fy.wgt_feat) == (["pt", "eta"], ["n_jets"], ["y"], "weight")
    assert fy.get_data_count() == 30
    assert fy.get_data_count(1) == 10
    assert fy.get_data_count([0, 2]) == 20


def test_fault_more_than_ten_folds_are_ordered_by_number(tmp_path):
    fy = FoldYielder(make_file(tmp_path / "a.hdf5", n_folds=12))
    assert fy.get_column("event").tolist() == list(range(120))
    assert [fold["inputs"][0, 0] for fold in fy] == [100 * i for i in range(12)]
    assert fy.get_df(n_folds=11).shape[0] == 110


def test_ignored_features_are_left_out_but_known(path):
    fy = FoldYielder(path, ignore_feats="pt")
    assert fy[0]["inputs"].shape == (10, 2)
    assert fy.get_use_cont_feats() == fy.cont_feats == ["eta"]
    assert fy.input_feats == ["pt", "eta", "n_jets"]
    fy.add_ignore(["n_jets"])
    assert fy.get_ignore() == ["pt", "n_jets"]
    assert fy.get_use_cat_feats() == []
    np.testing.assert_array_equal(fy[0]["inputs"][:, 0], np.arange(10) / 2)
    assert fy.get_data(fold_idx=0)["inputs"].shape == (10, 3)
    with pytest.raises(ConfigError, match="did you mean 'eta'"):
        fy.add_ignore("etaa")


def test_columns_are_read_by_fold_number_of_folds_and_as_a_column(path):
    fy = FoldYielder(path)
    assert fy.get_column("event", n_folds=2).tolist() == list(range(20))
    assert fy.get_column("event", fold_idx=2).tolist() == list(range(20, 30))
    assert fy.get_column("event", fold_idx=2, add_newaxis=True).shape == (10, 1)
    assert fy.get_column("no_such") is None
    with pytest.raises(ConfigError, match="not both"):
        fy.get_column("event", n_folds=1, fold_idx=1)


@pytest.mark.parametrize("idx", [3, -1, 1.0, True, "0"])
def test_a_fold_that_does_not_exist_is_refused(path, idx):
    with pytest.raises(ConfigError, match="folds are 0 to 2"):
        FoldYielder(path).get_fold(idx)


def test_data_frame_has_lumins_columns(path):
    fy = FoldYielder(path, ignore_feats="eta")
    with fy.writing():
        for i in range(3):
            fy.save_fold_pred(np.full((10, 2), i), i)
            fy.save_fold_pred(np.full(10, -i), i, "other")
    df = fy.get_df(inc_inputs=True)
    assert df.columns.tolist() == ["pt", "n_jets", "gen_target", "gen_weight", "pred_0", "pred_1"]
    assert fy.get_df(inc_inputs=True, inc_ignore=True).columns[1] == "eta"
    assert np.isnan(df["pt"][1])
    assert fy.get_df(inc_inputs=True, nan_to_num=True)["pt"][1] == 0
    assert fy.get_df(pred_name="other", fold_idx=2)["pred"].tolist() == [-2] * 10
    assert fy.get_df(n_folds=1).shape[0] == 10


def test_missing_columns_are_logged_not_printed(path, caplog, capsys):
    with caplog.at_level("INFO"):
        FoldYielder(path).get_df()
    assert "no column 'pred'" in caplog.text
    assert "30 events" in caplog.text
    caplog.clear()
    FoldYielder(path).get_df(suppress_warn=True, verbose=False)
    assert not caplog.text
    assert capsys.readouterr().out == ""


# Matrices


def matrix_file(path, zero_padded=False):
    entry = matrix_entry(["a_x", "a_y", "b_x"], ["a", "b"], [0, 0, 0, 1], ["x", "y"], True, (2, 2))
    matrix = np.array([[[1, 2], [3, np.nan]], [[1, 0], [0, np.nan]], [[np.nan, 2], [np.nan, np.nan]]])
    with FoldFileWriter(path, cont_feats=["pt"], targ_feats=["y"], matrix_feats=entry) as file:
        file.append(0, inputs=np.ones((3, 1)), targets=np.ones((3, 1)), matrix_inputs=matrix)
    if zero_padded:
        declare_zero_padding(path)
    return path


def test_matrices_are_yielded_beside_flat_inputs(tmp_path):
    path = matrix_file(tmp_path / "a.hdf5")
    flat, matrix = FoldYielder(path)[0]["inputs"]
    np.testing.assert_array_equal(matrix, [[[1, 2], [3, 0]], [[1, 0], [0, 0]], [[0, 2], [np.nan, np.nan]]])
    assert object_mask(matrix).tolist() == [[True, True], [True, True], [True, False]]
    assert FoldYielder(path, yield_matrix=False)[0]["inputs"].shape == flat.shape == (3, 1)
    df = FoldYielder(path).get_df(inc_inputs=True, inc_matrix=True)
    assert df.columns.tolist() == ["pt", "a_x", "a_y", "b_x", "gen_target_0"]


def test_declared_zero_padding_becomes_nan(tmp_path):
    matrix = FoldYielder(matrix_file(tmp_path / "a.hdf5", zero_padded=True))[0]["inputs"][1]
    assert object_mask(matrix).tolist() == [[True, True], [True, False], [True, False]]


def test_zero_padding_needs_a_matrix(path):
    with pytest.raises(FoldFileError, match="no matrix"):
        declare_zero_padding(path)


# Files made by others


def test_files_without_meta_data_take_features_from_the_call(tmp_path):
    path = make_foreign(tmp_path / "a.hdf5", meta=False)
    fy = FoldYielder(path, cont_feats=["pt"], cat_feats=["n_jets"], ignore_feats=["pt"])
    assert fy[0]["inputs"].shape == (6, 1)
    assert fy.get_df(inc_inputs=True, suppress_warn=True).columns.tolist() == ["n_jets", "gen_target", "gen_weight"]
    with pytest.raises(FoldFileError, match="no meta data: pass cont_feats="):
        FoldYielder(path)
    with pytest.raises(FoldFileError, match=r"\(n, 1\)"):
        FoldYielder(path, cont_feats=["pt"])


def test_features_that_contradict_the_file_are_refused(path):
    assert FoldYielder(path, cont_feats=["pt", "eta"]).cont_feats == ["pt", "eta"]
    with pytest.raises(ConfigError, match="leave cont_feats out"):
        FoldYielder(path, cont_feats=["eta", "pt"])


@pytest.mark.parametrize(("column", "name"), [("inputs", "eta"), ("targets", "y"), ("weights", "w")])
def test_bad_values_in_foreign_files_are_refused_on_the_first_load(tmp_path, column, name):
    values = {"inputs": np.ones((6, 2), dtype="float32"), "targets": np.ones(6), "weights": np.ones(6)}[column]
    values[(3, 1) if column == "inputs" else 3] = np.inf if column == "inputs" else np.nan
    fy = FoldYielder(make_foreign(tmp_path / "a.hdf5", **{column: values}))
    for _ in range(2):  # not only the first time
        with pytest.raises(DataError, match=rf"fold 0 of a.hdf5.*'{name}'"):
            fy.get_fold(0)


def test_fault_infinities_of_foreign_files_are_clipped_by_choice(tmp_path):
    values = np.array([[np.inf, 1.0], [-np.inf, np.nan]], dtype="float32")
    fy = FoldYielder(make_foreign(tmp_path / "a.hdf5", inputs=values, targets=np.ones(2), weights=np.ones(2)), clip=9)
    assert fy[0]["inputs"].tolist() == [[9, 1], [-9, 0]]


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(FoldFileError, match="no fold file"):
        FoldYielder(tmp_path / "no_such.hdf5")
    foreign = tmp_path / "foreign.hdf5"
    foreign.write_text("hello")
    with pytest.raises(FoldFileError, match="no HDF5 file"):
        FoldYielder(foreign)
    with h5py.File(foreign, "w") as file:
        file.create_dataset("x", data=1)
    with pytest.raises(FoldFileError, match=r"no group fold_0|no meta data"):
        FoldYielder(foreign)
    assert foreign.exists()


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_file_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FoldFileError, match="truncated"):
        FoldYielder(path)


def test_gaps_in_the_numbering_are_refused(tmp_path):
    path = make_foreign(tmp_path / "a.hdf5", n_folds=3)
    with h5py.File(path, "r+") as file:
        del file["fold_1"]
    with pytest.raises(FoldFileError, match=r"missing \[1\]"):
        FoldYielder(path)


def test_damaged_meta_data_are_refused(tmp_path):
    path = make_foreign(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        del file["meta_data/cont_feats"]
        file["meta_data/cont_feats"] = "[no json"
    with pytest.raises(FoldFileError, match="cont_feats cannot be read"):
        FoldYielder(path)


def test_the_suffix_may_be_left_out_and_an_open_file_given(path):
    assert FoldYielder(path.with_suffix("")).foldfile == path.resolve()
    with h5py.File(path) as file:
        assert FoldYielder(file)[0]["inputs"].shape == (10, 3)


# Several readers


def test_fault_read_only_files_are_read_by_several_processes(path):
    path.chmod(0o444)
    fy = FoldYielder(path)
    read = operator.methodcaller("get_column", "event")
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for events in pool.map(read, [fy, fy]):
            np.testing.assert_array_equal(events, np.arange(30))
    with pytest.raises(FoldFileError, match="read-only"):
        fy.save_fold_pred(np.ones(10), 0)


def test_pickled_yielders_keep_path_and_options(path):
    fy = FoldYielder(path, ignore_feats=["pt"], seed=5)
    again = pickle.loads(pickle.dumps(fy))
    assert (again.foldfile, again.get_ignore(), again.seed) == (fy.foldfile, ["pt"], 5)
    np.testing.assert_array_equal(again[0]["inputs"], fy[0]["inputs"])


def test_a_yielder_closes_and_opens_again(path):
    with FoldYielder(path) as fy:
        fy.close()
        assert fy[0]["inputs"].shape == (10, 3)
    fy.close()


# Predictions


def test_predictions_are_saved_and_replaced(path):
    fy, other = FoldYielder(path), FoldYielder(path)
    for value in (1.0, 2.0):
        with fy.writing():
            for i in range(3):
                fy.save_fold_pred(np.full(10, value + i), i)
        assert fy.get_column("pred")[::10].tolist() == [value, value + 1, value + 2]
        assert other.get_column("pred").dtype == np.float32
    assert "pred" in other.columns()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_predictions_of_one_name_do_not_make_the_file_grow(path):
    fy, sizes = FoldYielder(path), set()
    for _ in range(5):
        fy.save_fold_pred(np.ones((10, 4)), 0)
        sizes.add(path.stat().st_size)
    assert len(sizes) == 1


def test_predictions_of_another_shape_replace_the_old_ones(path):
    fy = FoldYielder(path)
    fy.save_fold_pred(np.ones(10), 0)
    fy.save_fold_pred(np.ones((10, 2)), 0)
    assert fy.get_column("pred", fold_idx=0).shape == (10, 2)
    with pytest.raises(DataError, match=r"not in folds \[1, 2\]"):
        fy.get_column("pred")


def test_a_failure_while_writing_leaves_the_file_as_it_was(path):
    before = path.read_bytes()
    fy = FoldYielder(path)

    def write():
        with fy.writing():
            fy.save_fold_pred(np.ones(10), 0)
            raise RuntimeError("mid-way")

    with pytest.raises(RuntimeError, match="mid-way"):
        write()
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    fy.save_fold_pred(np.ones(10), 0)  # and the yielder is usable


def test_writing_blocks_nest_and_write_once(path, monkeypatch):
    fy, copies, copy = FoldYielder(path), [], shutil.copy
    monkeypatch.setattr("lumin_core.data.hdf5.shutil.copy", lambda *a: copies.append(a) or copy(*a))
    with fy.writing(), fy.writing():
        fy.save_fold_pred(np.ones(10), 0)
        fy.save_fold_pred(np.ones(10), 1)
    assert len(copies) == 1


def test_a_second_writer_is_refused_and_a_dead_ones_lock_is_not(path):
    a, b = FoldYielder(path), FoldYielder(path)
    with a.writing(), pytest.raises(FoldFileError, match="being written"):
        b.save_fold_pred(np.ones(10), 0)
    path.with_name(f".{path.name}.lock").touch()  # what a crashed writer leaves
    path.with_name(f".{path.name}.part").write_text("half of it")
    b.save_fold_pred(np.ones(10), 0)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_reader_sees_the_old_file_until_the_new_one_is_complete(path):
    writer, reader = FoldYielder(path), FoldYielder(path)
    with writer.writing():
        writer.save_fold_pred(np.ones(10), 0)
        assert "pred" not in reader.columns()
    assert "pred" in reader.columns()


def test_links_are_followed(path):
    link = path.with_name("link.hdf5")
    link.symlink_to(path)
    FoldYielder(link).save_fold_pred(np.ones(10), 0)
    assert link.is_symlink()
    assert "pred" in FoldYielder(path).columns()


def test_permissions_survive(path):
    path.chmod(0o640)
    FoldYielder(path).save_fold_pred(np.ones(10), 0)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_replaced_by_another_is_noticed(path):
    fy = FoldYielder(path)
    make_file(path, n_folds=2, overwrite=True)
    with pytest.raises(FoldFileError, match="replaced by a file with other data"):
        fy.get_fold(0)
    with pytest.raises(FoldFileError, match="replaced by a file with other data"):
        fy.get_fold(0)


def test_a_file_replaced_while_writing_is_noticed_and_the_lock_released(path):
    fy, other = FoldYielder(path), make_file(path.with_name("b.hdf5"), n_folds=1)

    def write():
        with fy.writing():
            fy.save_fold_pred(np.ones(10), 0)
            shutil.copy(other, path)

    with pytest.raises(FoldFileError, match="replaced"):
        write()
    with locked(path):
        pass
    assert path.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [("targets", ConfigError, "taken"), ("event", ConfigError, "taken"), ("a/b", ConfigError, "without '/'")],
)
def test_predictions_do_not_overwrite_data(path, name, error, message):
    with pytest.raises(error, match=message):
        FoldYielder(path).save_fold_pred(np.ones(10), 0, name)


def test_predictions_of_another_length_are_refused(path):
    with pytest.raises(ShapeError, match="10 rows"):
        FoldYielder(path).save_fold_pred(np.ones(9), 0)


# Memory


def test_iterating_holds_at_most_two_folds_and_a_permuted_copy(tmp_path):
    """Torch's tensors are not traced: the permuted copy is taken into account as what the tensors share or own."""
    n, n_feats = 20_000, 30
    with FoldFileWriter(tmp_path / "a.hdf5", cont_feats=[f"x{i}" for i in range(n_feats)], targ_feats="y") as file:
        for i in range(6):
            file.append(i, inputs=np.full((n, n_feats), i), targets=np.zeros(n))
    fold_bytes = n * (n_feats + 1) * 4
    fy = FoldYielder(tmp_path / "a.hdf5")
    list(BatchYielder(**fy[0], bs=256, objective="classification"))
    tracemalloc.start()
    for i in range(6):
        for _ in BatchYielder(**fy[i], bs=256, objective="classification"):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.1 * fold_bytes


MEMORY = """
import resource, sys
from lumin_core import BatchYielder, FoldYielder
small, large = sys.argv[1:]
def iterate(path):
    fy = FoldYielder(path, ignore_feats=["x0"])
    for i in range(len(fy)):
        for x, y, w in BatchYielder(**fy[i], bs=256, objective="classification"):
            pass
iterate(small)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
iterate(large)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of the resident memory is read as on Linux")
def test_the_whole_process_holds_at_most_two_folds_and_a_permuted_copy(tmp_path):
    """Here torch's memory counts too. Folds are large enough to be given back to the system when they are freed."""
    n_feats, sizes = 30, {"small": 1000, "large": 300_000}
    for name, n in sizes.items():
        with FoldFileWriter(tmp_path / name, cont_feats=[f"x{i}" for i in range(n_feats)], targ_feats="y") as file:
            for i in range(5):
                file.append(i, inputs=np.full((n, n_feats), i, dtype="float32"), targets=np.zeros(n))
    paths = [tmp_path / f"{name}.hdf5" for name in sizes]
    done = subprocess.run([sys.executable, "-c", MEMORY, *paths], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 3.2 * sizes["large"] * (n_feats + 1) * 4
