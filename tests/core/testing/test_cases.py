"""Checks become cases, and cases say what came of them."""

import inspect
import json
import sys
from typing import ClassVar

import pytest
import torch

from lumin_core import Head, registry
from lumin_core.errors import ConfigError, UnknownComponent
from lumin_core.testing import (
    Advice,
    Case,
    Check,
    CheckFailed,
    CheckWarning,
    NotApplicable,
    Report,
    Subject,
    cases_of,
    check,
    checks_of,
    installed,
    parametrize_with_checks,
    subject_of,
)
from lumin_core.testing.for_pytest import _run


class FirstHead(Head):
    """Hands on the first feature.

    Args:
        cont_feats: Names of the continuous features.
    """

    def __init__(self, cont_feats):
        super().__init__(cont_feats)
        self.feat_map = {feat: [0] if feat == cont_feats[0] else [] for feat in cont_feats}

    def forward(self, x):
        return x[:, :1]

    def get_out_size(self):
        return 1


class WrongWidth(FirstHead):
    def get_out_size(self):
        return 2


def passes(subject):
    """Passes."""


def fails(subject):
    """Fails."""
    raise CheckFailed("expected 1, got 2; count again")


def skips(subject):
    """Has nothing to look at."""
    raise NotApplicable("there is nothing")


def breaks(subject):
    """Breaks."""
    raise KeyError("pt")


def outcome(function, *, expected=None, **options):
    return Case(subject_of(FirstHead, expected_failures=expected), Check(function), **options).run()


@pytest.mark.parametrize(
    ("function", "state", "message"),
    [
        (passes, "passed", ""),
        (fails, "failed", "expected 1, got 2; count again"),
        (skips, "skipped", "there is nothing"),
        (breaks, "failed", "KeyError: 'pt', raised in test_cases.py, line LINE"),
    ],
)
def test_a_case_says_what_came_of_it(function, state, message):
    came = outcome(function)
    line = str(inspect.getsourcelines(function)[1] + 2)
    assert (came.state, came.message, came.check) == (state, message.replace("LINE", line), function.__name__)


def test_an_expected_failure_is_one_and_one_that_passes_fails():
    assert outcome(fails, expected={"fails": "known"}).state == "expected"
    assert outcome(fails, expected={"fails": "known"}).message == "known"
    strict = outcome(passes, expected={"passes": "known"})
    assert strict.state == "failed"
    assert "take it out of expected_failures" in strict.message


def test_a_class_says_itself_what_is_expected_to_fail():
    class Declared(WrongWidth):
        expected_failures: ClassVar = {"check_block_shape": "it is half written"}

    states = {outcome.check: outcome.state for outcome in check(Declared).outcomes}
    assert states["check_block_shape"] == "expected"


def test_one_cause_fails_once():
    def fails_too(subject):
        """Fails in the same words."""
        fails(subject)

    def fails_otherwise(subject):
        """Fails without a word, and so says nothing of the cause."""
        raise CheckFailed

    subject = subject_of(FirstHead)
    came = [Case(subject, Check(one)).run() for one in (fails, fails_too, breaks, fails_otherwise, fails)]
    assert [one.state for one in came] == ["failed", "skipped", "failed", "failed", "failed"]
    assert came[1].message == "it fails as fails does"
    assert Case(subject, Check(fails_otherwise)).run().state == "failed"
    assert Case(subject_of(FirstHead), Check(fails_too)).run().state == "failed"


def test_the_cause_of_an_expected_failure_is_declared_once():
    def fails_too(subject):
        """Fails in the same words."""
        fails(subject)

    def fails_otherwise(subject):
        """Fails for another reason."""
        raise CheckFailed("expected 1, got 3")

    subject = subject_of(FirstHead, expected_failures={"fails": "known"})
    came = [Case(subject, Check(one)).run().state for one in (fails, fails_too, fails_otherwise)]
    assert came == ["expected", "skipped", "failed"]
    declared = subject_of(FirstHead, expected_failures={"fails": "known", "fails_too": "known too"})
    assert [Case(declared, Check(one)).run().state for one in (fails, fails_too)] == ["expected", "expected"]


def test_a_head_that_cannot_be_built_fails_once():
    class Raising(FirstHead):
        """Cannot be built, whatever the cont_feats."""

        def __init__(self, cont_feats):
            raise ZeroDivisionError("no width")

    assert [one.check for one in check(Raising).failures] == ["check_init"]


def test_slow_checks_run_where_all_is_asked_for(monkeypatch):
    slow = Check(passes, is_slow=True)
    assert Case(subject_of(FirstHead), slow).run().state == "skipped"
    assert Case(subject_of(FirstHead), slow, full=True).run().state == "passed"
    monkeypatch.setenv("CI", "true")
    assert all(case.full for case in cases_of([subject_of(FirstHead)]))
    assert not any(case.full for case in cases_of([subject_of(FirstHead)], full=False))


