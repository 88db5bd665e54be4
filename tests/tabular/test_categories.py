import numpy as np
import pandas as pd
import pytest

from lumin_core import FoldYielder, df2foldfile
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_tabular import proc_cats


def frame(**columns):
    return pd.DataFrame(columns, index=[7, 3, 3])


def test_fault_minus_one_zero_one_become_zero_one_two():
    cats = proc_cats(frame(charge=[-1, 0, 1]), ["charge"])
    assert cats.train_df["charge"].tolist() == [0, 1, 2]
    assert cats.cat_maps == {"charge": {0: -1, 1: 0, 2: 1}}
    assert cats.cat_szs == {"charge": 3}


def test_maps_give_the_categories_back():
    values = ["b", "a", "b"]
    cats = proc_cats(frame(channel=values), ["channel"])
    assert cats.train_df["channel"].map(cats.cat_maps["channel"]).tolist() == values


@pytest.mark.parametrize(
    "values", [["mu", "e", "mu"], [1.5, -2.0, 1.5], [True, False, True], pd.Categorical(["b", "a", "b"], ["b", "a"])]
)
def test_values_of_any_sort_are_coded_in_their_order(values):
    cats = proc_cats(pd.DataFrame({"f": values}), "f")
    assert cats.train_df["f"].tolist() == [1, 0, 1]
    assert cats.train_df["f"].dtype == np.int64


def test_maps_hold_plain_values():
    cats = proc_cats(frame(f=np.array([3, 1, 2], dtype="int8")), ["f"])
    assert {type(value) for value in cats.cat_maps["f"].values()} == {int}
    assert {type(code) for code in cats.cat_maps["f"]} == {int}


def test_validation_and_test_data_get_the_same_codes():
    cats = proc_cats(frame(f=[5, 7, 9]), ["f"], frame(f=[9, 9, 9]), frame(f=[7.0, 5.0, 7.0]))
    assert cats.val_df["f"].tolist() == [2, 2, 2]
    assert cats.test_df["f"].tolist() == [1, 0, 1]


def test_data_frames_of_the_caller_stay_and_other_columns_are_kept():
    train, val = frame(f=[5, 7, 9], x=[1.0, 2, 3]), frame(f=[5, 5, 5], x=[1.0, 2, 3])
    train_before, val_before = train.copy(), val.copy()
    cats = proc_cats(train, ["f"], val)
    cats.train_df.loc[7, "x"] = -1
    pd.testing.assert_frame_equal(train, train_before)
    pd.testing.assert_frame_equal(val, val_before)
    assert cats.train_df.index.tolist() == [7, 3, 3]
    assert cats.test_df is None


@pytest.mark.parametrize("where", ["val_df", "test_df"])
def test_a_new_category_is_refused_by_its_value(where):
    with pytest.raises(DataError, match=r"'f' has the category 8 in the (validation|test) data.*\[5, 7, 9\]"):
        proc_cats(frame(f=[5, 7, 9]), ["f"], **{where: frame(f=[5, 8, 9])})


@pytest.mark.parametrize(
    ("values", "feats", "message"),
    [
        ([1, 2, None], ["f"], "'f' has 1 missing values in the training data"),
        ([1, "a", 2], ["f"], "mix int and str"),
        ([1, 2, 3], ["ff"], "no column 'ff'; did you mean 'f'"),
    ],
)
def test_columns_that_cannot_be_coded_are_refused(values, feats, message):
    with pytest.raises(DataError, match=message):
        proc_cats(frame(f=values), feats)


def test_a_feature_named_twice_is_refused():
    with pytest.raises(ConfigError, match="twice"):
        proc_cats(frame(f=[1, 2, 3]), ["f", "f"])


def test_empty_data_have_no_categories():
    assert proc_cats(pd.DataFrame({"f": []}), ["f"]).cat_szs == {"f": 0}


def test_categories_come_in_all_sorts_of_columns():
    right = proc_cats(pd.DataFrame({"a": [3, 1, 3]}), "a", val_df=pd.DataFrame({"a": [1]}))
    for train in ({"a": np.array([3, 1, 3])}, pd.DataFrame({"a": pd.array([3, 1, 3], dtype="Int64")})):
        cats = proc_cats(train, "a", val_df=np.array([(1,)], dtype=[("a", "i8")]))
        assert (cats.cat_maps, cats.cat_szs) == (right.cat_maps, right.cat_szs)
        assert cats.train_df["a"].tolist() == [1, 0, 1]
        assert cats.val_df["a"].tolist() == [0]


