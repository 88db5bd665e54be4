"""Codes of categorical features: from a recipe's map, or from the values that the training has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core.checks import listed
from lumin_core.data import UNKNOWN_CATEGORY
from lumin_core.errors import DataError
from lumin_plugin_io.splitting import distinct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from lumin_plugin_io.description import Category

    Value = int | str

MOST_VALUES = 1000
"""Of a category that has no map."""
MISSING = -1


def map_of(category: Category, found: Iterable[Value] = ()) -> dict[int, Value]:
    """Return what the codes of a category mean.

    Args:
        category: The category.
        found: Values that the training has, where there is no map.

    Raises:
        DataError: If numbers and text were found.

    Example:
        >>> from lumin_plugin_io import Category
        >>> from lumin_plugin_io.category_codes import map_of
        >>> map_of(Category(name="flavour", value="id", map={"11": "e", "13": "mu"}, unknown=True))
        {0: 'e', 1: 'mu', 2: '<unknown>'}
        >>> map_of(Category(name="n_jets", value="nJet"), [3, 2])
        {0: 2, 1: 3}
    """
    names: list[Value] = [*dict.fromkeys(category.map.values())]
    if not names:
        texts, numbers = ([v for v in found if isinstance(v, str) == is_text] for is_text in (True, False))
        if texts and numbers:
            raise DataError(
                f"[categories] {category.name} is text in some files, as {texts[0]!r}, and numbers in others, as "
                f"{numbers[0]!r}; make them of one sort"
            )
        names = sorted(texts) or sorted(numbers)
    return dict(enumerate([*names, UNKNOWN_CATEGORY] if category.unknown else names))


class CodeTable:
    """Numbers the values of a category, piece by piece.

    With a map these are the codes. Without, values have numbers as they come, and `code_of_number`
    says later what their codes are; what is missing is -1.

    Args:
        category: The category.
        where: File and tree, for messages.

    Attributes:
        values: By number, where there is no map.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io import Category
        >>> from lumin_plugin_io.category_codes import CodeTable
        >>> table = CodeTable(Category(name="n_jets", value="nJet"), "a.root, tree Events")
        >>> table.numbers(np.array([5, 2, 5])).tolist(), table.values
        ([1, 0, 1], [2, 5])
    """

    def __init__(self, category: Category, where: str) -> None:
        self.values: list[Value] = []
        self._category = category
        self._place = f"{where}: [categories] {category.name}"
        names = {name: code for code, name in map_of(category).items()}
        self._unknown = names.get(UNKNOWN_CATEGORY, MISSING) if category.unknown and category.map else MISSING
        self._numbers: dict[Value, int] = {value: names[name] for value, name in category.map.items()}

    def numbers(self, values: np.ndarray) -> NDArray[np.int32]:
        """Return the number of each value.

        Args:
            values: Whole numbers or text, shape ``(n,)``, masked where one is missing.

        Raises:
            DataError: If a value is not in the map, or there are too many.
        """
        missing = np.ma.getmaskarray(values)
        which, found = distinct(np.ma.getdata(values)[~missing])
        there: NDArray[np.int32] = np.array([self._number(value) for value in found.tolist()], dtype=np.int32)[which]
        if len(there) == len(values):
            return there
        numbers = np.full(len(values), self._of_missing(), dtype=np.int32)
        numbers[~missing] = there
        return numbers

    def _number(self, value: Value) -> int:
        if not self._category.map:
            number = self._numbers.setdefault(value, len(self.values))
            if number == len(self.values):
                self._add(value)
            return number
        number = self._numbers.get(str(value), self._unknown)
        if number == MISSING:
            raise DataError(
                f"{self._place} is {value!r}, which its map lacks: {listed(self._category.map)}; add it, deselect such "
                "events, or say unknown = true"
            )
        return number

    def _add(self, value: Value) -> None:
        if len(self.values) == MOST_VALUES:
            raise DataError(
                f"{self._place} has more than {MOST_VALUES} values, as {listed(self.values)}; give it a map, or make "
                "it one of [variables]"
            )
        self.values.append(value)

    def _of_missing(self) -> int:
        if not self._category.unknown:
            raise DataError(
                f"{self._place} has no value for some events; deselect these, or say unknown = true, which gives them "
                "a code of their own"
            )
        return self._unknown


def code_of_number(
    category: Category, values: Sequence[Value], meanings: Mapping[int, Value], where: str
) -> np.ndarray:
    """Return the code of each number that a `CodeTable` without a map gave, and last that of -1.

    Args:
        category: The category.
        values: Of the table.
        meanings: What the codes mean, from `map_of`.
        where: The file, for the message.

    Raises:
        DataError: If a value has no code: the training does not have it.

    Example:
        >>> from lumin_plugin_io import Category
        >>> from lumin_plugin_io.category_codes import code_of_number
        >>> category = Category(name="n_jets", value="nJet", unknown=True)
        >>> code_of_number(category, [5, 2], {0: 2, 1: 5, 2: "<unknown>"}, "a.root").tolist()
        [1.0, 0.0, 2.0]
    """
    codes = {meaning: code for code, meaning in meanings.items()}
    if not category.unknown and (lacking := [value for value in values if value not in codes]):
        raise DataError(
            f"{where}: [categories] {category.name} is {lacking[0]!r} in events that are not for the training, where "
            "it never is; say unknown = true, or give it a map"
        )
    unknown = len(meanings) - 1
    return np.array([*(codes.get(value, unknown) for value in values), unknown], dtype=np.float32)
