"""The plan of callbacks: what is a callback, what is refused, and in which order points are called."""

import sys

import pytest

from lumin_core import hookimpl
from lumin_core.errors import HookError, LuminError
from lumin_core.training.hook_plan import HookPlan, problem_of
from lumin_core.training.hookspecs import POINTS, LuminSpec, hookspec


class Recorder:
    def __init__(self, name, log):
        self.name, self.log = name, log

    def on_epoch_end(self, fit_params):
        self.log.append(self.name)


class Wrapper(Recorder):
    @hookimpl(wrapper=True)
    def on_epoch_end(self, fit_params):
        self.log.append(f"{self.name} before")
        result = yield
        self.log.append(f"{self.name} after")
        return result


def call(plan, point, fit_params=None):
    for function in plan.calls[point]:
        function(fit_params)


def test_points_are_the_thirteen_of_the_design():
    assert POINTS == (
        "on_train_begin",
        "on_epoch_begin",
        "on_fold_begin",
        "on_batch_begin",
        "on_forwards_end",
        "on_backwards_begin",
        "on_backwards_end",
        "on_batch_end",
        "on_fold_end",
        "on_epoch_end",
        "on_train_end",
        "on_pred_begin",
        "on_pred_end",
    )
    for point in POINTS:
        spec = getattr(LuminSpec, point)
        assert spec.__doc__.startswith("Called")
        assert hasattr(spec, f"{hookspec.project_name}_spec")


def test_no_callback_makes_empty_points():
    assert HookPlan([]).calls == dict.fromkeys(POINTS, ())


def test_points_without_implementation_stay_empty():
    calls = HookPlan([Recorder("a", [])]).calls
    assert [point for point in POINTS if calls[point]] == ["on_epoch_end"]


def test_callbacks_run_in_the_listed_order():
    log = []
    call(HookPlan([Recorder(name, log) for name in "abc"]), "on_epoch_end")
    assert log == ["a", "b", "c"]


@pytest.mark.parametrize("place", range(4))
def test_a_wrapper_encloses_all_others_and_the_order_holds(place):
    log = []
    callbacks = [Recorder(name, log) for name in "abc"]
    callbacks.insert(place, Wrapper("w", log))
    call(HookPlan(callbacks), "on_epoch_end")
    assert log == ["w before", "a", "b", "c", "w after"]


def test_the_first_of_two_wrappers_is_the_outer_one():
    log = []
    call(HookPlan([Wrapper("v", log), Recorder("a", log), Wrapper("w", log)]), "on_epoch_end")
    assert log == ["v before", "w before", "a", "w after", "v after"]


def test_a_wrapper_without_argument_is_called():
    log = []

    class Plain:
        @hookimpl(wrapper=True)
        def on_epoch_end(self):
            log.append("before")
            return (yield)

    call(HookPlan([Recorder("a", log), Plain()]), "on_epoch_end")
    assert log == ["before", "a"]


def test_both_signatures_and_inherited_static_and_assigned_methods_are_called():
    log = []

    class Base:
        def on_fold_begin(self):
            log.append("inherited")

    class Child(Base):
        @staticmethod
        def on_fold_end(fit_params):
            log.append(fit_params)

    child = Child()
    child.on_epoch_begin = lambda fit_params: log.append("assigned")
    plan = HookPlan([child])
    for point in ("on_fold_begin", "on_fold_end", "on_epoch_begin"):
        call(plan, point, "state")
    assert log == ["inherited", "state", "assigned"]


def test_equal_objects_are_told_apart_by_identity():
    log = []

    class Equal(Recorder):
        def __eq__(self, other):
            return True

        __hash__ = None

    call(HookPlan([Equal("a", log), Equal("b", log)]), "on_epoch_end")
    assert log == ["a", "b"]


def callback_with(name, function):
    return type("Mine", (), {name: function})()


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            callback_with("on_epoch_edn", lambda self, fit_params: None),
            r"Mine\.on_epoch_edn .*did you mean 'on_epoch_end'",
        ),
        (callback_with("on_xyz", lambda self: None), r"on_xyz is no callback point; known are on_train_begin"),
        (
            callback_with("on_fold_end", lambda self, x: None),
            r"must take \(self\) or \(self, fit_params\), got \(self, x\)",
        ),
        (callback_with("on_fold_end", lambda self, fit_params, y: None), "must take"),
        (callback_with("on_fold_end", lambda self, fit_params=None: None), "must take"),
        (callback_with("on_fold_end", lambda self, *args: None), "must take"),
        (callback_with("on_fold_end", lambda self, **fit_params: None), "must take"),
        (callback_with("on_fold_end", lambda self, *, fit_params: None), "must take"),
        (Recorder, r"Recorder is a class where a callback object was expected; pass Recorder\(\.\.\.\)"),
        (object(), "has no callback point"),
        (None, "has no callback point"),
        (3, "has no callback point"),
        (callback_with("on_epoch_end", 3), "has no callback point"),
    ],
)
def test_what_is_no_callback_is_refused(callback, message):
    with pytest.raises(HookError, match=message) as caught:
        HookPlan([callback])
    assert isinstance(caught.value, LuminError | TypeError)


def test_the_same_object_twice_is_refused():
    callback = Recorder("a", [])
    with pytest.raises(HookError, match=r"listed twice.*once, or make a second"):
        HookPlan([callback, Recorder("b", []), callback])


