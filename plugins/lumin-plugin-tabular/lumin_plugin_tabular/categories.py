"""Categories of any sort to codes 0, 1, 2, ..., the same in training, validation and test data.

The last code may be that of all categories that training did not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from lumin_core.arguments import explained
from lumin_core.checks import as_list, check_flags, check_names, input_hint
from lumin_core.data import UNKNOWN_CATEGORY, as_frame, check_unseen
from lumin_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence


class ProcessedCats(NamedTuple):
    """What `proc_cats` gives.

    Attributes:
        cat_maps: Feature to code to category, as `df2foldfile` takes it.
        cat_szs: Feature to cardinality.
        train_df: The training data with codes.
        val_df: The validation data with codes, or ``None``.
        test_df: The test data with codes, or ``None``.

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_tabular import proc_cats
        >>> processed = proc_cats(pd.DataFrame({"charge": [1, -1]}), ["charge"])
        >>> processed.cat_szs, processed.train_df["charge"].tolist()
        ({'charge': 2}, [1, 0])
    """

    cat_maps: dict[str, dict[int, Any]]
    cat_szs: dict[str, int]
    train_df: pd.DataFrame
    val_df: pd.DataFrame | None
    test_df: pd.DataFrame | None


@explained
def proc_cats(
    train_df: pd.DataFrame,
    cat_feats: Sequence[str],
    val_df: pd.DataFrame | None = None,
    test_df: pd.DataFrame | None = None,
    *,
    unknown: bool = False,
) -> ProcessedCats:
    """Replace categories by codes, in the order of the categories: -1, 0, 1 become 0, 1, 2.

    The order is that of an ordered Categorical, else of numbers, or of the alphabet.

    Other than LUMIN's function of this name, it leaves the data frames that are passed as they are,
    and gives new ones.

    With ``unknown=True`` every feature has one more code, the last, which means ``"<unknown>"``:
    categories that training data do not have take it, and missing values everywhere. `CatEmbedder`
    gives it a row like any other, and trains it by taking categories away at random.

    Args:
        train_df: Training data, which say which categories there are: a data frame, a dict of
            columns, or an array of records.
        cat_feats: Columns to convert, or the name of one.
        val_df: Validation data; a category may be missing, none may be new unless ``unknown``.
        test_df: Test data, likewise.
        unknown: Whether there is a code for unknown categories; else they are refused.

    Returns:
        Maps, cardinalities, and the data frames, in which the columns are int64.

    Raises:
        DataError: If a column is missing, holds missing values, values that cannot be ordered, or
            others than text, numbers and Booleans; or if validation or test data hold a category
            that training data do not; with ``unknown``, if these are text where training has
            numbers, or the other way round.

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_tabular import proc_cats
        >>> train = pd.DataFrame({"charge": [1, -1, 0, 1]})
        >>> cats = proc_cats(train, ["charge"])
        >>> cats.train_df["charge"].tolist(), cats.cat_maps
        ([2, 0, 1, 2], {'charge': {0: -1, 1: 0, 2: 1}})
        >>> cats = proc_cats(train, ["charge"], pd.DataFrame({"charge": [2, None]}), unknown=True)
        >>> cats.val_df["charge"].tolist(), cats.cat_maps
        ([3, 3], {'charge': {0: -1, 1: 0, 2: 1, 3: '<unknown>'}})
    """
    feats = as_list(cat_feats)
    check_names("cat_feats", feats)
    check_flags(unknown=unknown)
    train_df = as_frame(train_df)
    val_df, test_df = (None if df is None else as_frame(df) for df in (val_df, test_df))
    categories = {feat: _categories(train_df, feat, unknown=unknown) for feat in feats}
    last = [UNKNOWN_CATEGORY] if unknown else []
    return ProcessedCats(
        cat_maps={feat: dict(enumerate([*found.tolist(), *last])) for feat, found in categories.items()},
        cat_szs={feat: len(found) + len(last) for feat, found in categories.items()},
        train_df=_encoded(train_df, categories, "training", unknown=unknown),
        val_df=None if val_df is None else _encoded(val_df, categories, "validation", unknown=unknown),
        test_df=None if test_df is None else _encoded(test_df, categories, "test", unknown=unknown),
    )


def check_column(df: pd.DataFrame, feat: str, what: str) -> None:
    """Refuse a column that is not there, or more than once.

    Args:
        df: The data.
        feat: The column.
        what: What the data are, for the message.

    Raises:
        DataError: If it is so.

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_tabular.categories import check_column
        >>> check_column(pd.DataFrame({"pt": [30.0]}), "pt", "the data")
    """
    n_found = int((df.columns == feat).sum())
    if n_found == 0:
        msg = f"{what} have no column {feat!r}{input_hint(feat, df.columns)}"
        raise DataError(msg)
    if n_found > 1:
        msg = f"{what} have {n_found} columns {feat!r}; rename or drop all but one"
        raise DataError(msg)


def _column(df: pd.DataFrame, feat: str, sort: str, *, unknown: bool) -> pd.Series[Any]:
    check_column(df, feat, f"the {sort} data")
    column: pd.Series[Any] = df[feat]
    if column.isna().any() and not unknown:
        msg = f"{feat!r} has {int(column.isna().sum())} missing values in the {sort} data; give them a category of "
        msg += "their own, as df.fillna does, or that of unknown ones with unknown=True, or drop these events"
        raise DataError(msg)
    return column


def _categories(df: pd.DataFrame, feat: str, *, unknown: bool) -> pd.Index[Any]:
    column = _column(df, feat, "training", unknown=unknown).dropna()
    if unknown:
        column = column[column != UNKNOWN_CATEGORY]
    is_category, found = isinstance(column.dtype, pd.CategoricalDtype), column.unique()
    try:
        index: pd.Index[Any] = pd.Index(sorted(found))
    except TypeError as error:
        sorts = sorted({type(value).__name__ for value in found})
        msg = f"the categories of {feat!r} cannot be ordered, since they mix {' and '.join(sorts)}; convert the "
        msg += "column, as df.astype(str) does"
        raise DataError(msg) from error
    if is_category and column.cat.ordered:
        index = column.cat.remove_unused_categories().cat.categories
    if odd := [value for value in index.tolist() if not isinstance(value, str | int | float)]:
        msg = (
            f"the categories of {feat!r} must be text, numbers or Booleans, which files hold, got {odd[0]!r}; convert "
        )
        msg += f"the column, as df[{feat!r}]{'.cat.rename_categories(str)' if is_category else '.astype(str)'} does"
        raise DataError(msg)
    return index


def _encoded(df: pd.DataFrame, categories: dict[str, pd.Index[Any]], sort: str, *, unknown: bool) -> pd.DataFrame:
    encoded = df.copy()
    for feat, known in categories.items():
        column = _column(df, feat, sort, unknown=unknown)
        codes = known.get_indexer(pd.Index(column.to_numpy()))
        new = column[codes < 0]
        if unknown:
            check_unseen(new.unique(), known, f"{feat!r} of the {sort} data")
            codes = np.where(codes < 0, len(known), codes)
        elif new.size:
            msg = f"{feat!r} has the category {new.tolist()[0]!r} in the {sort} data, which the training data lack: "
            msg += f"they have {known.tolist()[:20]}; drop these events, take all data as train_df, or give unknown "
            msg += "categories a code of their own with unknown=True"
            raise DataError(msg)
        encoded[feat] = codes.astype(np.int64)
    return encoded
