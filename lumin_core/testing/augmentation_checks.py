"""Checks of augmentations: of its generator alone, and of inputs alone."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lumin_core.data.augmentation import Augmentation, Fold, build_all
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.testing import samples
from lumin_core.testing.outcome import CheckFailed, NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lumin_core.testing.subject import Subject

    Array = np.ndarray[Any, Any]
