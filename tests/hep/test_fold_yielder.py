"""`HEPAugFoldYielder`: LUMIN's arguments for rotations and reflections."""

from __future__ import annotations

import inspect
import os
import subprocess

import numpy as np
import pytest

from lumin_core import FoldFileWriter, FoldYielder
from lumin_core.errors import ConfigError
from lumin_plugin_hep import AxisReflection, HEPAugFoldYielder, PhiRotation

FEATS = [f"{vec}_{c}" for vec in ("tau", "jet") for c in ("px", "py", "pz")]
TARGETS = ["gen_px", "gen_py", "gen_pz"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    name = tmp_path_factory.mktemp("folds") / "events.hdf5"
    rng = np.random.default_rng(1)
    with FoldFileWriter(name, cont_feats=FEATS, targ_feats=TARGETS) as file:
        for i in range(2):
            values = rng.normal(size=(50, 6)) * 40
            file.append(i, inputs=values, targets=values[:, :3])
    return name


def test_it_gives_a_fold_yielder_with_rotations_and_reflections(path):
    fy = HEPAugFoldYielder(path)
    assert type(fy) is FoldYielder
    rotation, reflection = fy.augmentations
    assert isinstance(rotation, PhiRotation)
    assert isinstance(reflection, AxisReflection)
    assert (rotation.n_test, rotation.random, reflection.axes) == (2, False, ["y", "z"])


def test_its_arguments_are_lumins_and_the_yielders():
    ours = list(inspect.signature(HEPAugFoldYielder).parameters)
    core = list(inspect.signature(FoldYielder).parameters)
    assert ours[:16] == [
        "foldfile", "cont_feats", "cat_feats", "ignore_feats", "aug_targ_feats", "rot_mult", "random_rot", "reflect_x",
        "reflect_y", "reflect_z", "train_time_aug", "test_time_aug", "input_pipe", "output_pipe", "yield_matrix",
        "matrix_pipe",
    ]  # fmt: skip
    assert set(core) - set(ours) == {"augmentations"}


@pytest.mark.parametrize("rot_mult", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("axes", ["", "x", "yz", "xyz"])
def test_variants_are_angles_times_signs(path, rot_mult, axes):
    fy = HEPAugFoldYielder(path, rot_mult=rot_mult, **{f"reflect_{axis}": axis in axes for axis in "xyz"})
    assert fy.aug_mult == max(rot_mult, 1) * 2 ** len(axes)
    stored = fy[0]["inputs"].astype(np.float64)
    expected = []
    for k in range(max(rot_mult, 1)):
        angle = 2 * np.pi * k / max(rot_mult, 1)
        matrix = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        for bits in range(2 ** len(axes)):
            signs = [-1 if axis in axes and bits >> axes.index(axis) & 1 else 1 for axis in "xyz"]
            expected.append((stored.reshape(-1, 2, 3) @ matrix * signs).reshape(-1, 6))
    variants = [fy.get_test_fold(0, i)["inputs"] for i in range(fy.aug_mult)]
    distances = np.array([[np.abs(a - b).max() for b in expected] for a in variants])
    twice = {"x", "y"} <= set(axes) and rot_mult in (2, 4)  # x and y together are half a turn
    assert ((distances < 1e-4).sum(0) == 1 + twice).all()
    assert ((distances < 1e-4).sum(1) == 1 + twice).all()


def test_fault_without_test_time_augmentation_there_is_the_stored_event_alone(path):
    fy = HEPAugFoldYielder(path, test_time_aug=False, random_rot=True)
    assert fy.aug_mult == 1
    np.testing.assert_array_equal(fy.get_test_fold(1, 0)["inputs"], fy[1]["inputs"])
    assert not np.allclose(fy.get_train_fold(1, 0)["inputs"], fy[1]["inputs"])


def test_fault_without_train_time_augmentation_training_folds_are_as_stored(path):
    fy = HEPAugFoldYielder(path, train_time_aug=False)
    assert fy.aug_mult == 8
    np.testing.assert_array_equal(fy.get_train_fold(1, 0)["inputs"], fy[1]["inputs"])


def test_without_any_there_is_none(path):
    for off in (
        {"train_time_aug": False, "test_time_aug": False},
        {"rot_mult": 0, "reflect_y": False, "reflect_z": False},
    ):
        assert HEPAugFoldYielder(path, **off).augmentations == []


@pytest.mark.parametrize("aug_targ_feats", [TARGETS, "gen_px"])
@pytest.mark.parametrize("random_rot", [False, True])
def test_fault_targets_turn_by_the_angle_of_the_inputs(path, aug_targ_feats, random_rot):
    fy = HEPAugFoldYielder(path, aug_targ_feats=aug_targ_feats, rot_mult=4, random_rot=random_rot, reflect_x=True)
    assert fy.aug_mult == 32
    for fold in (fy.get_train_fold(0, 0), *(fy.get_test_fold(0, i) for i in range(fy.aug_mult))):
        np.testing.assert_array_equal(fold["targets"], fold["inputs"][:, :3])


def test_options_of_the_yielder_pass_through(path):
    fy = HEPAugFoldYielder(path, ignore_feats="tau_px", seed=3, clip=1.0)
    assert fy.get_ignore() == ["tau_px"]
    assert (fy.seed, fy.clip) == (3, 1.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rot_mult": -1}, "rot_mult must be 0 for no rotations"),
        ({"rot_mult": 2.5}, "rot_mult must be 0"),
        ({"aug_targ_feats": ["gen_pxx"]}, "'gen_pxx' is no target; did you mean 'gen_px'"),
    ],
)
def test_options_are_checked(path, options, words):
    with pytest.raises(ConfigError, match=words):
        HEPAugFoldYielder(path, **options)


def test_targets_without_momenta_are_refused(tmp_path):
    with FoldFileWriter(tmp_path / "a.hdf5", cont_feats=FEATS, targ_feats="is_signal") as file:
        file.append(0, inputs=np.ones((2, 6)), targets=np.ones(2))
    with pytest.raises(ConfigError, match="'is_signal' is no momentum; expected names such as gen_px"):
        HEPAugFoldYielder(tmp_path / "a.hdf5", aug_targ_feats="is_signal")


@pytest.mark.skipif("LUMIN_PYTHON" not in os.environ, reason="LUMIN_PYTHON names no Python that has LUMIN 0.9.1")
def test_the_variants_are_those_of_lumin(path, tmp_path):
    """As sets, with both axes: LUMIN flips what ours does in another order."""
    script = (
        "import sys, numpy as np; from lumin.nn.data.fold_yielder import HEPAugFoldYielder as H;"
        "fy = H(sys.argv[1], rot_mult=4); np.save(sys.argv[2], [fy.get_test_fold(0, i)['inputs'] for i in range(16)])"
    )
    copy = tmp_path / "events.hdf5"
    copy.write_bytes(path.read_bytes())
    out = tmp_path / "theirs.npy"
    subprocess.run([os.environ["LUMIN_PYTHON"], "-c", script, str(copy), str(out)], check=True, capture_output=True)
    theirs, fy = np.load(out), HEPAugFoldYielder(path, rot_mult=4)
    ours = np.array([fy.get_test_fold(0, i)["inputs"] for i in range(fy.aug_mult)])
    distances = np.array([[np.abs(a - b).max() for b in theirs] for a in ours])
    assert sorted(distances.argmin(1)) == list(range(16))
    assert distances.min(1).max() < 1e-4
