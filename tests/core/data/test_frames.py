"""df2foldfile and fold2foldfile: what is put in comes out, and what is wrong is refused before a file appears."""

from __future__ import annotations

import datetime
import json

import h5py
import numpy as np
import pandas as pd
import pytest

from lumin_core.data.description import add_meta_data
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.data.frames import df2foldfile, fold2foldfile
from lumin_core.data.matrix import matrix_lookup
from lumin_core.data.sparse import Coo
from lumin_core.errors import ConfigError, DataError, FoldFileError, ShapeError


def make_df(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "pt": rng.exponential(30, n),
            "eta": rng.normal(size=n),
            "n_jets": rng.integers(0, 3, n),
            "is_signal": np.arange(n) % 2,
            "mass": rng.normal(125, 10, n),
            "weight": rng.normal(1, 1, n),
            "process": np.where(
                np.arange(n) % 3, "ttbar", "Z → ττ, a name far longer than the sixty-four bytes of before"
            ),
            "event": np.arange(n, dtype=np.int64) + 2**40,
            "triggered": np.arange(n) % 5 == 0,
        }
    )


def write(tmp_path, df=None, **changes):
    arguments = {
        "n_folds": 3, "cont_feats": ["pt", "eta"], "cat_feats": ["n_jets"], "targ_feats": "is_signal",
        "savename": tmp_path / "train", "targ_type": "float32", "seed": 1,
    }  # fmt: skip
    return df2foldfile(make_df() if df is None else df, **(arguments | changes))


def test_every_event_arrives_once_with_its_values(tmp_path):
    df = make_df()
    path = write(
        tmp_path, df, misc_feats=["event", "process", "triggered"], wgt_feat="weight", targ_feats=["is_signal", "mass"]
    )
    fy = FoldYielder(path)
    read = fy.get_df(inc_inputs=True).assign(event=fy.get_column("event")).sort_values("event", ignore_index=True)
    assert fy.get_column("event").dtype == np.int64
    assert fy.get_column("triggered").dtype == np.bool_
    for column, name in {
        "pt": "pt",
        "eta": "eta",
        "n_jets": "n_jets",
        "mass": "gen_target_1",
        "weight": "gen_weight",
    }.items():
        np.testing.assert_array_equal(read[name], df[column].astype("float32"))
    order = np.argsort(fy.get_column("event"))
    assert fy.get_column("process")[order].tolist() == df["process"].tolist()
    assert fy.get_column("triggered")[order].tolist() == df["triggered"].tolist()


def test_fault_text_is_kept_in_full_and_category_keys_stay_integers(tmp_path):
    path = write(tmp_path, misc_feats="process", cat_maps={"n_jets": {0: "none", 1: "one", 2: "more"}})
    fy = FoldYielder(path)
    assert set(fy.get_column("process")) == set(make_df()["process"])
    assert fy.cat_maps == {"n_jets": {0: "none", 1: "one", 2: "more"}}


def test_layout_is_lumins(tmp_path):
    path = write(tmp_path, wgt_feat="weight")
    with h5py.File(path) as file:
        assert sorted(file) == ["fold_0", "fold_1", "fold_2", "meta_data"]
        assert file["fold_0/inputs"].dtype == file["fold_0/weights"].dtype == np.float32
        assert file["fold_0/targets"].shape == file["fold_0/weights"].shape == (20,)
        assert json.loads(file["meta_data/targ_feats"][()]) == "is_signal"
        assert json.loads(file["meta_data/wgt_feat"][()]) == "weight"


