"""Fold files of every sort: of ours, of others, with a matrix."""

import json

import h5py
import numpy as np

from lumin_core.data import FoldFileWriter, declare_zero_padding, matrix_entry


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


def matrix_file(path, zero_padded=False):
    entry = matrix_entry(["a_x", "a_y", "b_x"], ["a", "b"], [0, 0, 0, 1], ["x", "y"], True, (2, 2))
    matrix = np.array([[[1, 2], [3, np.nan]], [[1, 0], [0, np.nan]], [[np.nan, 2], [np.nan, np.nan]]])
    with FoldFileWriter(path, cont_feats=["pt"], targ_feats=["y"], matrix_feats=entry) as file:
        file.append(0, inputs=np.ones((3, 1)), targets=np.ones((3, 1)), matrix_inputs=matrix)
    if zero_padded:
        declare_zero_padding(path)
    return path