@pytest.mark.parametrize("option", ["tryfirst", "trylast", "hookwrapper"])
def test_other_options_of_pluggy_are_refused(option):
    callback = callback_with("on_epoch_end", hookimpl(**{option: True})(lambda self, fit_params: None))
    with pytest.raises(HookError, match=r"order listed.*only wrapper=True"):
        HookPlan([callback])


def test_a_wrapper_that_is_no_generator_is_refused():
    with pytest.raises(HookError, match=r"a wrapper is marked .* and yields once"):
        HookPlan([callback_with("on_epoch_end", hookimpl(wrapper=True)(lambda self, fit_params: None))])


def test_a_generator_without_the_mark_is_refused():
    def on_epoch_end(self, fit_params):
        yield

    with pytest.raises(HookError, match="marked"):
        HookPlan([callback_with("on_epoch_end", on_epoch_end)])


class Bad:
    def on_epoch_end(self, fit_params):
        raise ZeroDivisionError("oh")


class BadWrapper:
    @hookimpl(wrapper=True)
    def on_epoch_end(self, fit_params):
        yield
        raise ZeroDivisionError("oh")


class GoodWrapper:
    @hookimpl(wrapper=True)
    def on_epoch_end(self, fit_params):
        return (yield)


@pytest.mark.parametrize(
    "callbacks", [[Bad()], [Recorder("a", []), Bad()], [GoodWrapper(), Bad()], [Bad(), GoodWrapper()]]
)
def test_an_exception_carries_one_note_with_callback_and_point(callbacks):
    with pytest.raises(ZeroDivisionError) as caught:
        call(HookPlan(callbacks), "on_epoch_end")
    assert caught.value.__notes__ == ["raised by the callback Bad in on_epoch_end"]


def test_an_exception_of_a_wrapper_carries_the_note_too():
    with pytest.raises(ZeroDivisionError) as caught:
        call(HookPlan([BadWrapper(), Recorder("a", [])]), "on_epoch_end")
    assert caught.value.__notes__ == ["raised by the callback BadWrapper in on_epoch_end"]


# Agreements between callbacks are kept whole


CYCLIC = {"cycle_count": 0, "cycle_end": False, "cycle_save": False, "cycle_losses": [], "delays_stopping": bool}
OFFERING = {"label": "average", "get_values": dict, "get_module": dict}


def with_members(members):
    return type("Mine", (), {"on_epoch_end": lambda self: None, **members})()


@pytest.mark.parametrize(("name", "members"), [("CyclicCallback", CYCLIC), ("LossCallback", OFFERING)])
def test_a_part_of_an_agreement_is_refused_with_what_is_lacking(name, members):
    HookPlan([with_members(members)])
    for left_out in members:
        rest = {key: value for key, value in members.items() if key != left_out}
        with pytest.raises(HookError, match=f"Mine has .* of lumin_core.{name}, but lacks {left_out}, so that"):
            HookPlan([with_members(rest)])


def test_all_that_is_lacking_is_named():
    words = "Mine has cycle_end of lumin_core.CyclicCallback, but lacks cycle_count, cycle_losses, cycle_save, delays"
    with pytest.raises(HookError, match=words):
        HookPlan([with_members({"cycle_end": True})])


def test_a_label_and_a_schedule_alone_claim_nothing():
    HookPlan([with_members({"label": "mine", "scheduled": ("lr",), "repeats": False})])


def test_what_would_never_run_is_refused():
    class Awaited:
        async def on_epoch_end(self): ...

    class Yielding:
        async def on_epoch_end(self):
            yield

    for callback in (Awaited, Yielding):
        with pytest.raises(HookError, match=r"on_epoch_end: it would never run, .*write def in place of async def"):
            HookPlan([callback()])
        assert "async def" in problem_of(callback)


@pytest.mark.parametrize("wrapper", [False, True])
def test_a_callback_that_ends_the_program_is_told(wrapper):
    """The script ended with exit code 0, and without a word."""

    class Leaving:
        def on_epoch_end(self):
            sys.exit(0)

    class LeavingLater:
        @hookimpl(wrapper=True)
        def on_epoch_end(self):
            yield
            sys.exit(0)

    callback = LeavingLater() if wrapper else Leaving()
    with pytest.raises(
        HookError, match=r"callback Leaving\w* called sys.exit in on_epoch_end; .*fit_params.stop = True"
    ):
        call(HookPlan([callback]), "on_epoch_end")


class Fine:
    def on_epoch_end(self): ...

    def check_fit(self): ...

    def spans(self, epochs):
        return True


class OddCheck(Fine):
    def check_fit(self, fit_params, more): ...


class OddSpans(Fine):
    def spans(self):
        return True


class OddModel(Fine):
    def set_model(self): ...


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (OddCheck, r"OddCheck.check_fit must take 0 or 1 argument.s. after self, got \(fit_params, more\)"),
        (OddSpans, r"OddSpans.spans must take 1 argument.s. after self, got \(\)"),
        (OddModel, r"OddModel.set_model must take 1 argument.s. after self, got \(\)"),
    ],
)
def test_methods_beside_the_points_take_what_they_are_handed(odd, words):
    HookPlan([Fine()])
    with pytest.raises(HookError, match=words):
        HookPlan([odd()])
