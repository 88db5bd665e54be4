"""What a fit is made of, as plain values, and what differs; fits are in ``test_checkpoint``."""

from functools import partial

import pytest

from lumin_core import Callback
from lumin_core.errors import ConfigError
from lumin_core.training.sameness import check_longer, differences, is_unnamed, spec_config
from lumin_plugin_callbacks import GradClip


class Whole(Callback):
    def spans(self, n_epochs):
        return n_epochs == 3


@pytest.mark.parametrize(
    ("spec", "config"),
    [
        ("grad_clip", "callbacks/grad_clip"),
        (GradClip, "callbacks/grad_clip"),
        (partial(GradClip, clip=1), {"name": "callbacks/grad_clip", "clip": 1}),
        (GradClip(1), {"instance": "callbacks/grad_clip"}),
        (Whole(), {"instance": f"{Whole.__module__}.Whole"}),
    ],
)
def test_components_are_told_by_qualified_name_and_options(spec, config):
    assert spec_config("callback", spec) == config


def test_what_has_no_name_is_told_the_same_in_every_process():
    config = spec_config("callback", partial(Whole, how=object()))
    assert is_unnamed([config])
    assert " at 0x" not in str(config)


@pytest.mark.parametrize(
    ("was", "now", "found"),
    [
        ("a", {"name": "a"}, []),
        ("a", {"name": "a", "clip": 1}, ["x.clip"]),
        ({"name": "a"}, "b", ["x.name"]),
        ([1, 2], [1, 3], ["x"]),
        (["a", "b"], ["a", "c"], ["x[1]"]),
        ([1, float("nan")], [1.0, float("nan")], []),
        (1, True, []),
        (["a"], [], ["x"]),
        ({"n_out": 1, "loss": "a"}, {"unnamed": "loss is a lambda", "n_out": "1", "loss": "<lambda>"}, ["x.unnamed"]),
        ({"unnamed": "why", "n_out": "1"}, {"unnamed": "why", "n_out": "2"}, ["x.n_out"]),
    ],
)
def test_differences_are_named(was, now, found):
    assert [name for name, *_ in differences(was, now, "x")] == found


def test_a_schedule_says_whether_it_spans_the_fit():
    for was, now in ((3, 3), (2, 5)):
        check_longer([Whole()], was, now)
    with pytest.raises(ConfigError, match=r"n_epochs was 3, is 4, but the shape of .*Whole is that of a fit of 3"):
        check_longer([Whole()], 3, 4)
