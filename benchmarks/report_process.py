"""A report in a process of its own: `python report_process.py RUN PAGE`.

It prints the CPU time [s] of all, imports and the start of Python included, and that of the forward passes.
"""

from __future__ import annotations

import json
import sys
from time import process_time
from typing import Any

from lumin_core.runs import scored

real, passes = scored.fold_answers, [0.0]


def timed(*args: Any) -> Any:
    """Ask a model, and note how long it takes."""
    start = process_time()
    answers = real(*args)
    passes[0] += process_time() - start
    return answers


if __name__ == "__main__":
    scored.fold_answers = timed
    from lumin_plugin_plots import write_report

    written = write_report(sys.argv[1], sys.argv[2])
    if written.failed:
        sys.exit(f"not shown: {written.failed}")
    print(json.dumps({"all": process_time(), "passes": passes[0], "size": written.path.stat().st_size}))
