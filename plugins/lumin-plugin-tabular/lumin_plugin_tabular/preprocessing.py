r"""Preprocessing: standardisation and principal components, fitted by scikit-learn, kept as plain values.

.. math:: \text{standard\_scaler: } x' = (x - \mu) / \sigma, \qquad
    \text{pca: } x' = (x - \mu) V^T \; (\,/ \sqrt{\lambda} \text{ if whitened})

A pipeline is a `Chain` of such steps. It is saved as JSON; nothing is pickled.

References:
    Pedregosa et al., "Scikit-learn", https://jmlr.org/papers/v12/pedregosa11a.html
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn import decomposition, preprocessing
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from lumin_core.data import transforms
from lumin_core.data.checks import as_list, check_inputs, check_names, did_you_mean
from lumin_core.data.safe_file import Staged
from lumin_core.data.transforms import Transform
from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    Array = np.ndarray[Any, Any]


class _SklearnStep(Transform):
    """A step that holds an estimator of scikit-learn.

    A subclass names its class, the options it takes, and the attributes that fitting gives it.
    """

    estimator_class: type
    options: tuple[str, ...]
    learned: tuple[str, ...]
    hidden: Mapping[str, Any] = {}

    def __init__(self, **options: Any) -> None:
        self.estimator = self.estimator_class(**self.hidden, **options)

    @property
    def is_fitted(self) -> bool:
        """Whether `fit` has been called."""
        try:
            check_is_fitted(self.estimator)
        except NotFittedError:
            return False
        return True
