"""Asking a parametrised network about one hypothesis.

References:
    Baldi et al., "Parameterized neural networks for high-energy physics",
    https://arxiv.org/abs/1601.07913
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lumin_core import Callback
from lumin_core.checks import as_list, check_names, did_you_mean
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core import FitParams
    from lumin_core.training import Network


class ParametrisedPrediction(Callback):
    """Sets features to chosen values in all events of a prediction.

    Hand it to `Model.predict` as one of ``cbs``. A network that was trained with a hypothesis among
    its inputs, the mass of a new particle say, is asked about one value of it. Columns are found by
    name among the model's own, whatever the yielder ignores and the model masks. Trainings are not
    touched, nor is what was handed to ``predict``.

    Args:
        feats: Names of the model's features, in any order, ``None`` for what the model knows: given
            by scripts for LUMIN, only checked against the model.
        param_feat: Feature or features to set, among the flat inputs.
        param_val: Value of each, as the network was trained on: in the units after the
            preprocessing, so a mass that was standardised as (mass - mean) / sigma; the code of a
            categorical feature.

    Raises:
        ConfigError: If names and values do not match, or in a prediction, if the model is not
            given the feature.

    Example:
        >>> import numpy as np
        >>> from lumin_core import Model, ModelBuilder
        >>> from lumin_plugin_callbacks import ParametrisedPrediction
        >>> model = Model(ModelBuilder("classification", 1, ["pt", "mass"], seed=1))
        >>> at_300 = ParametrisedPrediction(["pt", "mass"], "mass", 1.5)
        >>> asked = model.predict(np.array([[0.2, 0.0]]), cbs=[at_300])
        >>> bool(asked == model.predict(np.array([[0.2, 1.5]])))
        True
    """

    example_options: ClassVar[Mapping[str, object]] = {"feats": None, "param_feat": "channel", "param_val": 1}

    def __init__(
        self, feats: Sequence[str] | None, param_feat: str | Sequence[str], param_val: float | Sequence[float]
    ) -> None:
        self.feats = as_list(feats)
        self.param_feat = as_list(param_feat)
        check_names("param_feat", self.param_feat)
        try:
            self.param_val = np.asarray(param_val, dtype=np.float32).reshape(-1)
        except (TypeError, ValueError):
            self.param_val = np.empty(0, np.float32)
        if not self.param_feat or len(self.param_feat) != len(self.param_val) or not np.isfinite(self.param_val).all():
            raise ConfigError(
                f"param_val must be a finite number for each feature of param_feat, {', '.join(self.param_feat)}, "
                f"got {param_val!r}"
            )

    def on_pred_begin(self, fit_params: FitParams) -> None:
        """Set the features, in a copy of the inputs."""
        by = fit_params.by
        inputs = np.array(by.inputs, dtype=np.float32)
        inputs[:, self._columns(fit_params.model, inputs.shape[1], by.input_mask)] = self.param_val
        by.inputs = inputs

    def _columns(self, model: Network, n_columns: int, mask: Sequence[int] | None) -> list[int]:
        """Find the columns of the flat inputs.

        These are continuous features less those of a matrix, then categorical ones.
        """
        builder = model.model_builder
        cats = builder.cat_feats
        feats = [*builder.cont_feats[: n_columns - len(cats)], *cats]
        for feat in (*self.feats, *self.param_feat):
            if feat not in (*feats, *builder.cont_feats):
                raise ConfigError(f"the model has no feature {feat!r}{did_you_mean(feat, feats)}")
        used = feats if mask is None else np.array(feats)[mask].tolist()
        for feat, value in zip(self.param_feat, self.param_val, strict=True):
            if feat in cats and (value < 0 or value != int(value)):
                raise ConfigError(f"the categorical feature {feat!r} takes one of its codes 0, 1, 2, ..., got {value}")
            if feat not in used:
                what = "is not given" if feat in feats else "has in its matrix"
                raise ConfigError(f"the model {what} the feature {feat!r}; set one of {', '.join(used)}")
        return [feats.index(feat) for feat in self.param_feat]
