"""The door of data: frames, mappings, fold files; what is refused there."""

import numpy as np
import pandas as pd
import pytest

from lumin_core import FoldYielder, df2foldfile
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_plots.events import Events, classifiers

COLUMNS = {"pt": [30.0, 50.0, 70.0, 90.0], "pred": [0.1, 0.6, 0.7, 0.9], "gen_target": [0, 1, 0, 1]}


def test_fold_files_have_their_columns_and_predictions(tmp_path):
    df = pd.DataFrame(COLUMNS | {"gen_weight": [1.0, -2.0, 0.5, 0.0]}).drop(columns="pred")
    path = df2foldfile(df, 2, ["pt"], [], "gen_target", tmp_path / "f", "int", wgt_feat="gen_weight", shuffle=False)
    fy = FoldYielder(path)
    with fy.writing():
        for i in range(2):
            fy.save_fold_pred(fy[i]["inputs"][:, 0] / 100, i)
    events = Events(fy)
    assert sorted(events.numbers("pt")) == COLUMNS["pt"]
    np.testing.assert_allclose(events.numbers("pred"), events.numbers("pt") / 100, rtol=1e-6)
    assert sorted(events.weights()) == [-2.0, 0.0, 0.5, 1.0]
    assert events.is_signal().sum() == 2


def test_mask_is_a_column_or_an_array():
    assert Events(COLUMNS, mask=[True, False, False, True]).numbers("pt").tolist() == [30, 90]
    assert Events(COLUMNS, mask="gen_target").numbers("pt").tolist() == [50, 90]
    with pytest.raises(ShapeError, match="one value an event, shape \\(4,\\), got shape \\(2,\\)"):
        Events(COLUMNS, mask=[True, False])
    with pytest.raises(DataError, match="mask must hold Booleans"):
        Events(COLUMNS, mask=[0.2, 1.0, 3.0, 0.0])
    with pytest.raises(DataError, match="no event is left of 4"):
        Events(COLUMNS, mask=np.zeros(4, bool))


def test_weights_are_one_where_there_are_none():
    assert Events(COLUMNS).weights().tolist() == [1, 1, 1, 1]
    assert Events(COLUMNS | {"gen_weight": [1, -1, 2, 0]}).weights(None).tolist() == [1, 1, 1, 1]
    with pytest.raises(DataError, match="there is no column 'w'"):
        Events(COLUMNS).weights("w")
    with pytest.raises(DataError, match="'gen_weight' must be finite, got 1 NaN or infinite of 4"):
        Events(COLUMNS | {"gen_weight": [1, np.nan, 2, 0]}).weights()


def test_scores_of_classes_are_in_order_of_their_numbers():
    columns = {f"pred_{k}": [float(k)] for k in (10, 2, 0, 1)}
    assert Events(columns).scores().tolist() == [[0, 1, 2, 10]]
    assert Events(COLUMNS).scores().shape == (4, 1)
    with pytest.raises(DataError, match="there is no column 'preds'; did you mean 'pred'"):
        Events(COLUMNS).scores("preds")


def test_classes_are_whole_numbers():
    assert Events({"gen_target": [2.0, 0.0]}).classes(3).tolist() == [2, 0]
    with pytest.raises(DataError, match=r"numbers of classes from 0 to 1.* got \[0.5, 2.0\] too"):
        Events({"gen_target": [2, 0.5, 1]}).classes(2)


@pytest.mark.parametrize("wrong", [[], {}, {"net": []}, ["a", "a"], [3]])
def test_classifiers_are_named(wrong):
    with pytest.raises(ConfigError, match="pred_name"):
        classifiers(wrong)
