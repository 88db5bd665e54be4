"""Run a demo with two epochs of every training: `python .ci/short.py DEMO`.

All that it does is tried; how well it learns takes minutes, and nothing looks at it.
"""

from __future__ import annotations

import inspect
import runpy
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any

import lumin_core
from lumin_core import Model, train_models

if TYPE_CHECKING:
    from collections.abc import Callable

N_EPOCHS = 2


def shortened(train: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function that trains as this one, but with at most so many epochs."""

    @wraps(train)
    def short(*args: Any, **options: Any) -> Any:
        given = inspect.signature(train).bind(*args, **options)
        given.arguments["n_epochs"] = min(given.arguments["n_epochs"], N_EPOCHS)
        return train(*given.args, **given.kwargs)

    return short


if __name__ == "__main__":
    lumin_core.train_models = shortened(train_models)
    Model.fit = shortened(Model.fit)
    runpy.run_path(sys.argv[1], run_name="__main__")
