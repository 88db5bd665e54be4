"""Small data of every sort, the same in each process: events of a tau, a jet and missing momentum.

Options of components that name features (``example_options``) mean these: the continuous features
``tau_px, tau_py, tau_pz, tau_E, jet_px, ..., met_E`` [GeV], the categorical ones
``channel`` (3 values) and ``n_jets`` (4 values), the target ``target`` (or ``target_0``, ...), the
weight ``weight``. As a matrix the objects are the rows ``tau, jet, met``.
"""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lumin_core import seeds
from lumin_core.data.entries import matrix_entry
from lumin_core.data.fold_file import FoldFileWriter
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.model.embedding import CatEmbedder
from lumin_core.model.initialisers import normal_initialiser
from lumin_core.model.lookups import lookup_act
from lumin_core.model.matrix_head import matrix_elements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import Tensor

VECS = ["tau", "jet", "met"]
FEATS_PER_VEC = ["px", "py", "pz", "E"]
CONT_FEATS = matrix_elements(VECS, FEATS_PER_VEC)
CAT_FEATS = ["channel", "n_jets"]
CAT_SIZES = [3, 4]
N_FOLDS = 3
N_EVENTS = 16
"""Events of a fold."""

_MASS = 1.0  # GeV


def cat_embedder() -> CatEmbedder:
    """Return the categorical features.

    Example:
        >>> from lumin_core.testing import samples
        >>> list(samples.cat_embedder())
        [('channel', 3, 2), ('n_jets', 4, 2)]
    """
    return CatEmbedder(CAT_FEATS, CAT_SIZES)


def momenta(n: int, n_vecs: int = len(VECS), seed: int = 0) -> Tensor:
    """Return momenta ``(px, py, pz, E)`` [GeV] of objects of 1 GeV, shape ``(n, n_vecs, 4)``.

    Args:
        n: Number of events.
        n_vecs: Number of objects.
        seed: Seed.

    Example:
        >>> from lumin_core.testing import samples
        >>> samples.momenta(2).shape
        torch.Size([2, 3, 4])
    """
    space = seeds.stream(seed, "sample momenta").normal(0, 3, (n, n_vecs, 3))
    energy = np.sqrt((space**2).sum(-1, keepdims=True) + _MASS**2)
    return torch.from_numpy(np.concatenate([space, energy], -1).astype(np.float32))


def categories(n: int, sizes: Sequence[int] = tuple(CAT_SIZES), seed: int = 0) -> Tensor:
    """Return codes of categories as inputs hold them, float32, shape ``(n, len(sizes))``.

    Args:
        n: Number of events.
        sizes: Cardinality of each feature.
        seed: Seed.

    Example:
        >>> from lumin_core.testing import samples
        >>> samples.categories(5).shape
        torch.Size([5, 2])
    """
    codes = [seeds.stream(seed, "sample categories", i).integers(0, size, n) for i, size in enumerate(sizes)]
    return torch.from_numpy(np.stack(codes, 1).astype(np.float32)) if codes else torch.zeros(n, 0)


def flat(n: int, seed: int = 0) -> Tensor:
    """Return flat inputs, the continuous features and then the categories, shape ``(n, 14)``.

    Args:
        n: Number of events.
        seed: Seed.

    Example:
        >>> from lumin_core.testing import samples
        >>> samples.flat(2).shape
        torch.Size([2, 14])
    """
    return torch.cat([momenta(n, seed=seed).flatten(1), categories(n, seed=seed)], 1)


def matrix(n: int, n_vecs: int = len(VECS), n_feats: int = len(FEATS_PER_VEC), seed: int = 0) -> Tensor:
    """Return a matrix ``(n, n_vecs, n_feats)`` in which every second event lacks its last object.

    Args:
        n: Number of events.
        n_vecs: Number of objects.
        n_feats: Number of features of an object: the first of a momentum, then others.
        seed: Seed.

    Example:
        >>> from lumin_core.testing import samples
        >>> samples.matrix(2)[:, -1, 0].isnan()
        tensor([False,  True])
    """
    further = seeds.stream(seed, "sample features").normal(size=(n, n_vecs, max(n_feats - 4, 0)))
    found = torch.cat([momenta(n, n_vecs, seed), torch.from_numpy(further.astype(np.float32))], -1)[..., :n_feats]
    found[1::2, -1] = float("nan")
    return found


def weights(n: int, seed: int = 0) -> Tensor:
    """Return weights in [0.5, 2], shape ``(n, 1)``.

    Args:
        n: Number of events.
        seed: Seed.

    Example:
        >>> from lumin_core.testing import samples
        >>> samples.weights(3).shape
        torch.Size([3, 1])
    """
    drawn = seeds.stream(seed, "sample weights").uniform(0.5, 2, (n, 1))
    return torch.from_numpy(drawn.astype(np.float32))


