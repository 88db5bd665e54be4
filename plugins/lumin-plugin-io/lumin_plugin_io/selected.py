"""The events that a selection kept, as they are spooled and written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import numpy as np


@attrs.frozen(kw_only=True)
class Selected:
    """Events of one sample that were kept of a piece of a file: ``n`` of them, in their order.

    Attributes:
        entry: Their entries in the file, shape ``(n,)``, int64.
        flat: Continuous features before scaling, shape ``(n, n_cont)``, float32; NaN is missing.
        categories: Values of categorical features before they are codes, by name, shape ``(n,)``:
            int64, or text; masked where a value is missing.
        matrix: Shape ``(n, N, F)``, float32; objects that are absent are NaN; ``None`` without.
        targets: Shape ``(n, n_targ)``, float64; ``None`` where the recipe has none.
        weights: Physical weights, shape ``(n,)``, float64; ``None`` where the recipe has none.
        misc: Further columns by name, shape ``(n,)``, numbers of any dtype.
        split_keys: What the split is by, shape ``(n, n_keys)``, uint64; ``None`` for file and
            entry.
        strata: Stratum of each event, shape ``(n,)``, int64.
        group: What keeps events together in a fold, shape ``(n,)``, uint64; ``None`` without.
        n_read: Events that were read to find these.
        n_cut: Objects that did not fit into the matrix, by its table.

    Example:
        See `EventMaker`, which makes them.
    """

    entry: np.ndarray
    flat: np.ndarray
    categories: dict[str, np.ndarray]
    matrix: np.ndarray | None
    targets: np.ndarray | None
    weights: np.ndarray | None
    misc: dict[str, np.ndarray]
    split_keys: np.ndarray | None
    strata: np.ndarray
    group: np.ndarray | None
    n_read: int
    n_cut: dict[str, int]
