"""What a head must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lumin_core.testing import samples
from lumin_core.testing.outcome import CheckFailed
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from lumin_core.testing.subject import Subject


def check_head_shape(subject: Subject) -> None:
    """Any number of events gives ``(B, get_out_size())``, a positive size."""
    head = subject.make().eval()
    for n in (1, 2, 7):
        with torch.no_grad():
            shape = tuple(head(samples.flat(n)).shape)
        if shape != (n, head.get_out_size()):
            raise CheckFailed(f"for {n} events the output should be ({n}, get_out_size()), got {shape}")


CHECKS = (Check(check_head_shape),)
