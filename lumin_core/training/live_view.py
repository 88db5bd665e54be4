"""The base of live views, which show a training while it goes on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.training.fit_params import FitParams


@frozen(kw_only=True)
class EpochRow:
    """What is told of an epoch.

    Attributes:
        epoch: Its number, from 1.
        values: One for each column; ``None`` for what has none yet.
        is_best: Whether the model, or one that is offered, is the best so far.
        seconds: How long the epoch took.
    """

    epoch: int
    values: tuple[float | None, ...]
    is_best: bool
    seconds: float


class LiveView(ABC):
    """Base of live views (kind ``live_views``), one of which `metric_logger` takes by name.

    A view is told of each epoch when it is over, never of a batch.

    Example:
        >>> from lumin_core.training import EpochRow, LiveView
        >>> class Losses(LiveView):
        ...     '''Keeps the validation losses, for whoever looks at them.'''
        ...     def begin(self, fit_params, columns):
        ...         self.column, self.losses = columns.index("valid loss"), []
        ...     def update(self, fit_params, row):
        ...         self.losses.append(row.values[self.column])
        >>> view = Losses()
        >>> view.begin(None, ["train loss", "valid loss"])
        >>> view.update(None, EpochRow(epoch=1, values=(0.7, 0.6), is_best=True, seconds=1.5))
        >>> view.losses
        [0.6]
    """

    kind: ClassVar[str] = "live_view"

    @abstractmethod
    def begin(self, fit_params: FitParams, columns: Sequence[str]) -> None:
        """Begin to show a fit; also one that is resumed, whose history is restored later.

        Args:
            fit_params: The state of the fit, to be read only.
            columns: Titles of what the rows hold: ``"train loss"``; where there is a validation
                fold ``"valid loss"``, each metric by its label, the losses of other models that
                are offered, ``"change"`` and ``"valid/train"`` where they are asked for.
        """

    @abstractmethod
    def update(self, fit_params: FitParams, row: EpochRow) -> None:
        """Show an epoch that is over, with its validation.

        Args:
            fit_params: The state of the fit, with its ``history``, to be read only.
            row: The epoch.
        """

    def end(self) -> None:  # noqa: B027  (most views have nothing to do)
        """Show the last state, and let go of what the view holds; also where the fit failed."""
