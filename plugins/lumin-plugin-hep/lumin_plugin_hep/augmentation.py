r"""Symmetries of collisions of unpolarised beams, as augmentations.

Turns in phi, reflections, boosts along z.

.. math::
    \text{turn by } \alpha\text{: } &
        (p_x, p_y) \to (p_x \cos\alpha - p_y \sin\alpha, p_x \sin\alpha + p_y \cos\alpha),
        \quad \phi \to \phi + \alpha \\
    \text{reflection in } x, y, z\text{: } &
        p_x \to -p_x, \phi \to \pi - \phi; \quad p_y \to -p_y, \phi \to -\phi;
        \quad p_z \to -p_z, \eta \to -\eta \\
    \text{boost by } y\text{: } & (E, p_z) \to (E \cosh y + p_z \sinh y, p_z \cosh y + E \sinh y)

The whole event turns: every vector of an event, flat or in the matrix, and those targets that are
named, by one and the same angle, in GeV, whatever preprocessing the fold file records. Masses,
transverse momenta and distances are not touched, since they do not change. Signed differences, such
as ``delta_phi``, change sign in reflections and are not known by their names: store absolute
values. Missing vectors stay missing; one of which a part is missing becomes so.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lumin_core import seeds
from lumin_core.checks import check_names, is_number, positive
from lumin_plugin_hep.event_symmetry import EventSymmetry
from lumin_plugin_hep.momenta import COORDINATES, check_pairs, wrap_phi

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from lumin_plugin_hep.momenta import Vectors

    Array = np.ndarray
    Numbers = float | np.ndarray  # one for all events, or one for each
    Turn = tuple[Numbers, Numbers, Numbers]  # angle, cosine, sine


class PhiRotation(EventSymmetry["Turn"]):
    r"""Turns events about the beam.

    In training every event turns by an angle drawn from [-pi, pi); in prediction all turn by
    :math:`2 \pi k / n`, the cyclic group.

    Args:
        n_test: Number of angles in prediction; 1 predicts the events as they are stored.
        random: Whether each event turns by an angle of its own in every variant, the same in
            every prediction.
        train: Whether to turn events in training.
        vecs: Vectors among the inputs to turn; by default all that there are, flat and
            in the matrix.
        targ_vecs: Vectors among the targets to turn by the same angle; by default none.

    Raises:
        ConfigError: On use, if a vector is unknown or has ``px`` without ``py``.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data import Fold
        >>> from lumin_plugin_hep import PhiRotation
        >>> fold = Fold({"inputs": np.array([[3.0, 1.0]])}, input_feats=["tau_px", "tau_py"])
        >>> PhiRotation(n_test=4).test(fold, 1).flat
        array([[-1.,  3.]])
    """

    def __init__(
        self,
        n_test: int = 2,
        random: bool = False,
        train: bool = True,
        vecs: str | Sequence[str] | None = None,
        targ_vecs: str | Sequence[str] | None = None,
    ) -> None:
        super().__init__(vecs, targ_vecs, train=train)
        self.n_test = positive(n_test, "n_test")
        self.random = random

    def _draw(self, rng: np.random.Generator, n: int) -> Turn:
        return _with_cos_sin(rng.uniform(-np.pi, np.pi, n))

    def _variant(self, idx: int, n: int) -> Turn | None:
        if self.random:
            return self._draw(seeds.stream(0, "phi_rotation", idx), n)
        return _with_cos_sin(2 * math.pi * idx / self.n_test) if idx else None

    def _changed(self) -> set[str]:
        return {"px", "py", "phi"}

    def _check(self, vectors: Vectors) -> None:
        check_pairs(vectors)

    def _turn(self, vector: Mapping[str, Array], how: Turn) -> None:
        angle, cos, sin = how
        if "phi" in vector:
            vector["phi"][:] = wrap_phi((vector["phi"] + angle).astype(vector["phi"].dtype))
        if "px" in vector:
            px, py = vector["px"], vector["py"]
            cos, sin = np.asarray(cos, px.dtype), np.asarray(sin, px.dtype)
            px[:], py[:] = px * cos - py * sin, px * sin + py * cos


class AxisReflection(EventSymmetry["Mapping[str, Numbers]"]):
    """Reflects events in axes.

    In training each axis flips for half of the events; in prediction there is a variant for
    every combination.

    Args:
        axes: Letters of the axes to flip: ``"x"``, ``"y"``, ``"z"``. Together with rotations, one
            of x and y suffices.
        train: Whether to reflect events in training.
        test: Whether to reflect events in prediction; if not, these are as they are stored.
        vecs: Vectors among the inputs to reflect; by default all that there are, flat and
            in the matrix.
        targ_vecs: Vectors among the targets to reflect with them; by default none.

    Raises:
        ConfigError: If an axis is none of the three, comes twice, or there is none; on use, if a
            vector is unknown.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data import Fold
        >>> from lumin_plugin_hep import AxisReflection
        >>> fold = Fold({"inputs": np.array([[3.0, 1.0]])}, input_feats=["tau_px", "tau_pz"])
        >>> AxisReflection("z", vecs=["tau"]).test(fold, 1).flat
        array([[ 3., -1.]])
    """

    def __init__(
        self,
        axes: str | Sequence[str] = ("y", "z"),
        train: bool = True,
        test: bool = True,
        vecs: str | Sequence[str] | None = None,
        targ_vecs: str | Sequence[str] | None = None,
    ) -> None:
        super().__init__(vecs, targ_vecs, train=train)
        self.axes = list(axes)
        check_names("axes", self.axes)
        if not self.axes or not set(self.axes) <= set("xyz"):
            self._refuse(f"axes must be one or more of 'x', 'y', 'z', got {axes!r}")
        self.n_test = 2 ** len(self.axes) if test else 1

    def _draw(self, rng: np.random.Generator, n: int) -> dict[str, Numbers]:
        return {axis: rng.choice(np.array([-1, 1], dtype=np.float32), n) for axis in self.axes}

    def _variant(self, idx: int, n: int) -> dict[str, Numbers] | None:
        return {axis: -1.0 if idx >> bit & 1 else 1.0 for bit, axis in enumerate(self.axes)} if idx else None

    def _changed(self) -> set[str]:
        changed = {"x": {"px", "phi"}, "y": {"py", "phi"}, "z": {"pz", "eta"}}
        return set().union(*(changed[axis] for axis in self.axes))

    def _turn(self, vector: Mapping[str, Array], how: Mapping[str, Numbers]) -> None:
        for axis, sign in how.items():
            if f"p{axis}" in vector:
                vector[f"p{axis}"][:] *= sign
        if "eta" in vector and "z" in how:
            vector["eta"][:] *= how["z"]
        if "phi" in vector and ("x" in how or "y" in how):
            x, y = how.get("x", 1.0), how.get("y", 1.0)
            turned = x * y * vector["phi"] + np.where(np.less(x, 0), np.pi, 0.0)
            vector["phi"][:] = wrap_phi(turned.astype(vector["phi"].dtype))


class ZBoost(EventSymmetry["Numbers"]):
    r"""Boosts events along the beam.

    In training every event is boosted by a rapidity drawn from ``[-max_rapidity, max_rapidity]``;
    in prediction all are boosted by fixed ones, equally far apart over the same range. Unlike turns
    and reflections this is no symmetry of what is measured: the partons' momenta are not flat in
    rapidity, and detectors end somewhere. Keep the range small against their size; 0.5 by default.

    Args:
        max_rapidity: Largest rapidity of a boost.
        n_test: Number of boosts in prediction; 1, the default, predicts the events as
            they are stored.
        train: Whether to boost events in training.
        vecs: Vectors among the inputs to boost; by default all that there are, flat and
            in the matrix.
        targ_vecs: Vectors among the targets to boost with them; by default none.

    Raises:
        ConfigError: If the rapidity is not positive and finite; on use, if a vector is unknown, or
            has neither energy nor mass. What has no part along the beam, such as missing transverse
            momentum, stays as it is.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data import Fold
        >>> from lumin_plugin_hep import ZBoost
        >>> names = ["tau_pt", "tau_eta", "tau_phi", "tau_mass"]
        >>> fold = Fold({"inputs": np.array([[30.0, 0.1, 2.0, 0.0]])}, input_feats=names)
        >>> ZBoost(max_rapidity=0.5, n_test=2).test(fold, 1).flat.round(6)
        array([[30. ,  0.6,  2. ,  0. ]])
    """

    def __init__(
        self,
        max_rapidity: float = 0.5,
        n_test: int = 1,
        train: bool = True,
        vecs: str | Sequence[str] | None = None,
        targ_vecs: str | Sequence[str] | None = None,
    ) -> None:
        super().__init__(vecs, targ_vecs, train=train)
        if not is_number(max_rapidity) or not 0 < max_rapidity < math.inf:
            self._refuse(f"max_rapidity must be a positive, finite number, got {max_rapidity!r}")
        self.max_rapidity = max_rapidity
        self.n_test = positive(n_test, "n_test")

    def _draw(self, rng: np.random.Generator, n: int) -> Numbers:
        return rng.uniform(-self.max_rapidity, self.max_rapidity, n)

    def _variant(self, idx: int, n: int) -> Numbers | None:
        if self.n_test == 1:
            return None
        return self.max_rapidity * (2 * idx / (self.n_test - 1) - 1) or None

    def _changed(self) -> set[str]:
        return {"pz", "E", "eta", "absp"}

    def _needed(self) -> set[str]:
        return set(COORDINATES)

    def _check(self, vectors: Vectors) -> None:
        for vec, coordinates in vectors.items():
            if lack := _lack(coordinates):
                self._refuse(f"{vec!r} has {', '.join(coordinates)} but no {lack}, so that it cannot be boosted")

    def _turn(self, vector: Mapping[str, Array], how: Numbers) -> None:
        known = {name: values.astype(np.float64) for name, values in vector.items()}
        pt = known["pt"] if "pt" in known else np.hypot(known.get("px", 0.0), known.get("py", 0.0))
        pz = known["pz"] if "pz" in known else pt * np.sinh(known["eta"])
        energy = known["E"] if "E" in known else np.sqrt(pt**2 + pz**2 + known["mass"] ** 2)
        boosted = pz * np.cosh(how) + energy * np.sinh(how)
        for name, values in (
            ("pz", lambda: boosted),
            ("E", lambda: energy * np.cosh(how) + pz * np.sinh(how)),
            ("absp", lambda: np.hypot(pt, boosted)),
            ("eta", lambda: _eta(pt, boosted, known["eta"])),
        ):
            if name in vector:
                vector[name][:] = values()


def _lack(coordinates: Collection[str]) -> str:
    """Say what a vector lacks that is needed to boost it; nothing, as a rule."""
    known = set(coordinates)
    transverse = "pt" in known or {"px", "py"} <= known
    if "pz" not in known and not ("eta" in known and transverse):
        return "pz, nor eta with pt"
    if "E" not in known and not ("mass" in known and transverse):
        return "E, nor mass with pt"
    return "" if transverse or not {"eta", "absp"} & known else "pt, nor px with py"


def _eta(pt: Array, pz: Array, otherwise: Array) -> Array:
    """Give pseudorapidities; as they were along the beam, where there is none."""
    along = pt == 0
    return np.where(along, otherwise, np.arcsinh(pz / np.where(along, 1.0, pt)))


def _with_cos_sin(angle: Numbers) -> Turn:
    return angle, np.cos(angle), np.sin(angle)
