"""The whole of it, shortened: a run killed with SIGKILL at random moments ends as the one that was never killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "resume.py"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL, which this system does not have")
def test_a_run_killed_at_random_moments_ends_bit_for_bit_the_same():
    """One cycle, SWA, save best, early stopping and dropout; see the script."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "LUMIN_DEVICE": "cpu"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "3", "7", "400"], env=environment, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal, bit for bit" in done.stdout
    assert "killed 3 times" in done.stdout
