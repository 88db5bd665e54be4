"""Planning: which folds train and validate which model."""

import numpy as np
import pytest

from lumin_core.errors import ConfigError
from lumin_core.runs.planning import split_folds


class TenFolds:
    def __len__(self):
        return 10


def test_each_model_is_validated_on_another_fold():
    folds = split_folds(TenFolds(), 12)
    assert [val for _, val in folds] == [*range(10), 0, 1]
    assert all(sorted([*trn, val]) == list(range(10)) for trn, val in folds)


@pytest.mark.parametrize("excl", [3, [3], (3,), np.array([3]), np.int64(3)])
def test_excluded_folds_neither_train_nor_validate(excl):
    assert all(3 not in [*trn, val] for trn, val in split_folds(TenFolds(), 10, excl))


@pytest.mark.parametrize("n_models", range(2, 11))
@pytest.mark.parametrize("excl", [None, [0], [9, 4], list(range(8))])
def test_fault_unique_folds_train_one_model_each_and_never_none(n_models, excl):
    n = 10 - len(excl or [])
    if n_models > n:
        with pytest.raises(ConfigError, match="unique_trn_idxs needs"):
            split_folds(TenFolds(), n_models, excl, unique=True)
        return
    folds = split_folds(TenFolds(), n_models, excl, unique=True)
    used = [i for trn, _ in folds for i in trn]
    assert len(used) == len(set(used))
    assert all(len(trn) == n // n_models and val not in trn for trn, val in folds)
    assert len({val for _, val in folds}) == n_models
    assert not set(used) & set(excl or [])
