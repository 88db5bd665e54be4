"""Mistakes in tables of run files and converters: each fails in the check of its name, with what to do."""

import pytest

from lumin_core.data import Converter
from lumin_core.testing import Case, checks_of, subject_of
from lumin_plugin_commands import RunTable


class GoodTable(RunTable):
    """Sets the batch size.

    Args:
        size: How many events.
    """

    gives = ("bs",)

    def __init__(self, size: int = 64) -> None:
        self.size = size

    def arguments(self, values):
        return {"bs": self.size}


class ChangesTheValues(GoodTable):
    def arguments(self, values):
        values["bs"] = self.size
        return {"bs": self.size}


class GivesNothing(GoodTable):
    def arguments(self, values):
        return None


class UnknownKey(GoodTable):
    gives = ("batch_size",)


class GoodConverter(Converter):
    """Makes nothing of nothing."""

    def convert(self, savename, *, overwrite=False):
        return {}

    def cached(self, *, verify=False):
        raise NotImplementedError

    def to_config(self):
        return {}

    def score(self, files, ask, *, name="pred", output=None, keys=(), tree=None, rntuple=False, overwrite=False):
        return []


class ByPosition(GoodConverter):
    def score(self, files, ask, where=None):
        return []


class ForgetsOptions(GoodConverter):
    def __init__(self, scale=1.0):
        self.scale = scale

    def to_config(self):
        self.scale += 1
        return {"scale": self.scale}


MISTAKES = {
    ChangesTheValues: ("check_run_table_arguments", "return a dict of your own"),
    GivesNothing: ("check_run_table_arguments", "expected a dict with bs"),
    UnknownKey: ("check_run_table_gives", "got ('batch_size',)"),
    ByPosition: ("check_converter_methods", "got no name, output, keys, overwrite"),
    ForgetsOptions: ("check_converter_config", "to be the same converter"),
}


@pytest.mark.parametrize("good", [GoodTable, GoodConverter])
def test_what_is_right_passes(good):
    outcomes = [Case(subject_of(good), check).run() for check in checks_of(good.kind)]
    assert [outcome for outcome in outcomes if outcome.state == "failed"] == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda cls: cls.__name__)
def test_a_mistake_fails_in_the_check_of_its_name(mistake):
    name, message = MISTAKES[mistake]
    (check,) = [check for check in checks_of(mistake.kind) if check.name == name]
    outcome = Case(subject_of(mistake), check).run()
    assert outcome.state == "failed"
    assert message in outcome.message
