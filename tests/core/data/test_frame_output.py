"""Data frames of fold files: LUMIN's columns, and what is missing is logged."""

from __future__ import annotations

import h5py
import numpy as np
from written import matrix_file

from lumin_core.data.entries import matrix_entry
from lumin_core.data.fold_file import FoldFileWriter
from lumin_core.data.fold_reader import FoldReader
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.data.frame_output import Wanted, to_frame


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


def test_a_tensor_gives_numbered_columns_and_absence_is_told(tmp_path):
    reader = FoldReader(matrix_file(tmp_path / "a.hdf5"))
    df, lacking = to_frame(reader, {"gen_target": "targets", "pred": "pred"}, Wanted(inputs=True, matrix=True))
    assert df.columns.tolist() == ["pt", "a_x", "a_y", "b_x", "gen_target_0"]
    assert lacking == ["pred"]
    np.testing.assert_array_equal(df["b_x"], [3, 0, np.nan])


def test_ignored_inputs_and_other_folds_are_left_out(path):
    df, _ = to_frame(FoldReader(path), {}, Wanted(fold_idx=2, inputs=True, fill=True, ignored=["eta"]))
    assert df.columns.tolist() == ["pt", "n_jets"]
    assert df["pt"].tolist()[:3] == [200, 0, 202]


def test_inputs_named_like_columns_that_are_made_are_not_lost(tmp_path):
    names = ["pred", "gen_target", "gen_weight", "pred_0", "input_pred"]
    with FoldFileWriter(tmp_path / "a", cont_feats=names, targ_feats="y", wgt_feat="w") as file:
        file.append(0, inputs=[[1.0, 2.0, 3.0, 4.0, 5.0]], targets=[6.0], weights=[7.0])
    fy = FoldYielder(file.path)
    fy.save_fold_pred([8.0], 0)
    assert fy.get_df(inc_inputs=True).iloc[0].to_dict() == {
        "input_input_pred": 1, "input_gen_target": 2, "input_gen_weight": 3, "pred_0": 4, "input_pred": 5,
        "gen_target": 6, "gen_weight": 7, "pred": 8,
    }  # fmt: skip


def test_elements_of_a_matrix_named_like_inputs_are_not_lost(tmp_path):
    entry = matrix_entry(["pt"], ["p"], [False], ["t"], True, (1, 1))
    with FoldFileWriter(tmp_path / "a", cont_feats=["pt"], targ_feats="y", matrix_feats=entry) as file:
        file.append(0, inputs=[[1.0]], targets=[0.0], matrix_inputs=[[[2.0]]])
    df = FoldYielder(file.path).get_df(inc_inputs=True, inc_matrix=True, suppress_warn=True)
    assert df.iloc[0].to_dict() == {"pt": 1, "matrix_pt": 2, "gen_target": 0}


def test_further_columns_come_as_they_are_beside_the_others(tmp_path):
    misc = {
        "run": np.array([2**60 + 1, 7]),
        "lepton": np.array(["μ", "electron"]),
        "passed": np.array([True, False]),
        "p4": np.array([[1.0, 2.0], [3.0, np.nan]]),
        "pt": np.array([30.0, 50.0]),
        "pred": np.array([8.0, 9.0]),
    }
    with FoldFileWriter(tmp_path / "a", cont_feats=["pt"], targ_feats="y") as file:
        for fold in range(2):
            file.append(fold, inputs=[[0.1], [0.2]], targets=[0, 1], misc=misc)
    fy = FoldYielder(file.path)
    with fy.writing():
        for fold in range(2):
            fy.save_fold_pred([0.3, 0.4], fold, "score")
    df = fy.get_df(pred_name="score", inc_inputs=True, inc_misc=True, nan_to_num=True, fold_idx=1)
    further = ["run", "lepton", "passed", "p4_0", "p4_1", "misc_pt", "misc_pred"]
    assert df.columns.tolist() == ["pt", "gen_target", "pred", *further]
    assert df["run"].tolist() == [2**60 + 1, 7]
    assert df["lepton"].tolist() == ["μ", "electron"]
    assert df["passed"].dtype == bool
    assert np.isnan(df["p4_1"][1])  # only inputs are filled
    assert df["misc_pt"].tolist() == [30, 50]
    assert len(fy.get_df(inc_misc=True)) == 4
    assert fy.get_df(inc_misc=True).columns.tolist() == ["gen_target", "pred", *further[:5], "pt"]


def test_a_file_that_lists_no_further_columns_gives_what_it_has(path):
    with FoldYielder(path) as fy, fy.writing():
        for fold in range(3):
            fy.save_fold_pred(np.zeros(10), fold, "mine")
    with h5py.File(path, "r+") as file:
        del file["meta_data/misc_feats"]
        for fold in range(3):
            file[f"fold_{fold}/theirs"] = np.full(10, fold)
    df = FoldYielder(path).get_df(inc_misc=True, suppress_warn=True)
    assert df["theirs"].tolist() == [0] * 10 + [1] * 10 + [2] * 10
    assert {"event", "mine"} & set(df.columns) == {"event"}


def test_fault_a_spread_is_undone_as_a_width(tmp_path):
    """A prediction of 0.5 is 125 + 0.5 * 8 GeV; its width of 0.2 is 1.6 GeV, without the mean."""
    with FoldFileWriter(tmp_path / "a", cont_feats=["pt"], targ_feats="y") as file:
        file.append(0, inputs=np.ones((3, 1)), targets=np.zeros(3))
    fy = FoldYielder(tmp_path / "a", output_pipe=Standard())
    fy.save_fold_pred(np.full(3, 0.5), 0, "mass")
    fy.save_fold_pred(np.full(3, 0.2), 0, "mass_spread")
    np.testing.assert_allclose(fy.get_df("mass", deprocess=True)["pred"], 129)
    np.testing.assert_allclose(fy.get_df("mass_spread", deprocess=True)["pred"], 1.6, rtol=1e-6)
    np.testing.assert_allclose(fy.get_df("mass_spread")["pred"], 0.2, rtol=1e-6)


class Standard:
    def transform(self, x):
        return (x - 125) / 8

    def inverse_transform(self, x):
        return x * 8 + 125
