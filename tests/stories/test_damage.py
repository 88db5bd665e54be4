"""Damaged files, seeded: an error of ours, or what was written; `benchmarks/damage.py` tries thousands."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from lumin_core.errors import LuminError
from lumin_plugin_commands.examiner import Examiner

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "damage.py"


@pytest.fixture(scope="module")
def damage():
    spec = spec_from_file_location("damage", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(what, path):
    """Return the digest of a file; ``None`` where it is refused. Any other error is a fault."""
    try:
        return what(path)
    except LuminError:
        return None


def test_what_is_right_by_its_check_sums_is_what_was_written(damage, tmp_path):
    """A file that HDF5 does not survive is an answer of `lumin check` as well, and is not read here."""
    path, n_wrong = tmp_path / "damaged.hdf5", 0
    with Examiner(5) as check:
        for seed, name in enumerate(damage.FOLD_FILES):
            good = damage.FOLD_FILES[name](tmp_path / f"{seed}.hdf5")
            digest = damage.digest_of_folds(good)
            for _, content in damage.many(good.read_bytes(), damage.structure_of(good), 14, seed):
                path.write_bytes(content)
                finding = check.ask(path)
                n_wrong += not finding.right
                found = read(damage.digest_of_folds, path) if finding.cause == "answer" else None
                assert not finding.right or name == "LUMIN's" or found == digest, finding
    assert n_wrong > 20


def test_a_damaged_model_is_refused_or_the_same(damage, tmp_path):
    good, path = damage.write_model(tmp_path / "good.safetensors"), tmp_path / "damaged.safetensors"
    found = set()
    for _, content in damage.many(good.read_bytes(), damage.structure_of_model(good), 24, 1):
        path.write_bytes(content)
        found.add(read(damage.digest_of_model, path))
    assert found <= {None, damage.digest_of_model(good)}
