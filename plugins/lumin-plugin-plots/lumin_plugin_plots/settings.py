"""How figures look: one object for all of them."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import attrs

from lumin_core.checks import as_list, check_numbers, check_positive, is_number
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lumin_core import FoldYielder

PALETTE = ("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd")
"""Ten colours that colour-blind readers tell apart (M. A. Petroff, arXiv:2107.02270)."""


def _as_tuple(values: Any) -> tuple[Any, ...]:
    """Return several values as a tuple; a single one, such as a colour, is a tuple of one."""
    return tuple(as_list(values))


def _as_size(size: object) -> tuple[float, float]:
    lengths = as_list(size)
    if len(lengths) != 2 or not all(is_number(length) and length > 0 for length in lengths):
        raise ConfigError(f"size must be width and height in inches, such as (6.4, 4.8), got {size!r}")
    width, height = lengths
    return width, height


def _frozen(units: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(units))


def _of_targets(fy: FoldYielder) -> Iterator[tuple[str, str]]:
    """Yield units by the names that targets have in data frames, see `FoldYielder.get_df`."""
    for i, name in enumerate(fy.targ_feats):
        if name in fy.units:
            yield f"gen_target_{i}", fy.units[name]
            if len(fy.targ_feats) == 1:
                yield "gen_target", fy.units[name]


@attrs.frozen(kw_only=True)
class PlotSettings:
    """The look of figures.

    Attributes:
        experiment: The experiment's name, top left in bold; "" for none.
        label: What stands behind it, such as "Simulation".
        lumi: Integrated luminosity [1/fb], top right, or ``None``.
        energy: Energy of the collisions [TeV], top right, or ``None``.
        names: What is written for columns, by their names: ``{"jet0_pt": r"$p_T^{j0}$"}``.
        units: Units of columns, by their names: ``{"jet0_pt": "GeV"}``; without an entry the
            column has none.
        palette: Colours, in order of use.
        size: Width and height of a figure with one panel [inch]. A second panel below adds to the
            height.
        dpi: Of PNG files.

    Example:
        >>> from lumin_plugin_plots import PlotSettings
        >>> settings = PlotSettings(experiment="CMS", lumi=138, energy=13, units={"mass": "GeV"})
        >>> settings.axis("mass"), settings.axis("n_jets")
        ('mass [GeV]', 'n_jets')
    """

    experiment: str = ""
    label: str = ""
    lumi: float | None = None
    energy: float | None = None
    names: Mapping[str, str] = attrs.field(factory=dict, converter=_frozen)
    units: Mapping[str, str] = attrs.field(factory=dict, converter=_frozen)
    palette: tuple[str, ...] = attrs.field(default=PALETTE, converter=_as_tuple)
    size: tuple[float, float] = attrs.field(default=(6.4, 4.8), converter=_as_size)
    dpi: int = 150

    def __attrs_post_init__(self) -> None:
        """Refuse what figures could only fail of later."""
        check_numbers(**{name: of for name in ("lumi", "energy") if (of := getattr(self, name)) is not None})
        check_positive(dpi=self.dpi)

    @classmethod
    def of(cls, fy: FoldYielder, **others: Any) -> Self:
        """Return settings with the units that a fold file says of its columns, and of its targets.

        Figures of a `FoldYielder` have these where none are given. The luminosity is not taken from
        the file: the recipe says it in the inverse of the cross sections' unit, whichever this is.

        Args:
            fy: The file.
            **others: Further settings; ``units`` among them go before those of the file.

        Example:
            >>> import numpy as np, tempfile
            >>> from lumin_core import FoldFileWriter, FoldYielder
            >>> from lumin_plugin_plots import PlotSettings
            >>> path = tempfile.mkdtemp() + "/train.hdf5"
            >>> with FoldFileWriter(
            ...     path, cont_feats=["pt"], targ_feats="mass", units={"pt": "GeV", "mass": "TeV"}
            ... ) as file:
            ...     file.append(0, inputs=np.ones((2, 1)), targets=np.ones(2))
            >>> settings = PlotSettings.of(FoldYielder(path), experiment="CMS")
            >>> settings.axis("pt"), settings.axis("gen_target")
            ('pt [GeV]', 'gen_target [TeV]')
        """
        units = {**dict(_of_targets(fy)), **fy.units, **others.pop("units", {})}
        return cls(**others, units=units)

    def name(self, column: str) -> str:
        """Return what is written for a column, without its unit."""
        return self.names.get(column, column)

    def title(self, label: str) -> str:
        """Return what is written for the label of a curve, whose parts may have names.

        Args:
            label: Such as ``"network, class 0 against class 1"``, or ``"n_jets = 2"``.

        Example:
            >>> from lumin_plugin_plots import PlotSettings
            >>> settings = PlotSettings(names={"class 0": "QCD", "class 1": "top"})
            >>> settings.title("network, class 0 against class 1")
            'network, QCD against top'
        """
        if label in self.names:
            return self.names[label]
        return "".join(map(self.name, re.split("(, | = | against )", label)))

    def axis(self, column: str) -> str:
        """Return what is written at an axis: the column's name, and its unit where it has one."""
        unit = self.units.get(column, "")
        return f"{self.name(column)} [{unit}]" if unit else self.name(column)

    def colour(self, number: int) -> str:
        """Return the colour of a curve by its number; after the last they begin anew."""
        return self.palette[number % len(self.palette)]
