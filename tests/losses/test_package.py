from __future__ import annotations

import subprocess
import sys

import pytest

import lumin_plugin_losses


def test_every_public_name_loads():
    for name in lumin_plugin_losses.__all__:
        assert getattr(lumin_plugin_losses, name).__doc__
        assert name in dir(lumin_plugin_losses)
    with pytest.raises(AttributeError, match="nonsense"):
        lumin_plugin_losses.nonsense  # noqa: B018


def test_import_is_lazy():
    code = "import sys, lumin_plugin_losses; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