def test_masked_categories_are_missing_and_columns_that_come_twice_are_refused():
    with pytest.raises(DataError, match="'a' has 1 missing values in the training data"):
        proc_cats({"a": np.ma.masked_array([1, 2], [False, True])}, "a")
    with pytest.raises(DataError, match="the training data have 2 columns 'a'"):
        proc_cats(pd.DataFrame([[1, 2]], columns=["a", "a"]), "a")


def test_an_ordered_categorical_keeps_its_order():
    sizes = pd.Categorical(["small", "large", "medium"], ["tiny", "small", "medium", "large"], ordered=True)
    cats = proc_cats(pd.DataFrame({"size": sizes}), "size", val_df=pd.DataFrame({"size": ["large"]}))
    assert cats.cat_maps == {"size": {0: "small", 1: "medium", 2: "large"}}
    assert cats.train_df["size"].tolist() == [0, 2, 1]
    assert cats.val_df["size"].tolist() == [2]


def test_categories_that_files_do_not_hold_are_refused_with_the_way_out(tmp_path):
    df = pd.DataFrame({"bin": pd.cut([0.5, 2.5, 11.0], [0, 2, 10, 20]), "y": [0, 1, 0]})
    with pytest.raises(DataError, match=r"must be text, .*got Interval.*df\['bin'\].cat.rename_categories\(str\) does"):
        proc_cats(df, "bin")
    cats = proc_cats(df.assign(bin=df["bin"].cat.rename_categories(str)), "bin")
    assert cats.cat_maps["bin"] == {0: "(0, 2]", 1: "(2, 10]", 2: "(10, 20]"}
    file = df2foldfile(cats.train_df, 1, [], ["bin"], "y", tmp_path / "f", "int", cat_maps=cats.cat_maps)
    assert FoldYielder(file).cat_maps == cats.cat_maps
    for values in (pd.to_datetime(["2026-01-01", "2026-01-02"]), pd.to_timedelta([1, 2]), [b"a", b"b"], [1 + 0j, 2]):
        with pytest.raises(DataError, match=r"categories of 'when' (must be text|cannot be ordered)"):
            proc_cats(pd.DataFrame({"when": values}), "when")


# The unknown category


def test_unseen_and_missing_values_take_the_last_code():
    train, val = frame(f=[5, 7, 9], g=["b", None, "<unknown>"]), frame(f=[9, 8, None], g=["b", "a", pd.NA])
    cats = proc_cats(train, ["f", "g"], val, unknown=True)
    assert cats.cat_maps == {"f": {0: 5, 1: 7, 2: 9, 3: "<unknown>"}, "g": {0: "b", 1: "<unknown>"}}
    assert cats.cat_szs == {"f": 4, "g": 2}
    assert cats.train_df[["f", "g"]].to_numpy().tolist() == [[0, 0], [1, 1], [2, 1]]
    assert cats.val_df[["f", "g"]].to_numpy().tolist() == [[2, 0], [3, 1], [3, 1]]
    assert cats.val_df["f"].dtype == np.int64


def test_values_of_another_sort_are_not_taken_for_unknown():
    with pytest.raises(DataError, match="'f' of the test data has '5' where training had numbers, as 5"):
        proc_cats(frame(f=[5, 7, 9]), ["f"], test_df=frame(f=["5", "7", "9"]), unknown=True)


def test_an_ordered_categorical_has_the_unknown_one_last():
    sizes = pd.Categorical(["small", None, "medium"], ["tiny", "small", "medium"], ordered=True)
    cats = proc_cats(pd.DataFrame({"size": sizes}), "size", {"size": ["tiny"]}, unknown=True)
    assert cats.cat_maps == {"size": {0: "small", 1: "medium", 2: "<unknown>"}}
    assert (cats.train_df["size"].tolist(), cats.val_df["size"].tolist()) == ([0, 2, 1], [2])
