"""LUMIN's spelling of augmented fold files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from lumin_core import BatchYielder, FoldYielder
from lumin_core.checks import as_list, did_you_mean
from lumin_core.errors import ConfigError
from lumin_plugin_hep.augmentation import AxisReflection, PhiRotation
from lumin_plugin_hep.momenta import find_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import h5py


def HEPAugFoldYielder(
    foldfile: str | Path | h5py.File,
    cont_feats: Sequence[str] | None = None,
    cat_feats: Sequence[str] | None = None,
    ignore_feats: str | Sequence[str] | None = None,
    aug_targ_feats: str | Sequence[str] | None = None,
    rot_mult: int = 2,
    random_rot: bool = False,
    reflect_x: bool = False,
    reflect_y: bool = True,
    reflect_z: bool = True,
    train_time_aug: bool = True,
    test_time_aug: bool = True,
    input_pipe: Any = None,
    output_pipe: Any = None,
    yield_matrix: bool = True,
    matrix_pipe: Any = None,
    batch_yielder_type: type[BatchYielder] = BatchYielder,
    seed: int | None = None,
    *,
    clip: float | None = None,
) -> FoldYielder:
    """Open a fold file whose events are turned about the beam and reflected.

    See `PhiRotation` and `AxisReflection`.

    Args:
        foldfile: As for `FoldYielder`, as are all that are not named here.
        cont_feats: Continuous features.
        cat_feats: Categorical features.
        ignore_feats: Inputs to leave out, once they have been turned.
        aug_targ_feats: Targets whose vectors turn with the inputs.
        rot_mult: Number of rotations in prediction, odd ones too; 0 for none, in training neither.
        random_rot: Whether each event turns by a random angle in prediction, rather than by steps
            of 2 pi / rot_mult.
        reflect_x: Whether to reflect in x, with rotations too.
        reflect_y: Whether to reflect in y.
        reflect_z: Whether to reflect in z.
        train_time_aug: Whether to augment in training.
        test_time_aug: Whether to augment in prediction.
        input_pipe: Preprocessing of the inputs, by default what the file records;
            vectors turn in GeV.
        output_pipe: Preprocessing of the targets.
        yield_matrix: Whether matrix inputs are yielded, and turned.
        matrix_pipe: Preprocessing of the matrix.
        batch_yielder_type: Class that makes batches.
        seed: Of the augmentation where folds are asked for by hand.
        clip: Limit of inputs.

    Returns:
        A yielder with ``rot_mult`` times two for each axis variants in prediction.

    Raises:
        ConfigError: If ``rot_mult`` is negative, or ``aug_targ_feats`` are no targets with momenta.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter
        >>> from lumin_plugin_hep import HEPAugFoldYielder
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(
        ...     path, cont_feats=["tau_px", "tau_py", "tau_pz"], targ_feats="y"
        ... ) as file:
        ...     file.append(0, inputs=np.array([[3.0, 1.0, 2.0]]), targets=np.array([1]))
        >>> fy = HEPAugFoldYielder(path)
        >>> fy.aug_mult
        8
        >>> [fy.get_test_fold(0, i)["inputs"].round(5).tolist()[0] for i in (0, 3)]
        [[3.0, 1.0, 2.0], [3.0, -1.0, -2.0]]
    """
    flips = {"x": reflect_x, "y": reflect_y, "z": reflect_z}
    shared = {"train": train_time_aug, "targ_vecs": list(find_vectors(as_list(aug_targ_feats)))}
    augmentations = _augmentations(
        rot_mult, [axis for axis, flip in flips.items() if flip], shared, random=random_rot, test=test_time_aug
    )
    fy = FoldYielder(
        foldfile,
        cont_feats,
        cat_feats,
        ignore_feats,
        input_pipe,
        output_pipe,
        yield_matrix,
        matrix_pipe,
        augmentations,
        batch_yielder_type,
        seed,
        clip=clip,
    )
    _check_targets(as_list(aug_targ_feats), fy.targ_feats)
    return fy


def _augmentations(
    rot_mult: int, axes: Sequence[str], shared: dict[str, Any], *, random: bool, test: bool
) -> list[partial[Any]]:
    _check_rotations(rot_mult)
    if not (shared["train"] or test):
        return []
    augmentations: list[partial[Any]] = []  # which models and runs can write down
    if rot_mult:
        augmentations.append(partial(PhiRotation, n_test=rot_mult if test else 1, random=random and test, **shared))
    if axes:
        augmentations.append(partial(AxisReflection, axes=axes, test=test, **shared))
    return augmentations


def _check_rotations(number: object) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        msg = f"rot_mult must be 0 for no rotations, or their number in prediction, got {number!r}"
        raise ConfigError(msg)


def _check_targets(feats: Sequence[str], targ_feats: Sequence[str]) -> None:
    for feat in feats:
        if feat not in targ_feats:
            msg = f"aug_targ_feats: {feat!r} is no target{did_you_mean(feat, targ_feats)}"
            raise ConfigError(msg)
        if not find_vectors([feat]):
            msg = f"aug_targ_feats: {feat!r} is no momentum; expected names such as gen_px, gen_py, gen_pz"
            raise ConfigError(msg)
