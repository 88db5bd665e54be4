r"""Binary targets drawn away from 0 and 1, so that a network is not asked for infinite certainty.

.. math:: y' = (1 - y) \, c_0 + y \, (1 - c_1)

References:
    Szegedy et al., "Rethinking the Inception Architecture for Computer Vision",
    https://arxiv.org/abs/1512.00567, 7
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch

from lumin_core import Callback
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core import FitParams


class BinaryLabelSmooth(Callback):
    """Smooths the targets of training batches: 0 becomes ``coefs[0]``, 1 becomes ``1 - coefs[1]``.

    Targets that are soft already go to what lies between, linearly. Batches are smoothed, not the
    fold: what else reads ``fit_params.by.targets``, and validation and metrics, see the true
    labels, wherever this stands in the list. The paper's uniform smoothing by epsilon is
    ``coefs=epsilon / 2``.

    Args:
        coefs: One coefficient for both labels, or a pair; each in [0, 1), together less than 1.

    Raises:
        ConfigError: If `coefs` are out of range, or, when the training begins, the objective is not
            ``"classification"``.

    Example:
        >>> from lumin_plugin_callbacks import BinaryLabelSmooth
        >>> BinaryLabelSmooth(0.1).coefs, BinaryLabelSmooth((0.1, 0.02)).coefs
        ((0.1, 0.1), (0.1, 0.02))
    """

    example_options: ClassVar[Mapping[str, object]] = {"coefs": 0.1}

    def __init__(self, coefs: float | Sequence[float] = 0) -> None:
        pair = tuple(coefs) if isinstance(coefs, list | tuple) else (coefs, coefs)
        if len(pair) != 2 or not all(_is_fraction(coef) for coef in pair) or sum(pair) >= 1:
            raise ConfigError(
                "coefs must be a number in [0, 0.5), or two in [0, 1) that are less than 1 together, so that smoothed "
                f"labels keep their order; got {coefs!r}"
            )
        self.coefs = (float(pair[0]), float(pair[1]))

    def check_fit(self, fit_params: FitParams) -> None:
        """Refuse targets that are not binary."""
        if fit_params.model.objective != "classification":
            raise ConfigError(
                "binary_label_smooth is for the objective 'classification', whose targets are 0 and 1; "
                f"the model's is {fit_params.model.objective!r}: leave it out"
            )

    def on_train_begin(self, fit_params: FitParams) -> None:
        """Make the smoothed labels."""
        low, high = self.coefs[0], 1 - self.coefs[1]
        self._low = torch.tensor(low, dtype=torch.float32, device=fit_params.device)
        self._high = torch.tensor(high, dtype=torch.float32, device=fit_params.device)

    def on_batch_begin(self, fit_params: FitParams) -> None:
        """Smooth the targets of a training batch."""
        if fit_params.state == "train":
            fit_params.y = torch.lerp(self._low, self._high, fit_params.y)


def _is_fraction(coef: object) -> bool:
    return not isinstance(coef, bool | str) and hasattr(coef, "__float__") and 0 <= float(coef) < 1