def test_a_run_without_a_check_is_refused():
    with pytest.raises(ConfigError, match="nothing to check"):
        cases_of([])
    with pytest.raises(UnknownComponent, match="did you mean 'lumin-plugin-losses'"):
        installed("lumin-plugin-loses")
    assert not Report([], "nothing").passed
    assert "there was no check" in repr(Report([], "nothing"))


def test_a_report_of_skipped_checks_alone_has_not_passed():
    assert not Report([outcome(skips)], "nothing").passed


def test_a_report_is_written_where_all_passed(tmp_path):
    report = Report([outcome(passes), outcome(fails, expected={"fails": "known"}), outcome(skips)], "lumin-core")
    content = json.loads(report.write(tmp_path / "lumin-checks.json").read_text())
    assert content["passed"] == {"head first_head": ["passes"]}
    assert content["expected_failures"] == {"head first_head": {"fails": "known"}}
    assert content["skipped"] == {"head first_head": {"skips": "there is nothing"}}
    assert content["versions"]["lumin-core"]
    with pytest.raises(CheckFailed, match="count again"):
        Report([outcome(passes), outcome(fails)], "lumin-core").write(tmp_path / "other.json")
    assert not (tmp_path / "other.json").exists()


def test_every_function_of_a_module_of_checks_is_listed_once_and_says_its_promise():
    listed = set()
    for kind in registry.kinds():
        names = [one.name for one in checks_of(kind.singular)]
        assert len(names) == len(set(names))
        listed |= {one.function for one in checks_of(kind.singular)}
        assert all(one.promise.endswith(".") and len(one.promise) < 110 for one in checks_of(kind.singular))
    for module in {sys.modules[function.__module__] for function in listed}:
        there = {value for name, value in vars(module).items() if name.startswith("check_")}
        assert {function for function in there if function.__module__ == module.__name__} <= listed


def test_a_kind_must_be_known():
    with pytest.raises(ConfigError, match="of what kind"):
        check(torch.zeros_like)
    assert subject_of(torch.nn.ReLU).kind == "activation"


def test_options_without_a_value_are_asked_for():
    class NeedsWidth(FirstHead):
        def __init__(self, cont_feats, width):
            super().__init__(cont_feats)

    with pytest.raises(NotApplicable, match="width has no value, see check_signature"):
        Subject("head", NeedsWidth).make()
    assert Subject("head", NeedsWidth).make(width=3)


@parametrize_with_checks([subject_of(FirstHead)], full=False)
def test_a_head_in_pytest(check):
    check()


def test_cases_have_names_in_pytest():
    mark = parametrize_with_checks(installed("lumin-plugin-tabular")).mark
    ids = [case.id for case in mark.args[1]]
    assert "head-tabular/cat_emb_head-check_block_shape" in ids


def test_a_case_in_pytest_skips_fails_and_expects():
    def run(function, expected=None):
        from lumin_core.testing.for_pytest import _run

        _run(Case(subject_of(FirstHead, expected_failures=expected), Check(function)))

    run(passes)
    with pytest.raises(CheckFailed, match="head 'first_head': expected 1, got 2"):
        run(fails)
    with pytest.raises(pytest.skip.Exception, match="there is nothing"):
        run(skips)
    with pytest.raises(pytest.xfail.Exception, match="known"):
        run(fails, {"fails": "known"})


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"exemple_options": {}}, "exemple_options says nothing to the checks; did you mean 'example_options'?"),
        ({"expected_failure": {}}, "did you mean 'expected_failures'?"),
        (
            {"expected_failures": {"check_blok_shape": "why"}},
            "which is no check of a head; did you mean 'check_block_shape'",
        ),
        ({"options": {}, "inputs": 3, "order": None}, ""),
    ],
)
def test_what_a_class_says_to_the_checks_is_spelt_right(attributes, message):
    said = type("Said", (FirstHead,), {"__doc__": FirstHead.__doc__, **attributes})
    (found,) = [one for one in check(said).outcomes if one.check == "check_attributes"]
    assert found.state == ("failed" if message else "passed")
    assert message in found.message


def test_advice_is_a_warning_that_fails_nothing():
    def advises(subject):
        """Advises."""
        raise Advice("call it otherwise")

    case = Case(subject_of(FirstHead), Check(advises))
    assert (case.run().state, case.run().message) == ("warned", "call it otherwise")
    with pytest.warns(CheckWarning, match="call it otherwise$"):
        _run(case)


def test_a_forward_that_raises_fails_once_and_says_where():
    class Raises(FirstHead):
        __doc__ = FirstHead.__doc__

        def forward(self, x):
            raise ZeroDivisionError("no width")

    (failure,) = check(Raises).failures
    assert failure.check == "check_block_shape"
    assert "no width, raised in test_cases.py, line " in failure.message