def targets(n: int, objective: str = "classification", n_out: int = 1, seed: int = 0) -> Tensor:
    """Return targets that depend on the inputs of the same seed, as a batch has them.

    Args:
        n: Number of events.
        objective: ``"classification"``, ``"multiclass"`` or ``"regression"``.
        n_out: Number of targets, for multiclass of classes.
        seed: Seed.

    Returns:
        Shape ``(n, n_out)``, float32; for multiclass ``(n,)``, int64.

    Example:
        >>> from lumin_core.testing import samples
        >>> samples.targets(5, "multiclass", 3).shape
        torch.Size([5])
    """
    score = momenta(n, seed=seed).flatten(1)[:, : max(n_out, 1)] / 3
    if objective == "multiclass":
        return torch.bucketize(score[:, 0].contiguous(), torch.linspace(-0.5, 0.5, max(n_out - 1, 1)))
    return (score > 0).float() if objective == "classification" else score


def offered(kind: str, options: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Return what the builder offers to the constructor of a component, for these samples.

    Args:
        kind: Kind of the component.
        options: Options that it is given; a head's may name objects: ``vecs, feats_per_vec``.

    Example:
        >>> from lumin_core.testing import samples
        >>> samples.offered("body")["n_in"]
        14
    """
    lookups = {"lookup_init": normal_initialiser, "lookup_act": lookup_act, "freeze": False}
    if kind == "head":
        if "vecs" in (options or {}):
            return lookups | {"cont_feats": _elements(options or {})}
        return lookups | {"cont_feats": list(CONT_FEATS), "cat_embedder": cat_embedder()}
    if kind == "body":
        feats = [*CONT_FEATS, *CAT_FEATS]
        return lookups | {"n_in": len(feats), "feat_map": {feat: [i] for i, feat in enumerate(feats)}}
    if kind == "tail":
        return lookups | {"n_in": 8, "n_out": 1, "objective": "regression"}
    if kind == "optimiser":
        return {"params": [torch.nn.Parameter(torch.ones(3))]}
    if kind == "initialiser":
        return {"act": "relu", "fan_in": 4, "fan_out": 3}
    return {"num_features": 4} if kind == "norm" else {}


def objects(names: Collection[str]) -> dict[str, Any]:
    """Return the options that say what the objects of a matrix are, as far as a head takes them.

    Args:
        names: What its constructor takes.

    Example:
        >>> from lumin_core.testing import samples
        >>> samples.objects(["cont_feats", "vecs", "depth"])
        {'vecs': ['tau', 'jet', 'met']}
    """
    told = {"vecs": list(VECS), "feats_per_vec": list(FEATS_PER_VEC), "row_wise": True}
    return {name: value for name, value in told.items() if name in names}


def _elements(options: Mapping[str, Any]) -> list[str]:
    return matrix_elements(options["vecs"], options["feats_per_vec"])


@cache
def _session() -> tempfile.TemporaryDirectory[str]:
    made = tempfile.TemporaryDirectory(prefix="lumin-checks-")
    atexit.register(made.cleanup)
    return made


def folder() -> Path:
    """Return a new, empty folder that is deleted at the end of the process.

    Example:
        >>> from lumin_core.testing import samples
        >>> list(samples.folder().iterdir())
        []
    """
    return Path(tempfile.mkdtemp(dir=_session().name))


def fold_yielder(objective: str = "classification", n_targ: int = 1, *, has_matrix: bool = False) -> FoldYielder:
    """Return a yielder of three folds of 16 weighted events, flat or with the objects as a matrix.

    Args:
        objective: ``"classification"``, ``"multiclass"`` or ``"regression"``.
        n_targ: Number of targets, for multiclass of classes.
        has_matrix: Whether the file has the momenta as a matrix, instead of as columns.

    Returns:
        A new yielder of a file that is written once a process; close it, or use it in ``with``.

    Example:
        >>> from lumin_core.testing import samples
        >>> with samples.fold_yielder() as fy:
        ...     len(fy), fy.get_fold(0)["inputs"].shape
        (3, (16, 14))
    """
    return FoldYielder(_fold_file(objective, n_targ, has_matrix), seed=3)


@cache
def _fold_file(objective: str, n_targ: int, has_matrix: bool) -> Path:
    path = folder() / "folds.hdf5"
    is_single = n_targ == 1 or objective == "multiclass"
    options: dict[str, Any] = {"cont_feats": [] if has_matrix else CONT_FEATS, "cat_feats": CAT_FEATS}
    if has_matrix:
        shape = (len(VECS), len(FEATS_PER_VEC))
        options["matrix_feats"] = matrix_entry(CONT_FEATS, VECS, [False] * len(CONT_FEATS), FEATS_PER_VEC, True, shape)
    names = "target" if is_single else [f"target_{i}" for i in range(n_targ)]
    with FoldFileWriter(path, targ_feats=names, wgt_feat="weight", **options) as file:
        for i in range(N_FOLDS):
            file.append(i, **_columns(i, objective, n_targ, has_matrix))
    return path


def _columns(fold: int, objective: str, n_targ: int, has_matrix: bool) -> dict[str, Any]:
    true = targets(N_EVENTS, objective, n_targ, fold).numpy()
    columns = {
        "inputs": (categories(N_EVENTS, seed=fold) if has_matrix else flat(N_EVENTS, fold)).numpy(),
        "targets": true[:, 0] if true.ndim == 2 and true.shape[1] == 1 else true,
        "weights": weights(N_EVENTS, fold).numpy()[:, 0],
        "misc": {"event": np.arange(N_EVENTS) + fold * N_EVENTS},
    }
    return columns | ({"matrix_inputs": matrix(N_EVENTS, seed=fold).numpy()} if has_matrix else {})
