"""``lumin check``: files as they were written, damaged ones, and those that end or hold up who reads them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import looks
import numpy as np
import pytest
import torch

from lumin_core.model import write_tensors
from lumin_plugin_commands.examiner import Examiner

IN_GOOD = """\
  each fold  16 events, weights of 22.5542 to 24.0605
  class 0    12 events, 37.5%, 38.3% of the weights, 17.8537
  class 1    20 events, 62.5%, 61.7% of the weights, 28.761
  weights    sum 46.6147; none is negative, 4.27% is that of one event; as
             precise as 30 events of equal weights
  a          -2.325 to 1.689
  b          -2.25 to 1.458
  c          -1.246 to 1.96
  d          0 to 2
"""
BEFORE = Path(__file__).parents[1] / "fixtures" / "before"


@pytest.fixture(scope="module")
def examiner():
    """One process for all: it takes seconds to begin."""
    with Examiner(timeout=60) as one:
        yield one


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    return path


def test_the_command_says_what_is_right_and_what_is_wrong(run, make_fy, tmp_path):
    good, bad = (make_fy(tmp_path / f"{name}.hdf5", n_folds=2, n=16) for name in ("good", "bad"))
    for fy in (good, bad):
        fy.close()
    with h5py.File(bad.foldfile) as file:
        place = file["fold_1/targets"].id.get_offset()
    flip(bad.foldfile, place)
    code, out, err = run("check", str(good.foldfile), str(bad.foldfile))
    assert code == 1
    assert out == f"{good.foldfile}: 2 folds, 32 events, all check sums right\n" + IN_GOOD
    assert err.startswith(f"{bad.foldfile}: the values of fold_1/targets are not those that were written")
    assert err.endswith("bring back a copy, or make it anew\n")


def test_files_without_check_sums_are_read_and_said_so(examiner):
    for name in ("folds/lumin.hdf5", "folds/flat.hdf5"):
        assert examiner.ask(BEFORE / name).text.startswith(
            ("3 folds, 240 events, all can", "4 folds, 240 events, all can")
        )
    assert "no check sums (LUMIN and earlier versions write none)" in examiner.ask(BEFORE / "folds/lumin.hdf5").text
    assert "no check sum (earlier versions wrote none)" in examiner.ask(BEFORE / "models/tabular.safetensors").text


def test_what_lacks_a_check_sum_is_named(examiner, make_fy, tmp_path):
    make_fy(tmp_path / "a.hdf5", n_folds=1).close()
    with h5py.File(tmp_path / "a.hdf5", "r+") as file:
        file["fold_0/more"] = np.ones(16)
    assert examiner.ask(tmp_path / "a.hdf5").text.endswith("all check sums right, none for fold_0/more")


def test_a_saved_model_is_told_by_its_check_sum(examiner, tmp_path):
    path = write_tensors(tmp_path / "a", "model", {"weight": torch.ones(3), "n": torch.tensor(4)}, {})
    assert examiner.ask(path).text == "saved model, 4 weights, none of them NaN, check sum right"
    finding = examiner.ask(flip(path, -1))
    assert not finding.right
    assert finding.text.startswith("its values are not those that were saved, by their check sum")


def test_weights_that_are_not_a_number_are_named(examiner, tmp_path):
    path = write_tensors(tmp_path / "a", "model", {"weight": torch.tensor([1.0, torch.nan])}, {})
    assert examiner.ask(path).text.startswith("weight holds NaN: its training went wrong")


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_what_is_no_fold_file_is_wrong(examiner, tmp_path, content):
    path = tmp_path / "a.hdf5"
    path.write_bytes(content)
    finding = examiner.ask(path)
    assert not finding.right
    assert "is no HDF5 file, truncated, or not to be read" in finding.text


# A process that does not answer


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_process_that_dies_is_an_answer_and_begun_anew():
    with Examiner(60, looks.die) as examiner:
        for _ in range(2):
            finding = examiner.ask(Path("a.hdf5"))
            assert (finding.right, finding.cause) == (False, "died")
            assert finding.text.startswith("reading it ended the process (SIGSEGV) after fold_0/inputs; its structure")


def test_a_process_that_goes_on_for_ever_is_an_answer():
    with Examiner(0.5, looks.go_on_for_ever) as examiner:
        finding = examiner.ask(Path("a.hdf5"))
    assert (finding.right, finding.cause) == (False, "late")
    assert finding.text.startswith("reading it came no further for 0.5 s after ")
    assert finding.text.endswith("its structure is damaged: bring back a copy, or make it anew")


def test_the_time_limit_is_positive(run):
    assert run("check", "a.hdf5", "--timeout", "0")[0] == 2
    assert run("check")[0] == 2


def test_a_script_that_calls_it_is_not_run_again(tmp_path):
    (tmp_path / "a.hdf5").write_text("x")
    script = tmp_path / "script.py"
    script.write_text('from lumin_core.cli import main\nprint("begun", flush=True)\nmain(["check", "a.hdf5"])\n')
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.count("begun") == 1
    assert "is no HDF5 file" in done.stderr


def test_fault_links_in_a_circle_are_wrong_and_no_end_of_the_process(examiner, tmp_path):
    for name in ("a.hdf5", "a.safetensors"):
        (tmp_path / name).symlink_to(tmp_path / name)
        found = examiner.ask(tmp_path / name)
        assert (found.right, found.cause) == (False, "answer"), found.text
