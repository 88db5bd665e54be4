"""The whole of it, shortened: a run killed with SIGKILL at random moments ends as the one that was never killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# resume.py, whose processes are forked here from one that has loaded torch, which takes each of them seconds
SHORTENED = """
import sys
from multiprocessing import get_context
from subprocess import TimeoutExpired
import resume, torch._dynamo

fork = get_context("fork")

class Training(fork.Process):
    def __init__(self, foldfile, folder):
        super().__init__(target=resume.train, args=(foldfile, folder))
        self.has_begun = fork.Event()
        self.start()
        self.has_begun.wait()

    def run(self):
        resume.print = lambda *begun, flush: self.has_begun.set()
        super().run()

    def communicate(self, timeout=None):
        self.join(timeout)
        if self.exitcode is None:
            raise TimeoutExpired("train", timeout)
        return b"", b"see above"

    @property
    def returncode(self):
        return self.exitcode

resume.start = Training
sys.exit(resume.main(3, 7, 400))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs SIGKILL, and fork, to be quick")
def test_a_run_killed_at_random_moments_ends_bit_for_bit_the_same():
    """One cycle, SWA, save best, early stopping and dropout; see the script."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "LUMIN_DEVICE": "cpu", "PYTHONPATH": str(BENCHMARKS)}
    done = subprocess.run(
        [sys.executable, "-c", SHORTENED], env=environment, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal, bit for bit" in done.stdout
    assert "killed 3 times" in done.stdout