def test_same_seed_same_file_and_another_seed_another(tmp_path):
    a, b, c = (
        FoldYielder(write(tmp_path, savename=tmp_path / name, seed=seed))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    np.testing.assert_array_equal(a[0]["inputs"], b[0]["inputs"])
    assert (a[0]["inputs"] != c[0]["inputs"]).any()
    assert a.schema.provenance["seed"] == 1


def test_seed_of_none_is_recorded(tmp_path):
    assert FoldYielder(write(tmp_path, seed=None)).schema.provenance["seed"] >= 0


def test_without_shuffle_folds_are_contiguous(tmp_path):
    df = make_df(11)
    fy = FoldYielder(write(tmp_path, df, shuffle=False))
    assert list(fy.fld_szs.values()) == [4, 4, 3]
    np.testing.assert_array_equal(fy.get_column("inputs")[:, 0], df["pt"].astype("float32"))


def test_the_callers_arguments_are_unchanged(tmp_path):
    df, cont = make_df(), ["pt", "eta"]
    before = df.copy()
    write(tmp_path, df, cont_feats=cont, clip=1.0)
    pd.testing.assert_frame_equal(df, before)
    assert cont == ["pt", "eta"]


@pytest.mark.parametrize("compression", ["gzip", "lzf", 4])
def test_compression_changes_nothing_but_the_size(tmp_path, compression):
    plain = FoldYielder(write(tmp_path))
    packed = FoldYielder(write(tmp_path, savename=tmp_path / "packed", compression=compression, misc_feats="process"))
    np.testing.assert_array_equal(plain[1]["inputs"], packed[1]["inputs"])
    with h5py.File(packed.foldfile) as file:
        assert file["fold_0/inputs"].compression in ("gzip", "lzf")


# Matrices and tensors


def matrix_df(n=12):
    rng = np.random.default_rng(1)
    df = pd.DataFrame(
        rng.normal(size=(n, 5)).astype("float32"), columns=["tau_px", "tau_py", "jet_px", "jet_py", "jet_m"]
    )
    df.loc[0, ["jet_px", "jet_py", "jet_m"]] = np.nan  # no jet
    df.loc[1, "jet_m"] = np.nan  # a jet without mass
    return df.assign(y=np.arange(n) % 2, met=1.0)


@pytest.mark.parametrize("row_wise", [True, False])
def test_matrix_holds_zero_for_what_never_exists_and_nan_for_absent_objects(tmp_path, row_wise):
    df = matrix_df()
    path = df2foldfile(
        df, 2, ["met"], [], "y", tmp_path / "a", "int", shuffle=False, matrix_vecs=["tau", "jet"],
        matrix_feats_per_vec=["px", "py", "m"], matrix_row_wise=row_wise,
    )  # fmt: skip
    flat, matrix = FoldYielder(path)[0]["inputs"]
    assert flat.shape == (6, 1)
    matrix = matrix if row_wise else matrix.transpose(0, 2, 1)
    np.testing.assert_array_equal(
        matrix[2], [[*df.loc[2, ["tau_px", "tau_py"]], 0], df.loc[2, ["jet_px", "jet_py", "jet_m"]]]
    )
    assert matrix[0, 0, 2] == 0
    assert np.isnan(matrix[0, 1]).all()
    assert matrix[1, 1, 2] == 0


def test_fault_one_duplicate_matrix_feature_leaves_the_flat_inputs(tmp_path):
    path = df2foldfile(
        matrix_df(), 2, ["met", "tau_px"], [], "y", tmp_path / "a", "int", matrix_vecs=["tau"],
        matrix_feats_per_vec=["px", "py"], matrix_row_wise=True,
    )  # fmt: skip
    assert FoldYielder(path).cont_feats == ["met"]


@pytest.mark.parametrize(
    ("vecs", "feats", "message"),
    [(["tau", "muon"], ["px"], "no column for 'muon'"), (["tau"], ["px", "pyy"], "did you mean 'py'")],
)
def test_a_matrix_object_or_feature_that_does_not_exist_at_all_is_refused(tmp_path, vecs, feats, message):
    with pytest.raises(DataError, match=message):
        df2foldfile(
            matrix_df(),
            2,
            [],
            [],
            "y",
            tmp_path / "a",
            "int",
            matrix_vecs=vecs,
            matrix_feats_per_vec=feats,
            matrix_row_wise=True,
        )


def test_matrix_arguments_belong_together(tmp_path):
    with pytest.raises(ConfigError, match="matrix_row_wise"):
        df2foldfile(
            matrix_df(), 2, [], [], "y", tmp_path / "a", "int", matrix_vecs=["tau"], matrix_feats_per_vec=["px"]
        )
    with pytest.raises(ConfigError, match="leave one out"):
        df2foldfile(
            matrix_df(), 2, [], [], "y", tmp_path / "a", "int", matrix_vecs=["tau"], matrix_feats_per_vec=["px"],
            matrix_row_wise=True, tensor_data=np.ones((12, 2)),
        )  # fmt: skip


def images(n=10):
    x = np.zeros((n, 2, 4, 3), dtype="float32")
    x[np.arange(n - 3), 1, 2, np.arange(n - 3) % 3] = np.arange(1, n - 2)  # the last three events are empty
    return x


@pytest.mark.parametrize("sparse", [False, True])
def test_tensors_without_a_data_frame(tmp_path, sparse):
    x, y = images(), np.arange(20, dtype="float32").reshape(10, 2)
    y[-1] = 0
    path = df2foldfile(
        None, 2, [], [], ["y"], tmp_path / "a", "float32", shuffle=False, tensor_data=x, tensor_name="image",
        tensor_as_sparse=sparse, tensor_target=y, tensor_target_as_sparse=sparse,
    )  # fmt: skip
    fy = FoldYielder(path)
    assert fy.fld_szs == {0: 5, 1: 5}
    assert fy.matrix_feats["shape"] == [2, 4, 3]
    for i in range(2):
        fold = fy[i]
        np.testing.assert_array_equal(fold["inputs"][1], x[5 * i : 5 * i + 5])
        np.testing.assert_array_equal(fold["targets"], y[5 * i : 5 * i + 5])
        assert fold["inputs"][0].shape == (5, 0)


def test_sparse_objects_need_no_dense_array(tmp_path):
    x = images()
    coords = np.stack(np.nonzero(x))
    shuffled = np.random.default_rng(0).permutation(coords.shape[1])
    coo = Coo(coords[:, shuffled], x[np.nonzero(x)][shuffled], x.shape)
    paths = [
        df2foldfile(
            None, 3, [], [], ["y"], tmp_path / name, "int", tensor_data=data, tensor_as_sparse=True,
            tensor_target=np.ones((10, 1)), seed=1,
        )
        for name, data in (("a", x), ("b", coo))
    ]  # fmt: skip
    a, b = map(FoldYielder, paths)
    for i in range(3):
        np.testing.assert_array_equal(a[i]["inputs"][1], b[i]["inputs"][1])


def test_tensor_of_another_length_is_refused(tmp_path):
    with pytest.raises(ShapeError, match="same number of events"):
        write(tmp_path, tensor_data=np.ones((59, 2)))


def test_without_data_frame_or_tensors_there_is_nothing_to_write(tmp_path):
    with pytest.raises(ConfigError, match="both tensor_data and tensor_target"):
        df2foldfile(None, 2, [], [], "y", tmp_path / "a", "int")


# Bad input


def infinite(df):
    df.loc[3, "eta"] = np.inf


def nan_target(df):
    df["is_signal"] = df["is_signal"].astype(float)
    df.loc[3, "is_signal"] = np.nan


def infinite_weight(df):
    df.loc[3, "weight"] = np.inf


def text(df):
    df["pt"] = df["pt"].astype(str)


def too_large(df):
    df.loc[3, "pt"] = 1e300


def fractional_code(df):
    df["n_jets"] = df["n_jets"] + 0.5


def negative_code(df):
    df["n_jets"] = df["n_jets"] - 1


def nan_code(df):
    df["n_jets"] = df["n_jets"].where(df["n_jets"] > 0)


def missing_text(df):
    df["process"] = df["process"].astype(object)
    df.loc[3, "process"] = None


@pytest.mark.parametrize(
    ("spoil", "column"),
    [
        (infinite, "eta"), (too_large, "pt"), (nan_target, "is_signal"), (infinite_weight, "weight"), (text, "pt"),
        (fractional_code, "n_jets"), (negative_code, "n_jets"), (nan_code, "n_jets"), (missing_text, "process"),
    ],
)  # fmt: skip
def test_bad_values_are_refused_by_the_name_of_their_column(tmp_path, spoil, column):
    df = make_df()
    spoil(df)
    with pytest.raises(DataError, match=f"'{column}'"):
        write(tmp_path, df, wgt_feat="weight", misc_feats=["process"])
    assert list(tmp_path.iterdir()) == []


def test_fault_infinities_can_be_clipped_by_choice(tmp_path):
    df = make_df()
    df.loc[3, "eta"], df.loc[4, "eta"] = np.inf, -np.inf
    inputs = FoldYielder(write(tmp_path, df, clip=50.0)).get_column("inputs")
    assert np.isfinite(inputs).all()
    assert np.abs(inputs).max() == 50
    with pytest.raises(ConfigError, match="positive"):
        write(tmp_path, df, clip=-1.0, overwrite=True)


def test_dates_are_refused_with_a_reason(tmp_path):
    df = make_df().assign(day=datetime.datetime(2020, 1, 1))
    with pytest.raises(DataError, match="'day' has dtype datetime64"):
        write(tmp_path, df, misc_feats=["day"])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"cont_feats": ["pt", "etaa"]}, DataError, "did you mean 'eta'"),
        ({"wgt_feat": "wieght"}, DataError, "did you mean 'weight'"),
        ({"misc_feats": ["prozess"]}, DataError, "did you mean 'process'"),
        ({"targ_feats": "is_singal"}, DataError, "did you mean 'is_signal'"),
        ({"strat_key": "no_such"}, DataError, "strat_key: the data frame has no column 'no_such'"),
        ({"strat_key": "event"}, DataError, "too few for 3 folds"),
        ({"strat_key": "is_signal", "shuffle": False}, ConfigError, "contiguous folds cannot be stratified"),
        ({"group_key": "event", "shuffle": False}, ConfigError, "contiguous folds cannot keep groups together"),
        ({"group_key": "evnt"}, DataError, "group_key: the data frame has no column 'evnt'; did you mean 'event'"),
        ({"group_key": "triggered"}, DataError, "2 groups of group_key cannot fill 3 folds"),
        ({"cont_feats": ["pt", "pt"]}, ConfigError, "names 'pt' twice"),
        ({"cat_feats": ["pt"]}, ConfigError, "names 'pt' twice"),
        ({"cont_feats": ["pt", 3]}, ConfigError, "list of names"),
        ({"n_folds": 0}, ConfigError, "n_folds"),
        ({"n_folds": 2.0}, ConfigError, "n_folds"),
        ({"n_folds": 61}, DataError, "60 events cannot fill 61 folds"),
        ({"targ_type": "text"}, ConfigError, "targ_type"),
        ({"targ_type": "int", "targ_feats": "mass"}, DataError, "cannot hold"),
        ({"compression": "zip"}, ConfigError, "compression"),
        ({"cat_maps": {"n_jet": {0: "none"}}}, ConfigError, "did you mean 'n_jets'"),
        ({"tensor_as_sparse": True}, ConfigError, "tensor_data, which is not given"),
    ],
)  # fmt: skip
def test_fault_misspelt_and_contradictory_arguments_are_refused(tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        write(tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_frame_is_refused(tmp_path):
    with pytest.raises(DataError, match="no event"):
        write(tmp_path, make_df().iloc[:0])


def test_a_frame_with_two_columns_of_one_name_is_refused(tmp_path):
    df = pd.concat([make_df(), make_df()[["pt"]]], axis=1)
    with pytest.raises(DataError, match="2 columns 'pt'"):
        write(tmp_path, df)


@pytest.mark.parametrize("name", ["inputs", "a/b"])
def test_misc_columns_cannot_take_reserved_names(tmp_path, name):
    with pytest.raises(ConfigError, match="column"):
        write(tmp_path, make_df().rename(columns={"mass": name}), misc_feats=[name])


def test_nullable_and_categorical_columns_work(tmp_path):
    df = make_df()
    df["pt"] = df["pt"].astype("Float64")
    df.loc[0, "pt"] = pd.NA
    df["n_jets"] = df["n_jets"].astype("category")
    df["event"] = df["event"].astype("Int64")
    fy = FoldYielder(write(tmp_path, df, shuffle=False, misc_feats=["event"]))
    assert np.isnan(fy.get_column("inputs")[0, 0])
    assert fy[0]["inputs"][0, 0] == 0
    assert fy.get_column("event").dtype == np.int64


MASK = np.arange(60) == 7


@pytest.mark.parametrize(
    "spoil",
    [
        lambda df: {"df": df.assign(pt=df["pt"].mask(MASK))},
        lambda df: {"df": df.assign(pt=df["pt"].astype("Float64").mask(MASK))},
        lambda df: {"df": df.assign(pt=df["pt"].astype(object).where(~MASK, None))},
        lambda df: {"df": dict(df) | {"pt": np.ma.masked_array(df["pt"], MASK)}},
        lambda df: {"df": dict(df) | {"pt": np.ma.masked_array(df["pt"].astype(int), MASK)}},
    ],
)
def test_missing_continuous_inputs_are_nan_whatever_marks_them(tmp_path, spoil):
    fy = FoldYielder(write(tmp_path, **spoil(make_df()), shuffle=False))
    np.testing.assert_array_equal(np.isnan(fy.get_column("inputs")[:, 0]), MASK)
    assert fy[0]["inputs"][7, 0] == 0


NO_NUMBERS = {
    "dates": lambda n: pd.Series(pd.date_range("2020", periods=n)),
    "durations": lambda n: pd.Series(pd.to_timedelta(range(n), "s")),
    "text": lambda n: pd.Series(["1"] * n),
    "complex numbers": lambda n: pd.Series([1 + 0j] * n),
    "numbers and text": lambda n: pd.Series([1, "2"] * (n // 2), dtype=object),
    "sequences": lambda n: pd.Series([[1]] * n),
}


@pytest.mark.parametrize(
    "door", ["cont_feats", "cat_feats", "targ_feats", "wgt_feat", "matrix", "tensor_data", "tensor_target"]
)
@pytest.mark.parametrize("kind", NO_NUMBERS)
def test_what_is_no_number_is_refused_at_every_door(tmp_path, door, kind):
    bad = NO_NUMBERS[kind](60)
    df, name = make_df().assign(jet_bad=bad), f"{door}: column 'jet_bad'"
    if door == "matrix":
        changes = {"matrix_vecs": ["jet"], "matrix_feats_per_vec": ["bad"], "matrix_row_wise": True}
    elif door.startswith("tensor"):
        changes, name = {door: bad.to_numpy()[:, None]}, door
    else:
        changes = {door: "jet_bad" if door in ("targ_feats", "wgt_feat") else ["jet_bad"]}
    for make in (write, write_fold_by_hand):
        if make is write_fold_by_hand and door == "matrix":
            continue
        with pytest.raises(DataError, match=f"{name} must hold numbers, got {kind}"):
            make(tmp_path, df, **changes)
    assert not list(tmp_path.iterdir())


def write_fold_by_hand(_, df, **changes):
    arguments = {
        "cont_feats": ["pt"], "cat_feats": ["n_jets"], "targ_feats": "is_signal", "targ_type": "float32",
    } | changes  # fmt: skip
    with h5py.File("a", "w", driver="core", backing_store=False) as file:
        fold2foldfile(df, file, 0, **arguments)
        return file["fold_0/inputs"][()]


@pytest.mark.parametrize("door", ["targ_feats", "wgt_feat"])
def test_masked_targets_and_weights_are_missing(tmp_path, door):
    columns = dict(make_df()) | {"bad": np.ma.masked_array(np.ones(60), MASK)}
    with pytest.raises(DataError, match="column 'bad' has once NaN"):
        write(tmp_path, columns, **{door: "bad"})


def test_masked_and_padded_tensors_hold_nan(tmp_path):
    x = np.ma.masked_array(np.full((60, 2, 3), 77), np.zeros((60, 2, 3), dtype=bool))
    x[:, 1] = np.ma.masked
    for i, tensor in enumerate((x, Coo(np.stack(np.nonzero(np.ones(x.shape))), x.reshape(-1), x.shape))):
        path = write(tmp_path, tensor_data=tensor, savename=tmp_path / str(i), tensor_as_sparse=i == 1)
        matrix = FoldYielder(path)[0]["inputs"][1]
        assert np.isnan(matrix[:, 1]).all()
        assert (matrix[:, 0] == 77).all()
    with pytest.raises(DataError, match="NaN"):
        write(tmp_path, tensor_target=x, savename=tmp_path / "c")


def test_matrix_columns_take_na(tmp_path):
    df = make_df().assign(jet_px=pd.array([5] * 59 + [None], dtype="Int64"))
    changes = {"matrix_vecs": ["jet"], "matrix_feats_per_vec": ["px"], "matrix_row_wise": True}
    matrix = FoldYielder(write(tmp_path, df, **changes)).get_column("matrix_inputs")
    assert np.nansum(matrix) == 5 * 59
    assert np.isnan(matrix).sum() == 1


def test_further_columns_take_na_and_keep_precision(tmp_path):
    df = make_df().assign(run=pd.array([3] * 59 + [None], dtype="Int64"), big=pd.array([2**60 + 1] * 60, dtype="Int64"))
    fy = FoldYielder(write(tmp_path, df, misc_feats=["run", "big"], shuffle=False))
    np.testing.assert_array_equal(fy.get_column("run"), [3] * 59 + [np.nan])
    assert (fy.get_column("big") == 2**60 + 1).all()


def test_groups_stay_in_one_fold_and_are_recorded(tmp_path):
    df = make_df()
    df["collision"] = (df["event"] - 2**40) // 3  # three jets each
    path = write(
        tmp_path, df, group_key="collision", strat_key="is_signal", misc_feats=["collision", "event"], wgt_feat="weight"
    )
    with FoldYielder(path) as fy:
        folds = [fy.get_column("collision", fold_idx=i) for i in range(3)]
        assert [len(np.unique(fold)) for fold in folds] == [7, 7, 6]
        assert len(np.unique(np.concatenate(folds))) == 20
        assert abs(np.diff([fy.get_column("targets", fold_idx=i).mean() for i in range(3)])).max() < 0.08
        assert fy.schema.columns == {"collision": "group", "event": ""}
        rows = fy.get_column("event") - 2**40
        np.testing.assert_array_equal(fy.get_column("weights"), df["weight"].to_numpy(dtype="float32")[rows])
        assert all((np.diff(fy.get_column("event", fold_idx=i)) > 0).all() for i in range(3))


def test_strata_may_be_missing(tmp_path):
    df = make_df().assign(channel=pd.array([0, 1, None] * 20, dtype="Int64"))
    channels = FoldYielder(write(tmp_path, df, strat_key="channel", cont_feats=["channel"])).get_column("inputs")[:, 0]
    assert all(np.isnan(part).sum() in (6, 7) for part in np.split(channels, 3))


@pytest.mark.parametrize("bad", [np.nan, 0.5, -1, 1 + 1e-12, 2.0**24 + 1])
def test_categorical_columns_hold_codes_before_they_are_rounded(tmp_path, bad):
    df = make_df().astype({"n_jets": "float64"})
    df.loc[3, "n_jets"] = bad
    for make in (write, write_fold_by_hand):
        with pytest.raises(DataError, match="column 'n_jets' must hold codes"):
            make(tmp_path, df)


@pytest.mark.parametrize(
    ("codes", "error", "message"),
    [
        ({1: 0, 2: 1, 3: 2}, DataError, "'n_jets' has codes that its cat_maps lack: 0; they have .*turn it round"),
        ({0: "none", 1: "one"}, DataError, "cat_maps lack: 2"),
        ({"none": 0, "one": 1, "more": 2}, ConfigError, "got the key 'none'; turn it round"),
    ],
)
def test_category_maps_must_fit_the_codes(tmp_path, codes, error, message):
    with pytest.raises(error, match=message):
        write(tmp_path, cat_maps={"n_jets": codes})
    assert list(tmp_path.iterdir()) == []


def test_dicts_and_records_are_taken_where_a_frame_is(tmp_path):
    df = make_df().drop(columns=["process"])
    expected = FoldYielder(write(tmp_path, df, savename=tmp_path / "a")).get_column("inputs")
    for name, given in {"b": {name: df[name].to_numpy() for name in df}, "c": df.to_records(index=False)}.items():
        path = write(tmp_path, given, savename=tmp_path / name)
        np.testing.assert_array_equal(FoldYielder(path).get_column("inputs"), expected)
        assert write_fold_by_hand(tmp_path, given).shape == (60, 2)
    with pytest.raises(DataError, match=r"df must be a data frame of pandas, .* pass pd.DataFrame\(df, columns="):
        write(tmp_path, df.to_numpy())


@pytest.mark.parametrize("bad", ["mu\0", "x" * 5000])
def test_text_that_fixed_width_cannot_keep_is_refused_with_its_row(tmp_path, bad):
    df = make_df()
    df.loc[41, "process"] = bad
    with pytest.raises(DataError, match=r"column 'process' has text .* in row 41"):
        write(tmp_path, df.assign(process=df["process"].where(df.index == 41, "Z")), misc_feats=["process"])


# Where the file goes


def test_fault_a_failure_leaves_the_good_file_of_before(tmp_path):
    path = write(tmp_path)
    before = path.read_bytes()
    with pytest.raises(DataError):
        write(tmp_path, cont_feats=["ptt"], overwrite=True)
    df = make_df()
    df.loc[59, "pt"] = np.inf  # seen in the last fold only
    with pytest.raises(DataError):
        write(tmp_path, df, overwrite=True, shuffle=False)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_existing_file_is_refused_unless_overwritten(tmp_path):
    write(tmp_path)
    with pytest.raises(FoldFileError, match="overwrite=True"):
        write(tmp_path)
    assert FoldYielder(write(tmp_path, n_folds=2, overwrite=True)).n_folds == 2


@pytest.mark.parametrize("name", ["my run", "a; rm -rf b", "$(touch x)", "train.v2", "t'r\"ain"])
def test_fault_names_with_blanks_and_metacharacters_are_names(tmp_path, name):
    other = tmp_path / "my"
    other.write_text("mine")
    path = write(tmp_path, savename=str(tmp_path / name))
    assert path == (tmp_path / f"{name}.hdf5").resolve()
    assert sorted(tmp_path.iterdir()) == sorted([other, path])


def test_fault_a_name_without_folder_makes_no_stray_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write(tmp_path, savename="train") == tmp_path.resolve() / "train.hdf5"
    assert [entry.name for entry in tmp_path.iterdir()] == ["train.hdf5"]


def test_folders_are_made_and_after_a_failure_removed(tmp_path):
    assert write(tmp_path, savename=tmp_path / "new" / "deep" / "train").exists()
    df = make_df()
    infinite(df)
    with pytest.raises(DataError):
        write(tmp_path, df, savename=tmp_path / "other" / "deep" / "train")
    assert not (tmp_path / "other").exists()


def test_fold2foldfile_and_add_meta_data_make_the_same_file(tmp_path):
    df = matrix_df()
    arguments = {"matrix_vecs": ["tau", "jet"], "matrix_feats_per_vec": ["px", "m"], "matrix_row_wise": True}
    path = df2foldfile(df, 2, ["met"], [], ["y"], tmp_path / "a", "int", shuffle=False, **arguments)
    lookup, missing, shape = matrix_lookup(list(df.columns), ["tau", "jet"], ["px", "m"], True)
    with h5py.File(tmp_path / "b.hdf5", "w") as file:
        for i in range(2):
            fold2foldfile(df[6 * i : 6 * i + 6], file, i, ["met"], [], ["y"], "int", None, None, lookup, missing, shape)
        add_meta_data(file, list(df.columns), ["met"], [], None, ["y"], **arguments)
    a, b = FoldYielder(path), FoldYielder(tmp_path / "b.hdf5")
    assert a.matrix_feats == b.matrix_feats
    for i in range(2):
        np.testing.assert_array_equal(a[i]["inputs"][1], b[i]["inputs"][1])
        np.testing.assert_array_equal(a[i]["targets"], b[i]["targets"])


def test_category_maps_must_fit_the_folds_that_are_there():
    df = make_df()
    with h5py.File("a", "w", driver="core", backing_store=False) as file:
        fold2foldfile(df, file, 0, ["pt"], ["n_jets"], "is_signal", "int")
        with pytest.raises(DataError, match=r"fold 0 of .*'n_jets' has codes that its cat_maps lack: 2"):
            add_meta_data(file, list(df), ["pt"], ["n_jets"], {"n_jets": {0: "none", 1: "one"}}, "is_signal")
        assert "meta_data" not in file
        add_meta_data(file, list(df), ["pt"], ["n_jets"], {"n_jets": {0: "none", 1: "one", 2: "two"}}, "is_signal")


def test_fold2foldfile_checks_the_number_of_samples():
    with (
        h5py.File("a", "w", driver="core", backing_store=False) as file,
        pytest.raises(ShapeError, match="n_samples is 5"),
    ):
        fold2foldfile(make_df(), file, 0, ["pt"], [], "mass", "float32", n_samples=5)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"targ_feats": None}, ConfigError, "targ_feats must name one target or more, got none"),
        ({"targ_feats": []}, ConfigError, "targ_feats must name one target or more, got none"),
        ({"wgt_feat": ["weight"]}, ConfigError, r"wgt_feat must be the name of one column, got \['weight'\]"),
        ({"wgt_feat": 5}, ConfigError, "wgt_feat must be the name of one column, got 5"),
        ({"strat_key": ["is_signal"]}, ConfigError, r"strat_key must be the name of a column, got \['is_signal'\]"),
        ({"group_key": ["run", "event"]}, ConfigError, r"group_key must be the name of a column, got \['run', 'ev"),
        ({"clip": "a"}, ConfigError, "clip must be a positive, finite number, got 'a'"),
        ({"seed": "a", "shuffle": False}, ConfigError, "seed must be .* got 'a'"),
        ({"seed": 1.5, "shuffle": False}, ConfigError, "seed must be .* got 1.5"),
        ({"savename": ""}, FoldFileError, "'' cannot be the name of a file"),
        ({"savename": None}, FoldFileError, "the name of a file is needed, got None; give a path, such as"),
        ({"savename": 5}, FoldFileError, "the name of a file is needed, got 5; give a path, such as"),
        ({"savename": "d\0e"}, FoldFileError, "cannot be the name of a file: embedded null"),
    ],
)
def test_fault_arguments_of_another_type_are_refused_by_name(tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        write(tmp_path, **changes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fold_idx": -1}, "fold must be a number 0, 1, 2, ..., got -1"),
        ({"fold_idx": "a"}, "got 'a'"),
        ({"fold_idx": 1.5}, "got 1.5"),
        ({"targ_feats": None}, "targ_feats must name one target or more"),
        ({"wgt_feat": ["weight"]}, "wgt_feat must be the name of one column"),
    ],
)
def test_fault_arguments_of_one_fold_are_refused_by_name(tmp_path, changes, message):
    arguments = {"fold_idx": 0, "cont_feats": ["pt"], "cat_feats": [], "targ_feats": "mass", "targ_type": "float32"}
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        with pytest.raises(ConfigError, match=message):
            fold2foldfile(make_df(), file, **(arguments | changes))
        assert list(file) == []


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"cont_feats": ["a", "b"]}, FoldFileError, r"fold_0/inputs must be \(n, 2\) for the features"),
        ({"misc_feats": ["evnt"]}, ConfigError, "misc_feats: fold_0 has no 'evnt'; did you mean 'event'"),
        ({"misc_feats": "event", "wgt_feat": "w"}, ConfigError, "wgt_feat is 'w', but fold_0 has no weights"),
        ({"tensor_shp": "ab"}, ConfigError, "shape of one event must be whole numbers, .* got 'ab'"),
        ({"tensor_shp": 5}, ConfigError, "shape of one event must be whole numbers, .* got 5"),
        ({"targ_feats": []}, ConfigError, "targ_feats must name one target"),
    ],
)
def test_fault_meta_data_that_the_folds_contradict_are_refused(tmp_path, changes, error, message):
    arguments = {"feats": ["pt"], "cont_feats": ["pt"], "cat_feats": [], "cat_maps": None, "targ_feats": "mass"}
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        fold2foldfile(make_df(), file, 0, ["pt"], [], "mass", "float32", misc_feats=["event"])
        with pytest.raises(error, match=message):
            add_meta_data(file, **(arguments | changes))
        assert "meta_data" not in file
        add_meta_data(file, **arguments, misc_feats="event")
    assert FoldYielder(tmp_path / "a").file_schema.misc_feats == ["event"]


@pytest.mark.parametrize(
    "values", [np.ma.masked_array([2**60 + 1] * 60, [False] * 59 + [True]), [2**60 + 1] * 59 + [None]]
)
def test_fault_whole_numbers_of_a_dict_are_not_rounded_beside_missing_ones(tmp_path, values):
    columns = make_df().to_dict("series") | {"run": values}
    with pytest.raises(DataError, match="column 'run' has missing values beside whole numbers above"):
        write(tmp_path, columns, misc_feats="run")
