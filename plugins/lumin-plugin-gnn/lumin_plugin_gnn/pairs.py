r"""Sums over all pairs of objects, worked through in pieces that stay in the processor's cache.

.. math:: y_i = \sum_j v_{ij}\, f(r_i + s_j)

with receivers :math:`r`, senders :math:`s`, a function :math:`f` of rows, and :math:`v_{ij}` 1 for
pairs that count, else 0. No piece is kept: the backward pass computes each again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Rows = Callable[[Tensor], Tensor]
PAIRS_PER_PIECE = {"cpu": 2**14}
"""By type of device; on others memory is what counts, and a piece is larger."""


def sum_over_senders(rows: Rows, receivers: Tensor, senders: Tensor, valid: Tensor, params: Sequence[Tensor]) -> Tensor:
    """Sum a function of every pair over the senders, a piece at a time.

    Args:
        rows: The function: ``(*, H)`` to ``(*, F)``, each row alone.
        receivers: Shape ``(B, N, H)``.
        senders: Shape ``(B, N, H)``.
        valid: Shape ``(B, N, N)``, receivers first, 1 for the pairs that count, of the
            dtype of messages.
        params: The parameters of the function.

    Returns:
        Shape ``(B, N, F)``. It can be differentiated once.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.pairs import sum_over_senders
        >>> x = torch.tensor([[[1.0], [2.0]]])
        >>> sum_over_senders(torch.square, x, x, 1 - torch.eye(2).unsqueeze(0), [])
        tensor([[[9.],
                 [9.]]])
    """
    if torch.is_grad_enabled() and any(t.requires_grad for t in (receivers, senders, *params)):
        apply: Callable[..., Tensor] = _Summed.apply
        return apply(rows, receivers, senders, valid, *params)
    return _forward(rows, receivers, senders, valid)


def sum_whole(rows: Rows, receivers: Tensor, senders: Tensor, valid: Tensor) -> Tensor:
    """Sum as `sum_over_senders` does, all pairs at once.

    This is for functions that look at several rows, as norms do.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.pairs import sum_whole
        >>> x = torch.tensor([[[1.0], [2.0]]])
        >>> sum_whole(torch.square, x, x, 1 - torch.eye(2).unsqueeze(0)).flatten()
        tensor([9., 9.])
    """
    messages = rows(receivers.unsqueeze(2) + senders.unsqueeze(1))
    return (messages * valid.unsqueeze(-1)).sum(2)


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Rows, receivers: Tensor, senders: Tensor, valid: Tensor, *params: Tensor) -> Tensor:
        ctx.save_for_backward(receivers, senders, valid, *params)
        ctx.rows = rows
        ctx.again = _Surroundings(receivers)
        return _forward(rows, receivers, senders, valid)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        receivers, senders, valid, *params = ctx.saved_tensors
        grads = [torch.zeros_like(t) for t in (receivers, senders, *params)]
        learning = [(total, p) for total, p in zip(grads[2:], params, strict=True) if p.requires_grad]
        with ctx.again:
            for events, some in _pieces(valid):
                receiving, sending = receivers[events, some].detach(), senders[events].detach()
                leaves = receiving.requires_grad_(), sending.requires_grad_(), *(p for _, p in learning)
                with torch.enable_grad():
                    summed = sum_whole(ctx.rows, receiving, sending, valid[events, some])
                found = torch.autograd.grad(summed, leaves, grad[events, some], allow_unused=True)
                grads[0][events, some] = found[0]
                grads[1][events] += found[1]
                parts: Sequence[Tensor | None] = found[2:]
                for (total, _), part in zip(learning, parts, strict=True):
                    total += 0 if part is None else part
        return None, grads[0], grads[1], None, *grads[2:]


def _forward(rows: Rows, receivers: Tensor, senders: Tensor, valid: Tensor) -> Tensor:
    with torch.no_grad():
        summed = [sum_whole(rows, receivers[e, some], senders[e], valid[e, some]) for e, some in _pieces(valid)]
    if not summed:
        return sum_whole(rows, receivers, senders, valid)
    n = receivers.shape[1]
    return torch.cat([piece.reshape(-1, piece.shape[-1]) for piece in summed]).view(-1, n, summed[0].shape[-1])


def _pieces(valid: Tensor) -> Iterator[tuple[slice, slice]]:
    """Cut events into pieces of some thousand pairs.

    If one event is too much already, its receivers are cut.
    """
    n_events, n, _ = valid.shape
    n_pairs = PAIRS_PER_PIECE.get(valid.device.type, 2**20)
    n_events_each, n_each = max(n_pairs // n**2, 1), min(max(n_pairs // n, 1), n)
    for first in range(0, n_events, n_events_each):
        for receiver in range(0, n, n_each):
            yield slice(first, first + n_events_each), slice(receiver, receiver + n_each)


class _Surroundings:
    """What a second computation needs to repeat the first.

    Random numbers of dropout, and mixed precision.
    """

    def __init__(self, x: Tensor) -> None:
        self.device = x.device
        self.random = torch.get_rng_state(), None if x.device.type != "cuda" else torch.cuda.get_rng_state(x.device)
        kind = x.device.type
        self.autocast = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)

    def __enter__(self) -> None:
        devices = [self.device] if self.random[1] is not None else []
        enabled, dtype = self.autocast
        mixed: AbstractContextManager[None] = (
            torch.autocast(self.device.type, dtype=dtype) if enabled else nullcontext()
        )
        self.inside = [torch.random.fork_rng(devices=devices), mixed]
        for context in self.inside:
            context.__enter__()
        torch.set_rng_state(self.random[0])
        if self.random[1] is not None:
            torch.cuda.set_rng_state(self.random[1], self.device)

    def __exit__(self, *error: Any) -> None:
        for context in reversed(self.inside):
            context.__exit__(*error)
