"""Where a network works and how exactly: what there is not is refused."""

import pytest

from lumin_core import Model
from lumin_core.errors import ConfigError
from lumin_core.training.device import pick_device


@pytest.mark.parametrize("precision", ["64", 16, None, ""])
def test_other_precisions_are_refused(make_builder, fy, precision):
    with pytest.raises(ConfigError, match="precision must be one of '32', 'bf16', '16'"):
        Model(make_builder(fy), precision=precision)


def test_unknown_devices_are_refused(make_builder, fy, monkeypatch):
    for device in ("gpu", "cuda:99"):
        with pytest.raises(ConfigError, match=f"the device {device!r} cannot be used"):
            Model(make_builder(fy), device=device)
    monkeypatch.setenv("LUMIN_DEVICE", "nonsense")
    with pytest.raises(ConfigError, match="nonsense"):
        Model(make_builder(fy))


def test_a_device_is_as_asked_else_as_the_environment_says(monkeypatch):
    monkeypatch.setenv("LUMIN_DEVICE", "meta")
    assert pick_device().type == "meta"
    assert pick_device("cpu").type == "cpu"
