"""What the columns of a ROOT table hold, in words: ``"float32"``, ``"int32[]"``, ``"text"``.

``[]`` is a jagged axis, ``[3]`` one of fixed length. A branch of several values per event or object
(a leaf list, a ``TLorentzVector``, the struct of an RNTuple) is a column for each of them,
``<branch>.<value>``; of a map, ``<branch>.0`` holds the keys and ``<branch>.1`` their values.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs
from awkward.forms import (
    BitMaskedForm,
    ByteMaskedForm,
    Form,
    IndexedOptionForm,
    ListForm,
    ListOffsetForm,
    NumpyForm,
    RecordForm,
    RegularForm,
    UnmaskedForm,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPTIONS = (BitMaskedForm, ByteMaskedForm, IndexedOptionForm, UnmaskedForm)
_NUMBERS = re.compile(r"bool|u?int(8|16|32|64)|float(16|32|64)")
_LIST = re.compile(r"(?:std::vector|ROOT::VecOps::RVec|ROOT::RVec)<(.+)>")
_ARRAY = re.compile(r"std::array<(.+),(\d+)>")
_NAMES = {"float": "float32", "double": "float64", "bool": "bool", "char": "int8", "std::string": "text"}
_WHOLE = re.compile(r"std::(u?int(?:8|16|32|64))_t")
_CARDINALITY = re.compile(r"ROOT::RNTupleCardinality<.+>")


PLAIN = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32", "float64")


@attrs.frozen
class RootColumn:
    """A column of a ROOT table.

    Attributes:
        branch: Name of the branch or field that holds it.
        inner: The way to it in a branch that holds several.
        type: What it holds, or what it is where it cannot be read.
        readable: Whether it can.
    """

    branch: str
    inner: tuple[str, ...]
    type: str
    readable: bool = True

    @property
    def name(self) -> str:
        """What it is called."""
        return ".".join((self.branch, *self.inner))

    @property
    def plain(self) -> bool:
        """Whether it is a branch of one number in each event."""
        return self.readable and not self.inner and self.type in PLAIN

    @property
    def jagged(self) -> bool:
        """Whether it has another number of values in each event."""
        return "[]" in self.type


def columns_of(branch: str, form: Form, typename: str) -> Iterator[RootColumn]:
    """List the columns that a branch holds.

    Args:
        branch: Its name.
        form: The form that its values have as an array of awkward.
        typename: Its type in C++.

    Yields:
        One column, or one for each of the values of a struct.

    Example:
        >>> from awkward.forms import NumpyForm, RecordForm
        >>> from lumin_plugin_io.root_types import columns_of
        >>> form = RecordForm([NumpyForm("float64"), NumpyForm("int32")], ["x", "n"])
        >>> [(column.inner, column.type) for column in columns_of("hit", form, "struct")]
        [(('x',), 'float64'), (('n',), 'int32')]
    """
    for inner, type_ in _leaves(form, ""):
        yield RootColumn(branch, inner, type_ or typename, bool(type_))


def _leaves(form: Form, axes: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """List the way to each value of a form, and its type, ``""`` where it cannot be read."""
    if isinstance(form, RecordForm):
        for name, content in zip(form.fields, form.contents, strict=True):
            if not name.startswith("@"):  # what ROOT keeps of an object beside its values
                yield from (((name, *inner), type_) for inner, type_ in _leaves(content, axes))
    elif isinstance(form, _OPTIONS):
        yield from _leaves(form.content, axes)
    elif isinstance(form, NumpyForm):
        shape = "".join(f"[{length}]" for length in form.inner_shape)
        yield (), f"{form.primitive}{axes}{shape}" if _NUMBERS.fullmatch(form.primitive) else ""
    elif isinstance(form, ListOffsetForm | ListForm) and form.parameter("__array__") == "string":
        yield (), f"text{axes}"
    elif isinstance(form, ListOffsetForm | ListForm):
        yield from _leaves(form.content, f"{axes}[]")
    elif isinstance(form, RegularForm):
        yield from _leaves(form.content, f"{axes}[{form.size}]")
    else:
        yield (), ""


def type_of_name(typename: str, axes: str = "") -> str | None:
    """Return the type of a column by its name in C++, ``None`` where that is not enough.

    uproot takes milliseconds for the form of a field of an RNTuple, of which there may be a
    thousand.

    Args:
        typename: As RNTuples write it.
        axes: Of the container that it stands in.

    Example:
        >>> from lumin_plugin_io.root_types import type_of_name
        >>> type_of_name("std::vector<std::array<float,3>>"), type_of_name("Jet")
        ('float32[][3]', None)
    """
    if whole := _WHOLE.fullmatch(typename):
        return whole[1] + axes
    if within := _LIST.fullmatch(typename):
        return type_of_name(within[1].strip(), f"{axes}[]")
    if within := _ARRAY.fullmatch(typename):
        return type_of_name(within[1].strip(), f"{axes}[{within[2]}]")
    name = "int64" if _CARDINALITY.fullmatch(typename) else _NAMES.get(typename)
    return name and name + axes
