"""Angles between momenta: differences in phi and eta, and the angle in space.

Angles are in rad, pseudorapidities have no unit. Numbers, arrays, columns of frames (paired by row,
whatever their index) and tensors (with gradients) are taken alike, and broadcast; results are
arrays, or tensors, in the precision that came. Absent objects (NaN) stay NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from lumin_core.errors import ConfigError
from lumin_plugin_hep import formulas
from lumin_plugin_hep.precision import in_doubles, into_range
from lumin_plugin_hep.vector_columns import momentum, put

if TYPE_CHECKING:
    from lumin_plugin_hep.precision import Array, Values
    from lumin_plugin_hep.vector_columns import Columns


def delta_phi(arr_a: Values, arr_b: Values) -> Array:
    r"""Compute the difference in azimuth, from a to b, in [-pi, pi).

    .. math:: \Delta\phi = \phi_b - \phi_a + 2 \pi k

    Args:
        arr_a: Angles to start from [rad], shape ``(*)``.
        arr_b: Angles to end at [rad], shape ``(*)``.

    Returns:
        Differences [rad], shape ``(*)``; opposite directions are -pi apart.

    Raises:
        DataError: If these are no numbers.
        ShapeError: If they do not fit together.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep import delta_phi
        >>> delta_phi(np.array([3.0, 0.0]), np.array([-3.0, np.pi])).round(4)
        array([ 0.2832, -3.1416])
    """
    differences: Array = into_range(in_doubles(formulas.azimuth, arr_a, arr_b))
    return differences


def delta_r(dphi: Values, deta: Values) -> Array:
    r"""Compute the distance in the plane of eta and phi.

    .. math:: \Delta R = \sqrt{\Delta\phi^2 + \Delta\eta^2}

    Args:
        dphi: Differences in phi [rad], shape ``(*)``, as of `delta_phi`.
        deta: Differences in pseudorapidity, or rapidity, shape ``(*)``.

    Returns:
        Distances, shape ``(*)``.

    Raises:
        DataError: If these are no numbers.
        ShapeError: If they do not fit together.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep import delta_r
        >>> delta_r(np.array([0.3]), np.array([-0.4]))
        array([0.5])
    """
    distances: Array = in_doubles(formulas.length, dphi, deta)
    return distances


def twist(dphi: Values, deta: Values) -> Array:
    r"""Compute the twist, the angle of the difference of two momenta in the plane of eta and phi.

    .. math:: \tau = \operatorname{atan2}(|\Delta\phi|, |\Delta\eta|)

    which is the paper's :math:`\arctan |\Delta\phi / \Delta\eta|`, with pi/2 where
    :math:`\Delta\eta` is 0.

    Args:
        dphi: Differences in phi [rad], shape ``(*)``, as of `delta_phi`.
        deta: Differences in pseudorapidity, shape ``(*)``.

    Returns:
        Angles in [0, pi/2] [rad], shape ``(*)``; 0 where both differences are 0.

    Raises:
        DataError: If these are no numbers.
        ShapeError: If they do not fit together.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep import twist
        >>> twist(np.array([0.5, -1.0]), np.array([0.5, 0.0])).round(4)
        array([0.7854, 1.5708])

    References:
        K. Black et al., Multivariate discrimination and the Higgs + W/Z search, JHEP 04 (2011) 069,
        https://arxiv.org/abs/1010.3698
    """
    angles: Array = in_doubles(formulas.twist, dphi, deta)
    return angles


@overload
def cos_delta(
    vec_0: str | Array,
    vec_1: str | Array,
    df: Columns | None = None,
    name: str | None = None,
    inplace: Literal[False] = False,
) -> Array: ...
@overload
def cos_delta(
    vec_0: str | Array, vec_1: str | Array, df: Columns | None = None, name: str | None = None, *, inplace: bool
) -> Array | None: ...
def cos_delta(
    vec_0: str | Array,
    vec_1: str | Array,
    df: Columns | None = None,
    name: str | None = None,
    inplace: bool = False,
) -> Array | None:
    r"""Compute the cosine of the angle in space between two momenta.

    .. math:: \cos\delta = \frac{\vec p_0 \cdot \vec p_1}{|\vec p_0| |\vec p_1|}

    Args:
        vec_0: Momenta ``(px, py, pz)`` [GeV], shape ``(*, 3)``, or ``(*, 4)`` with the energy,
            which does not matter; or a vector's name among the columns of `df`, in either system.
        vec_1: As `vec_0`.
        df: A data frame, or a mapping of names to arrays or tensors.
        name: Of the new column; by default ``cosdelta_{vec_0}_{vec_1}`` for names,
            else ``cosdelta``.
        inplace: Whether to add the column to `df`, rather than give the values.

    Returns:
        Cosines in [-1, 1], shape ``(*)``; NaN where a momentum is 0, which has no direction.
        ``None`` with `inplace`.

    Raises:
        DataError: If a column is missing, or holds no numbers.
        ShapeError: If momenta are of another shape.
        ConfigError: If `df` is needed and not given.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep import cos_delta
        >>> cos_delta(np.array([[3.0, 0.0, 4.0]]), np.array([[0.0, 0.0, 2.0]]))
        array([0.8])
    """
    (first, like_0), (second, like_1) = momentum(df, vec_0, 3), momentum(df, vec_1, 3)
    cosines = in_doubles(formulas.cosine, *first, *second, like=[*like_0, *like_1])
    default = f"cosdelta_{vec_0}_{vec_1}" if isinstance(vec_0, str) and isinstance(vec_1, str) else "cosdelta"
    return give_or_put(df, name or default, cosines, inplace=inplace)


def give_or_put(df: Columns | None, name: str, values: Array, *, inplace: bool) -> Array | None:
    """Give values, or with `inplace` add them to the columns.

    Raises:
        ConfigError: If there are no columns to add to.

    Example:
        >>> from lumin_plugin_hep.angles import give_or_put
        >>> import numpy as np
        >>> give_or_put(None, "cosdelta", np.ones(1), inplace=False)
        array([1.])
    """
    if not inplace:
        return values
    if df is None:
        raise ConfigError(f"inplace=True adds the column {name!r} to a frame: pass df=")
    put(df, {name: values}, inplace=True)
    return None
