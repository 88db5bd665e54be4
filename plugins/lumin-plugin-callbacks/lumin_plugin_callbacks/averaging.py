r"""What callbacks that average over the weights of a training share.

With the weights :math:`\theta_k` of the network at the :math:`k`-th update and a decay :math:`d`,

.. math::
    n_k = d\,n_{k-1} + 1, \quad
    \bar\theta_k = \bar\theta_{k-1} + \frac{\theta_k - \bar\theta_{k-1}}{n_k}
    \quad\Longleftrightarrow\quad
    \bar\theta_k = \frac{\sum_{i \le k} d^{k-i}\,\theta_i}{\sum_{i \le k} d^{k-i}}

so that the weights of the mean always sum to one: :math:`d = 1` is the plain mean of stochastic
weight averaging, :math:`d < 1` an exponential average that remembers nothing of how it was begun.
The step itself is torch's (`torch.optim.swa_utils.get_swa_multi_avg_fn`), one call for all tensors.
Torch's ``AveragedModel`` around it takes means of counters too, makes NaN of infinite buffers
(attention masks) and costs ten times the step, which counts where it is done for every batch.

Buffers, that is the running means and variances of batch norms, are averaged as weights are. The
paper on SWA (section 3.2) makes a further pass over the training data for them, since the averaged
network never saw any. Here the average is judged after every epoch, and would cost such a pass each
time; the averaged buffers are right to first order in how far the averaged weights lie apart.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.optim.swa_utils import get_swa_multi_avg_fn

from lumin_core import Callback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from lumin_core import FitParams

    _Slot = tuple[Mapping[str, Tensor], str]

_step = get_swa_multi_avg_fn()


class Average:
    """The average over the states that a network goes through.

    What several layers share enters once; what is frozen stays as it is. Buffers that are no
    floating-point numbers (counters) or not finite (masks) are the network's newest.

    Args:
        source: The network; the average lives on its device.
        decay: Factor by which the weight of a state falls at each update, in [0, 1].

    Attributes:
        module: A network of the average; of the source's weights before the first update.
        n: Sum of the weights of the states, that of the newest being one; 0 before
            the first update.

    Example:
        >>> import torch
        >>> from lumin_plugin_callbacks.averaging import Average
        >>> source = torch.nn.Linear(1, 1, bias=False)
        >>> average = Average(source, decay=0.5)
        >>> for value in (1.0, 4.0):
        ...     _ = torch.nn.init.constant_(source.weight, value)
        ...     average.update()
        >>> average.module.weight.item(), average.n
        (3.0, 1.5)
    """

    def __init__(self, source: nn.Module, decay: float = 1.0) -> None:
        self.module = copy.deepcopy(source).requires_grad_(False)
        self.decay = decay
        self.n = 0.0
        pairs = [(place[name], its) for (place, name), its in zip(_slots(self.module), _slots(source), strict=True)]
        self._means = [own for own, _ in pairs if _is_averaged(own)]
        self._sources = [its for own, its in pairs if _is_averaged(own)]
        self._copies = [(own, its) for own, its in pairs if not _is_averaged(own)]

    @torch.no_grad()
    def update(self) -> None:
        """Let the network enter as it is now."""
        sources = [place[name] for place, name in self._sources]  # each time, as a layer may replace its buffers
        before = self.decay * self.n
        if self.n == 0:
            for own, source in zip(self._means, sources, strict=True):
                own.copy_(source)
        else:
            _step(self._means, sources, before)
        for own, (place, name) in self._copies:
            own.copy_(place[name])
        self.n = before + 1

    def restart(self) -> None:
        """Forget what entered: the next update begins anew."""
        self.n = 0.0

    def state_dict(self) -> dict[str, object]:
        """Give what a checkpoint keeps."""
        return {"n": self.n, "weights": dict(self.module.state_dict())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        self.n = state["n"]
        self.module.load_state_dict(state["weights"])


class Averaging(Callback):
    """Base of callbacks that offer an average over the model's weights.

    The model itself is left as it is. They are `lumin_core.LossCallback`: `save_best` keeps the
    average where it is the best.

    Attributes:
        label: What the average is called in tables.
        decay: As for `Average`.

    Example:
        >>> from lumin_plugin_callbacks import EMA
        >>> from lumin_plugin_callbacks.averaging import Averaging
        >>> isinstance(EMA(), Averaging), EMA().get_values(), EMA().get_module()
        (True, None, None)
    """

    label: str
    decay: float = 1.0
    _average: Average
    _values: Mapping[str, float] | None = None

    def on_train_begin(self, fit_params: FitParams) -> None:
        """Begin anew."""
        self._average = Average(fit_params.model.model, self.decay)
        self._values = None

    def get_values(self) -> Mapping[str, float] | None:
        """Return validation loss (``"loss"``) and metrics (by label) of the average.

        It is ``None`` where there is none yet.
        """
        return self._values

    def get_module(self) -> nn.Module | None:
        """Return a network of the average, on the model's device; ``None`` if there is none."""
        average: Average | None = getattr(self, "_average", None)  # not before the first fit
        return average.module if average is not None and average.n > 0 else None

    def state_dict(self) -> dict[str, object]:
        """Give what a checkpoint keeps."""
        return {"average": self._average.state_dict(), "values": self._values}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        self._average.load_state_dict(state["average"])
        self._values = state["values"]


def _slots(module: nn.Module) -> Iterator[_Slot]:
    """Give where each parameter and buffer is kept, once where layers share it."""
    # The dictionaries rather than owner and name, as a module's getattr takes as long as
    # the whole step.
    seen: set[int] = set()
    for owner in module.modules():
        for place in (owner._parameters, owner._buffers):
            for name, tensor in place.items():
                if tensor is not None and id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield cast("_Slot", (place, name))


def _is_averaged(tensor: Tensor) -> bool:
    if isinstance(tensor, nn.Parameter):
        return True
    return (tensor.is_floating_point() or tensor.is_complex()) and bool(tensor.isfinite().all())
