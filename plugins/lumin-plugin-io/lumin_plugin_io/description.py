"""What the tables of a recipe say: samples, categories, matrices, the split, and the like."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Friends:
    """Files whose columns stand beside those of a sample.

    Attributes:
        files: Paths or patterns.
        tree: Their table; by default the only one.
        by: Columns whose values say which entries belong together; empty for entry by entry.

    Example:
        >>> from lumin_plugin_io import Friends
        >>> Friends(files=("f.root",)).by
        ()
    """

    files: tuple[str, ...]
    tree: str | None = None
    by: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Sample:
    r"""Events of one process, and what they count.

    .. math:: \text{weight} = \frac{\sigma L \, w}{\sum w}

    Attributes:
        name: Of the sample.
        files: Paths or patterns, relative to the recipe.
        tree: Their table or tables, by default the recipe's.
        target: Value of the target ``"target"`` for all events of the sample.
        xsec: Cross section :math:`\sigma`, in the unit whose inverse the luminosity has.
        sum_of_weights: Of all generated events: a number, or ``"Runs:genEventSumw"``, a column of
            another tree whose values in all files of the sample are summed.
        weights: Expression of an event's weight ``w``, by default the recipe's.
        selection: Expression that events must fulfil in addition to the recipe's.
        friends: Files with further columns.

    Example:
        >>> from lumin_plugin_io import Sample
        >>> Sample(name="ttbar", files=("tt_*.root",), target=0).xsec is None
        True
    """

    name: str
    files: tuple[str, ...]
    tree: tuple[str, ...] = ()
    target: float | None = None
    xsec: float | None = None
    sum_of_weights: float | str | None = None
    weights: str | None = None
    selection: str | None = None
    friends: tuple[Friends, ...] = ()


@attrs.frozen(kw_only=True)
class Category:
    """A categorical feature.

    Attributes:
        name: Of the feature.
        value: Expression of its value, a whole number or text.
        map: From values to what they are called, in the order of the codes; values of one name
            share a code. Empty if the values of the training part are to be looked up.
        unknown: Whether values that are not among these are a category of their own.

    Example:
        >>> from lumin_plugin_io import Category
        >>> Category(name="lepton", value="abs(pdg)", map={"11": "e"}).unknown
        False
    """

    name: str
    value: str
    map: dict[str, str] = attrs.field(factory=dict)
    unknown: bool = False


@attrs.frozen(kw_only=True)
class MatrixTable:
    """Objects of one sort, rows of the matrix.

    Attributes:
        name: Of the objects: rows are called ``<name>_0``, ``<name>_1``, ...
        fields: Expressions of their features by name, each with one value per object.
        n: How many objects are kept.
        by: Field that they are sorted by first, the largest first; by default the order stays.
        unscaled: Whether fields stay as they are, such as momenta that a network computes with.

    Example:
        >>> from lumin_plugin_io import MatrixTable
        >>> MatrixTable(name="jets", fields={"pt": "Jet_pt"}, n=4).n
        4
    """

    name: str
    fields: dict[str, str]
    n: int
    by: str | None = None
    unscaled: bool = False


@attrs.frozen(kw_only=True)
class Variation:
    """A systematic uncertainty: what columns would be otherwise.

    Attributes:
        name: Of the uncertainty.
        up: Expressions by the name of a variable, or ``"weight"``.
        down: The same for the other direction.

    Example:
        >>> from lumin_plugin_io import Variation
        >>> Variation(name="jes", up={"pt": "1.02 * pt"}, down={"pt": "0.98 * pt"}).name
        'jes'
    """

    name: str
    up: dict[str, str]
    down: dict[str, str]


@attrs.frozen(kw_only=True)
class Split:
    """How events are assigned to files, the first of which is for the training.

    Attributes:
        parts: Fractions by name, in this order.
        by: Expressions of whole numbers that identify an event; by default file and entry.
        salt: Another number, another split.

    Example:
        >>> from lumin_plugin_io import Split
        >>> Split(parts={"train": 0.8, "test": 0.2}).salt
        0
    """

    parts: dict[str, float] = attrs.field(factory=lambda: {"train": 1.0})
    by: tuple[str, ...] = ()
    salt: int = 0


@attrs.frozen(kw_only=True)
class TrainWeight:
    """How events are weighted in the training, beside their physical weight.

    They become the column ``train_weight``, which the losses take by ``cb_partials = [{ name =
    "balance_classes", column = "train_weight" }]``.

    Attributes:
        balance: Stratum whose classes get equal sums: ``"target"``, ``"sample"``, or another.
        flat: Edges of bins by variable, target or further column: the sum of weights becomes the
            same in each bin.
        to: Sample whose distribution in these bins is to be reached, rather than a flat one.

    Example:
        >>> from lumin_plugin_io import TrainWeight
        >>> TrainWeight(balance="target").flat
        {}
    """

    balance: str | None = None
    flat: dict[str, tuple[float, ...]] = attrs.field(factory=dict)
    to: str | None = None
